"""Reads the mail inside an opaque S/MIME message (RFC 8551) that is signed or compressed, which needs no key.

The signature is not checked: signed and unsigned mails are treated alike.
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
    """Yield the one mail in the message.

    Raises:
        Unopened: It is encrypted, broken or too large, or holds only a signature.
    """
    room.enter()
    # Exchange stores a mail with a detached signature as a smime.p7m that is MIME.
    mime = content if _HEADER.match(content) else _extracted(_binary(content), room)
    room.take(len(mime))
    yield Inner("", Form.MAIL, content=mime, size=len(mime))


def _binary(content: bytes) -> bytes:
    """Return the message as DER; some senders use base64, with or without header and footer lines."""
    if content[:1] == bytes([_SEQUENCE]):
        return content
    try:
        return base64.b64decode(re.sub(rb"-----[^\n]*-----|\s", b"", content), validate=True)
    except binascii.Error:
        return content


def _extracted(content: bytes, room: Room) -> bytes:
    try:
        reader = _BerReader(content)
        kind, inside = reader.typed(reader.expect(_SEQUENCE, 0, len(content)))
        _check(kind)
        # The fields are version, algorithms and content, then certificates and signatures.
        fields = reader.children(reader.expect(_SEQUENCE, inside.begin, inside.end))
        _, _, sealed = next(fields), next(fields), next(fields)
        _, octets = reader.typed(sealed)
        mail = b"".join(reader.octets(octets))
        return _inflated(mail, room) if kind == _COMPRESSED else mail
    except StopIteration:
        raise Unopened("unreadable", "The S/MIME message holds a signature without the mail that it signs.") from None
    except (ValueError, zlib.error) as error:
        raise broken("S/MIME message", error) from None


def _check(kind: bytes) -> None:
    """Check that the message can be opened without a key."""
    if kind in _ENCRYPTED:
        raise Unopened("encrypted", "The mail is encrypted (S/MIME). Ask the sender to send it without encryption.")
    if kind not in {_SIGNED, _COMPRESSED}:
        raise ValueError(kind.hex())


def _inflated(content: bytes, room: Room) -> bytes:
    inflater = zlib.decompressobj()
    mail = inflater.decompress(content, room.left + 1)
    if not inflater.eof and len(mail) <= room.left:
        raise ValueError(len(mail))
    return mail


@dataclass(frozen=True, slots=True)
class _Value:
    """A BER value: its tag, where its content begins and ends, and where the next value begins."""

    tag: int
    begin: int
    end: int
    following: int


class _BerReader:
    """Reads BER, and so also DER, from bytes; a value may have an indefinite length."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._values = 0

    def typed(self, sequence: _Value) -> tuple[bytes, _Value]:
        """Return the type of a sequence of type and content, and the value that wraps the content."""
        fields = self.children(sequence)
        kind, explicit = next(fields), next(fields)
        if (kind.tag, explicit.tag) != (_OID, _EXPLICIT):
            raise ValueError(kind.tag)
        return self._content[kind.begin : kind.end], explicit

    def expect(self, tag: int, begin: int, end: int) -> _Value:
        """Return the value that begins at `begin`, which must have this tag."""
        value = self._value(begin, end, _MAX_LEVELS)
        if value.tag != tag:
            raise ValueError(value.tag)
        return value

    def children(self, outer: _Value) -> Iterator[_Value]:
        """The values in a value."""
        at = outer.begin
        while at < outer.end:
            value = self._value(at, outer.end, _MAX_LEVELS)
            yield value
            at = value.following

    def octets(self, outer: _Value, levels: int = _MAX_LEVELS) -> Iterator[bytes]:
        """The octet strings in a value, at any level of nesting."""
        for value in self.children(outer):
            if value.tag == _OCTETS:
                yield self._content[value.begin : value.end]
            elif value.tag == _OCTETS | _CONSTRUCTED and levels:
                yield from self.octets(value, levels - 1)
            else:
                raise ValueError(value.tag)

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
