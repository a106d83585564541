"""Findings for the reviewer: problems with a run, its notebook or the ledger."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import orjson

from futurscam_lib import clock
from futurscam_lib.audit.history import OTHER_NOTEBOOK, UNFINISHED
from futurscam_lib.extract import source_notes
from futurscam_lib.report.scraps import MEDIA_TYPE
from futurscam_lib.report.text import instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.audit.history import History, RunRecord
    from futurscam_lib.audit.period import Period

_SUMMARY: Final = "summary"
_ALL: Final = "All problems, line by line: futurscam runs verify"
"""A review reports only the first wrong line."""

_SAME: Final = ("counts", "sources", "closed", "reopened", "dry_run")
_LATER: Final = {"reopened": 0}
"""Fields that summaries of earlier versions lack, with their default."""
_SHOWN: Final = 12
_NUMBERS: Final = re.compile(r"\d[\d,.]*")
_SAYS: Final[Mapping[str, tuple[str, str]]] = {
    "changed": (
        "notebook changed",
        (
            "{run.notebook} was changed after the run: its SHA-256 begins with {sha256}, "
            "the ledger (line {run.end_line}) says {run.notebook_sha256:.12}."
        ),
    ),
    "missing": ("notebook missing", "The ledger names {run.notebook}, which does not exist."),
    "none": ("notebook not kept", "The run could not keep a notebook."),
    "unproven": ("notebook not kept", "The ledger holds no hash of {run.notebook}, so nothing proves its content."),
    "elsewhere": ("notebook elsewhere", "{seen.problem}"),
    "unreadable": ("notebook unreadable", "{run.notebook} cannot be read ({seen.problem})."),
}
"""For each state of a notebook that is a finding: the word for it, and a sentence."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a review.

    Attributes:
        what: Its kind: `ledger changed`, `notebook torn`, `failed`, `missing hours`...
        at: When it happened, or when its run started; None if unknown.
        text: A sentence or two for a person.
        run: The run that it is about; None if it is not about one run.
        serious: Whether something is wrong with the audit log itself, not only with one run.
    """

    what: str
    at: datetime | None
    text: str
    run: RunRecord | None = None
    serious: bool = False


def of_ledger(period: Period) -> Iterator[Finding]:
    """Problems with the ledger itself."""
    for fault in period.faults:
        yield Finding("ledger changed", None, f"{fault} {_ALL}", serious=True)
    for entry in period.others:
        if entry.event == "healed" and clock.parse(entry.at) >= period.since:
            text = f"Line {entry.seq}: a line that a kill or a power cut had torn was cut off; its text is kept there."
            yield Finding("ledger healed", clock.parse(entry.at), text)


def of_run(run: RunRecord) -> Iterator[Finding]:
    """Why a run failed or has not ended."""
    if run.status == UNFINISHED:
        text = "It has not ended: it is active, or it was killed and no later run has marked it as crashed yet."
        yield Finding(UNFINISHED, run.started, text, run)
    elif run.status != "ok":
        lost = "It was killed, or the machine stopped." if run.status == "crashed" else "The reason is unknown."
        what = f"dry run {run.status}" if run.dry_run else run.status
        yield Finding(what, run.started, run.error or lost, run)


def of_code(runs: Sequence[RunRecord]) -> Iterator[Finding]:
    """Runs of another notebook than the shipped one, or of uncommitted code: one finding per notebook and per commit.

    Args:
        runs: Newest first.
    """
    used: dict[tuple[str, str], list[RunRecord]] = {}
    for run in runs:
        for mark in run.code_marks:
            used.setdefault((mark, run.source_sha256 if mark == OTHER_NOTEBOOK else run.git_commit), []).append(run)
    for (mark, version), times in used.items():
        many = (
            "This run"
            if len(times) == 1
            else f"{len(times):,} runs, the first at {instant(times[-1].started, to='minutes')},"
        )
        what = (
            f"executed another notebook than the shipped one: its SHA-256 begins with {version[:_SHOWN]}."
            if mark == OTHER_NOTEBOOK
            else f"used code that is not committed: it differs from commit {version[:_SHOWN] or 'unknown'}."
        )
        yield Finding(mark, times[0].started, f"{many} {what}", times[0])


def of_warnings(runs: Sequence[RunRecord]) -> Iterator[Finding]:
    """Warnings of the sources: one finding per warning; warnings that differ only in numbers count as the same.

    Args:
        runs: Newest first.
    """
    warned: dict[tuple[str, str], list[tuple[RunRecord, str]]] = {}
    for run in runs:
        for note in source_notes.each(run.notes):
            if note.warning:
                warned.setdefault((note.source, _NUMBERS.sub("0", note.text)), []).append((run, note.text))
    for (source, _), times in warned.items():
        newest, text = times[0]
        again = f" {len(times):,} runs report this, the first at {instant(times[-1][0].started, to='minutes')}."
        yield Finding("source warning", newest.started, f"{source}: {text}{again if len(times) > 1 else ''}", newest)


def of_notebook(history: History, run: RunRecord) -> Iterator[Finding]:
    """Problems with the notebook of a run; they are reported as findings, never raised."""
    if run.pruned or run.status == UNFINISHED:
        return
    seen = history.look(run)
    what, text = _SAYS.get(seen.state, ("", ""))
    text = text.format(run=run, seen=seen, sha256=seen.sha256[:_SHOWN])
    contradicting = ""
    if seen.data is not None:
        try:
            contradicting = "; ".join(_contradictions(summary_in(seen.data), run))
        except ValueError as error:
            # One finding, not two: a torn notebook was also changed.
            subject = f"{text} It" if text else run.notebook
            what, text = "notebook torn", f"{subject} cannot be read as a notebook: {error}."
    if what:
        yield Finding(what, run.started, text, run, serious=seen.state != "none")
    if contradicting:
        yield Finding("notebook contradicts", run.started, f"{contradicting}.", run, serious=True)


def summary_in(data: bytes) -> Mapping[str, Any] | None:
    """The summary in an executed notebook, read through scrapbook; None if it has no summary.

    Raises:
        ValueError: It is not a notebook; the message is a clause with the reason.
    """
    # Slow to import, without types, and only needed for a review.
    nbformat: Any = import_module("nbformat")
    scrapbook: Any = import_module("scrapbook.models")
    try:
        whole = orjson.loads(data)
        # scrapbook checks each scrap against a schema, which takes longer than reading the file; so only the summary.
        cells = [{"outputs": [output]} for cell in whole["cells"] for output in _summaries(cell)]
        scrap = scrapbook.Notebook(nbformat.from_dict({**whole, "cells": cells})).scraps.get(_SUMMARY)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error})") from error
    except Exception as error:
        # scrapbook and jsonschema raise many different errors for a torn file; all mean the same here.
        raise ValueError("it is JSON, but not as notebooks hold it") from error
    return None if scrap is None else scrap.data


def _summaries(cell: Mapping[str, Any]) -> Sequence[Any]:
    outputs = cell.get("outputs") or ()
    return [output for output in outputs if output.get("data", {}).get(MEDIA_TYPE, {}).get("name") == _SUMMARY]


def _contradictions(summary: Mapping[str, Any] | None, run: RunRecord) -> Iterator[str]:
    """Where the summary contradicts the ledger."""
    if summary is None:
        if run.status == "ok":
            yield "The ledger says ok, but the notebook holds no summary"
        return
    if not isinstance(summary, dict):
        yield "The notebook's summary has the wrong form"
        return
    if summary.get("run_id") != run.run_id:
        yield f"The notebook's summary is that of {summary.get('run_id')!r:.60}"
    if not run.counts:
        return
    for name in _SAME:
        in_notebook, in_ledger = summary.get(name, _LATER.get(name)), getattr(run, name)
        if in_notebook != in_ledger:
            yield f"The notebook says {name} {_short(in_notebook)}, the ledger {_short(in_ledger)}"


def _short(value: Any) -> str:
    if isinstance(value, dict) and all(isinstance(number, int) for number in value.values()):
        return ", ".join(f"{number} {name}" for name, number in value.items())
    return f"{value!r:.200}"
