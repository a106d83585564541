"""Reads the lines of a ledger file, even if it was changed: the entries that can be read, and all faults."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from futurscam_lib.audit.entries import LedgerEntry, Misfit, check_link, is_entry, read_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

_BLOCK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem with one line.

    Attributes:
        line: Its number in the file, from 1; the number after the last line where something is missing at the end.
        what: A clause for a person.
        torn: It is the last line and is incomplete, as a power cut leaves it; the next run repairs it.
    """

    line: int
    what: str
    torn: bool = False


class BadLine(ValueError):
    """Line `line` of a ledger cannot be trusted; the message is a clause for a person."""

    def __init__(self, line: int, what: str) -> None:
        """See the class."""
        super().__init__(what)
        self.line = line


def open_ledger(path: Path) -> BinaryIO | None:
    """Open a ledger for reading; None if there is none.

    Raises:
        OSError: It cannot be read, or is not a file.
    """
    if path.exists() and not path.is_file():  # Opening a pipe would wait for ever.
        msg = "it is not a file"
        raise OSError(msg)
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def read_lines(path: Path, on_fault: Callable[[Fault], object]) -> Iterator[tuple[int, LedgerEntry]]:
    """Yield each readable entry with its line number, oldest first.

    A line whose hash is wrong is skipped; an entry in the wrong place is yielded.

    Args:
        path: The ledger.
        on_fault: Called with everything that is wrong.
    """
    try:
        file = open_ledger(path)
    except OSError as error:
        on_fault(Fault(1, f"it cannot be read ({error.strerror or error})"))
        return
    if file is not None:
        with file:
            yield from read_forwards(file, on_fault)


def read_forwards(file: BinaryIO, on_fault: Callable[[Fault], object]) -> Iterator[tuple[int, LedgerEntry]]:
    """The same for a ledger that is open."""
    older: LedgerEntry | None = None
    skipped = False
    for number, raw in enumerate(file, start=1):
        is_whole = raw.endswith(b"\n")
        try:
            entry = read_entry(raw.removesuffix(b"\n"))
        except Misfit as misfit:
            on_fault(Fault(number, str(misfit), torn=not is_whole))
            # The line after a bad line cannot be compared with it.
            skipped = True
            continue
        if not skipped:
            _check_follows(entry, older, number, on_fault)
        elif older is not None and entry.seq <= older.seq:
            on_fault(Fault(number, f"its number is {entry.seq}, after {older.seq}"))
        older, skipped = entry, False
        yield number, entry
        if not is_whole:
            return  # Anything after it was appended while this was reading.


def _check_follows(
    entry: LedgerEntry, older: LedgerEntry | None, number: int, on_fault: Callable[[Fault], object]
) -> None:
    try:
        check_link(entry, older)
    except Misfit as misfit:
        expected = older.seq + 1 if older else 1
        gone = f"; {entry.seq - expected} line(s) before it are gone or moved" if entry.seq > expected else ""
        on_fault(Fault(number, f"{misfit}{gone}"))


def read_backwards(file: BinaryIO) -> Iterator[LedgerEntry]:
    """Yield the entries newest first, each checked; reads the file only as far as needed.

    A torn last line is skipped.

    Raises:
        BadLine: A line does not match its hash or the line before it.
    """
    lines = raw_backwards(file)
    begin, tail = next(lines)
    newer = read_entry(tail) if is_entry(tail) else None
    try:
        for older_begin, raw in lines:
            failing = older_begin
            older = read_entry(raw)
            failing = begin
            if newer is not None:
                check_link(newer, older)
                yield newer
            newer, begin = older, older_begin
        failing = begin
        if newer is not None:
            check_link(newer, None)
            yield newer
    except Misfit as misfit:
        raise BadLine(_number_at(file, failing), str(misfit)) from None


def raw_backwards(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield where each line begins, and the line, newest first; the first is what follows the last newline."""
    begin, rest = file.seek(0, os.SEEK_END), b""
    while begin > 0:
        # A line longer than a block is read in steps that double, so that it is not copied once per block.
        step = min(max(_BLOCK, len(rest)), begin)
        begin -= step
        file.seek(begin)
        rest, *lines = (file.read(step) + rest).split(b"\n")
        line_end = begin + len(rest) + sum(len(line) + 1 for line in lines)
        for line in reversed(lines):
            yield line_end - len(line), line
            line_end -= len(line) + 1
    yield begin, rest


def _number_at(file: BinaryIO, begin: int) -> int:
    """The number of the line that begins at `begin`."""
    file.seek(0)
    newlines = 0
    while (remaining := begin - file.tell()) > 0 and (block := file.read(min(_BLOCK, remaining))):
        newlines += block.count(b"\n")
    return newlines + 1
