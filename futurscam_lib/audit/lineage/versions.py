"""The payloads of one mission: the outcome of each, and the versions of the document that they made.

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
        stood: Whether this was once the current version of the document.
        moved: Whether it only moved the version of the document forward.
        at_landing: Whether its first outcome was overwritten when it was processed again; `at` is then when it was
            landed.
        at_first: Whether this is the first load of the payload; another version of the same payload has `again`.
        again: Whether this is a later remake of the document from the same payload.
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
        mission: The mission.
        settings: Of the sources, which a mapping may depend on.
        now: The present instant, aware; the mapping rejects later instants.
    """
    outcomes = {outcome["_id"]: outcome for outcome in [*_of_document(mission), *mission.outcomes]}
    made = {
        version.landed.raw_id: version for version in _transformed(collections, outcomes, settings=settings, now=now)
    }
    return [made.get(raw_id) or _version(LandedPayload(raw_id), outcome) for raw_id, outcome in outcomes.items()]


def mark(payloads: Sequence[Version], *, completed: Collection[str], instants: Mapping[str, datetime]) -> list[Version]:
    """Add when each payload was processed, and whether the document was this version.

    Args:
        payloads: The payloads of one mission.
        completed: Runs that ended well, and so processed all payloads that they landed.
        instants: When runs started.

    Returns:
        The payloads in order of version, rejects first.
    """
    in_order = [_dated(version, completed, instants) for version in sorted(payloads, key=lambda version: version.key)]
    marked: list[Version] = []
    last: Version | None = None
    for number, version in enumerate(in_order):
        stood = _stood(version, last, in_order[number + 1 :])
        same = last is not None and last.key.content_hash == version.key.content_hash
        marked.append(replace(version, stood=stood, moved=stood and same))
        last = version if stood else last
    return marked


def _dated(version: Version, completed: Collection[str], instants: Mapping[str, datetime]) -> Version:
    again = version.run_id != version.landed.run_id and version.landed.run_id in completed
    if again and version.result not in _WRITTEN:
        return replace(version, at=version.landed.at, at_landing=True)
    return replace(version, at=instants.get(version.run_id))


def _stood(version: Version, last: Version | None, later: Sequence[Version]) -> bool:
    """Whether this was once the current version of the document; compares it with earlier and later versions."""
    if version.result in _WRITTEN:
        return True
    if version.result == "stale":
        # The document was newer when the payload was processed again. The first outcome is unknown; in order with the
        # other payloads it shows at least the changes of its source.
        return version.at_landing
    if version.result in {"rejected", "dropped"} or any(_before(other, version) for other in later):
        return False
    # `unchanged`, but no version before has the same content: either another payload of its chunk has it, or a run
    # wrote it and was interrupted before it recorded the outcome.
    same = last is not None and last.key.content_hash == version.key.content_hash
    return same or version.at_landing or all(other.key.content_hash != version.key.content_hash for other in later)


def _before(version: Version, other: Version) -> bool:
    return version.at is not None and other.at is not None and version.at < other.at


def _of_document(mission: MissionTrace) -> Iterator[dict[str, Any]]:
    """The payload that the document names as its origin, in case no outcome names it."""
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
        version = _version(about, outcomes[raw.raw_id])
        seen_at = landed["landed_at"] if version.result == "rejected" else now
        made = transform(raw, seen_at=seen_at, settings=settings)
        if isinstance(made, Reject):
            yield replace(version, reason=made.reason)
        else:
            document, reason = _as_stored(raw, made, seen_at=seen_at)
            yield replace(version, made=document, reason=reason)


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
    """Split each version that was remade into two: the first load and the remake.

    Args:
        payloads: The payloads of one mission, marked, in order of version.
        mission: The data of the mission in MongoDB.
        completed: Runs that ended well, and so processed all payloads that they landed.
        runs: The runs in the story.
        folder: Folder of the executed notebooks.

    Returns:
        All versions. Older ones get the fields as an earlier mapping made them, as far as a notebook lists them.
    """
    runs_by_id = {run.run_id: run for run in runs}
    rejected = {entry["raw_id"] for entry in mission.rejects}
    parts: list[Version] = []
    for version in payloads:
        is_first = not any(other.stood for other in parts)
        inserted = is_first and mission.etl.get("first_run_id") == version.landed.run_id
        loaded_before = inserted or version.landed.run_id in completed
        if not _is_later(version) or not loaded_before or version.landed.raw_id in rejected:
            parts.append(version)
            continue
        listed = _listed(runs_by_id.get(version.run_id), folder, mission.job_id)
        first = replace(
            version,
            run_id=version.landed.run_id,
            result="inserted" if inserted else LOADED,
            # The version of that mapping is not kept; 0 sorts it before later versions of the same payload.
            key=VersionKey(version.key.instant, 0, version.key.content_hash),
            at=version.landed.at,
            at_first=True,
        )
        parts = [_as_before(other, version, listed) for other in (*parts, first)]
        parts.append(replace(version, again=True, moved=False, listed=bool(listed)))
    return parts


def _is_later(version: Version) -> bool:
    """Whether the document was written by a later run than the run that landed the payload."""
    return version.result == "updated" and version.stood and version.landed.run_id not in {"", version.run_id}


def _listed(run: InvolvedRun | None, folder: Path, job_id: str) -> list[Mapping[str, Any]]:
    """The changed fields of the mission in the notebook of a run; empty if the notebook was changed."""
    if run is None or run.notebook_state != _NOTEBOOK_NEEDED:
        return []
    seen = check_notebook(folder, run.notebook, "", pruned=False)
    match executed.scraps_in(seen.data or b"").get("changes"):
        case {"listed": [*listed]}:
            return list(_changes_of(listed, job_id))
    return []


def _changes_of(listed: Sequence[Any], job_id: str) -> Iterator[Mapping[str, Any]]:
    for change in listed:
        match change:
            case {"job_id": str(job), "field": str(), "before": before, "after": after} if job == job_id:
                if Change(job, "", "", change["field"], before, after).is_visible:
                    yield change


def _as_before(version: Version, remade: Version, listed: Sequence[Mapping[str, Any]]) -> Version:
    """A version with its fields as they were before the remake, where both have the same current value."""
    if not version.made or not remade.made:
        return version
    content = deepcopy(version.made)
    for change in listed:
        *path, last = change["field"].split(".")
        here, today = _inside(content, path), _inside(remade.made, path)
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
    """A value from the notebook; text of an instant is converted back to an instant."""
    if not isinstance(like, datetime) or not isinstance(shown, str):
        return shown
    kept = _KEPT_AS.fullmatch(shown)
    try:
        return clock.parse(f"{kept[1]}T{kept[2]}:00Z" if kept else shown)
    except ValueError:
        return shown
