"""Finds a mission in MongoDB by any of its names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from pymongo import DESCENDING
from pymongo.collation import Collation

from futurscam_lib.errors import UsageError
from futurscam_lib.load.quarantine import DISMISSED, OPEN, RESOLVED
from futurscam_lib.records import RawRecord
from futurscam_lib.report.tables import as_text
from futurscam_lib.transform import reference_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from futurscam_lib.load.collections import Collections

_FEW: Final = 20
_PROVENANCE: Final = {
    **dict.fromkeys(("source", "raw_id", "version", "run_id", "first_run_id"), str),
    "transform_version": int,
    "first_seen_at": datetime,
}
_REOPENING: Final = {"at": datetime, "run_id": str}
_CLOSING: Final = {**_REOPENING, "reason": str}
REJECTS_READ: Final = 500
_ANY_CASE: Final = Collation("en", strength=2)
_ANY_STATE: Final = {"$in": [OPEN, RESOLVED, DISMISSED]}
"""A condition that lets MongoDB use the indexes on state and another field."""


@dataclass(frozen=True, slots=True)
class MissionTrace:
    """The data of a mission in MongoDB.

    Attributes:
        job_id: Its key; empty if only rejects without a job_id are known.
        document: The current document; None if there is none.
        rejects: Its entries in the quarantine.
        outcomes: The outcome of each of its payloads, from `RFP_outcomes`.
        unfinished: Runs that may have landed payloads which are not loaded yet.
    """

    job_id: str
    document: dict[str, Any] | None
    rejects: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    unfinished: list[str]

    @property
    def etl(self) -> dict[str, Any]:
        """The document's `_etl`; empty if this software did not write it."""
        etl = (self.document or {}).get("_etl")
        return etl if _is_like(etl, _PROVENANCE) else {}

    @property
    def closed(self) -> dict[str, Any] | None:
        """When, by which run and why it was closed; None if it was not."""
        closed = self.etl.get("closed")
        return closed if _is_like(closed, _CLOSING) else None

    @property
    def reopened(self) -> dict[str, Any] | None:
        """When and by which run it was reopened after its source had closed it; None if it was not."""
        reopened = self.etl.get("reopened")
        return reopened if _is_like(reopened, _REOPENING) else None

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return bool(self.document or self.rejects or self.outcomes)


def _is_like(value: Any, kinds: Mapping[str, type]) -> TypeGuard[dict[str, Any]]:
    """Whether it has these fields with values of these types; another program may have written it."""
    return isinstance(value, dict) and all(isinstance(value.get(name), kind) for name, kind in kinds.items())


def find(collections: Collections, asked: str) -> MissionTrace:
    """Find a mission by any of its names.

    Args:
        collections: Where to search.
        asked: A `job_id`, a reference, the id at the source, or the name of a reject or its place. Spaces around
            it are ignored unless a name has them. If nothing matches exactly, the case of letters is ignored for the
            first three.

    Returns:
        The mission; false if nothing is known.

    Raises:
        UsageError: Several missions have that name.
    """
    bare = asked.strip()
    for name in dict.fromkeys((asked, bare)) if bare else ():
        if mission := _named(collections, name):
            return mission
    return _in_any_case(collections, bare) if bare else MissionTrace("", None, [], [], _unfinished(collections))


def _named(collections: Collections, asked: str) -> MissionTrace:
    """The mission with exactly this name."""
    document = collections.rfps.find_one({"job_id": asked})
    if document is not None:
        return _of_job(collections, asked, document)
    rejects = _rejects_named(collections, asked)
    outcomes = list(collections.outcomes.find({"_id": {"$in": [entry["raw_id"] for entry in rejects]}}))
    # A reject without a job_id may have become a document with a later mapping.
    jobs = {entry["job_id"] for entry in [*rejects, *outcomes] if entry["job_id"]}
    if len(jobs) > 1:
        raise _several(asked, [(entry["_id"], entry["reason"]) for entry in rejects])
    job_id = next(iter(jobs), asked)
    mission = _of_job(collections, job_id, collections.rfps.find_one({"job_id": job_id}))
    if rejects and not jobs:
        return replace(mission, job_id="", rejects=rejects, outcomes=outcomes)
    if mission:
        known = {entry["_id"] for entry in mission.rejects}
        return replace(mission, rejects=[*mission.rejects, *(entry for entry in rejects if entry["_id"] not in known)])
    # Neither field is indexed, so all documents are read: a few hundred milliseconds for a hundred thousand.
    either = {"$or": [{"reference": asked}, {"_etl.source_id": asked}]}
    documents = list(collections.rfps.find(either).limit(_FEW + 1))
    if len(documents) > 1:
        raise _several(asked, [(document.get("job_id"), document.get("roleTitle")) for document in documents])
    if documents:
        return _of_document(collections, documents[0])
    return _rejected_as(collections, asked) or mission


def _rejected_as(collections: Collections, asked: str) -> MissionTrace | None:
    """A mission that was always rejected, by the reference in its payload. Only the newest rejects are read."""
    rejects = list(collections.rejects.find({"state": _ANY_STATE}).sort("at", DESCENDING).limit(REJECTS_READ))
    ids = [entry["raw_id"] for entry in rejects]
    folded = asked.casefold()
    payloads = (RawRecord.from_document(stored) for stored in collections.raw.find({"_id": {"$in": ids}, "flaw": None}))
    ids = [raw.raw_id for raw in payloads if reference_of(raw).casefold() == folded]
    called = [entry for entry in rejects if entry["raw_id"] in ids]
    jobs = {entry["job_id"] for entry in called}
    if len(jobs) > 1:
        raise _several(asked, [(entry["_id"], entry["reason"]) for entry in called])
    return _named(collections, next(iter(jobs)) or called[0]["_id"]) if jobs else None


def _in_any_case(collections: Collections, asked: str) -> MissionTrace:
    """The mission with this name, ignoring case.

    No index can be used, so all documents are read: most of a second for a hundred thousand.
    """
    either = {"$or": [{"job_id": asked}, {"reference": asked}, {"_etl.source_id": asked}]}
    documents = list(collections.rfps.find(either, collation=_ANY_CASE).limit(_FEW + 1))
    titles = {job_id: document.get("roleTitle") for document in documents if (job_id := _job_of(document))}
    for kept in (collections.outcomes, collections.rejects):
        jobs = kept.find({"job_id": asked}, {"job_id": 1}, collation=_ANY_CASE)
        titles = dict.fromkeys((document["job_id"] for document in jobs), "no document") | titles
    nameless = [document for document in documents if not _job_of(document)]
    if len(titles) + len(nameless) > 1:
        raise _several(
            asked, [*titles.items(), *((document.get("job_id"), document.get("roleTitle")) for document in nameless)]
        )
    if nameless:
        return _of_document(collections, nameless[0])
    job_id = next(iter(titles), asked)
    return _of_job(collections, job_id, collections.rfps.find_one({"job_id": job_id}))


def _of_document(collections: Collections, document: dict[str, Any]) -> MissionTrace:
    job_id = _job_of(document)
    if job_id:
        return _of_job(collections, job_id, document)
    # Not searched by an empty job_id, which rejects without one have.
    return MissionTrace("", document, [], [], _unfinished(collections))


def _job_of(document: dict[str, Any]) -> str:
    """Its key; empty if it has none or the key is not text, which another program can write."""
    job_id = document.get("job_id")
    return job_id if isinstance(job_id, str) else ""


def _rejects_named(collections: Collections, asked: str) -> list[dict[str, Any]]:
    """Entries of the quarantine with that name or origin."""
    named = collections.rejects.find({"_id": asked})
    placed = collections.rejects.find({"state": _ANY_STATE, "origin": asked})
    return list({entry["_id"]: entry for entry in (*named, *placed)}.values())


def _of_job(collections: Collections, job_id: str, document: dict[str, Any] | None) -> MissionTrace:
    rejects = collections.rejects.find({"state": _ANY_STATE, "job_id": job_id})
    outcomes = collections.outcomes.find({"job_id": job_id})
    return MissionTrace(job_id, document, list(rejects), list(outcomes), _unfinished(collections))


def _unfinished(collections: Collections) -> list[str]:
    """A hand is called `RUN_ID/` and a random word."""
    hands = collections.runs.find({"sources.0": {"$exists": True}}, {"_id": 1}).limit(_FEW)
    return sorted({str(hand["_id"]).rpartition("/")[0] for hand in hands})


def _several(asked: str, names: list[tuple[Any, Any]]) -> UsageError:
    lines = [f"  {as_text(name)}  {as_text(title, longest=80)}" for name, title in names[:_FEW]]
    more = ["  and others"] if len(names) > _FEW else []
    return UsageError("\n".join([f"Several missions have the name {asked!r}; ask for one of these:", *lines, *more]))
