"""The lines of a ledger one by one, whatever was done to them: what can be read, and all that is wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from futurscam_lib.audit import head as heads
from futurscam_lib.audit.entry import Entry, Misfit, check_link, read_entry
from futurscam_lib.audit.seal import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from futurscam_lib.audit.head import Head
    from futurscam_lib.audit.seal import Seal

_BLOCK: Final = 64 * 1024
_NOT_NEW: Final = (
    "Somebody without the key wrote that line: restore the ledger from a backup. If the key is one that was in use "
    "before another, set a new one."
)
_ADOPT: Final = f"; if {KEY} is new and all else is right: futurscam runs seal"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one line.

    Attributes:
        line: Its number in the file, from 1; that after the last one where something is missing at the end.
        what: A clause for a person.
        torn: It is the last line and has no end, as a power cut leaves it; the next run heals it.
    """

    line: int
    what: str
    torn: bool = False


def opened(path: Path) -> BinaryIO | None:
    """Open a ledger for reading; None where there is none.

    Raises:
        OSError: It cannot be read, or is no file.
    """
    if path.exists() and not path.is_file():  # A pipe would keep its reader for ever.
        msg = "it is no file"
        raise OSError(msg)
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def read_lines(path: Path, told: Callable[[Fault], object]) -> Iterator[tuple[int, Entry]]:
    """Give each entry that can be read with the number of its line; `told` hears what is wrong.

    What a changed line said is not given; one that stands in the wrong place is.
    """
    try:
        file = opened(path)
    except OSError as error:
        told(Fault(1, f"it cannot be read ({error.strerror or error})"))
        return
    if file is None:
        return
    older: Entry | None = None
    skipped = False
    with file:
        for number, raw in enumerate(file, start=1):
            try:
                entry = read_entry(raw.removesuffix(b"\n"))
            except Misfit as misfit:
                told(Fault(number, str(misfit), torn=not raw.endswith(b"\n")))
                # What follows a line that cannot be believed has nothing to be compared with.
                skipped = True
                continue
            if not skipped:
                _follow(entry, older, number, told)
            elif older is not None and entry.seq <= older.seq:
                told(Fault(number, f"its number is {entry.seq}, after {older.seq}"))
            older, skipped = entry, False
            yield number, entry


def _follow(entry: Entry, older: Entry | None, number: int, told: Callable[[Fault], object]) -> None:
    try:
        check_link(entry, older)
    except Misfit as misfit:
        due = older.seq + 1 if older else 1
        gone = f"; {entry.seq - due} line(s) before it are gone or moved" if entry.seq > due else ""
        told(Fault(number, f"{misfit}{gone}"))


def raw_backwards(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Give each line and where it begins, newest first; the first given follows the last newline, often empty."""
    begin, rest = file.seek(0, os.SEEK_END), b""
    while begin > 0:
        # A line longer than a block is met in steps that double, so that it is not copied once a block.
        step = min(max(_BLOCK, len(rest)), begin)
        begin -= step
        file.seek(begin)
        rest, *lines = (file.read(step) + rest).split(b"\n")
        line_end = begin + len(rest) + sum(len(line) + 1 for line in lines)
        for line in reversed(lines):
            yield line_end - len(line), line
            line_end -= len(line) + 1
    yield begin, rest


def number_at(file: BinaryIO, begin: int) -> int:
    """The number of the line that begins at `begin`."""
    file.seek(0)
    newlines = 0
    while (left := begin - file.tell()) > 0 and (block := file.read(min(_BLOCK, left))):
        newlines += block.count(b"\n")
    return newlines + 1


class SealCheck:
    """Whether lines are sealed with the key, as they pass.

    A `sealed` entry vouches with its MAC for all that stands before it, so only what follows the last of them has to
    be sealed line by line.

    Attributes:
        sealed: How many lines carry a seal, of whatever key.
        since: Line of the last `sealed` entry; 0: there is none.
        first: The first line that is sealed with the key; 0: none is, so that the key is new here.
    """

    def __init__(self, seal: Seal | None) -> None:
        """Prepare; without a key nothing can be checked."""
        self._seal = seal
        self._faults: list[Fault] = []
        self.sealed = self.since = self.first = 0

    def see(self, number: int, entry: Entry) -> None:
        """Look at one line."""
        if entry.event == "sealed":
            self._faults, self.since = [], number
        if not entry.mac:
            if self._seal or self.sealed:
                self._faults.append(Fault(number, "it is not sealed with the key"))
            return
        self.sealed += 1
        if self._seal and self._seal.fits_line(entry.hash, entry.mac):
            self.first = self.first or number
        elif self._seal:
            self._faults.append(Fault(number, "it is not sealed with this key, but with another one"))

    def check_new_key(self) -> None:
        """Check, once all lines have passed, that the key sealed none of them, or that nothing is wrong with it.

        Raises:
            Doubt: It is not new, and what it should have sealed since is not; an entry that adopts it would cover that.
        """
        if self.first and (faults := self.faults()):
            not_new = f"line {self.first} is sealed with {KEY}, so that key is not new"
            raise heads.Doubt(f"{not_new}, and line {faults[0].line}: {faults[0].what}", remedy=_NOT_NEW)

    def faults(self) -> list[Fault]:
        """What is wrong, once all lines have passed; lines after the first one are counted only."""
        if not self._faults:
            return []
        first, *others = self._faults
        more = f", nor {'are' if len(others) > 1 else 'is'} {len(others):,} after it" if others else ""
        return [Fault(first.line, f"{first.what}{more}{'' if self.sealed else _ADOPT}")]


class EndCheck:
    """Whether a ledger ends where its head says, as its lines pass.

    Made before they are read: a run may add some meanwhile, and write its head.
    """

    def __init__(self, path: Path, seal: Seal | None) -> None:
        """Read the head."""
        self._seal = seal
        self._head: Head | None = None
        self._problem = ""
        self._named: Entry | None = None
        self._last: Entry | None = None
        self._lines = 0
        try:
            self._head = heads.read(path)
        except heads.Doubt as doubt:
            self._problem = str(doubt)

    def see(self, number: int, entry: Entry) -> None:
        """Look at one line."""
        self._lines, self._last = number, entry
        if self._head and number == self._head.seq:
            self._named = entry

    def faults(self) -> list[Fault]:
        """What is wrong, once all lines have passed."""
        try:
            heads.check_end(self._head, self._named or self._last)
        except heads.Doubt as doubt:
            self._problem = str(doubt)
        last, seal = self._last, self._seal
        # What is wrong with the seals of lines is told there.
        if not self._problem and seal and last and seal.fits_line(last.hash, last.mac):
            self._problem = heads.problem_of(self._head, seal)
        elif not self._problem and last and self._head is None:
            self._problem = heads.MISSING
        return [Fault(self._lines + 1, self._problem)] if self._problem else []
