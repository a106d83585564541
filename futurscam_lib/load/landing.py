"""Stores raw records as they were read, and the outcome of each.

Payloads that the current mapping has already processed cost one look-up per chunk. If a run landed a payload but did
not load it (killed, database gone), the next run loads it, even when the source no longer shows it. The same bytes
can come from several places: a good post is one document whatever its places, but a broken one is a failed item in
each place.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from futurscam_lib import clock
from futurscam_lib.load.quarantine import OPEN, RESOLVED
from futurscam_lib.load.refusals import DUPLICATE_KEY
from futurscam_lib.load.spool import chunked
from futurscam_lib.records import IN_FUTURE, RawRecord, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.load.collections import Collections, Documents
    from futurscam_lib.load.entry import Outcome

MAX_PLACES: Final = 1000
"""How many places of one payload are kept: with the longest paths they take 4 of the 16 MB of a document."""


_MOST_AHEAD: Final = timedelta(days=1)
_DEALING: Final = {"result": 1, "edited": 1, "transform_version": 1, "job_id": 1, "item": 1, "places": 1}
_WITHOUT_DOCUMENT: Final = ("rejected", "dropped")
_NO_LONGER_NEW: Final = ("inserted", "updated")

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Landed:
    """The result of landing one chunk.

    Attributes:
        pending: Records to transform.
        known: Per source, how many records need no work: processed before, or repeated in this chunk.
    """

    pending: list[RawRecord]
    known: Counter[str]


@dataclass(slots=True)
class _Known:
    """The records of a chunk that were processed before.

    Attributes:
        keys: Their keys.
        elsewhere: Records with a known payload, in a place that is not recorded yet.
        still_broken: Broken records that their source shows again, unchanged.
    """

    keys: set[_Key] = field(default_factory=set)
    elsewhere: list[RawRecord] = field(default_factory=list)
    still_broken: list[RawRecord] = field(default_factory=list)

    def add(self, record: RawRecord, outcome: Mapping[str, Any], entry: Mapping[str, Any] | None) -> None:
        """Add a record that was processed before.

        Args:
            record: As its source shows it now.
            outcome: The outcome of its payload.
            entry: Its entry in the quarantine; None where it became a document.
        """
        self.keys.add(_key(record))
        places = outcome.get("places", ())
        if record.place not in places and len(places) < MAX_PLACES:
            self.elsewhere.append(record)
        if entry and entry["job_id"] is None and _is_older(entry, record):
            self.still_broken.append(record)


class Landing:
    """Landing for one pass over the sources."""

    def __init__(self, collections: Collections, *, run_id: str, versions: Mapping[str, int], dry_run: bool) -> None:
        """Prepare.

        Args:
            collections: Where to land.
            run_id: The run.
            versions: The transform's version per source; records that an older version processed are pending again.
            dry_run: Read, but write nothing.
        """
        self._collections, self._run_id, self._versions, self._dry_run = collections, run_id, versions, dry_run
        # Separates this pass from an earlier one of the same run: an analyst may execute a cell twice.
        self._hand = f"{run_id}/{secrets.token_hex(4)}"
        self._others: list[dict[str, Any]] = []
        self._seen_dry: set[_Key] = set()

    def land(self, records: Sequence[RawRecord], *, now: datetime) -> Landed:
        """Store the new payloads of a chunk, and return the records to transform."""
        distinct: dict[_Key, RawRecord] = {}
        for record in records:
            distinct.setdefault(_key(record), record)
        known = self._look_up(distinct.values())
        pending = [record for key, record in distinct.items() if key not in known.keys]
        if self._dry_run:
            self._seen_dry.update(map(_key, pending))
        else:
            self._note_places(known.elsewhere)
            self._note_still_broken(known.still_broken)
            self._take(pending, now)
        counts = Counter(record.source for record in records)
        counts.subtract(record.source for record in pending)
        return Landed(pending, counts)

    def leftovers(self, sources: Sequence[str]) -> Iterator[list[RawRecord]]:
        """Yield, in chunks, the records that earlier runs landed but did not load."""
        self._others = list(
            self._collections.runs.find({"_id": {"$ne": self._hand}, "sources": {"$in": list(sources)}})
        )
        if not self._others:
            return
        hands = [run["_id"] for run in self._others]
        documents = self._collections.raw.find({"$or": [{"places.hand": {"$in": hands}}, {"hand": {"$in": hands}}]})
        left = (
            record
            for document in documents
            for record, hand in at_each_place(document)
            if hand in hands and record.source in sources
        )
        for records in chunked(left, size=lambda record: len(record.payload)):
            # A dry run takes no lease, so the records that it has read itself are still among them.
            done = self._look_up(records).keys | self._seen_dry
            yield [record for record in records if _key(record) not in done]

    def due(self, sources: Sequence[str], *, now: datetime) -> Iterator[RawRecord]:
        """Yield records that were rejected for a time stamp in the future that is no longer in the future."""
        latest = clock.to_sortable(now + _MOST_AHEAD)
        condition = {"state": OPEN, "code": IN_FUTURE, "source": {"$in": list(sources)}, "instant": {"$lte": latest}}
        for reject in self._collections.rejects.find(condition):
            yield from rejected(self._collections, reject)

    def known(self, records: Sequence[RawRecord]) -> set[tuple[str, str]]:
        """Return `raw_id` and place of the records that the current mapping has already processed."""
        return self._look_up(records).keys

    def is_current(self, source: str, transform_version: Any) -> bool:
        """Whether the current mapping made a document of this version."""
        return isinstance(transform_version, int) and transform_version >= self._versions[source]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Store the outcomes of payloads; these are not processed again until the mapping's version rises."""
        if not outcomes or self._dry_run:
            return
        places: dict[str, list[str]] = defaultdict(list)
        for outcome in outcomes:
            places[outcome.raw_id].append(outcome.place)
        documents = [
            outcome.to_document(self._run_id) | {"places": places[outcome.raw_id][:MAX_PLACES]} for outcome in outcomes
        ]
        taken = insert_new(self._collections.outcomes, documents)
        # Processed by an older mapping, in another place, or by another run at the same time: the last write wins.
        writes = [write for document in taken for write in self._settle_again(document)]
        if writes:
            self._collections.outcomes.bulk_write(writes)

    def finish(self, sources: Sequence[str]) -> None:
        """After the load: remove the entries of this pass and of the earlier runs whose leftovers it loaded."""
        runs = self._collections.runs
        runs.delete_one({"_id": self._hand})
        for run in self._others:
            # Only if it is unchanged since its leftovers were read: that run may still be landing.
            same = {"_id": run["_id"], "landings": run["landings"]}
            runs.update_one(same, {"$pullAll": {"sources": list(sources)}})
        runs.delete_many({"sources": []})

    def _look_up(self, records: Iterable[RawRecord]) -> _Known:
        """Return the records that have an outcome of the current mapping and whose result still exists."""
        by_id: dict[str, list[RawRecord]] = defaultdict(list)
        for record in records:
            by_id[record.raw_id].append(record)
        outcomes = self._collections.outcomes.find({"_id": {"$in": list(by_id)}}, _DEALING)
        done = [
            (record, outcome)
            for outcome in outcomes
            for record in by_id[outcome["_id"]]
            if outcome["transform_version"] >= self._versions[record.source]
        ]
        # The jobs come from an index alone. They are checked because a collection may have been emptied to refill it.
        jobs = self._jobs({outcome["job_id"] for _, outcome in done if outcome["result"] not in _WITHOUT_DOCUMENT})
        entries = self._entries({_item(record, outcome) for record, outcome in done if outcome["result"] == "rejected"})
        known = _Known()
        for record, outcome in done:
            entry = None
            if outcome["result"] == "rejected":
                entry = entries.get(_item(record, outcome))
                if entry is None or not _is_about(entry, record):
                    continue
            elif outcome["result"] != "dropped" and outcome["job_id"] not in jobs:
                continue
            known.add(record, outcome, entry)
        return known

    def _jobs(self, wanted: set[str]) -> set[str]:
        if not wanted:
            return set()
        documents = self._collections.rfps.find({"job_id": {"$in": list(wanted)}}, {"_id": 0, "job_id": 1})
        # Another program may store a list of ids in this field.
        return {document["job_id"] for document in documents if isinstance(document["job_id"], str)}

    def _entries(self, wanted: set[str]) -> dict[str, dict[str, Any]]:
        if not wanted:
            return {}
        fields = {"raw_id": 1, "state": 1, "cursor": 1, "job_id": 1}
        return {entry["_id"]: entry for entry in self._collections.rejects.find({"_id": {"$in": list(wanted)}}, fields)}

    def _take(self, fresh: Sequence[RawRecord], now: datetime) -> None:
        """Land new records."""
        if not fresh:
            return
        # Before the payloads: a kill in between leaves a run without leftovers, not leftovers without a run.
        self._collections.runs.update_one(
            {"_id": self._hand},
            {
                "$set": {"landing_at": now},
                "$inc": {"landings": 1},
                "$addToSet": {"sources": {"$each": sorted({record.source for record in fresh})}},
            },
            upsert=True,
        )
        by_id: dict[str, list[RawRecord]] = defaultdict(list)
        for record in fresh:
            by_id[record.raw_id].append(record)
        documents = [self._to_document(records, now) for records in by_id.values()]
        existing = insert_new(self._collections.raw, documents)
        if existing:
            self._collections.raw.bulk_write(
                [_add_places(document["_id"], document["places"]) for document in existing], ordered=False
            )

    def _to_document(self, records: Sequence[RawRecord], now: datetime) -> dict[str, Any]:
        places = [_place(record, hand=self._hand) for record in records[-MAX_PLACES:]]
        return {**records[0].to_document(), "run_id": self._run_id, "landed_at": now, "places": places}

    def _note_places(self, records: Sequence[RawRecord]) -> None:
        """Record the additional places of known payloads."""
        if not records:
            return
        by_id: dict[str, list[RawRecord]] = defaultdict(list)
        for record in records:
            by_id[record.raw_id].append(record)
        self._collections.raw.bulk_write(
            [
                _add_places(raw_id, [_place(record, hand=None) for record in same_payload])
                for raw_id, same_payload in by_id.items()
            ],
            ordered=False,
        )
        # Last: places that are noted here are not written into the payload again.
        self._collections.outcomes.bulk_write(
            [_note(raw_id, [record.place for record in same_payload]) for raw_id, same_payload in by_id.items()],
            ordered=False,
        )

    def _note_still_broken(self, records: Sequence[RawRecord]) -> None:
        """Update the entries of broken items whose file changed elsewhere.

        `Quarantine.close_replaced` closes an entry that is older than its file, because the file no longer holds it.
        """
        if records:
            self._collections.rejects.bulk_write(
                [
                    UpdateOne({"_id": record.place, "raw_id": record.raw_id}, {"$max": {"cursor": record.instant}})
                    for record in records
                ],
                ordered=False,
            )

    def _settle_again(self, document: dict[str, Any]) -> list[UpdateOne]:
        raw_id, places = document["_id"], document["places"]
        facts = {name: value for name, value in document.items() if name not in {"_id", "places"}}
        same: dict[str, Any] = {"_id": raw_id}
        if document["result"] in {"unchanged", "stale"}:
            # The same bytes in a second place don't replace the outcome that this run has just stored.
            same["$nor"] = [{"run_id": self._run_id, "result": {"$in": _NO_LONGER_NEW}}]
        return [UpdateOne(same, {"$set": facts}), _note(raw_id, places)]


def payloads(collections: Collections, raw_ids: Sequence[str]) -> list[RawRecord]:
    """Return landed records by id, as they were first read; unknown ids are left out."""
    return [RawRecord.from_document(document) for document in collections.raw.find({"_id": {"$in": list(raw_ids)}})]


def rejected(collections: Collections, reject: Mapping[str, Any]) -> Iterator[RawRecord]:
    """Yield the record of a quarantine entry, in the place that the entry names; nothing if its payload is gone."""
    document = collections.raw.find_one({"_id": reject["raw_id"]})
    if document is None:
        return
    at_places = {record.place: record for record, _ in at_each_place(document)}
    facts = {"source": reject["source"], "origin": reject["origin"], "instant": reject["cursor"]}
    here = at_places.get(place_of(reject["source"], reject["origin"])) or RawRecord.from_document(document)
    yield replace(here, **facts)


def insert_new(collection: Documents, documents: Sequence[Any]) -> list[Any]:
    """Insert in bulk and return the documents whose key already exists; that is not an error.

    Raises:
        BulkWriteError: A document failed for another reason.
    """
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if any(failure["code"] != DUPLICATE_KEY for failure in failures) or error.details["writeConcernErrors"]:
            raise
        return [documents[failure["index"]] for failure in failures]
    return []


def _key(record: RawRecord) -> _Key:
    return record.raw_id, record.place


def _item(record: RawRecord, outcome: Mapping[str, Any]) -> str:
    """Return the id of the quarantine entry of a record whose payload was rejected."""
    return outcome["item"] if outcome["job_id"] else record.place


def _is_about(entry: Mapping[str, Any], record: RawRecord) -> bool:
    """Whether a quarantine entry is about this record as its source shows it now."""
    if entry["job_id"]:
        return True
    # Corrected, then broken again in the same way: the entry has to be opened again.
    is_back = entry["state"] == RESOLVED and _is_older(entry, record)
    return entry["raw_id"] == record.raw_id and not is_back


def _is_older(entry: Mapping[str, Any], record: RawRecord) -> bool:
    """Whether a quarantine entry was made before its source showed the record as it is now."""
    return bool(entry["cursor"] < clock.to_millisecond(record.instant))


def _place(record: RawRecord, *, hand: str | None) -> dict[str, Any]:
    return {
        "source": record.source,
        "origin": record.origin,
        "instant": record.instant,
        "line": record.line,
        "column": record.column,
        "hand": hand,
    }


def at_each_place(document: Mapping[str, Any]) -> Iterator[tuple[RawRecord, str | None]]:
    """Yield one record for each place of a landed payload, with the run that holds its lease."""
    first = RawRecord.from_document(document)
    by_place: dict[str, tuple[RawRecord, str | None]] = {first.place: (first, document.get("hand"))}
    for place in document.get("places", ()):
        facts = {name: value for name, value in place.items() if name != "hand"}
        record = replace(first, **facts)
        by_place[record.place] = record, place["hand"]
    yield from by_place.values()


def _add_places(raw_id: str, places: Sequence[Mapping[str, Any]]) -> UpdateOne:
    """Append places to those of a payload; a place that is already there is replaced."""
    names = [place_of(place["source"], place["origin"]) for place in places]
    # As `place_of` does it.
    name = {"$concat": ["$$this.source", ":", "$$this.origin"]}
    others = {
        "$filter": {
            "input": {"$ifNull": ["$places", []]},
            "cond": {"$not": [{"$in": [name, {"$literal": names}]}]},
        }
    }
    # As literals: a file may have the name of a MongoDB operator.
    kept = {"$slice": [{"$concatArrays": [others, {"$literal": list(places)}]}, -MAX_PLACES]}
    return UpdateOne({"_id": raw_id}, [{"$set": {"places": kept}}])


def _note(raw_id: str, places: Sequence[str]) -> UpdateOne:
    """Add places to an outcome, up to `MAX_PLACES`."""
    room = {"_id": raw_id, f"places.{MAX_PLACES - 1}": {"$exists": False}}
    return UpdateOne(room, {"$addToSet": {"places": {"$each": list(places)}}})
