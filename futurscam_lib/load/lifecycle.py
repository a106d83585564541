"""Missions that have ended: `isActive` becomes false, nothing is ever deleted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from pymongo.errors import WriteError

from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.load import refusals
from futurscam_lib.load.dry_run_state import DryRunState, MissionState
from futurscam_lib.load.spool import chunked

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator, Mapping
    from datetime import datetime

    from futurscam_lib.load.collections import Collections, Documents

AT_SOURCE: Final = "at source"
"""How the reason ends where the source closed it, and not the deadline: `closed at source`, `deleted at source`."""

ENDS: Final = ("closed", "reopened")
"""What `_etl` says of what happened to a mission after its version: `at`, `run_id`, and of a closed one `reason`."""

_NO_OBJECT: Final = {"_etl": {"$exists": True, "$not": {"$type": "object"}}}
_LIST: Final = {"_etl": {"$type": "array"}}
_WITHOUT_ETL: Final = {"$or": [_NO_OBJECT, _LIST]}
"""Documents of other programs in whose `_etl` nothing can be written."""

_NO_DATE: Final = {"isActive": True, "deadlineAt": {"$exists": True, "$not": {"$type": ["date", "null"]}}}

_KNOWN: Final = dict.fromkeys(("job_id", "isActive", "deadlineAt", "_etl.source", "_etl.source_id", "_etl.version"), 1)
"""Fields of which `MissionState` is made, and the version."""


PLAUSIBLE: Final = 10
"""So many missions of a source may end, or be open again, from one run to the next, however few there are."""


def close_past_deadline(
    collections: Collections,
    *,
    run_id: str,
    now: datetime,
    dry_run: bool,
    dry_run_state: DryRunState | None = None,
    open_until_closed: Collection[str] = (),
) -> int:
    """Close the open missions whose deadline has passed.

    `content_hash` stays what the source said, so that reading the same version again changes nothing; a newer version
    replaces the document and opens the mission again if its deadline lies ahead.

    Args:
        collections: Where.
        run_id: Who closes.
        now: Which deadlines have passed; aware, UTC.
        dry_run: Whether only to count.
        dry_run_state: In a dry run, what the steps before would have written.
        open_until_closed: Sources whose missions stay open until the source closes them, whatever their deadline.

    Returns:
        How many were closed; with `dry_run` how many would be.
    """
    past = _past(now, open_until_closed)
    if dry_run:
        return (dry_run_state or DryRunState()).count(
            collections.rfps,
            past,
            lambda one: one.active and not _is_ahead(one, now) and one.source not in open_until_closed,
        )
    closing = _closing(run_id, now, "deadline")
    closed = _update_all(collections.rfps, {**past, "$nor": [_WITHOUT_ETL]}, closing)
    return closed + _update_all(collections.rfps, {**past, **_WITHOUT_ETL}, {"$set": {"isActive": False}})


def notes(
    collections: Collections, *, now: datetime, dry_run: bool, open_until_closed: Collection[str] = ()
) -> list[str]:
    """What keeps missions from ending by their deadline, a sentence each.

    Args:
        collections: Where.
        now: Which deadlines have passed; aware, UTC.
        dry_run: Whether those were left as they are anyway.
        open_until_closed: As for `close_past_deadline`.
    """
    undated = count_undated(collections)
    said = [undated_note(undated)] if undated else []
    if not dry_run and (stuck := collections.rfps.count_documents(_past(now, open_until_closed))):
        said.append(
            f"{stuck:,} mission(s) stay active although their deadline has passed: a validator or an index that "
            f"another program added to {collections.rfps.name} refuses the update."
        )
    return said


def count_undated(collections: Collections) -> int:
    """How many active missions have a `deadlineAt` that is neither a date nor null; another program wrote it."""
    return collections.rfps.count_documents(_NO_DATE)


def undated_note(number: int) -> str:
    """What that means."""
    return (
        f"{number:,} active mission(s) have a deadlineAt that is not a date (but a text, for example), so no run "
        "closes them. Another program wrote it: correct that program."
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
            if reason.endswith(AT_SOURCE) or not _is_ahead(MissionState.of(new), now):
                return {"isActive": False, "closed": closed}
    if reopened is not None and old.get("isActive") is True:
        return {"isActive": True, "reopened": reopened}
    return {}


def count_active(collections: Collections, dry_run_state: DryRunState) -> int:
    """How many missions are active; in a dry run, how many would be before deadlines close some."""
    return dry_run_state.count(collections.rfps, {"isActive": True}, lambda one: one.active)


@dataclass(frozen=True, slots=True)
class Mission:
    """A mission whose source says something else about its end than its document does.

    Attributes:
        known: What is known of it.
        guard: Filter that holds until it is written.
    """

    known: MissionState
    guard: dict[str, Any]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """From what `to_document` gave."""
        return cls(MissionState(**document["known"]), document["guard"])

    def to_document(self) -> dict[str, Any]:
        """As BSON holds it, for a spool."""
        return asdict(self)

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
        dry_run_state: DryRunState | None = None,
        open_until_closed: Collection[str] = (),
    ) -> None:
        """Prepare.

        Args:
            collections: Where.
            source: Whose missions.
            run_id: Who closes and opens.
            now: Which deadlines have passed; aware, UTC.
            dry_run: Whether to write nothing.
            dry_run_state: In a dry run, what the steps before would have written.
            open_until_closed: As for `close_past_deadline`.
        """
        self._dry_run_state = dry_run_state or DryRunState()
        self._rfps, self._source = collections.rfps, source
        self._run_id, self._now, self._dry_run = run_id, now, dry_run
        self._ignores_deadlines = source in open_until_closed

    def count_active(self) -> int:
        """How many missions of the source are active."""
        condition = {"_etl.source": self._source, "isActive": True}
        return self._dry_run_state.count(self._rfps, condition, lambda one: one.active and one.source == self._source)

    def missing(self, there: Container[str]) -> Iterator[Mission]:
        """Open missions of the source that are not `there`, ids of what it shows as open."""
        for mission in self._missions(active=True):
            if mission.source_id not in there:
                yield mission

    def returned(self, there: Container[str]) -> Iterator[Mission]:
        """Closed missions of the source that are `there` after all; not where their deadline keeps them closed."""
        # Not only what was closed here: a version may have said that it was closed, and nothing dated its return.
        for mission in self._missions(active=False):
            if mission.source_id in there and (self._ignores_deadlines or _is_ahead(mission.known, self._now)):
                yield mission

    def close(self, mission: Mission, fate: str) -> int:
        """Close one; gives how many that were: none where a newer version was loaded meanwhile."""
        if self._dry_run:
            self._dry_run_state.put(replace(mission.known, active=False))
            return 1
        closing = _closing(self._run_id, self._now, f"{fate} {AT_SOURCE}")
        return _update_all(self._rfps, mission.guard, closing)

    def reopen(self, there: Container[str]) -> int:
        """Open again what has `returned`; gives how many that were."""
        reopened = {"at": self._now, "run_id": self._run_id}
        opening = {"$set": {"isActive": True, "_etl.reopened": reopened}, "$unset": {"_etl.closed": ""}}
        opened = 0
        for missions in chunked(self.returned(there), size=lambda _: 1):
            if self._dry_run:
                for mission in missions:
                    self._dry_run_state.put(replace(mission.known, active=True))
                opened += len(missions)
            else:
                chosen = {"_id": {"$in": [mission.guard["_id"] for mission in missions]}, "isActive": False}
                opened += _update_all(self._rfps, chosen, opening)
        return opened

    def _missions(self, *, active: bool) -> Iterator[Mission]:
        condition = {"_etl.source": self._source, "isActive": active}
        for found in filter(_is_ours, self._rfps.find(condition, _KNOWN)):
            known = MissionState.of(found)
            if known.job_id not in self._dry_run_state:
                guard = {"_id": found["_id"], "_etl.version": found["_etl"]["version"], "isActive": active}
                yield Mission(known, guard)
        for known in self._dry_run_state.of(self._source, active=active):
            yield Mission(known, {})


@dataclass(frozen=True, slots=True)
class Plausible:
    """How many missions of a source may end, or be open again, at once before an operator has to confirm it.

    Attributes:
        active: Missions of the source that are active now.
        share: Percent of these that are plausible; `PLAUSIBLE` missions always are.
        causes: What else may be the reason where there are more; for a person.
    """

    active: int
    share: int
    causes: str

    @property
    def most(self) -> int:
        """So many are plausible."""
        return max(PLAUSIBLE, self.active * self.share // 100)

    def check_closing(self, ended: int, *, missing: int) -> None:
        """Refuse to close too many.

        Args:
            ended: How many have ended, as far as is known by now.
            missing: How many its source does not list as open.

        Raises:
            OperatorMustAct: They are too many.
        """
        if ended > self.most:
            what = f"{missing:,} of {self.active:,} active missions are not listed as open any more"
            self._refuse(f"{what}, and at least {ended:,} of them count as ended there", "close")

    def check_reopening(self, returned: int) -> None:
        """Refuse to reopen too many.

        Raises:
            OperatorMustAct: They are too many.
        """
        if returned > self.most:
            what = f"{returned:,} missions that are closed here are listed as open, and {self.active:,} are active"
            self._refuse(what, "reopen")

    def _refuse(self, what: str, verb: str) -> None:
        raise OperatorMustAct(
            f"This run would {verb} more missions than is plausible: {what}. "
            f"One run {verb}s {self.most:,} at most unless you allow more ({self.share} %, at least {PLAUSIBLE}).\n"
            "No mission was closed or reopened. What was read is loaded; .last_execution stays where it is: the next "
            f"run reads the same window again.\n{self.causes}\n"
            "If the missions have really changed, allow it for one run: futurscam run --yes"
        )


def _past(now: datetime, open_until_closed: Collection[str]) -> dict[str, Any]:
    past: dict[str, Any] = {"isActive": True, "deadlineAt": {"$lt": now, "$type": "date"}}
    return {**past, "_etl.source": {"$nin": list(open_until_closed)}} if open_until_closed else past


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


def _is_ahead(one: MissionState, now: datetime) -> bool:
    return one.deadline is None or one.deadline >= now


def _closing(run_id: str, now: datetime, reason: str) -> dict[str, Any]:
    closed = {"at": now, "run_id": run_id, "reason": reason}
    return {"$set": {"isActive": False, "_etl.closed": closed}, "$unset": {"_etl.reopened": ""}}
