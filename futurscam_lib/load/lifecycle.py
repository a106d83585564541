"""Missions that have ended: `isActive` becomes false, nothing is ever deleted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.load.foreseen import Ahead, Foreseen

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from datetime import datetime

    from futurscam_lib.load.collections import Collections

AT_SOURCE: Final = "at source"
"""How the reason ends where the source told, and not the deadline: `closed at source`, `deleted at source`."""

_KNOWN: Final = {"job_id": 1, "isActive": 1, "deadlineAt": 1, "_etl.source": 1, "_etl.source_id": 1}
"""Fields of which `Ahead` is made."""


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
    past = {"isActive": True, "deadlineAt": {"$lt": now, "$type": "date"}}
    if dry_run:
        would_be = foreseen or Foreseen()
        return would_be.count(collections.rfps, past, lambda one: one.active and not _is_ahead(one, now))
    return collections.rfps.update_many(past, _closing(run_id, now, "deadline")).modified_count


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
        for found in self._rfps.find({"_etl.source": self._source, "isActive": True}, {**_KNOWN, "_etl.version": 1}):
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
        return self._rfps.update_one(mission.guard, closing).modified_count

    def reopen(self, there: Container[str]) -> int:
        """Open again what is `there` after all, unless its deadline has passed; gives how many that were."""
        # Not only what was closed here: a version may have said that it was closed, and nothing dated its return.
        ended = {"_etl.source": self._source, "isActive": False}
        ahead = [{"deadlineAt": None}, {"deadlineAt": {"$gte": self._now}}]
        found = self._rfps.find({**ended, "$or": ahead}, _KNOWN)
        if self._dry_run:
            return self._foresee_open(map(Ahead.of, found), there)
        back = [one["_id"] for one in found if one["_etl"]["source_id"] in there]
        if not back:
            return 0
        opening = {"$set": {"isActive": True}, "$unset": {"_etl.closed": ""}}
        return self._rfps.update_many({"_id": {"$in": back}, **ended}, opening).modified_count

    def _foresee_open(self, found: Iterable[Ahead], there: Container[str]) -> int:
        ended = [
            *(one for one in found if one.job_id not in self._foreseen),
            *(one for one in self._foreseen.of(self._source, active=False) if _is_ahead(one, self._now)),
        ]
        back = [one for one in ended if one.source_id in there]
        for one in back:
            self._foreseen.put(replace(one, active=True))
        return len(back)


def _is_ahead(one: Ahead, now: datetime) -> bool:
    return one.deadline is None or one.deadline >= now


def _closing(run_id: str, now: datetime, reason: str) -> dict[str, Any]:
    return {"$set": {"isActive": False, "_etl.closed": {"at": now, "run_id": run_id, "reason": reason}}}
