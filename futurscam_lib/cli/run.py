"""`futurscam run`, and the shared code of all commands that do a run: handling signals, printing the result."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from futurscam_lib.cli.output import (
    Json,
    Sources,
    instant,
    print_error,
    print_json,
    print_text,
    redacted,
    source_names,
)
from futurscam_lib.errors import AlreadyRunning, ExitCode, FuturscamError, UsageError
from futurscam_lib.extract import source_notes
from futurscam_lib.records import moved, shown_counts
from futurscam_lib.report.tables import Table
from futurscam_lib.report.terminal import plain
from futurscam_lib.runner import logs

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from futurscam_lib.runner.request import Request
    from futurscam_lib.runner.result import Result

_EXIT_CODES = "; ".join(f"{int(code)}: {code.meaning.replace('; ', ', ')}" for code in ExitCode)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: futurscam run --since 2026-11-20 --source folder --dry-run")(run)


def run(
    context: typer.Context,
    *,
    since: Annotated[
        datetime | None,
        typer.Option(parser=instant, metavar="INSTANT", help="Read from here instead of from .last_execution."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=instant, metavar="INSTANT", help="Read up to here, exclusive.")
    ] = None,
    source: Sources = None,
    overlap: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0, max=1440, help="How far behind to read again.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing to MongoDB, leave .last_execution; the notebook is kept.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Allow this run to close and reopen any number of missions.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read what is new, load it, keep the notebook and a log."""
    from futurscam_lib.runner.request import Request

    request = Request(
        since=since,
        until=until,
        sources=source_names(source),
        overlap=None if overlap is None else timedelta(minutes=overlap),
        dry_run=dry_run,
        confirmed=yes,
    )
    finish(*execute(request, context, as_json=as_json), context, as_json=as_json)


run.__doc__ = f"""{run.__doc__}

Sends alerts (FUTURSCAM_ALERT_URLS) and health pings (FUTURSCAM_HEALTHCHECK_URL) when the run ends, except for dry runs.

Exit codes: {_EXIT_CODES}.
"""


def execute(request: Request, context: typer.Context, *, as_json: bool) -> tuple[Result, Path | None]:
    """Do a run.

    Args:
        request: What to do.
        context: Of the command; holds whether it is quiet.
        as_json: Whether stdout is for a script, which gets an object also where the run could not start.

    Returns:
        How it ended, and its log; None: no log could be written.

    Raises:
        FuturscamError: See `runner.run`.
    """
    from futurscam_lib.runner import reported_run

    for polite in ("SIGTERM", "SIGBREAK"):  # SIGBREAK is how a loop on Windows asks its run to end.
        if hasattr(signal, polite):
            signal.signal(getattr(signal, polite), _interrupt)
    reported = reported_run.ReportedRun(request, on_terminal=logs.on_terminal())
    try:
        return reported.run(progress=logs.on_terminal() and not as_json and not context.obj), reported.log
    except FuturscamError as error:
        if as_json:
            status = "not started" if isinstance(error, UsageError | AlreadyRunning) else "failed"
            log = str(reported.log) if reported.log else None
            print_json({"status": status, "error": redacted(str(error)), "exit_code": int(error.exit_code), "log": log})
        elif reported.log and not context.obj:
            print_error(f"Log: {reported.log}")
        raise


def finish(result: Result, log: Path | None, context: typer.Context, *, as_json: bool, more: Any = None) -> NoReturn:
    """Print how a run ended, and end with its exit code.

    Args:
        result: How it ended.
        log: Its log, where there is one.
        context: Of the command; holds whether it is quiet.
        as_json: Print one JSON object.
        more: Additional content of that object.
    """
    if as_json:
        print_json({**result.as_dict(), "log": str(log) if log else None, **(more or {})})
    else:
        print_result(result, log=log, quiet=bool(context.obj))
    raise typer.Exit(int(result.exit_code))


def print_result(result: Result, *, log: Path | None, quiet: bool) -> None:
    """Print how a run ended.

    Args:
        result: How it ended.
        log: Its log, where there is one.
        quiet: Print only the table, warnings and errors.
    """
    names = shown_counts([result.counts])
    sources = {**result.sources, "total": result.counts}
    typer.echo(repr(Table(("source", *names), [(name, *map(counts.get, names)) for name, counts in sources.items()])))
    if not quiet:
        if result.closed or result.reopened:
            typer.echo(moved(result.closed, result.reopened, dry_run=result.dry_run))
        typer.echo("")
        for name, text in _lines(result, log):
            typer.echo(f"{name + ':':<11} {text}")
    for note in source_notes.each(result.notes):
        text = plain(str(note))
        if note.warning:
            print_error(text)
        elif not quiet:
            print_text(f"Note:       {text}")
    if result.error:
        print_error(f"\n{result.error}")


def _lines(result: Result, log: Path | None) -> list[tuple[str, str]]:
    before, after = result.watermark["before"], result.watermark["after"]
    window = f"{result.window['since']} until {result.window['until'] or 'open'}"
    return [
        ("Run", f"{result.run_id}, {result.status} in {result.seconds:.1f} s"),
        ("Replay", result.replay) if result.replay else ("Window", window),
        ("Watermark", f"stays at {after}" if before == after else f"{before} -> {after}"),
        ("Notebook", str(result.notebook)),
        ("Log", str(log) if log else "none could be written"),
    ]


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Treat a signal to end like Ctrl+C: the run writes its ledger before it ends."""
    raise KeyboardInterrupt
