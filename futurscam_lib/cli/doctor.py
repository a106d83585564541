"""`futurscam doctor`: the results of all checks on one page."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from futurscam_lib import clock
from futurscam_lib.cli.output import print_json, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: futurscam doctor --json")(doctor)


def doctor(
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Start a kernel, too, as a run does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list on stdout.")] = False,
) -> None:
    """Check everything that usually goes wrong, and print what to do about it. Read-only; starts nothing.

    The exit code is 0 if there is no problem (warnings are allowed), 3 if the only problem is that something did not
    answer, 4 otherwise.
    """
    from futurscam_lib.diagnostics import catalogue

    found = catalogue.examine(os.environ, now=clock.now(), deep=deep)
    if as_json:
        print_json(found.as_list())
    else:
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for line in found.lines(colours=colours):
            say(line)
    raise typer.Exit(int(found.exit_code))
