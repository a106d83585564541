"""Loads documents into `RFP`, in bulk; the last version wins in any order and with other loaders at work.

Every write is guarded: an insert by the unique index on `job_id`, an update by the version it was based on. If the
guard does not match, another loader was faster, and the document is compared again.

An update writes only the fields of this software, each by its path: fields that other programs add to a document, or
to one of its objects, are kept, even if they are written at the same moment. A list is written as a whole.
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
"""How often a write is tried again after a refusal that may be temporary, before the entry is refused."""

_STATE: Final = {"job_id": 1, "_etl.version": 1, "_etl.content_hash": 1, "_etl.transform_version": 1, "_etl.raw_id": 1}
# Fields that other programs fill in, not the source; a new version of the mission keeps their values.
_ENRICHED: Final = ("RFP_type",)
_FOREIGN: Final = VersionKey("", 0, "")
_VERSION: Final = "[ -~]*#[ -~]*"
_OURS: Final = {
    **{path: {"$not": {"$type": "array"}} for path in ("_etl", "_etl.transform_version")},
    "_etl.version": {"$type": "string", "$not": {"$type": "array"}, "$regex": rf"\A{_VERSION}\z"},
    "$and": [{"_etl.transform_version": {"$type": ["int", "long"]}}],
}
"""Filter for documents with a version of this software; `_Stored.of` checks the same for a document that was read."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """The state of a document in the database.

    Attributes:
        id: Its `_id`.
        key: Its version; a document of another program counts as older than any version.
        has_version: Whether this software wrote its version.
        raw_id: The payload it was made from.
    """

    id: Any
    key: VersionKey
    has_version: bool = True
    raw_id: Any = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> _Stored:
        match document.get("_etl"):
            case {"version": str(version), "transform_version": int(mapping), **others} if (
                type(version) is str and not isinstance(mapping, bool) and re.fullmatch(_VERSION, version)
            ):
                instant, _, digest = version.partition("#")
                return cls(document["_id"], VersionKey(instant, mapping, digest), raw_id=others.get("raw_id"))
        return cls(document["_id"], _FOREIGN, has_version=False)

    @property
    def guard(self) -> dict[str, Any]:
        """Filter that matches as long as no loader has written the document since."""
        if not self.has_version:
            return {"_id": self.id, "$nor": [_OURS]}
        return {
            "_id": self.id,
            "_etl.version": self.key.text,
            "_etl.transform_version": self.key.transform_version,
        }


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """An entry that MongoDB refused, and why."""

    entry: Entry
    error: Rejected


@dataclass(slots=True)
class Loaded:
    """The result of loading one chunk.

    Attributes:
        outcomes: The outcome of each entry that was not refused.
        inserted: The new entries.
        changes: Each updated field with a visible difference.
        refused: Entries that MongoDB refused; the others are loaded.
        tries: By job, how often a write was refused and tried again.
        older: By job, the older versions of the chunk, newest first. If MongoDB refuses a version, the next older
            version replaces it; the others are counted together with the version that wins.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    inserted: list[Entry] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    refused: list[RefusedEntry] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    older: dict[str, list[Entry]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Update:
    """One update to write: the entry, the write, the document after it, and the changes."""

    entry: Entry
    write: UpdateOne
    after: dict[str, Any]
    changes: list[Change]


class Upsert:
    """Loads chunks for one run.

    Attributes:
        dry_run_state: What a dry run would have written.
    """

    def __init__(
        self, collections: Collections, *, run_id: str, now: datetime, dry_run: bool, replay: bool = False
    ) -> None:
        """Prepare.

        Args:
            collections: Where to load.
            run_id: The run.
            now: The instant of the run; aware, UTC.
            dry_run: Report what would happen, write nothing.
            replay: Documents are made again from their landed payloads: the new result replaces the old one, even
                though neither the source nor the mapping has a new version.
        """
        self._rfps, self._run_id, self._now, self._dry_run = collections.rfps, run_id, now, dry_run
        self._replay = replay
        self._would_be: dict[str, _Stored] = {}
        self.dry_run_state = DryRunState()

    def load(self, entries: Sequence[Entry]) -> Loaded:
        """Load a chunk.

        Raises:
            RetryLater: Other loaders kept changing the same documents; everything written so far is consistent.
        """
        loaded = Loaded()
        # In a replay, the entries of one job are compared with the stored document in the given order.
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
            # A refusal brings in an older version, so such rounds are limited by the number of versions.
            rounds += len(loaded.refused) == refused
        raise RetryLater(
            f"{len(waiting)} documents were changed by another program {MAX_ROUNDS} times in a row. "
            "Nothing was lost: the next run loads them again."
        )

    def _fold(self, entries: Iterable[Entry], loaded: Loaded) -> dict[str, Entry]:
        """Return the last version of each job; the others are kept in `loaded.older`."""
        versions: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            versions[entry.job_id].append(entry)
        for of_job in versions.values():
            of_job.sort(key=lambda entry: entry.key, reverse=True)
        loaded.older = {job_id: of_job[1:] for job_id, of_job in versions.items() if len(of_job) > 1}
        return {job_id: of_job[0] for job_id, of_job in versions.items()}

    def _round(self, waiting: dict[str, Entry], loaded: Loaded) -> dict[str, Entry]:
        """Look up, decide, write; return the entries whose guard did not match."""
        stored = self._look_up(list(waiting))
        fresh: list[Entry] = []
        updated: list[tuple[Entry, _Stored]] = []
        moved: list[tuple[Entry, _Stored]] = []
        for entry in waiting.values():
            current = stored.get(entry.job_id)
            if current is None:
                fresh.append(entry)
            elif entry.key <= current.key and not self._is_redone(entry, current):
                self._settle(loaded, entry, _against(entry.key, current.key))
            elif entry.key.content_hash == current.key.content_hash:
                moved.append((entry, current))
            else:
                updated.append((entry, current))
        again = [*self._insert(fresh, loaded), *self._update(updated, loaded), *self._move_version(moved, loaded)]
        return {entry.job_id: entry for entry in again}

    def _is_redone(self, entry: Entry, current: _Stored) -> bool:
        """Whether a replay gives another document for the same payload, because a setting has changed."""
        same = entry.raw_id == current.raw_id and entry.key[:2] == current.key[:2]
        return self._replay and same and entry.key != current.key

    def _look_up(self, job_ids: list[str]) -> dict[str, _Stored]:
        documents = self._rfps.find({"job_id": {"$in": job_ids}}, _STATE)
        # Another program may store a list of ids in this field.
        stored = {
            document["job_id"]: _Stored.of(document) for document in documents if isinstance(document["job_id"], str)
        }
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
            document["job_id"]: document
            for document in self._rfps.find({"job_id": {"$in": [entry.job_id for entry, _ in pairs]}})
            if isinstance(document["job_id"], str)
        }
        again: list[Entry] = []
        updates: list[_Update] = []
        for entry, current in pairs:
            old = before.get(entry.job_id)
            if not self._dry_run and (old is None or _Stored.of(old) != current):
                again.append(entry)
            else:
                updates.append(self._decide(entry, current, old or {}))
        back = self._write([(update.entry, update.write) for update in updates], loaded)
        for update in updates:
            if update.entry.job_id not in back:
                self._settle(loaded, update.entry, "updated", update.after)
                loaded.changes += update.changes
        return [*again, *(entry for entry in back.values() if entry is not None)]

    def _decide(self, entry: Entry, current: _Stored, old: dict[str, Any]) -> _Update:
        after = _successor(entry, old, now=self._now)
        changes = [change for change in differences(old, after) if change.is_visible] if old else []
        # A value that another program writes at this moment is not overwritten.
        left = [name for name in _ENRICHED if entry.document[name] is None]
        guard = dict(current.guard)
        values = dict(_by_path({name: value for name, value in after.items() if name not in left}, old))
        for name in set(left) - old.keys():
            guard[name], values[name] = {"$exists": False}, None
        # A missing object is written as a whole, unless another program has written one meanwhile.
        whole = [path for path, value in values.items() if isinstance(value, dict) and not _is_reference(old, path)]
        none = [{"$or": [{path: {"$not": {"$type": "object"}}}, {path: {"$type": "array"}}]} for path in whole]
        guard |= {"$and": none} if none else {}
        update: dict[str, Any] = {"$set": values}
        etl = old.get("_etl")
        if isinstance(etl, dict) and (gone := [name for name in ENDS if name in etl and name not in after["_etl"]]):
            update["$unset"] = {f"_etl.{name}": "" for name in gone}
        return _Update(entry, UpdateOne(guard, update), after, changes)

    def _write(self, writes: Sequence[tuple[Entry, UpdateOne]], loaded: Loaded) -> dict[str, Entry | None]:
        """Write; return the jobs that were not written, each with the entry to try next, if any."""
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
        accepted = [entry for entry, _ in writes if entry.job_id not in back]
        if matched < len(accepted):
            mine = self._written_by_me(accepted)
            back |= {entry.job_id: entry for entry in accepted if entry.job_id not in mine}
        return back

    def _refuse(self, entry: Entry, failure: Failure, loaded: Loaded, *, retry: bool) -> list[Entry]:
        """Return the entry if another try may help, a limited number of times; otherwise refuse it.

        A refused entry is replaced by the job's next older version of the chunk, which would be loaded on its own, too.
        """
        loaded.tries[entry.job_id] += retry
        if retry and loaded.tries[entry.job_id] <= _MAX_REFUSALS:
            return [entry]
        loaded.refused.append(RefusedEntry(entry, refusals.rejected(failure, collection=self._rfps.name)))
        del loaded.tries[entry.job_id]
        older = loaded.older.get(entry.job_id)
        return [older.pop(0)] if older else []

    def _move_version(self, pairs: list[tuple[Entry, _Stored]], loaded: Loaded) -> list[Entry]:
        """Update only the version of the same content; otherwise a late record of a version in between would win."""
        writes = [(entry, UpdateOne(current.guard, {"$set": _new_version(entry)})) for entry, current in pairs]
        back = self._write(writes, loaded)
        for entry, _ in pairs:
            if entry.job_id not in back:
                self._settle(loaded, entry, "unchanged")
                self._remember(entry)
        return [entry for entry in back.values() if entry is not None]

    def _written_by_me(self, entries: list[Entry]) -> set[str]:
        """Return the jobs whose documents are as this run wrote them; the next round decides about the others."""
        wanted = {entry.job_id: entry.key for entry in entries}
        documents = self._rfps.find({"job_id": {"$in": list(wanted)}, "_etl.run_id": self._run_id}, _STATE)
        return {document["job_id"] for document in documents if _Stored.of(document).key == wanted[document["job_id"]]}

    def _settle(self, loaded: Loaded, entry: Entry, result: Result, after: Mapping[str, Any] | None = None) -> None:
        """Count an entry and its older versions; `after` is the current document, if the entry was written."""
        loaded.outcomes.append(entry.outcome(result))
        for loser in loaded.older.pop(entry.job_id, ()):
            self._settle(loaded, loser, _against(loser.key, entry.key))
        if after is not None:
            self._remember(entry)
            if self._dry_run:
                self.dry_run_state.put(MissionState.of(after))

    def _remember(self, entry: Entry) -> None:
        """In a dry run, remember the version that would be there."""
        if self._dry_run:
            self._would_be[entry.job_id] = _Stored(None, entry.key, raw_id=entry.raw_id)


def _one_each(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Split the entries into as few lists as possible, with no job twice in a list; the order of a job is kept."""
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
    """Return the document after an update, without the fields of other programs."""
    new = entry.decoded()
    for name in _ENRICHED:
        if new[name] is None:
            new[name] = old.get(name)
    match old.get("_etl"):
        case {"first_run_id": first_run_id, "first_seen_at": first_seen_at}:
            new["_etl"] |= {"first_run_id": first_run_id, "first_seen_at": first_seen_at}
    new["_etl"]["changed_at"] = now
    if old and _Stored.of(old).key.instant == entry.key.instant:
        # The source has not changed the mission, so its later closing or reopening is kept.
        kept = kept_ending(old, new, now=now)
        new["isActive"] = kept.pop("isActive", new["isActive"])
        new["_etl"] |= kept
    return new


def _is_reference(old: Mapping[str, Any], path: str) -> bool:
    """Whether the value at the path is a reference to another document, not an object."""
    inside: Any = old
    for name in path.split("."):
        inside = inside.get(name) if isinstance(inside, dict) else None
    return isinstance(inside, DBRef)


def _by_path(new: Mapping[str, Any], old: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value by its dotted path; an object as a whole if it replaces another kind of value."""
    for name, value in new.items():
        current = old.get(name, {})
        if isinstance(value, dict) and isinstance(current, dict):
            yield from _by_path(value, current, f"{path}{name}.")
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
    """Return each field of this software that an update changes, objects field by field, without `_etl`."""
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
