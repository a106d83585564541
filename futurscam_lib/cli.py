"""The `futurscam` command: parse, call, print. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import logging
import signal
import sys
import traceback
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import structlog
import typer

from futurscam_lib import clock, mongo_uri, settings
from futurscam_lib.counts import COLUMNS
from futurscam_lib.errors import AlreadyRunning, ExitCode, FuturscamError, UsageError
from futurscam_lib.show import Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from futurscam_lib.run.runner import Result

_HELP: Any = {"no_args_is_help": False, "add_completion": False, "rich_markup_mode": None}
_ABOUT = "RFPs into MongoDB, every hour, as executed notebooks: none lost, none doubled."
app = typer.Typer(name="futurscam", help=_ABOUT, pretty_exceptions_enable=False, **(_HELP | {"no_args_is_help": True}))
rejects = typer.Typer(help="The quarantine: what could not become a document.", **_HELP)
database = typer.Typer(help="The local MongoDB, where MONGO_URI is not set.", **_HELP)
config = typer.Typer(help="The settings.", **_HELP)
app.add_typer(rejects, name="rejects")
app.add_typer(database, name="db")
app.add_typer(config, name="config")


def _instant(text: str) -> datetime:
    try:
        return clock.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command(epilog="Example: futurscam run --since 2026-11-20 --source folder --dry-run")
def run(
    since: Annotated[
        datetime | None,
        typer.Option(parser=_instant, metavar="INSTANT", help="Read from here instead of from .last_execution."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=_instant, metavar="INSTANT", help="Read up to here, exclusive.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this source; may be repeated.")] = None,
    overlap: Annotated[
        float | None, typer.Option(metavar="MINUTES", min=0, max=1440, help="How far behind to read again.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing to MongoDB, leave .last_execution; the notebook is kept.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read what is new, load it, keep the notebook."""
    from futurscam_lib.run import runner  # noqa: PLC0415 - only what a command needs is loaded

    request = runner.Request(
        since=since,
        until=until,
        sources=tuple(dict.fromkeys(source or ())),
        overlap=None if overlap is None else timedelta(minutes=overlap),
        dry_run=dry_run,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = runner.run(settings.load(), request, progress=sys.stderr.isatty() and not as_json)
    except FuturscamError as error:
        if as_json:
            # A script that reads stdout finds an object there, however the run ended.
            ran = "not started" if isinstance(error, UsageError | AlreadyRunning) else "failed"
            _print_json({"status": ran, "error": _redacted(str(error)), "exit_code": int(error.exit_code)})
        raise
    if as_json:
        _print_json(result.as_dict())
    else:
        _print_result(result)
    raise typer.Exit(int(result.exit_code))


@app.command(epilog="Example: futurscam demo")
def demo(
    home: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where the demo lives; default: demo/.")] = None,
    as_json: Json = False,
) -> None:
    """Try it all on a packaged inbox.

    It has a home and a local MongoDB of its own, and touches nothing that is configured.
    """
    from futurscam_lib import demo as packaged  # noqa: PLC0415

    result = packaged.run((home or packaged.HOME).absolute(), progress=sys.stderr.isatty() and not as_json)
    if as_json:
        _print_json(result.as_dict())
    else:
        _print_result(result)
        typer.echo(f'Open it:    python -m uv run jupyter lab "{result.notebook}"')
    raise typer.Exit(int(result.exit_code))


@app.command(epilog="Example: futurscam check --source boond")
def check(
    source: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this source; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Try each source and MongoDB, and write nothing.

    Says of each whether it was reached, took the credentials and may be read, how many items wait for the next run,
    and what to do about what does not work.
    """
    from futurscam_lib import check as tried  # noqa: PLC0415

    configured = settings.load()
    names = tuple(dict.fromkeys(source or configured.sources))
    configured.require(names)
    found = tried.find_out(configured, names, now=clock.now())
    if as_json:
        _print_json([{**one.as_dict(), "problem": _redacted(one.problem)} for one in found])
    else:
        typer.echo(repr(tried.table(found)))
        for one in found:
            if one.problem:
                _tell(f"\n{one.name}: {one.problem}")
    raise typer.Exit(max(int(one.exit_code) for one in found))


@app.command(epilog="Example: futurscam status --json")
def status(as_json: Json = False) -> None:
    """Tell how things stand, and write nothing."""
    from futurscam_lib import status as standing  # noqa: PLC0415

    found = standing.find_out(settings.load(), now=clock.now())
    if as_json:
        _print_json(found.as_dict())
        return
    for table in found.tables():
        typer.echo(f"{table!r}\n")


@app.command(epilog="Example: futurscam reset --to 2026-11-20T00:00:00Z")
def reset(
    to: Annotated[
        datetime | None, typer.Option(parser=_instant, metavar="INSTANT", help="The new watermark, UTC.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Have all that the sources hold read again.")
    ] = False,
) -> None:
    """Set the watermark.

    The next run reads again what the sources changed since then. Nothing doubles.
    """
    from futurscam_lib.run.reset import reset as set_watermark  # noqa: PLC0415

    if (to is None) == (not everything):
        raise UsageError("Give either --to INSTANT or --everything.")
    typer.echo(set_watermark(settings.load(), to or clock.EPOCH, now=clock.now()))


@rejects.callback(invoke_without_command=True)
def _rejects(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        rejects_list(everything=False, as_json=False)


@rejects.command("list", epilog="Example: futurscam rejects list --json")
def rejects_list(
    everything: Annotated[bool, typer.Option("--all", help="The resolved ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List what is in the quarantine, newest first."""
    from futurscam_lib import rejects as kept  # noqa: PLC0415

    found = kept.listed(settings.load(), everything=everything)
    if as_json:
        _print_json([_jsonable(reject) for reject in found])
        return
    columns = ("item", "state", "reason", "field", "line", "attempts", "last seen (UTC)")
    rows = [(r["_id"], r["state"], r["reason"], r["path"], r["line"] or None, r["attempts"], r["at"]) for r in found]
    typer.echo(repr(Table(columns, rows)))


@rejects.command("show", epilog='Example: futurscam rejects show "folder:broken.json"')
def rejects_show(item: Annotated[str, typer.Argument(help="The item, as `rejects list` names it.")]) -> None:
    """Show one entry and the payload it is about."""
    from futurscam_lib import rejects as kept  # noqa: PLC0415

    entry, payload = kept.shown(settings.load(), item)
    typer.echo(repr(Table(("", "value"), list(entry.items()))))
    typer.echo("\nPayload:")
    typer.echo(payload)


@rejects.command("retry", epilog="Example: futurscam rejects retry")
def rejects_retry(
    items: Annotated[list[str] | None, typer.Argument(help="Only these items; none: all open ones.")] = None,
    as_json: Json = False,
) -> None:
    """Transform the landed payloads again, after a mapping was mended; no source is asked."""
    from futurscam_lib import rejects as kept  # noqa: PLC0415

    summary = kept.retry(settings.load(), items or [])
    if as_json:
        _print_json(summary.as_dict())
    else:
        typer.echo(repr(summary))


@database.callback(invoke_without_command=True)
def _database(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        database_uri()


@database.command("start", epilog="Example: futurscam db start")
def database_start() -> None:
    """Start the local server where it does not run, and print its URI."""
    from futurscam_lib.load import local_server  # noqa: PLC0415

    typer.echo(local_server.ensure_running(settings.load()))


@database.command("stop", epilog="Example: futurscam db stop")
def database_stop() -> None:
    """Stop the local server."""
    from futurscam_lib.load import local_server  # noqa: PLC0415

    typer.echo("Stopped." if local_server.stop(settings.load()) else "It was not running.")


@database.command("uri", epilog="Example: futurscam db uri")
def database_uri() -> None:
    """Print the URI of the database in use, for mongosh or Compass; a password is masked."""
    from futurscam_lib.load import local_server  # noqa: PLC0415

    configured = settings.load()
    if configured.mongo_uri is not None:
        typer.echo(mongo_uri.mask(configured.mongo_uri.get_secret_value()))
        return
    found = local_server.find(configured)
    if found is None:
        typer.echo("The local server is not running; `futurscam db start` starts it.", err=True)
        raise typer.Exit(int(ExitCode.RETRY_LATER))
    typer.echo(found.uri)


@config.callback(invoke_without_command=True)
def _config(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        config_show(as_json=False)


@config.command("show", epilog="Example: futurscam config show")
def config_show(as_json: Json = False) -> None:
    """Show every setting, its value and where it came from; secrets are masked."""
    rows = settings.explain()
    if as_json:
        fields = ("name", "value", "origin", "help", "problem", "note")
        _print_json([{field: getattr(row, field) for field in fields} for row in rows])
        return
    typer.echo(
        repr(Table(("setting", "value", "from", ""), [(r.name, r.value, r.origin, r.problem or r.note) for r in rows]))
    )


@config.command("check", epilog="Example: futurscam config check")
def config_check() -> None:
    """Check all settings; ends with 2 where one is wrong."""
    settings.load()
    typer.echo("All settings are right.")


def main() -> NoReturn:
    """Run the command and end with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr] # an old code page lacks some letters
    _log_to_stderr()
    try:
        app()
    except FuturscamError as error:
        _tell(str(error))
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        _tell("Interrupted.")
        sys.exit(int(ExitCode.FAILED))
    except Exception:  # noqa: BLE001 - the last stop: told whole, without secrets, and with exit code 1
        _tell(traceback.format_exc())
        sys.exit(int(ExitCode.FAILED))
    sys.exit(int(ExitCode.DONE))


def _tell(text: str) -> None:
    typer.echo(_redacted(text), err=True)


def _redacted(text: str) -> str:
    with suppress(FuturscamError):
        return settings.load().redactor()(text)
    return text  # Wrong settings: their error names no secret.


def _log_to_stderr() -> None:
    def discreet(_logger: Any, _method: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: _redacted(value) if isinstance(value, str) else value for name, value in event.items()}

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            discreet,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Treat a polite request to end as Ctrl+C: the run writes its ledger before it goes."""
    raise KeyboardInterrupt


def _print_result(result: Result) -> None:
    rows = [(name, *(one[column] for column in COLUMNS)) for name, one in result.sources.items()]
    typer.echo(repr(Table(("source", *COLUMNS), [*rows, ("total", *(result.counts[column] for column in COLUMNS))])))
    typer.echo("")
    typer.echo(f"Run:        {result.run_id}, {result.status} in {result.seconds:.1f} s")
    typer.echo(f"Window:     {result.window['since']} until {result.window['until'] or 'open'}")
    typer.echo(f"Watermark:  {result.watermark['before']} -> {result.watermark['after']}")
    typer.echo(f"Notebook:   {result.notebook}")
    if result.error:
        _tell(f"\n{result.error}")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _jsonable(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: clock.to_text(value) if isinstance(value, datetime) else value for name, value in document.items()}
