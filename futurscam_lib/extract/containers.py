"""What can hold a job post, by name or type, and taking containers apart within limits.

Names are the sender's: they are shown, and never used as a path. Nothing is written anywhere.
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
"""A container or an attached mail that is larger is not read; most servers take no mail of more than 50 MB."""

MAX_UNPACKED_BYTES: Final = 64 << 20
MAX_MEMBERS: Final = 1000
MAX_DEPTH: Final = 10
_MAX_DIRECTORY_BYTES: Final = 1 << 20
"""Of a zip's list of members, which takes some ten times as much memory."""


class Form(Enum):
    """What an attachment is."""

    JSON = "JSON"
    LINES = "JSON Lines"
    MAIL = "mail"
    TNEF = "winmail.dat"
    ZIP = "zip"
    GZIP = "gzip"
    SMIME = "S/MIME"

    @property
    def limit(self) -> int:
        """How many bytes of it are read."""
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
"""Those that are unpacked a little at a time."""

_END_OF_ZIP: Final = struct.Struct("<4s4H2LH")
_END_OF_ZIP64: Final = struct.Struct("<4sQ2H2L4Q4sLQL")
"""The end of a large zip, and where that begins."""

_BROKEN: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, struct.error),
)


def form_of(name: str, content_type: str) -> Form | None:
    """What an attachment says that it is, by its name or else its type; None: nothing that can hold a post."""
    shown = name.strip().lower()
    for ending, form in _ENDINGS.items():
        if shown.endswith(ending):
            return form
    kind = content_type.partition(";")[0].strip().lower()
    return Form.JSON if _JSON_SUFFIX.fullmatch(kind) else _TYPES.get(kind)


class Unopened(Exception):
    """A container, or the rest of it, cannot be unpacked; `flaw` says why."""

    def __init__(self, code: str, reason: str) -> None:
        """Make its flaw."""
        super().__init__(reason)
        self.flaw = Flaw(code, reason)


@dataclass(frozen=True, slots=True)
class Inner:
    """Something that lay in a container.

    Attributes:
        name: As the container has it; may be empty.
        form: What it is; None: nothing that can hold a post, its content is left out.
        kind: Its type where the container says one.
        content: Its bytes.
        flaw: Why these could not be had.
        size: Its bytes, also where they could not be had.
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
        left: Bytes, over all containers, however deep.
        members: The same.
    """

    left: int = MAX_UNPACKED_BYTES
    members: int = MAX_MEMBERS

    def enter(self) -> None:
        """Count a member.

        Raises:
            Unopened: There are too many.
        """
        self.members -= 1
        if self.members < 0:
            raise Unopened("too-large", f"The mail holds more than {MAX_MEMBERS:,} files; the others are not read.")

    def read(self, up_to: Callable[[int], bytes]) -> bytes:
        """Read something to its end, with a function that gives so many bytes of it.

        Raises:
            Unopened: It is too long.
        """
        content = up_to(self.left + 1)
        self.take(len(content))
        return content

    def take(self, size: int) -> None:
        """Count some bytes.

        Raises:
            Unopened: They are too many.
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
                # What macOS adds: for each file, another one with the same ending.
                if not member.is_dir() and not member.filename.startswith("__MACOSX/"):
                    room.enter()
                    yield _member(archive, member, room)
    except _BROKEN as error:
        raise broken("zip", error) from None


def gunzip(name: str, content: bytes, room: Room) -> Iterator[Inner]:
    """The one file of a gzip; JSON without an ending is recognised by how it begins.

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
    """The same for whatever a library says about broken data."""
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
    """See that the list of members is small, before a library reads it."""
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
