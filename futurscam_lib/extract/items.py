"""JSON files to raw records: one object, the elements of a list, or the lines of a JSON Lines file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from futurscam_lib.extract import splitter
from futurscam_lib.records import MAX_RECORD_BYTES, Flaw, RawRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

LINES: Final = ".jsonl"
ENDINGS: Final = (".json", LINES)
"""How the names of such files end, in any case."""

_ITEM: Final = re.compile(r"(\[\d+\]|:\d+)$")


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
        """Its items, untouched; one that is too large or cannot be told from the next is a flawed record.

        Args:
            file: The content, at its start; must be seekable.
            lines: Whether each line is an item.
        """
        if lines:
            yield from self._split(splitter.lines(file), lambda position: f"{self.origin}:{position}")
        elif splitter.begins_list(file):
            yield from self._split(splitter.elements(file), lambda position: f"{self.origin}[{position}]")
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

    def _split(self, items: Iterator[splitter.Item], origin: Callable[[int], str]) -> Iterator[RawRecord]:
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
