"""The analyst's working copies of the notebooks, in the folder `lab` of a home.

A scheduled run never uses them: it executes the shipped notebook, or the one in the home's own `notebooks` folder.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.files import write_atomically
from futurscam_lib.runner.source_notebook import cells_digest
from futurscam_lib.settings import SHIPPED_NOTEBOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.settings import Settings

LAB: Final = "lab"
NAMES: Final = ("etl", "review", "explore")
_OWN: Final = "futurscam"
_COPY_OF: Final = "copy_of"
"""In the metadata of a working copy: the digest of the cells that were copied."""


def refresh(settings: Settings) -> list[str]:
    """Copy each notebook that is missing in the home's `lab` folder, or that is older there and not changed.

    Returns:
        For each notebook that the analyst changed and that has a newer version: how to get the newer version.

    Raises:
        OperatorMustAct: A copy cannot be written.
    """
    folder = settings.home / LAB
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [note for name in NAMES for note in _refresh(_original(settings, name), folder / f"{name}.ipynb")]
    except OSError as error:
        raise OperatorMustAct(
            f"The working copies of the notebooks could not be written in {folder} ({error.strerror}). "
            "Make room, or give the right to write there; then give the command again."
        ) from error


def named(settings: Settings, name: str) -> str:
    """The file name of a working copy.

    Raises:
        UsageError: There is no such notebook.
    """
    # Compared with the existing names, so that a name cannot lead to another folder.
    names = sorted(path.stem for path in (settings.home / LAB).glob("*.ipynb"))
    stem = name.removesuffix(".ipynb")
    if stem not in names:
        raise UsageError(f"There is no notebook {name!r} in {settings.home / LAB}; there are: {', '.join(names)}.")
    return f"{stem}.ipynb"


def _original(settings: Settings, name: str) -> Path:
    """The notebook that a run of this home uses."""
    used = settings.notebook(name)
    return used if used.is_file() else SHIPPED_NOTEBOOKS / f"{name}.ipynb"


def _refresh(original: Path, copy: Path) -> Iterator[str]:
    data = original.read_bytes()
    digest = cells_digest(data)
    copied, is_changed = _state(copy)
    if copied == digest:
        return
    if is_changed:
        yield (
            f"{copy} was changed and is kept; the program has a newer version of it. "
            "To get it, rename or delete your copy, then run `futurscam lab` again."
        )
        return
    notebook = json.loads(data)
    notebook["metadata"][_OWN] = {_COPY_OF: digest}
    write_atomically(copy, f"{json.dumps(notebook, indent=1, ensure_ascii=False)}\n".encode())


def _state(copy: Path) -> tuple[str, bool]:
    """The digest of the cells that were copied (empty: unknown), and whether the analyst has changed them."""
    try:
        data = copy.read_bytes()
    except FileNotFoundError:
        return "", False
    with suppress(ValueError, KeyError, TypeError):
        copied = str(json.loads(data)["metadata"][_OWN][_COPY_OF])
        return copied, copied != cells_digest(data)
    return "", True
