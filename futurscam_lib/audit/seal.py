"""Protects a ledger in addition to its hashes: with its head, and with MACs if it has a key.

The head is a file next to the ledger that names the line written last; the chain of hashes alone does not show that
lines were cut off the end. With a key (FUTURSCAM_LEDGER_KEY) each line and the head have a MAC: without the key nobody
can rewrite the whole ledger. Neither detects that an old ledger was put back together with its old head.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import orjson

from futurscam_lib.audit.entries import NO_PREV
from futurscam_lib.audit.lines import Fault
from futurscam_lib.files import read_bytes, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from futurscam_lib.audit.entries import LedgerEntry
    from futurscam_lib.settings import Settings

KEY: Final = "FUTURSCAM_LEDGER_KEY"
HEAD: Final = "ledger.head"
HEAD_MISSING: Final = f"{HEAD}, which names its last line, is missing"
RESTORE: Final = "Restore it from a backup, or rename its folder to runs-old: the next run then starts a new one."

_VERIFY: Final = "`futurscam runs verify` shows what else was changed."
_SET_KEY: Final = (
    "Set it, for the account that runs this, to the key that sealed the ledger. If that key is lost, set a new one, "
    "check with `futurscam runs verify` that nothing else is wrong, then run `futurscam runs seal`."
)
_WHICH_KEY: Final = (
    "If the key is new, check with `futurscam runs verify` that nothing else is wrong, then run `futurscam runs seal`. "
    "If the ledger has another key, set that one. If neither, somebody without the key rewrote it: restore it from a "
    "backup."
)
_INTERRUPTED: Final = "If `futurscam runs seal` with a new key was interrupted, set that key and run it again."
_NOT_NEW: Final = (
    "Somebody without the key wrote that line: restore the ledger from a backup. If this key was in use before another "
    "one, set a new one."
)
_ADOPT: Final = f"; if {KEY} is new and nothing else is wrong: futurscam runs seal"


class Doubt(ValueError):
    """The end of a ledger is not what was written last, or this cannot be checked.

    Args:
        message: A clause for a person.
        remedy: What to do, sentences.
    """

    def __init__(self, message: str, *, remedy: str = f"{_VERIFY} {RESTORE}") -> None:
        """See the class."""
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes and checks MACs (HMAC-SHA-256, hex) with one key."""

    key: str

    @classmethod
    def of(cls, settings: Settings) -> Seal | None:
        """The seal of the configured key; None if no key is set."""
        key = settings.ledger_key
        return cls(key.get_secret_value()) if key else None

    def of_line(self, digest: str) -> str:
        """MAC of a line, made of its hash."""
        return self._mac("line", digest)

    def of_head(self, seq: int, digest: str) -> str:
        """MAC of a head, made of the number and hash of the line that it names."""
        return self._mac("head", f"{seq} {digest}")

    def fits_line(self, digest: str, mac: str) -> bool:
        """Whether this key made the MAC of a line."""
        return _same(self.of_line(digest), mac)

    def fits_head(self, head: Head) -> bool:
        """Whether this key made the MAC of a head."""
        return _same(self.of_head(head.seq, head.hash), head.mac)

    def _mac(self, kind: str, text: str) -> str:
        # The kind prevents the MAC of a line from being used for a head.
        return hmac.new(self.key.encode(), f"{kind}\n{text}".encode(), hashlib.sha256).hexdigest()


def _same(expected: str, mac: str) -> bool:
    # As bytes: a changed MAC can be any text, and `compare_digest` accepts only ASCII strings.
    return hmac.compare_digest(expected.encode(), mac.encode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Head:
    """The line that was written last.

    Attributes:
        seq: Its number.
        hash: Its hash.
        mac: MAC of both; empty if the ledger has no key.
    """

    seq: int
    hash: str
    mac: str = ""


def head_path(ledger: Path) -> Path:
    """The path of the head of a ledger."""
    return ledger.with_name(HEAD)


def read_head(ledger: Path) -> Head | None:
    """The head of a ledger; None if there is none.

    Raises:
        Doubt: It was not written by this software, or cannot be read.
    """
    path = head_path(ledger)
    try:
        # Opening a pipe would wait for ever.
        data = b"" if path.exists() and not path.is_file() else read_bytes(path)
        content = orjson.loads(data)
    except FileNotFoundError:
        return None
    except OSError as error:
        what = f"{HEAD} cannot be read ({error.strerror or error})"
        raise Doubt(what, remedy="Give the right to read it, or close the program that has it open.") from error
    except ValueError:
        content = None
    match content:
        case {"seq": int(seq), "hash": str(digest), "mac": str(mac), **more} if not more and seq >= 0:
            head = Head(int(seq), digest, mac)  # `true` is an int to Python.
            if (seq or digest == NO_PREV) and _as_written(head) == data:
                return head
    raise Doubt(f"{HEAD} is not the head of a ledger")


def write_head(ledger: Path, seq: int, digest: str, *, seal: Seal | None) -> None:
    """Write the head.

    Args:
        ledger: The ledger.
        seq: Number of the line that was written last; 0 if the ledger has no line yet.
        digest: Hash of that line.
        seal: Makes the MAC; None: the ledger has no key.

    Raises:
        OSError: See `files.write_atomically`.
    """
    write_atomically(head_path(ledger), _as_written(Head(seq, digest, seal.of_head(seq, digest) if seal else "")))


def _as_written(head: Head) -> bytes:
    return orjson.dumps(asdict(head)) + b"\n"


def check_end(head: Head | None, last: LedgerEntry | None) -> None:
    """Check that a ledger whose last entry is `last` ends where its head says.

    Raises:
        Doubt: Lines were cut off its end, or it was rewritten.
    """
    if head is None:
        return
    end = last.seq if last else 0
    if head.seq > end:
        raise Doubt(f"it ends with line {end}, but line {head.seq} had been written: its end was cut off")
    # A kill may come after a line and before its head.
    expected = {last.seq: last.hash, last.seq - 1: last.prev} if last else {}
    if expected.get(head.seq, head.hash) != head.hash:
        raise Doubt(f"line {head.seq} is not the line that had been written: the ledger was rewritten")


def check_seal(head: Head | None, last: LedgerEntry | None, seal: Seal | None) -> None:
    """Check that the end of a ledger is sealed with its key, or not at all if no key is set.

    Raises:
        Doubt: It is not. Where the key may be the wrong one, the remedy leaves the ledger where it is.
    """
    if last is None:
        return
    if seal is None:
        if last.mac:
            raise Doubt(f"it is sealed, and {KEY} is not set", remedy=_SET_KEY)
        return
    if not seal.fits_line(last.hash, last.mac):
        what = f"sealed with another key than {KEY}" if last.mac else f"not sealed, though {KEY} is set"
        raise Doubt(f"line {last.seq} is {what}", remedy=_WHICH_KEY)
    if problem := _problem_of_head(head, seal):
        raise Doubt(problem, remedy=f"{_INTERRUPTED} {_VERIFY} {RESTORE}")


def _problem_of_head(head: Head | None, seal: Seal) -> str:
    """Why the head is not made with the key, though the last line is; empty if it is."""
    if head is None:
        return HEAD_MISSING
    return "" if seal.fits_head(head) else f"{HEAD}, which names its last line, is not sealed with the key"


class SealCheck:
    """Checks whether lines are sealed with the key, one after the other.

    The MAC of a `sealed` entry covers all lines before it, so only lines after the last such entry are checked.

    Attributes:
        sealed: How many lines have a MAC, of whatever key.
        since: Line of the last `sealed` entry; 0 if there is none.
        first: The first line that is sealed with this key; 0 if none is, so that the key is new.
    """

    def __init__(self, seal: Seal | None) -> None:
        """Prepare; without a key nothing can be checked."""
        self._seal = seal
        self._faults: list[Fault] = []
        self.sealed = self.since = self.first = 0

    def see(self, number: int, entry: LedgerEntry) -> None:
        """Look at the next line."""
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
            self._faults.append(Fault(number, "it is sealed with another key"))

    def check_new_key(self) -> None:
        """Check, after all lines, that the key sealed none of them, or all since then.

        Raises:
            Doubt: The key is not new, and some later line is not sealed with it; a new `sealed` entry would cover that.
        """
        if self.first and (faults := self.faults()):
            not_new = f"line {self.first} is sealed with {KEY}, so that key is not new"
            raise Doubt(f"{not_new}, and line {faults[0].line}: {faults[0].what}", remedy=_NOT_NEW)

    def faults(self) -> list[Fault]:
        """What is wrong, after all lines: the first line, and how many after it."""
        if not self._faults:
            return []
        first, *others = self._faults
        more = f"; {len(others):,} later line(s) are not sealed with the key either" if others else ""
        return [Fault(first.line, f"{first.what}{more}{'' if self.sealed else _ADOPT}")]


class EndCheck:
    """Checks whether a ledger ends where its head says, one line after the other.

    Make it before the lines are read: a run may append some meanwhile and write a new head.
    """

    def __init__(self, path: Path, seal: Seal | None) -> None:
        """Read the head."""
        self._seal = seal
        self._head: Head | None = None
        self._problem = ""
        self._named: LedgerEntry | None = None
        self._last: LedgerEntry | None = None
        self._lines = 0
        try:
            self._head = read_head(path)
        except Doubt as doubt:
            self._problem = str(doubt)

    def see(self, number: int, entry: LedgerEntry) -> None:
        """Look at the next line."""
        self._lines, self._last = number, entry
        if self._head and number == self._head.seq:
            self._named = entry

    def faults(self) -> list[Fault]:
        """What is wrong, after all lines."""
        try:
            check_end(self._head, self._named or self._last)
        except Doubt as doubt:
            self._problem = str(doubt)
        last, seal = self._last, self._seal
        # `SealCheck` reports what is wrong with the MACs of lines.
        if not self._problem and seal and last and seal.fits_line(last.hash, last.mac):
            self._problem = _problem_of_head(self._head, seal)
        elif not self._problem and last and self._head is None:
            self._problem = HEAD_MISSING
        return [Fault(self._lines + 1, self._problem)] if self._problem else []
