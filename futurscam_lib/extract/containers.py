"""Detects files that can hold a job post, by name or type, and unpacks containers within limits.

Names come from the sender: they are shown, and never used as a path. Nothing is written to disk.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from futurscam_lib.extract import json_items
from futurscam_lib.records import MAX_RECORD_BYTES, Flaw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_CONTAINER_BYTES: Final = 64 << 20
"""A larger container or attached mail is not read; most servers accept no mail of more than 50 MB."""

MAX_UNPACKED_BYTES: Final = 64 << 20
MAX_MEMBERS: Final = 1000
MAX_DEPTH: Final = 10
_MAX_DIRECTORY_BYTES: Final = 1 << 20
"""Largest list of members in a zip; in memory it takes about ten times as much."""


class Form(Enum):
    """The file format of an attachment."""

    JSON = "JSON"
    LINES = "JSON Lines"
    MAIL = "mail"
    TNEF = "winmail.dat"
    ZIP = "zip"
    GZIP = "gzip"
    SMIME = "S/MIME"

    @property
    def limit(self) -> int:
        """The largest size that is read, in bytes."""
        return MAX_RECORD_BYTES if self in {Form.JSON, Form.LINES} else MAX_CONTAINER_BYTES


_ENDINGS: Final = {
    **dict.fromkeys((json_items.LINES, f"{json_items.LINES}.txt"), Form.LINES),
    **dict.fromkeys((".json", ".json.txt"), Form.JSON),
    ".eml": Form.MAIL,
    ".zip": Form.ZIP,
    ".gz": Form.GZIP,
    ".p7m": Form.SMIME,
    "winmail.dat": Form.TNEF,
}
_TYPES: Final = {
    **dict.fromkeys(("application/json", "text/json"), Form.JSON),
    **dict.fromkeys(("application/x-ndjson", "application/jsonl"), Form.LINES),
    **dict.fromkeys(("message/rfc822", "message/global"), Form.MAIL),
    **dict.fromkeys(("application/zip", "application/x-zip-compressed", "application/x-zip"), Form.ZIP),
    **dict.fromkeys(("application/gzip", "application/x-gzip"), Form.GZIP),
    **dict.fromkeys(("application/pkcs7-mime", "application/x-pkcs7-mime"), Form.SMIME),
    **dict.fromkeys(("application/ms-tnef", "application/vnd.ms-tnef"), Form.TNEF),
}
_JSON_SUFFIX: Final = re.compile(r"(application|text)/[\w.+-]+\+json")
_COMPRESSIONS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""The compression methods that can be unpacked in small pieces."""

_END_OF_ZIP: Final = struct.Struct("<4s4H2LH")
_END_OF_ZIP64: Final = struct.Struct("<4sQ2H2L4Q4sLQL")
"""The end record of a large zip, and the locator of that record."""

_BROKEN: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, struct.error),
)


def form_of(name: str, content_type: str) -> Form | None:
    """The format of an attachment, by its name or else its type; None if it cannot hold a post."""
    shown = name.strip().lower()
    for ending, form in _ENDINGS.items():
        if shown.endswith(ending):
            return form
    kind = content_type.partition(";")[0].strip().lower()
    return Form.JSON if _JSON_SUFFIX.fullmatch(kind) else _TYPES.get(kind)


class Unopened(Exception):
    """A container, or the rest of it, cannot be unpacked; `flaw` holds the reason."""

    def __init__(self, code: str, reason: str) -> None:
        """Make its flaw."""
        super().__init__(reason)
        self.flaw = Flaw(code, reason)


@dataclass(frozen=True, slots=True)
class Inner:
    """A file inside a container.

    Attributes:
        name: The name in the container; may be empty.
        form: Its format; None if it cannot hold a post, then its content is left out.
        kind: Its type if the container names one.
        content: Its bytes.
        flaw: Why the content could not be read.
        size: Its size in bytes, even if the content could not be read.
    """

    name: str
    form: Form | None
    kind: str = ""
    content: bytes = b""
    flaw: Flaw | None = None
    size: int = 0


@dataclass(slots=True)
class Room:
    """How much may still be unpacked from one mail.

    Attributes:
        left: Bytes, over all containers at any depth.
        members: Files, over all containers at any depth.
    """

    left: int = MAX_UNPACKED_BYTES
    members: int = MAX_MEMBERS

    def enter(self) -> None:
        """Count a member.

        Raises:
            Unopened: There are too many members.
        """
        self.members -= 1
        if self.members < 0:
            raise Unopened("too-large", f"The mail holds more than {MAX_MEMBERS:,} files; the others are not read.")

    def read(self, up_to: Callable[[int], bytes]) -> bytes:
        """Read content to its end with `up_to`, which returns at most the given number of bytes.

        Raises:
            Unopened: The content is too long.
        """
        content = up_to(self.left + 1)
        self.take(len(content))
        return content

    def take(self, size: int) -> None:
        """Count bytes that were unpacked.

        Raises:
            Unopened: There are too many bytes.
        """
        self.left -= size
        if self.left < 0:
            most = MAX_UNPACKED_BYTES >> 20
            raise Unopened("too-large", f"The mail holds more than {most} MB once unpacked; the rest is not read.")


def unzip(content: bytes, room: Room) -> Iterator[Inner]:
    """The files of a zip; only those that can hold a post are unpacked.

    Raises:
        Unopened: It is broken, or too large.
    """
    _check_directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                # macOS adds a second entry with the same ending for each file.
                if not member.is_dir() and not member.filename.startswith("__MACOSX/"):
                    room.enter()
                    yield _member(archive, member, room)
    except _BROKEN as error:
        raise broken("zip", error) from None


def gunzip(name: str, content: bytes, room: Room) -> Iterator[Inner]:
    """The one file in a gzip; JSON without a file ending is recognised by its first character.

    Raises:
        Unopened: It is broken, or too large.
    """
    inner = name.strip()[: -len(".gz")] if name.strip().lower().endswith(".gz") else name
    room.enter()
    if not content:
        raise broken("gzip", EOFError())
    try:
        unpacked = room.read(gzip.GzipFile(fileobj=io.BytesIO(content)).read)
    except _BROKEN as error:
        raise broken("gzip", error) from None
    begins = unpacked.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}
    form = form_of(inner, "") or (Form.JSON if begins else None)
    yield Inner(inner.replace("\\", "/").rpartition("/")[2], form, content=unpacked, size=len(unpacked))


def broken(what: str, error: Exception) -> Unopened:
    """Return one error for every way in which a library reports broken data."""
    return Unopened("unreadable", f"The {what} is broken ({type(error).__name__}). Ask the sender to send it again.")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, room: Room) -> Inner:
    name, form, size = member.filename, form_of(member.filename, ""), member.file_size
    if form is None:
        return Inner(name, None, size=size)
    flaw = None
    if member.flag_bits & 1:
        flaw = Flaw("encrypted", "The zip is encrypted. Ask the sender to send it without a password.")
    elif member.compress_type not in _COMPRESSIONS:
        flaw = Flaw("unreadable", f"The zip uses compression method {member.compress_type}, which is not supported.")
    elif size > room.left:
        flaw = Flaw("too-large", f"The file has {size:,} bytes once unpacked; so much is not read from one mail.")
    if flaw:
        return Inner(name, form, flaw=flaw, size=size)
    try:
        with archive.open(member) as file:
            return Inner(name, form, content=room.read(file.read), size=size)
    except _BROKEN as error:
        return Inner(name, form, flaw=broken("zip", error).flaw, size=size)


def _check_directory(content: bytes) -> None:
    """Check that the list of members is small before a library reads it."""
    at = content.rfind(b"PK\5\6", max(len(content) - _END_OF_ZIP.size - 0xFFFF, 0))
    if at < 0 or at + _END_OF_ZIP.size > len(content):
        raise Unopened("unreadable", "The zip is broken: its end is missing. Ask the sender to send it again.")
    size = _END_OF_ZIP.unpack_from(content, at)[5]
    before = at - _END_OF_ZIP64.size
    if before >= 0 and content.startswith(b"PK\6\7", at - 20):
        end64 = _END_OF_ZIP64.unpack_from(content, before)
        size = end64[8] if end64[0] == b"PK\6\6" and end64[12] == before else _MAX_DIRECTORY_BYTES + 1
    if size > _MAX_DIRECTORY_BYTES:
        raise Unopened("too-large", f"The zip holds more than {MAX_MEMBERS:,} files; it is not read.")
