"""Reads landed payloads, ordered by the version each one produced, to rebuild their documents."""

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
"""Rows per batch of the cursor; the server closes a cursor that is not read for ten minutes."""

_LAST: Final = "~"
"""Sorts behind every instant: a payload without a document has no version."""


def landed(
    collections: Collections, landing: Landing, *, replay: Replay, always: Mapping[str, bool]
) -> Iterator[Landed]:
    """Yield the payloads in chunks: payloads of older versions first, payloads without a document last.

    At the same instant the version that won comes first: settings may have changed which one wins.

    Args:
        collections: Where the payloads are.
        landing: The landing of the run.
        replay: Which payloads.
        always: The sources to read. The value says whether to transform a payload again even if the current mapping
            has already done so, because the mapping also depends on settings.
    """
    sources = list(always)
    steps = [*_chosen(collections, replay, sources), *_ordered(collections)]
    rows = collections.raw.aggregate(steps, allowDiskUse=True, batchSize=_BATCH)
    for chunk in chunked(rows, size=lambda row: row["size"]):
        records, jobs = _records(collections, chunk, sources)
        current = _current(collections, landing, records, jobs=jobs, always=always)
        # A notebook cell dropped or changed these: it may do something else today.
        touched = {row["_id"] for row in chunk if row.get("edited") or row.get("result") == "dropped"}
        pending = [
            record for record in records if record.raw_id in touched or (record.raw_id, record.place) not in current
        ]
        known = Counter(record.source for record in records)
        known.subtract(record.source for record in pending)
        yield Landed(pending, known)


def _chosen(collections: Collections, replay: Replay, sources: list[str]) -> list[dict[str, Any]]:
    condition: dict[str, Any] = {"$or": [{"source": {"$in": sources}}, {"places.source": {"$in": sources}}]}
    if replay.since:
        condition["landed_at"] = {"$gte": replay.since}
    if replay.job_id:
        outcomes = collections.outcomes.find({"job_id": replay.job_id}, {"_id": 1})
        condition["_id"] = {"$in": [outcome["_id"] for outcome in outcomes]}
    return [{"$match": condition}]


def _ordered(collections: Collections) -> list[dict[str, Any]]:
    """Sort on the server, which uses its disk for large results; the payloads themselves are left out."""
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
    """Return the records of a chunk in its order, and the jobs of those that became documents, by `raw_id`.

    A payload that became a document gives one record, whatever its places; a broken payload gives one for each place.
    """
    ids = [row["_id"] for row in chunk]
    documents = {document["_id"]: document for document in collections.raw.find({"_id": {"$in": ids}})}
    jobs = {row["_id"]: row["job_id"] for row in chunk if row.get("result", "rejected") != "rejected"}
    records: list[RawRecord] = []
    for raw_id in ids:
        # The payload may have been deleted in the meantime.
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
    """Return the keys of records that need no work: the current mapping processed them, and their document says so."""
    known = landing.known([record for record in records if not always[record.source]])
    job_ids = list({jobs[raw_id] for raw_id, _ in known if raw_id in jobs})
    # A document may be older than its outcome: restored from a backup, for example.
    versions = {
        document["job_id"]: document["_etl"]["transform_version"]
        for document in collections.rfps.find(
            {"job_id": {"$in": job_ids}, "_etl.transform_version": {"$type": "number"}},
            {"job_id": 1, "_etl.transform_version": 1},
        )
        if isinstance(document["job_id"], str) and isinstance(document["_etl"], dict)
    }
    by_key = {(record.raw_id, record.place): record for record in records}
    return {
        key for key in known if key[0] not in jobs or landing.is_current(by_key[key].source, versions.get(jobs[key[0]]))
    }
