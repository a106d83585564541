"""The payloads of one mission, what became of each, and which of them the document once was."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import bson
from bson.codec_options import CodecOptions

from futurscam_lib.audit.lineage.story import Landed
from futurscam_lib.errors import Rejected
from futurscam_lib.load.entry import Entry
from futurscam_lib.records import RawRecord, Reject
from futurscam_lib.rfp import VersionKey
from futurscam_lib.transform import transform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.audit.lineage.find import Found
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
        run_id: The run that dealt with it last.
        result: What became of it then, or `unsettled`.
        key: Its version, as it was loaded; empty for a reject.
        made: What today's mapping makes of it, with `_etl`; None where that is nothing, or the payload is not kept.
        reason: Why today's mapping makes nothing of it.
        at: When that was: the start of that run; None where nothing tells.
        stood: Whether the document once was this version.
        moved: Whether it only moved the version of the document forward.
        at_landing: Whether what became of it at first was written over when it was dealt with again; `at` is then when
            it was landed.
        at_first: Whether this is how it was loaded at first; `again` is another one of the same payload.
        again: Whether this is how its document was made again later.
        listed: Of that: whether the notebook of the run shows which fields changed.
    """

    landed: Landed
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
        """Whether today's mapping makes the content that was loaded."""
        return self.made_hash == self.key.content_hash

    @property
    def made_hash(self) -> str:
        """Content hash of what today's mapping makes of it; empty where that is nothing."""
        return str(self.made["_etl"]["content_hash"]) if self.made else ""


def versions(collections: Collections, found: Found, *, settings: SourceSettings, now: datetime) -> list[Version]:
    """Each payload that was dealt with for the mission, once.

    Args:
        collections: Where they are.
        found: What is known of the mission.
        settings: Those of the sources, which a mapping may depend on.
        now: The present instant, aware; nothing that was loaded may be called in the future by it.
    """
    outcomes = {outcome["_id"]: outcome for outcome in [*_of_document(found), *found.outcomes]}
    made = {one.landed.raw_id: one for one in _transformed(collections, outcomes, settings=settings, now=now)}
    return [made.get(raw_id) or _version(Landed(raw_id), outcome) for raw_id, outcome in outcomes.items()]


def mark(payloads: Sequence[Version], *, completed: Collection[str], instants: Mapping[str, datetime]) -> list[Version]:
    """Tell of each payload when it was dealt with, and whether the document was this version.

    Args:
        payloads: Those of one mission.
        completed: Runs that ended well, so that they dealt with all that they landed.
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
    """Whether the document was this version, from the one that it was before and the later ones."""
    if one.result in _WRITTEN:
        return True
    if one.result == "stale":
        # The document was newer when it was dealt with again. What it was at first, nothing tells; with the others in
        # order it shows at least what its source changed.
        return one.at_landing
    if one.result == "rejected" or any(_before(other, one) for other in later):
        return False
    # `unchanged` after nothing that is the same: either another payload of its chunk was, or it was written by a run
    # that was interrupted before it could tell.
    same = last is not None and last.key.content_hash == one.key.content_hash
    return same or one.at_landing or all(other.key.content_hash != one.key.content_hash for other in later)


def _before(one: Version, other: Version) -> bool:
    return one.at is not None and other.at is not None and one.at < other.at


def _of_document(found: Found) -> Iterator[dict[str, Any]]:
    """The payload that the document says it was made from, should nothing else tell of it."""
    etl = found.etl
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
        about = Landed(
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


def _version(landed: Landed, outcome: dict[str, Any]) -> Version:
    instant, _, content_hash = (outcome.get("version") or "").partition("#")
    key = VersionKey(instant, outcome["transform_version"], content_hash)
    return Version(landed, outcome["run_id"], outcome["result"], key)
