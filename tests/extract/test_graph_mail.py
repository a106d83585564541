"""A mailbox through Microsoft Graph: which mails and attachments are read, what is refused, what stays secret."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.errors import ExitCode, FuturscamError, OperatorMustAct, RetryLater
from futurscam_lib.extract.graph_mail import GraphMailSource
from futurscam_lib.extract.source import Probe
from futurscam_lib.records import MAX_RECORD_BYTES, Window
from tests.extract import made_mails as made
from tests.extract.conftest import T0
from tests.servers import source_settings
from tests.servers.graph import File, GraphServer, Item, Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.records import RawRecord
    from futurscam_lib.settings import Settings
    from tests.servers.messages import Request

SECOND = timedelta(seconds=1)
SUBJECT = "[JOB EXPORT] JP000001"
ALL = Window(T0 - timedelta(days=1))
SUBJECTS = ["RE: [JOB EXPORT] 1", "[EXTERNAL] [JOB  EXPORT] 1", "TR : Fwd: [EXT]: [JOB\xa0EXPORT] 1", "[job export]"]


def post(name: str = "a") -> bytes:
    """A job post with its number."""
    return json.dumps({"id": name}).encode()


def attachment(name: str = "a", file: str = "") -> File:
    """The same post as an attachment."""
    return File(file or f"jobpost_{name}.json", post(name))


@pytest.fixture
def source(graph: GraphServer, configure: Callable[..., Settings]) -> Callable[..., GraphMailSource]:
    """Makes the source, with some settings changed."""

    def make(**more: str) -> GraphMailSource:
        return GraphMailSource(configure({**source_settings.graph(graph), **more}))

    return make


def read(source: GraphMailSource, window: Window = ALL) -> list[RawRecord]:
    """All records of a window."""
    return list(source.read(window))


def ids(records: list[RawRecord]) -> list[str]:
    """The numbers of the posts."""
    return sorted(json.loads(record.payload)["id"] for record in records)


def refusal(source: GraphMailSource) -> FuturscamError:
    """The error with which a `read` ends."""
    with pytest.raises(FuturscamError) as caught:
        read(source)
    return caught.value


def forwarded(*attachments: tuple[str, bytes]) -> bytes:
    """A mail in MIME, as an attachment of another mail."""
    mail = EmailMessage()
    mail["Subject"] = "JP000001"
    mail.set_content("See attachment.")
    for name, data in attachments:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def paths(graph: GraphServer) -> list[str]:
    """The requests to Graph, without the sign-in."""
    return [request.path for request in graph.requests if request.path.startswith("/v1.0")]


def test_an_attachment_becomes_a_record(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """The record has the original bytes, the instant of the mail and its origin."""
    mail = graph.deliver(SUBJECT, received=T0, attachments=[attachment()])

    (record,) = read(source())

    assert (record.payload, record.instant, record.source) == (post(), T0, "graph_mail")
    assert record.origin == f"2026-11-20 10:00:00 jobpost_a.json ({mail})"


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (T0, None, "bcd"),
        # Whole seconds are all that Graph tells: a mail of T0 + 0.9 s says T0.
        (T0 + timedelta(microseconds=900_000), None, "bcd"),
        (T0 + SECOND, None, "cd"),
        (T0, T0 + SECOND, "b"),
        (T0, T0 + SECOND + timedelta(microseconds=1), "bc"),
        (T0 + 3 * SECOND, None, ""),
    ],
)
def test_the_window_is_exact(
    graph: GraphServer, source: Callable[..., GraphMailSource], since: Any, until: Any, found: str
) -> None:
    """The lower bound is rounded down to the second and included; the upper bound is excluded."""
    for number, name in enumerate("abcd", start=-1):
        graph.deliver(SUBJECT, received=T0 + number * SECOND, attachments=[attachment(name)])

    assert ids(read(source(), Window(since, until))) == list(found)


def test_only_mails_with_the_subject_are_read(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """The beginning of the subject is a setting, also under its older name, and may be one of several."""
    graph.deliver(SUBJECT, received=T0, attachments=[attachment("a")])
    graph.deliver("Re: lunch", received=T0, attachments=[attachment("b")])
    graph.deliver("L'export 1", received=T0, attachments=[attachment("c")])

    assert ids(read(source())) == ["a"]
    assert ids(read(source(FUTURSCAM_MAIL_SUBJECT="L'export"))) == ["c"]
    assert ids(read(source(FUTURSCAM_MAIL_SUBJECTS="L'export, [job export]"))) == ["a", "c"]
    assert ids(read(source(FUTURSCAM_MAIL_SUBJECTS="lunch", FUTURSCAM_MAIL_SUBJECT="L'export"))) == ["b"]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_marks_before_the_subject_are_ignored(
    graph: GraphServer, source: Callable[..., GraphMailSource], subject: str
) -> None:
    """Replies, forwards, mails from outside and odd white space are read, and `check` counts them."""
    graph.deliver(subject, received=T0, attachments=[attachment()])
    found = Probe()
    source().probe(ALL, found)

    assert ids(read(source())) == ["a"]
    assert found.waiting == 1


def test_near_misses_are_counted_and_not_fetched(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """A note gives their number and no subject."""
    graph.deliver("Your [JOB EXPORT] JP1", received=T0, attachments=[attachment()])
    graph.deliver("Lunch", received=T0, attachments=[attachment()])
    reading = source()

    assert read(reading) == []
    (note,) = reading.notes
    assert note.startswith("1 mail(s) were not read: ")
    assert "Your" not in note
    found = Probe()
    source().probe(ALL, found)
    assert (found.waiting, found.remark) == (0, note)
    assert not [path for path in paths(graph) if "attachments" in path]


def test_a_busy_mailbox_is_only_listed(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """For thousands of other mails, only pages of a thousand subjects are requested."""
    for number in range(2500):
        graph.deliver(f"Newsletter {number}", received=T0 + number * SECOND)
    graph.deliver(SUBJECT, received=T0, attachments=[attachment()])

    assert ids(read(source())) == ["a"]
    lists = [request for request in graph.requests if request.path.endswith("/messages")]
    assert len(lists) == 2 * 3
    assert all(request.first("$select") == "id,subject,receivedDateTime" for request in lists)
    assert len(paths(graph)) == len(lists) + 2


def test_all_pages_are_followed_as_they_are_given(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """Small pages of mails and attachments are read to the end; each request asks for immutable ids."""
    graph.page_limit, graph.attachment_page_limit = 2, 2
    for number in range(7):
        names = [f"{number}-{one}" for one in range(3)]
        graph.deliver(SUBJECT, received=T0 + number * SECOND, attachments=[attachment(name) for name in names])

    assert len(read(source())) == 21
    graph_requests = [request for request in graph.requests if request.path.startswith("/v1.0")]
    assert {request.headers["Prefer"] for request in graph_requests} == {'IdType="ImmutableId"'}


def test_a_mail_removed_while_the_list_is_read_hides_no_other(
    graph: GraphServer, source: Callable[..., GraphMailSource]
) -> None:
    """A mail that moves onto a page that was already read is still found."""
    graph.page_limit = 2
    mails = [graph.deliver(SUBJECT, received=T0 + n * SECOND, attachments=[attachment(f"{n}")]) for n in range(6)]

    def remove(request: Request) -> None:
        if "$skiptoken" in request.target or "skip" in request.target.partition("?")[2]:
            graph.before = None
            graph.remove(mails[0])

    graph.before = remove
    found = ids(read(source()))

    assert set(found) >= {"1", "2", "3", "4", "5"}
    assert len(found) == len(set(found))


def test_a_moved_mail_stays_the_same_record(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """Ids are immutable, and the whole mailbox is read, including deleted items."""
    mail = graph.deliver(SUBJECT, received=T0, attachments=[attachment()])
    before = read(source())
    graph.move(mail, "deleteditems")

    assert read(source()) == before


def test_a_tenant_that_refuses_the_order_gets_a_request_without_it(
    graph: GraphServer, source: Callable[..., GraphMailSource]
) -> None:
    """After `InefficientFilter`, all mails are read with another request."""
    graph.refuses_order, graph.page_limit = True, 2
    for number in range(5):
        graph.deliver(SUBJECT, received=T0 + number * SECOND, attachments=[attachment(f"{number}")])

    assert ids(read(source())) == ["0", "1", "2", "3", "4"]
    lists = [request for request in graph.requests if request.path.endswith("/messages")]
    assert sum("orderby" in request.target for request in lists) == 1


@pytest.mark.parametrize("folder", ["archive", "Inbox/RFP", "inbox/L'Oréal", "Deleted Items"])
def test_one_folder_only(graph: GraphServer, source: Callable[..., GraphMailSource], folder: str) -> None:
    """A folder is given by its well-known name, or by its path."""
    inbox = "inbox"
    places = {"archive": "archive", "Deleted Items": "deleteditems"}
    place = places.get(folder) or graph.add_folder(folder.partition("/")[2], parent=inbox)
    graph.deliver(SUBJECT, received=T0, attachments=[attachment("here")], folder=place)
    graph.deliver(SUBJECT, received=T0, attachments=[attachment("elsewhere")])

    assert ids(read(source(FUTURSCAM_GRAPH_FOLDER=folder))) == ["here"]


def test_a_missing_folder_is_reported(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """The error lists the existing folders."""
    error = refusal(source(FUTURSCAM_GRAPH_FOLDER="inbox/Nowhere"))

    assert isinstance(error, OperatorMustAct)
    assert "'Nowhere'" in str(error)
    assert "FUTURSCAM_GRAPH_FOLDER" in str(error)
    assert graph.requests


def test_only_what_may_hold_a_post_is_fetched(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """Other attachments are counted and named; a mail without any post is a reject."""
    others = [File("cv.pdf", b"%PDF", "application/pdf"), File("logo.png", b"x", "image/png", inline=True)]
    graph.deliver(SUBJECT, received=T0, attachments=[*others, attachment()])
    graph.deliver("[JOB EXPORT] empty", received=T0)
    reading = source()

    good, rejected = read(reading)

    assert good.payload == post()
    assert rejected.flaw is not None
    assert rejected.flaw.code == "no-post"
    assert reading.notes == [
        "2 mail(s) read.",
        "2 attachment(s) that cannot contain a post were not read: cv.pdf (1), logo.png (1).",
        "1 mail(s) contain no post; each is a reject (no-post).",
    ]
    assert len([path for path in paths(graph) if path.endswith("$value")]) == 1


@pytest.mark.parametrize(
    "found",
    [
        File("jobpost.JSON", post(), "application/octet-stream"),
        File("jobpost", post(), "application/json; charset=utf-8"),
        File("inline.json", post(), inline=True),
        Item("FW: JP000001", forwarded(("jobpost.json", post()))),
        Item("FW: FW", forwarded(("inner.eml", b"no mail"), ("jobpost.json", post()))),
        *(File(name, content, "application/octet-stream") for name, content in made.containers(post()).items()),
        File("", post(), "application/vnd.platform.post+json"),
        File("jobpost.json.txt", post(), "text/plain"),
    ],
)
def test_what_counts_as_json(graph: GraphServer, source: Callable[..., GraphMailSource], found: Any) -> None:
    """JSON is detected by name or type, also inline and in an attached mail."""
    graph.deliver(SUBJECT, received=T0, attachments=[found])

    assert ids(read(source())) == ["a"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [("text", '{"id": "a"}'), ("html", '<html><body><div class="PlainText">{<br>&quot;id&quot;: &quot;a&quot;}</div>')],
)
def test_the_text_of_a_mail_may_be_the_post(
    graph: GraphServer, source: Callable[..., GraphMailSource], kind: Any, text: str
) -> None:
    """The text is fetched only if no attachment holds a post."""
    graph.deliver(SUBJECT, received=T0, body=(kind, text), attachments=[File("logo.png", b"x", "image/png")])
    graph.deliver(SUBJECT, received=T0, body=(kind, text), attachments=[attachment("b")])

    assert ids(read(source())) == ["a", "b"]
    assert sum(request.first("$select") == "body" for request in graph.requests) == 1


@pytest.mark.parametrize("which", made.REFUSED)
def test_what_cannot_be_opened_is_a_reject(
    graph: GraphServer, source: Callable[..., GraphMailSource], which: str
) -> None:
    """A broken or encrypted attachment is a reject; the next mail is read."""
    name, content, code = made.REFUSED[which]
    graph.deliver(SUBJECT, received=T0, attachments=[File(name, content, "application/octet-stream")])
    graph.deliver(SUBJECT, received=T0, attachments=[attachment()])

    rejected, good = read(source())

    assert rejected.flaw is not None
    assert rejected.flaw.code == code
    assert good.payload == post()


def test_a_mail_without_a_post_is_the_same_reject_each_time(
    graph: GraphServer, source: Callable[..., GraphMailSource]
) -> None:
    """When the overlap reads it again, the reject is the same, even if the mail was moved."""
    mail = graph.deliver(SUBJECT, received=T0, attachments=[File("cv.pdf", b"%PDF", "application/pdf")])
    before = read(source())
    graph.move(mail, "archive")

    assert read(source()) == before
    assert before[0].origin == f"2026-11-20 10:00:00 mail: {SUBJECT} ({mail})"
    assert before[0].flaw
    assert "cv.pdf (application/pdf)" in before[0].flaw.reason


def test_a_text_that_is_refused_is_a_reject(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """The reject does not stop other mails."""
    mail = graph.deliver(SUBJECT, received=T0)
    graph.deliver(SUBJECT, received=T0, attachments=[attachment()])
    graph.fail(mail, skip=1, status=400, body=b'{"error": {"code": "ErrorCorruptData", "message": "Broken."}}')

    rejected, good = read(source())

    assert rejected.flaw is not None
    assert rejected.flaw.code == "unreadable"
    assert good.payload == post()


def test_names_are_never_paths(graph: GraphServer, source: Callable[..., GraphMailSource], tmp_path: Any) -> None:
    """Names are shown without terminal control characters, and no file is written to disk."""
    names = ["../../../etc/passwd.json", "C:\\windows\\x.json", "a\x1b[31m\u202egpj.json", "con.json", "%2e%2e%2f.json"]
    graph.deliver(SUBJECT, received=T0, attachments=[attachment(f"{n}", name) for n, name in enumerate(names)])
    before = sorted(tmp_path.rglob("*"))

    origins = [record.origin for record in read(source())]

    assert sorted(tmp_path.rglob("*")) == before
    assert "../../../etc/passwd.json" in origins[0]
    assert all(origin.isprintable() for origin in origins)


def test_the_same_name_twice_in_a_mail(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """There are two records with two origins; equal bytes are one payload."""
    same = attachment("a", "jobpost.json")
    graph.deliver(SUBJECT, received=T0, attachments=[same, replace(same, data=post("b")), same])

    records = read(source())

    assert len({record.origin for record in records}) == 3
    assert [record.raw_id for record in records].count(records[0].raw_id) == 2


def test_an_attachment_of_20_mb(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """A JSON attachment is a too-large reject, any other is not fetched; a third one is still read."""
    large = b" " * (20 << 20)
    attachments = [File("large.json", large), File("large.pdf", large, "application/pdf"), attachment()]
    graph.deliver(SUBJECT, received=T0, attachments=attachments)

    flawed, good = read(source())

    assert (flawed.payload, flawed.flaw and flawed.flaw.code) == (b"", "too-large")
    assert flawed.size > MAX_RECORD_BYTES
    assert good.payload == post()


def test_json_that_is_not_a_post_is_handed_over(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """The mapping decides whether it is a post; lists and lines are split."""
    files = {"other.json": b'{"theme": "dark"}', "list.json": b'[{"id": 1}, {"id": 2}]', "l.jsonl": b'{"id": 3}\n{'}
    graph.deliver(SUBJECT, received=T0, attachments=[File(name, data) for name, data in files.items()])

    assert [record.payload for record in read(source())] == [
        b'{"theme": "dark"}',
        *(b'{"id": 1}', b'{"id": 2}', b'{"id": 3}', b"{"),
    ]


def test_a_link_to_a_file_is_a_reject(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """A link to a file that may be a post is a reject; a link to another file is ignored."""
    links = [Reference("jobpost.json", "https://example.com/1"), Reference("film.mp4", "https://example.com/2")]
    graph.deliver(SUBJECT, received=T0, attachments=links)

    (record,) = read(source())

    assert record.flaw is not None
    assert record.flaw.code == "unreadable"
    assert "link" in record.flaw.reason


def test_an_attachment_that_is_refused_stops_no_other(
    graph: GraphServer, source: Callable[..., GraphMailSource]
) -> None:
    """An attachment that is always refused is a reject."""
    for number in range(4):
        graph.deliver(SUBJECT, received=T0 + number * SECOND, attachments=[attachment(f"{number}")])
    graph.fail("$value", status=400, body=b'{"error": {"code": "ErrorCorruptData", "message": "Broken."}}')

    records = read(source())

    assert [record.flaw.code for record in records if record.flaw] == ["unreadable"]
    assert len(records) == 4


def test_records_before_a_failure_still_count(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """If one mail in the middle gets no answer, the other three are yielded before the error."""
    mails = [graph.deliver(SUBJECT, received=T0 + n * SECOND, attachments=[attachment(f"{n}")]) for n in range(4)]
    graph.fail(f"{mails[1]}/attachments", status=503, times=99)
    given: list[RawRecord] = []

    def collect() -> None:
        for record in source().read(ALL):
            given.append(record)  # noqa: PERF402 - what came before the error is what matters

    with pytest.raises(RetryLater, match="could not be read"):
        collect()

    assert ids(given) == ["0", "2", "3"]


def test_after_some_failures_in_a_row_the_source_has_failed(
    graph: GraphServer, source: Callable[..., GraphMailSource]
) -> None:
    """A server that is down is not asked for each mail."""
    for number in range(100):
        graph.deliver(SUBJECT, received=T0 + number * SECOND, attachments=[attachment(f"{number}")])
    graph.fail("/attachments", status=503, times=10_000)

    with pytest.raises(RetryLater, match="in a row"):
        read(source(FUTURSCAM_HTTP_TRIES="1"))

    assert len(paths(graph)) < 30


def test_a_mail_deleted_while_reading_is_skipped(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """A mail deleted between the list and its attachments is no failure."""
    mails = [graph.deliver(SUBJECT, received=T0 + n * SECOND, attachments=[attachment(f"{n}")]) for n in range(3)]

    def remove(request: Request) -> None:
        if request.path.endswith("/attachments"):
            graph.before = None
            graph.remove(mails[1])

    graph.before = remove

    assert set(ids(read(source()))) >= {"0", "2"}


def test_tokens_are_renewed_in_a_long_run(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """Each token is valid for a few requests, and once all are revoked at the same time."""
    graph.token_lasts_requests = 12
    for number in range(20):
        graph.deliver(SUBJECT, received=T0 + number * SECOND, attachments=[attachment(f"{number:02}")])

    assert len(read(source())) == 20
    reading = source()
    records = reading.read(ALL)
    next(records)
    graph.revoke_tokens()
    assert len(list(records)) == 19


@pytest.mark.parametrize("as_date", [False, True])
def test_throttling_is_obeyed(graph: GraphServer, source: Callable[..., GraphMailSource], *, as_date: bool) -> None:
    """After 429 three times in a row, everything is read."""
    graph.deliver(SUBJECT, received=T0, attachments=[attachment()])
    graph.throttle("/v1.0", times=3, after=1, as_date=as_date)

    assert ids(read(source())) == ["a"]


@pytest.mark.parametrize("how", ["reset", "truncated", "nothing"])
def test_connections_that_break_off(graph: GraphServer, source: Callable[..., GraphMailSource], how: Any) -> None:
    """Requests for the list, the attachments and a body are tried again."""
    for number in range(5):
        graph.deliver(SUBJECT, received=T0 + number * SECOND, attachments=[attachment(f"{number}")])
    for part in ("/messages", "/attachments", "$value", "/token"):
        graph.break_off(part, how=how)

    assert ids(read(source())) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("FUTURSCAM_GRAPH_TENANT", "nowhere.example.com", "FUTURSCAM_GRAPH_TENANT"),
        ("FUTURSCAM_GRAPH_CLIENT_ID", "11111111-0000-0000-0000-000000000000", "FUTURSCAM_GRAPH_CLIENT_ID"),
        ("FUTURSCAM_GRAPH_CLIENT_SECRET", "wrong-wrong-wrong", "FUTURSCAM_GRAPH_CLIENT_SECRET"),
        ("FUTURSCAM_GRAPH_MAILBOX", "nobody@example.com", "FUTURSCAM_GRAPH_MAILBOX"),
    ],
)
def test_each_wrong_setting_is_reported_with_its_remedy(
    graph: GraphServer, source: Callable[..., GraphMailSource], variable: str, value: str, remedy: str
) -> None:
    """The error tells the operator which setting to correct."""
    error = refusal(source(**{variable: value}))

    assert error.exit_code == ExitCode.OPERATOR_MUST_ACT
    assert remedy in str(error).partition("\n")[2]
    assert graph.requests


@pytest.mark.parametrize("place", ["openid-configuration", "/token"])
@pytest.mark.parametrize(("status", "body"), [(302, b""), (403, b"<html>Blocked by the proxy</html>"), (400, b"{}")])
def test_a_sign_in_answered_by_a_proxy_is_reported(
    graph: GraphServer, source: Callable[..., GraphMailSource], place: str, status: int, body: bytes
) -> None:
    """If a proxy or portal answers the sign-in, the operator gets a clear error, not one of a library."""
    graph.fail(place, status=status, body=body, content_type="text/html", times=99)

    error = refusal(source())

    assert error.exit_code == ExitCode.OPERATOR_MUST_ACT
    assert "sign" in str(error)


def test_missing_consent_and_an_expired_secret(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """Both errors say what to do at Microsoft."""
    graph.forbidden = True
    assert "admin consent" in str(refusal(source()))

    graph.secret_expired = True
    error = refusal(source())
    assert "expired" in str(error)
    assert error.exit_code == ExitCode.OPERATOR_MUST_ACT


def test_no_secret_in_any_error(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """No token or secret appears in an error, even if the server quotes what it was sent."""
    tokens: set[str] = set()

    def note(request: Request) -> None:
        tokens.update((request.headers["Authorization"] or "").split()[1:])

    graph.before, graph.echoes = note, True
    graph.deliver(SUBJECT, received=T0, attachments=[attachment()])
    errors = [refusal(source(FUTURSCAM_GRAPH_MAILBOX="nobody@example.com"))]
    graph.forbidden = True
    errors.append(refusal(source()))
    graph.secret_expired = True
    errors.append(refusal(source()))

    assert tokens
    for error in errors:
        assert not any(secret in str(error) for secret in {*tokens, graph.client_secret})


def test_probing(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """The probe shows each step that worked (server, sign-in, mails) and counts the waiting mails."""
    for number in range(3):
        graph.deliver(SUBJECT, received=T0 + number * SECOND, attachments=[attachment(f"{number}")])
    found = Probe()
    source().probe(Window(T0 + SECOND), found)
    assert found == Probe(reached=True, signed_in=True, may_read=True, waiting=2)
    assert not [path for path in paths(graph) if "attachments" in path]

    graph.forbidden = True
    found = Probe()
    with pytest.raises(OperatorMustAct):
        source().probe(ALL, found)
    assert found == Probe(reached=True, signed_in=True, may_read=False)

    found = Probe()
    with pytest.raises(OperatorMustAct):
        source(FUTURSCAM_GRAPH_CLIENT_SECRET="wrong-wrong").probe(ALL, found)  # noqa: S106 - not one
    assert found == Probe(reached=True, signed_in=False, may_read=False)


def test_a_probe_without_a_server(graph: GraphServer, source: Callable[..., GraphMailSource]) -> None:
    """Without an answer the error asks for another run, and no step worked."""
    nobody = source(FUTURSCAM_GRAPH_AUTHORITY="https://127.0.0.1:1", FUTURSCAM_HTTP_TRIES="2")
    found = Probe()

    with pytest.raises(RetryLater, match="Nothing was lost"):
        nobody.probe(ALL, found)

    assert found == Probe()
    assert not graph.requests
