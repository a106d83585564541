"""papermill's engine for a headless run: a supervisor with one time budget, a heartbeat, a kernel that always ends.

Heavy to import (papermill); `engine.py` does so when a run begins.
"""

# papermill and nbformat have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import nbformat.v4
from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from futurscam_lib.errors import FuturscamError, OperatorMustAct
from futurscam_lib.report.text import duration
from futurscam_lib.runner.cell_states import CellStates, ExecutionEnd, ExecutionJob
from futurscam_lib.runner.kernel import Kernel

if TYPE_CHECKING:
    from nbformat import NotebookNode

ENGINE: Final = "futurscam"

_START_SECONDS = 120
# Output of a busy cell may arrive long after its reply; papermill's 4 s would fail a run that went well.
_OUTPUT_SECONDS = 60
_HEARTBEAT_SHARE = 10
_PRINT_LIMIT = 5_000_000


class FuturscamEngine(NBClientEngine):
    """Executes a notebook for a `ExecutionJob`."""

    @classmethod
    def execute_notebook(  # type: ignore[override] # papermill names each argument that it gives
        cls, nb: NotebookNode, kernel_name: str, *, job: ExecutionJob, progress_bar: bool = False, **_: Any
    ) -> NotebookNode:
        """Execute the notebook; the outcome is stored in `job`.

        papermill gets an empty notebook back. Otherwise it would take each error output for a failure, also in a cell
        that is allowed to raise, would take no error output for a success, and would add its own banner.
        """
        states = CellStates(nb, job, progress_bar=progress_bar)
        try:
            states.notebook_start()
            job.verdict = _Client(states, job, kernel_name=kernel_name).run()
        finally:
            states.cleanup_pbar()
        states.conclude(job.verdict)
        empty: NotebookNode = nbformat.v4.new_notebook()
        return empty


papermill_engines.register(ENGINE, FuturscamEngine)


class _Client(PapermillNotebookClient):
    """Runs the cells and supervises them in one event loop, so that no lock is needed."""

    def __init__(self, states: CellStates, job: ExecutionJob, *, kernel_name: str) -> None:
        self.kernel = Kernel()
        super().__init__(
            states,
            km=self.kernel.manager,
            kernel_name=kernel_name,
            iopub_timeout=_OUTPUT_SECONDS,
            coalesce_streams=True,
            shutdown_kernel="immediate",
            log=logging.getLogger("papermill"),
        )
        self.job = job
        self.current: int | None = None
        self.stopping = False
        self._room = _PRINT_LIMIT

    def run(self) -> ExecutionEnd:
        """Run the cells and return how that ended; no kernel is left, whatever is raised."""
        try:
            # Not the default loop, which on Windows cannot watch zmq's sockets.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                return runner.run(self._supervise())
        except KeyboardInterrupt:
            return ExecutionEnd("failed", "KeyboardInterrupt", "The run was interrupted from outside.", self.current)
        finally:
            self.kernel.kill()

    async def _supervise(self) -> ExecutionEnd:
        work = asyncio.create_task(self._work())
        heartbeat = asyncio.create_task(self._beat())
        try:
            # `wait` leaves `work` alone when the time is up or Ctrl+C arrives: nbclient would take being cancelled
            # for a dead kernel.
            await asyncio.wait({work}, timeout=max(0.0, self.job.deadline - time.monotonic()))
            return work.result() if work.done() else await self._time_is_up(work)
        finally:
            heartbeat.cancel()
            with suppress(RuntimeError, OSError):  # `run` kills what is left; how the run ended is known already.
                await self._async_cleanup_kernel()
            work.cancel()
            await asyncio.gather(work, heartbeat, return_exceptions=True)

    async def _work(self) -> ExecutionEnd:
        try:
            await self._run_cells()
        except CellExecutionError as error:
            return ExecutionEnd("failed", error.ename, error.evalue, self.current, shown=True)
        except FuturscamError:
            raise
        except DeadKernelError:
            return ExecutionEnd("failed", "DeadKernelError", self.kernel.exit_report(), self.current)
        except Exception as error:  # noqa: BLE001 - whatever it was, the run failed and its notebook must say so
            return ExecutionEnd("failed", type(error).__name__, str(error), self.current)
        return ExecutionEnd("ok")

    async def _run_cells(self) -> None:
        await self.kernel.start(cwd=self.job.cwd, env=self.job.env)
        await self._connect()
        for index, cell in enumerate(self.nb.cells):
            if self.stopping:
                return
            if cell.cell_type != "code":
                self.nb_man.skip(cell)
                continue
            self.current, self._room = index, _PRINT_LIMIT
            self.nb_man.cell_start(cell, index)
            await self.async_execute_cell(cell, index)
            self.nb_man.cell_complete(cell, index)
        self.current = None
        self.set_widgets_metadata()

    async def _connect(self) -> None:
        self.kc = client = self.kernel.manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=_START_SECONDS)
        except RuntimeError as error:
            raise DeadKernelError(str(error)) from error
        client.allow_stdin = False
        about: Any = await self.async_wait_for_reply(client.kernel_info())
        self.nb.metadata["language_info"] = about["content"]["language_info"]

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Take one message of the kernel; what a cell prints beyond a limit is replaced by a note."""
        if msg["msg_type"] == "stream":
            if self._room <= 0:
                return None
            text = msg["content"]["text"]
            if len(text) > self._room:
                text = f"{text[: self._room]}\n[The rest is left out: a cell may print {_PRINT_LIMIT:,} characters.]\n"
            self._room -= len(text)
            msg["content"]["text"] = text
        output: NotebookNode | None = super().process_message(msg, cell, cell_index)
        return output

    async def _beat(self) -> None:
        pause = self.job.heartbeat.total_seconds()
        while True:
            await asyncio.sleep(pause)
            begin = time.monotonic()
            with suppress(OperatorMustAct):  # The save after the cell raises if it still fails then.
                self.nb_man.save()
            pause = max(self.job.heartbeat.total_seconds(), _HEARTBEAT_SHARE * (time.monotonic() - begin))

    async def _time_is_up(self, work: asyncio.Task[ExecutionEnd]) -> ExecutionEnd:
        at, self.stopping = self.current, True
        await self.kernel.interrupt()
        await asyncio.wait({work}, timeout=self.job.grace.total_seconds())
        if work.done():
            how = "what ran was interrupted"
        else:
            how = f"the cell ignored the interrupt for {duration(self.job.grace)} and its kernel was killed"
        message = f"The time budget of {duration(self.job.budget)} was used up; {how}."
        return ExecutionEnd("timed out", "TimeoutError", message, at)
