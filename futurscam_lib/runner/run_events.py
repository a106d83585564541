"""What the log says of a run: its start, what became of each source, its end."""

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

_log = structlog.get_logger()

RETRY: Final = "stamina.retry_scheduled"
_MOST: Final = 50


def started(told: Mapping[str, Any], *, run_id: str, notebook: Path) -> None:
    """The run begins.

    Args:
        told: The facts of its start, as the ledger has them.
        run_id: Its name.
        notebook: Where the executed notebook will be.
    """
    asked = told["parameters"]
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
    _log.debug("run is of", started_by=told["started_by"], pid=told["pid"], notebook=str(notebook))
    _log.debug("versions", python=told["python"], platform=told["platform"], git_commit=told["git_commit"])
    _log.debug("packages", **told["packages"])


def executed(notebook: NotebookNode) -> None:
    """The retries of which the notebook's own process told; its cells hold them."""
    said = (line for cell in notebook.cells for line in _printed(cell) if RETRY in line)
    for line in islice(said, _MOST):
        _log.warning("retry in the notebook", said=" ".join(line.split()))
    if left := sum(1 for _ in said):
        _log.warning("more retries in the notebook", number=left)


def ended(told: Mapping[str, Any], *, run_id: str, notebook: Path) -> None:
    """The run is over.

    Args:
        told: The facts of its end, as the ledger has them.
        run_id: Its name.
        notebook: The executed notebook.
    """
    for name, counts in told["sources"].items():
        _log.info("source", name=name, **_columns(counts))
    for note in source_notes.each(told["notes"]):
        report = _log.warning if note.warning else _log.info
        report("note", source=note.source, text=note.text, printed=True)
    for reason, number in _items(told["reject_reasons"]):
        _log.info("rejects", reason=reason, number=number)
    for what, number in _items(told["oddities"]):
        _log.debug("unknown value", what=what, number=number)
    for name, failure in told["failures"].items():
        _log.error("source failed", name=name, kind=failure["error"], error=failure["message"], printed=True)
    if told["error"] and not told["failures"]:
        _log.error("run failed", kind=told["error_name"], error=told["error"], printed=True)
    tell = _log.info if told["status"] == "ok" else _log.error
    tell(
        "run ended",
        run_id=run_id,
        status=told["status"],
        exit_code=told["exit_code"],
        seconds=told["seconds"],
        **_columns(told["counts"]),
        closed=told["closed"],
        reopened=told["reopened"],
        notebook=str(notebook),
    )


def _columns(counts: Mapping[str, int]) -> dict[str, int]:
    return {column: counts[column] for column in COUNTED}


def _items(found: Any) -> Iterable[tuple[str, Any]]:
    """The pairs of what a notebook glued, which may be anything."""
    return found.items() if isinstance(found, Mapping) else ()


def _printed(cell: NotebookNode) -> Iterator[str]:
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield from output.text.splitlines()
