"""The payloads of one mission: what became of each, which versions of the document they made, and when.

A later run can make a document again from a payload that an earlier run had loaded: a replay, or a newer mapping. The
first outcome is overwritten then. `_etl`, the ledger and the notebook of the later run still show that the payload was
loaded before, and what changed.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import bson
from bson.codec_options import CodecOptions

from futurscam_lib import clock
from futurscam_lib.audit import executed
from futurscam_lib.audit.lineage.story import LandedPayload
from futurscam_lib.audit.runs_folder import check_notebook
from futurscam_lib.errors import Rejected
from futurscam_lib.load.entry import Change, Entry
from futurscam_lib.records import RawRecord, Reject
from futurscam_lib.rfp import VersionKey
from futurscam_lib.transform import transform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from futurscam_lib.audit.lineage.mission import MissionTrace
    from futurscam_lib.audit.lineage.story import InvolvedRun
    from futurscam_lib.load.collections import Collections
    from futurscam_lib.rfp import Rfp
    from futurscam_lib.settings.sources import SourceSettings

UNSETTLED: Final = "unsettled"
_WRITTEN: Final = {"inserted", "updated", UNSETTLED}


@dataclass(frozen=True, slots=True)
class Version:
    """One payload of the mission.

    Attributes:
        landed: The payload.
        run_id: The run that processed it last.
        result: Its outcome in that run, or `unsettled`.
        key: Its version, as it was loaded; empty for a reject.
        made: The document that the current mapping makes, with `_etl`; None if it rejects the payload, or the payload
            is not kept.
        reason: Why the current mapping rejects it.
        at: When it was processed: the start of that run; None if unknown.
        stood: Whether the document once was this version.
        moved: Whether it only moved the version of the document forward.
        at_landing: Whether its first outcome was overwritten when it was processed again; `at` is then when it was
            landed.
        at_first: Whether this is how it was loaded at first; another version of the same payload has `again`.
        again: Whether this is how its document was made again later.
        listed: Only with `again`: whether the notebook of the run lists which fields changed.
    """

    landed: LandedPayload
    run_id: str
    result: str
    key: VersionKey
    made: dict[str, Any] | None = field(default=None, repr=False)
    reason: str = ""
    at: datetime | None = None
    stood: bool = False
    moved: bool = False
    at_landing: bool = False
    at_first: bool = False
    again: bool = False
    listed: bool = False

    @property
    def as_loaded(self) -> bool:
        """Whether the current mapping makes the content that was loaded."""
        return self.made_hash == self.key.content_hash

    @property
    def made_hash(self) -> str:
        """Content hash of what the current mapping makes; empty if it rejects the payload."""
        return str(self.made["_etl"]["content_hash"]) if self.made else ""


def versions(
    collections: Collections, mission: MissionTrace, *, settings: SourceSettings, now: datetime
) -> list[Version]:
    """Each payload of the mission that was processed, once.

    Args:
        collections: Where they are.
        mission: What is known of the mission.
        settings: Of the sources, which a mapping may depend on.
        now: The present instant, aware; the mapping rejects what lies after it.
    """
    outcomes = {outcome["_id"]: outcome for outcome in [*_of_document(mission), *mission.outcomes]}
    made = {one.landed.raw_id: one for one in _transformed(collections, outcomes, settings=settings, now=now)}
    return [made.get(raw_id) or _version(LandedPayload(raw_id), outcome) for raw_id, outcome in outcomes.items()]


def mark(payloads: Sequence[Version], *, completed: Collection[str], instants: Mapping[str, datetime]) -> list[Version]:
    """Add when each payload was processed, and whether the document was this version.

    Args:
        payloads: Those of one mission.
        completed: Runs that ended well, so that they processed all that they landed.
        instants: When runs started.

    Returns:
        The same in order of version, rejects first.
    """
    in_order = [_dated(one, completed, instants) for one in sorted(payloads, key=lambda one: one.key)]
    marked: list[Version] = []
    last: Version | None = None
    for number, one in enumerate(in_order):
        stood = _stood(one, last, in_order[number + 1 :])
        same = last is not None and last.key.content_hash == one.key.content_hash
        marked.append(replace(one, stood=stood, moved=stood and same))
        last = one if stood else last
    return marked


def _dated(one: Version, completed: Collection[str], instants: Mapping[str, datetime]) -> Version:
    again = one.run_id != one.landed.run_id and one.landed.run_id in completed
    if again and one.result not in _WRITTEN:
        return replace(one, at=one.landed.at, at_landing=True)
    return replace(one, at=instants.get(one.run_id))


def _stood(one: Version, last: Version | None, later: Sequence[Version]) -> bool:
    """Whether the document was this version, judging by the version before and the later ones."""
    if one.result in _WRITTEN:
        return True
    if one.result == "stale":
        # The document was newer when it was dealt with again. What it was at first, nothing tells; with the others in
        # order it shows at least what its source changed.
        return one.at_landing
    if one.result in {"rejected", "dropped"} or any(_before(other, one) for other in later):
        return False
    # `unchanged` after nothing that is the same: either another payload of its chunk was, or it was written by a run
    # that was interrupted before it could tell.
    same = last is not None and last.key.content_hash == one.key.content_hash
    return same or one.at_landing or all(other.key.content_hash != one.key.content_hash for other in later)


def _before(one: Version, other: Version) -> bool:
    return one.at is not None and other.at is not None and one.at < other.at


def _of_document(mission: MissionTrace) -> Iterator[dict[str, Any]]:
    """The payload that the document says it was made from, in case no outcome names it."""
    etl = mission.etl
    if etl:
        yield {
            "_id": etl["raw_id"],
            "run_id": etl["run_id"],
            "result": UNSETTLED,
            "transform_version": etl["transform_version"],
            "version": etl["version"],
        }


def _transformed(
    collections: Collections, outcomes: dict[str, dict[str, Any]], *, settings: SourceSettings, now: datetime
) -> Iterator[Version]:
    for landed in collections.raw.find({"_id": {"$in": list(outcomes)}}):
        raw = RawRecord.from_document(landed)
        about = LandedPayload(
            raw_id=raw.raw_id,
            source=raw.source,
            origin=raw.origin,
            source_instant=raw.instant,
            line=raw.line,
            column=raw.column,
            size=raw.size,
            run_id=landed["run_id"],
            at=landed["landed_at"],
        )
        one = _version(about, outcomes[raw.raw_id])
        seen_at = landed["landed_at"] if one.result == "rejected" else now
        made = transform(raw, seen_at=seen_at, settings=settings)
        if isinstance(made, Reject):
            yield replace(one, reason=made.reason)
        else:
            document, reason = _as_stored(raw, made, seen_at=seen_at)
            yield replace(one, made=document, reason=reason)


def _as_stored(raw: RawRecord, made: Rfp, *, seen_at: datetime) -> tuple[dict[str, Any] | None, str]:
    """The document as MongoDB gives it back, whose instants have milliseconds."""
    try:
        entry = Entry.of(made, raw, run_id="", seen_at=seen_at)
    except Rejected as error:
        return None, error.message
    return bson.decode(entry.encoded, CodecOptions(tz_aware=True)), ""


def _version(landed: LandedPayload, outcome: dict[str, Any]) -> Version:
    instant, _, content_hash = (outcome.get("version") or "").partition("#")
    key = VersionKey(instant, outcome["transform_version"], content_hash)
    return Version(landed, outcome["run_id"], outcome["result"], key)


LOADED: Final = "loaded"
_KEPT_AS: Final = re.compile(r".*, kept as (\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC", re.ASCII)
_NOTEBOOK_NEEDED: Final = "verifies"


def split_remade(
    payloads: Sequence[Version],
    mission: MissionTrace,
    *,
    completed: Collection[str],
    runs: Sequence[InvolvedRun],
    folder: Path,
) -> list[Version]:
    """Replace a version that was made again by two: how it was loaded at first, and how it was made again.

    Args:
        payloads: Those of one mission, marked, in order of version.
        mission: What MongoDB holds of it.
        completed: Runs that ended well, so that they dealt with all that they landed.
        runs: What is known of the runs.
        folder: Folder of the executed notebooks.

    Returns:
        All versions. Older ones get the fields as an earlier mapping made them, as far as a notebook lists them.
    """
    standing = {run.run_id: run for run in runs}
    rejected = {entry["raw_id"] for entry in mission.rejects}
    parts: list[Version] = []
    for one in payloads:
        is_first = not any(other.stood for other in parts)
        inserted = is_first and mission.etl.get("first_run_id") == one.landed.run_id
        loaded_before = inserted or one.landed.run_id in completed
        if not _is_later(one) or not loaded_before or one.landed.raw_id in rejected:
            parts.append(one)
            continue
        listed = _listed(standing.get(one.run_id), folder, mission.job_id)
        first = replace(
            one,
            run_id=one.landed.run_id,
            result="inserted" if inserted else LOADED,
            # Which mapping made it then is not kept; 0 sorts it before what was made later of the same payload.
            key=VersionKey(one.key.instant, 0, one.key.content_hash),
            at=one.landed.at,
            at_first=True,
        )
        parts = [_as_before(other, one, listed) for other in (*parts, first)]
        parts.append(replace(one, again=True, moved=False, listed=bool(listed)))
    return parts


def _is_later(one: Version) -> bool:
    """Whether a later run than the one that landed it wrote the document."""
    return one.result == "updated" and one.stood and one.landed.run_id not in {"", one.run_id}


def _listed(run: InvolvedRun | None, folder: Path, job_id: str) -> list[Mapping[str, Any]]:
    """The changed fields of the mission in the notebook of a run; none if the notebook was changed."""
    if run is None or run.notebook_state != _NOTEBOOK_NEEDED:
        return []
    seen = check_notebook(folder, run.notebook, "", pruned=False)
    match executed.scraps_in(seen.data or b"").get("changes"):
        case {"listed": [*listed]}:
            return list(_changes_of(listed, job_id))
    return []


def _changes_of(listed: Sequence[Any], job_id: str) -> Iterator[Mapping[str, Any]]:
    for one in listed:
        match one:
            case {"job_id": str(job), "field": str(), "before": before, "after": after} if job == job_id:
                if Change(job, "", "", one["field"], before, after).is_visible:
                    yield one


def _as_before(version: Version, one: Version, listed: Sequence[Mapping[str, Any]]) -> Version:
    """A version with the fields as they were before `one` was made again, where both have the same current value."""
    if not version.made or not one.made:
        return version
    content = deepcopy(version.made)
    for change in listed:
        *path, last = change["field"].split(".")
        here, today = _inside(content, path), _inside(one.made, path)
        if last in here and last in today and here[last] == today[last] and _fits(change["after"], today[last]):
            here[last] = _value(change["before"], like=today[last])
    return replace(version, made=content)


def _inside(content: Any, path: Sequence[str]) -> dict[str, Any]:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def _fits(after: Any, today: Any) -> bool:
    """Whether a mission that had ended keeps an `isActive` that is not what the mapping makes."""
    return not isinstance(today, bool) or after == today


def _value(shown: Any, *, like: Any) -> Any:
    """A value as the notebook shows it; an instant again where it is text of one."""
    if not isinstance(like, datetime) or not isinstance(shown, str):
        return shown
    kept = _KEPT_AS.fullmatch(shown)
    try:
        return clock.parse(f"{kept[1]}T{kept[2]}:00Z" if kept else shown)
    except ValueError:
        return shown
