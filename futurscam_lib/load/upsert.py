"""Documents into `RFP`, in bulk; the last version wins, whatever the order and whoever else is loading.

Every write is guarded: an insert by the unique index on `job_id`, a replacement by the version that was there when it
was decided. A guard that does not hold means that another loader was faster: the document is looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import bson
from bson.codec_options import CodecOptions
from pymongo import ReplaceOne, UpdateOne

from futurscam_lib.errors import RetryLater
from futurscam_lib.load.entry import Change, Entry, Outcome, Result
from futurscam_lib.load.foreseen import Ahead, Foreseen
from futurscam_lib.load.landing import insert_new
from futurscam_lib.rfp import VersionKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from futurscam_lib.load.collections import Collections

MAX_ROUNDS: Final = 50
_STATE: Final = {"job_id": 1, "_etl.version": 1, "_etl.content_hash": 1, "_etl.transform_version": 1, "_etl.raw_id": 1}
# What the source does not give and others fill in; a new version of the mission does not undo their work.
_ENRICHED: Final = ("RFP_type",)
_FOREIGN: Final = VersionKey("", 0, "")
_OURS: Final = {
    "_etl.version": {"$type": "string"},
    "_etl.content_hash": {"$type": "string"},
    "_etl.transform_version": {"$type": "number"},
}


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is known of a document in the database.

    Attributes:
        id: Its `_id`.
        key: Its version; that of a document which another program wrote is older than any.
        has_version: Whether it has one of ours.
    """

    id: Any
    key: VersionKey
    has_version: bool = True

    @classmethod
    def of(cls, found: dict[str, Any]) -> _Stored:
        match found.get("_etl"):
            case {"version": str(version), "transform_version": int(mapping), "content_hash": str(digest)}:
                return cls(found["_id"], VersionKey(version.partition("#")[0], mapping, digest))
        return cls(found["_id"], _FOREIGN, has_version=False)

    @property
    def guard(self) -> dict[str, Any]:
        """Filter that holds while nobody has written the document since."""
        if not self.has_version:
            return {"_id": self.id, "$nor": [_OURS]}
        return {
            "_id": self.id,
            "_etl.version": self.key.text,
            "_etl.transform_version": self.key.transform_version,
        }


@dataclass(slots=True)
class Loaded:
    """What loading one chunk did; `changes` tells each updated field, `inserted` the entries that were new."""

    outcomes: list[Outcome]
    inserted: list[Entry]
    changes: list[Change]


class Upsert:
    """Loads chunks for one run.

    Attributes:
        foreseen: What would be there after a dry run.
    """

    def __init__(self, collections: Collections, *, run_id: str, now: datetime, dry_run: bool) -> None:
        """Prepare; with `dry_run` say what would happen and write nothing."""
        self._rfps, self._run_id, self._now, self._dry_run = collections.rfps, run_id, now, dry_run
        self._would_be: dict[str, VersionKey] = {}
        self.foreseen = Foreseen()

    def load(self, entries: Sequence[Entry]) -> Loaded:
        """Load a chunk.

        Raises:
            RetryLater: Other loaders kept changing the same documents; what is written is sound.
        """
        loaded = Loaded([], [], [])
        waiting = self._fold(entries, loaded)
        for _ in range(MAX_ROUNDS):
            waiting = self._round(waiting, loaded)
            if not waiting:
                return loaded
        raise RetryLater(
            f"{len(waiting)} documents were changed by somebody else {MAX_ROUNDS} times in a row. "
            "Nothing was lost: the next run loads them again."
        )

    def _fold(self, entries: Iterable[Entry], loaded: Loaded) -> dict[str, Entry]:
        """Keep the last version of each job; the others are settled."""
        last: dict[str, Entry] = {}
        for entry in entries:
            rival = last.get(entry.job_id)
            if rival is None:
                last[entry.job_id] = entry
                continue
            winner, loser = (entry, rival) if entry.key > rival.key else (rival, entry)
            last[entry.job_id] = winner
            self._settle(loaded, loser, _against(loser.key, winner.key))
        return last

    def _round(self, waiting: dict[str, Entry], loaded: Loaded) -> dict[str, Entry]:
        """Look, decide, write; give back those whose guard did not hold."""
        stored = self._look_up(list(waiting))
        fresh: list[Entry] = []
        replaced: list[tuple[Entry, _Stored]] = []
        moved: list[tuple[Entry, _Stored]] = []
        for entry in waiting.values():
            there = stored.get(entry.job_id)
            if there is None:
                fresh.append(entry)
            elif entry.key <= there.key:
                self._settle(loaded, entry, _against(entry.key, there.key))
            elif entry.key.content_hash == there.key.content_hash:
                moved.append((entry, there))
            else:
                replaced.append((entry, there))
        again = [*self._insert(fresh, loaded), *self._replace(replaced, loaded), *self._move_version(moved, loaded)]
        return {entry.job_id: entry for entry in again}

    def _look_up(self, job_ids: list[str]) -> dict[str, _Stored]:
        found = self._rfps.find({"job_id": {"$in": job_ids}}, _STATE)
        stored = {document["job_id"]: _Stored.of(document) for document in found}
        for job_id in self._would_be.keys() & set(job_ids):
            stored[job_id] = _Stored(None, self._would_be[job_id])
        return stored

    def _insert(self, entries: list[Entry], loaded: Loaded) -> list[Entry]:
        by_job = {entry.job_id: entry for entry in entries}
        taken: list[Any] = []
        if entries and not self._dry_run:
            taken = insert_new(self._rfps, [entry.document for entry in entries])
        again = [by_job.pop(document["job_id"]) for document in taken]
        for entry in by_job.values():
            self._settle(loaded, entry, "inserted")
            loaded.inserted.append(entry)
        return again

    def _replace(self, pairs: list[tuple[Entry, _Stored]], loaded: Loaded) -> list[Entry]:
        if not pairs:
            return []
        before = {
            found["job_id"]: found for found in self._rfps.find({"job_id": {"$in": [e.job_id for e, _ in pairs]}})
        }
        writes: list[ReplaceOne[dict[str, Any]]] = []
        written: list[tuple[Entry, list[Change]]] = []
        again: list[Entry] = []
        for entry, there in pairs:
            old = before.get(entry.job_id)
            if self._dry_run:
                written.append((entry, differences(old, _successor(entry, old, now=self._now)) if old else []))
                continue
            if old is None or _Stored.of(old) != there:
                again.append(entry)
                continue
            new = _successor(entry, old, now=self._now)
            kept = {name: old.get(name) for name in _ENRICHED}
            writes.append(ReplaceOne({**there.guard, **kept}, new))
            written.append((entry, differences(old, new)))
        if writes and self._rfps.bulk_write(writes, ordered=False).matched_count < len(writes):
            mine = self._written_by_me([entry for entry, _ in written])
            again += [entry for entry, _ in written if entry.job_id not in mine]
            written = [(entry, changes) for entry, changes in written if entry.job_id in mine]
        for entry, changes in written:
            self._settle(loaded, entry, "updated")
            loaded.changes += changes
        return again

    def _move_version(self, pairs: list[tuple[Entry, _Stored]], loaded: Loaded) -> list[Entry]:
        """Same content, newer version: without moving it forward, a late record in between would win."""
        writes = [UpdateOne(there.guard, {"$set": _new_version(entry)}) for entry, there in pairs]
        entries = [entry for entry, _ in pairs]
        again: list[Entry] = []
        if writes and not self._dry_run and self._rfps.bulk_write(writes, ordered=False).matched_count < len(writes):
            mine = self._written_by_me(entries)
            again = [entry for entry in entries if entry.job_id not in mine]
        for entry in entries:
            if entry not in again:
                self._settle(loaded, entry, "unchanged")
                self._foresee(entry)
        return again

    def _written_by_me(self, entries: list[Entry]) -> set[str]:
        """Jobs that hold just what was to be written; for the others the next round decides."""
        wanted = {entry.job_id: entry.key for entry in entries}
        found = self._rfps.find({"job_id": {"$in": list(wanted)}, "_etl.run_id": self._run_id}, _STATE)
        return {document["job_id"] for document in found if _Stored.of(document).key == wanted[document["job_id"]]}

    def _settle(self, loaded: Loaded, entry: Entry, result: Result) -> None:
        loaded.outcomes.append(
            Outcome(
                source=entry.source,
                raw_id=entry.raw_id,
                result=result,
                transform_version=entry.key.transform_version,
                job_id=entry.job_id,
                version=entry.key.text,
                place=f"{entry.source}:{entry.origin}",
            )
        )
        if result in {"inserted", "updated"}:
            self._foresee(entry)
            if self._dry_run:
                self.foreseen.put(Ahead.of(entry.document))

    def _foresee(self, entry: Entry) -> None:
        """In a dry run, remember what would be there."""
        if self._dry_run:
            self._would_be[entry.job_id] = entry.key


def _against(key: VersionKey, winner: VersionKey) -> Result:
    return "unchanged" if key.content_hash == winner.content_hash else "stale"


def _successor(entry: Entry, old: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    new = _decoded(entry)
    for name in _ENRICHED:
        if new[name] is None:
            new[name] = old.get(name)
    match old.get("_etl"):
        case {"first_run_id": first_run_id, "first_seen_at": first_seen_at}:
            new["_etl"] |= {"first_run_id": first_run_id, "first_seen_at": first_seen_at}
    new["_etl"]["changed_at"] = now
    # With its `_id` first the server can tell that nothing differs.
    return {"_id": old["_id"], **new}


def _new_version(entry: Entry) -> dict[str, Any]:
    return {
        "_etl.version": entry.key.text,
        "_etl.transform_version": entry.key.transform_version,
        "_etl.raw_id": entry.raw_id,
        "_etl.run_id": entry.document["_etl"]["run_id"],
    }


def _decoded(entry: Entry) -> dict[str, Any]:
    return bson.decode(entry.encoded, CodecOptions(tz_aware=True))


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Each field of an updated document that differs, objects field by field; `_etl` and `_id` left out."""
    facts = {"job_id": new["job_id"], "reference": new["reference"], "title": new["roleTitle"]}
    return [Change(field=field, before=before, after=after, **facts) for field, before, after in _walk(old, new, "")]


def _walk(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterable[tuple[str, Any, Any]]:
    for name in new | old:
        if name in {"_etl", "_id"}:
            continue
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _walk(before, after, f"{path}{name}.")
        elif before != after:
            yield f"{path}{name}", before, after
