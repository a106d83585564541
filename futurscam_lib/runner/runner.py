"""One headless run: lock, watermark, papermill, ledger, watermark commit."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from futurscam_lib import clock, settings
from futurscam_lib.audit.entries import number
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.extract import source_notes
from futurscam_lib.records import COUNTED
from futurscam_lib.run_ids import CONFIRMED, SUPERVISED, new_run_id
from futurscam_lib.runner import engine, run_events
from futurscam_lib.runner.crashes import mark_crashed
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.runner.result import Result
from futurscam_lib.runner.run_start import RunStart
from futurscam_lib.runner.verdict import RunVerdict, judge
from futurscam_lib.watermark import Watermark, after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nbformat import NotebookNode

    from futurscam_lib.runner.request import Request
    from futurscam_lib.settings import Settings

_log = structlog.get_logger()

NOTEBOOK: Final = "etl"


def run(
    configured: Settings,
    request: Request,
    *,
    kernel_env: Mapping[str, str] | None = None,
    progress: bool = False,
    began: Callable[[str], object] = str,
) -> Result:
    """Do one run.

    Args:
        configured: The settings of this process; the kernel reads the same from its own environment.
        request: What to do.
        kernel_env: Environment variables of the kernel, in addition to those of this process.
        progress: Show a bar on stderr.
        began: Called with the run_id once the lock is held.

    Raises:
        AlreadyRunning: Another run holds the lock.
        UsageError: The request or the notebook is wrong; nothing has run.
        OperatorMustAct: `.last_execution` is unreadable or lies in the future, or the ledger was tampered with.
        OSError: The disk is full.
    """
    started = clock.now()
    run_id = new_run_id(started)
    with RunLock(configured.lock_file).held(run_id=run_id, now=started):
        began(run_id)
        return _LockedRun(configured, request, run_id=run_id, started=started).run(kernel_env or {}, progress=progress)


class _LockedRun:
    """One run under the lock."""

    def __init__(self, configured: Settings, request: Request, *, run_id: str, started: datetime) -> None:
        self._settings, self._request, self._run_id, self._started = configured, request, run_id, started
        self._clock = time.monotonic()
        self._redact = configured.redactor()
        self._ledger = Ledger.of(configured)
        self._watermark = Watermark(configured.watermark_file)
        self._notebook = configured.notebook(NOTEBOOK)
        self._output = configured.runs / f"{started:%Y-%m}" / f"{run_id}.ipynb"
        self._saved: list[NotebookNode] = []

    def run(self, kernel_env: Mapping[str, str], *, progress: bool) -> Result:
        self._request.check(self._settings)
        self._check_parameters()
        if healed := self._ledger.heal(at=self._started):
            _log.warning("ledger healed", reason="a line was cut off, probably by a power cut", seq=healed.seq)
        before = self._find_watermark()
        mark_crashed(self._settings, self._ledger, found_by=self._run_id)
        parameters = self._parameters(before)
        start = RunStart(
            self._notebook, parameters, before, rerun_of=self._request.rerun_of, confirmed=self._request.confirmed
        )
        facts = start.facts()
        self._append("start", facts)
        run_events.log_start(facts, run_id=self._run_id, notebook=self._output)
        try:
            verdict = self._execute(parameters, kernel_env, progress=progress)
            after_run = self._watermark_after(before, verdict)
            result = self._result(verdict, before=before, after_run=after_run)
            digest = self._finish(verdict.status, result.headline)
        except BaseException as error:
            self._append_failure(before, error)
            raise
        self._append("end", result.end_facts(verdict, notebook_sha256=digest))
        if after_run != before:
            self._commit(after_run)
        _log.info("watermark moved" if after_run != before else "watermark stays", at=clock.to_text(after_run))
        run_events.log_end(result, verdict)
        return result

    def _execute(
        self, parameters: Mapping[str, str | float | bool], kernel_env: Mapping[str, str], *, progress: bool
    ) -> RunVerdict:
        confirmed = {CONFIRMED: self._run_id} if self._request.confirmed else {}
        own_env = {settings.HOME: str(self._settings.home), SUPERVISED: self._run_id, **confirmed}
        execution = engine.execute(
            self._notebook,
            output=self._output,
            parameters=parameters,
            redact=self._redact,
            budget=self._settings.run_budget - (clock.now() - self._started),
            cwd=self._settings.home,
            kernel_env={**kernel_env, **own_env},
            saved=self._saved.append,
            progress=progress,
        )
        run_events.log_retries(execution.notebook)
        return judge(execution, run_id=self._run_id, replay=str(self._request.replay or ""), redact=self._redact)

    def _check_parameters(self) -> None:
        """Refuse a notebook that does not declare each parameter; it would run with other values than asked for."""
        unknown = engine.unknown_parameters(self._notebook, self._parameters(self._started))
        if unknown == ["replay"]:
            raise UsageError(
                f"{self._notebook} cannot replay: it was made for an earlier version of this program. Nothing has run. "
                'Give it the parameter `replay: str = ""` and have it pass replay=replay to open_run, or rename it, so '
                "that the notebook of the program is used."
            )
        if unknown:
            raise UsageError(
                f"{self._notebook} does not declare {', '.join(unknown)} in a cell tagged `parameters`; "
                "it would run with other values than asked for. Nothing has run."
            )

    def _parameters(self, watermark: datetime) -> dict[str, str | float | bool]:
        return self._request.parameters(self._settings, run_id=self._run_id, watermark=watermark)

    def _find_watermark(self) -> datetime:
        """Read the watermark; if there is none, choose one for a first run and write it at once."""
        current = self._watermark.read(now=self._started)
        if current is not None:
            age = round((self._started - current).total_seconds(), 3)
            _log.debug("watermark found", at=clock.to_text(current), age_seconds=age)
            return current
        hour_back = self._started - self._settings.first_run
        known = self._ledger.last_watermark()
        first = min(hour_back, known) if known else hour_back
        because = "the last watermark in the ledger" if first == known else "a first run"
        _log.warning(
            "no watermark",
            file=str(self._settings.watermark_file),
            reading_from=clock.to_people(self._request.since or first),
            because="asked for" if self._request.since else because,
        )
        if not self._request.dry_run and not self._request.replay:
            self._append("first-run", {"watermark": clock.to_text(first)})
            self._watermark.reset(first)
        return first

    def _watermark_after(self, before: datetime, verdict: RunVerdict) -> datetime:
        """Return the watermark after this run: moved only where all changes up to its start have been loaded."""
        moves = verdict.status == "ok" and self._request.leaves_no_gap(self._settings, watermark=before)
        return max(before, after(self._started)) if moves else before

    def _commit(self, instant: datetime) -> None:
        try:
            self._watermark.commit(instant)
        except OSError as error:
            raise OperatorMustAct(
                f"All was loaded, but {self._settings.watermark_file} could not be written ({error.strerror}). "
                "Nothing is lost: the next run reads the same window again. Make room, or give the right to write it."
            ) from error

    def _append_failure(self, before: datetime, error: BaseException) -> None:
        """Write the end of a run whose notebook could not be executed, read or saved."""
        instant = clock.to_text(before)
        why = "The run was interrupted from outside." if isinstance(error, KeyboardInterrupt) else str(error)
        facts: dict[str, Any] = {
            "status": "failed",
            "error": why,
            "error_name": type(error).__name__,
            "dry_run": self._request.dry_run,
            "watermark": {"before": instant, "after": instant},
            "seconds": self._seconds(),
        }
        if self._saved:
            headline = f"Failed: {self._redact(why) or type(error).__name__}\nThe watermark stays at {instant}."
            with suppress(OSError, ValueError):  # Mostly it cannot be closed because of the error itself.
                facts["notebook_sha256"] = self._finish("failed", headline)
        self._append("end", facts)
        _log.info("watermark stays", at=instant)

    def _finish(self, status: str, headline: str) -> str:
        """Close the notebook from memory: anybody may have changed the file on the disk."""
        part = engine.part_path(self._output)
        engine.reopen(part, self._output)  # Ctrl+C may have come when it had just been closed.
        return engine.finish(part, self._output, status=status, headline=headline, notebook=self._saved[-1])

    def _result(self, verdict: RunVerdict, *, before: datetime, after_run: datetime) -> Result:
        summary, replay = verdict.summary, str(self._request.replay or "")
        asked = self._parameters(before)
        window = {"since": None if replay else str(asked["watermark"]), "until": str(asked["until"]) or None}
        return Result(
            run_id=self._run_id,
            status=verdict.status,
            window=summary.get("window") or window,
            watermark={"before": clock.to_text(before), "after": clock.to_text(after_run)},
            counts=summary.get("counts") or dict.fromkeys(COUNTED, 0),
            sources=summary.get("sources") or {},
            closed=number(summary.get("closed")),
            reopened=number(summary.get("reopened")),
            notes=source_notes.bounded(summary.get("notes"), clean=self._redact),
            notebook=self._output,
            seconds=self._seconds(),
            dry_run=self._request.dry_run,
            replay=replay,
            error=verdict.error,
            exit_code=verdict.exit_code,
        )

    def _seconds(self) -> float:
        return round(time.monotonic() - self._clock, 3)

    def _append(self, event: str, facts: Mapping[str, Any]) -> None:
        about = {"notebook": self._output.relative_to(self._settings.runs).as_posix()}
        if self._request.replay:
            about["replay"] = str(self._request.replay)
        self._ledger.append(event, at=clock.now(), run_id=self._run_id, facts={**about, **facts})
