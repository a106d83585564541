"""`futurscam lab`: JupyterLab for an analyst."""

from __future__ import annotations

from typing import Annotated

import typer

from futurscam_lib import settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: futurscam lab etl")(lab)


def lab(
    notebook: Annotated[
        str,
        typer.Argument(help="The notebook to open: etl, review or explore; without: their folder.", show_default=False),
    ] = "",
    *,
    browser: Annotated[bool, typer.Option(help="Open a browser; without, the address is printed all the same.")] = True,
    port: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=65535, help="Listen on this port; default: 8888, or the next free one."),
    ] = None,
) -> None:
    """Open JupyterLab on working copies of the notebooks, with the right kernel and the local MongoDB up.

    The copies are in the folder lab of the home; scheduled runs never use them. JupyterLab serves this machine only,
    and asks for the token in the address. What is in runs/ can be read, not changed.
    """
    from futurscam_lib.lab.lab import open_lab

    open_lab(settings.load(), notebook, browse=browser, port=port)
