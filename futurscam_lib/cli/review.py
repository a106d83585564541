"""`futurscam review`: what the last days' runs did, as one page."""

from __future__ import annotations

import secrets
import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from futurscam_lib import clock, settings
from futurscam_lib.cli.output import Json, print_error, print_json
from futurscam_lib.errors import ExitCode, FuturscamError, OperatorMustAct, RetryLater, UsageError, exit_code_of
from futurscam_lib.report.tables import Table
from futurscam_lib.runner import logs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.runner.engine import Execution
    from futurscam_lib.settings import Settings


_UNTOUCHED: Final = "runs/review.html was not changed."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: futurscam review --days 14 --open")(review)


def review(
    context: typer.Context,
    *,
    days: Annotated[float, typer.Option(metavar="N", help="How many days, at most 3660.")] = 7,
    opened: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Write runs/review.html: what the runs of the last days did, and what to look at.

    The page loads nothing from any other machine. Each run that it lists has a page of its own in runs/html. The
    watermark, the documents and the notebooks of the runs stay as they are.
    """
    from futurscam_lib.audit import period
    from futurscam_lib.review import review_page

    period.check_days(days)
    configured = settings.load()
    seen = logs.on_terminal() and not as_json and not context.obj
    execution = _executed(configured, days, progress=seen)
    now = clock.now()
    try:
        target = review_page.write(configured, execution.notebook, now=now, watched=_progress_bar if seen else iter)
    except OSError as error:
        raise _not_written(f"The pages in {configured.runs} could not be written", error) from error
    glued = review_page.glued_by(execution.notebook)
    if as_json:
        print_json({**{name: value for name, value in glued.items() if name != "listed"}, "page": str(target)})
    else:
        counts = glued["counts"]
        typer.echo(repr(Table(tuple(counts), [tuple(counts.values())])))
        typer.echo(f"\nReview:     {target}")
    if glued.get("unanswered"):
        print_error(glued["unanswered"])
    if opened:
        import webbrowser

        if not webbrowser.open(target.as_uri()):
            print_error(f"No browser could be opened; the page is {target}.")


def _executed(configured: Settings, days: float, *, progress: bool) -> Execution:
    """Execute the review notebook, and remove what it leaves on disk.

    Raises:
        FuturscamError: It failed; the page that was there stays.
        OperatorMustAct: The home cannot be written; no kernel was started.
    """
    from futurscam_lib.runner import engine

    folder = configured.scratch / f"review-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise _not_written(f"The review could not write in {configured.scratch}", error) from error
    try:
        execution = engine.execute(
            configured.notebook("review"),
            output=folder / "review.ipynb",
            parameters={"days": days, "pages": True},
            redact=configured.redactor(),
            budget=configured.run_budget,
            cwd=configured.home,
            kernel_env={settings.HOME: str(configured.home)},
            progress=progress,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if execution.status != "ok":
        raise _failed(execution)
    return execution


def _not_written(what: str, error: OSError) -> OperatorMustAct:
    return OperatorMustAct(
        f"{what} ({error.strerror or error}). {_UNTOUCHED}\n"
        "Make room, or give the right to write there; then give the command again."
    )


def _failed(execution: Execution) -> FuturscamError:
    code = exit_code_of(execution.error_name)
    kinds: dict[ExitCode, type[FuturscamError]] = {
        ExitCode.USAGE: UsageError,
        ExitCode.RETRY_LATER: RetryLater,
        ExitCode.OPERATOR_MUST_ACT: OperatorMustAct,
    }
    place = f" in cell {execution.failed_cell + 1}" if execution.failed_cell is not None else ""
    return kinds.get(code, FuturscamError)(
        f"The review notebook {execution.status}{place}: {execution.error_name}: {execution.error}\n{_UNTOUCHED}"
    )


def _progress_bar(runs: Iterable[RunRecord]) -> Iterator[RunRecord]:
    with typer.progressbar(runs, label="Pages of the runs", file=sys.stderr) as bar:
        yield from bar
