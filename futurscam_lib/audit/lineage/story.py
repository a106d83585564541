"""The story of one mission, which `futurscam why` prints: as data for `--json`, and as text for people."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from futurscam_lib import clock
from futurscam_lib.report.loaded import with_days
from futurscam_lib.report.tables import as_text
from futurscam_lib.report.text import instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Kind = Literal["payload", "again", "closed", "reopened", "now"]
State = Literal["document", "removed", "rejected", "foreign"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One changed field.

    Attributes:
        field: Its name, dotted: `conditions.dailyRate.max`.
        before, after: Its values; None if it did not or does not exist.
        why: In the last step only, why MongoDB has `after`: a key of `MEANINGS`.
    """

    field: str
    before: Any
    after: Any
    why: str = ""


@dataclass(frozen=True, slots=True)
class LandedPayload:
    """One payload as it was landed.

    Attributes:
        raw_id: `futurscam raw` prints it.
        source: Where it came from; empty if the payload is no longer kept, like everything below.
        origin: Where in the source it was first seen: the file, the mail and its attachment, the opportunity. Other
            places with the same bytes are not recorded.
        source_instant: The instant by which the source orders it.
        line, column, size: In its file, and in bytes.
        run_id, at: Which run landed it, and when that run started.
    """

    raw_id: str
    source: str = ""
    origin: str = ""
    source_instant: datetime | None = None
    line: int = 0
    column: int = 0
    size: int = 0
    run_id: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step in the story of the mission.

    Attributes:
        kind: `payload`: one payload was processed; `again`: its document was made again from it later, by a newer
            mapping or other settings; `closed`: the mission became inactive; `reopened`: its source showed it as open
            again; `now`: the current state.
        at: When: the start of the run, aware, UTC; None if unknown.
        run_id: The run; empty if unknown.
        result: Of a payload: `inserted`, `updated`, `unchanged`, `stale`, `rejected`, or `unsettled` (it is in the
            document, but its outcome is not recorded) or `loaded` (its exact outcome is not kept). Of a closing, its
            reason.
        moved: Whether an unchanged payload moved the version of the document forward.
        version: The instant of the version, as the source says it.
        transform_version: Version of the mapping that processed it; 0 if none did, or if that is not kept.
        landed: The payload.
        changes: Its changes to the document: all changes applied in order to an empty document give the current one,
            except for fields that are null.
        again_run_id, again_at: The run that processed a payload again, if `result` is that of this later run and the
            first outcome was overwritten.
        notes: Other remarks, a sentence each.
    """

    kind: Kind
    at: datetime | None = None
    run_id: str = ""
    result: str = ""
    moved: bool = False
    version: str = ""
    transform_version: int = 0
    landed: LandedPayload | None = None
    changes: Sequence[FieldChange] = ()
    again_run_id: str = ""
    again_at: datetime | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class InvolvedRun:
    """One run in the story.

    Attributes:
        run_id: Its name.
        by_hand: Whether an analyst loaded it, which the ledger does not record.
        known: Whether the ledger knows it.
        status: From the ledger; `unfinished` if it has no end.
        started: When, from the ledger.
        started_by: Who and where.
        lines: Its lines in the ledger.
        notebook: The executed notebook, relative to the folder of the runs; empty if unknown.
        notebook_state: See `runs_folder.NotebookState`; empty if the run has no end.
        problem: A problem with its lines in the ledger, each checked on its own; empty if there is none.
    """

    run_id: str
    by_hand: bool = False
    known: bool = False
    status: str = ""
    started: datetime | None = None
    started_by: str = ""
    lines: Sequence[int] = ()
    notebook: str = ""
    notebook_state: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """The story of one mission.

    Attributes:
        asked: The name that the user gave.
        state: `document`; `removed`: it was loaded and later removed from MongoDB by hand; `rejected`: it never became
            a document; `foreign`: another program wrote the document.
        job_id: Its key; empty if only a reject without a job_id is known.
        first_run_id, first_seen_at: Which run inserted the document, and when.
        steps: In order of time; the last one is the current state.
        document: As MongoDB has it, without `_id`; None if there is none.
        rejects: Its entries in the quarantine, as MongoDB has them.
        runs: All runs in the story.
        notes: Other remarks, a sentence each.
    """

    asked: str
    state: State
    job_id: str = ""
    first_run_id: str = ""
    first_seen_at: datetime | None = None
    steps: Sequence[StoryStep] = ()
    document: dict[str, Any] | None = None
    rejects: Sequence[dict[str, Any]] = ()
    runs: Sequence[InvolvedRun] = ()
    notes: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON; instants are ISO 8601, UTC."""
        content: dict[str, Any] = plain(asdict(self))
        return content


def plain(value: Any) -> Any:
    """Convert a MongoDB value for JSON; types that JSON does not have become text."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return clock.to_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


ENRICHED: Final = "enriched"
REOPENED: Final = "reopened"
EDITED: Final = "edited"
MAPPING: Final = "mapping"

MEANINGS: Final = {
    ENRICHED: "filled in by enrichment; new versions of the mission keep it",
    REOPENED: "true again, because the source shows the mission as open",
    EDITED: "changed in MongoDB by something other than a run; the next version of the mission overwrites it",
    MAPPING: "made by an earlier mapping or earlier settings, or edited; the current ones give another value",
}

_SHORT: Final = 12
"""How many digits of a raw_id are shown; enough to be unique, and accepted by `futurscam raw`."""

_LONGEST: Final = 80
_NOTE: Final = 1000
_RESULTS: Final = {
    "inserted": "inserted: the document was made",
    "updated": "updated",
    "unchanged": "unchanged: nothing new, under a version that is no newer",
    "stale": "stale: older than the version that was loaded",
    "rejected": "rejected",
    "dropped": "dropped: a cell of the notebook left it out",
    "unsettled": "loaded",
    "loaded": "loaded",
}
_MOVED: Final = "unchanged: the same content under a newer version, which moved forward"
_STATES: Final = {
    "document": "the document now",
    "foreign": "the document now",
    "removed": "there is no document now",
    "rejected": "it never became a document",
}
_KINDS: Final = {
    "closed": "closed: {result}",
    "reopened": "opened again: its source shows it as open",
    "again": "made again under version {version} of the mapping",
}
_NOTEBOOKS: Final = {
    "verifies": "its notebook verifies",
    "changed": "its notebook was CHANGED after the run",
    "missing": "its notebook is MISSING",
    "pruned": "its notebook was removed because of its age",
    "unreadable": "its notebook cannot be read",
    "unproven": "the ledger has no hash of its notebook",
    "elsewhere": "the ledger names a place outside runs/ for its notebook",
    "none": "it left no notebook",
    "": "it left no notebook",
}


def text_of(story: Story) -> Iterator[str]:
    """The whole story as lines for a terminal; text from outside cannot control it."""
    runs = {run.run_id: run for run in story.runs}
    yield from _headline(story, runs)
    for number, step in enumerate(story.steps, start=1):
        yield ""
        yield f"{number}. {f'{_when(step.at)} ' if step.at else ''}{_title(step)}"
        yield from (f"   {line}" for line in _about(step, runs))
    for note in story.notes:
        yield ""
        yield as_text(note, longest=_NOTE)


def _headline(story: Story, runs: Mapping[str, InvolvedRun]) -> Iterator[str]:
    document = story.document or {}
    name = document.get("reference") or story.job_id or story.asked
    job = f"  (job_id {as_text(story.job_id)})" if story.job_id and story.job_id != name else ""
    yield f"{as_text(name)}  {as_text(document.get('roleTitle'))}".rstrip() + job
    if story.state == "document":
        etl = document["_etl"]
        own = etl.get("source_id")
        there = f" ({as_text(own)} there)" if own not in (story.job_id, document.get("reference")) else ""
        yield f"{'Active' if document.get('isActive') else 'Not active'}, from {as_text(etl.get('source'))}{there}."
        yield f"First seen {_when(story.first_seen_at)}by {_run(story.first_run_id, runs)}."


def _title(step: StoryStep) -> str:
    if step.kind == "now":
        return _STATES[step.result]
    if step.kind != "payload":
        return _KINDS[step.kind].format(result=as_text(step.result), version=step.transform_version)
    if step.again_run_id:
        return f"processed, and processed again later: then {as_text(step.result)}"
    if step.result == "unchanged" and step.changes:
        return "loaded, by a run that was interrupted before it recorded that"
    return _MOVED if step.moved and step.result == "unchanged" else _RESULTS.get(step.result, as_text(step.result))


def _about(step: StoryStep, runs: Mapping[str, InvolvedRun]) -> Iterator[str]:
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


def _payload(landed: LandedPayload, step: StoryStep) -> Iterator[str]:
    if landed.source:
        line = f", line {landed.line}" if landed.line else ""
        yield f"from     {as_text(landed.source)}: {as_text(landed.origin, longest=_NOTE)}{line}"
    size = f" ({landed.size:,} bytes)" if landed.source else ""
    yield f"payload  {as_text(landed.raw_id[:_SHORT])}{size}"
    if step.version:
        yield f"version  {as_text(step.version)}"


def _run(run_id: str, runs: Mapping[str, InvolvedRun]) -> str:
    name, run = as_text(run_id), runs.get(run_id)
    if run is None or run.by_hand:
        return f"{name}, by hand: the ledger does not record such runs"
    if not run.known:
        return f"{name}: the ledger of this home does NOT know it; `futurscam runs verify` checks the whole ledger"
    numbers = ", ".join(str(number) for number in run.lines)
    problem = f"; {as_text(run.problem, longest=_NOTE)}" if run.problem else ""
    status = as_text(run.status) or "status unknown"
    if status == "unfinished":
        return f"{name}: {status}, ledger lines {numbers}{problem}"
    state = _NOTEBOOKS[run.notebook_state]
    if status == "crashed" and run.notebook_state == "verifies":
        state = "its notebook is unchanged since the crash was found"
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
    """The length of a long value, for a comparison; a missing value is `nothing`."""
    if value is None:
        return "nothing"
    return f"{len(value):,} entries" if isinstance(value, list) else f"{len(str(value)):,} characters"


def _when(at: datetime | None) -> str:
    return f"{instant(at)} " if at else ""
