"""`futurscam loop` and `futurscam stop`: run again and again."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import timedelta
from typing import Annotated

import typer

from futurscam_lib import settings
from futurscam_lib.cli.output import Sources, print_error, print_text, source_names


def register(app: typer.Typer) -> None:
    """Add the two commands."""
    app.command(epilog="Example: futurscam loop --interval 30 --source folder,boond -- --dry-run")(loop)
    app.command(epilog="Example: futurscam stop --timeout 60")(stop)


def loop(
    *,
    interval: Annotated[
        float, typer.Option(metavar="MINUTES", min=0.05, max=1440, help="From the start of a run to that of the next.")
    ] = 60,
    source: Sources = None,
    background: Annotated[
        bool, typer.Option("--background", help="Start it without a window, with a log of its own, and return.")
    ] = False,
    log: Annotated[str, typer.Option(hidden=True)] = "",
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- ARGUMENTS]", help="Options of each `futurscam run`.")
    ] = None,
) -> None:
    """Run now and then every so many minutes.

    After failures in a row it waits longer, up to 6 hours. Ctrl+C or `futurscam stop` ends it: an active run is
    finished first, a second Ctrl+C interrupts it.
    """
    from futurscam_lib.runner.loop import processes

    configured, every = settings.load(), timedelta(minutes=interval)
    given = list(arguments or ())
    if names := source_names(source):
        configured.require(names)
        given[:0] = ["--source", ",".join(names)]
    if not background:
        screen = Screen()
        processes.keep_running(
            configured, every, arguments=given, log=log, say=screen.print_line, count_down=screen.count_down
        )
        return
    state = processes.start(configured, every, arguments=given)
    typer.echo(f"Loop started: pid {state.pid}, every {state.interval_minutes:g} min.")
    typer.echo(f"Log:          {state.log}")
    print_text("`futurscam status` shows it, `futurscam stop` ends it.")


def stop(
    *,
    now: Annotated[bool, typer.Option("--now", help="Interrupt an active run; it still writes the ledger.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Wait at most this long, then end with 3.")
    ] = None,
) -> None:
    """End the loop of this home; an active run is finished first."""
    from futurscam_lib.runner.loop import processes

    print_text(processes.stop(settings.load(), now=now, timeout=timeout, say=print_error))


class Screen:
    """What people see of the loop: lines on stdout and, on a terminal, a countdown on stderr."""

    def __init__(self) -> None:
        """See the class."""
        self._shown = ""
        self._watched = sys.stdout.isatty() and sys.stderr.isatty()

    def print_line(self, line: str) -> None:
        """Print a line at once: the run may write next."""
        with suppress(OSError):  # Nobody reads any more; the runs go on.
            self._show("")
            typer.echo(line)

    def count_down(self, seconds: float) -> None:
        """Show on one line the time until the next run."""
        if self._watched:
            whole = timedelta(seconds=round(seconds))
            with suppress(OSError):
                self._show(f"Next run in {whole}. Ctrl+C ends the loop.")

    def _show(self, text: str) -> None:
        if text == self._shown:
            return
        sys.stderr.write(f"\r{text:{len(self._shown)}}" + ("" if text else "\r"))
        sys.stderr.flush()
        self._shown = text
