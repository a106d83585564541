"""JSON files to raw records: one object, the elements of a list, or the lines of a JSON Lines file.

A file is split into the untouched bytes of its items without holding the file. A UTF-8 file's bytes come out exactly as
they went in, wrong bytes too (as surrogate escapes), so that one wrong byte costs one item and not the file.
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
"""How the names of such files end, in any case."""

_ITEM: Final = re.compile(r"(\[\d+\]|:\d+)$")

PIECE_BYTES: Final = 1 << 20
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_JSON_BLANKS: Final = b" \t\r\n"
"""What JSON calls whitespace; a line of other control characters is a broken item."""
# Only looks for where a value ends. More generous than JSON where the end is plain all the same, so that a control
# character in a text, or a number of too many digits, costs one element and not the rest of the list.
_DECODER: Final = json.JSONDecoder(parse_int=float, strict=False)


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A file as its source shows it.

    Attributes:
        source: Name of the source.
        origin: Where it stands there, readable; an item's own place is appended.
        instant: The instant by which the source orders it.
        size: Its bytes.
    """

    source: str
    origin: str
    instant: datetime
    size: int

    def records(self, file: BinaryIO, *, lines: bool) -> Iterator[RawRecord]:
        """Its items, untouched; one that is too large or cannot be separated from the next is a flawed record.

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
        """The record of the file as a whole, whose bytes are not kept."""
        return RawRecord.flawed(
            flaw, source=self.source, origin=self.origin, instant=self.instant, size=self.size, line=1
        )

    def too_large(self) -> RawRecord:
        """The record of a file that holds more than is read."""
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
    """The file in which an item stands, as `JsonFile` made its origin."""
    return origin if origin.lower().endswith(ENDINGS) else _ITEM.sub("", origin)


def as_text(name: str) -> str:
    r"""A name as MongoDB and JSON take it: a byte that is no text becomes `\udcff`, so that two names stay two."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def some(names: list[str], most: int = 5, *, total: int = 0) -> str:
    """The first of some names, for a sentence; `total` is how many there are, where only some are given."""
    left = max(total, len(names)) - most
    more = f" and {left:,} more" if left > 0 else ""
    return ", ".join(sorted(names)[:most]) + more


class Item(NamedTuple):
    """One item of a file: its position from 1, where it begins, its bytes or what is wrong with it."""

    position: int
    line: int
    column: int
    payload: bytes
    flaw: Flaw | None = None
    size: int = 0


def split_lines(file: BinaryIO) -> Iterator[Item]:
    """The items of a JSON Lines file; blank lines are none. `position` is the line."""
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

    What follows the last element that could be read (broken JSON, a missing bracket) becomes one last item, so that
    it is rejected with its place.
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
    """Each line without its end, and its size; of a line that is too large the size only matters."""
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
    """The text of a file, decoded as it is needed. What stands before `at` has been dealt with."""

    def __init__(self, file: BinaryIO) -> None:
        codec = encoding_of(file.read(4))
        file.seek(0)
        # Surrogates stand for what is wrong in the file; an item that holds one is rejected when it is parsed.
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
        """Go on by some characters, none of them a line feed."""
        self.head()
        self._at += count
        self.column += count

    def skip_blank(self) -> None:
        """Go on to the next character that is not blank."""
        while self.head():
            blanks = _BLANKS.match(self._buffer, self._at)
            self._pass(blanks[0] if blanks else "")
            if self._at < len(self._buffer):
                return

    def read_value(self) -> bytes | None:
        """The bytes of the JSON value that begins here, reading as much as it takes; None where none can be read."""
        while True:
            try:
                end = _DECODER.raw_decode(self._buffer, self._at)[1]
            except (ValueError, RecursionError):
                end = -1
            # A number that ends near the buffer's end may go on: what is there of `1e+5` may be `1`, `1e` or `1e+`.
            if end >= 0 and (end + 2 < len(self._buffer) or self._ended):
                return self._encode(self._buffer[self._at : end])
            if len(self._buffer) - self._at > MAX_RECORD_BYTES or not self._more():
                return None

    def pass_over(self, value: bytes) -> None:
        """Go on behind a value that `read_value` gave."""
        self._pass(value.decode("utf-8", self._errors))

    def element(self, position: int, value: bytes) -> Item:
        """The value that begins here, as an item."""
        if len(value) <= MAX_RECORD_BYTES:
            return Item(position, self.line, self.column, value)
        flaw = Flaw("too-large", f"The element has {len(value):,} bytes; more than {MAX_RECORD_BYTES:,} are not read.")
        return Item(position, self.line, self.column, b"", flaw, len(value))

    def read_line(self) -> tuple[bytes, int]:
        """Go on behind the next line feed; give what stood before it, without the line's end, and its size.

        Of a line that is too large the size only matters.
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
        """All from here to the end of the file, as an item that will be rejected."""
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
