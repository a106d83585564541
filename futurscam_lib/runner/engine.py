"""Executes a notebook headless; its file shows the true state at any moment.

Light to import: papermill is loaded when a run begins.
"""

from __future__ import annotations

import ast
import logging
import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from futurscam_lib.errors import UsageError
from futurscam_lib.report.terminal import without_escapes
from futurscam_lib.runner.fast_import import fast_import
from futurscam_lib.runner.notebook_file import finish, part_path, place_status, reopen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from nbformat import NotebookNode

    from futurscam_lib.runner.cell_states import ExecutionJob
    from futurscam_lib.settings.redaction import Redactor

__all__ = ["GRACE", "HEARTBEAT", "Execution", "execute", "finish", "part_path", "reopen", "unknown_parameters"]

HEARTBEAT: Final = timedelta(seconds=15)
"""How often the notebook is saved while a cell prints nothing."""

GRACE: Final = timedelta(seconds=5)
"""How long a cell that was interrupted because the budget is used up may take to stop."""

_ERROR_LENGTH = 2000
_LOGGERS = ("papermill", "papermill.translators", "papermill.utils", "traitlets", "asyncio")


@dataclass(frozen=True, slots=True)
class Execution:
    """How the execution of a notebook ended.

    Attributes:
        status: `ok`, `failed` or `timed out`.
        error_name: Class name of the error, empty when ok: `RetryLater`, `DeadKernelError`, `TimeoutError`,
            `SystemExit`, `KeyboardInterrupt`.
        error: Its message, redacted, at most 2,000 characters, without terminal colours.
        failed_cell: Index in `notebook` of the failed cell; None if the error happened outside of cells.
        notebook: The executed notebook, redacted, as it was saved last.
    """

    status: Literal["ok", "failed", "timed out"]
    error_name: str
    error: str
    failed_cell: int | None
    notebook: NotebookNode


def execute(
    notebook: Path,
    *,
    output: Path,
    parameters: Mapping[str, str | int | float | bool],
    redact: Redactor,
    budget: timedelta,
    cwd: Path,
    kernel_env: Mapping[str, str],
    saved: Callable[[NotebookNode], object] | None = None,
    progress: bool = False,
    heartbeat: timedelta = HEARTBEAT,
    grace: timedelta = GRACE,
) -> Execution:
    """Execute a notebook through papermill, in a kernel of this interpreter that ends with the run.

    The state of the run is in `part_path(output)` from the first moment, redacted and replaced as a whole at each
    save; only `finish` creates `output` itself. Must be called outside of a running event loop, and
    from the main thread if Ctrl+C is to end it.

    Args:
        notebook: What to execute; stays as it is.
        output: Name that `finish` will give the executed notebook. Its folder is made.
        parameters: Values for the cell tagged `parameters`. They are visible in the file: never pass a secret.
        redact: Takes secrets out of what is saved, logged and returned.
        budget: For the whole execution, kernel start included. It is exceeded by at most `grace` and the few
            seconds that ending a kernel takes.
        cwd: Folder that the kernel works in.
        kernel_env: Environment variables of the kernel, in addition to those of this process.
        saved: Called with the executed notebook as it was saved last, also if this raises; not called if nothing
            was saved.
        progress: Show a bar and papermill's log on stderr.
        heartbeat: How often the part is saved while a cell prints nothing.
        grace: How long a cell may take to stop when the budget is used up; then its kernel is killed.

    Returns:
        How it ended. A cell that raised, a kernel that died or never started, a used-up budget and Ctrl+C are returned
        here, not raised.

    Raises:
        FileExistsError: `output` or its part exists; nothing was started.
        UsageError: The notebook cannot be read, or does not declare a parameter; nothing was started.
        OperatorMustAct: The part could not be saved (disk full, no right to write); the kernel has ended.
        KeyboardInterrupt: Ctrl+C before the execution began.
    """
    deadline = time.monotonic() + budget.total_seconds()
    source = _read(notebook)
    _check(source, parameters, notebook)
    part = part_path(output)
    for taken in (output, part):
        if taken.exists():
            msg = f"{taken} exists and is not overwritten; nothing was started."
            raise FileExistsError(msg)
    output.parent.mkdir(parents=True, exist_ok=True)
    place_status(source, "This run has not ended, or was killed before it could say how it ended.")
    with _discreet_logs(redact, progress=progress):
        supervision = fast_import("futurscam_lib.runner.papermill_engine")
        job: ExecutionJob = supervision.ExecutionJob(
            part=part,
            names=(notebook.name, output.name),
            redact=redact,
            deadline=deadline,
            budget=budget,
            grace=grace,
            heartbeat=heartbeat,
            cwd=cwd,
            env=dict(kernel_env),
        )
        try:
            fast_import("papermill").execute_notebook(
                source,
                None,  # papermill gets no path: saving is the engine's, and no path goes through str.format.
                parameters=dict(parameters),
                engine_name=supervision.ENGINE,
                kernel_name="python3",
                language="python",
                progress_bar=progress,
                job=job,
            )
        finally:
            if saved and job.notebook.cells:
                saved(job.notebook)
    verdict = job.verdict
    error = redact(without_escapes(verdict.error))[:_ERROR_LENGTH]
    return Execution(verdict.status, redact(verdict.error_name), error, job.failed_cell, job.notebook)


def unknown_parameters(notebook: Path, names: Iterable[str]) -> list[str]:
    """Return the names that the notebook's cell tagged `parameters` does not assign; all if there is no such cell.

    Raises:
        UsageError: The notebook cannot be read, or that cell is not Python.
    """
    declared = _declared(_read(notebook), notebook)
    return [name for name in names if name not in declared]


def _read(notebook: Path) -> NotebookNode:
    try:
        read: NotebookNode = fast_import("nbformat").reads(notebook.read_text("utf-8"), as_version=4)
    except (OSError, ValueError) as error:
        msg = f"{notebook} cannot be read as a notebook ({type(error).__name__}: {error}); nothing was started."
        raise UsageError(msg) from error
    return read


def _declared(source: NotebookNode, notebook: Path) -> set[str]:
    # Python's own parser, not papermill's patterns: those do not see `since: str | None = None`, nor a line whose
    # comment holds an equals sign.
    cell = next((cell for cell in source.cells if "parameters" in cell.metadata.get("tags", [])), None)
    try:
        statements = ast.parse("" if cell is None else cell.source).body
    except SyntaxError as error:
        msg = f"The cell tagged `parameters` of {notebook} is not Python (line {error.lineno}: {error.msg})."
        raise UsageError(msg) from error
    targets: list[ast.expr] = []
    for statement in statements:
        if isinstance(statement, ast.Assign):
            targets += statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets.append(statement.target)
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _check(source: NotebookNode, parameters: Mapping[str, object], notebook: Path) -> None:
    declared = _declared(source, notebook)
    unknown = [name for name in parameters if name not in declared]
    if unknown:
        known = (
            f"It declares: {', '.join(sorted(declared))}." if declared else "It declares none: tag the cell that does."
        )
        msg = (
            f"{notebook} does not declare {', '.join(unknown)} in its cell tagged `parameters`; it would run with "
            f"other values than asked for, so nothing was started. {known}"
        )
        raise UsageError(msg)
    for name, value in parameters.items():
        # papermill puts them into Python and JSON source; others (dates, paths) would fail there half-way.
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            msg = (
                f"Parameter {name} is a {type(value).__name__}; a notebook takes text, finite numbers, true and false."
            )
            raise UsageError(msg)


@contextmanager
def _discreet_logs(redact: Redactor, *, progress: bool) -> Iterator[None]:
    """While a notebook runs, the loggers below it log no secret, and papermill logs only with `progress`."""

    def discreet(record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return progress or not record.name.startswith("papermill")

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(discreet)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(discreet)
