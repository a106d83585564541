"""`futurscam lab`: JupyterLab for a home, opened at a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import typer

from futurscam_lib.errors import UsageError
from futurscam_lib.lab import working_copies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from futurscam_lib.settings import Settings

_TREE: Final = "/lab/tree/"


def open_lab(
    settings: Settings,
    notebook: str = "",
    *,
    browse: bool,
    port: int | None = None,
    show: Callable[[str], None] = typer.echo,
) -> None:
    """Open JupyterLab at the working copies of the notebooks, and serve it until it is stopped.

    Args:
        settings: Of the home.
        notebook: The name of the notebook to open; empty: their folder.
        browse: Whether to open a browser.
        port: The port; None: uses the running JupyterLab of this home, if any, else the next free port from 8888.
        show: Called with each line for the user: the address, how to stop, which working copies are kept.

    Raises:
        UsageError: There is no such notebook, the port is in use, or there is no `mongod` to start.
        OperatorMustAct, RetryLater: The local MongoDB cannot start, or the working copies cannot be written.
    """
    for note in working_copies.refresh(settings):
        show(note)
    page = f"{_TREE}{working_copies.LAB}"
    if notebook:
        page += f"/{quote(working_copies.named(settings, notebook))}"
    _open(settings, page, browse=browse, port=port, show=show)


def open_notebook(settings: Settings, path: Path, *, browse: bool, show: Callable[[str], None] = typer.echo) -> None:
    """Open an executed notebook, read-only, in the JupyterLab of this home; starts one as `open_lab` does.

    Args:
        settings: Of the home.
        path: The notebook, in the folder of the runs.
        browse: Whether to open a browser.
        show: Called with each line for the user.

    Raises:
        UsageError: It is in another folder.
        OperatorMustAct, RetryLater: The local MongoDB cannot start.
    """
    _open(settings, run_page(settings, path), browse=browse, port=None, show=show)


def run_page(settings: Settings, path: Path) -> str:
    """The address path at which an executed notebook opens.

    Raises:
        UsageError: It is not in the folder of the runs.
    """
    try:
        inside = path.resolve().relative_to(settings.runs.resolve())
    except ValueError as error:
        raise UsageError(f"{path} is not in {settings.runs}, the runs of this home.") from error
    return f"{_TREE}{settings.runs.name}/{quote(inside.as_posix())}"


def _open(settings: Settings, page: str, *, browse: bool, port: int | None, show: Callable[[str], None]) -> None:
    from futurscam_lib.lab import running, server
    from futurscam_lib.load import local_server

    if port is None and (lab := running.find(settings)):
        if browse:
            lab.browse(page)
        show(f"JupyterLab of this home runs already:  {lab.address(page)}")
        return
    if settings.mongo_uri is None:
        local_server.ensure_running(settings)
    settings.runs.mkdir(parents=True, exist_ok=True)

    def started(address: str) -> None:
        show(f"JupyterLab:  {address}")
        show(f"Home:        {settings.home}")
        show("Stop it:     Ctrl+C in this window, or File > Shut Down in the browser.")

    server.serve(settings, page, browse=browse, port=port, started=started)
