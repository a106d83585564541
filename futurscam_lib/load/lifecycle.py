"""Missions that have ended: `isActive` becomes false, nothing is ever deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from datetime import datetime

    from futurscam_lib.load.collections import Collections

AT_SOURCE: Final = "at source"
"""How the reason ends where the source told, and not the deadline: `closed at source`, `deleted at source`."""


def close_past_deadline(collections: Collections, *, run_id: str, now: datetime, dry_run: bool) -> int:
    """Close the open missions whose deadline has passed.

    `content_hash` stays what the source said, so that reading the same version again changes nothing; a newer version
    replaces the document and opens the mission again if its deadline lies ahead.

    Returns:
        How many were closed; with `dry_run` how many would be.
    """
    past = {"isActive": True, "deadlineAt": {"$lt": now, "$type": "date"}}
    if dry_run:
        return collections.rfps.count_documents(past)
    return collections.rfps.update_many(past, _closing(run_id, now, "deadline")).modified_count


@dataclass(frozen=True, slots=True)
class Mission:
    """An open mission of which its source shows nothing among the open ones; `guard` holds until it is written."""

    source_id: str
    guard: dict[str, Any]


class SourceEnds:
    """Closes, and opens again, what one source says of its missions."""

    def __init__(self, collections: Collections, source: str, *, run_id: str, now: datetime, dry_run: bool) -> None:
        """Prepare; with `dry_run` nothing is written."""
        self._rfps, self._source = collections.rfps, source
        self._run_id, self._now, self._dry_run = run_id, now, dry_run

    def missing(self, there: Container[str]) -> Iterator[Mission]:
        """Open missions of the source that are not `there`, ids of what it shows as open."""
        fields = {"_etl.source_id": 1, "_etl.version": 1}
        for found in self._rfps.find({"_etl.source": self._source, "isActive": True}, fields):
            etl = found["_etl"]
            if etl["source_id"] not in there:
                guard = {"_id": found["_id"], "_etl.version": etl["version"], "isActive": True}
                yield Mission(etl["source_id"], guard)

    def close(self, mission: Mission, fate: str) -> int:
        """Close one; gives how many that were: none where a newer version was loaded meanwhile."""
        if self._dry_run:
            return 1
        closing = _closing(self._run_id, self._now, f"{fate} {AT_SOURCE}")
        return self._rfps.update_one(mission.guard, closing).modified_count

    def reopen(self, there: Container[str]) -> int:
        """Open again what is `there` after all, unless its deadline has passed; gives how many that were."""
        # Not only what was closed here: a version may have said that it was closed, and nothing dated its return.
        ended = {"_etl.source": self._source, "isActive": False}
        ahead = [{"deadlineAt": None}, {"deadlineAt": {"$gte": self._now}}]
        found = self._rfps.find({**ended, "$or": ahead}, {"_etl.source_id": 1})
        back = [one["_id"] for one in found if one["_etl"]["source_id"] in there]
        if self._dry_run or not back:
            return len(back)
        opening = {"$set": {"isActive": True}, "$unset": {"_etl.closed": ""}}
        return self._rfps.update_many({"_id": {"$in": back}, **ended}, opening).modified_count


def _closing(run_id: str, now: datetime, reason: str) -> dict[str, Any]:
    return {"$set": {"isActive": False, "_etl.closed": {"at": now, "run_id": run_id, "reason": reason}}}
