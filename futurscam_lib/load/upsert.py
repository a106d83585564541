"""Documents into `RFP`, in bulk; the last version wins, whatever the order and whoever else is loading.

Every write is guarded: an insert by the unique index on `job_id`, an update by the version that was there when it
was decided. A guard that does not hold means that another loader was faster: the document is looked at again.

An update writes the fields of this software and no others, each by its path: what other programs put into a document,
or into one of its objects, stays, also when they do so at the same moment. A list is written as a whole.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bson import DBRef
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from futurscam_lib.errors import Rejected, RetryLater
from futurscam_lib.load import refusals
from futurscam_lib.load.dry_run_state import DryRunState, MissionState
from futurscam_lib.load.entry import Change, Entry, Outcome, Result
from futurscam_lib.load.lifecycle import ENDS, kept_ending
from futurscam_lib.rfp import VersionKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.load.collections import Collections
    from futurscam_lib.load.refusals import Failure

MAX_ROUNDS: Final = 50
_MAX_REFUSALS: Final = 5
"""So often a write is tried again after a refusal that the next look may explain; then it is a refusal like others."""

_STATE: Final = {"job_id": 1, "_etl.version": 1, "_etl.content_hash": 1, "_etl.transform_version": 1, "_etl.raw_id": 1}
# What the source does not give and others fill in; a new version of the mission does not undo their work.
_ENRICHED: Final = ("RFP_type",)
_FOREIGN: Final = VersionKey("", 0, "")
_VERSION: Final = "[ -~]*#[ -~]*"
_OURS: Final = {
    **{path: {"$not": {"$type": "array"}} for path in ("_etl", "_etl.transform_version")},
    "_etl.version": {"$type": "string", "$not": {"$type": "array"}, "$regex": rf"\A{_VERSION}\z"},
    "$and": [{"_etl.transform_version": {"$type": ["int", "long"]}}],
}
"""A document with a version of ours, as MongoDB is asked; `_Stored.of` says the same of one that was read."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is known of a document in the database.

    Attributes:
        id: Its `_id`.
        key: Its version; that of a document which another program wrote is older than any.
        has_version: Whether it has one of ours.
        raw_id: The payload it was made from.
    """

    id: Any
    key: VersionKey
    has_version: bool = True
    raw_id: Any = None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> _Stored:
        match found.get("_etl"):
            case {"version": str(version), "transform_version": int(mapping), **others} if (
                type(version) is str and not isinstance(mapping, bool) and re.fullmatch(_VERSION, version)
            ):
                instant, _, digest = version.partition("#")
                return cls(found["_id"], VersionKey(instant, mapping, digest), raw_id=others.get("raw_id"))
        return cls(found["_id"], _FOREIGN, has_version=False)

    @property
    def guard(self) -> dict[str, Any]:
        """Filter that holds while no loader has written the document since."""
        if not self.has_version:
            return {"_id": self.id, "$nor": [_OURS]}
        return {
            "_id": self.id,
            "_etl.version": self.key.text,
            "_etl.transform_version": self.key.transform_version,
        }


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """An entry that MongoDB did not take, and why."""

    entry: Entry
    error: Rejected


@dataclass(slots=True)
class Loaded:
    """What loading one chunk did.

    Attributes:
        outcomes: What became of each entry, but for the refused ones.
        inserted: The entries that were new.
        changes: Each updated field in which a person sees a difference.
        refused: Entries that MongoDB did not take; the others are loaded.
        tries: By job, how often a write was refused and tried again.
        older: By job, the older versions of the chunk, newest first. The next one takes the place of a version that
            MongoDB refuses; the others are counted together with the version that wins.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    inserted: list[Entry] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    refused: list[RefusedEntry] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    older: dict[str, list[Entry]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Update:
    """One update that was decided: the write, the document as it will be, and what differs."""

    entry: Entry
    write: UpdateOne
    after: dict[str, Any]
    changes: list[Change]


class Upsert:
    """Loads chunks for one run.

    Attributes:
        dry_run_state: What would be there after a dry run.
    """

    def __init__(
        self, collections: Collections, *, run_id: str, now: datetime, dry_run: bool, replay: bool = False
    ) -> None:
        """Prepare.

        Args:
            collections: Where.
            run_id: The run.
            now: When it reads; aware, UTC.
            dry_run: Say what would happen, write nothing.
            replay: Documents are made again from their landed payloads: what the same payload gives today replaces
                what it gave before, though neither the source nor the mapping has a new version.
        """
        self._rfps, self._run_id, self._now, self._dry_run = collections.rfps, run_id, now, dry_run
        self._replay = replay
        self._would_be: dict[str, _Stored] = {}
        self.dry_run_state = DryRunState()

    def load(self, entries: Sequence[Entry]) -> Loaded:
        """Load a chunk.

        Raises:
            RetryLater: Other loaders kept changing the same documents; what is written is sound.
        """
        loaded = Loaded()
        # A replay gives the entries of one job in the order in which they are to be compared with what is there.
        for part in _one_each(entries) if self._replay else [entries]:
            self._load(part, loaded)
        return loaded

    def _load(self, entries: Sequence[Entry], loaded: Loaded) -> None:
        waiting = self._fold(entries, loaded)
        rounds = 0
        while rounds < MAX_ROUNDS:
            refused = len(loaded.refused)
            waiting = self._round(waiting, loaded)
            if not waiting:
                return
            # A refusal brings an older version in, and there are only so many of those.
            rounds += len(loaded.refused) == refused
        raise RetryLater(
            f"{len(waiting)} documents were changed by somebody else {MAX_ROUNDS} times in a row. "
            "Nothing was lost: the next run loads them again."
        )

    def _fold(self, entries: Iterable[Entry], loaded: Loaded) -> dict[str, Entry]:
        """Give the last version of each job; the others wait for what becomes of it."""
        versions: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            versions[entry.job_id].append(entry)
        for of_job in versions.values():
            of_job.sort(key=lambda entry: entry.key, reverse=True)
        loaded.older = {job_id: of_job[1:] for job_id, of_job in versions.items() if len(of_job) > 1}
        return {job_id: of_job[0] for job_id, of_job in versions.items()}

    def _round(self, waiting: dict[str, Entry], loaded: Loaded) -> dict[str, Entry]:
        """Look, decide, write; give back those whose guard did not hold."""
        stored = self._look_up(list(waiting))
        fresh: list[Entry] = []
        updated: list[tuple[Entry, _Stored]] = []
        moved: list[tuple[Entry, _Stored]] = []
        for entry in waiting.values():
            there = stored.get(entry.job_id)
            if there is None:
                fresh.append(entry)
            elif entry.key <= there.key and not self._is_redone(entry, there):
                self._settle(loaded, entry, _against(entry.key, there.key))
            elif entry.key.content_hash == there.key.content_hash:
                moved.append((entry, there))
            else:
                updated.append((entry, there))
        again = [*self._insert(fresh, loaded), *self._update(updated, loaded), *self._move_version(moved, loaded)]
        return {entry.job_id: entry for entry in again}

    def _is_redone(self, entry: Entry, there: _Stored) -> bool:
        """Whether a setting that enters the mapping has changed what the same payload gives."""
        same = entry.raw_id == there.raw_id and entry.key[:2] == there.key[:2]
        return self._replay and same and entry.key != there.key

    def _look_up(self, job_ids: list[str]) -> dict[str, _Stored]:
        found = self._rfps.find({"job_id": {"$in": job_ids}}, _STATE)
        # Another program may keep several of them in a list.
        stored = {one["job_id"]: _Stored.of(one) for one in found if isinstance(one["job_id"], str)}
        for job_id in self._would_be.keys() & set(job_ids):
            stored[job_id] = self._would_be[job_id]
        return stored

    def _insert(self, entries: list[Entry], loaded: Loaded) -> list[Entry]:
        failures: dict[int, Failure] = {}
        if entries and not self._dry_run:
            try:
                self._rfps.insert_many([entry.document for entry in entries], ordered=False)
            except BulkWriteError as error:
                failures = refusals.by_index(error)
        again = []
        for place, entry in enumerate(entries):
            if place in failures:
                taken = refusals.is_duplicate_of(failures[place], "job_id")
                again += self._refuse(entry, failures[place], loaded, retry=taken)
                continue
            self._settle(loaded, entry, "inserted", entry.document)
            loaded.inserted.append(entry)
        return again

    def _update(self, pairs: list[tuple[Entry, _Stored]], loaded: Loaded) -> list[Entry]:
        if not pairs:
            return []
        before = {
            found["job_id"]: found
            for found in self._rfps.find({"job_id": {"$in": [entry.job_id for entry, _ in pairs]}})
            if isinstance(found["job_id"], str)
        }
        again: list[Entry] = []
        updates: list[_Update] = []
        for entry, there in pairs:
            old = before.get(entry.job_id)
            if not self._dry_run and (old is None or _Stored.of(old) != there):
                again.append(entry)
            else:
                updates.append(self._decide(entry, there, old or {}))
        back = self._write([(one.entry, one.write) for one in updates], loaded)
        for one in updates:
            if one.entry.job_id not in back:
                self._settle(loaded, one.entry, "updated", one.after)
                loaded.changes += one.changes
        return [*again, *(entry for entry in back.values() if entry is not None)]

    def _decide(self, entry: Entry, there: _Stored, old: dict[str, Any]) -> _Update:
        after = _successor(entry, old, now=self._now)
        changes = [change for change in differences(old, after) if change.is_visible] if old else []
        # Whoever fills one of these in at this moment is not written over.
        left = [name for name in _ENRICHED if entry.document[name] is None]
        guard = dict(there.guard)
        values = dict(_by_path({name: value for name, value in after.items() if name not in left}, old))
        for name in set(left) - old.keys():
            guard[name], values[name] = {"$exists": False}, None
        # Where no object stands, one is put as a whole; not if somebody else has put one there meanwhile.
        whole = [path for path, value in values.items() if isinstance(value, dict) and not _is_reference(old, path)]
        none = [{"$or": [{path: {"$not": {"$type": "object"}}}, {path: {"$type": "array"}}]} for path in whole]
        guard |= {"$and": none} if none else {}
        update: dict[str, Any] = {"$set": values}
        etl = old.get("_etl")
        if isinstance(etl, dict) and (gone := [name for name in ENDS if name in etl and name not in after["_etl"]]):
            update["$unset"] = {f"_etl.{name}": "" for name in gone}
        return _Update(entry, UpdateOne(guard, update), after, changes)

    def _write(self, writes: Sequence[tuple[Entry, UpdateOne]], loaded: Loaded) -> dict[str, Entry | None]:
        """Write; give those that were not written, by job, each with what is to be looked at next, if anything."""
        if not writes or self._dry_run:
            return {}
        back: dict[str, Entry | None] = {}
        try:
            matched = self._rfps.bulk_write([write for _, write in writes], ordered=False).matched_count
        except BulkWriteError as error:
            matched = error.details["nMatched"]
            for place, failure in refusals.by_index(error).items():
                entry = writes[place][0]
                retry = refusals.is_changed_shape(failure)
                back[entry.job_id] = next(iter(self._refuse(entry, failure, loaded, retry=retry)), None)
        asked = [entry for entry, _ in writes if entry.job_id not in back]
        if matched < len(asked):
            mine = self._written_by_me(asked)
            back |= {entry.job_id: entry for entry in asked if entry.job_id not in mine}
        return back

    def _refuse(self, entry: Entry, failure: Failure, loaded: Loaded, *, retry: bool) -> list[Entry]:
        """Give the entry back where another look may help, and not for ever; otherwise it is refused.

        Then the job's next older version of the chunk is given: alone in its chunk it would be loaded, too.
        """
        loaded.tries[entry.job_id] += retry
        if retry and loaded.tries[entry.job_id] <= _MAX_REFUSALS:
            return [entry]
        loaded.refused.append(RefusedEntry(entry, refusals.rejected(failure, collection=self._rfps.name)))
        del loaded.tries[entry.job_id]
        older = loaded.older.get(entry.job_id)
        return [older.pop(0)] if older else []

    def _move_version(self, pairs: list[tuple[Entry, _Stored]], loaded: Loaded) -> list[Entry]:
        """Same content, newer version: without moving it forward, a late record in between would win."""
        writes = [(entry, UpdateOne(there.guard, {"$set": _new_version(entry)})) for entry, there in pairs]
        back = self._write(writes, loaded)
        for entry, _ in pairs:
            if entry.job_id not in back:
                self._settle(loaded, entry, "unchanged")
                self._remember(entry)
        return [entry for entry in back.values() if entry is not None]

    def _written_by_me(self, entries: list[Entry]) -> set[str]:
        """Jobs that hold just what was to be written; for the others the next round decides."""
        wanted = {entry.job_id: entry.key for entry in entries}
        found = self._rfps.find({"job_id": {"$in": list(wanted)}, "_etl.run_id": self._run_id}, _STATE)
        return {document["job_id"] for document in found if _Stored.of(document).key == wanted[document["job_id"]]}

    def _settle(self, loaded: Loaded, entry: Entry, result: Result, after: Mapping[str, Any] | None = None) -> None:
        """Count an entry and the older ones; `after` is the document as it is now, where the entry was written."""
        loaded.outcomes.append(entry.outcome(result))
        for loser in loaded.older.pop(entry.job_id, ()):
            self._settle(loaded, loser, _against(loser.key, entry.key))
        if after is not None:
            self._remember(entry)
            if self._dry_run:
                self.dry_run_state.put(MissionState.of(after))

    def _remember(self, entry: Entry) -> None:
        """In a dry run, remember what would be there."""
        if self._dry_run:
            self._would_be[entry.job_id] = _Stored(None, entry.key, raw_id=entry.raw_id)


def _one_each(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in as few lists as hold no job twice; those of one job keep their order."""
    parts: list[list[Entry]] = []
    places: Counter[str] = Counter()
    for entry in entries:
        place = places[entry.job_id]
        places[entry.job_id] += 1
        if place == len(parts):
            parts.append([])
        parts[place].append(entry)
    yield from parts


def _against(key: VersionKey, winner: VersionKey) -> Result:
    return "unchanged" if key.content_hash == winner.content_hash else "stale"


def _successor(entry: Entry, old: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """The document after an update, without what is not this software's."""
    new = entry.decoded()
    for name in _ENRICHED:
        if new[name] is None:
            new[name] = old.get(name)
    match old.get("_etl"):
        case {"first_run_id": first_run_id, "first_seen_at": first_seen_at}:
            new["_etl"] |= {"first_run_id": first_run_id, "first_seen_at": first_seen_at}
    new["_etl"]["changed_at"] = now
    if old and _Stored.of(old).key.instant == entry.key.instant:
        # The source has not changed it since: what happened to the mission since then still holds.
        kept = kept_ending(old, new, now=now)
        new["isActive"] = kept.pop("isActive", new["isActive"])
        new["_etl"] |= kept
    return new


def _is_reference(old: Mapping[str, Any], path: str) -> bool:
    """Whether an object stands there that is read as a reference to another document, and not as an object."""
    inside: Any = old
    for name in path.split("."):
        inside = inside.get(name) if isinstance(inside, dict) else None
    return isinstance(inside, DBRef)


def _by_path(new: Mapping[str, Any], old: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value by its dotted path; an object as a whole where something else stands in its place."""
    for name, value in new.items():
        there = old.get(name, {})
        if isinstance(value, dict) and isinstance(there, dict):
            yield from _by_path(value, there, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _new_version(entry: Entry) -> dict[str, Any]:
    return {
        "_etl.version": entry.key.text,
        "_etl.transform_version": entry.key.transform_version,
        "_etl.raw_id": entry.raw_id,
        "_etl.run_id": entry.document["_etl"]["run_id"],
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Each field of this software that an update changes, objects field by field; `_etl` left out."""
    facts = {"job_id": new["job_id"], "reference": new["reference"], "title": new["roleTitle"]}
    return [Change(field=field, before=before, after=after, **facts) for field, before, after in _walk(old, new, "")]


def _walk(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    for name in new:
        if name == "_etl":
            continue
        before, after = old.get(name), new[name]
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _walk(before, after, f"{path}{name}.")
        elif before != after:
            yield f"{path}{name}", before, after
