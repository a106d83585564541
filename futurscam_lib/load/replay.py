"""Landed payloads in the order of the versions that were made of them, to make their documents again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.load.landing import Landed, at_each_place
from futurscam_lib.load.spool import chunked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from futurscam_lib.load.collections import Collections
    from futurscam_lib.load.landing import Landing
    from futurscam_lib.records import RawRecord, Replay

_BATCH: Final = 1000
"""Rows of the order that the server gives at a time; a cursor that nobody asks for ten minutes is closed."""

_LAST: Final = "~"
"""Sorts behind every instant: what has become no document has no version."""


def landed(
    collections: Collections, landing: Landing, *, replay: Replay, always: Mapping[str, bool]
) -> Iterator[Landed]:
    """Give the payloads, a chunk at a time: those of older versions first, what has become no document last.

    At the same instant the version that won comes first: settings may have changed which one wins.

    Args:
        collections: Where they are.
        landing: The landing of the run.
        replay: Which payloads.
        always: The sources to look at, each with whether its payloads have to be made again although the mapping of
            today has made them, because settings enter it.
    """
    sources = list(always)
    steps = [*_chosen(collections, replay, sources), *_ordered(collections)]
    found = collections.raw.aggregate(steps, allowDiskUse=True, batchSize=_BATCH)
    for chunk in chunked(found, size=lambda one: one["size"]):
        records, jobs = _records(collections, chunk, sources)
        current = _current(collections, landing, records, jobs=jobs, always=always)
        # A cell of the notebook left these out or changed them: it may do something else today.
        touched = {one["_id"] for one in chunk if one.get("edited") or one.get("result") == "dropped"}
        pending = [
            record for record in records if record.raw_id in touched or (record.raw_id, record.place) not in current
        ]
        known = Counter(record.source for record in records)
        known.subtract(record.source for record in pending)
        yield Landed(pending, known)


def _chosen(collections: Collections, replay: Replay, sources: list[str]) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"$or": [{"source": {"$in": sources}}, {"places.source": {"$in": sources}}]}
    if replay.since:
        asked["landed_at"] = {"$gte": replay.since}
    if replay.job_id:
        outcomes = collections.outcomes.find({"job_id": replay.job_id}, {"_id": 1})
        asked["_id"] = {"$in": [outcome["_id"] for outcome in outcomes]}
    return [{"$match": asked}]


def _ordered(collections: Collections) -> list[dict[str, Any]]:
    """Sorted by the server, on its disk where they are many; without the payloads themselves."""
    version = {"$ifNull": ["$outcome.version", _LAST]}
    return [
        {"$project": {"size": 1}},
        {"$lookup": {"from": collections.outcomes.name, "localField": "_id", "foreignField": "_id", "as": "outcome"}},
        {"$set": {"outcome": {"$first": "$outcome"}}},
        {
            "$project": {
                "size": 1,
                "result": "$outcome.result",
                "edited": "$outcome.edited",
                "job_id": "$outcome.job_id",
                "mapping": "$outcome.transform_version",
                "version": version,
                "instant": {"$first": {"$split": [version, "#"]}},
            }
        },
        {"$sort": {"instant": 1, "mapping": -1, "version": -1, "_id": 1}},
    ]


def _records(
    collections: Collections, chunk: Sequence[Mapping[str, Any]], sources: Sequence[str]
) -> tuple[list[RawRecord], dict[str, str]]:
    """The records of a chunk in its order, and the jobs of those that became documents, by `raw_id`.

    A payload that became a document is taken once, wherever it stood; a broken one is an item in each place.
    """
    ids = [one["_id"] for one in chunk]
    documents = {found["_id"]: found for found in collections.raw.find({"_id": {"$in": ids}})}
    jobs = {one["_id"]: one["job_id"] for one in chunk if one.get("result", "rejected") != "rejected"}
    records: list[RawRecord] = []
    for raw_id in ids:
        # Somebody may be emptying the collection.
        places = at_each_place(documents[raw_id]) if raw_id in documents else ()
        here = [record for record, _ in places if record.source in sources]
        records += here[:1] if raw_id in jobs else here
    return records, jobs


def _current(
    collections: Collections,
    landing: Landing,
    records: Sequence[RawRecord],
    *,
    jobs: Mapping[str, str],
    always: Mapping[str, bool],
) -> set[tuple[str, str]]:
    """Which records need nothing: the mapping of today has dealt with them, and their document says so, too."""
    known = landing.known([record for record in records if not always[record.source]])
    asked = list({jobs[raw_id] for raw_id, _ in known if raw_id in jobs})
    # A document may be older than its outcome: restored from a backup, for example.
    versions = {
        found["job_id"]: found["_etl"]["transform_version"]
        for found in collections.rfps.find(
            {"job_id": {"$in": asked}, "_etl.transform_version": {"$type": "number"}},
            {"job_id": 1, "_etl.transform_version": 1},
        )
        if isinstance(found["job_id"], str) and isinstance(found["_etl"], dict)
    }
    by_key = {(record.raw_id, record.place): record for record in records}
    return {
        key for key in known if key[0] not in jobs or landing.is_current(by_key[key].source, versions.get(jobs[key[0]]))
    }
