"""`futurscam reset`: set the watermark."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated

import typer

from futurscam_lib import clock, settings
from futurscam_lib.cli.output import instant, print_text
from futurscam_lib.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: futurscam reset --to 2026-11-20T00:00:00Z")(reset)


def reset(
    *,
    to: Annotated[
        datetime | None, typer.Option(parser=instant, metavar="INSTANT", help="The new watermark, UTC.")
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Read all that the sources hold again.")] = False,
) -> None:
    """Set the watermark.

    The next run reads again what the sources changed since then. Nothing doubles.
    """
    from futurscam_lib.runner.reset import reset as set_watermark

    if (to is None) == (not everything):
        raise UsageError("Give either --to INSTANT or --everything.")
    print_text(set_watermark(settings.load(), to or clock.EPOCH, now=clock.now()))
