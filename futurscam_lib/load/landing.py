"""Raw records kept as they came, and what became of each.

A payload that is already landed and dealt with by the mapping of today costs one look-up a chunk. A payload that a
run landed and did not get to load (killed, database gone) is found again by the next run, even when its source no
longer shows it. The same bytes may stand in several places: a good post is one document wherever it stands, but a
broken one is a failed item in each place.
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
"""So many places of one payload are kept: with the longest paths they take 4 of the 16 MB of a document."""


_MOST_AHEAD: Final = timedelta(days=1)
_DEALING: Final = {"result": 1, "edited": 1, "transform_version": 1, "job_id": 1, "item": 1, "places": 1}
_WITHOUT_DOCUMENT: Final = ("rejected", "dropped")
_NO_LONGER_NEW: Final = ("inserted", "updated")

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Landed:
    """What landing one chunk found.

    Attributes:
        pending: Records to transform.
        known: Per source, records that need nothing: dealt with before, or twice in this chunk.
    """

    pending: list[RawRecord]
    known: Counter[str]


@dataclass(slots=True)
class _Known:
    """What is known of the records of a chunk.

    Attributes:
        keys: Of the records that were dealt with.
        elsewhere: Records with a known payload, in a place that is not noted yet.
        still_broken: Broken records that their source shows anew, unchanged.
    """

    keys: set[_Key] = field(default_factory=set)
    elsewhere: list[RawRecord] = field(default_factory=list)
    still_broken: list[RawRecord] = field(default_factory=list)

    def add(self, record: RawRecord, outcome: Mapping[str, Any], entry: Mapping[str, Any] | None) -> None:
        """Add a record that was dealt with.

        Args:
            record: As its source shows it now.
            outcome: What became of its payload.
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
            versions: The transform's version per source; what an older one dealt with is pending again.
            dry_run: Look, but write nothing.
        """
        self._collections, self._run_id, self._versions, self._dry_run = collections, run_id, versions, dry_run
        # Tells this pass from an earlier one of the same run: an analyst may execute a cell twice.
        self._hand = f"{run_id}/{secrets.token_hex(4)}"
        self._others: list[dict[str, Any]] = []
        self._seen_dry: set[_Key] = set()

    def land(self, records: Sequence[RawRecord], *, now: datetime) -> Landed:
        """Keep the payloads of a chunk that are new, and give the records that are to be transformed."""
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
        """Records that earlier runs landed and did not get to load, a chunk at a time."""
        self._others = list(
            self._collections.runs.find({"_id": {"$ne": self._hand}, "sources": {"$in": list(sources)}})
        )
        if not self._others:
            return
        hands = [run["_id"] for run in self._others]
        found = self._collections.raw.find({"$or": [{"places.hand": {"$in": hands}}, {"hand": {"$in": hands}}]})
        left = (
            record
            for document in found
            for record, hand in at_each_place(document)
            if hand in hands and record.source in sources
        )
        for records in chunked(left, size=lambda record: len(record.payload)):
            # A dry run takes nothing in hand: what it has read itself is still among them.
            done = self._look_up(records).keys | self._seen_dry
            yield [record for record in records if _key(record) not in done]

    def due(self, sources: Sequence[str], *, now: datetime) -> Iterator[RawRecord]:
        """Records that were rejected because their time stamp lay ahead, and whose time has come."""
        latest = clock.to_sortable(now + _MOST_AHEAD)
        asked = {"state": OPEN, "code": IN_FUTURE, "source": {"$in": list(sources)}, "instant": {"$lte": latest}}
        for reject in self._collections.rejects.find(asked):
            yield from rejected(self._collections, reject)

    def known(self, records: Sequence[RawRecord]) -> set[tuple[str, str]]:
        """Which of the records need nothing, by `raw_id` and place: today's mapping has dealt with them."""
        return self._look_up(records).keys

    def is_current(self, source: str, transform_version: Any) -> bool:
        """Whether a document says that the mapping of today made it."""
        return isinstance(transform_version, int) and transform_version >= self._versions[source]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Write down what became of payloads; nothing is looked at again until the mapping's version rises."""
        if not outcomes or self._dry_run:
            return
        places: dict[str, list[str]] = defaultdict(list)
        for outcome in outcomes:
            places[outcome.raw_id].append(outcome.place)
        documents = [
            outcome.to_document(self._run_id) | {"places": places[outcome.raw_id][:MAX_PLACES]} for outcome in outcomes
        ]
        taken = insert_new(self._collections.outcomes, documents)
        # Dealt with by an older mapping, in another place, or by another run at the same time: the later word stays.
        writes = [write for document in taken for write in self._settle_again(document)]
        if writes:
            self._collections.outcomes.bulk_write(writes)

    def finish(self, sources: Sequence[str]) -> None:
        """Once all is loaded: forget this pass, and the earlier runs whose leftovers it loaded."""
        runs = self._collections.runs
        runs.delete_one({"_id": self._hand})
        for run in self._others:
            # Only as it was when its leftovers were read: it may be alive and landing.
            same = {"_id": run["_id"], "landings": run["landings"]}
            runs.update_one(same, {"$pullAll": {"sources": list(sources)}})
        runs.delete_many({"sources": []})

    def _look_up(self, records: Iterable[RawRecord]) -> _Known:
        """Which records have an outcome under today's mapping whose result is still there."""
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
        # The jobs are answered from an index alone. Somebody may have emptied a collection to have it filled again.
        jobs = self._jobs({outcome["job_id"] for _, outcome in done if outcome["result"] not in _WITHOUT_DOCUMENT})
        entries = self._entries({_item(*one) for one in done if one[1]["result"] == "rejected"})
        known = _Known()
        for record, outcome in done:
            entry = None
            if outcome["result"] == "rejected":
                entry = entries.get(_item(record, outcome))
                if entry is None or not _stands_for(entry, record):
                    continue
            elif outcome["result"] != "dropped" and outcome["job_id"] not in jobs:
                continue
            known.add(record, outcome, entry)
        return known

    def _jobs(self, wanted: set[str]) -> set[str]:
        if not wanted:
            return set()
        found = self._collections.rfps.find({"job_id": {"$in": list(wanted)}}, {"_id": 0, "job_id": 1})
        # Another program may keep several of them in a list.
        return {document["job_id"] for document in found if isinstance(document["job_id"], str)}

    def _entries(self, wanted: set[str]) -> dict[str, dict[str, Any]]:
        if not wanted:
            return {}
        fields = {"raw_id": 1, "state": 1, "cursor": 1, "job_id": 1}
        return {found["_id"]: found for found in self._collections.rejects.find({"_id": {"$in": list(wanted)}}, fields)}

    def _take(self, fresh: Sequence[RawRecord], now: datetime) -> None:
        """Land what is new."""
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
        there = insert_new(self._collections.raw, documents)
        if there:
            self._collections.raw.bulk_write(
                [_add_places(document["_id"], document["places"]) for document in there], ordered=False
            )

    def _to_document(self, records: Sequence[RawRecord], now: datetime) -> dict[str, Any]:
        places = [_place(record, hand=self._hand) for record in records[-MAX_PLACES:]]
        return {**records[0].to_document(), "run_id": self._run_id, "landed_at": now, "places": places}

    def _note_places(self, records: Sequence[RawRecord]) -> None:
        """Keep where else known payloads were found."""
        if not records:
            return
        by_id: dict[str, list[RawRecord]] = defaultdict(list)
        for record in records:
            by_id[record.raw_id].append(record)
        self._collections.raw.bulk_write(
            [_add_places(raw_id, [_place(one, hand=None) for one in found]) for raw_id, found in by_id.items()],
            ordered=False,
        )
        # Last: what is noted here is not written into the payload again.
        self._collections.outcomes.bulk_write(
            [_note(raw_id, [one.place for one in found]) for raw_id, found in by_id.items()], ordered=False
        )

    def _note_still_broken(self, records: Sequence[RawRecord]) -> None:
        """Move the entries of broken items along with their file, of which another part changed.

        `Quarantine.close_replaced` takes an entry that is older than its file for one that the file no longer holds.
        """
        if records:
            self._collections.rejects.bulk_write(
                [
                    UpdateOne({"_id": one.place, "raw_id": one.raw_id}, {"$max": {"cursor": one.instant}})
                    for one in records
                ],
                ordered=False,
            )

    def _settle_again(self, document: dict[str, Any]) -> list[UpdateOne]:
        raw_id, places = document["_id"], document["places"]
        facts = {name: value for name, value in document.items() if name not in {"_id", "places"}}
        same: dict[str, Any] = {"_id": raw_id}
        if document["result"] in {"unchanged", "stale"}:
            # The same bytes in a second place add nothing to what this run has just made of them.
            same["$nor"] = [{"run_id": self._run_id, "result": {"$in": _NO_LONGER_NEW}}]
        return [UpdateOne(same, {"$set": facts}), _note(raw_id, places)]


def payloads(collections: Collections, raw_ids: Sequence[str]) -> list[RawRecord]:
    """Landed records by id, as they were first read; what is not there is left out."""
    return [RawRecord.from_document(found) for found in collections.raw.find({"_id": {"$in": list(raw_ids)}})]


def rejected(collections: Collections, reject: Mapping[str, Any]) -> Iterator[RawRecord]:
    """The record of an entry of the quarantine, in the place that the entry names; none where its payload is gone."""
    document = collections.raw.find_one({"_id": reject["raw_id"]})
    if document is None:
        return
    at_places = {record.place: record for record, _ in at_each_place(document)}
    facts = {"source": reject["source"], "origin": reject["origin"], "instant": reject["cursor"]}
    here = at_places.get(place_of(reject["source"], reject["origin"])) or RawRecord.from_document(document)
    yield replace(here, **facts)


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


def _key(record: RawRecord) -> _Key:
    return record.raw_id, record.place


def _item(record: RawRecord, outcome: Mapping[str, Any]) -> str:
    """The entry of the quarantine that stands for a record whose payload was rejected."""
    return outcome["item"] if outcome["job_id"] else record.place


def _stands_for(entry: Mapping[str, Any], record: RawRecord) -> bool:
    """Whether an entry of the quarantine is about this record as it is shown now."""
    if entry["job_id"]:
        return True
    # Mended, and broken again in the same way: that is open again.
    is_back = entry["state"] == RESOLVED and _is_older(entry, record)
    return entry["raw_id"] == record.raw_id and not is_back


def _is_older(entry: Mapping[str, Any], record: RawRecord) -> bool:
    """Whether an entry of the quarantine was made before its source showed the record as it is now."""
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
    """A landed payload as the record of each place that it came from, and the run that has it in hand."""
    first = RawRecord.from_document(document)
    found: dict[str, tuple[RawRecord, str | None]] = {first.place: (first, document.get("hand"))}
    for place in document.get("places", ()):
        facts = {name: value for name, value in place.items() if name != "hand"}
        record = replace(first, **facts)
        found[record.place] = record, place["hand"]
    yield from found.values()


def _add_places(raw_id: str, places: Sequence[Mapping[str, Any]]) -> UpdateOne:
    """Put places last among those of a payload, each instead of what was noted of it before."""
    names = [place_of(place["source"], place["origin"]) for place in places]
    # As `place_of` does it.
    name = {"$concat": ["$$this.source", ":", "$$this.origin"]}
    others = {
        "$filter": {
            "input": {"$ifNull": ["$places", []]},
            "cond": {"$not": [{"$in": [name, {"$literal": names}]}]},
        }
    }
    # Literally: a file may be called like an operator of MongoDB.
    kept = {"$slice": [{"$concatArrays": [others, {"$literal": list(places)}]}, -MAX_PLACES]}
    return UpdateOne({"_id": raw_id}, [{"$set": {"places": kept}}])


def _note(raw_id: str, places: Sequence[str]) -> UpdateOne:
    """Note with an outcome that the payload was seen in these places; full is full."""
    room = {"_id": raw_id, f"places.{MAX_PLACES - 1}": {"$exists": False}}
    return UpdateOne(room, {"$addToSet": {"places": {"$each": list(places)}}})
