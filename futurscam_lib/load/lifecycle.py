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
"""The end of the reason when the source closed a mission, not its deadline: `closed at source`, `deleted at source`."""

ENDS: Final = ("closed", "reopened")
"""Entries of `_etl` for what happened to a mission after its version: `at`, `run_id`, and `reason` in `closed`."""

_NO_OBJECT: Final = {"_etl": {"$exists": True, "$not": {"$type": "object"}}}
_LIST: Final = {"_etl": {"$type": "array"}}
_WITHOUT_ETL: Final = {"$or": [_NO_OBJECT, _LIST]}
"""Documents of other programs whose `_etl` can't take a field."""

_NO_DATE: Final = {"isActive": True, "deadlineAt": {"$exists": True, "$not": {"$type": ["date", "null"]}}}

_KNOWN: Final = dict.fromkeys(("job_id", "isActive", "deadlineAt", "_etl.source", "_etl.source_id", "_etl.version"), 1)
"""The fields of `MissionState`, and the version."""


PLAUSIBLE: Final = 10
"""This many missions of a source may end, or be open again, from one run to the next, even if it has few."""


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

    `content_hash` does not change, so that reading the same version again changes nothing; a newer version
    replaces the document and opens the mission again if its deadline is in the future.

    Args:
        collections: Where the missions are.
        run_id: The run.
        now: The instant to compare deadlines with; aware, UTC.
        dry_run: Whether only to count.
        dry_run_state: In a dry run, what the steps before would have written.
        open_until_closed: Sources whose missions stay open until the source closes them, whatever their deadline.

    Returns:
        How many were closed; with `dry_run`, how many would be.
    """
    past = _past(now, open_until_closed)
    if dry_run:
        return (dry_run_state or DryRunState()).count(
            collections.rfps,
            past,
            lambda state: state.active and not _is_ahead(state, now) and state.source not in open_until_closed,
        )
    closing = _closing(run_id, now, "deadline")
    closed = _update_all(collections.rfps, {**past, "$nor": [_WITHOUT_ETL]}, closing)
    return closed + _update_all(collections.rfps, {**past, **_WITHOUT_ETL}, {"$set": {"isActive": False}})


def notes(
    collections: Collections, *, now: datetime, dry_run: bool, open_until_closed: Collection[str] = ()
) -> list[str]:
    """Return what keeps missions from ending by their deadline, one sentence for each reason.

    Args:
        collections: Where the missions are.
        now: The instant to compare deadlines with; aware, UTC.
        dry_run: Whether the run wrote nothing anyway.
        open_until_closed: As for `close_past_deadline`.
    """
    undated = count_undated(collections)
    sentences = [undated_note(undated)] if undated else []
    if not dry_run and (stuck := collections.rfps.count_documents(_past(now, open_until_closed))):
        sentences.append(
            f"{stuck:,} mission(s) stay active although their deadline has passed: a validator or an index that "
            f"another program added to {collections.rfps.name} refuses the update."
        )
    return sentences


def count_undated(collections: Collections) -> int:
    """Count active missions with a `deadlineAt` that is neither a date nor null; another program wrote it."""
    return collections.rfps.count_documents(_NO_DATE)


def undated_note(number: int) -> str:
    """Explain this to a person."""
    return (
        f"{number:,} active mission(s) have a deadlineAt that is not a date (but a text, for example), so no run "
        "closes them. Another program wrote it: correct that program."
    )


def kept_ending(old: Mapping[str, Any], new: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the ending that a mission keeps when a newer mapping makes its document again from the same version.

    Args:
        old: The document as it is.
        new: The document from the newer mapping.
        now: The instant to compare the new deadline with; aware, UTC.

    Returns:
        `isActive`, and the entry of `_etl` with the reason; empty if nothing has happened since, or if the mission was
        closed by a deadline that is later in the new mapping.
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
    """Count active missions; in a dry run, those that would be active before deadlines close some."""
    return dry_run_state.count(collections.rfps, {"isActive": True}, lambda state: state.active)


@dataclass(frozen=True, slots=True)
class Mission:
    """A mission that is open in its source and closed in its document, or the other way round.

    Attributes:
        known: Its state.
        guard: Filter that matches until the mission is updated.
    """

    known: MissionState
    guard: dict[str, Any]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """From the result of `to_document`."""
        return cls(MissionState(**document["known"]), document["guard"])

    def to_document(self) -> dict[str, Any]:
        """As a BSON document, for a spool."""
        return asdict(self)

    @property
    def source_id(self) -> str:
        """Its id at the source."""
        return self.known.source_id


class SourceEnds:
    """Closes and reopens the missions of one source."""

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
            collections: Where the missions are.
            source: The source.
            run_id: The run.
            now: The instant to compare deadlines with; aware, UTC.
            dry_run: Whether to write nothing.
            dry_run_state: In a dry run, what the steps before would have written.
            open_until_closed: As for `close_past_deadline`.
        """
        self._dry_run_state = dry_run_state or DryRunState()
        self._rfps, self._source = collections.rfps, source
        self._run_id, self._now, self._dry_run = run_id, now, dry_run
        self._ignores_deadlines = source in open_until_closed

    def count_active(self) -> int:
        """Count the active missions of the source."""
        condition = {"_etl.source": self._source, "isActive": True}
        return self._dry_run_state.count(
            self._rfps, condition, lambda state: state.active and state.source == self._source
        )

    def missing(self, listed: Container[str]) -> Iterator[Mission]:
        """Yield active missions that the source does not list as open; `listed` holds the ids that it does list."""
        for mission in self._missions(active=True):
            if mission.source_id not in listed:
                yield mission

    def returned(self, listed: Container[str]) -> Iterator[Mission]:
        """Yield closed missions that the source lists as open, unless their deadline keeps them closed."""
        # Not only missions that a run closed: a version may have been closed at the source, and its return has no date.
        for mission in self._missions(active=False):
            if mission.source_id in listed and (self._ignores_deadlines or _is_ahead(mission.known, self._now)):
                yield mission

    def close(self, mission: Mission, fate: str) -> int:
        """Close a mission. Returns how many were closed: 0 if a newer version was loaded meanwhile."""
        if self._dry_run:
            self._dry_run_state.put(replace(mission.known, active=False))
            return 1
        closing = _closing(self._run_id, self._now, f"{fate} {AT_SOURCE}")
        return _update_all(self._rfps, mission.guard, closing)

    def reopen(self, listed: Container[str]) -> int:
        """Open the `returned` missions again, and return how many were opened."""
        reopened = {"at": self._now, "run_id": self._run_id}
        opening = {"$set": {"isActive": True, "_etl.reopened": reopened}, "$unset": {"_etl.closed": ""}}
        opened = 0
        for missions in chunked(self.returned(listed), size=lambda _: 1):
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
        for document in filter(_is_ours, self._rfps.find(condition, _KNOWN)):
            known = MissionState.of(document)
            if known.job_id not in self._dry_run_state:
                guard = {"_id": document["_id"], "_etl.version": document["_etl"]["version"], "isActive": active}
                yield Mission(known, guard)
        for known in self._dry_run_state.of(self._source, active=active):
            yield Mission(known, {})


@dataclass(frozen=True, slots=True)
class Plausible:
    """How many missions of a source may end, or be open again, at once before an operator has to confirm it.

    Attributes:
        active: Missions of the source that are active now.
        share: Percent of these that are plausible; `PLAUSIBLE` missions always are.
        causes: Other possible reasons for a larger number; for a person.
    """

    active: int
    share: int
    causes: str

    @property
    def most(self) -> int:
        """The largest plausible number."""
        return max(PLAUSIBLE, self.active * self.share // 100)

    def check_closing(self, ended: int, *, missing: int) -> None:
        """Refuse to close too many.

        Args:
            ended: How many have ended, as far as is known so far.
            missing: How many the source does not list as open.

        Raises:
            OperatorMustAct: There are too many.
        """
        if ended > self.most:
            what = f"{missing:,} of {self.active:,} active missions are not listed as open any more"
            self._refuse(f"{what}, and at least {ended:,} of them count as ended there", "close")

    def check_reopening(self, returned: int) -> None:
        """Refuse to reopen too many.

        Raises:
            OperatorMustAct: There are too many.
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


def _is_ours(document: Mapping[str, Any]) -> bool:
    """Whether a document has the identifying fields of this software; another program may name the same source."""
    match document:
        case {"job_id": str(), "isActive": bool(), "_etl": {"source": str(), "source_id": str(), "version": str()}}:
            return True
    return False


def _update_all(rfps: Documents, condition: Mapping[str, Any], update: Mapping[str, Any]) -> int:
    """Update all documents that meet a condition, which they no longer meet afterwards; return how many were updated.

    If MongoDB refuses an update, because of a validator or an index of another program, the others are still made.
    """
    due = rfps.count_documents(condition)
    if not due:
        return 0
    try:
        return rfps.update_many(condition, update).modified_count
    except WriteError as error:
        refusals.check(error)
    for document in rfps.find(condition, {"_id": 1}):
        try:
            rfps.update_one({**condition, "_id": document["_id"]}, update)
        except WriteError as error:
            refusals.check(error)
    return due - rfps.count_documents(condition)


def _is_ahead(mission: MissionState, now: datetime) -> bool:
    return mission.deadline is None or mission.deadline >= now


def _closing(run_id: str, now: datetime, reason: str) -> dict[str, Any]:
    closed = {"at": now, "run_id": run_id, "reason": reason}
    return {"$set": {"isActive": False, "_etl.closed": closed}, "$unset": {"_etl.reopened": ""}}
