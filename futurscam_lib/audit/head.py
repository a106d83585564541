"""The head of a ledger: a file beside it that names the line which was written last.

No chain shows that lines were taken off its end; the head does. With a key it has a MAC of its own. What it does not
show is an old ledger put back together with its old head.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import orjson

from futurscam_lib.audit.seal import KEY
from futurscam_lib.files import read_bytes, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from futurscam_lib.audit.entry import Entry
    from futurscam_lib.audit.seal import Seal

HEAD: Final = "ledger.head"


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
        ValueError: It is none that this software wrote.
    """
    try:
        content = orjson.loads(read_bytes(path_of(ledger)))
    except FileNotFoundError:
        return None
    match content:
        case {"seq": int(seq), "hash": str(digest), "mac": str(mac), **more} if not more:
            return Head(seq, digest, mac)
    msg = "it is not the head of a ledger"
    raise ValueError(msg)


def write(ledger: Path, seq: int, digest: str, *, seal: Seal | None) -> None:
    """Name the line that was written last.

    Raises:
        OSError: See `files.write_atomically`.
    """
    head = Head(seq, digest, seal.of_head(seq, digest) if seal else "")
    write_atomically(path_of(ledger), orjson.dumps(asdict(head)) + b"\n")


def check_end(head: Head | None, last: Entry | None) -> None:
    """Check that a ledger which ends with `last` ends where its head says.

    Raises:
        ValueError: Lines were taken off its end, or it was written anew.
    """
    if head is None:
        return
    there = last.seq if last else 0
    if head.seq > there:
        raise ValueError(f"it ends with line {there}, but line {head.seq} had been written: its end was cut off")
    # A kill may come after a line and before its head.
    due = {last.seq: last.hash, last.seq - 1: last.prev} if last else {}
    if due.get(head.seq, head.hash) != head.hash:
        raise ValueError(f"line {head.seq} is not the one that had been written: the ledger was written anew")


def check_seal(head: Head | None, last: Entry | None, seal: Seal | None) -> None:
    """Check that the end of a ledger is sealed with its key, or has none as it should.

    Raises:
        ValueError: It is not.
    """
    if last is None:
        return
    if seal is None:
        if last.mac:
            raise ValueError(f"it is sealed, and {KEY} is not set; set it to the key that sealed it")
        return
    if not last.mac or not seal.fits_line(last.hash, last.mac):
        what = "sealed with another key" if last.mac else "not sealed"
        raise ValueError(
            f"line {last.seq} is {what}, though {KEY} is set. If the key is new, check with `futurscam runs verify` "
            "that all else is right, then `futurscam runs seal`. If it is not, the ledger was written anew by somebody "
            "without the key"
        )
    if problem := problem_of(head, last, seal):
        raise ValueError(problem)


def problem_of(head: Head | None, last: Entry, seal: Seal) -> str:
    """Why the head is not the key's, though the last line is; empty: it is."""
    if head is None:
        return f"{HEAD}, which names its last line, is missing"
    # A kill may come after the line that adopts a key, and before its head.
    adopting = last.event == "sealed" and head.seq == last.seq - 1
    return "" if adopting or head.fits(seal) else f"{HEAD}, which names its last line, is not sealed with the key"
