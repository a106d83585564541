"""One headless run: lock, watermark, papermill, ledger, watermark commit."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import structlog

from futurscam_lib import clock, settings
from futurscam_lib.audit import shape
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.errors import ExitCode, OperatorMustAct, UsageError, exit_code_of
from futurscam_lib.extract import source_notes
from futurscam_lib.files import sweep
from futurscam_lib.records import COUNTED
from futurscam_lib.report import scraps
from futurscam_lib.run_ids import CONFIRMED, SUPERVISED, new_run_id, started_by
from futurscam_lib.runner import engine, run_events, run_start
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.settings.sources import KNOWN_SOURCES
from futurscam_lib.watermark import Watermark, after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from nbformat import NotebookNode

    from futurscam_lib.audit.ledger import Entry
    from futurscam_lib.records import Replay
    from futurscam_lib.settings import Settings

_log = structlog.get_logger()

NOTEBOOK: Final = "etl"
_CRASHED: Final = "Crashed: the run was killed, or the machine went down; below is what was saved until then."
_SAYS: Final = {
    "ok": "Done",
    "failed": "Failed",
    "timed out": "Timed out",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a headless run is asked to do.

    Attributes:
        since: Read from here instead of from the watermark; None: from the watermark.
        until: Read up to here, exclusive; None: open.
        sources: Their names; empty: all that are configured.
        overlap: How far behind to read again; None: the setting.
        dry_run: Write nothing to MongoDB and leave the watermark; the executed notebook and the ledger are kept.
        rerun_of: The run whose window is read again; empty: none.
        replay: Make documents again from landed payloads, and ask no source; None: ask the sources.
        confirmed: Whether it may close and reopen any number of missions.
    """

    since: datetime | None = None
    until: datetime | None = None
    sources: tuple[str, ...] = ()
    overlap: timedelta | None = None
    dry_run: bool = False
    rerun_of: str = ""
    replay: Replay | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a headless run ended; the fields are those of `futurscam run --json`.

    Attributes:
        status: `ok`, `failed` or `timed out`.
        counts, sources, closed, reopened, window: What the notebook's summary says; zeros where it did not get there.
        notes: What each source noted, as `source_notes` has it.
        watermark: `before` and `after`, as `.last_execution` has it.
        notebook: The executed notebook.
        seconds: How long it took.
        replay: Which landed payloads it took again, as `records.Replay` says it; empty: it asked the sources.
        error: Why it did not end well; empty: it did.
        exit_code: What the process ends with.
    """

    run_id: str
    status: str
    window: Mapping[str, str | None]
    watermark: Mapping[str, str]
    counts: Mapping[str, int]
    sources: Mapping[str, Mapping[str, int]]
    closed: int
    reopened: int
    notes: Mapping[str, Sequence[str]]
    notebook: Path
    seconds: float
    dry_run: bool
    replay: str
    error: str
    exit_code: ExitCode

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**told, "notebook": str(self.notebook), "exit_code": int(self.exit_code)}


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
        kernel_env: Environment of the kernel besides that of this process.
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
        supervised = _Supervised(configured, request, run_id=run_id, started=started)
        return supervised.run(kernel_env or {}, progress=progress)


@dataclass(slots=True)
class _Verdict:
    """What the supervising process concludes from the execution and from what the notebook glued."""

    status: str
    exit_code: ExitCode
    error: str
    error_name: str
    summary: Mapping[str, Any] = field(default_factory=dict)


class _Supervised:
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
        self._check()
        healed = self._ledger.heal(at=self._started)
        if healed:
            _log.warning("ledger healed", reason="a line was cut off, probably by a power cut", seq=healed.seq)
        before = self._find_watermark()
        self._bury_crashed()
        parameters = self._parameters(before)
        told = run_start.of_start(parameters, watermark=before, started_by=started_by())
        if self._request.rerun_of:
            told["rerun_of"] = self._request.rerun_of
        if self._request.confirmed:
            told["confirmed"] = True
        self._append("start", **told)
        run_events.started(told, run_id=self._run_id, notebook=self._output)
        spent = clock.now() - self._started
        try:
            execution = engine.execute(
                self._notebook,
                output=self._output,
                parameters=parameters,
                redact=self._redact,
                budget=self._settings.run_budget - spent,
                cwd=self._settings.home,
                kernel_env={**kernel_env, **self._own_env()},
                saved=self._saved.append,
                progress=progress,
            )
            run_events.executed(execution.notebook)
            verdict = self._judge(execution)
            standing = self._would_commit(before, verdict)
            result = self._result(verdict, before=before, standing=standing)
            digest = self._finish(verdict.status, _headline(result))
        except BaseException as error:
            self._give_up(before, error)
            raise
        ending = _end_facts(result, verdict, notebook=self._relative(self._output), digest=digest)
        self._append("end", **ending)
        if standing != before:
            self._commit(standing)
        _log.info("watermark moved" if standing != before else "watermark stays", at=clock.to_text(standing))
        run_events.ended(ending, run_id=self._run_id, notebook=self._output)
        return result

    def _own_env(self) -> dict[str, str]:
        confirmed = {CONFIRMED: self._run_id} if self._request.confirmed else {}
        return {settings.HOME: str(self._settings.home), SUPERVISED: self._run_id, **confirmed}

    def _commit(self, standing: datetime) -> None:
        try:
            self._watermark.commit(standing)
        except OSError as error:
            raise OperatorMustAct(
                f"All was loaded, but {self._settings.watermark_file} could not be written ({error.strerror}). "
                "Nothing is lost: the next run reads the same window again. Make room, or give the right to write it."
            ) from error

    def _check(self) -> None:
        """What can be known to be wrong before anything runs."""
        if self._request.replay:
            self._settings.require_known(self._request.sources)
        else:
            self._settings.require(self._request.sources)
        if self._request.until and self._request.since and self._request.until <= self._request.since:
            raise UsageError("--until does not lie after --since: the window would be empty.")
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

    def _find_watermark(self) -> datetime:
        """The watermark; where there is none, the one of a first run, which is written down at once."""
        standing = self._watermark.read(now=self._started)
        if standing is not None:
            _log.debug("watermark found", at=clock.to_text(standing), age_seconds=self._seconds_since(standing))
            return standing
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
            self._append("first-run", watermark=clock.to_text(first))
            self._watermark.reset(first)
        return first

    def _seconds_since(self, instant: datetime) -> float:
        return round((self._started - instant).total_seconds(), 3)

    def _bury_crashed(self) -> None:
        """Earlier runs that started and never ended: say so in the ledger, and make an end of their notebooks."""
        crashed = self._ledger.unfinished()
        if crashed:
            sweep(self._settings.watermark_file)
        for entry in crashed:
            self._ledger.append(
                "crashed",
                at=clock.now(),
                run_id=entry.run_id,
                facts={"found_by": self._run_id, **self._finish_notebook_of(entry)},
            )
            _log.warning("crashed run found", run_id=entry.run_id, started=entry.at)

    def _finish_notebook_of(self, entry: Entry) -> dict[str, str]:
        about = {"notebook": str(entry.facts["notebook"])}
        final = self._settings.runs / about["notebook"]
        part = engine.part_path(final)
        engine.reopen(part, final)
        try:
            return about | {"notebook_sha256": engine.finish(part, final, status="crashed", headline=_CRASHED)}
        except (OSError, ValueError) as error:
            return {"notebook_missing": str(error)}

    def _give_up(self, before: datetime, error: BaseException) -> None:
        """The notebook could not be executed, read or saved: that is an end, too."""
        instant = clock.to_text(before)
        why = "The run was interrupted from outside." if isinstance(error, KeyboardInterrupt) else str(error)
        told: dict[str, Any] = {"status": "failed", "error": why, "error_name": type(error).__name__}
        told |= {"dry_run": self._request.dry_run, "watermark": {"before": instant, "after": instant}}
        seconds = round(time.monotonic() - self._clock, 3)
        headline = f"Failed: {self._redact(why) or type(error).__name__}\nThe watermark stays at {instant}."
        if self._saved:
            with suppress(OSError, ValueError):  # What keeps it from being closed is the error itself, mostly.
                told["notebook_sha256"] = self._finish("failed", headline)
        self._append("end", **told, seconds=seconds)
        _log.info("watermark stays", at=instant)

    def _finish(self, status: str, headline: str) -> str:
        """Close the notebook as this process knows it: on the disk, anybody may have changed it since."""
        part = engine.part_path(self._output)
        engine.reopen(part, self._output)  # Ctrl+C may have come when it had just been closed.
        return engine.finish(part, self._output, status=status, headline=headline, notebook=self._saved[-1])

    def _parameters(self, watermark: datetime) -> dict[str, str | float | bool]:
        request = self._request
        overlap = self._settings.overlap if request.overlap is None else request.overlap
        return {
            "run_id": self._run_id,
            "watermark": clock.to_text(request.since or watermark),
            "until": clock.to_text(request.until) if request.until else "",
            "sources": ",".join(request.sources or (KNOWN_SOURCES if request.replay else self._settings.sources)),
            "dry_run": request.dry_run,
            "overlap_minutes": overlap.total_seconds() / 60,
            # Only then: a notebook of the home's own need not know it.
            **({"replay": str(request.replay)} if request.replay else {}),
        }

    def _judge(self, execution: engine.Execution) -> _Verdict:
        """Believe the supervision first, the notebook second, and the notebook only where its sums agree."""
        found = scraps.read(execution.notebook).get("summary")
        summary = found if _is_summary(found) else {}
        if execution.status != "ok":
            code = exit_code_of(execution.error_name) if execution.status == "failed" else ExitCode.FAILED
            return _Verdict(execution.status, code, execution.error, execution.error_name, summary)
        problem = _problem_of(found, run_id=self._run_id, replay=str(self._request.replay or ""))
        if problem:
            return _Verdict("failed", ExitCode.FAILED, problem, "UntrueSummary", summary)
        failures = summary["failures"]
        if failures:
            told = " ".join(f"{name}: {failure['message']}" for name, failure in failures.items())
            code = max(exit_code_of(failure["error"]) for failure in failures.values())
            return _Verdict("failed", code, self._redact(told), "SourceFailed", summary)
        return _Verdict("ok", ExitCode.DONE, "", "", summary)

    def _would_commit(self, before: datetime, verdict: _Verdict) -> datetime:
        """The watermark after this run: moved only where everything up to its start has been loaded."""
        request = self._request
        complete = (
            verdict.status == "ok"
            and not request.dry_run
            and request.replay is None
            and request.until is None
            and (request.since is None or request.since <= before)
            and (request.overlap is None or request.overlap >= self._settings.overlap)
            and (not request.sources or set(request.sources) >= set(self._settings.sources))
        )
        return max(before, after(self._started)) if complete else before

    def _result(self, verdict: _Verdict, *, before: datetime, standing: datetime) -> Result:
        summary = verdict.summary
        asked = self._parameters(before)
        since = None if self._request.replay else str(asked["watermark"])
        return Result(
            run_id=self._run_id,
            status=verdict.status,
            window=summary.get("window") or {"since": since, "until": str(asked["until"]) or None},
            watermark={"before": clock.to_text(before), "after": clock.to_text(standing)},
            counts=summary.get("counts") or dict.fromkeys(COUNTED, 0),
            sources=summary.get("sources") or {},
            closed=shape.number(summary.get("closed")),
            reopened=shape.number(summary.get("reopened")),
            notes=source_notes.bounded(summary.get("notes"), clean=self._redact),
            notebook=self._output,
            seconds=round(time.monotonic() - self._clock, 3),
            dry_run=self._request.dry_run,
            replay=str(self._request.replay or ""),
            error=verdict.error,
            exit_code=verdict.exit_code,
        )

    def _append(self, event: str, **what: Any) -> None:
        facts = {"notebook": self._relative(self._output), **what}
        if self._request.replay:
            facts["replay"] = str(self._request.replay)
        self._ledger.append(event, at=clock.now(), run_id=self._run_id, facts=facts)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._settings.runs).as_posix()


def _is_summary(found: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a scrap has those parts of a summary that this module counts with."""
    match found:
        case {"counts": dict(counts), "sources": dict(sources), "failures": dict(failures)}:
            told = all(_has(one, COUNTED, int) for one in (counts, *sources.values()))
            return told and all(_has(one, ("error", "message"), str) for one in failures.values())
    return False


def _has(found: Any, names: Iterable[str], kind: type) -> bool:
    return isinstance(found, dict) and all(isinstance(found.get(name), kind) for name in names)


def _problem_of(summary: Any, *, run_id: str, replay: str) -> str:
    """Why a notebook that ran through is not believed; empty: it is.

    Args:
        summary: What it glued.
        run_id: The run.
        replay: What it was to replay; empty: nothing, it was to ask the sources.
    """
    if not summary:
        return "The notebook ended without gluing its summary, so nothing is known of what it did."
    if not _is_summary(summary):
        return "What the notebook glued as its summary is none: counts, sources or failures are missing in it."
    if summary.get("run_id") != run_id:
        return f"The notebook's summary is that of {summary.get('run_id')!r}, not of this run."
    if replay and summary.get("replay") != replay:
        return "The notebook did not replay: it does not pass its parameter `replay` to open_run."
    for name, one in [*summary["sources"].items(), ("total", summary["counts"])]:
        if one["extracted"] != math.fsum(one[column] for column in COUNTED[1:]):
            return f"The notebook's sum for {name} is off: {one}."
    return ""


def _headline(result: Result) -> str:
    counts = ", ".join(f"{result.counts[name]} {name}" for name in COUNTED)
    moved = result.watermark["before"] != result.watermark["after"]
    watermark = f"The watermark {'moved to' if moved else 'stays at'} {result.watermark['after']}."
    dry = " Dry run: nothing was written to MongoDB." if result.dry_run else ""
    error = f" {result.error}" if result.error else ""
    missions = f"{result.closed} closed, {result.reopened} reopened."
    return f"{_SAYS[result.status]} in {result.seconds:.1f} s: {counts}; {missions}{dry}{error} {watermark}"


def _end_facts(result: Result, verdict: _Verdict, *, notebook: str, digest: str) -> dict[str, Any]:
    told = {name: value for name, value in result.as_dict().items() if name not in {"run_id", "notebook", "replay"}}
    more = {name: verdict.summary.get(name, {}) for name in ("failures", "reject_reasons", "oddities")}
    return {
        **told,
        **more,
        "error_name": verdict.error_name,
        "notebook": notebook,
        "notebook_sha256": digest,
    }
