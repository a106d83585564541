"""`futurscam why` and `futurscam raw`: from a document back to where it came from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from futurscam_lib import clock, settings
from futurscam_lib.cli.output import Json, print_json, print_text


def register(app: typer.Typer) -> None:
    """Add the two commands."""
    app.command(epilog="Example: futurscam why JP050458")(why)
    app.command(epilog="Example: futurscam raw 3f9a1c2b --pretty")(raw)


def why(
    job_id: Annotated[
        str,
        typer.Argument(
            metavar="JOB_ID",
            help="A job_id, the reference that people use, the id at the source, or an item of `rejects list`.",
        ),
    ],
    *,
    as_json: Json = False,
) -> None:
    """Show the history of a document. Read-only.

    Each payload that it was made from, what that changed, which run loaded it, and whether that run's notebook still
    verifies.
    """
    from futurscam_lib.audit.lineage.story import text_of
    from futurscam_lib.audit.lineage.why import story_of

    story = story_of(settings.load(), job_id, now=clock.now())
    if as_json:
        print_json(story.as_dict())
        return
    for line in text_of(story):
        print_text(line)


def raw(
    raw_id: Annotated[
        str,
        typer.Argument(
            metavar="RAW_ID",
            help="The raw_id that `why` and `rejects show` print; its first 8 digits or more are enough.",
        ),
    ],
    *,
    pretty: Annotated[bool, typer.Option("--pretty", help="Indent the JSON.")] = False,
) -> None:
    """Print a landed payload, byte for byte.

    On a terminal control characters are printed as escapes.
    """
    from futurscam_lib.audit.lineage import payload

    data = payload.read_payload(settings.load(), raw_id)
    if pretty:
        data = payload.indented(data)
    if sys.stdout.isatty():
        typer.echo(payload.visible(data))
        return
    # Not as text: the code page of a Windows console, or its line ends, would change them.
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
