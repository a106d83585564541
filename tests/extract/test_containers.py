"""Which files can hold a post, and zip, gzip, winmail.dat and S/MIME in mails, also broken and malicious ones."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import time
import zipfile
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.extract import containers
from futurscam_lib.extract.attachments import Mail, Opened
from futurscam_lib.extract.containers import Form, form_of
from tests.extract import made_mails as made
from tests.extract.made_mails import mime

if TYPE_CHECKING:
    from collections.abc import Callable

T0: Final = datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC)
POST: Final = b'{"id": "a"}'


def taken(name: str, content: bytes, kind: str = "") -> Opened:
    """A mail with one attachment."""
    mail = Opened("graph_mail", Mail("AAMk=", "[JOB EXPORT] 1", T0))
    form = form_of(name, kind)
    assert form
    mail.add(name, form, content)
    return mail


def files(mail: Opened) -> dict[str, bytes]:
    """The payloads by name."""
    return {_name(record.origin): record.payload for record in mail.records if not record.flaw}


def flaws(mail: Opened) -> dict[str, str]:
    """The names that could not be read, with their codes."""
    return {_name(record.origin): record.flaw.code for record in mail.records if record.flaw}


def _name(origin: str) -> str:
    return origin.removeprefix("2026-11-20 10:00:05 ").removesuffix(" (AAMk=)")


def deep(content: bytes, levels: int) -> bytes:
    """Zips in a zip."""
    for _ in range(levels):
        content = made.zipped({"a.zip": content})
    return content


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("a.json", "application/octet-stream", Form.JSON),
        (" A.JSON ", "", Form.JSON),
        ("a.jsonl", "", Form.LINES),
        ("a.JSONL.txt", "", Form.LINES),
        ("a.json.txt", "text/plain", Form.JSON),
        ("", "application/json", Form.JSON),
        ("x.bin", "Application/JSON; charset=utf-8", Form.JSON),
        ("", "text/json", Form.JSON),
        ("", "application/x-ndjson", Form.LINES),
        ("", "application/vnd.platform.post-v1+json", Form.JSON),
        ("export.ZIP", "", Form.ZIP),
        ("", "application/x-zip-compressed", Form.ZIP),
        ("a.json.gz", "application/json", Form.GZIP),
        ("WINMAIL.DAT", "application/octet-stream", Form.TNEF),
        ("part.bin", "application/ms-tnef", Form.TNEF),
        ("smime.p7m", "multipart/signed", Form.SMIME),
        ("", "application/pkcs7-mime; smime-type=signed-data", Form.SMIME),
        ("FW.eml", "application/octet-stream", Form.MAIL),
        ("", "message/rfc822", Form.MAIL),
        ("a.json.exe", "application/octet-stream", None),
        ("json", "text/plain", None),
        ("a.txt", "text/plain", None),
        ("a.pdf", "application/pdf", None),
        ("smime.p7s", "application/pkcs7-signature", None),
        ("", "application/json-seq", None),
        ("", "", None),
    ],
)
def test_what_an_attachment_is(name: str, kind: str, expected: Form | None) -> None:
    """By its name, else by its type, because mail programs often get one of them wrong."""
    assert form_of(name, kind) is expected


def test_a_zip_is_opened() -> None:
    """Its posts are read; its other files are named and not unpacked."""
    content = made.zipped({"posts/a.json": POST, "b.jsonl": b"{}\n{}", "cv.pdf": b"%PDF", "__MACOSX/._a.json": b"\0"})

    mail = taken("export.zip", content)

    assert files(mail) == {
        "export.zip/posts/a.json": POST,
        "export.zip/b.jsonl (AAMk=):1": b"{}",
        "export.zip/b.jsonl (AAMk=):2": b"{}",
    }
    assert mail.others == ["export.zip/cv.pdf"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_usual_compressions_are_read(method: int) -> None:
    """Posts in a zip of each usual compression are read."""
    assert files(taken("a.zip", made.zipped({"a.json": POST}, method=method))) == {"a.zip/a.json": POST}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_may_take_much_memory_is_a_reject(method: int) -> None:
    """Python cannot unpack these methods in small pieces."""
    mail = taken("a.zip", made.zipped({"a.json": POST, "b.pdf": b"x"}, method=method))

    assert flaws(mail) == {"a.zip/a.json": "unreadable"}


def test_a_large_list_in_a_zip_is_split() -> None:
    """The limit of 5 MB is for one post; a list may be larger."""
    content = b"[" + b",".join(b'{"id": "%d", "x": "%s"}' % (number, b"x" * 100_000) for number in range(80)) + b"]"

    assert len(files(taken("a.zip", made.zipped({"a.json": content})))) == 80


def test_an_encrypted_zip_is_a_reject_for_each_post() -> None:
    """Each reject has a remedy; other files in the zip are ignored."""
    mail = taken("a.zip", made.encrypted_zip({"a.json": POST, "b.json": POST, "cv.pdf": b"%PDF"}))

    assert flaws(mail) == {"a.zip/a.json": "encrypted", "a.zip/b.json": "encrypted"}
    assert all(record.flaw and "Ask the sender" in record.flaw.reason for record in mail.records)
    assert mail.others == ["a.zip/cv.pdf"]


def test_a_broken_file_in_a_zip_does_not_affect_the_others() -> None:
    """A file with a wrong checksum is a reject, and the others are read."""
    content = made.zipped({"a.json": POST, "b.json": b'{"id": "b"}'}, method=zipfile.ZIP_STORED)

    mail = taken("a.zip", content.replace(POST, b'{"id": "x"}'))

    assert files(mail) == {"a.zip/b.json": b'{"id": "b"}'}
    assert flaws(mail) == {"a.zip/a.json": "unreadable"}


def test_a_zip_without_files_is_another_attachment() -> None:
    """An empty zip is listed and is not a reject."""
    assert taken("a.zip", made.zipped({})).others == ["a.zip"]


@pytest.mark.parametrize("name", ["../../etc/passwd.json", "/etc/a.json", "C:\\boot.json", "a\x1b[31m.json"])
def test_names_in_a_zip_are_only_shown(name: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is written to disk."""
    monkeypatch.chdir(str(tmp_path))
    (origin,) = (record.origin for record in taken("a.zip", made.zipped({name: POST})).records)

    assert origin.isprintable()


@pytest.mark.parametrize("name", ["a.json.gz", "a.JSON.GZ", "a.gz", "weekly export.gz"])
def test_a_gzip_is_opened(name: str) -> None:
    """With and without the ending of its content."""
    assert list(files(taken(name, gzip.compress(POST))).values()) == [POST]


def test_a_gzip_of_something_else_is_another_attachment() -> None:
    """For example, a backup of a database."""
    assert taken("dump.sql.gz", gzip.compress(b"CREATE TABLE")).others == ["dump.sql.gz/dump.sql"]
    assert files(taken("x.zip.gz", gzip.compress(made.zipped({"a.json": POST})))) == {"x.zip.gz/x.zip/a.json": POST}


def test_a_saved_mail_is_opened() -> None:
    """An .eml file is read like an attached mail."""
    mail = taken(
        "FW.eml", mime(("a.json", POST), ("export.zip", made.zipped({"b.json": POST}))), "application/octet-stream"
    )

    assert set(files(mail)) == {"FW.eml/a.json", "FW.eml/export.zip/b.json"}


def test_a_winmail_dat_is_opened() -> None:
    """The name is the long name, else the short name, else the title."""
    mail = taken(
        "winmail.dat",
        made.tnef(
            made.tnef_file(
                "JOBPOS~1.JSO",
                POST,
                made.fixed(0x0E20, 0x0003, struct.pack("<L", 9)),
                made.fixed(0x3002, 0x1002, struct.pack("<LHHHH", 3, 1, 2, 3, 0)),
                made.prop(0x8001, 0x001F, made.text("x"), name="a name"),
                made.prop(0x8002, 0x001F, made.text("x"), name=7),
                made.prop(made.LONG_FILENAME, 0x001F, made.text("jobpost_é_1.json")),
            ),
            made.tnef_file("old é.json", b'{"id": "b"}', made.prop(made.FILENAME, 0x001E, b"short.json\0")),
            made.tnef_file("old é.json", b'{"id": "c"}'),
            made.tnef_file("logo.png", b"PNG"),
            made.tnef_file("untitled", b'{"id": "d"}', made.prop(made.MIME_TYPE, 0x001E, b"application/json\0")),
        ),
    )

    assert files(mail) == {
        "winmail.dat/jobpost_é_1.json": POST,
        "winmail.dat/short.json": b'{"id": "b"}',
        "winmail.dat/old é.json": b'{"id": "c"}',
        "winmail.dat/untitled": b'{"id": "d"}',
    }
    assert mail.others == ["winmail.dat/logo.png"]


def test_a_mail_in_a_winmail_dat_is_opened() -> None:
    """It is TNEF too, after the id of its interface."""
    inner = made.tnef(made.tnef_file("a.json", POST))
    embedded = made.prop(made.OBJECT, 0x000D, b"\x07\x03\x02" + b"\0" * 13 + inner)

    assert files(taken("winmail.dat", made.tnef(made.tnef_file("FW", b"", embedded)))) == {
        "winmail.dat/FW/a.json": POST
    }


@pytest.mark.parametrize(
    "message",
    [
        (made.prop(made.BODY, 0x001F, made.text(POST.decode())),),
        (made.prop(made.BODY, 0x001E, POST + b"\0"),),
        (made.prop(made.HTML, 0x0102, b"<html><p>" + POST + b"</p></html>"),),
        (made.prop(made.BODY, 0x001F, made.text(POST.decode())), made.prop(made.HTML, 0x0102, POST)),
    ],
)
def test_a_post_in_the_text_of_a_winmail_dat_is_read(message: tuple[bytes, ...]) -> None:
    """The post is read once, even if the text is there in several forms."""
    mail = taken("winmail.dat", made.tnef(message=message))
    mail.finish()

    assert [record.payload for record in mail.records] == [POST]


@pytest.mark.parametrize("make", [made.signed, made.streamed, lambda mime: base64.encodebytes(made.signed(mime))])
def test_a_signed_message_is_opened(make: Callable[[bytes], bytes]) -> None:
    """All ways of writing a signed message are read without a key."""
    content = make(mime(("jobpost.json", POST), ("long.json", b'"' + b"x" * 10_000 + b'"')))

    assert files(taken("smime.p7m", content))["smime.p7m/jobpost.json"] == POST


def test_a_mail_with_a_detached_signature_is_read() -> None:
    """Exchange shows such a mail as one smime.p7m, which is MIME."""
    content = b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n" + mime(("a.json", POST)) + b"\r\n--s--\r\n"

    assert files(taken("smime.p7m", content, "multipart/signed")) == {"smime.p7m/a.json": POST}


def test_a_compressed_message_is_opened() -> None:
    """RFC 3274."""
    octets = made.der(0x04, zlib.compress(mime(("a.json", POST))))
    inside = made.der(0x30, made.DATA, made.der(0xA0, octets))
    content = made.der(0x30, made.COMPRESSED, made.der(0xA0, made.der(0x30, b"\x02\x01\x00", b"\x30\x00", inside)))

    assert files(taken("smime.p7m", content)) == {"smime.p7m/a.json": POST}


@pytest.mark.parametrize(
    "content",
    [made.enveloped(mime(("a.json", POST))), made.der(0x30, made.AUTHENTICATED, made.der(0xA0, b""))],
    ids=["enveloped", "authenticated"],
)
def test_an_encrypted_message_is_a_reject(content: bytes) -> None:
    """The reject names the remedy."""
    mail = taken("smime.p7m", content)

    assert flaws(mail) == {"smime.p7m": "encrypted"}
    assert "without encryption" in str(mail.records[0].flaw)


def test_a_signature_alone_is_a_reject() -> None:
    """It contains no mail."""
    content = made.der(
        0x30, made.SIGNED, made.der(0xA0, made.der(0x30, b"\x02\x01\x01", b"\x31\x00", made.der(0x30, made.DATA)))
    )

    assert "without the mail" in str(taken("smime.p7m", content).records[0].flaw)


WHOLE: Final = {
    "a.zip": made.zipped({"a.json": POST}),
    "a.json.gz": gzip.compress(POST),
    "winmail.dat": made.tnef(
        made.tnef_file("a.json", POST, made.prop(made.LONG_FILENAME, 0x001F, made.text("b.json")))
    ),
    "smime.p7m": made.streamed(mime(("a.json", POST))),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"%PDF-1.7 and so on", b"{}"])
def test_a_container_with_wrong_content_is_a_reject(name: str, content: bytes) -> None:
    """It is a reject because it may hold a post."""
    assert flaws(taken(name, content)) == {name: "unreadable"}


@given(data=st.data(), name=st.sampled_from(sorted(WHOLE)))
def test_any_broken_container_is_recorded(data: st.DataObject, name: str) -> None:
    """A container that was cut off or changed raises nothing and leaves a record or a name."""
    whole = WHOLE[name]
    content = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    mail = taken(name, bytes(content))

    assert mail.records or mail.others


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("content", [st.binary(max_size=300)])
@given(data=st.data())
def test_any_bytes_are_accepted(name: str, content: st.SearchStrategy[bytes], data: st.DataObject) -> None:
    """Any bytes after a correct beginning raise no error."""
    mail = taken(name, WHOLE[name][:14] + data.draw(content))

    assert mail.records or mail.others


def test_the_depth_of_containers_is_limited() -> None:
    """Ten nested containers are opened; a deeper one is a reject."""
    inner = made.zipped({"a.json": POST})

    assert len(files(taken("a.zip", deep(inner, containers.MAX_DEPTH - 1)))) == 1
    assert list(flaws(taken("a.zip", deep(inner, containers.MAX_DEPTH))).values()) == ["too-large"]


def test_the_number_of_files_is_limited() -> None:
    """A thousand files of a mail are read; then one reject says that there are more."""
    many = made.zipped({f"{number}.json": b"{}" for number in range(600)})

    mail = taken("a.zip", made.zipped({"1.zip": many, "2.zip": many}))

    assert len(files(mail)) == containers.MAX_MEMBERS - 2
    assert flaws(mail) == {"a.zip/2.zip": "too-large"}


@pytest.mark.parametrize("zip64", [False, True])
def test_a_zip_of_very_many_files_is_not_listed(zip64: bool) -> None:  # noqa: FBT001
    """Its list would take hundreds of megabytes; a second end record does not hide this."""
    content = made.zipped({f"{number:0100}.json": b"" for number in range(10_000)})
    if zip64:
        end = zipfile.ZipFile(io.BytesIO(content)).start_dir
        head, tail = content[:-22], content[-22:]
        size, count = len(head) - end, 10_000
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, end)
        content = (
            head + record + struct.pack("<4sLQL", b"PK\6\7", 0, len(head), 1) + tail[:12] + b"\1\0\0\0" + tail[16:]
        )

    mail = taken("a.zip", content)

    assert (flaws(mail), files(mail)) == ({"a.zip": "too-large"}, {})


def test_a_bomb_is_a_reject() -> None:
    """At most the limit is unpacked, whatever size the zip declares; the file next to it is read."""
    large = b" " * (containers.MAX_UNPACKED_BYTES + 1)
    bomb = made.zipped({"bomb.json": large, "a.json": POST})
    lying = bomb.replace(struct.pack("<L", len(large)), struct.pack("<L", 10))

    assert flaws(taken("a.zip", bomb)) == {"a.zip/bomb.json": "too-large"}
    assert files(taken("a.zip", bomb)) == {"a.zip/a.json": POST}
    assert files(taken("a.zip", lying)).keys() <= {"a.zip/a.json", "a.zip/bomb.json"}
    assert flaws(taken("a.json.gz", gzip.compress(large))) == {"a.json.gz": "too-large"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("winmail.dat", made.tnef(message=(struct.pack("<HHL", 0x001F, made.BODY, 0xFFFFFFFF),) * 3)),
        ("winmail.dat", made.tnef(made.attribute(2, 0x9005, b"\xff" * 4 + b"\0\0\x01\x10" * 100_000))),
        ("winmail.dat", made.tnef() + made.attribute(1, 0x8004, b"") * 300_000),
        ("smime.p7m", b"\x30\x80" * 1_000_000),
        ("smime.p7m", made.openly(0x30, made.SIGNED, b"\xa0\x80\x30\x80" + b"\x02\x00" * 3_000_000)),
        ("smime.p7m", b"\x30\xff" + b"\xff" * 1_000_000),
    ],
    ids=["values", "properties", "attributes", "levels", "items", "length"],
)
def test_malicious_containers_end_quickly(name: str, content: bytes) -> None:
    """For example with counts of billions, or a million levels."""
    begun = time.monotonic()

    mail = taken(name, content)
    mail.finish()

    assert mail.records
    assert time.monotonic() - begun < 10
