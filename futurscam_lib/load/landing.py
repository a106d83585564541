"""Raw records kept as they came, and what became of each.

A payload that is already landed and dealt with by the mapping of today costs one look-up a chunk. A payload that a
run landed and did not get to load (killed, database gone) is found again by the next run, even when its source no
longer shows it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from futurscam_lib.records import RawRecord
from futurscam_lib.spool import chunked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.load.collections import Collections, Documents
    from futurscam_lib.load.entry import Outcome

DUPLICATE_KEY: Final = 11000
_DEALING: Final = {"result": 1, "transform_version": 1, "job_id": 1, "item": 1}


@dataclass(frozen=True, slots=True)
class Landed:
    """What landing one chunk found.

    Attributes:
        pending: Records to transform, each payload once.
        known: Per source, records whose payload needs nothing: dealt with before, or twice in this run.
    """

    pending: list[RawRecord]
    known: Counter[str]


class Landing:
    """Landing for one pass over the sources."""

    def __init__(self, collections: Collections, *, run_id: str, versions: Mapping[str, int], dry_run: bool) -> None:
        """Prepare.

        Args:
            collections: Where to land.
            run_id: The run.
            versions: The transform's version per source; what an older one dealt with is pending again.
            dry_run: Look, but write nothing.
        """
        self._collections, self._run_id, self._versions, self._dry_run = collections, run_id, versions, dry_run
        # Tells this pass from an earlier one of the same run: an analyst may execute a cell twice.
        self._hand = f"{run_id}/{secrets.token_hex(4)}"
        self._others: list[dict[str, Any]] = []
        self._seen_dry: set[str] = set()

    def land(self, records: Sequence[RawRecord], *, now: datetime) -> Landed:
        """Keep the payloads of a chunk that are new, and tell which records are to be transformed."""
        first: dict[str, RawRecord] = {}
        for record in records:
            first.setdefault(record.raw_id, record)
        dealt_with = self._dealt_with(first)
        fresh = {raw_id: record for raw_id, record in first.items() if raw_id not in dealt_with}
        in_hand = self._take(fresh, now)
        pending = [record for raw_id, record in fresh.items() if raw_id not in in_hand]
        known = Counter(record.source for record in records)
        known.subtract(record.source for record in pending)
        return Landed(pending, known)

    def leftovers(self, sources: Sequence[str]) -> Iterator[list[RawRecord]]:
        """Payloads that earlier runs landed and did not get to load, a chunk at a time."""
        self._others = list(
            self._collections.runs.find({"_id": {"$ne": self._hand}, "sources": {"$in": list(sources)}})
        )
        if not self._others:
            return
        hands = [run["_id"] for run in self._others]
        found = self._collections.raw.find({"hand": {"$in": hands}, "source": {"$in": list(sources)}})
        for records in chunked(map(RawRecord.from_document, found), size=lambda record: len(record.payload)):
            # A dry run takes nothing in hand: what it has read itself is still among them.
            done = self._dealt_with({record.raw_id: record for record in records}) | self._seen_dry
            yield [record for record in records if record.raw_id not in done]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Write down what became of payloads; nothing is looked at again until the mapping's version rises."""
        if not outcomes or self._dry_run:
            return
        documents = [outcome.to_document(self._run_id) for outcome in outcomes]
        taken = insert_new(self._collections.outcomes, documents)
        if taken:
            # Dealt with by an older mapping, or by another run at the same time: the later word stays.
            self._collections.outcomes.bulk_write([ReplaceOne({"_id": found["_id"]}, found) for found in taken])

    def finish(self, sources: Sequence[str]) -> None:
        """Once all is loaded: forget this pass, and the earlier runs whose leftovers it loaded."""
        runs = self._collections.runs
        runs.delete_one({"_id": self._hand})
        for run in self._others:
            # Only as it was when its leftovers were read: it may be alive and landing.
            same = {"_id": run["_id"], "landings": run["landings"]}
            runs.update_one(same, {"$pullAll": {"sources": list(sources)}})
        runs.delete_many({"sources": []})

    def _dealt_with(self, records: Mapping[str, RawRecord]) -> set[str]:
        """Ids of payloads with an outcome under today's mapping whose result is still there."""
        found = self._collections.outcomes.find({"_id": {"$in": list(records)}}, _DEALING)
        done = [o for o in found if o["transform_version"] >= self._versions[records[o["_id"]].source]]
        # Both answered from an index alone. Somebody may have emptied a collection to have it filled again.
        jobs = _present(self._collections.rfps, "job_id", {o["job_id"] for o in done if o["result"] != "rejected"})
        items = _present(self._collections.rejects, "_id", {o["item"] for o in done if o["result"] == "rejected"})
        return {o["_id"] for o in done if (o["item"] in items if o["result"] == "rejected" else o["job_id"] in jobs)}

    def _take(self, fresh: Mapping[str, RawRecord], now: datetime) -> set[str]:
        """Land what is new; give the ids that this pass has in hand already."""
        if self._dry_run:
            twice = self._seen_dry & set(fresh)
            self._seen_dry |= set(fresh)
            return twice
        if not fresh:
            return set()
        sources = {record.source for record in fresh.values()}
        # Before the payloads: a kill in between leaves a run without leftovers, not leftovers without a run.
        self._collections.runs.update_one(
            {"_id": self._hand},
            {
                "$set": {"landing_at": now},
                "$inc": {"landings": 1},
                "$addToSet": {"sources": {"$each": sorted(sources)}},
            },
            upsert=True,
        )
        documents = [self._to_document(record, now) for record in fresh.values()]
        there = [document["_id"] for document in insert_new(self._collections.raw, documents)]
        if not there:
            return set()
        ours = self._collections.raw.find({"_id": {"$in": there}, "hand": self._hand}, {"_id": 1})
        in_hand = {found["_id"] for found in ours}
        self._collections.raw.update_many({"_id": {"$in": there}}, {"$set": {"hand": self._hand}})
        return in_hand

    def _to_document(self, record: RawRecord, now: datetime) -> dict[str, Any]:
        return {**record.to_document(), "run_id": self._run_id, "hand": self._hand, "landed_at": now}


def payloads(collections: Collections, raw_ids: Sequence[str]) -> list[RawRecord]:
    """Landed records by id, as they were read; what is not there is left out."""
    return [RawRecord.from_document(found) for found in collections.raw.find({"_id": {"$in": list(raw_ids)}})]


def insert_new(collection: Documents, documents: Sequence[Any]) -> list[Any]:
    """Insert in bulk and give back the documents whose key was taken; that is an outcome, not a failure.

    Raises:
        BulkWriteError: Something else was wrong with a document.
    """
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if any(failure["code"] != DUPLICATE_KEY for failure in failures) or error.details["writeConcernErrors"]:
            raise
        return [documents[failure["index"]] for failure in failures]
    return []


def _present(collection: Documents, field: str, wanted: set[Any]) -> set[Any]:
    """Which of the wanted values of an indexed field there are."""
    if not wanted:
        return set()
    found = collection.find({field: {"$in": list(wanted)}}, {"_id": 0, field: 1})
    # Another program may keep several of them in a list.
    return {document[field] for document in found if isinstance(document[field], str)}
