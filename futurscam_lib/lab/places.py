"""What JupyterLab shows of a home, and under which address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from futurscam_lib.errors import UsageError
from futurscam_lib.settings import SHIPPED_NOTEBOOKS

if TYPE_CHECKING:
    from pathlib import Path

    from futurscam_lib.settings import Settings

NOTEBOOKS: Final = "notebooks"
RUNS: Final = "runs"
"""The folder of the executed notebooks, as JupyterLab shows it, wherever the home is."""

_TREE: Final = "/lab/tree/"


def root_of(settings: Settings) -> Path:
    """The folder that JupyterLab shows: where the notebooks are that this home uses."""
    return settings.home if (settings.home / NOTEBOOKS).is_dir() else SHIPPED_NOTEBOOKS.parent


def notebook_page(settings: Settings, name: str = "") -> str:
    """Where a notebook opens; without a name: the folder of them.

    Raises:
        UsageError: There is no notebook of that name.
    """
    if not name:
        return f"{_TREE}{NOTEBOOKS}"
    # Looked for by its name, so that what is given can't lead to another folder.
    names = sorted(path.stem for path in (root_of(settings) / NOTEBOOKS).glob("*.ipynb"))
    stem = name.removesuffix(".ipynb")
    if stem not in names:
        raise UsageError(
            f"There is no notebook {name!r} in {root_of(settings) / NOTEBOOKS}; there are: {', '.join(names)}."
        )
    return f"{_TREE}{NOTEBOOKS}/{quote(stem)}.ipynb"


def run_page(settings: Settings, path: Path) -> str:
    """Where an executed notebook opens.

    Raises:
        UsageError: It is not in the folder of the runs.
    """
    try:
        inside = path.resolve().relative_to(settings.runs.resolve())
    except ValueError as error:
        raise UsageError(f"{path} is not in {settings.runs}, the runs of this home.") from error
    return f"{_TREE}{RUNS}/{quote(inside.as_posix())}"
