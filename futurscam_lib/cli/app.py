"""The `futurscam` command: parse, call, print. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from contextlib import suppress
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated, NoReturn

import typer

from futurscam_lib import clock, settings
from futurscam_lib.cli import (
    config,
    database,
    doctor,
    export,
    lab,
    loop,
    one_run,
    rejects,
    replay,
    review,
    runs,
    schedule,
    verify,
    why,
)
from futurscam_lib.cli.output import (
    GROUP,
    Json,
    Sources,
    command,
    instant,
    print_json,
    print_result,
    redacted,
    say,
    source_names,
    tell,
    typed_program,
    work_in,
)
from futurscam_lib.errors import NOTHING_LOST, ExitCode, FuturscamError, UsageError
from futurscam_lib.runner import logs

_ABOUT = "RFPs into MongoDB, every hour, as executed notebooks: none lost, none doubled."
_TRY_AGAIN = "`futurscam check` tells what is wrong; then give the command again."
_NO_FAULT_OF_OURS = {
    errno.ENOSPC: ("No space is left", "Make room"),
    errno.EROFS: ("The file system does not allow", "Name a home that can be written"),
}
_INTERRUPTED = 130
"""What typer ends with after Ctrl+C."""

app = typer.Typer(name="futurscam", help=_ABOUT, pretty_exceptions_enable=False, **(GROUP | {"no_args_is_help": True}))


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"futurscam {version('futurscam-etl')}")
        raise typer.Exit


@app.callback()
def _everywhere(
    context: typer.Context,
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    home: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The home to work in, instead of what FUTURSCAM_HOME says."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell more on stderr; the log file of a run holds it anyway.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Only warnings and errors on stderr, no progress; of a run only the table of counts."
        ),
    ] = False,
) -> None:
    named = _absolute(home) if home else None
    if named:
        os.environ[settings.HOME] = str(named)
    work_in(named)
    context.obj = quiet
    logs.configure(verbose=verbose, quiet=quiet, redact=redacted)


def _absolute(home: Path) -> Path:
    try:
        return home.expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"--home {home}: there is no such user here. Nothing has run.") from error


@app.command(epilog="Example: futurscam run --since 2026-11-20 --source folder --dry-run")
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
    """Read what is new, load it, keep the notebook and a log.

    Who is to be told (FUTURSCAM_ALERT_URLS, FUTURSCAM_HEALTHCHECK_URL) is told how it ended, but of a dry run.
    """
    from futurscam_lib.runner.request import Request

    request = Request(
        since=since,
        until=until,
        sources=source_names(source),
        overlap=None if overlap is None else timedelta(minutes=overlap),
        dry_run=dry_run,
        confirmed=yes,
    )
    quiet: bool = context.obj
    result, log = one_run.do(request, as_json=as_json, quiet=quiet)
    if as_json:
        print_json({**result.as_dict(), "log": str(log) if log else None})
    else:
        print_result(result, log=log, quiet=quiet)
    raise typer.Exit(int(result.exit_code))


@app.command(epilog="Example: futurscam demo")
def demo(
    context: typer.Context,
    *,
    home: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The same as --home before the command.")] = None,
    as_json: Json = False,
) -> None:
    """Try it all on a packaged inbox.

    It has a home and a local MongoDB of its own (demo/, or what --home says), and touches nothing that is configured.
    """
    from futurscam_lib.cli import demo as packaged

    named: Path | None = home or context.find_root().params["home"]
    folder, quiet = _absolute(named) if named else packaged.HOME, bool(context.obj)
    with logs.log_file(folder / "logs", started=clock.now(), redact=redacted) as log:
        result = packaged.run(folder, progress=logs.on_terminal() and not as_json and not quiet)
    if as_json:
        print_json({**result.as_dict(), "log": str(log) if log else None})
    else:
        print_result(result, log=log, quiet=quiet)
        work_in(folder)
        typer.echo(f"Open it:    {command('runs open last', program=typed_program())}")
    raise typer.Exit(int(result.exit_code))


@app.command(epilog="Example: futurscam check --source boond")
def check(
    *,
    source: Sources = None,
    as_json: Json = False,
) -> None:
    """Try each source and MongoDB, and write nothing.

    Says of each whether it was reached, took the credentials and may be read, how many items wait for the next run,
    and what to do about what does not work.
    """
    from futurscam_lib.diagnostics import access

    configured = settings.load()
    names = source_names(source) or configured.sources
    configured.require(names)
    found = access.probe(configured, names, now=clock.now())
    if as_json:
        print_json([{**item.as_dict(), "problem": redacted(item.problem)} for item in found])
    else:
        say(repr(access.table(found)))
        for item in found:
            if item.remark:
                say(f"\n{item.name}: {item.remark}")
            for warning in item.warnings:
                tell(f"\nWarning: {item.name}: {warning}")
            if item.problem:
                tell(f"\n{item.name}: {item.problem}")
    raise typer.Exit(max(int(item.exit_code) for item in found))


@app.command(epilog="Example: futurscam status --json")
def status(*, as_json: Json = False) -> None:
    """Tell how things stand, and write nothing."""
    from futurscam_lib.diagnostics.status import read

    found = read(settings.load(), now=clock.now())
    found.replay = command("replay") if found.outdated else ""
    if as_json:
        print_json(found.as_dict())
        return
    for table in found.tables():
        say(f"{table!r}\n")


@app.command(epilog="Example: futurscam reset --to 2026-11-20T00:00:00Z")
def reset(
    *,
    to: Annotated[
        datetime | None, typer.Option(parser=instant, metavar="INSTANT", help="The new watermark, UTC.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Have all that the sources hold read again.")
    ] = False,
) -> None:
    """Set the watermark.

    The next run reads again what the sources changed since then. Nothing doubles.
    """
    from futurscam_lib.runner.reset import reset as set_watermark

    if (to is None) == (not everything):
        raise UsageError("Give either --to INSTANT or --everything.")
    say(set_watermark(settings.load(), to or clock.EPOCH, now=clock.now()))


for _part in (runs, replay, review, rejects, database, config, loop, schedule, doctor, lab, why, export, verify):
    _part.register(app)


def main() -> NoReturn:
    """Run the command and end with its exit code."""
    logs.replace_unprintable()
    try:
        app()
    except FuturscamError as error:
        # Of a run that has begun its own result tells; here nothing was read that could be lost.
        tell(str(error).replace(NOTHING_LOST, _TRY_AGAIN))
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        tell("Interrupted.")
        sys.exit(int(ExitCode.FAILED))
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            tell("Interrupted.")
            sys.exit(int(ExitCode.FAILED))
        raise
    except Exception as error:  # noqa: BLE001 - the last stop: told whole, without secrets, and with exit code 1
        if isinstance(error, OSError) and error.errno in _NO_FAULT_OF_OURS:
            _tell_unwritable(error)
            sys.exit(int(ExitCode.OPERATOR_MUST_ACT))
        tell(traceback.format_exc())
        sys.exit(int(ExitCode.FAILED))
    finally:
        # What is left is Python's own end; Ctrl+C in it makes no traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(int(ExitCode.DONE))


def _tell_unwritable(error: OSError) -> None:
    """In a line: a full disk, or one that can only be read, is no fault of this software, wherever it was met."""
    what, remedy = _NO_FAULT_OF_OURS[error.errno or 0]
    tell(f"{what} to write {error.filename or 'the output'}. {remedy}, then give the command again.")
    with suppress(OSError, ValueError):
        # What stdout still holds would fail once more when Python ends, and change the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
