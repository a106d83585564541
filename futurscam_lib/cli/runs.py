"""`futurscam runs`: past runs, from the ledger and their notebooks."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - typer reads the annotations at run time
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from futurscam_lib import settings
from futurscam_lib.audit.history import STATUSES
from futurscam_lib.cli.output import GROUP, Json, command, instant, print_error, print_json, print_text
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.settings.sources import KNOWN_SOURCES

if TYPE_CHECKING:
    from pathlib import Path

    from futurscam_lib.audit.executed import Executed
    from futurscam_lib.audit.history import History, RunRecord
    from futurscam_lib.runner.result import Result

runs = typer.Typer(help="Past runs: list, show, compare, open, run again, verify.", **GROUP)

Name = Annotated[str, typer.Argument(metavar="RUN", help="Its id, the beginning of it, or `last`.")]
_SHOWN: Final = 20


def _status(text: str) -> str:
    # A hyphen needs no quotation marks.
    status = text.replace("-", " ")
    if status not in STATUSES:
        msg = f"{text!r} is not a status; allowed: {', '.join(STATUSES)}."
        raise typer.BadParameter(msg)
    return status


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(runs, name="runs")


@runs.callback(invoke_without_command=True)
def _runs(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        listed()


@runs.command("list", epilog="Example: futurscam runs list --status failed --status crashed --since 2026-11-20")
def listed(
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(
            parser=_status,
            metavar="STATUS",
            help=f"Only runs with this status: {', '.join(STATUSES)}; may be repeated.",
        ),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(parser=instant, metavar="INSTANT", help="Only runs that started then or later.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=instant, metavar="INSTANT", help="Only runs that started before.")
    ] = None,
    source: Annotated[str, typer.Option(metavar="NAME", help="Only runs that read this source.")] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most this many.")] = _SHOWN,
    everything: Annotated[bool, typer.Option("--all", help="Show all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list on stdout.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV on stdout, safe to open in a spreadsheet.")] = False,
) -> None:
    """List the runs, newest first."""
    from futurscam_lib.audit.history import Choice
    from futurscam_lib.cli import run_list

    if as_json and as_csv:
        raise UsageError("Give either --json or --csv.")
    chosen = Choice(status or (), since, until, source).of(_history().newest())
    selected = list(islice(chosen, None if everything else limit))
    if as_json:
        print_json([run.as_dict() for run in selected])
    elif as_csv:
        typer.echo(run_list.as_csv(selected), nl=False)
    elif not selected:
        print_text(_no_match(source) if status or since or until or source else "No run yet.")
    else:
        more = next(chosen, None) is not None
        notes = ["There are older runs: --limit N shows more, --all shows all."] if more else []
        typer.echo(repr(run_list.table(selected, notes=notes)))


@runs.command(epilog="Example: futurscam runs show last")
def show(
    run: Name,
    *,
    requirements: Annotated[
        bool, typer.Option("--requirements", help="Print its packages as name==version, one a line, for pip.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one run: what it was asked for, what it loaded, and the cell that failed.

    `futurscam runs show RUN --requirements > requirements.txt` and `pip install -r requirements.txt` rebuild the
    environment of a run, except this program itself, which the first line names.
    """
    from futurscam_lib.cli import run_text

    record, left = _run_named(_history(), run)
    if requirements and as_json:
        raise UsageError("Give either --requirements or --json.")
    if requirements:
        typer.echo(_requirements(record, left))
    elif as_json:
        print_json({**record.as_dict(), "executed": left.as_dict()})
    else:
        print_text(run_text.run_text(record, left))


@runs.command(epilog="Example: futurscam runs diff 20261123T12 last")
def diff(
    first: Name,
    second: Name,
    *,
    notebook: Annotated[
        bool, typer.Option("--notebook", help="Compare the executed notebooks line by line, sources and outputs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what differs between two runs, except times and names."""
    from futurscam_lib.audit.differences import between
    from futurscam_lib.cli import run_text

    if notebook and as_json:
        raise UsageError("Give either --notebook or --json.")
    history = _history()
    before, after = _run_named(history, first), _run_named(history, second)
    if notebook:
        _diff_notebooks(before, after)
        return
    differences = between(before[0], after[0], left=(before[1], after[1]))
    if as_json:
        print_json(differences.as_dict())
    else:
        print_text(run_text.differences_text(differences))


@runs.command(epilog="Example: futurscam runs rerun last --apply")
def rerun(
    context: typer.Context,
    run: Name,
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Write to MongoDB; otherwise it is a dry run.")] = False,
    as_json: Json = False,
) -> None:
    """Read the window of a run again, from the same sources; the watermark stays where it is.

    Without --apply nothing is written to MongoDB: it shows what would change, and the command that applies it.
    """
    from futurscam_lib.cli import run_text
    from futurscam_lib.cli.run import execute, print_result
    from futurscam_lib.runner.rerun import request_of

    configured, quiet = settings.load(), bool(context.obj)
    history = _history()
    request = request_of(history.find(run), configured, apply=apply)
    result, log = execute(request, context, as_json=as_json)
    _, left = _run_named(history, result.run_id)
    to_apply = command(f"runs rerun {request.rerun_of} --apply") if result.status == "ok" and not apply else None
    if as_json:
        lists: dict[str, Any] = {name: left.scraps.get(name) for name in ("new", "changes", "rejects")}
        about = {"log": str(log) if log else None, "rerun_of": request.rerun_of, "apply": to_apply}
        print_json({**result.as_dict(), **lists, **about})
    else:
        print_result(result, log=log, quiet=quiet)
        for table in run_text.loaded(left):
            typer.echo(f"\n{table!r}")
        if to_apply:
            typer.echo(f"\n{_would(result)} Apply it:\n    {to_apply}")
    raise typer.Exit(int(result.exit_code))


@runs.command("open", epilog="Example: futurscam runs open last --html")
def opened(
    run: Name,
    *,
    html: Annotated[bool, typer.Option("--html", help="Open a page in the browser, instead of JupyterLab.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the path.")] = False,
) -> None:
    """Open the executed notebook of a run."""
    configured = settings.load()
    record, left = _run_named(_history(), run)
    path = _existing(record, left)
    if html:
        import webbrowser

        from futurscam_lib.review import run_page

        try:
            page = run_page.ensure(configured, record)
        except OSError as error:
            raise OperatorMustAct(
                f"The page of {record.run_id} could not be written in {configured.runs} ({error.strerror or error}).\n"
                "Make room, or give the right to write there; then give the command again."
            ) from error
        typer.echo(str(page))
        if not no_browser:
            webbrowser.open(page.as_uri())
        return
    typer.echo(str(path))
    if not no_browser:
        from futurscam_lib.lab import lab

        lab.open_notebook(configured, path, browse=True)


def _requirements(run: RunRecord, left: Executed) -> str:
    """Return the packages of a run, in pip's format.

    Raises:
        UsageError: Its notebook does not record them.
    """
    lines = left.requirements
    if not lines:
        raise UsageError(
            f"The notebook of {run.run_id} does not record its packages. {left.state} "
            f"`futurscam runs show {run.run_id}` shows the versions that the ledger records."
        )
    own = run.packages.get("futurscam-etl", "of an unknown version")
    commit = f", git commit {run.git_commit}" if run.git_commit else ""
    return "\n".join([f"# Python {run.python}, futurscam-etl {own}{commit}", *lines])


def _no_match(source: str) -> str:
    if source and source not in KNOWN_SOURCES:
        return f"There is no source {source!r}; allowed: {', '.join(KNOWN_SOURCES)}."
    return "No run matches; `futurscam runs list` lists the newest."


def _history() -> History:
    from futurscam_lib.audit.history import History

    return History.of(settings.load())


def _run_named(history: History, name: str) -> tuple[RunRecord, Executed]:
    from futurscam_lib.audit import executed

    record = history.find(name)
    return record, executed.read(record, history)


def _diff_notebooks(first: tuple[RunRecord, Executed], second: tuple[RunRecord, Executed]) -> None:
    from futurscam_lib.audit.differences import notebook_diff
    from futurscam_lib.report import terminal

    for run, left in (first, second):
        if left.notebook is None:
            raise UsageError(f"The notebook of {run.run_id} cannot be compared. {left.state}")
        if left.genuine is False:
            print_error(f"{run.run_id}: {left.state}")
    try:
        text = notebook_diff(first[1].notebook or {}, second[1].notebook or {}, colours=terminal.in_colour())
    except ValueError as error:
        raise UsageError(
            f"The notebook of {first[0].run_id} or of {second[0].run_id} cannot be compared: {error}."
        ) from error
    typer.echo(text or "Their sources and outputs do not differ.")


def _existing(run: RunRecord, left: Executed) -> Path:
    """Return the path of a run's notebook.

    Raises:
        UsageError: The notebook is missing or cannot be opened.
    """
    if left.path is None or left.notebook is None or left.path.suffix != ".ipynb":
        where = f" ({left.path})" if left.path else ""
        raise UsageError(
            f"The notebook of {run.run_id} cannot be opened{where}. {left.state} "
            f"`futurscam runs show {run.run_id}` shows what else is known."
        )
    return left.path


def _would(result: Result) -> str:
    counts = result.counts
    records = f"insert {counts['inserted']}, update {counts['updated']} and reject {counts['rejected']}"
    missions = f"close {result.closed} and reopen {result.reopened} mission(s)"
    return f"Dry run: nothing was written to MongoDB. Applied, it would {records}, and {missions}."
