"""The log lines of a run: its start, the result of each source, its end."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import structlog

from futurscam_lib.extract import source_notes
from futurscam_lib.records import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from nbformat import NotebookNode

    from futurscam_lib.runner.result import Result
    from futurscam_lib.runner.verdict import RunVerdict

_log = structlog.get_logger()

RETRY: Final = "stamina.retry_scheduled"
_MOST: Final = 50


def log_start(facts: Mapping[str, Any], *, run_id: str, notebook: Path) -> None:
    """Log that a run begins.

    Args:
        facts: Those of the ledger's start entry.
        run_id: The run.
        notebook: Where the executed notebook will be.
    """
    asked = facts["parameters"]
    _log.info(
        "run started",
        run_id=run_id,
        watermark=asked["watermark"],
        until=asked["until"] or None,
        overlap_minutes=asked["overlap_minutes"],
        sources=asked["sources"],
        dry_run=asked["dry_run"],
        **({"replay": asked["replay"]} if "replay" in asked else {}),
    )
    _log.debug("run is of", started_by=facts["started_by"], pid=facts["pid"], notebook=str(notebook))
    _log.debug("versions", python=facts["python"], platform=facts["platform"], git_commit=facts["git_commit"])
    _log.debug("packages", **facts["packages"])


def log_retries(notebook: NotebookNode) -> None:
    """Log the retries that the kernel printed into the cells of an executed notebook."""
    retries = (line for cell in notebook.cells for line in _printed(cell) if RETRY in line)
    for line in islice(retries, _MOST):
        _log.warning("retry in the notebook", said=" ".join(line.split()))
    if left := sum(1 for _ in retries):
        _log.warning("more retries in the notebook", number=left)


def log_end(result: Result, verdict: RunVerdict) -> None:
    """Log how a run ended, source by source."""
    details = verdict.summary
    failures = details.get("failures", {})
    for name, counts in result.sources.items():
        _log.info("source", name=name, **_columns(counts))
    for note in source_notes.each(result.notes):
        log_note = _log.warning if note.warning else _log.info
        log_note("note", source=note.source, text=note.text, printed=True)
    for reason, number in _items(details.get("reject_reasons")):
        _log.info("rejects", reason=reason, number=number)
    for what, number in _items(details.get("oddities")):
        _log.debug("unknown value", what=what, number=number)
    for name, failure in failures.items():
        _log.error("source failed", name=name, kind=failure["error"], error=failure["message"], printed=True)
    if result.error and not failures:
        _log.error("run failed", kind=verdict.error_name, error=result.error, printed=True)
    log_result = _log.info if result.status == "ok" else _log.error
    log_result(
        "run ended",
        run_id=result.run_id,
        status=result.status,
        exit_code=int(result.exit_code),
        seconds=result.seconds,
        **_columns(result.counts),
        closed=result.closed,
        reopened=result.reopened,
        notebook=str(result.notebook),
    )


def _columns(counts: Mapping[str, int]) -> dict[str, int]:
    return {column: counts.get(column, 0) for column in COUNTED}


def _items(glued: Any) -> Iterable[tuple[str, Any]]:
    """Return the items of a value that a notebook glued, which may be anything."""
    return glued.items() if isinstance(glued, Mapping) else ()


def _printed(cell: NotebookNode) -> Iterator[str]:
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield from output.text.splitlines()
