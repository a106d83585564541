"""The head of a ledger: a file beside it that names the line which was written last.

No chain shows that lines were taken off its end; the head does. With a key it has a MAC of its own. What it does not
show is an old ledger put back together with its old head.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import orjson

from futurscam_lib.audit.entry import NO_PREV
from futurscam_lib.audit.seal import KEY
from futurscam_lib.files import read_bytes, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from futurscam_lib.audit.entry import Entry
    from futurscam_lib.audit.seal import Seal

HEAD: Final = "ledger.head"
MISSING: Final = f"{HEAD}, which names its last line, is missing"
RESTORE: Final = "Restore it from a backup, or rename its folder to runs-old: the next run then begins a new one."

_LOOK: Final = "`futurscam runs verify` tells what else was changed."
_THE_KEY: Final = (
    "Set it, for the account that runs this, to the key that sealed the ledger. If that key is lost, set a new one, "
    "check with `futurscam runs verify` that all else is right, then `futurscam runs seal`."
)
_WHICH_KEY: Final = (
    "If the key is new, check with `futurscam runs verify` that all else is right, then `futurscam runs seal`. If the "
    "ledger has another, set that one. If neither, somebody without the key wrote it anew: restore it from a backup."
)
_INTERRUPTED: Final = "If `futurscam runs seal` with a new key was interrupted, set that key and give it again."


class Doubt(ValueError):
    """The end of a ledger is not what was written last, or cannot be known to be.

    Args:
        message: A clause for a person.
        remedy: What to do, sentences.
    """

    def __init__(self, message: str, *, remedy: str = f"{_LOOK} {RESTORE}") -> None:
        """See the class."""
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Head:
    """The last line that was written.

    Attributes:
        seq: Its number.
        hash: Its hash.
        mac: Of both; empty where the ledger has no key.
    """

    seq: int
    hash: str
    mac: str = ""

    def fits(self, seal: Seal) -> bool:
        """Whether its MAC is that of the key."""
        return seal.fits_head(self.seq, self.hash, self.mac)


def path_of(ledger: Path) -> Path:
    """Where the head of a ledger is kept."""
    return ledger.with_name(HEAD)


def read(ledger: Path) -> Head | None:
    """The head of a ledger; None where there is none.

    Raises:
        Doubt: It is none that this software wrote, or cannot be read.
    """
    path = path_of(ledger)
    try:
        # Not opened where it is no file: a pipe would keep its reader for ever.
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
            if (seq or digest == NO_PREV) and _line_of(head) == data:
                return head
    raise Doubt(f"{HEAD} is not the head of a ledger")


def write(ledger: Path, seq: int, digest: str, *, seal: Seal | None) -> None:
    """Name the line that was written last.

    Raises:
        OSError: See `files.write_atomically`.
    """
    head = Head(seq, digest, seal.of_head(seq, digest) if seal else "")
    write_atomically(path_of(ledger), _line_of(head))


def _line_of(head: Head) -> bytes:
    return orjson.dumps(asdict(head)) + b"\n"


def check_end(head: Head | None, last: Entry | None) -> None:
    """Check that a ledger which ends with `last` ends where its head says.

    Raises:
        Doubt: Lines were taken off its end, or it was written anew.
    """
    if head is None:
        return
    there = last.seq if last else 0
    if head.seq > there:
        raise Doubt(f"it ends with line {there}, but line {head.seq} had been written: its end was cut off")
    # A kill may come after a line and before its head.
    due = {last.seq: last.hash, last.seq - 1: last.prev} if last else {}
    if due.get(head.seq, head.hash) != head.hash:
        raise Doubt(f"line {head.seq} is not the one that had been written: the ledger was written anew")


def check_seal(head: Head | None, last: Entry | None, seal: Seal | None) -> None:
    """Check that the end of a ledger is sealed with its key, or has none as it should.

    Raises:
        Doubt: It is not. Where it may be the key that is wrong, the remedy leaves the ledger where it is.
    """
    if last is None:
        return
    if seal is None:
        if last.mac:
            raise Doubt(f"it is sealed, and {KEY} is not set", remedy=_THE_KEY)
        return
    if not seal.fits_line(last.hash, last.mac):
        what = f"sealed with another key than {KEY}" if last.mac else f"not sealed, though {KEY} is set"
        raise Doubt(f"line {last.seq} is {what}", remedy=_WHICH_KEY)
    if problem := problem_of(head, seal):
        raise Doubt(problem, remedy=f"{_INTERRUPTED} {_LOOK} {RESTORE}")


def problem_of(head: Head | None, seal: Seal) -> str:
    """Why the head is not the key's, though the last line is; empty: it is."""
    if head is None:
        return MISSING
    return "" if head.fits(seal) else f"{HEAD}, which names its last line, is not sealed with the key"
