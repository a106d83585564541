"""Missions that have ended: `isActive` becomes false, nothing is ever deleted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import WriteError

from futurscam_lib.load import refusals
from futurscam_lib.load.foreseen import Ahead, Foreseen

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from datetime import datetime

    from futurscam_lib.load.collections import Collections, Documents

AT_SOURCE: Final = "at source"
"""How the reason ends where the source told, and not the deadline: `closed at source`, `deleted at source`."""

ENDS: Final = ("closed", "reopened")
"""What `_etl` says of what happened to a mission after its version: `at`, `run_id`, and of a closed one `reason`."""

_NO_OBJECT: Final = {"_etl": {"$exists": True, "$not": {"$type": "object"}}}
_LIST: Final = {"_etl": {"$type": "array"}}
_WITHOUT_ETL: Final = {"$or": [_NO_OBJECT, _LIST]}
"""Documents of other programs in whose `_etl` nothing can be written."""

_NO_DATE: Final = {"isActive": True, "deadlineAt": {"$exists": True, "$not": {"$type": ["date", "null"]}}}

_KNOWN: Final = dict.fromkeys(("job_id", "isActive", "deadlineAt", "_etl.source", "_etl.source_id", "_etl.version"), 1)
"""Fields of which `Ahead` is made, and the version."""


def close_past_deadline(
    collections: Collections, *, run_id: str, now: datetime, dry_run: bool, foreseen: Foreseen | None = None
) -> int:
    """Close the open missions whose deadline has passed.

    `content_hash` stays what the source said, so that reading the same version again changes nothing; a newer version
    replaces the document and opens the mission again if its deadline lies ahead.

    Args:
        collections: Where.
        run_id: Who closes.
        now: Which deadlines have passed; aware, UTC.
        dry_run: Whether only to count.
        foreseen: In a dry run, what the steps before would have written.

    Returns:
        How many were closed; with `dry_run` how many would be.
    """
    past = _past(now)
    if dry_run:
        would_be = foreseen or Foreseen()
        return would_be.count(collections.rfps, past, lambda one: one.active and not _is_ahead(one, now))
    closing = _closing(run_id, now, "deadline")
    closed = _update_all(collections.rfps, {**past, "$nor": [_WITHOUT_ETL]}, closing)
    return closed + _update_all(collections.rfps, {**past, **_WITHOUT_ETL}, {"$set": {"isActive": False}})


def notes(collections: Collections, *, now: datetime, dry_run: bool) -> list[str]:
    """What keeps missions from ending by their deadline, a sentence each.

    Args:
        collections: Where.
        now: Which deadlines have passed; aware, UTC.
        dry_run: Whether those were left as they are anyway.
    """
    undated = count_undated(collections)
    said = [undated_note(undated)] if undated else []
    if not dry_run and (stuck := collections.rfps.count_documents(_past(now))):
        said.append(
            f"{stuck:,} mission(s) stay active although their deadline has passed: a validator or an index of "
            f"{collections.rfps.name} that is not this software's refuses to have them closed."
        )
    return said


def count_undated(collections: Collections) -> int:
    """How many active missions have a `deadlineAt` that is neither a date nor null; another program wrote it."""
    return collections.rfps.count_documents(_NO_DATE)


def undated_note(number: int) -> str:
    """What that means."""
    return (
        f"{number:,} active mission(s) have a deadlineAt that is no date (a text, for example), so no run closes them. "
        "Another program wrote it; have it write a date."
    )


def kept_ending(old: Mapping[str, Any], new: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """What a mission keeps of its ending where a newer mapping makes its document again from the same version.

    Args:
        old: The document as it is.
        new: As the mapping makes it.
        now: Whether the new deadline has passed; aware, UTC.

    Returns:
        `isActive`, and the entry of `_etl` that says why; empty where nothing happened since, or where the mission was
        closed by a deadline that the new mapping understands as a later one.
    """
    closed, reopened = (old["_etl"].get(name) for name in ENDS)
    match closed:
        case {"reason": str(reason)} if old.get("isActive") is False:
            if reason.endswith(AT_SOURCE) or not _is_ahead(Ahead.of(new), now):
                return {"isActive": False, "closed": closed}
    if reopened is not None and old.get("isActive") is True:
        return {"isActive": True, "reopened": reopened}
    return {}


def count_active(collections: Collections, foreseen: Foreseen) -> int:
    """How many missions are active; in a dry run, how many would be before deadlines close some."""
    return foreseen.count(collections.rfps, {"isActive": True}, lambda one: one.active)


@dataclass(frozen=True, slots=True)
class Mission:
    """An open mission of which its source shows nothing among the open ones.

    Attributes:
        known: What is known of it.
        guard: Filter that holds until it is written.
    """

    known: Ahead
    guard: dict[str, Any]

    @property
    def source_id(self) -> str:
        """What its source calls it."""
        return self.known.source_id


class SourceEnds:
    """Closes, and opens again, what one source says of its missions."""

    def __init__(
        self,
        collections: Collections,
        source: str,
        *,
        run_id: str,
        now: datetime,
        dry_run: bool,
        foreseen: Foreseen | None = None,
    ) -> None:
        """Prepare; with `dry_run` nothing is written, and `foreseen` is what the steps before would have written."""
        self._foreseen = foreseen or Foreseen()
        self._rfps, self._source = collections.rfps, source
        self._run_id, self._now, self._dry_run = run_id, now, dry_run

    def missing(self, there: Container[str]) -> Iterator[Mission]:
        """Open missions of the source that are not `there`, ids of what it shows as open."""
        for found in filter(_is_ours, self._rfps.find({"_etl.source": self._source, "isActive": True}, _KNOWN)):
            known = Ahead.of(found)
            if known.source_id not in there and known.job_id not in self._foreseen:
                guard = {"_id": found["_id"], "_etl.version": found["_etl"]["version"], "isActive": True}
                yield Mission(known, guard)
        for known in self._foreseen.of(self._source, active=True):
            if known.source_id not in there:
                yield Mission(known, {})

    def close(self, mission: Mission, fate: str) -> int:
        """Close one; gives how many that were: none where a newer version was loaded meanwhile."""
        if self._dry_run:
            self._foreseen.put(replace(mission.known, active=False))
            return 1
        closing = _closing(self._run_id, self._now, f"{fate} {AT_SOURCE}")
        return _update_all(self._rfps, mission.guard, closing)

    def reopen(self, there: Container[str]) -> int:
        """Open again what is `there` after all, unless its deadline has passed; gives how many that were."""
        # Not only what was closed here: a version may have said that it was closed, and nothing dated its return.
        ended = {"_etl.source": self._source, "isActive": False}
        ahead = [{"deadlineAt": None}, {"deadlineAt": {"$gte": self._now}}]
        found = filter(_is_ours, self._rfps.find({**ended, "$or": ahead}, _KNOWN))
        if self._dry_run:
            return self._foresee_open(map(Ahead.of, found), there)
        back = [one["_id"] for one in found if one["_etl"]["source_id"] in there]
        if not back:
            return 0
        reopened = {"at": self._now, "run_id": self._run_id}
        opening = {"$set": {"isActive": True, "_etl.reopened": reopened}, "$unset": {"_etl.closed": ""}}
        return _update_all(self._rfps, {"_id": {"$in": back}, **ended}, opening)

    def _foresee_open(self, found: Iterable[Ahead], there: Container[str]) -> int:
        ended = [
            *(one for one in found if one.job_id not in self._foreseen),
            *(one for one in self._foreseen.of(self._source, active=False) if _is_ahead(one, self._now)),
        ]
        back = [one for one in ended if one.source_id in there]
        for one in back:
            self._foreseen.put(replace(one, active=True))
        return len(back)


def _past(now: datetime) -> dict[str, Any]:
    return {"isActive": True, "deadlineAt": {"$lt": now, "$type": "date"}}


def _is_ours(found: Mapping[str, Any]) -> bool:
    """Whether a document says who it is as this software does; another program may name the same source."""
    match found:
        case {"job_id": str(), "isActive": bool(), "_etl": {"source": str(), "source_id": str(), "version": str()}}:
            return True
    return False


def _update_all(rfps: Documents, condition: Mapping[str, Any], update: Mapping[str, Any]) -> int:
    """Update all that meet a condition, which they no longer meet then; give how many those are.

    One that MongoDB refuses to have updated, because of a validator or an index of somebody else, keeps no other from
    it.
    """
    due = rfps.count_documents(condition)
    if not due:
        return 0
    try:
        return rfps.update_many(condition, update).modified_count
    except WriteError as error:
        refusals.check(error)
    for found in rfps.find(condition, {"_id": 1}):
        try:
            rfps.update_one({**condition, "_id": found["_id"]}, update)
        except WriteError as error:
            refusals.check(error)
    return due - rfps.count_documents(condition)


def _is_ahead(one: Ahead, now: datetime) -> bool:
    return one.deadline is None or one.deadline >= now


def _closing(run_id: str, now: datetime, reason: str) -> dict[str, Any]:
    closed = {"at": now, "run_id": run_id, "reason": reason}
    return {"$set": {"isActive": False, "_etl.closed": closed}, "$unset": {"_etl.reopened": ""}}
