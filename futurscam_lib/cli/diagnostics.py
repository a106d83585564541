"""`futurscam check`, `status` and `doctor`: what is wrong, and what to do about it. All three only read."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from futurscam_lib import clock, settings
from futurscam_lib.cli.output import Json, Sources, command, print_error, print_json, print_text, redacted, source_names


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command(epilog="Example: futurscam check --source boond")(check)
    app.command(epilog="Example: futurscam status --json")(status)
    app.command(epilog="Example: futurscam doctor --json")(doctor)


def check(*, source: Sources = None, as_json: Json = False) -> None:
    """Try each source and MongoDB. Read-only.

    Shows for each whether it was reached, took the credentials and may be read, how many items wait for the next run,
    and what to do about what does not work.
    """
    from futurscam_lib.diagnostics.access import probe, table

    configured = settings.load()
    names = source_names(source) or configured.sources
    configured.require(names)
    checked = probe(configured, names, now=clock.now())
    if as_json:
        print_json([{**item.as_dict(), "problem": redacted(item.problem)} for item in checked])
    else:
        print_text(repr(table(checked)))
        for item in checked:
            if item.remark:
                print_text(f"\n{item.name}: {item.remark}")
            for warning in item.warnings:
                print_error(f"\nWarning: {item.name}: {warning}")
            if item.problem:
                print_error(f"\n{item.name}: {item.problem}")
    raise typer.Exit(max(int(item.exit_code) for item in checked))


def status(*, as_json: Json = False) -> None:
    """Show the current status. Read-only.

    The watermark and its age, the last runs, MongoDB, the documents, open rejects, and whether a run is active.
    """
    from futurscam_lib.diagnostics.status import read

    current = read(settings.load(), now=clock.now())
    current.replay = command("replay") if current.outdated else ""
    if as_json:
        print_json(current.as_dict())
        return
    for table in current.tables():
        print_text(f"{table!r}\n")


def doctor(
    *,
    deep: Annotated[bool, typer.Option("--deep", help="Start a kernel, too, as a run does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list on stdout.")] = False,
) -> None:
    """Check everything that usually goes wrong, and print what to do about it. Read-only; starts nothing.

    The exit code is 0 if there is no problem (warnings are allowed), 3 if the only problem is that something did not
    answer, 4 otherwise.
    """
    from futurscam_lib.diagnostics.catalogue import examine

    report = examine(os.environ, now=clock.now(), deep=deep)
    if as_json:
        print_json(report.as_list())
    else:
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for line in report.lines(colours=colours):
            print_text(line)
    raise typer.Exit(int(report.exit_code))
