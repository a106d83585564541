"""Rejects: one entry for each source item, with the reason; a later version that loads resolves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from futurscam_lib import clock
from futurscam_lib.load.entry import Outcome
from futurscam_lib.load.refusals import DUPLICATE_KEY
from futurscam_lib.load.spool import chunked
from futurscam_lib.records import IN_FUTURE, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.load.collections import Collections
    from futurscam_lib.load.entry import Entry
    from futurscam_lib.records import Reject

OPEN: Final = "open"
RESOLVED: Final = "resolved"
DISMISSED: Final = "dismissed"
UNRESOLVED: Final = (OPEN, DISMISSED)


class Quarantine:
    """The quarantine as one run uses it."""

    def __init__(
        self,
        collections: Collections,
        *,
        run_id: str,
        now: datetime,
        dry_run: bool,
        reopening: Collection[str] = (),
    ) -> None:
        """Prepare.

        Args:
            collections: Where the entries are.
            run_id: The run.
            now: The present instant; aware, UTC.
            dry_run: Whether to write nothing.
            reopening: Dismissed entries to open again if the same payload is rejected once more.
        """
        self._reopening = reopening
        self._rejects, self._rfps = collections.rejects, collections.rfps
        self._run_id, self._now, self._dry_run = run_id, now, dry_run

    def keep(self, rejects: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Store a chunk of rejects made by `describe`; an older version of an item never replaces a newer one."""
        outcomes = [
            Outcome(
                source=reject["source"],
                raw_id=reject["raw_id"],
                result="rejected",
                transform_version=reject["transform_version"],
                job_id=reject["job_id"],
                item=reject["_id"],
                place=place_of(reject["source"], reject["origin"]),
            )
            for reject in rejects
        ]
        if self._dry_run or not rejects:
            return outcomes
        loaded = self._instants({reject["job_id"] for reject in rejects if reject["job_id"]})
        writes = [
            self._write(reject, RESOLVED if reject["instant"] <= loaded.get(reject["job_id"], "") else OPEN)
            for reject in rejects
        ]
        try:
            self._rejects.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            # The guard did not match, so the upsert tried to insert: a newer reject exists, or this payload was
            # dismissed.
            if any(failure["code"] != DUPLICATE_KEY for failure in error.details["writeErrors"]):
                raise
        return outcomes

    def resolve(self, entries: Sequence[Entry]) -> None:
        """Close the entries of items whose version, or a later one, has now been loaded."""
        if self._dry_run or not entries or not self._rejects.estimated_document_count():
            return
        # Sorted, so that of several versions the last one stays.
        instants = {entry.job_id: entry.key.instant for entry in sorted(entries, key=lambda entry: entry.key.instant)}
        # An entry without a job is matched by its place. A place alone is not enough: another job may be there by now.
        in_order = sorted(entries, key=lambda entry: entry.cursor)
        cursors = {(entry.source, entry.origin): entry.cursor for entry in in_order}
        # A wrong time stamp in the future sorts behind every correct version: there the source's order decides.
        later = {entry.job_id: entry.cursor for entry in in_order}
        origins = [origin for _, origin in cursors]
        either = [{"job_id": {"$in": list(instants)}}, {"job_id": None, "origin": {"$in": origins}}]
        loaded = [
            reject["_id"]
            for reject in self._rejects.find({"state": {"$in": UNRESOLVED}, "$or": either})
            if (reject["job_id"] in instants and reject["instant"] <= instants[reject["job_id"]])
            or (
                reject["code"] == IN_FUTURE and reject["job_id"] in later and reject["cursor"] < later[reject["job_id"]]
            )
            or (
                reject["job_id"] is None
                and (place := (reject["source"], reject["origin"])) in cursors
                and reject["cursor"] <= cursors[place]
            )
        ]
        if loaded:
            self._rejects.update_many({"_id": {"$in": loaded}, "state": {"$in": UNRESOLVED}}, self._resolved())

    def close_replaced(self, source: str, read_whole: Callable[[Sequence[str]], Mapping[str, datetime]]) -> None:
        """Close entries whose file has since been read to its end and no longer holds the failed item.

        A file that was read while it was being written can leave rejects in places that the complete file lacks.

        Args:
            source: The source of the files.
            read_whole: As `Remembering.read_whole`; called after all rejects of the run were kept.
        """
        if self._dry_run:
            return
        condition = {"state": OPEN, "job_id": None, "source": source}
        for entries in chunked(self._rejects.find(condition, {"origin": 1, "cursor": 1}), size=lambda _: 1):
            instants = read_whole([entry["origin"] for entry in entries])
            # Only if the entry is unchanged: another run may just have rejected the item again.
            writes = [
                UpdateOne({**entry, "state": OPEN}, self._resolved())
                for entry in entries
                if (instant := instants.get(entry["origin"])) and entry["cursor"] < clock.to_millisecond(instant)
            ]
            if writes:
                self._rejects.bulk_write(writes, ordered=False)

    def _resolved(self) -> dict[str, Any]:
        resolved = {"state": RESOLVED, "resolved_run_id": self._run_id, "resolved_at": self._now}
        return {"$set": resolved, "$unset": {"opened_at": ""}}

    def _instants(self, jobs: set[str]) -> dict[str, str]:
        """Return the instants of the loaded versions, by job; a reject that is not newer is resolved."""
        # Not documents that another program wrote: they have no version to compare with.
        ours = {"job_id": {"$in": list(jobs)}, "_etl.version": {"$type": "string"}}
        instants: dict[str, str] = {}
        for document in self._rfps.find(ours, {"job_id": 1, "_etl.version": 1}) if jobs else ():
            match document:
                case {"job_id": str(job_id), "_etl": {"version": str(version)}}:
                    instants[job_id] = version.partition("#")[0]
        return instants

    def _write(self, reject: Mapping[str, Any], state: str) -> UpdateOne:
        facts = {name: value for name, value in reject.items() if name not in {"_id", "instant"}}
        gone = dict.fromkeys(
            ("resolved_run_id", "resolved_at", "dismissed_by", "dismissed_at", "dismissed_because"), ""
        )
        # The earliest instant is kept while the entry is open.
        opened = {"$min": {"opened_at": self._now}} if state == OPEN else {}
        dismissed = {"state": DISMISSED, "raw_id": reject["raw_id"]}
        kept_dismissed = {} if reject["_id"] in self._reopening else {"$nor": [dismissed]}
        return UpdateOne(
            {"_id": reject["_id"], "instant": {"$lte": reject["instant"]}, **kept_dismissed},
            {
                **opened,
                "$set": {
                    **facts,
                    "instant": reject["instant"],
                    "state": state,
                    "run_id": self._run_id,
                    "at": self._now,
                },
                "$setOnInsert": {"first_run_id": self._run_id, "first_at": self._now},
                "$unset": gone if opened else {**gone, "opened_at": ""},
                "$inc": {"attempts": 1},
            },
            upsert=True,
        )


def describe(reject: Reject, *, transform_version: int) -> dict[str, Any]:
    """Return a reject as the quarantine stores it; its payload is in `RFP_raw` under `raw_id`."""
    return {
        "_id": reject.item,
        "source": reject.raw.source,
        "origin": reject.raw.origin,
        "cursor": reject.raw.instant,
        "raw_id": reject.raw.raw_id,
        "size": reject.raw.size,
        "code": reject.code,
        "reason": reject.reason,
        "path": reject.path,
        "line": reject.line,
        "column": reject.column,
        "job_id": reject.job_id,
        "instant": reject.instant,
        "transform_version": transform_version,
    }


def open_rejects(
    collections: Collections, *, sources: Sequence[str], items: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Return the open entries of these sources; with `items`, only those entries, whether open or dismissed."""
    condition: dict[str, Any] = {"state": OPEN, "source": {"$in": list(sources)}}
    if items:
        condition |= {"_id": {"$in": list(items)}, "state": {"$in": UNRESOLVED}}
    return iter(collections.rejects.find(condition, {"raw_id": 1, "source": 1, "origin": 1, "cursor": 1, "state": 1}))


def opened_after(instant: datetime) -> dict[str, Any]:
    """Return the filter for entries that became open after an instant and are still open."""
    # Entries made by earlier versions only hold when their item was first rejected.
    of_earlier = {"opened_at": None, "first_at": {"$gt": instant}}
    return {"state": OPEN, "$or": [{"opened_at": {"$gt": instant}}, of_earlier]}


def dismiss(collections: Collections, items: Sequence[str], *, because: str, by: str, now: datetime) -> None:
    """Dismiss open entries by hand; when a new version of such an item is rejected, its entry is open again.

    Args:
        collections: Where the entries are.
        items: Their names; an entry that is not open is left unchanged.
        because: Why.
        by: The person and the machine.
        now: The present instant.
    """
    facts = {"state": DISMISSED, "dismissed_by": by, "dismissed_at": now, "dismissed_because": because}
    collections.rejects.update_many(
        {"_id": {"$in": list(items)}, "state": OPEN}, {"$set": facts, "$unset": {"opened_at": ""}}
    )


def dismissal(entry: Mapping[str, Any]) -> str:
    """Return when an entry was dismissed (UTC), by whom and why; empty if it is not dismissed."""
    if entry["state"] != DISMISSED:
        return ""
    return f"{entry['dismissed_at']:%Y-%m-%d %H:%M} by {entry['dismissed_by']}: {entry['dismissed_because']}"
