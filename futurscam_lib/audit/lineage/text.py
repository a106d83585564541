"""The story of a mission for people, one line after the other; text from outside steers no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.audit.lineage.steps import MEANINGS
from futurscam_lib.report.reports import with_days
from futurscam_lib.report.tables import as_text
from futurscam_lib.report.text import instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from futurscam_lib.audit.lineage.story import FieldChange, Landed, Standing, Step, Story

_SHORT: Final = 12
"""So many digits of a raw_id tell it from all others, and `futurscam raw` takes them."""

_LONGEST: Final = 80
_NOTE: Final = 1000
_RESULTS: Final = {
    "inserted": "inserted: the document was made",
    "updated": "updated",
    "unchanged": "unchanged: nothing new, under a version that is no newer",
    "stale": "stale: older than the version that was there",
    "rejected": "rejected",
    "unsettled": "loaded",
    "loaded": "loaded",
}
_MOVED: Final = "unchanged: the same content under a newer version, which moved forward"
_STATES: Final = {
    "document": "as it stands now",
    "foreign": "as it stands now",
    "removed": "now there is no document",
    "rejected": "it never became a document",
}
_KINDS: Final = {
    "closed": "closed: {result}",
    "reopened": "opened again: its source shows it as open",
    "again": "made again under version {version} of the mapping",
}
_NOTEBOOKS: Final = {
    "verifies": "its notebook verifies",
    "changed": "its notebook is NOT what it was when the run ended",
    "missing": "its notebook is MISSING",
    "pruned": "its notebook was removed because of its age",
    "unreadable": "its notebook cannot be read",
    "unproven": "the ledger holds no hash of its notebook",
    "elsewhere": "the ledger puts its notebook where no run does",
    "none": "it left no notebook",
    "": "it left no notebook",
}


def lines(story: Story) -> Iterator[str]:
    """All of it, as a terminal shows it."""
    runs = {run.run_id: run for run in story.runs}
    yield from _headline(story, runs)
    for number, step in enumerate(story.steps, start=1):
        yield ""
        yield f"{number}. {f'{_when(step.at)} ' if step.at else ''}{_title(step)}"
        yield from (f"   {line}" for line in _about(step, runs))
    for note in story.notes:
        yield ""
        yield as_text(note, longest=_NOTE)


def _headline(story: Story, runs: Mapping[str, Standing]) -> Iterator[str]:
    document = story.document or {}
    name = document.get("reference") or story.job_id or story.asked
    job = f"  (job_id {as_text(story.job_id)})" if story.job_id and story.job_id != name else ""
    yield f"{as_text(name)}  {as_text(document.get('roleTitle'))}".rstrip() + job
    if story.state == "document":
        etl = document["_etl"]
        own = etl.get("source_id")
        told = f" ({as_text(own)} there)" if own not in (story.job_id, document.get("reference")) else ""
        yield f"{'Active' if document.get('isActive') else 'Not active'}, from {as_text(etl.get('source'))}{told}."
        yield f"First seen {_when(story.first_seen_at)}by {_run(story.first_run_id, runs)}."


def _title(step: Step) -> str:
    if step.kind == "now":
        return _STATES[step.result]
    if step.kind != "payload":
        return _KINDS[step.kind].format(result=as_text(step.result), version=step.transform_version)
    if step.again_run_id:
        return f"dealt with, and once more later: then {as_text(step.result)}"
    if step.result == "unchanged" and step.changes:
        return "loaded, by a run that was interrupted before it wrote that down"
    return _MOVED if step.moved and step.result == "unchanged" else _RESULTS.get(step.result, as_text(step.result))


def _about(step: Step, runs: Mapping[str, Standing]) -> Iterator[str]:
    if step.landed:
        yield from _payload(step.landed, step)
    if step.run_id:
        yield f"run      {_run(step.run_id, runs)}"
    if step.again_run_id:
        yield f"again    {_when(step.again_at)}by {_run(step.again_run_id, runs)}"
    if step.landed and step.landed.run_id not in {"", step.run_id}:
        yield f"landed   {_when(step.landed.at)}by {_run(step.landed.run_id, runs)}"
    if step.result != "inserted":
        yield from (f"field    {_change(change)}" for change in step.changes)
    for note in step.notes:
        yield f"note     {as_text(note, longest=_NOTE)}"


def _payload(landed: Landed, step: Step) -> Iterator[str]:
    if landed.source:
        line = f", line {landed.line}" if landed.line else ""
        yield f"from     {as_text(landed.source)}: {as_text(landed.origin, longest=_NOTE)}{line}"
    size = f" ({landed.size:,} bytes)" if landed.source else ""
    yield f"payload  {as_text(landed.raw_id[:_SHORT])}{size}"
    if step.version:
        yield f"version  {as_text(step.version)}"


def _run(run_id: str, runs: Mapping[str, Standing]) -> str:
    name, run = as_text(run_id), runs.get(run_id)
    if run is None or run.by_hand:
        return f"{name}, by hand: no ledger tells such a run"
    if not run.known:
        return f"{name}: the ledger of this home does NOT know it; `futurscam runs verify` looks for more"
    numbers = ", ".join(str(number) for number in run.lines)
    problem = f"; {as_text(run.problem, longest=_NOTE)}" if run.problem else ""
    status = as_text(run.status) or "status unknown"
    if status == "unfinished":
        return f"{name}: {status}, ledger lines {numbers}{problem}"
    state = _NOTEBOOKS[run.notebook_state]
    if status == "crashed" and run.notebook_state == "verifies":
        state = "its notebook is what was found after the crash"
    return f"{name}: {status}, ledger lines {numbers}; {state}{problem}"


def _change(change: FieldChange) -> str:
    before, after = map(_shown, with_days(change.field, change.before, change.after))
    if before == after:
        before, after = _length(change.before), _length(change.after)
    why = f"  ({MEANINGS[change.why]})" if change.why else ""
    return f"{as_text(change.field)}: {before} -> {after}{why}"


def _shown(value: Any) -> str:
    return as_text(value, longest=_LONGEST) or "nothing"


def _length(value: Any) -> str:
    """The length of a long value, to show next to another one; a missing value is `nothing`."""
    if value is None:
        return "nothing"
    return f"{len(value):,} entries" if isinstance(value, list) else f"{len(str(value)):,} characters"


def _when(at: datetime | None) -> str:
    return f"{instant(at)} " if at else ""
