"""Reads a `winmail.dat`: the TNEF that Outlook makes of a mail ([MS-OXTNEF]).

This is our own code, because the only library for it has had no release since 2021, silently drops what it cannot read,
and takes hours on a few malicious bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from futurscam_lib.extract.containers import Form, Inner, Unopened, form_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from futurscam_lib.extract.containers import Room

_SIGNATURE: Final = b"\x78\x9f\x3e\x22"
_HEAD: Final = struct.Struct("<BHHL")
_CHECKSUM_BYTES: Final = 2
_MESSAGE, _ATTACHMENT = 1, 2
_BODY, _PROPERTIES, _CODEPAGE = 0x800C, 0x9003, 0x9007
_TITLE, _DATA, _BEGINS, _ATTACHED = 0x8010, 0x800F, 0x9002, 0x9005

_PR_BODY, _PR_HTML = 0x1000, 0x1013
_PR_OBJECT, _PR_FILENAME, _PR_LONG_FILENAME, _PR_TYPE = 0x3701, 0x3704, 0x3707, 0x370E
_WANTED: Final = {_PR_BODY, _PR_HTML, _PR_OBJECT, _PR_FILENAME, _PR_LONG_FILENAME, _PR_TYPE}
_FIXED: Final = {
    **dict.fromkeys((0x0000, 0x0001), 0),
    **dict.fromkeys((0x0002, 0x0003, 0x0004, 0x000A, 0x000B), 4),
    **dict.fromkeys((0x0005, 0x0006, 0x0007, 0x0014, 0x0040), 8),
    0x0048: 16,
}
"""Size of a value by its type, in bytes with padding."""

_SHORT, _BOOLEAN, _OBJECT, _STRING8, _UNICODE, _BINARY = 0x0002, 0x000B, 0x000D, 0x001E, 0x001F, 0x0102
_VARIABLE: Final = {_OBJECT, _STRING8, _UNICODE, _BINARY}
_MANY, _NAMED = 0x1000, 0x8000
_INTERFACE_BYTES: Final = 16
_MAX_VALUES: Final = 10_000
"""Most values of one property; a higher count is treated as broken."""
_TEXT, _HTML = "text/plain", "text/html"


@dataclass(slots=True)
class _Attachment:
    """The parts of an attachment that have been read."""

    title: bytes = b""
    content: bytes | None = None
    properties: dict[int, tuple[int, bytes]] = field(default_factory=dict)


def attachments(content: bytes, room: Room) -> Iterator[Inner]:
    """The attachments, and the texts of the mail itself, whose name is empty and whose form is None.

    Raises:
        Unopened: It is broken, or too large; everything before that point was yielded.
    """
    if not content.startswith(_SIGNATURE):
        raise _broken()
    codepage, current = "cp1252", None
    for level, attribute, value in _attributes(content):
        if attribute == _CODEPAGE and len(value) >= 4:  # noqa: PLR2004 - a whole number of 32 bits
            codepage = f"cp{int.from_bytes(value[:4], 'little')}"
        elif level == _MESSAGE:
            yield from _texts(attribute, value, codepage, room)
        elif level == _ATTACHMENT:
            if attribute == _BEGINS:
                if current:
                    yield _inner(current, codepage, room)
                current = _Attachment()
            elif current:
                _note(current, attribute, value)
    if current:
        yield _inner(current, codepage, room)


def _broken() -> Unopened:
    return Unopened("unreadable", "The winmail.dat is broken. Ask the sender to send the mail as plain text or HTML.")


def _attributes(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Level, number and value of each attribute."""
    at = len(_SIGNATURE) + 2
    while at + _HEAD.size <= len(content):
        level, attribute, _, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        if at + length > len(content):
            raise _broken()
        yield level, attribute, content[at : at + length]
        at += length + _CHECKSUM_BYTES
    if content[at:].strip(b"\0\r\n"):
        raise _broken()


def _note(current: _Attachment, attribute: int, value: bytes) -> None:
    if attribute == _TITLE:
        current.title = value
    elif attribute == _DATA:
        current.content = value
    elif attribute == _ATTACHED:
        current.properties = _properties(value)


def _inner(attachment: _Attachment, codepage: str, room: Room) -> Inner:
    room.enter()
    long, short = (_text(attachment.properties.get(which), codepage) for which in (_PR_LONG_FILENAME, _PR_FILENAME))
    name = long or short or _decoded(attachment.title, codepage) or "unnamed"
    kind = _text(attachment.properties.get(_PR_TYPE), codepage)
    form = form_of(name, kind)
    value_type, content = attachment.properties.get(_PR_OBJECT, (0, attachment.content))
    if value_type == _OBJECT and content:
        content = content[_INTERFACE_BYTES:]
        if content.startswith(_SIGNATURE):
            form = Form.TNEF
    if form is None:
        return Inner(name, None, kind)
    if content is None:
        raise _broken()
    room.take(len(content))
    return Inner(name, form, kind, content, size=len(content))


def _texts(attribute: int, value: bytes, codepage: str, room: Room) -> Iterator[Inner]:
    properties = {_PR_BODY: (_STRING8, value)} if attribute == _BODY else {}
    if attribute == _PROPERTIES:
        properties = _properties(value)
    for which, kind in ((_PR_BODY, _TEXT), (_PR_HTML, _HTML)):
        if text := _text(properties.get(which), codepage, html=which == _PR_HTML):
            room.take(len(text))
            yield Inner("", None, kind, text.encode("utf-8", "replace"))


def _text(value: tuple[int, bytes] | None, codepage: str, *, html: bool = False) -> str:
    if value is None:
        return ""
    value_type, content = value
    if value_type == _UNICODE:
        return content.decode("utf-16-le", "replace").rstrip("\0")
    # Outlook writes HTML in UTF-8, whatever the code page of the rest.
    return _decoded(content, "utf-8" if html else codepage)


def _decoded(content: bytes, codepage: str) -> str:
    try:
        return content.decode(codepage, "replace").rstrip("\0")
    except LookupError:
        return content.decode("cp1252", "replace").rstrip("\0")


def _properties(value: bytes) -> dict[int, tuple[int, bytes]]:
    """Type and value of the properties that are used; everything after a broken property is left out."""
    properties: dict[int, tuple[int, bytes]] = {}
    reader = _PropertyReader(value, at=4)
    try:
        while reader.at < len(value):
            value_type, number = reader.number(2), reader.number(2)
            if number >= _NAMED:
                reader.skip_name()
            values = reader.values(value_type)
            if number in _WANTED and values:
                properties.setdefault(number, (value_type, values[0]))
    except ValueError:
        pass
    return properties


@dataclass(slots=True)
class _PropertyReader:
    """Reads a list of properties."""

    content: bytes
    at: int

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def take(self, size: int) -> bytes:
        """Read this many bytes.

        Raises:
            ValueError: The content is too short.
        """
        begin, self.at = self.at, self.at + size
        if self.at > len(self.content):
            msg = "it ends too early"
            raise ValueError(msg)
        return self.content[begin : self.at]

    def padded(self, size: int) -> bytes:
        """Read this many bytes and the padding: the next value begins at a multiple of four."""
        value = self.take(size)
        self.at += -size % 4
        return value

    def skip_name(self) -> None:
        self.take(16)
        if self.number(4) == 0:
            self.take(4)
        else:
            self.padded(self.number(4))

    def values(self, value_type: int) -> list[bytes]:
        """The values of a property; of several values with a fixed size, only the first."""
        own, many = value_type & ~_MANY, bool(value_type & _MANY)
        if own in _VARIABLE:
            count = self.number(4)
            if count > _MAX_VALUES:
                msg = f"{count} values"
                raise ValueError(msg)
            return [self.padded(self.number(4)) for _ in range(count)]
        if own not in _FIXED:
            msg = f"no type {own}"
            raise ValueError(msg)
        if not many:
            return [self.take(_FIXED[own])]
        size = 2 if own in {_SHORT, _BOOLEAN} else _FIXED[own]
        return [self.padded(self.number(4) * size)[:size]]
