"""The `futurscam` command: parse, call, print. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated, NoReturn

import typer

from futurscam_lib import settings
from futurscam_lib.cli import (
    config,
    database,
    demo,
    diagnostics,
    export,
    lab,
    loop,
    rejects,
    replay,
    reset,
    review,
    run,
    runs,
    schedule,
    verify,
    why,
)
from futurscam_lib.cli.output import (
    GROUP,
    absolute,
    print_error,
    redacted,
    work_in,
)
from futurscam_lib.errors import NOTHING_LOST, ExitCode, FuturscamError
from futurscam_lib.runner import logs

_ABOUT = "Collects RFPs into MongoDB, every hour, as executed notebooks: none lost, none doubled."
_TRY_AGAIN = "`futurscam check` shows what is wrong; then give the command again."
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
        bool, typer.Option("--verbose", "-v", help="Print more on stderr; the log file of a run holds it anyway.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print only warnings and errors on stderr, and of a run only the table of counts."
        ),
    ] = False,
) -> None:
    named = absolute(home) if home else None
    if named:
        os.environ[settings.HOME] = str(named)
    work_in(named)
    context.obj = quiet
    logs.configure(verbose=verbose, quiet=quiet, redact=redacted)


for _part in (
    *(run, demo, diagnostics, reset, runs, replay, review, rejects, database, config, loop, schedule, lab, why),
    *(export, verify),
):
    _part.register(app)


def main() -> NoReturn:
    """Run the command and end with its exit code."""
    logs.replace_unprintable()
    try:
        app()
    except FuturscamError as error:
        # A run that has begun prints its own result; here nothing was read that could be lost.
        print_error(str(error).replace(NOTHING_LOST, _TRY_AGAIN))
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        print_error("Interrupted.")
        sys.exit(int(ExitCode.FAILED))
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            print_error("Interrupted.")
            sys.exit(int(ExitCode.FAILED))
        raise
    except Exception as error:  # noqa: BLE001 - last resort: printed in full, without secrets, with exit code 1
        if isinstance(error, OSError) and error.errno in _NO_FAULT_OF_OURS:
            _print_unwritable(error)
            sys.exit(int(ExitCode.OPERATOR_MUST_ACT))
        print_error(traceback.format_exc())
        sys.exit(int(ExitCode.FAILED))
    finally:
        # Only Python's own end is left; Ctrl+C makes no traceback in it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(int(ExitCode.DONE))


def _print_unwritable(error: OSError) -> None:
    """Print one line: a full or read-only disk is not a fault of this software."""
    what, remedy = _NO_FAULT_OF_OURS[error.errno or 0]
    print_error(f"{what} to write {error.filename or 'the output'}. {remedy}, then give the command again.")
    with suppress(OSError, ValueError):
        # What stdout still holds would fail once more when Python ends, and change the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
