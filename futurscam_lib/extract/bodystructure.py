"""What an IMAP server answers to FETCH: the items of a mail, and the parts that its BODYSTRUCTURE lists (RFC 3501)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.extract.containers import form_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Piece = bytes | tuple[bytes, bytes] | None
"""As imaplib gives it: a line, or a line with the literal that stood at its end."""

Items = dict[str, Any]
"""Of one mail, by name in capitals: `UID`, `BODY[2.MIME]`; bytes, None for NIL, or a list of these."""

# An atom may hold spaces and parentheses in brackets: BODY[HEADER.FIELDS (SUBJECT)]<0>.
_TOKEN: Final = re.compile(rb'([()])|"((?:[^"\\]|\\.)*)"|((?:\[[^\]]*\]|[^\s()"])+)|\s+', re.DOTALL)
_LITERAL: Final = re.compile(rb"~?\{\d+\}$")
_ORIGIN: Final = re.compile(r"<\d+>$")
_MAILS: Final = {"message/rfc822", "message/global"}
_INFLATES: Final = {"base64": 1.4, "quoted-printable": 3.2}
"""How many times larger a content can be once encoded, line ends included."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a mail that is no multipart.

    Attributes:
        section: Its number: `2.1`.
        header: The section that holds its header: `2.1.MIME`.
        outer: The same of the outermost attached mail that it is in; empty where it is in none.
        kind: `application/json`.
        name: As the structure has it, maybe encoded, maybe missing though the header has one.
        attached: Whether it says so.
        opaque: Whether it is an attached mail of which no part is listed, or nothing but a text.
        encoding: `base64`.
        size: Its bytes, encoded.
    """

    section: str
    header: str
    outer: str
    kind: str
    name: str
    attached: bool
    opaque: bool
    encoding: str
    size: int

    @property
    def is_body(self) -> bool:
        """Whether it is what the mail says, and nothing that was attached to it."""
        if self.name or self.attached or form_of("", self.kind):
            return False
        return self.kind.startswith("text/") or self.size == 0

    def room(self, limit: int) -> int:
        """How many bytes a content of `limit` bytes can take here."""
        return int(limit * _INFLATES.get(self.encoding, 1))

    def at_least(self) -> int:
        """How many bytes its content has, if not more."""
        return int(self.size / _INFLATES.get(self.encoding, 1))

    def decoded(self, body: bytes) -> bytes:
        """Its content."""
        message = Message()
        message["Content-Transfer-Encoding"] = self.encoding
        message.set_payload(body.decode("ascii", "surrogateescape"))
        content = message.get_payload(decode=True)
        return content if isinstance(content, bytes) else b""


def answers(data: Iterable[Piece]) -> Iterator[Items]:
    """What a FETCH gave, mail by mail; one that cannot be read is left out."""
    pieces: list[bytes | tuple[bytes, bytes]] = []
    for piece in data:
        if piece is None:
            continue
        pieces.append(piece)
        if isinstance(piece, tuple):
            continue  # The line goes on behind the literal.
        try:
            _, items = _values(pieces)
            names = [_ORIGIN.sub("", name.decode("ascii").upper()) for name in items[::2]]
            yield dict(zip(names, items[1::2], strict=True))
        except (ValueError, TypeError, IndexError, AttributeError):
            pass  # Who asked sees that it is missing.
        pieces.clear()


def parts(structure: Any) -> list[Part]:
    """The parts of a BODYSTRUCTURE, those of attached mails too.

    Raises:
        ValueError: It is none, or the server found no parts in what should have some.
    """
    try:
        return list(_message(structure, "", ""))
    except (TypeError, IndexError, AttributeError, RecursionError) as error:
        msg = f"no BODYSTRUCTURE ({type(error).__name__})"
        raise ValueError(msg) from error


def _values(pieces: Iterable[bytes | tuple[bytes, bytes]]) -> list[Any]:
    """What stands in parentheses as lists, however deep."""
    stack: list[list[Any]] = [[]]
    for piece in pieces:
        line, literal = piece if isinstance(piece, tuple) else (piece, None)
        if literal is not None:
            line = _LITERAL.sub(b"", line)
        for parenthesis, quoted, atom in _tokens(line):
            if parenthesis == b"(":
                stack.append([])
            elif parenthesis:
                closed = stack.pop()
                stack[-1].append(closed)
            elif atom:
                stack[-1].append(None if atom.upper() == b"NIL" else atom)
            else:
                stack[-1].append(re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL))
        if literal is not None:
            stack[-1].append(literal)
    (values,) = stack
    return values


def _tokens(line: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    at = 0
    while at < len(line):
        found = _TOKEN.match(line, at)
        if found is None:
            msg = f"no token at {at}"
            raise ValueError(msg)
        at = found.end()
        if not found[0].isspace():
            yield found[1] or b"", found[2] or b"", found[3] or b""


def _message(body: list[Any], within: str, outer: str) -> Iterator[Part]:
    """The parts of a mail; `within` is empty, or the number of an attached mail and a point."""
    if isinstance(body[0], list):
        yield from _multipart(body, within, outer)
    else:
        yield from _part(body, f"{within}1", f"{within}HEADER", outer)


def _multipart(body: list[Any], within: str, outer: str) -> Iterator[Part]:
    children = list(takewhile(lambda child: isinstance(child, list), body))
    if len(children) == 1 and _text(children[0][0]).lower() == "text" and children[0][6] == b"0":
        msg = "a multipart of nothing"  # So Dovecot shows one whose boundary is missing, or never comes.
        raise ValueError(msg)
    for number, child in enumerate(children, 1):
        section = f"{within}{number}"
        if isinstance(child[0], list):
            yield from _multipart(child, f"{section}.", outer)
        else:
            yield from _part(child, section, f"{section}.MIME", outer)


def _part(body: list[Any], section: str, header: str, outer: str) -> Iterator[Part]:
    kind, encoding = f"{_text(body[0])}/{_text(body[1])}".lower(), _text(body[5]).strip().lower()
    disposition, names = _disposition(body)
    listed = kind in _MAILS and encoding not in _INFLATES and isinstance(body[8], list)
    inner = list(_message(body[8], f"{section}.", outer or header)) if listed else []
    if any(not part.is_body for part in inner):
        yield from inner
        return
    yield Part(
        section,
        header,
        outer,
        kind=kind,
        name=next((text for key, text in (*names, *_pairs(body[2])) if key.startswith(("filename", "name"))), ""),
        attached=disposition == "attachment",
        opaque=kind in _MAILS,
        encoding=encoding,
        size=int(body[6]),
    )


def _disposition(body: list[Any]) -> tuple[str, list[tuple[str, str]]]:
    """Where it stands depends on the type of the part, and on what the server leaves out."""
    for value in body[7:]:
        match value:
            case [bytes(kind), (None | list()) as parameters]:
                return _text(kind).lower(), _pairs(parameters)
    return "", []


def _pairs(values: list[Any] | None) -> list[tuple[str, str]]:
    found = values or []
    return [(_text(key).lower(), _text(value)) for key, value in zip(found[::2], found[1::2], strict=False)]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
