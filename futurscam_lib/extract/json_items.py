"""Splits JSON files into raw records: one object, the elements of a list, or the lines of a JSON Lines file.

Items keep their original bytes, and the file is never held as a whole. The bytes of a UTF-8 file stay exactly the same,
even invalid ones (as surrogate escapes), so that one invalid byte spoils one item and not the file.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from futurscam_lib.jsontext import encoding_of
from futurscam_lib.records import MAX_RECORD_BYTES, Flaw, RawRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

LINES: Final = ".jsonl"
ENDINGS: Final = (".json", LINES)
"""File endings, compared without case."""

_ITEM: Final = re.compile(r"(\[\d+\]|:\d+)$")

PIECE_BYTES: Final = 1 << 20
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_JSON_BLANKS: Final = b" \t\r\n"
"""Whitespace in JSON; a line of other control characters is a broken item."""
# Only finds the end of a value. It accepts more than JSON allows, so that a control character in a text, or a number
# with too many digits, spoils one element and not the rest of the list.
_DECODER: Final = json.JSONDecoder(parse_int=float, strict=False)


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A file as its source shows it.

    Attributes:
        source: Name of the source.
        origin: Its readable path in the source; an item's position is appended.
        instant: The instant by which the source selects it.
        size: Its size in bytes.
    """

    source: str
    origin: str
    instant: datetime
    size: int

    def records(self, file: BinaryIO, *, lines: bool) -> Iterator[RawRecord]:
        """Its items, unchanged; an item that is too large or cannot be separated from the next is a flawed record.

        Args:
            file: The content, at its start; must be seekable.
            lines: Whether each line is an item.
        """
        if lines:
            yield from self._split(split_lines(file), lambda position: f"{self.origin}:{position}")
        elif begins_list(file):
            yield from self._split(split_list(file), lambda position: f"{self.origin}[{position}]")
        else:
            yield self._whole(file)

    def flawed(self, flaw: Flaw) -> RawRecord:
        """A flawed record for the whole file, whose bytes are not kept."""
        return RawRecord.flawed(
            flaw, source=self.source, origin=self.origin, instant=self.instant, size=self.size, line=1
        )

    def too_large(self) -> RawRecord:
        """The flawed record for a file with an item that is too large to read."""
        reason = f"The file holds one item of {self.size:,} bytes; more than {MAX_RECORD_BYTES:,} are not read."
        return self.flawed(Flaw("too-large", reason))

    def _whole(self, file: BinaryIO) -> RawRecord:
        payload = file.read(MAX_RECORD_BYTES + 1)
        if len(payload) > MAX_RECORD_BYTES:
            return self.too_large()
        return RawRecord.of(payload, source=self.source, origin=self.origin, instant=self.instant, line=1, column=1)

    def _split(self, items: Iterator[Item], origin: Callable[[int], str]) -> Iterator[RawRecord]:
        for item in items:
            about: dict[str, Any] = {"source": self.source, "origin": origin(item.position), "instant": self.instant}
            if item.flaw is None:
                yield RawRecord.of(item.payload, **about, line=item.line, column=item.column)
            else:
                yield RawRecord.flawed(item.flaw, **about, size=item.size, line=item.line)


def file_of(origin: str) -> str:
    """The file that contains an item, from an origin that `JsonFile` made."""
    return origin if origin.lower().endswith(ENDINGS) else _ITEM.sub("", origin)


def as_text(name: str) -> str:
    r"""A name that MongoDB and JSON accept: a byte that is not text becomes `\udcff`, so that names stay different."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def some(names: list[str], most: int = 5, *, total: int = 0) -> str:
    """The first few names, for a sentence; `total` is the number of all names, if only some are given."""
    left = max(total, len(names)) - most
    more = f" and {left:,} more" if left > 0 else ""
    return ", ".join(sorted(names)[:most]) + more


class Item(NamedTuple):
    """One item of a file: its position from 1, the line and column where it begins, its bytes or its flaw."""

    position: int
    line: int
    column: int
    payload: bytes
    flaw: Flaw | None = None
    size: int = 0


def split_lines(file: BinaryIO) -> Iterator[Item]:
    """The items of a JSON Lines file, without blank lines. `position` is the line."""
    codec = encoding_of(file.read(4))
    file.seek(0)
    split = _utf16_lines if codec == "utf-16" else _utf8_lines
    for number, (payload, size) in enumerate(split(file), start=1):
        if size > MAX_RECORD_BYTES:
            flaw = Flaw("too-large", f"The line has {size:,} bytes; more than {MAX_RECORD_BYTES:,} are not read.")
            yield Item(number, number, 1, b"", flaw, size)
        elif payload.strip(_JSON_BLANKS):
            yield Item(number, number, 1, payload)


def split_list(file: BinaryIO) -> Iterator[Item]:
    """The elements of a file that holds one JSON list. `position` is the element's number.

    Everything after the last readable element (broken JSON, a missing bracket) becomes one last item, so that it is
    rejected with its position.
    """
    text = _Text(file)
    text.skip_blank()
    text.skip(1)
    position = 0
    while True:
        position += 1
        text.skip_blank()
        if text.head() == "]" and position == 1:
            break
        value = text.read_value()
        if value is None:
            yield text.rest(position)
            return
        yield text.element(position, value)
        text.pass_over(value)
        text.skip_blank()
        if text.head() != ",":
            break
        text.skip(1)
    if text.head() != "]":
        yield text.rest(position + 1)
        return
    text.skip(1)
    text.skip_blank()
    if text.head():
        yield text.rest(position + 1)


def begins_list(file: BinaryIO) -> bool:
    """Whether the file's first character that is not blank opens a list; leaves the file at its start."""
    text = _Text(file)
    text.skip_blank()
    opens = text.head() == "["
    file.seek(0)
    return opens


def _utf8_lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Each line without its line end, and its size; the content of a line that is too large is incomplete."""
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    while line := file.readline(MAX_RECORD_BYTES + 3):
        size, ended = len(line), line.endswith(b"\n")
        while not ended and (more := file.readline(PIECE_BYTES)):
            size, ended = size + len(more), more.endswith(b"\n")
        line = line.rstrip(b"\r\n")
        yield line, max(size - 2, len(line))


def _utf16_lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    text = _Text(file)
    while text.head():
        yield text.read_line()


class _Text:
    """The text of a file, decoded as needed. The text before `_at` has been read."""

    def __init__(self, file: BinaryIO) -> None:
        codec = encoding_of(file.read(4))
        file.seek(0)
        # Surrogates represent invalid bytes; an item that contains one is rejected when it is parsed.
        self._errors = "surrogatepass" if codec == "utf-16" else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(codec)(self._errors)
        self._file = file
        self._buffer = ""
        self._ended = False
        self._at = 0
        self.line = 1
        self.column = 1

    def head(self) -> str:
        """The next character; empty at the end of the file."""
        while self._at >= len(self._buffer) and self._more():
            pass
        return self._buffer[self._at : self._at + 1]

    def skip(self, count: int) -> None:
        """Skip this many characters, which contain no line feed."""
        self.head()
        self._at += count
        self.column += count

    def skip_blank(self) -> None:
        """Skip to the next character that is not blank."""
        while self.head():
            blanks = _BLANKS.match(self._buffer, self._at)
            self._pass(blanks[0] if blanks else "")
            if self._at < len(self._buffer):
                return

    def read_value(self) -> bytes | None:
        """Read the JSON value that begins here and return its bytes; None if there is no readable value."""
        while True:
            try:
                end = _DECODER.raw_decode(self._buffer, self._at)[1]
            except (ValueError, RecursionError):
                end = -1
            # A number at the end of the buffer may be cut off: `1e+5` may be there as `1`, `1e` or `1e+`.
            if end >= 0 and (end + 2 < len(self._buffer) or self._ended):
                return self._encode(self._buffer[self._at : end])
            if len(self._buffer) - self._at > MAX_RECORD_BYTES or not self._more():
                return None

    def pass_over(self, value: bytes) -> None:
        """Skip a value that `read_value` returned."""
        self._pass(value.decode("utf-8", self._errors))

    def element(self, position: int, value: bytes) -> Item:
        """Return the value that begins here as an item."""
        if len(value) <= MAX_RECORD_BYTES:
            return Item(position, self.line, self.column, value)
        flaw = Flaw("too-large", f"The element has {len(value):,} bytes; more than {MAX_RECORD_BYTES:,} are not read.")
        return Item(position, self.line, self.column, b"", flaw, len(value))

    def read_line(self) -> tuple[bytes, int]:
        """Read to the next line feed; return the line without its line end, and its size.

        The content of a line that is too large is incomplete.
        """
        dropped = 0
        while (end := self._buffer.find("\n", self._at)) < 0:
            if len(self._buffer) - self._at > MAX_RECORD_BYTES:
                dropped += len(self._encode(self._buffer[self._at :]))
                self._at = len(self._buffer)
            if not self._more():
                break
        end = len(self._buffer) if end < 0 else end
        line = self._encode(self._buffer[self._at : end].rstrip("\r"))
        self._at = end + 1
        return line, dropped + len(line)

    def rest(self, position: int) -> Item:
        """Everything from here to the end of the file, as an item that will be rejected."""
        while len(self._buffer) - self._at <= MAX_RECORD_BYTES and self._more():
            pass
        rest = self._buffer[self._at :]
        encoded = self._encode(rest)
        if len(encoded) > MAX_RECORD_BYTES:
            flaw = Flaw("too-large", f"From here on nothing could be read within {MAX_RECORD_BYTES:,} bytes.")
        elif not rest.strip():
            flaw = Flaw("broken-json", "The file ends inside its list: the closing bracket is missing.")
        elif _is_json(rest):
            flaw = Flaw("broken-json", "Text where a comma or a closing bracket belongs.")
        else:
            return Item(position, self.line, self.column, encoded)
        return Item(position, self.line, self.column, b"", flaw, len(encoded))

    def _pass(self, text: str) -> None:
        self._at += len(text)
        self.line += text.count("\n")
        self.column = self.column + len(text) if "\n" not in text else len(text) - text.rfind("\n")

    def _more(self) -> bool:
        if self._ended:
            return False
        piece = self._file.read(PIECE_BYTES)
        self._ended = not piece
        try:
            decoded = self._decoder.decode(piece, final=self._ended)
        except UnicodeDecodeError:
            decoded = "\udcff"  # half a character at the end of the file
        self._buffer, self._at = self._buffer[self._at :] + decoded, 0
        return True

    def _encode(self, text: str) -> bytes:
        return text.encode("utf-8", self._errors)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
