"""Whether the executed notebook of a run is what the run left."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from futurscam_lib.errors import UsageError
from futurscam_lib.files import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

State = Literal["verifies", "changed", "unproven", "missing", "pruned", "none", "elsewhere", "unreadable"]
"""`unproven`: it is there, and the ledger holds no hash of it. `none`: the run left none. `elsewhere`: the ledger names
a place that no run writes to."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found.

    Attributes:
        state: See `State`.
        data: Its bytes; None where it could not be read.
        sha256: Their hash, hex; empty without them.
        problem: Why it could not be read, where something is there.
    """

    state: State
    data: bytes | None = None
    sha256: str = ""
    problem: str = ""


def look(runs: Path, notebook: str, due: str, *, pruned: bool) -> Seen:
    """Look at a notebook; nothing that is wrong with it is raised.

    Args:
        runs: Folder of the executed notebooks.
        notebook: Its place in it, as the ledger tells.
        due: SHA-256 that the ledger holds of it, hex; empty: none.
        pruned: Whether the ledger says that it was removed.
    """
    if not notebook:
        return Seen("none")
    try:
        path = place(runs, notebook)
        if is_no_file(path):
            return Seen("unreadable", problem="it is no file")
        data = read_bytes(path)
    except UsageError as error:
        return Seen("elsewhere", problem=str(error))
    except FileNotFoundError:
        return Seen("pruned" if pruned else "missing" if due else "none")
    except OSError as error:
        return Seen("unreadable", problem=error.strerror or str(error))
    found = hashlib.sha256(data).hexdigest()
    return Seen("unproven" if not due else "verifies" if found == due else "changed", data, found)


def is_no_file(path: Path) -> bool:
    """Whether something else stands there: a folder, or a pipe, and whoever reads that waits for ever."""
    return not path.is_file() and path.exists()


def place(runs: Path, notebook: str) -> Path:
    """Where it is, or would be.

    Raises:
        UsageError: That leads out of the folder of the runs, or nowhere: no run wrote it.
    """
    try:
        path = (runs / notebook).resolve()
    except (ValueError, OSError, RuntimeError):  # A NUL in it; links that lead to themselves.
        path = None
    if not notebook or path is None or not path.is_relative_to(runs.resolve()):
        raise UsageError(f"The ledger names a notebook {notebook!r}, which is not inside {runs}.")
    return path
