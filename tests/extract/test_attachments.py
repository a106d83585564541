"""Attachments of mails: which hold posts, their names, and that no part of a mail is lost silently."""

from __future__ import annotations

import base64
import email
import quopri
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.extract.attachments import Mail, Opened, part_name, readable
from futurscam_lib.extract.containers import Form
from futurscam_lib.extract.mailbox import MailTally, SubjectRule
from futurscam_lib.records import MAX_RECORD_BYTES, RawRecord

RULE: Final = SubjectRule(["[JOB EXPORT]"], ["[EXT]"])
T0: Final = datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC)


def opened(mail_id: str = "AAMk=", subject: str = "[JOB EXPORT] 1") -> Opened:
    """A mail without records so far."""
    return Opened("graph_mail", Mail(mail_id, subject, T0))


def files(mail: Opened) -> list[tuple[str, bytes]]:
    """For each record the name in its origin, and its payload."""
    return [(record.origin.removeprefix("2026-11-20 10:00:05 "), record.payload) for record in mail.records]


def flaws(mail: Opened) -> list[str]:
    """The codes of the flawed records."""
    return [record.flaw.code for record in mail.records if record.flaw]


def mime(*parts: bytes, end: bytes = b"--b--\n") -> bytes:
    """A mail in parts, each a head and a body."""
    return b"Content-Type: multipart/mixed; boundary=b\n\n" + b"".join(b"--b\n" + part + b"\n" for part in parts) + end


def json_part(name: str, body: bytes = b"{}", encoding: str = "7bit") -> bytes:
    """A part with this name in its header, as given."""
    head = f"Content-Type: application/json; {name}\nContent-Transfer-Encoding: {encoding}\n\n"
    return head.encode("utf-8", "surrogateescape") + body


GOOD: Final = json_part("name=good.json")


def test_a_post_becomes_a_record() -> None:
    """The record has the original bytes; its origin names the time of the mail, the attachment and the mail."""
    mail = opened()

    mail.add("job.json", Form.JSON, b' {"a": 1}\n')

    assert mail.records == [
        RawRecord.of(
            b' {"a": 1}\n',
            source="graph_mail",
            origin="2026-11-20 10:00:05 job.json (AAMk=)",
            instant=T0,
            line=1,
            column=1,
        )
    ]


def test_a_list_and_json_lines_give_several_records() -> None:
    """Their elements are numbered, as in a folder."""
    mail = opened()

    mail.add("list.json", Form.JSON, b'[{"a": 1},\n{"a": 2}]')
    mail.add("LINES.JSONL ", Form.LINES, b'{"a": 3}\n\n{"a": 4}\n')

    assert files(mail) == [
        ("list.json (AAMk=)[1]", b'{"a": 1}'),
        ("list.json (AAMk=)[2]", b'{"a": 2}'),
        ("LINES.JSONL (AAMk=):1", b'{"a": 3}'),
        ("LINES.JSONL (AAMk=):3", b'{"a": 4}'),
    ]


def test_two_attachments_with_one_name_have_two_origins() -> None:
    """Even if a third name looks like the second origin, and if names differ only in the part that was cut."""
    mail = opened()
    long = "x" * 200
    for name in ("a.json", "a.json", "a.json #2", "a.json (AAMk=) #2", f"{long}1.json", f"{long}2.json", "", "\n"):
        mail.add(name, Form.JSON, b"{}")
    for _ in range(2):
        mail.add_too_large("b.json", 9)

    assert len({record.origin for record in mail.records}) == 10
    assert len({record.raw_id for record in mail.records if record.flaw}) == 2
    assert files(mail)[1] == ("a.json (AAMk=) #2", b"{}")


@pytest.mark.parametrize("name", ["../../etc/passwd.json", "C:\\boot.json", "/etc/a.json", "NUL.json", "$(id).json"])
def test_a_name_is_only_shown(name: str) -> None:
    """A name that looks like a path is never used as a path."""
    mail = opened()

    mail.add(name, Form.JSON, b"{}")

    assert files(mail) == [(f"{name} (AAMk=)", b"{}")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\r\nb\x00\x1b[31m.json", "a\ufffd\ufffdb\ufffd\ufffd[31m.json"),
        ("txt\u202enosj.exe\u2066\u200b", "txt\ufffdnosj.exe\ufffd\ufffd"),
        ("\udcff\ud800.json", "\\udcff\\ud800.json"),
        (" été 普\U0001f9d1 ", "été 普\U0001f9d1"),
        ("x" * 150, "x" * 150),
        ("x" * 151, "x" * 149 + "…"),
        ("", ""),
    ],
)
def test_a_name_is_made_readable(name: str, shown: str) -> None:
    """Text direction marks and line breaks are replaced, and long names are cut."""
    assert readable(name) == shown


@given(name=st.text(st.characters(exclude_categories=())), mail_id=st.text(st.characters(exclude_categories=())))
def test_any_name_can_be_kept(name: str, mail_id: str) -> None:
    """The origin is valid UTF-8 in one line, as MongoDB and the log need it."""
    mail = opened(mail_id)
    mail.add(name, Form.JSON, b"[{}, 1")
    mail.add_unreadable(name, 1, "It is a link.")
    mail.add_other(name)

    assert all(record.origin.encode() for record in mail.records)
    assert all(other.isprintable() and len(other) <= 150 for other in mail.others)


def test_what_is_too_large_is_a_reject() -> None:
    """The reject has the size; an attachment of exactly the limit is read."""
    mail = opened()

    mail.add("fits.json", Form.JSON, b'"' + b"x" * (MAX_RECORD_BYTES - 2) + b'"')
    mail.add("large.json", Form.JSON, b'"' + b"x" * (MAX_RECORD_BYTES - 1) + b'"')
    mail.add_too_large("huge.json", 10**9)

    assert [(record.size, len(record.payload)) for record in mail.records] == [
        (MAX_RECORD_BYTES, MAX_RECORD_BYTES),
        (MAX_RECORD_BYTES + 1, 0),
        (10**9, 0),
    ]
    assert flaws(mail) == ["too-large"] * 2


def test_an_attachment_that_cannot_be_fetched_is_a_reject() -> None:
    """The reject names the reason."""
    mail = opened()

    mail.add_unreadable("a.json", 7, "It is a link.")

    (record,) = mail.records
    assert record.flaw
    assert (record.flaw.code, record.flaw.reason, record.size) == ("unreadable", "It is a link.", 7)


def test_nested_mails_are_opened() -> None:
    """Posts in nested attached mails are found; the name begins with the outermost mail."""
    message = EmailMessage()
    message.set_content("See the attachment.")
    message.add_attachment(b'{"deep": 1}', maintype="application", subtype="json", filename="deep.json")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="cv.pdf")
    for _ in range(5):
        outer = EmailMessage()
        outer["Subject"] = "Fwd"
        outer.set_content("As below.")
        outer.add_attachment(message)
        message = outer
    mail = opened()

    mail.add_message("Fwd: posts", message.as_bytes())

    assert files(mail) == [("Fwd: posts/deep.json (AAMk=)", b'{"deep": 1}')]
    assert mail.others == ["cv.pdf"]


@pytest.mark.parametrize(
    ("encoding", "encoded"),
    [
        ("base64", base64.encodebytes('{"é": 1}'.encode())),
        ("BASE64", base64.b64encode('{"é": 1}'.encode())),
        ("quoted-printable", quopri.encodestring('{"é": 1}'.encode())),
        ("8bit", '{"é": 1}'.encode()),
        ("binary", '{"é": 1}'.encode()),
        ("what is this", '{"é": 1}'.encode()),
    ],
)
def test_contents_are_decoded(encoding: str, encoded: bytes) -> None:
    """Contents are decoded from every transfer encoding."""
    mail = opened()

    mail.add_message("m", mime(json_part("name=a.json", encoded, encoding)))

    (record,) = mail.records
    assert record.payload.strip() == '{"é": 1}'.encode()


@pytest.mark.parametrize("kind", ["message/rfc822", "message/global", "Message/RFC822; name=x.eml"])
@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("7bit", bytes),
        ("base64", base64.encodebytes),
        ("Base64", base64.b64encode),
        ("quoted-printable", quopri.encodestring),
    ],
)
def test_an_attached_mail_may_be_encoded_itself(kind: str, encoding: str, encode: type[bytes]) -> None:
    """The standard forbids this, but programs do it; the post inside is found."""
    inner = mime(json_part("name=a.json", b'{"a": "=3D"}')).replace(b"boundary=b", b"boundary=" + b"=" * 60)
    inner = inner.replace(b"--b", b"--" + b"=" * 60)
    head = f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode()
    mail = opened()

    mail.add_message("m", mime(head + encode(inner)))

    assert files(mail) == [("m/a.json (AAMk=)", b'{"a": "=3D"}')]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('name="a b.json"', "a b.json"),
        ("name*=utf-8''%E2%82%AC.json", "€.json"),
        ("name*0*=utf-8''%E2%82; name*1*=%AC; name*2=.json", "€.json"),
        ("name*=nope''%41.json", "A.json"),
        ('name="=?utf-8?b?w6kuanNvbg==?="', "é.json"),
        ('name="=?iso-8859-1?q?=E9=20?= =?utf-8?q?=C3=A9.json?="', "é é.json"),
        ('name="=?nope?b?w6k=?="', "=?nope?b?w6k=?="),
        ('name="=?utf-8?b?w?="', "=?utf-8?b?w?="),
        ('name="é.json"', "\ufffd\ufffd.json"),
        ("name=a.json; x", "a.json"),
        ("", ""),
    ],
)
def test_names_are_decoded(written: str, read: str) -> None:
    """By RFC 2231, RFC 2047 and neither; an attachment whose name cannot be decoded is still read."""
    mail = opened()

    mail.add_message("", mime(json_part(written), json_part("name=other.json")))

    assert files(mail) == [(f"{read or 'unnamed'} (AAMk=)", b"{}"), ("other.json (AAMk=)", b"{}")]


def test_the_name_of_the_disposition_comes_first() -> None:
    """The disposition's name is used if the type has a name too."""
    part = email.message_from_bytes(json_part("name=left.json\nContent-Disposition: attachment; filename=right.json"))

    assert part_name(part) == "right.json"


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Type: application/pdf\n\n%PDF",
        b"Content-Type: image/png; name=a.png\n\nx",
        b"Content-Type: text/plain\nContent-Disposition: attachment\n\nx",
        b"Content-Disposition: attachment; filename=a.txt\n\nx",
        b"Content-Disposition: attachment\n\nx",
    ],
)
def test_other_attachments_are_named(part: bytes) -> None:
    """Attachments that are not JSON are listed for the reviewer."""
    mail = opened()

    mail.add_message("m", mime(b"Content-Type: text/plain\n\nThe text.", part, b"Content-Type: text/html\n\n<p>Too."))

    assert mail.records == []
    assert mail.others in (["a.png"], ["a.txt"], ["unnamed"])


def test_json_without_a_name_is_read() -> None:
    """The type shows that it is JSON."""
    mail = opened()

    mail.add_message("m", mime(b"Content-Type: text/json\n\n{}"))

    assert files(mail) == [("m/unnamed (AAMk=)", b"{}")]


def test_an_empty_part_is_ignored() -> None:
    """A mail with empty parts is not a broken mail."""
    mail = opened()

    mail.add_message("m", mime(b"Content-Type: multipart/mixed; boundary=c\n\n", GOOD))

    assert (files(mail), flaws(mail), mail.others) == ([("m/good.json (AAMk=)", b"{}")], [], [])


@pytest.mark.parametrize("body", [b"Subject: x\n\nNo attachments.", b"", b"\xff\x00", b"Content-Type: garbage\n\nx"])
def test_an_attached_mail_without_attachments_is_named(body: bytes) -> None:
    """It is listed like any other attachment that is not a post."""
    mail = opened()

    mail.add_message("Re: lunch", body)

    assert (mail.records, mail.others) == ([], ["Re: lunch"])


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (mime(GOOD, end=b""), []),
        (mime(GOOD, end=b"--b"), []),
        (mime(GOOD, b"Content-Type: multipart/mixed\n\n--c\n\nlost"), ["unreadable"]),
        (mime(GOOD, b"Content-Type: multipart/mixed; boundary=c\n\n--other\n\nlost"), ["unreadable"]),
        (mime(b"no head at all\n\n" * 3, GOOD), []),
        (mime(b"Content-Type\n: \x00\xff;;=\n\nx", GOOD), []),
        (mime(b"Content-Type: application/json; name*=\n\n{}", GOOD), []),
        (mime(b"Content-Type: application/json\nContent-Transfer-Encoding: base64\n\n!!!", GOOD), []),
        (mime(b"Content-Type: text/plain; charset=nope; name=a.txt\n\n\xff", GOOD), []),
    ],
)
def test_a_broken_part_does_not_affect_other_parts(body: bytes, codes: list[str]) -> None:
    """A broken part that may have held a post is a reject, and the post next to it is read."""
    mail = opened()

    mail.add_message("m", body)

    assert (f"m/good.json ({mail.mail.id})", b"{}") in [(name, payload.strip()) for name, payload in files(mail)]
    assert flaws(mail) == codes


@pytest.mark.parametrize(
    "body",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(10_000)),
        b"Content-Type: message/rfc822\n\n" * 10_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 10_000,
        b"Content-Type: multipart/mixed; boundary=" + b"b" * 1_000_000 + b"\n\n--b\n",
        b"X: " + b"y\n " * 100_000 + b"\n\nx",
        b"Content-Type: multipart/mixed;" + b" a=b;" * 1_000_000 + b"\n\nx",
        mime(b"Content-Disposition: attachment; " + b"a*0=b;" * 1_000_000 + b"\n\nx"),
    ],
)
def test_a_malicious_mail_is_recorded(body: bytes) -> None:
    """Ten thousand levels, parts or parameters raise no exception and leave a record or a name."""
    mail = opened()

    mail.add_message("m", body)

    assert mail.records or mail.others


WORDS: Final = [
    *(b"Content-Type: ", b"Content-Disposition: attachment; ", b"Content-Transfer-Encoding: ", b"\n", b"\n\n", b" "),
    *(
        b"multipart/mixed; boundary=b",
        b"message/rfc822",
        b"message/delivery-status",
        b"application/json",
        b"text/plain",
    ),
    *(
        b"--b",
        b"--b--",
        b"base64",
        b"quoted-printable",
        b"uuencode",
        b"begin 644 x\n",
        b"name=",
        b"filename*=",
        b"*0*=",
    ),
    *(b"utf-8''%ff", b"=?utf-8?b?w?=", b"=?x?q?=ff?=", b"; charset=nope", b"{}", b"e30=", b"=", b'"', b";", b"\xff"),
]


@given(body=st.lists(st.sampled_from(WORDS) | st.binary(max_size=4), max_size=25).map(b"".join))
def test_whatever_a_mail_holds_something_is_noted(body: bytes) -> None:
    """Random pieces of MIME raise nothing, and leave a record or a name."""
    mail = opened()

    mail.add_message("m", body)

    assert mail.records or mail.others


def notes_of(*mails: Opened) -> list[str]:
    """The notes on these mails."""
    tally = MailTally(RULE)
    for mail in mails:
        tally.add(mail)
    return list(tally.notes())


def with_others(*names: str) -> Opened:
    """A mail with one post and these other attachments."""
    mail = opened()
    mail.add("a.json", Form.JSON, b"{}")
    for name in names:
        mail.add_other(name)
    return mail


def test_a_window_without_mails_has_no_notes() -> None:
    """No mails, no notes."""
    assert notes_of() == []


def test_mails_and_their_other_attachments_are_counted() -> None:
    """The note names the most frequent other attachments."""
    assert notes_of(with_others("logo.png", "cv.pdf"), with_others("logo.png"), with_others()) == [
        "3 mail(s) read.",
        "3 attachment(s) that cannot contain a post were not read: logo.png (2), cv.pdf (1).",
    ]


def test_the_number_of_counted_names_is_limited() -> None:
    """The note shows five names, and the tally keeps at most a thousand."""
    tally = MailTally(RULE)
    for mail in range(30):
        tally.add(with_others(*(f"{mail}-{number}.png" for number in range(100)), "logo.png"))
    many = list(tally.notes())[1]

    assert many.startswith("3,030 attachment(s) that cannot contain a post were not read: others (")
    assert many.count("(") == 6
    assert len(tally._others) <= 1001


def test_a_mail_without_a_post_is_a_reject() -> None:
    """The reject names the mail, its contents and what to do; reading the mail again gives the same record."""
    mails = [opened(subject="[JOB EXPORT] JP1\r\n") for _ in range(2)]
    for mail in mails:
        mail.add_other("cv.pdf", "Application/PDF; name=cv.pdf")
        mail.add_other("untyped")
        mail.add_text(b"Please find attached.", kind="text/plain", charset="utf-8")
        mail.finish()

    (record,) = mails[0].records
    assert record.origin == "2026-11-20 10:00:05 mail: [JOB EXPORT] JP1\ufffd\ufffd (AAMk=)"
    assert record.instant == T0
    assert record.flaw
    assert record.flaw.code == "no-post"
    assert "It contains cv.pdf (application/pdf), untyped." in record.flaw.reason
    assert "ask the sender" in record.flaw.reason
    assert mails[0].records == mails[1].records


def test_two_mails_without_a_post_are_two_rejects() -> None:
    """Even with the same subject in the same second."""
    mails = [opened(f"{number}") for number in range(2)]
    for mail in mails:
        mail.finish()

    assert len({(record.raw_id, record.origin) for mail in mails for record in mail.records}) == 2
    assert all("It has no attachment" in str(record.flaw) for mail in mails for record in mail.records)


@pytest.mark.parametrize("content", [b"[]", b" \n"])
def test_an_empty_list_or_file_is_not_a_post(content: bytes) -> None:
    """Such a file was cut off, or exported without any posts."""
    mail = opened()
    mail.add("a", Form.LINES if content == b" \n" else Form.JSON, content)
    mail.finish()

    assert flaws(mail) == ["no-post"]


def test_the_text_of_a_mail_may_be_the_post() -> None:
    """A post in both the plain and the HTML text is read once; no text is searched if a post is attached."""
    for attached in (False, True):
        mail = opened()
        if attached:
            mail.add("a.json", Form.JSON, b"{}")
        mail.add_text(b'Hello\n{"id":\n  "a"}\n', kind="text/plain", charset="utf-8")
        mail.add_text(b'<p>Hello</p><p>{"id": "a"}</p>', kind="text/html", charset="utf-8")
        mail.finish()

        assert files(mail) == (
            [("a.json (AAMk=)", b"{}")] if attached else [("text of the mail (AAMk=)", b'{"id":\n  "a"}')]
        )


def test_the_text_is_searched_if_an_attachment_cannot_be_read() -> None:
    """A broken attachment does not hide a post in the text."""
    mail = opened()
    mail.add_unreadable("a.zip", 9, "It is broken.")
    mail.add_text(b'{"id": "a"}', kind="text/plain", charset="utf-8")
    mail.finish()

    assert [record.payload for record in mail.records] == [b"", b'{"id": "a"}']


def test_the_text_of_an_attached_mail_may_be_the_post() -> None:
    """The text of a mail that was forwarded as an attachment is searched."""
    inner = EmailMessage()
    inner.set_content('{"id": "é"}\n', cte="base64")
    outer = EmailMessage()
    outer.set_content("As below.")
    outer.add_attachment(inner)
    mail = opened()

    mail.add_message("FW", outer.as_bytes())
    mail.finish()

    assert files(mail) == [("text of the mail (AAMk=)", '{"id": "é"}'.encode())]


def test_mails_without_a_post_are_counted() -> None:
    """The note counts these mails and shows no subject."""
    mails = [opened() for _ in range(7)]
    for mail in mails:
        mail.finish()

    assert notes_of(*mails, with_others()) == [
        "8 mail(s) read.",
        "7 mail(s) contain no post; each is a reject (no-post).",
    ]


def test_near_misses_are_counted() -> None:
    """Near misses are counted in a note, but not read."""
    tally = MailTally(RULE)

    assert [tally.selects(text) for text in ("RE: [JOB EXPORT] 1", "New [JOB EXPORT]", "Lunch")] == [True, False, False]
    (note,) = tally.notes()
    assert note.startswith("1 mail(s) were not read: ")


def test_a_mail_with_a_reject_does_not_count_as_without_a_post() -> None:
    """The rejected attachment may have held a post."""
    mail = opened()
    mail.add_too_large("a.json", 10**9)
    mail.finish()

    assert notes_of(mail) == ["1 mail(s) read."]


@given(
    name=st.text(st.characters(exclude_categories=()), max_size=20),
    mail_id=st.text(st.characters(exclude_categories=("Zs",)), max_size=20),
    rest=st.sampled_from([b"{}", b"[{}, {}]", b"[{}, x"]),
)
def test_an_old_reject_of_a_mail_is_found_after_a_complete_read(name: str, mail_id: str, rest: bytes) -> None:
    """Only after the mail was read completely, and only for origins that it no longer has."""
    before, now, tally = opened(mail_id), opened(mail_id), MailTally(RULE)
    before.add_unreadable(name, 1, "It cannot be had.")
    before.add_unreadable(name, 2, "It cannot be had.")
    before.finish()
    now.add_unreadable(name, 2, "It cannot be had.")
    now.add(f"{name}/a.json", Form.JSON, rest)
    now.finish()
    places = [record.origin for record in before.records]

    assert tally.read_whole(places) == {}
    tally.remember(now)
    found = tally.read_whole([*places, *(record.origin for record in now.records), "2026-11-20 10:00:05 x (other)"])

    assert list(found) == places[1:]
    assert all(instant > T0 for instant in found.values())


def test_the_reject_of_a_mail_that_now_has_a_post_is_found() -> None:
    """The reject is closed when a later version can open the attachment."""
    before, now, tally = opened(), opened(), MailTally(RULE)
    before.finish()
    now.add("a.json", Form.JSON, b"{}")
    now.finish()
    tally.remember(now)

    assert list(tally.read_whole([before.records[0].origin])) == [before.records[0].origin]
