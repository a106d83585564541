"""The mail inside an opaque S/MIME message (RFC 8551): signed or compressed, which needs no key.

The signature is not checked: a post is taken from a mail that is signed as from one that is not.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from futurscam_lib.extract.containers import Form, Inner, Unopened, broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from futurscam_lib.extract.containers import Room

_SIGNED: Final = bytes.fromhex("2a864886f70d010702")
_COMPRESSED: Final = bytes.fromhex("2a864886f70d0109100109")
_ENCRYPTED: Final = {
    bytes.fromhex("2a864886f70d010703"),  # enveloped
    bytes.fromhex("2a864886f70d010706"),  # encrypted
    bytes.fromhex("2a864886f70d0109100117"),  # enveloped and authenticated
}
_OID, _OCTETS, _SEQUENCE, _EXPLICIT = 0x06, 0x04, 0x30, 0xA0
_CONSTRUCTED: Final = 0x20
_LONG_TAG: Final = 0x1F
_INDEFINITE: Final = 0x80
_END: Final = b"\0\0"
_MAX_LEVELS: Final = 20
_MAX_VALUES: Final = 1_000_000
_HEADER: Final = re.compile(rb"\s*(content-|mime-version)", re.IGNORECASE)


def mails(content: bytes, room: Room) -> Iterator[Inner]:
    """The one mail in it.

    Raises:
        Unopened: It is encrypted, broken or too large, or holds a signature alone.
    """
    room.enter()
    # Exchange keeps a mail whose signature stands beside it as a smime.p7m that is MIME.
    mime = content if _HEADER.match(content) else _taken_out(_binary(content), room)
    room.take(len(mime))
    yield Inner("", Form.MAIL, content=mime, size=len(mime))


def _binary(content: bytes) -> bytes:
    """As DER; some send it in base64, with or without a line around it."""
    if content[:1] == bytes([_SEQUENCE]):
        return content
    try:
        return base64.b64decode(re.sub(rb"-----[^\n]*-----|\s", b"", content), validate=True)
    except binascii.Error:
        return content


def _taken_out(content: bytes, room: Room) -> bytes:
    try:
        reader = _BerReader(content)
        kind, inside = reader.typed(reader.one(_SEQUENCE, 0, len(content)))
        _check(kind)
        # Version, algorithms, content; what follows are certificates and signatures.
        fields = reader.children(reader.one(_SEQUENCE, inside.begin, inside.end))
        _, _, sealed = next(fields), next(fields), next(fields)
        _, octets = reader.typed(sealed)
        found = b"".join(reader.octets(octets))
        return _inflated(found, room) if kind == _COMPRESSED else found
    except StopIteration:
        raise Unopened("unreadable", "The S/MIME message holds a signature without the mail that it signs.") from None
    except (ValueError, zlib.error) as error:
        raise broken("S/MIME message", error) from None


def _check(kind: bytes) -> None:
    """See that it can be opened without a key."""
    if kind in _ENCRYPTED:
        raise Unopened("encrypted", "The mail is encrypted (S/MIME). Ask the sender to send it without encryption.")
    if kind not in {_SIGNED, _COMPRESSED}:
        raise ValueError(kind.hex())


def _inflated(content: bytes, room: Room) -> bytes:
    inflater = zlib.decompressobj()
    found = inflater.decompress(content, room.left + 1)
    if not inflater.eof and len(found) <= room.left:
        raise ValueError(len(found))
    return found


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of BER: its tag, where its content begins and ends, and where the next one begins."""

    tag: int
    begin: int
    end: int
    following: int


class _BerReader:
    """Reads BER, and so DER, out of bytes; a value may leave its length open."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._values = 0

    def typed(self, sequence: _Value) -> tuple[bytes, _Value]:
        """Of a sequence of a type and a content: the type, and what the content's tag is put around."""
        fields = self.children(sequence)
        kind, explicit = next(fields), next(fields)
        if (kind.tag, explicit.tag) != (_OID, _EXPLICIT):
            raise ValueError(kind.tag)
        return self._content[kind.begin : kind.end], explicit

    def one(self, tag: int, begin: int, end: int) -> _Value:
        """The value that begins somewhere, which has to have this tag."""
        found = self._value(begin, end, _MAX_LEVELS)
        if found.tag != tag:
            raise ValueError(found.tag)
        return found

    def children(self, outer: _Value) -> Iterator[_Value]:
        """The values in a value."""
        at = outer.begin
        while at < outer.end:
            found = self._value(at, outer.end, _MAX_LEVELS)
            yield found
            at = found.following

    def octets(self, outer: _Value, levels: int = _MAX_LEVELS) -> Iterator[bytes]:
        """The octet strings in a value, however they are cut into pieces."""
        for found in self.children(outer):
            if found.tag == _OCTETS:
                yield self._content[found.begin : found.end]
            elif found.tag == _OCTETS | _CONSTRUCTED and levels:
                yield from self.octets(found, levels - 1)
            else:
                raise ValueError(found.tag)

    def _value(self, at: int, end: int, levels: int) -> _Value:
        self._values += 1
        if at + 2 > end or not levels or self._values > _MAX_VALUES:
            raise ValueError(at)
        tag, length = self._content[at], self._content[at + 1]
        begin = at + 2
        if tag & _LONG_TAG == _LONG_TAG:
            raise ValueError(tag)
        if length == _INDEFINITE and tag & _CONSTRUCTED:
            inner = begin
            while self._content[inner : inner + 2] != _END:
                inner = self._value(inner, end, levels - 1).following
            return _Value(tag, begin, inner, inner + 2)
        if length >= _INDEFINITE:
            begin += length - _INDEFINITE
            length = int.from_bytes(self._content[at + 2 : begin], "big")
        if begin + length > end:
            raise ValueError(length)
        return _Value(tag, begin, begin + length, begin + length)
