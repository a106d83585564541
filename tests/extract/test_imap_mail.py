"""A folder through IMAP, on a real Dovecot: which mails and attachments are read, failures, and what stays secret."""

from __future__ import annotations

import base64
import imaplib
import json
import quopri
import re
import socket
import threading
import traceback
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib import clock
from futurscam_lib.errors import FuturscamError, OperatorMustAct, Refused, RetryLater, UsageError
from futurscam_lib.extract import imap_mail
from futurscam_lib.extract.imap_mail import ImapMailSource
from futurscam_lib.extract.source import Probe
from futurscam_lib.records import MAX_RECORD_BYTES, Window
from tests.extract import made_mails as made
from tests.extract.conftest import T0
from tests.servers import dovecot
from tests.servers.dovecot import HOST, PASSWORD, Dovecot
from tests.servers.imap_between import Between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from futurscam_lib.records import RawRecord
    from futurscam_lib.settings import Settings

SECOND: Final = timedelta(seconds=1)
ALL: Final = Window(T0 - timedelta(days=1))
SUBJECT: Final = "[JOB EXPORT] JP000001"
WRONG: Final = "wr0ng-Secret"
APP: Final = {f"FUTURSCAM_GRAPH_{name}": "x" for name in ("TENANT", "CLIENT_ID", "CLIENT_SECRET")}


@pytest.fixture(scope="session")
def server() -> Iterator[Dovecot]:
    """One Dovecot for all tests of a worker."""
    dovecot.needed()
    with Dovecot() as running:
        yield running


@dataclass
class Mailbox:
    """A mailbox that no other test uses, and sources that read it."""

    server: Dovecot
    configure: Callable[..., Settings]
    user: str = field(default_factory=lambda: f"{uuid.uuid4().hex}@example.com")

    def deliver(self, *parts: bytes, at: datetime = T0, subject: str = SUBJECT, more: str = "") -> None:
        """Deliver a mail with these parts."""
        self.server.deliver(self.user, mail(*parts, subject=subject, more=more), at)

    def source(self, port: int = 0, *, token: Callable[[], str] | None = None, **more: str) -> ImapMailSource:
        """The source, with some settings changed."""
        told = {
            "FUTURSCAM_IMAP_HOST": HOST,
            "FUTURSCAM_IMAP_PORT": str(port or self.server.port),
            "FUTURSCAM_IMAP_USER": self.user,
            "FUTURSCAM_IMAP_PASSWORD": PASSWORD,
        }
        return ImapMailSource(self.configure({**told, **more}), token=token)

    def read(self, window: Window = ALL) -> list[RawRecord]:
        """All records of a window."""
        return list(self.source().read(window))


@pytest.fixture
def mailbox(
    server: Dovecot, configure: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, _no_waiting: None
) -> Mailbox:
    """An empty mailbox, on a server whose authority is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    return Mailbox(server, configure)


@pytest.fixture
def between(mailbox: Mailbox) -> Iterator[Between]:
    """Stands between the source and Dovecot."""
    with Between(mailbox.server) as stands:
        yield stands


def mail(*parts: bytes, subject: str = SUBJECT, more: str = "") -> bytes:
    """A mail with some words and these parts."""
    # An attached mail needs another boundary than the one that it is attached to.
    mark = uuid.uuid4().hex
    head = f"Subject: {subject}\r\n{more}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary={mark}\r\n\r\n"
    words = b"Content-Type: text/plain\r\n\r\nPlease find attached.\r\n"
    begin, end = f"--{mark}\r\n".encode(), f"--{mark}--\r\n".encode()
    return head.encode() + b"".join(begin + part + b"\r\n" for part in (words, *parts)) + end


def post(name: str = "a") -> bytes:
    """A job post with its number."""
    return json.dumps({"id": name}).encode()


def attached(
    content: bytes, file: str = "a.json", *, kind: str = "application/octet-stream", encoding: str = "base64"
) -> bytes:
    """A part of a mail."""
    encode = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)
    head = (
        f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n"
        f'Content-Disposition: attachment; filename="{file}"\r\n\r\n'
    )
    return head.encode() + encode(content).replace(b"\n", b"\r\n")


def within(inner: bytes, *, file: str = "", encoding: str = "") -> bytes:
    """A mail as a part of another mail."""
    head = f"Content-Type: message/rfc822{f'; name={file}' if file else ''}\r\n"
    if encoding:
        head += f"Content-Transfer-Encoding: {encoding}\r\n"
    return f"{head}\r\n".encode() + (base64.encodebytes(inner).replace(b"\n", b"\r\n") if encoding else inner)


def ids(records: list[RawRecord]) -> list[str]:
    """The numbers of the posts."""
    return sorted(json.loads(record.payload)["id"] for record in records)


def names(records: list[RawRecord]) -> list[str]:
    """The names of the attachments, without time and id of the mail."""
    return [record.origin[len("2026-11-20 10:00:00 ") :].rpartition(" (")[0] for record in records]


def shown_by(error: BaseException) -> str:
    """Everything that a traceback could show of an error, including suppressed causes."""
    seen: list[str] = []
    following: BaseException | None = error
    while following:
        seen += [repr(following), str(following), *traceback.format_exception(following)]
        following = following.__cause__ or following.__context__
    return "\n".join(seen)


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (0, None, ["at", "before", "behind"]),
        (1, None, ["at", "behind"]),
        (1.5, None, ["at", "behind"]),
        (1, 2, ["at"]),
        (0, 1.000_001, ["at", "before"]),
        (3, None, []),
    ],
)
def test_the_window_begins_with_the_second_of_its_first_instant(
    mailbox: Mailbox, since: float, until: float | None, found: list[str]
) -> None:
    """`[since, until)` on INTERNALDATE, which has whole seconds: the lower bound is rounded down to lose no mail."""
    for number, name in enumerate(["before", "at", "behind"]):
        mailbox.deliver(attached(post(name)), at=T0 + number * SECOND)
    window = Window(T0 + since * SECOND, T0 + until * SECOND if until is not None else None)

    assert ids(mailbox.read(window)) == found


@pytest.mark.parametrize("since", [clock.EARLIEST, clock.EPOCH, T0.replace(hour=0), T0.replace(hour=23, minute=59)])
def test_a_mail_near_midnight_is_read(mailbox: Mailbox, since: datetime) -> None:
    """The server searches by days, the source by instants: a mail just inside is read, even near midnight."""
    mailbox.deliver(attached(post()), at=max(since, T0 - timedelta(days=9000)))

    assert ids(mailbox.read(Window(since))) == ["a"]


@given(
    since=st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    lasts=st.timedeltas(timedelta(0), timedelta(days=3)),
    at=st.floats(0, 1, exclude_max=True),
    zone=st.integers(-12 * 60, 14 * 60),
)
def test_a_search_by_days_finds_every_mail_of_the_window(
    since: datetime, lasts: timedelta, at: float, zone: int
) -> None:
    """In every time zone of the server, the day of a mail in the window is among the days that are searched."""
    with suppress(OverflowError):
        words = imap_mail._days(Window(since, since + lasts)).strip("()").split()
        days = {key: _date(value) for key, value in zip(words[::2], words[1::2], strict=False)}
        local = (since + lasts * at).astimezone(timezone(timedelta(minutes=zone))).date()

        assert days.get("SINCE", local) <= local
        assert "BEFORE" not in days or local < days["BEFORE"]


def _date(text: str) -> object:
    day, month, year = text.split("-")
    return datetime(int(year), imaplib.Months.index(month), int(day), tzinfo=UTC).date()  # type: ignore[attr-defined]


def test_nothing_is_marked_as_read(mailbox: Mailbox) -> None:
    """Reading changes no mail, even if it was fetched completely."""
    mailbox.deliver(attached(post()))
    mailbox.deliver(attached(post()), within(mail(attached(post()))))
    head = f"Subject: {SUBJECT}\r\nContent-Type: multipart/mixed\r\n\r\n".encode()
    mailbox.server.deliver(mailbox.user, head + attached(post()), T0)

    assert len(mailbox.read()) == 4
    assert mailbox.server.flags(mailbox.user) == [(), (), ()]


@pytest.mark.parametrize(
    ("subject", "ours"),
    [
        ("[JOB EXPORT]", True),
        ("[job Export] JP1", True),
        ("[JOB\r\n EXPORT] JP1", True),
        ("[JOB \r\n\tEXPORT]", True),
        ("  [JOB  EXPORT] JP1", True),
        ("=?utf-8?B?W0pPQiBFWFBPUlRdIMOp?=", True),
        ("=?utf-8?Q?=5BJOB?=\r\n =?utf-8?Q?_EXPORT=5D?= JP1", True),
        ("=?no-such?Q?=5BJOB_EXPORT=5D=E9?=", True),
        ("[JOB EXPORT] \xe9t\xe9 =?utf-8?Q?=E2=82=AC?=", True),
        ("Re: [JOB EXPORT] JP1", True),
        ("[EXTERNAL] =?utf-8?Q?FW=3A_=5BJOB=C2=A0EXPORT=5D?= JP1", True),
        ("[INTERNAL] [JOB EXPORT] JP1", False),
        ("[JOB EXPORTS]", False),
        ("=?utf-8?B?W0pPQ!!?=", False),
        ("", False),
    ],
)
def test_mails_are_selected_by_the_beginning_of_their_subject(mailbox: Mailbox, subject: str, ours: bool) -> None:  # noqa: FBT001
    """The subject is compared decoded, unfolded and without case; other mails are not fetched."""
    mailbox.deliver(attached(post()), subject=subject)

    assert ids(mailbox.read()) == ["a"] * ours


def test_a_mail_without_a_subject_is_not_read(mailbox: Mailbox) -> None:
    """It causes no error."""
    mailbox.server.deliver(mailbox.user, attached(post()), T0)

    assert mailbox.read() == []


def test_each_record_has_its_origin(mailbox: Mailbox) -> None:
    """The instant, the attachment and the mail's own id, or else its number in the folder."""
    mailbox.deliver(attached(post()), more="Message-ID:\r\n  <one@example.com>\r\n")
    mailbox.deliver(attached(post("b")))

    one, two = mailbox.read()

    assert one.origin == "2026-11-20 10:00:00 a.json (one@example.com)"
    assert two.origin.endswith("/2)")
    assert (one.instant, one.payload, one.source) == (T0, post(), "imap_mail")


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit", "7bit", "binary"])
@pytest.mark.parametrize("much", [1, 10_000])
def test_the_content_is_what_was_sent(mailbox: Mailbox, encoding: str, much: int) -> None:
    """For every encoding, small or large."""
    content = json.dumps({"id": "été" * much if encoding != "7bit" else "ete" * much}, ensure_ascii=False).encode()
    mailbox.deliver(attached(content, encoding=encoding))

    assert [record.payload for record in mailbox.read()] == [content]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Content-Type: application/octet-stream; name=plain.json", "plain.json"),
        ("Content-Type: application/octet-stream; NAME=LOUD.JSON", "LOUD.JSON"),
        ("Content-Type: text/plain\r\nContent-Disposition: inline; filename=inline.json", "inline.json"),
        ("Content-Disposition: attachment; filename*=utf-8''%C3%A9t%C3%A9.json", "été.json"),
        ("Content-Disposition: attachment;\r\n filename*0*=utf-8''%C3%A9;\r\n filename*1=t.json", "ét.json"),
        ('Content-Disposition: attachment; filename="=?utf-8?Q?=C3=A9t=C3=A9.json?="', "été.json"),
        ('Content-Disposition: attachment; filename="=?no-such?Q?=C3?= x.json"', "=?no-such?Q?=C3?= x.json"),
        ('Content-Disposition: attachment; filename="a \\"b\\" (c).json"', 'a "b" (c).json'),
        ('Content-Disposition: attachment; filename="../../etc/passwd.json"', "../../etc/passwd.json"),
        ('Content-Disposition: attachment; filename="C:\\\\x\\\\y.json"', "C:\\x\\y.json"),
        ("Content-Type: application/json", "unnamed"),
        ("Content-Type: application/json; charset=utf-8\r\nContent-Disposition: attachment", "unnamed"),
        (f"Content-Type: application/json; name={'x' * 20_000}", "x" * 149 + "…"),
    ],
)
def test_names_of_attachments_are_decoded(mailbox: Mailbox, header: str, name: str) -> None:
    """RFC 2231, RFC 2047, quotes, backslashes; a name that looks like a path is only shown."""
    mailbox.deliver(header.encode() + b"\r\n\r\n" + post())

    assert names(mailbox.read()) == [name]


def test_two_attachments_of_a_name_are_two_records(mailbox: Mailbox) -> None:
    """Their contents may be equal or different."""
    mailbox.deliver(attached(post("a")), attached(post("b")), attached(post("b")))

    found = mailbox.read()

    assert ids(found) == ["a", "b", "b"]
    assert len({record.origin for record in found}) == 3


def test_a_list_and_lines_are_their_items(mailbox: Mailbox) -> None:
    """Lists and lines are split as in a file of the folder."""
    mailbox.deliver(attached(b'[{"id": "a"}, {"id": "b"}]'), attached(b'{"id": "c"}\n{"id": "d"}\n', "x.JSONL"))

    assert ids(mailbox.read()) == ["a", "b", "c", "d"]


def test_an_attachment_that_is_not_json_is_a_record(mailbox: Mailbox) -> None:
    """The mapping rejects it later, so that nothing that may be a post is missed."""
    mailbox.deliver(attached(b"%PDF-1.7"), attached(b"", "empty.json"))

    assert [record.payload for record in mailbox.read()] == [b"%PDF-1.7", b""]


def test_other_attachments_are_named(mailbox: Mailbox) -> None:
    """Other attachments are named, and a mail without a post is the same reject each time."""
    mailbox.deliver(attached(b"%PDF", "cv.pdf"), attached(post()))
    mailbox.deliver(attached(b"%PDF", "cv.pdf", kind="application/pdf"), more="Message-ID: <two@example.com>\r\n")
    source = mailbox.source()

    good, rejected = source.read(ALL)

    assert good.payload == post()
    assert rejected.origin == f"2026-11-20 10:00:00 mail: {SUBJECT} (two@example.com)"
    assert rejected.flaw is not None
    assert rejected.flaw.code == "no-post"
    assert "It contains cv.pdf (application/pdf)." in rejected.flaw.reason
    assert source.notes == [
        "2 mail(s) read.",
        "2 attachment(s) that cannot contain a post were not read: cv.pdf (2).",
        "1 mail(s) contain no post; each is a reject (no-post).",
    ]
    assert mailbox.read()[1] == rejected


@pytest.mark.parametrize("name", sorted(made.containers(b"")))
def test_containers_are_opened(mailbox: Mailbox, name: str) -> None:
    """Containers are opened, with the same names as through Graph."""
    mailbox.deliver(attached(made.containers(post())[name], name))

    (found,) = mailbox.read()

    assert found.payload == post()
    assert names([found])[0].startswith(name)


def test_a_mail_that_is_only_a_signed_message(mailbox: Mailbox) -> None:
    """Programs sign a mail so that its whole body is the message."""
    head = (
        f"Subject: {SUBJECT}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    content = base64.encodebytes(made.signed(made.mime(("jobpost.json", post())))).replace(b"\n", b"\r\n")
    mailbox.server.deliver(mailbox.user, head.encode() + content, T0)

    assert names(mailbox.read()) == ["smime.p7m/jobpost.json"]


@pytest.mark.parametrize("which", made.REFUSED)
def test_a_broken_or_encrypted_attachment_is_a_reject(mailbox: Mailbox, which: str) -> None:
    """A broken or encrypted attachment is a reject; the next mail is read."""
    name, content, code = made.REFUSED[which]
    mailbox.deliver(attached(content, name))
    mailbox.deliver(attached(post()))

    rejected, good = mailbox.read()

    assert rejected.flaw is not None
    assert rejected.flaw.code == code
    assert good.payload == post()


TEXTS: Final = {
    "plain": b'Content-Type: text/plain; charset=iso-8859-1\r\n\r\nHello,\r\n{"id": "\xe9"}\r\n',
    "html": b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode('<p>Hello,</p><p>{"id": "é"}</p>'.encode()),
    "both": b"Content-Type: multipart/alternative; boundary=x\r\n\r\n"
    b'--x\r\nContent-Type: text/plain\r\n\r\n{"id": "\xc3\xa9"}\r\n'
    b"--x\r\nContent-Type: text/html\r\n\r\n<p>{&quot;id&quot;: &quot;&eacute;&quot;}</p>\r\n--x--\r\n",
    "attached mail": b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b'Content-Transfer-Encoding: quoted-printable\r\n\r\n{"id":=20"=C3=A9"}\r\n',
}


@pytest.mark.parametrize("form", TEXTS)
def test_the_text_of_a_mail_may_be_the_post(mailbox: Mailbox, form: str) -> None:
    """A post in the text is read, plain or HTML; if it is in both, it is one post."""
    head = f"Subject: {SUBJECT}\r\nMIME-Version: 1.0\r\n".encode()
    mailbox.server.deliver(mailbox.user, head + TEXTS[form], T0)

    assert ids(mailbox.read()) == ["é"]


def test_near_misses_are_counted_and_check_counts_as_a_run_does(mailbox: Mailbox, between: Between) -> None:
    """Only the headers of other mails are requested."""
    for subject in ("Your [JOB EXPORT] JP1", "Lunch", "TR : [EXT] [JOB\xa0EXPORT] JP1"):
        mailbox.deliver(attached(post()), subject=subject)
    source, found = mailbox.source(between.port), Probe()

    assert ids(list(source.read(ALL))) == ["a"]
    assert between.count(r"UID FETCH 3 .*PEEK\[\]") == between.count(r"PEEK\[\]") == 1
    assert source.notes[0] == "1 mail(s) read."
    assert source.notes[1].startswith("1 mail(s) were not read: ")
    source.probe(ALL, found)
    assert (found.waiting, found.remark) == (1, source.notes[1])


def test_a_mail_that_is_only_an_attachment(mailbox: Mailbox) -> None:
    """Such a mail has no parts, and its header describes the attachment."""
    head = f"Subject: {SUBJECT}\r\nContent-Type: application/json; name=alone.json\r\n\r\n".encode()
    mailbox.server.deliver(mailbox.user, head + post(), T0)

    assert names(mailbox.read()) == ["alone.json"]


def test_posts_in_an_attached_mail_are_found(mailbox: Mailbox) -> None:
    """In any structure and at any depth; the name shows the mails around the post."""
    alone = b"Subject: x\r\nContent-Type: application/json; name=alone.json\r\n\r\n" + post("alone")
    deep = mail(within(mail(attached(post("deep")), attached(b"%PDF", "deep.pdf")), file="inner.eml"), subject="x")
    mailbox.deliver(
        within(alone, file="one.eml"),
        within(deep, file="two.eml"),
        within(deep),
        within(mail(attached(post("encoded"))), file="three.eml", encoding="base64"),
        within(b"Subject: nothing\r\n\r\nwords", file="four.eml"),
    )
    source = mailbox.source()

    found = list(source.read(ALL))

    assert names(found) == ["one.eml/alone.json", "two.eml/a.json", "mail/a.json", "three.eml/a.json"]
    assert ids(found) == ["alone", "deep", "deep", "encoded"]
    assert "deep.pdf (2), four.eml (1)" in source.notes[1]


def test_a_mail_that_is_an_attached_mail(mailbox: Mailbox) -> None:
    """A mail that was forwarded without any words is read."""
    head = f"Subject: {SUBJECT}\r\nContent-Type: message/rfc822\r\n\r\n".encode()
    mailbox.server.deliver(mailbox.user, head + mail(attached(post())), T0)

    assert names(mailbox.read()) == ["mail/a.json"]


def test_a_large_attachment_is_a_reject(mailbox: Mailbox) -> None:
    """A JSON attachment of more than 5 MB is a reject, a large PDF is named, and the post next to them is read."""
    large = b"x" * (MAX_RECORD_BYTES + 1)
    mailbox.deliver(attached(large, "large.json"), attached(large, "large.pdf"), attached(post()))
    source = mailbox.source()

    rejected, good = source.read(ALL)

    assert rejected.flaw is not None
    assert (rejected.flaw.code, rejected.size) == ("too-large", len(large))
    assert good.payload == post()
    assert "large.pdf (1)" in source.notes[1]


@pytest.mark.parametrize("size", [9, 1 << 30])
def test_a_mail_that_is_too_large_is_a_reject(
    mailbox: Mailbox, between: Between, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """By the size that the server reports, without fetching it, or by its real size; the next mail is read."""
    monkeypatch.setattr(imap_mail, "MAX_MAIL_BYTES", 1000)
    mailbox.deliver(attached(post("x" * 10_000)))
    mailbox.deliver(attached(post()))
    between.rewrite = lambda piece: re.sub(rb"(UID 1 .*RFC822.SIZE) \d+", rb"\1 %d" % size, piece)

    found, good = mailbox.source(between.port).read(ALL)

    assert found.flaw is not None
    assert found.flaw.code == "too-large"
    assert names([found]) == ["mail"]
    assert found.size == (1001 if size == 9 else size)
    assert between.received < 10_000
    assert good.payload == post()


def test_a_mail_of_too_many_lines_is_a_reject(mailbox: Mailbox) -> None:
    """Each line takes about 60 bytes of memory."""
    mailbox.deliver(attached(post()), b"Content-Type: text/plain\r\n\r\n" + b"\n" * 2_000_001)

    (found,) = mailbox.read()

    assert found.flaw is not None
    assert found.flaw.code == "unreadable"


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize(("over", "flaw"), [(0, None), (1, "too-large")])
def test_the_limit_holds_for_what_is_decoded(mailbox: Mailbox, encoding: str, over: int, flaw: str | None) -> None:
    """The limit is exact for the decoded size, although the encoded size is larger."""
    mailbox.deliver(attached(b'"' + b"\xff" * (MAX_RECORD_BYTES - 2 + over) + b'"', encoding=encoding))

    (found,) = mailbox.read()

    assert (found.flaw and found.flaw.code, found.size) == (flaw, MAX_RECORD_BYTES + over)


def test_a_server_may_estimate_sizes(mailbox: Mailbox, between: Between) -> None:
    """A mail that is larger than the server reports is read to its end."""
    mailbox.deliver(attached(post("x" * 100_000), encoding="8bit"))
    between.rewrite = lambda piece: re.sub(rb"RFC822.SIZE \d+", b"RFC822.SIZE 9", piece)

    assert ids(list(mailbox.source(between.port).read(ALL))) == ["x" * 100_000]


@pytest.mark.parametrize(("chunk", "size"), [(1, 1), (3, 2000), (7, 1 << 20), (8, 1)])
def test_many_mails_are_read_in_chunks(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, chunk: int, size: int
) -> None:
    """Each mail is read once, for all chunk sizes."""
    monkeypatch.setattr(imap_mail, "_CHUNK", chunk)
    monkeypatch.setattr(imap_mail, "_CHUNK_BYTES", size)
    for number in range(7):
        mailbox.deliver(*[attached(post(f"{number}{letter}")) for letter in "abc"])
    mailbox.deliver(attached(post("other")), subject="Lunch")

    assert ids(mailbox.read()) == [f"{number}{letter}" for number in range(7) for letter in "abc"]


def test_small_mails_are_fetched_together(mailbox: Mailbox, between: Between) -> None:
    """A mail that would exceed the size of a chunk begins the next one; an attached 2 MB come alone."""
    for size in (10, 10, 2 << 20, 10):
        mailbox.deliver(attached(post("x" * size)))

    assert len(list(mailbox.source(between.port).read(ALL))) == 4
    assert [between.count(rf"UID FETCH {uids} \(UID BODY") for uids in ("1,2", "3", "4")] == [1, 1, 1]


@pytest.mark.parametrize("command", ["LOGIN", "EXAMINE", "SEARCH", "RFC822.SIZE", r"BODY.PEEK\[\]"])
def test_a_lost_connection_loses_nothing(mailbox: Mailbox, between: Between, command: str) -> None:
    """The source reconnects and continues; nothing is read twice."""
    for number in range(3):
        mailbox.deliver(attached(post(f"{number}")))
    between.cut(command, times=2)

    assert ids(list(mailbox.source(between.port).read(ALL))) == ["0", "1", "2"]
    assert between.connections == 3


def test_a_server_that_stays_unreachable_is_retried_by_the_next_run(
    mailbox: Mailbox, between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier records still count; the error names the server and says that nothing was lost."""
    monkeypatch.setattr(imap_mail, "_CHUNK_BYTES", 1)
    for number in range(3):
        mailbox.deliver(attached(post(f"{number}")))
    between.before(r"UID FETCH 2 .*PEEK\[\]", lambda: between.cut("", times=1000))
    between.cut(r"UID FETCH 2 .*PEEK\[\]")
    source, found = mailbox.source(between.port), []

    with pytest.raises(RetryLater) as raised:
        found.extend(source.read(ALL))

    assert ids(found) == ["0"]
    assert f"{HOST}:{between.port}" in str(raised.value)
    assert "Nothing was lost" in str(raised.value)
    assert source.notes[0] == "1 mail(s) read."
    assert PASSWORD not in shown_by(raised.value)


def test_a_recreated_folder_is_read_by_the_next_run(mailbox: Mailbox, between: Between) -> None:
    """After that, its numbers refer to other mails."""
    for number in range(2):
        mailbox.server.deliver(mailbox.user, mail(attached(post(f"{number}"))), T0, folder="RFP")

    def anew() -> None:
        with mailbox.server.signed_in(mailbox.user) as box:
            box.folder.delete("RFP")
        mailbox.server.deliver(mailbox.user, mail(attached(post("new"))), T0, folder="RFP")

    between.before(r"PEEK\[\]", anew)
    between.cut(r"PEEK\[\]")
    with pytest.raises(RetryLater, match=r"The folder .RFP. was deleted and created again .*\nNothing was lost"):
        list(mailbox.source(between.port, FUTURSCAM_IMAP_FOLDER="RFP").read(ALL))


@pytest.mark.parametrize("command", ["RFC822.SIZE", r"PEEK\[\]"])
def test_a_mail_deleted_meanwhile_is_no_failure(mailbox: Mailbox, between: Between, command: str) -> None:
    """The other mails are read."""
    for number in range(3):
        mailbox.deliver(attached(post(f"{number}" + "x" * 70_000)))
    between.before(command, lambda: mailbox.server.remove(mailbox.user, 2))

    found = ids(list(mailbox.source(between.port).read(ALL)))

    assert [name[0] for name in found if name[0] != "1"] == ["0", "2"]


def test_a_mail_that_the_server_cannot_read_stops_no_other(mailbox: Mailbox) -> None:
    """All other mails are read; then the error asks for another run and names the mail."""
    for number in range(5):
        mailbox.deliver(attached(post(f"{number}")), at=T0 + number * SECOND)
    mailbox.server.files(mailbox.user)[1].chmod(0)
    found: list[RawRecord] = []

    with pytest.raises(RetryLater, match=r"^1 item\(s\) could not be read: UID 2 of .*move the mail to another folder"):
        found.extend(mailbox.source().read(ALL))

    assert ids(found) == ["0", "2", "3", "4"]


@pytest.mark.parametrize(
    "answer",
    [
        "TAG NO [SERVERBUG] Out of order\r\n",
        "TAG BAD Not today\r\n",
        "* 2 FETCH (UID 2 BODY[] NIL)\r\nTAG OK Here you are\r\n",
        '* 2 FETCH (UID 2 BODY[] "")\r\nTAG OK Here you are\r\n',
        "TAG OK Nothing at all\r\n",
    ],
)
def test_a_mail_that_is_denied_stops_no_other(
    mailbox: Mailbox, between: Between, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """For NO, BAD and a missing answer; the mail is read once the server returns it."""
    monkeypatch.setattr(imap_mail, "_CHUNK_BYTES", 1)
    for number in range(3):
        mailbox.deliver(attached(post(f"{number}")))
    between.answer(r"UID FETCH 2 .*PEEK\[\]", answer, times=2)
    found: list[RawRecord] = []

    with pytest.raises(RetryLater, match=r"^1 item\(s\) could not be read: UID 2 of 2026-11-20 10:00:00"):
        found.extend(mailbox.source(between.port).read(ALL))

    assert ids(found) == ["0", "2"]
    assert ids(mailbox.read()) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ("RFC822.SIZE", "* 1 FETCH (UID 1 RFC822.SIZE 9)\r\nTAG OK Done\r\n"),
        ("RFC822.SIZE", '* 1 FETCH (UID 1 INTERNALDATE "yesterday")\r\nTAG OK Done\r\n'),
        ("PEEK\\[\\]", "* 1 FETCH (UID 1 BODY[] NIL)\r\nTAG OK Done\r\n"),
        ("RFC822.SIZE|NOOP", "TAG NO Out of order\r\n"),
    ],
)
def test_a_mail_with_an_incomplete_answer_is_retried_by_the_next_run(
    mailbox: Mailbox, between: Between, pattern: str, answer: str
) -> None:
    """A mail without date or content is not skipped, because it may hold a post."""
    mailbox.deliver(attached(post()))
    between.answer(pattern, answer, times=2)

    with pytest.raises(RetryLater, match=r"^1 item\(s\) could not be read: UID 1 "):
        list(mailbox.source(between.port).read(ALL))


def test_a_user_without_a_mailbox_gets_a_message_about_rights(mailbox: Mailbox, between: Between) -> None:
    """Microsoft 365 signs in an app without rights, which then sees no folder."""
    between.answer("EXAMINE", "TAG BAD User is authenticated but not connected.\r\n")
    between.answer("LIST", "TAG BAD User is authenticated but not connected.\r\n")
    token = mailbox.server.token(mailbox.user)
    source = mailbox.source(between.port, FUTURSCAM_IMAP_AUTH="xoauth2", FUTURSCAM_IMAP_ACCESS_TOKEN=token)

    with pytest.raises(OperatorMustAct, match=r"not connected(.|\n)*FullAccess to the mailbox"):
        list(source.read(ALL))


def test_a_server_that_denies_everything_is_asked_later(mailbox: Mailbox, between: Between) -> None:
    """After six mails in a row, the server itself is the problem."""
    for _ in range(8):
        mailbox.deliver(attached(post()))
    between.answer(r"UID FETCH .*PEEK\[\]", "TAG NO Out of order\r\n", times=1000)

    with pytest.raises(RetryLater, match="6 items in a row"):
        list(mailbox.source(between.port).read(ALL))


def test_a_denied_search_is_retried_by_the_next_run(mailbox: Mailbox, between: Between) -> None:
    """Without the search no mail can be read."""
    between.answer("SEARCH", "TAG NO [UNAVAILABLE] Index is being made\r\n")

    with pytest.raises(RetryLater, match=r"does not search 'INBOX': .*Index is being made"):
        list(mailbox.source(between.port).read(ALL))


def test_a_denied_chunk_is_requested_mail_by_mail(mailbox: Mailbox, between: Between) -> None:
    """Some servers refuse a whole FETCH because of one mail."""
    for number in range(4):
        mailbox.deliver(attached(post(f"{number}")))
    between.answer(r"UID FETCH \d+,.*PEEK\[\]", "TAG NO One of them is odd\r\n", times=1000)

    assert ids(list(mailbox.source(between.port).read(ALL))) == ["0", "1", "2", "3"]


def test_a_mail_without_boundaries_is_a_reject(mailbox: Mailbox) -> None:
    """Dovecot shows an empty part if the boundary is missing, so the content is unknown."""
    head = f"Subject: {SUBJECT}\r\nContent-Type: multipart/mixed\r\n\r\n".encode()
    mailbox.server.deliver(mailbox.user, head + attached(post()), T0)

    (found,) = mailbox.read()

    assert found.flaw is not None
    assert found.flaw.code == "unreadable"


def test_unsolicited_answers_are_ignored(mailbox: Mailbox, between: Between) -> None:
    """Servers report changed flags in between, and may return search results in several lines."""
    for number in range(3):
        mailbox.deliver(attached(post(f"{number}")))
    between.answer("SEARCH", "* SEARCH 1\r\n* SEARCH 2\r\n* 1 FETCH (FLAGS (\\Seen))\r\n* SEARCH 3\r\nTAG OK Done\r\n")
    noise = b"* 2 FETCH (FLAGS ($odd[ \\Seen) UID 2)\r\n* 9 FETCH (UID 9 BODY[] {4}\r\nEvil)\r\n"
    between.rewrite = lambda piece: re.sub(
        rb"(?=\* [13] FETCH \(UID [13] BODY\[\])|(?<=\r\n)(?=\w+ OK Fetch)", lambda _: noise, piece
    )

    assert ids(list(mailbox.source(between.port).read(ALL))) == ["0", "1", "2"]


def test_a_folder_has_the_name_that_people_see(mailbox: Mailbox) -> None:
    """IMAP has its own encoding for characters that are not ASCII."""
    mailbox.server.deliver(mailbox.user, mail(attached(post())), T0, folder="Aufträge & mehr")

    assert ids(list(mailbox.source(FUTURSCAM_IMAP_FOLDER="Aufträge & mehr").read(ALL))) == ["a"]


def test_a_user_need_not_be_ascii(mailbox: Mailbox) -> None:
    """The same holds for a password."""
    mailbox.user = f"jürgen-{mailbox.user}"
    mailbox.deliver(attached(post()))

    assert ids(mailbox.read()) == ["a"]


def test_a_probe_counts_the_waiting_mails(mailbox: Mailbox, between: Between) -> None:
    """The probe does not open a mail."""
    for number in range(3):
        mailbox.deliver(attached(post()), at=T0 + number * SECOND)
    mailbox.deliver(attached(post()), subject="Lunch")
    found = Probe()

    mailbox.source(between.port).probe(Window(T0 + SECOND), found)

    assert found == Probe(reached=True, signed_in=True, may_read=True, waiting=2)
    assert between.count(r"PEEK\[\]") == 0


@pytest.mark.parametrize(
    ("change", "kind", "said", "got"),
    [
        ({"FUTURSCAM_IMAP_PASSWORD": WRONG}, Refused, "FUTURSCAM_IMAP_PASSWORD", Probe(reached=True)),
        ({"FUTURSCAM_IMAP_PASSWORD": f"é{WRONG}"}, Refused, "FUTURSCAM_IMAP_PASSWORD", Probe(reached=True)),
        (
            {"FUTURSCAM_IMAP_FOLDER": "RFP"},
            OperatorMustAct,
            "FUTURSCAM_IMAP_FOLDER; there are: INBOX",
            Probe(reached=True, signed_in=True),
        ),
        (
            {"FUTURSCAM_IMAP_AUTH": "xoauth2", "FUTURSCAM_IMAP_ACCESS_TOKEN": WRONG},
            Refused,
            "IMAP.AccessAsApp",
            Probe(reached=True),
        ),
    ],
)
def test_a_refusal_needs_the_operator(
    mailbox: Mailbox, change: dict[str, str], kind: type[FuturscamError], said: str, got: Probe
) -> None:
    """The error says what to do and shows no secret; the probe shows the last successful step."""
    found = Probe()
    with pytest.raises(kind) as raised:
        mailbox.source(**change).probe(ALL, found)

    assert said in str(raised.value)
    assert f"{mailbox.server.port}" in str(raised.value)
    assert mailbox.user in str(raised.value)
    assert found == got
    for secret in (PASSWORD, WRONG):
        assert secret not in shown_by(raised.value)


def test_a_refusal_names_its_code(mailbox: Mailbox) -> None:
    """The code distinguishes refusals."""
    with pytest.raises(Refused) as raised:
        list(mailbox.source(FUTURSCAM_IMAP_PASSWORD=WRONG).read(ALL))

    assert raised.value.code == "AUTHENTICATIONFAILED"


@pytest.mark.parametrize("auth", ["password", "xoauth2"])
def test_a_quoted_secret_is_removed(mailbox: Mailbox, between: Between, auth: str) -> None:
    """Both in plain form and in the form that was sent."""
    wire = base64.b64encode(f"user={mailbox.user}\1auth=Bearer {WRONG}\1\1".encode()).decode()
    between.answer("LOGIN|AUTHENTICATE", f"TAG NO You said {WRONG}, {wire}\r\n")
    change = {"FUTURSCAM_IMAP_AUTH": auth, "FUTURSCAM_IMAP_PASSWORD": WRONG, "FUTURSCAM_IMAP_ACCESS_TOKEN": WRONG}

    with pytest.raises(Refused, match=r"in: You said \*\*\*, ") as raised:
        list(mailbox.source(between.port, **change).read(ALL))

    assert WRONG not in shown_by(raised.value)
    assert base64.b64encode(WRONG.encode()).decode()[2:-4] not in shown_by(raised.value)


@pytest.mark.parametrize(
    "answer", ["NO [UNAVAILABLE] Database is down", "NO [ALERT] Too many simultaneous connections"]
)
@pytest.mark.parametrize("command", ["LOGIN", "EXAMINE"])
def test_a_temporary_refusal_is_tried_again(mailbox: Mailbox, between: Between, command: str, answer: str) -> None:
    """It needs no operator; if it continues, the next run tries again."""
    mailbox.deliver(attached(post()))
    between.answer(command, f"TAG {answer}\r\n", times=2)
    assert ids(list(mailbox.source(between.port).read(ALL))) == ["a"]

    between.answer(command, f"TAG {answer}\r\n", times=1000)
    with pytest.raises(RetryLater, match="Nothing was lost"):
        list(mailbox.source(between.port).read(ALL))


def test_a_refusal_after_a_sign_in_is_tried_again(mailbox: Mailbox, between: Between) -> None:
    """The password was accepted before, so the refusal is temporary."""
    mailbox.deliver(attached(post()))
    between.before(r"PEEK\[\]", lambda: between.answer("LOGIN", "TAG NO Slow down\r\n"))
    between.cut(r"PEEK\[\]")

    assert ids(list(mailbox.source(between.port).read(ALL))) == ["a"]


@pytest.mark.parametrize("by", ["setting", "asking"])
def test_a_token_signs_in(mailbox: Mailbox, by: str) -> None:
    """With the token of the settings, or with a requested token."""
    mailbox.deliver(attached(post()))
    good = mailbox.server.token(mailbox.user)
    change = {"FUTURSCAM_IMAP_AUTH": "xoauth2", "FUTURSCAM_IMAP_ACCESS_TOKEN": good if by == "setting" else ""}
    source = mailbox.source(token=None if by == "setting" else lambda: good, **APP, **change)

    assert ids(list(source.read(ALL))) == ["a"]


def test_a_token_is_requested_for_each_connection(mailbox: Mailbox, between: Between) -> None:
    """The first token expires after an hour."""
    mailbox.deliver(attached(post()))
    tokens = [mailbox.server.token(mailbox.user, lasts=timedelta(minutes=minutes)) for minutes in (1, 2)]
    given = iter(tokens)
    between.cut(r"PEEK\[\]")
    source = mailbox.source(between.port, token=lambda: next(given), **APP, FUTURSCAM_IMAP_AUTH="xoauth2")

    assert ids(list(source.read(ALL))) == ["a"]
    assert next(given, None) is None


def test_an_expired_token_is_refused(mailbox: Mailbox) -> None:
    """The error says so and does not show the token."""
    old = mailbox.server.token(mailbox.user, lasts=timedelta(minutes=-1))
    source = mailbox.source(FUTURSCAM_IMAP_AUTH="xoauth2", FUTURSCAM_IMAP_ACCESS_TOKEN=old)

    with pytest.raises(Refused, match="may have expired") as raised:
        list(source.read(ALL))

    assert old not in shown_by(raised.value)


def test_an_unknown_authority_needs_the_operator(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent to a server that is not trusted."""
    monkeypatch.delenv("SSL_CERT_FILE")
    found = Probe()

    with pytest.raises(OperatorMustAct, match=r"certificate of 127\.0\.0\.1:\d+ is not trusted\.\n.*SSL_CERT_FILE"):
        mailbox.source().probe(ALL, found)

    assert found == Probe()


def test_a_certificate_for_another_host_needs_the_operator(mailbox: Mailbox) -> None:
    """Even if a known authority has signed it."""
    with pytest.raises(OperatorMustAct, match="is not trusted"):
        list(mailbox.source(FUTURSCAM_IMAP_HOST="localhost").read(ALL))


@contextmanager
def listening(say: bytes = b"") -> Iterator[int]:
    """A port that accepts connections, sends some bytes and then nothing more."""
    with socket.create_server((HOST, 0)) as waiting:

        def serve() -> None:
            kept = []
            with suppress(OSError):
                while True:
                    kept.append(waiting.accept()[0])
                    kept[-1].sendall(say)
            for connection in kept:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield waiting.getsockname()[1]
        waiting.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_an_unreachable_server_is_retried_by_the_next_run(mailbox: Mailbox) -> None:
    """The error names the server and says that nothing was lost."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    found = Probe()

    with pytest.raises(RetryLater, match=rf"at 127\.0\.0\.1:{port} did not answer: .*refused\.\nNothing was lost"):
        mailbox.source(port).probe(ALL, found)

    assert found == Probe()


def test_a_silent_server_is_retried_by_the_next_run(mailbox: Mailbox) -> None:
    """The wait ends after the timeout of the settings."""
    change = {"FUTURSCAM_HTTP_TIMEOUT_SECONDS": "0.1", "FUTURSCAM_HTTP_TRIES": "2"}

    with listening() as port, pytest.raises(RetryLater, match=r"did not answer: .*timed out"):
        list(mailbox.source(port, **change).read(ALL))


def test_a_port_without_tls_needs_the_operator(mailbox: Mailbox) -> None:
    """For example, port 143 instead of 993."""
    with listening(b"* OK Hello\r\n") as port, pytest.raises(OperatorMustAct, match="FUTURSCAM_IMAP_PORT: 993"):
        list(mailbox.source(port).read(ALL))


def test_a_busy_server_is_retried_by_the_next_run(mailbox: Mailbox, between: Between) -> None:
    """It sends BYE instead of a greeting."""
    between.rewrite = lambda _: b"* BYE Too many connections\r\n"

    with pytest.raises(RetryLater, match="Too many connections"):
        list(mailbox.source(between.port).read(ALL))


def test_a_missing_secret_is_reported(mailbox: Mailbox) -> None:
    """The settings check it first; a program that creates the source directly gets an error too."""
    source = mailbox.source(FUTURSCAM_IMAP_PASSWORD="")

    with pytest.raises(UsageError, match="FUTURSCAM_IMAP_PASSWORD is not set"):
        list(source.read(ALL))


def test_stopping_early_signs_out(mailbox: Mailbox, between: Between) -> None:
    """No connection stays open, and the notes count the mails that were read."""
    for number in range(3):
        mailbox.deliver(attached(post(f"{number}")))
    source = mailbox.source(between.port)
    records = source.read(ALL)

    next(records)
    records.close()  # type: ignore[attr-defined] # It is a generator.

    assert between.commands[-1] == b"LOGOUT"
    assert source.notes == ["1 mail(s) read."]
