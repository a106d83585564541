"""How a run ended, judged from its execution and from the summary that its notebook glued."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from futurscam_lib.errors import ExitCode, exit_code_of
from futurscam_lib.records import COUNTED, with_all_counts
from futurscam_lib.report import scraps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from futurscam_lib.runner.engine import Execution


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """How a run ended.

    Attributes:
        status: `ok`, `failed` or `timed out`.
        exit_code: What the process ends with.
        error: Why it failed, redacted; empty: it did not.
        error_name: Class name of the error, or `UntrueSummary`, `SourceFailed`; empty when ok.
        summary: The notebook's summary; empty if it has the wrong form.
    """

    status: str
    exit_code: ExitCode
    error: str = ""
    error_name: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)


def judge(execution: Execution, *, run_id: str, replay: str, redact: Callable[[str], str]) -> RunVerdict:
    """Judge a run: by its execution first, then by its summary if that is consistent.

    Args:
        execution: The executed notebook.
        run_id: The run.
        replay: What it had to replay; empty: nothing.
        redact: Removes secrets from a text.
    """
    glued = scraps.read(execution.notebook).get("summary")
    summary = glued if _is_summary(glued) else {}
    if summary:
        sources = {name: with_all_counts(counts) for name, counts in summary["sources"].items()}
        summary = {**summary, "counts": with_all_counts(summary["counts"]), "sources": sources}
    if execution.status != "ok":
        code = exit_code_of(execution.error_name) if execution.status == "failed" else ExitCode.FAILED
        return RunVerdict(execution.status, code, execution.error, execution.error_name, summary)
    if problem := problem_of(glued, run_id=run_id, replay=replay):
        return RunVerdict("failed", ExitCode.FAILED, problem, "UntrueSummary", summary)
    if failures := summary["failures"]:
        error = " ".join(f"{name}: {failure['message']}" for name, failure in failures.items())
        code = max(exit_code_of(failure["error"]) for failure in failures.values())
        return RunVerdict("failed", code, redact(error), "SourceFailed", summary)
    return RunVerdict("ok", ExitCode.DONE, summary=summary)


def problem_of(summary: Any, *, run_id: str, replay: str) -> str:
    """Return why the summary of a notebook that ran to its end cannot be believed; empty: it can.

    Args:
        summary: What the notebook glued.
        run_id: The run.
        replay: What it had to replay; empty: nothing, it had to ask the sources.
    """
    if not summary:
        return (
            "The notebook ended without gluing its summary, so nothing is known of what it did: it must call "
            "run.reconcile() and then glue run.summary()."
        )
    if not _is_summary(summary):
        return "The notebook's summary has the wrong form: counts, sources or failures are missing in it."
    if summary.get("run_id") != run_id:
        return f"The notebook's summary is that of {summary.get('run_id')!r}, not of this run."
    if replay and summary.get("replay") != replay:
        return "The notebook did not replay: it does not pass its parameter `replay` to open_run."
    for name, counts in [*summary["sources"].items(), ("total", summary["counts"])]:
        if counts["extracted"] != math.fsum(counts.get(column, 0) for column in COUNTED[1:]):
            return f"The notebook's sum for {name} is off: {counts}."
    return ""


def _is_summary(glued: Any) -> TypeGuard[dict[str, Any]]:
    """Return whether a scrap has the parts of a summary that this package needs."""
    match glued:
        case {"counts": dict(counts), "sources": dict(sources), "failures": dict(failures)}:
            # Summaries of earlier versions have no `dropped`.
            complete = all(_has(each, COUNTED[:-1], int) for each in (counts, *sources.values()))
            return complete and all(_has(each, ("error", "message"), str) for each in failures.values())
    return False


def _has(value: Any, names: Iterable[str], kind: type) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), kind) for name in names)
