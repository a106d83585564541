"""The states of a run's cells as its notebook shows them, and every save of that notebook."""

# papermill and nbformat have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import nbformat.v4
from papermill.engines import NotebookExecutionManager
from papermill.execute import ERROR_ANCHOR_MSG, ERROR_MARKER_TAG

from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.files import write_atomically
from futurscam_lib.runner.notebook_file import error_output, publishable, to_bytes
from futurscam_lib.runner.run_start import requirements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from pathlib import Path

    from nbformat import NotebookNode


@dataclass(frozen=True, slots=True)
class ExecutionEnd:
    """How a run ended.

    Attributes:
        status: `ok`, `failed` or `timed out`.
        error_name: Class name of the error, empty when ok.
        error: Its message, not redacted.
        cell: Index of the cell that it happened in.
        shown: Whether the kernel itself wrote the error into the cell's outputs.
    """

    status: Literal["ok", "failed", "timed out"]
    error_name: str = ""
    error: str = ""
    cell: int | None = None
    shown: bool = False


@dataclass(slots=True)
class ExecutionJob:
    """The inputs of one execution and, when it is over, its outcome.

    Attributes:
        part: File that holds the notebook during the run.
        names: Names of the notebook and of the final file, for the metadata.
        redact: Removes secrets from a text.
        deadline: When the budget is used up, on the monotonic clock.
        budget: The same as a length of time, for messages.
        grace: How long an interrupted cell may take to stop.
        heartbeat: How often the part is saved while nothing happens.
        cwd: Folder that the kernel works in.
        env: Environment variables of the kernel, in addition to those of this process.
        verdict: How it ended.
        notebook: The notebook as it was saved last.
        failed_cell: Index in `notebook` of the cell that failed.
    """

    part: Path
    names: tuple[str, str]
    redact: Callable[[str], str]
    deadline: float
    budget: timedelta
    grace: timedelta
    heartbeat: timedelta
    cwd: Path
    env: Mapping[str, str]
    verdict: ExecutionEnd = field(default_factory=lambda: ExecutionEnd("failed"))
    notebook: NotebookNode = field(default_factory=nbformat.v4.new_notebook)
    failed_cell: int | None = None


class CellStates(NotebookExecutionManager):
    """papermill's bookkeeping of cells, saved through `ExecutionJob`, without the states that papermill invents."""

    def __init__(self, nb: NotebookNode, job: ExecutionJob, *, progress_bar: bool) -> None:
        """Keep the states of `nb`; nothing is saved yet."""
        # Nothing is saved on kernel messages: the heartbeat does that, also where there are no messages.
        super().__init__(nb, progress_bar=progress_bar, autosave_cell_every=0)
        self.job = job
        nb.metadata.papermill["input_path"], nb.metadata.papermill["output_path"] = job.names
        nb.metadata["futurscam"] = {"status": "running", "requirements": requirements()}

    def save(self, **_: Any) -> None:
        """Replace the part by the notebook as it is now; papermill calls this at each change of state."""
        notebook = publishable(self.nb, self.job.redact)
        try:
            write_atomically(self.job.part, to_bytes(notebook))
        except OSError as error:
            msg = (
                f"Could not save the executed notebook {self.job.part} ({error.strerror or error}).\n"
                "The run was stopped and its kernel ended; what it had loaded before stays loaded.\n"
                "Free disk space or give this user the right to write there; the next run reads the window again."
            )
            raise OperatorMustAct(msg) from error
        self.job.notebook = notebook
        self.last_save_time = self.now()

    def skip(self, cell: NotebookNode) -> None:
        """Note that a cell without code was skipped; nothing is saved."""
        now = self.now().isoformat()
        cell.metadata.papermill.update(
            status=self.COMPLETED, exception=False, start_time=now, end_time=now, duration=0.0
        )
        if self.pbar:
            self.pbar.update(1)

    def conclude(self, verdict: ExecutionEnd) -> None:
        """Write the verdict into the notebook and save it for the last time."""
        if verdict.status != "ok":
            self.nb.metadata.papermill["exception"] = True
        if verdict.cell is not None:
            cell = self.nb.cells[verdict.cell]
            if not (verdict.shown and any(output.output_type == "error" for output in cell.outputs)):
                cell.outputs.append(error_output(verdict.error_name, verdict.error))
            self.cell_exception(cell, verdict.cell)
            self.cell_complete(cell, verdict.cell)
            anchor = nbformat.v4.new_markdown_cell(ERROR_ANCHOR_MSG)
            anchor.metadata["tags"] = [ERROR_MARKER_TAG]
            self.nb.cells.insert(verdict.cell, anchor)
            self.job.failed_cell = verdict.cell + 1
        self.end_time = self.now()
        times = {"end_time": self.end_time.isoformat(), "duration": (self.end_time - self.start_time).total_seconds()}
        self.nb.metadata.papermill.update(times)
        self.save()
