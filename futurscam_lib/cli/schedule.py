"""`futurscam schedule`: let the system start the runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from futurscam_lib import clock, settings
from futurscam_lib.cli.output import GROUP, print_json, print_text
from futurscam_lib.errors import UsageError

_ABOUT = "Let the system start the runs: Windows Task Scheduler, systemd or launchd."
group = typer.Typer(help=_ABOUT, **GROUP)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(group, name="schedule")


@group.callback(invoke_without_command=True)
def _schedule(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show(as_json=False)


@group.command(epilog="Example: futurscam schedule install --every 2h --at 06:30")
def install(
    *,
    every: Annotated[
        str, typer.Option(metavar="LENGTH", help="From one start to the next: 1m to 24h, like 15m, 1h30m or 24h.")
    ] = "1h",
    at: Annotated[
        str | None,
        typer.Option(
            metavar="HH:MM",
            help="One of the starts, local time; the others follow from --every. With 24h the time of the daily run, "
            "with 1h its minutes are the minute of every hour. Default: midnight, so the full hour.",
        ),
    ] = None,
    password: Annotated[
        bool,
        typer.Option(
            "--password",
            help="Windows only: run whether you are logged on or not. Windows itself asks for your password and keeps "
            "it; it never passes through this program.",
        ),
    ] = False,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print what would be installed; write nothing, call nothing.")
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="SYSTEM",
            help="With --print: windows, systemd, launchd or cron. Default: this system.",
        ),
    ] = None,
) -> None:
    """Schedule `futurscam run`; replaces the schedule that was installed before."""
    from futurscam_lib import schedule
    from futurscam_lib.schedule import timing

    system = target or schedule.this_system()
    _check(system, password=password, only_print=only_print)
    planner = schedule.planner(system)
    if not only_print:
        settings.load()
    rows = settings.explain()
    job = schedule.job(timing.parse(every, at), password=password, rows=rows)
    if only_print:
        _print_plan(planner.plan(job, now=clock.now().astimezone()))
        return
    notes = schedule.here().install(job, now=clock.now().astimezone())
    typer.echo(f"Scheduled ({system}): futurscam run, {job.timing}.")
    for note in notes:
        typer.echo(note)
    _warn(schedule.unseen(rows))


@group.command(epilog="Example: futurscam schedule show --json")
def show(*, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False) -> None:
    """Show what is scheduled, how the last run ended and when the next one starts."""
    from futurscam_lib import schedule

    status = schedule.here().status()
    if as_json:
        print_json(status.as_dict())
        return
    print_text(repr(status))
    if not status.installed:
        print_text("`futurscam schedule install` schedules it.")


@group.command(epilog="Example: futurscam schedule remove")
def remove() -> None:
    """Remove the schedule; documents, notebooks and settings stay."""
    from futurscam_lib import schedule

    typer.echo(schedule.here().remove())


def _check(system: str, *, password: bool, only_print: bool) -> None:
    from futurscam_lib import schedule

    if password and system != "windows":
        raise UsageError("--password is for Windows; other systems run without one.")
    if not only_print and system != schedule.this_system():
        raise UsageError(f"--for {system} only goes with --print: this system has {schedule.this_system()}.")


def _print_plan(plan: Any) -> None:
    """Print the files on stdout, so that they can be piped, and all else on stderr."""
    for file in plan.files:
        typer.echo(f"# {file.path}", err=len(plan.files) == 1)
        typer.echo(file.text, nl=len(plan.files) > 1)
    for line in (*(f"$ {call}" for call in plan.calls), *plan.notes):
        typer.echo(line, err=True)


def _warn(names: list[str]) -> None:
    if names:
        typer.echo(
            f"\nSet in this console's environment: {', '.join(names)}. A scheduled run does not get "
            "them: put them into .env.",
            err=True,
        )
