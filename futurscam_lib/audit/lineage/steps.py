"""The steps of a mission's story in order of time, each with its changes to the document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.lineage.story import EDITED, ENRICHED, MAPPING, REOPENED, FieldChange, StoryStep
from futurscam_lib.audit.lineage.versions import UNSETTLED
from futurscam_lib.load.quarantine import dismissal
from futurscam_lib.load.upsert import differences
from futurscam_lib.transform import version_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.audit.lineage.mission import MissionTrace
    from futurscam_lib.audit.lineage.story import State
    from futurscam_lib.audit.lineage.versions import Version

_KEPT_ONLY_IN_OUTCOMES: Final = "The payload is no longer in RFP_raw, so its content is not known."
_UNSETTLED: Final = (
    "The document says that it was made from this payload, but the outcome of the payload is not recorded: its run was "
    "interrupted, or another run has processed it since."
)
_CLOSING_NOT_KEPT: Final = (
    "A run had closed it before. When, by which run and why is not known: the document keeps only its last closing or "
    "reopening."
)
_FACTS: Final = {"job_id": None, "reference": None, "roleTitle": None}
"""Fields that `differences` needs; they may have been removed from the document."""


def steps_of(
    mission: MissionTrace, payloads: Sequence[Version], *, state: State, instants: Mapping[str, datetime]
) -> tuple[StoryStep, ...]:
    """All steps in order of time; the last one is the current state.

    Args:
        mission: Its data in MongoDB.
        payloads: Its payloads, after `mark`.
        state: Its current state.
        instants: When runs started, by run_id.
    """
    content: dict[str, Any] = {}
    made: list[StoryStep] = []
    ended: dict[str, bool] = {}
    for item in _in_time(payloads, list(_ends(mission))):
        if isinstance(item, StoryStep):
            step, ended = item, {"isActive": item.kind == "reopened"}
            if step.kind == "reopened" and content.get("isActive") is True:
                step = replace(step, notes=(_CLOSING_NOT_KEPT,))
            after = {**content, **ended} if content else content
        else:
            # Later loads keep the mission closed or reopened.
            after, step = _content(item, content), _payload_step(item, mission, instants)
            after = {**after, **ended} if after else after
        made.append(replace(step, changes=_changes(content, after)))
        content = after
    return (*made, _now_step(mission, payloads, content, state))


def _ends(mission: MissionTrace) -> Iterator[StoryStep]:
    if closed := mission.closed:
        yield StoryStep("closed", at=closed["at"], run_id=closed["run_id"], result=closed["reason"])
    if reopened := mission.reopened:
        yield StoryStep("reopened", at=reopened["at"], run_id=reopened["run_id"])


def _in_time(payloads: Sequence[Version], ends: Sequence[StoryStep]) -> list[Version | StoryStep]:
    """Versions of the document in order of version (of time, unless runs overlapped), the other steps between them."""
    at = clock.EARLIEST
    placed: list[tuple[datetime, int, Any, str, Version | StoryStep]] = []
    for payload in sorted(payloads, key=lambda payload: (not payload.stood, payload.key)):
        own = payload.at or payload.landed.at or at
        at = max(at, own) if payload.stood else at
        placed.append(
            (at if payload.stood else own, 0 if payload.stood else 1, payload.key, payload.landed.raw_id, payload)
        )
    placed += [(end.at, 2, (), "", end) for end in ends if end.at]
    return [step for *_, step in sorted(placed, key=lambda place: place[:4])]


def _content(version: Version, before: dict[str, Any]) -> dict[str, Any]:
    """The document after this payload; a payload that only moved its version leaves a closed document closed."""
    return version.made if version.stood and not version.moved and version.made else before


def _changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[FieldChange, ...]:
    changes = differences(before, {**_FACTS, **after})
    return tuple(FieldChange(difference.field, difference.before, difference.after) for difference in changes)


def _payload_step(payload: Version, mission: MissionTrace, instants: Mapping[str, datetime]) -> StoryStep:
    return StoryStep(
        "again" if payload.again else "payload",
        at=payload.at,
        run_id=payload.landed.run_id if payload.at_landing else payload.run_id,
        result=payload.result,
        moved=payload.moved,
        version=payload.key.instant,
        transform_version=payload.key.transform_version,
        landed=payload.landed,
        again_run_id=payload.run_id if payload.at_landing else "",
        again_at=instants.get(payload.run_id) if payload.at_landing else None,
        notes=tuple(_notes_on(payload, mission)),
    )


def _notes_on(version: Version, mission: MissionTrace) -> Iterator[str]:
    entry = next((entry for entry in mission.rejects if entry["raw_id"] == version.landed.raw_id), None)
    if version.result == "rejected":
        yield _refusal(entry) if entry else version.reason
    elif entry:
        yield f"It was rejected before: {_refusal(entry)}"
    if version.result == UNSETTLED:
        yield _UNSETTLED
    if not version.landed.source:
        yield _KEPT_ONLY_IN_OUTCOMES
        return
    if version.at_first:
        yield (
            "Its document was made again later, which overwrote the first outcome of the payload. "
            "Which version of the mapping loaded it is not known."
        )
        return
    if version.again and not version.listed:
        yield "The notebook of that run lists no changed field of this mission, so what changed is not known."
    today = version_for(version.landed.source)
    if version.key.transform_version != today:
        yield f"Version {version.key.transform_version} of the mapping processed it; the current one is {today}."
    if version.result != "rejected" and version.reason:
        yield f"The current mapping rejects it: {version.reason}"
    elif version.result != "rejected" and not version.as_loaded:
        yield (
            "The current mapping and settings give another document than was loaded; the changes shown are those of "
            "the current one."
        )


def _refusal(entry: Mapping[str, Any]) -> str:
    named = not entry["path"] or entry["path"] in entry["reason"]
    reason: str = entry["reason"]
    return reason if named else f"{reason} ({entry['path']})"


def _now_step(mission: MissionTrace, payloads: Sequence[Version], content: dict[str, Any], state: State) -> StoryStep:
    if not mission.document:
        return StoryStep("now", result=state, notes=tuple(_notes_without(mission, state)))
    last = max((payload for payload in payloads if payload.stood), key=lambda payload: payload.key, default=None)
    current = {name: value for name, value in mission.document.items() if name != "_id"}  # No mapping makes an `_id`.
    explained = [replace(change, why=_why(change, mission, last)) for change in _changes(content, current)]
    return StoryStep("now", result=state, changes=tuple(explained), notes=tuple(_notes_now(state, last, explained)))


def _why(change: FieldChange, mission: MissionTrace, last: Version | None) -> str:
    if change.field == "RFP_type" and change.before is None:
        return ENRICHED
    if last is None or not last.made:
        return ""
    if not last.as_loaded:
        return MAPPING
    opened = change.field == "isActive" and change.before is False and change.after is True
    return REOPENED if opened and not mission.closed else EDITED


def _notes_now(state: State, last: Version | None, changes: Sequence[FieldChange]) -> Iterator[str]:
    if state == "foreign":
        yield "Another program wrote this document: it has no `_etl` of ours, so its origin is not known."
    elif last is None or not last.made:
        yield "The payload that it was made from can no longer be transformed, so its fields cannot be checked."
    elif not changes:
        yield "It is exactly what these steps made."
    if any(change.why == MAPPING for change in changes):
        yield "`futurscam run --since INSTANT` reads it again, and a newer version of the mapping then rebuilds it."


def _notes_without(mission: MissionTrace, state: State) -> Iterator[str]:
    if state == "removed":
        yield (
            "It was loaded, but is no longer in RFP. Runs never delete documents: somebody removed it. "
            "`futurscam run --since INSTANT` loads it again where its source still shows it."
        )
    for entry in mission.rejects:
        yield f"{entry['_id']} is {entry['state']} in the quarantine: {_refusal(entry)}"
        yield f"Rejected {entry['attempts']} time(s): {_when_rejected(entry)}."
        if dismissed := dismissal(entry):
            yield f"Dismissed by hand (UTC): {dismissed}"
        if entry.get("resolved_run_id"):
            yield (
                f"A later item from the same place was loaded on {clock.to_people(entry['resolved_at'])} by "
                f"{entry['resolved_run_id']}."
            )


def _when_rejected(entry: Mapping[str, Any]) -> str:
    last = f"on {clock.to_people(entry['at'])} by {entry['run_id']}"
    if entry["run_id"] == entry["first_run_id"]:
        return last
    return f"first on {clock.to_people(entry['first_at'])} by {entry['first_run_id']}, last {last}"
