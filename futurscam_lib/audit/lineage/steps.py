"""What happened to a mission, step by step, each with what it changed in the document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.lineage.story import FieldChange, Step
from futurscam_lib.audit.lineage.versions import UNSETTLED
from futurscam_lib.load.quarantine import dismissal
from futurscam_lib.load.upsert import differences
from futurscam_lib.transform import version_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.audit.lineage.find import Found
    from futurscam_lib.audit.lineage.story import State
    from futurscam_lib.audit.lineage.versions import Version

ENRICHED: Final = "enriched"
REOPENED: Final = "reopened"
EDITED: Final = "edited"
MAPPING: Final = "mapping"

MEANINGS: Final = {
    ENRICHED: "filled in by enrichment; new versions of the mission keep it",
    REOPENED: "true again, because the source shows the mission as open",
    EDITED: "changed in MongoDB by something other than a run; the next version of the mission writes over it",
    MAPPING: "not what today's mapping and settings make of the payload, but what those did that loaded it, or an edit",
}
_KEPT_ONLY_IN_OUTCOMES: Final = "The payload is no longer in RFP_raw, so what it held is not known."
_UNSETTLED: Final = (
    "The document says that it was made from this payload, but what became of it is not written down: its run was "
    "interrupted, or another run has dealt with it since."
)
_CLOSING_NOT_KEPT: Final = (
    "A run had closed it before. When, by which run and why is not known: the document keeps only its last change of "
    "this kind."
)
_FACTS: Final = {"job_id": None, "reference": None, "roleTitle": None}
"""What `differences` asks of a document, which somebody may have edited."""


def told(
    found: Found, payloads: Sequence[Version], *, state: State, instants: Mapping[str, datetime]
) -> tuple[Step, ...]:
    """All steps in order of time; the last one says how the mission stands.

    Args:
        found: What MongoDB holds of it.
        payloads: Its payloads, marked.
        state: How it stands.
        instants: When runs started.
    """
    content: dict[str, Any] = {}
    made: list[Step] = []
    ended: dict[str, bool] = {}
    for one in _in_time(payloads, list(_ends(found))):
        if isinstance(one, Step):
            step, ended = one, {"isActive": one.kind == "reopened"}
            if step.kind == "reopened" and content.get("isActive") is True:
                step = replace(step, notes=(_CLOSING_NOT_KEPT,))
            after = {**content, **ended} if content else content
        else:
            # The document still says how it ended, so what was loaded since then kept that.
            after, step = _content(one, content), _payload_step(one, found, instants)
            after = {**after, **ended} if after else after
        made.append(replace(step, changes=_changes(content, after)))
        content = after
    return (*made, _now_step(found, payloads, content, state))


def _ends(found: Found) -> Iterator[Step]:
    if closed := found.closed:
        yield Step("closed", at=closed["at"], run_id=closed["run_id"], result=closed["reason"])
    if reopened := found.reopened:
        yield Step("reopened", at=reopened["at"], run_id=reopened["run_id"])


def _in_time(payloads: Sequence[Version], ends: Sequence[Step]) -> list[Version | Step]:
    """What the document was in order of version, which is that of time but where runs crossed; the rest in between."""
    at = clock.EARLIEST
    placed: list[tuple[datetime, int, Any, str, Version | Step]] = []
    for one in sorted(payloads, key=lambda one: (not one.stood, one.key)):
        own = one.at or one.landed.at or at
        at = max(at, own) if one.stood else at
        placed.append((at if one.stood else own, 0 if one.stood else 1, one.key, one.landed.raw_id, one))
    placed += [(end.at, 2, (), "", end) for end in ends if end.at]
    return [one for *_, one in sorted(placed, key=lambda place: place[:4])]


def _content(one: Version, before: dict[str, Any]) -> dict[str, Any]:
    """The document after this payload; one that only moved its version leaves it closed where it was closed."""
    return one.made if one.stood and not one.moved and one.made else before


def _changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[FieldChange, ...]:
    found = differences(before, {**_FACTS, **after})
    return tuple(FieldChange(one.field, one.before, one.after) for one in found)


def _payload_step(one: Version, found: Found, instants: Mapping[str, datetime]) -> Step:
    return Step(
        "again" if one.again else "payload",
        at=one.at,
        run_id=one.landed.run_id if one.at_landing else one.run_id,
        result=one.result,
        moved=one.moved,
        version=one.key.instant,
        transform_version=one.key.transform_version,
        landed=one.landed,
        again_run_id=one.run_id if one.at_landing else "",
        again_at=instants.get(one.run_id) if one.at_landing else None,
        notes=tuple(_notes_on(one, found)),
    )


def _notes_on(one: Version, found: Found) -> Iterator[str]:
    entry = next((entry for entry in found.rejects if entry["raw_id"] == one.landed.raw_id), None)
    if one.result == "rejected":
        yield _refusal(entry) if entry else one.reason
    elif entry:
        yield f"It was rejected before: {_refusal(entry)}"
    if one.result == UNSETTLED:
        yield _UNSETTLED
    if not one.landed.source:
        yield _KEPT_ONLY_IN_OUTCOMES
        return
    if one.at_first:
        yield (
            "Its document was made again later, and what became of the payload at first was written over. "
            "Which version of the mapping loaded it is not known."
        )
        return
    if one.again and not one.listed:
        yield "The notebook of that run shows no changed field of this mission, so what changed is not known."
    today = version_for(one.landed.source)
    if one.key.transform_version != today:
        yield f"Version {one.key.transform_version} of the mapping dealt with it; today's is {today}."
    if one.result != "rejected" and one.reason:
        yield f"Today's mapping makes nothing of it: {one.reason}"
    elif one.result != "rejected" and not one.as_loaded:
        yield "Today's mapping and settings make something else of it than was loaded; the changes told are today's."


def _refusal(entry: Mapping[str, Any]) -> str:
    named = not entry["path"] or entry["path"] in entry["reason"]
    reason: str = entry["reason"]
    return reason if named else f"{reason} ({entry['path']})"


def _now_step(found: Found, payloads: Sequence[Version], content: dict[str, Any], state: State) -> Step:
    if not found.document:
        return Step("now", result=state, notes=tuple(_notes_without(found, state)))
    last = max((one for one in payloads if one.stood), key=lambda one: one.key, default=None)
    stands = {name: value for name, value in found.document.items() if name != "_id"}  # No mapping makes an `_id`.
    whys = [replace(one, why=_why(one, found, last)) for one in _changes(content, stands)]
    return Step("now", result=state, changes=tuple(whys), notes=tuple(_notes_now(state, last, whys)))


def _why(change: FieldChange, found: Found, last: Version | None) -> str:
    if change.field == "RFP_type" and change.before is None:
        return ENRICHED
    if last is None or not last.made:
        return ""
    if not last.as_loaded:
        return MAPPING
    opened = change.field == "isActive" and change.before is False and change.after is True
    return REOPENED if opened and not found.closed else EDITED


def _notes_now(state: State, last: Version | None, changes: Sequence[FieldChange]) -> Iterator[str]:
    if state == "foreign":
        yield "Another program wrote this document: it has no `_etl` of ours, so nothing tells where it came from."
    elif last is None or not last.made:
        yield "The payload that it was made from cannot be made into a document again, so nothing checks its fields."
    elif not changes:
        yield "It is just what these steps made of it."
    if any(change.why == MAPPING for change in changes):
        yield "`futurscam run --since INSTANT` reads it again, and a newer version of the mapping then makes it anew."


def _notes_without(found: Found, state: State) -> Iterator[str]:
    if state == "removed":
        yield (
            "It was loaded, and RFP holds it no more. A run never deletes: somebody removed it. "
            "`futurscam run --since INSTANT` loads it again where its source still shows it."
        )
    for entry in found.rejects:
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
