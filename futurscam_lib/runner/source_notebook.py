"""Checks whether the notebook and the code of a run are as shipped."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING, Final

from futurscam_lib.settings import PROJECT, SHIPPED_NOTEBOOKS

if TYPE_CHECKING:
    from pathlib import Path

_CODE: Final = ("futurscam_lib", "notebooks")
_GIT_SECONDS: Final = 10


def cells_digest(data: bytes) -> str:
    """SHA-256 of the kinds, sources and tags of a notebook's cells; running and saving a notebook does not change it.

    Raises:
        ValueError: It is not a notebook.
    """
    try:
        cells = [
            (cell["cell_type"], "".join(cell["source"]), cell.get("metadata", {}).get("tags", []))
            for cell in json.loads(data)["cells"]
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("it is not a notebook") from error
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def code_facts(notebook: Path) -> dict[str, str | bool | None]:
    """Return what the ledger records about the code of a run.

    Returns:
        `notebook_sha256`: of the file. `shipped`: whether its cells are those of the shipped notebook of that name.
        `uncommitted`: whether the package or the shipped notebooks differ from the commit; None without git.
    """
    data = notebook.read_bytes()
    return {
        "notebook_sha256": hashlib.sha256(data).hexdigest(),
        "shipped": _is_shipped(notebook.name, data),
        "uncommitted": has_uncommitted_code(PROJECT),
    }


def has_uncommitted_code(folder: Path) -> bool | None:
    """Return whether code in `folder` differs from the commit, new files included; None without git."""
    if not (folder / ".git").exists():
        return None
    command = ["git", "--no-optional-locks", "-C", str(folder), "status", "--porcelain", "--", *_CODE]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return bool(done.stdout.strip()) if done.returncode == 0 else None


def _is_shipped(name: str, data: bytes) -> bool:
    try:
        return cells_digest(data) == cells_digest((SHIPPED_NOTEBOOKS / name).read_bytes())
    except (OSError, ValueError):
        return False
