"""`futurscam lab`: JupyterLab for a home, opened at a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from futurscam_lib.lab.places import notebook_page, run_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from futurscam_lib.settings import Settings


def open_lab(
    settings: Settings,
    notebook: str = "",
    *,
    browse: bool,
    port: int | None = None,
    tell: Callable[[str], None] = typer.echo,
) -> None:
    """Open JupyterLab at the notebooks, and serve it until somebody stops it.

    Args:
        settings: Of the home.
        notebook: The name of the one to open; empty: their folder.
        browse: Whether to open a browser.
        port: To listen on; None: a server of this home that runs already is used, else the next free port from 8888.
        tell: Told the address and how to stop.

    Raises:
        UsageError: There is no such notebook, the port can't be had, or no `mongod` to start.
        OperatorMustAct, RetryLater: The local MongoDB can't start.
    """
    _open(settings, notebook_page(settings, notebook), browse=browse, port=port, tell=tell)


def open_notebook(settings: Settings, path: Path, *, browse: bool, tell: Callable[[str], None] = typer.echo) -> None:
    """Open an executed notebook, to be read, in the JupyterLab of this home; starts one as `open_lab` does.

    Args:
        settings: Of the home.
        path: The notebook, in the folder of the runs.
        browse: Whether to open a browser.
        tell: Told the address and how to stop.

    Raises:
        UsageError: It is somewhere else.
        OperatorMustAct, RetryLater: The local MongoDB can't start.
    """
    _open(settings, run_page(settings, path), browse=browse, port=None, tell=tell)


def _open(settings: Settings, page: str, *, browse: bool, port: int | None, tell: Callable[[str], None]) -> None:
    from futurscam_lib.lab import running

    if port is None and (desk := running.find(settings)):
        if browse:
            desk.browse(page)
        tell(f"JupyterLab of this home runs already:  {desk.address(page)}")
        return
    _start(settings, page, browse=browse, port=port, tell=tell)


def _start(settings: Settings, page: str, *, browse: bool, port: int | None, tell: Callable[[str], None]) -> None:
    from futurscam_lib.lab import server
    from futurscam_lib.load import local_server

    if settings.mongo_uri is None:
        local_server.ensure_running(settings)
    settings.runs.mkdir(parents=True, exist_ok=True)

    def started(address: str) -> None:
        tell(f"JupyterLab:  {address}")
        tell(f"Home:        {settings.home}")
        tell("Stop it:     Ctrl+C in this window, or File > Shut Down in the browser.")

    server.serve(settings, page, browse=browse, port=port, started=started)
