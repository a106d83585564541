"""MongoDB: whether it answers, what it is, whether documents can double there, and what lies in the quarantine."""

from __future__ import annotations

from datetime import UTC, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.diagnostics import clocks
from futurscam_lib.diagnostics.finding import Finding, attempt, of_error
from futurscam_lib.diagnostics.status import count_outdated
from futurscam_lib.errors import FuturscamError, RetryLater
from futurscam_lib.load import lifecycle, local_server, mongo
from futurscam_lib.load.collections import HAS_JOB, Collections, keeps_jobs_single
from futurscam_lib.load.quarantine import OPEN
from futurscam_lib.report.text import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pymongo.database import Database

    from futurscam_lib.settings import Settings

    Documents = Mapping[str, Any]
    Asked = Callable[[Database[dict[str, Any]]], "Finding | list[Finding]"]

OLD: Final = (5, 0)
"""Of those before, MongoDB's makers maintain none; the oldest ones are refused by the driver itself."""

_LONGEST_MS: Final = 20_000
_NAMED: Final = 5
_UNREACHED: Final = (
    "See that it runs and that the host in MONGO_URI is right (`futurscam db uri` prints it), then: futurscam doctor"
)
_MONGOSH: Final = "in mongosh, whose address `futurscam db uri` prints"
_DATA: Final = "data"


def look(settings: Settings) -> Iterator[Finding]:
    """All checks of MongoDB; a local server that does not run is not started."""
    if settings.mongo_uri is None:
        yield from attempt("local server", partial(local, settings))
        if local_server.find(settings) is None:
            return
    try:
        client = mongo.connect(settings)
    except FuturscamError as error:
        yield of_error("MongoDB", error, remedy=_UNREACHED if isinstance(error, RetryLater) else "")
        return
    checks: dict[str, Asked] = {
        "MongoDB": server,
        "clock": partial(clock_of, overlap=settings.overlap),
        "job_id": unique,
        "rejects": rejects,
        "documents": documents,
    }
    with client:
        for name, check in checks.items():
            yield from attempt(name, partial(_ask, check, client[settings.database]))


def local(settings: Settings) -> Finding:
    """Whether there is a server to start, and how much it holds.

    Raises:
        UsageError: There is none.
    """
    binary = local_server.mongod_binary()
    folder = settings.local_server_folder / _DATA
    used = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    running = local_server.find(settings)
    state = "runs" if running else "is stopped, a run starts it"
    return Finding("local server", "ok", f"{state}; {size(used)} of data; {binary}")


def server(database: Database[dict[str, Any]]) -> Finding:
    """What answers."""
    hello = database.client.admin.command("hello")
    hosts = ", ".join(sorted(f"{host}:{port}" for host, port in database.client.nodes))
    return judged(f"{database.name} on {hosts}", database.client.server_info()["version"], _topology(hello))


def judged(where: str, version: str, topology: str) -> Finding:
    """Whether a version is still maintained; any topology will do."""
    said = f"{where}: {version}, {topology}"
    if tuple(int(number) for number in version.split(".")[:2]) >= OLD:
        return Finding("MongoDB", "ok", said)
    what = f"This MongoDB is old ({said}); its makers do not maintain it any more, and it is not tried here."
    return Finding("MongoDB", "warning", what, "Have it upgraded to 5.0 or newer, one major version after the other.")


def clock_of(database: Database[dict[str, Any]], *, overlap: timedelta) -> Finding:
    """Whether its clock agrees with this machine's."""
    asked = clock.now()
    theirs = database.client.admin.command("hello")["localTime"].replace(tzinfo=UTC)
    ahead = clocks.skew(theirs, asked=asked, answered=clock.now(), step=timedelta(milliseconds=1))
    return clocks.judged("MongoDB", ahead, overlap=overlap)


def unique(database: Database[dict[str, Any]]) -> Finding:
    """Whether MongoDB itself keeps documents from doubling."""
    rfps = Collections.of(database).rfps
    indexes = [index for index in rfps.list_indexes() if list(index["key"]) == ["job_id"]]
    if any(map(keeps_jobs_single, indexes)):
        return Finding("job_id", "ok", "a unique index keeps documents from doubling")
    if not rfps.estimated_document_count():
        return Finding("job_id", "ok", "no documents yet; the first run makes the unique index")
    # Only now: with that index there can be none, and this reads every document.
    doubled = _doubled(database)
    drop = [f'db.RFP.dropIndex("{index["name"]}")' for index in indexes]
    steps = [*([_merge()] if doubled else []), *drop]
    backup = "after a backup, " if doubled else ""
    by_hand = f"{backup}{_MONGOSH}: use {database.name}; {'; '.join(steps)}; then " if steps else ""
    what = "The unique index on job_id is missing, so documents can double"
    what += f"; {', '.join(doubled)} {'has' if len(doubled) == 1 else 'have'}." if doubled else "."
    return Finding("job_id", "problem", what, f"Have the next run make it: {by_hand}futurscam run")


def rejects(database: Database[dict[str, Any]]) -> Finding:
    """Whether anything waits in the quarantine, and why most of it does."""
    kept = Collections.of(database).rejects
    number = kept.count_documents({"state": OPEN}, maxTimeMS=_LONGEST_MS)
    if not number:
        return Finding("rejects", "ok", "none open")
    grouped = {"_id": "$code", "number": {"$sum": 1}, "reason": {"$first": "$reason"}}
    steps: list[dict[str, Any]] = [
        {"$match": {"state": OPEN}},
        {"$group": grouped},
        {"$sort": {"number": -1, "_id": 1}},
        {"$limit": 1},
    ]
    (most,) = kept.aggregate(steps, maxTimeMS=_LONGEST_MS)
    what = f"Open rejects: {number:,}, mostly {most['_id']} ({most['number']:,}), as: {most['reason']}"
    remedy = (
        "Look at them: futurscam rejects list; after a mapping was corrected: futurscam rejects retry; "
        "for one that needs no action: futurscam rejects dismiss ITEM --because TEXT"
    )
    return Finding("rejects", "warning", what, remedy)


def documents(database: Database[dict[str, Any]]) -> Finding:
    """Whether documents are left that an older mapping made, or whose deadline no run can see."""
    collections = Collections.of(database)
    undated, outdated = lifecycle.count_undated(collections), count_outdated(collections)
    if undated:
        return Finding("documents", "warning", lifecycle.undated_note(undated), "Once corrected: futurscam run")
    if outdated:
        what = f"An older mapping made {outdated:,} document(s)."
        return Finding("documents", "warning", what, "Rebuild them: futurscam replay")
    if outdated is None:
        return Finding("documents", "ok", "whether today's mapping made all is not known: counting takes too long")
    return Finding("documents", "ok", "all are made by today's mapping")


def _ask(check: Asked, database: Database[dict[str, Any]]) -> Finding | list[Finding]:
    with mongo.mongo_errors():
        return check(database)


def _topology(hello: Documents) -> str:
    if hello.get("msg") == "isdbgrid":
        return "sharded cluster"
    return f"replica set {hello['setName']}" if "setName" in hello else "standalone"


def _doubled(database: Database[dict[str, Any]]) -> list[str]:
    steps: list[dict[str, Any]] = [
        {"$match": HAS_JOB},
        {"$group": {"_id": "$job_id", "number": {"$sum": 1}}},
        {"$match": {"number": {"$gt": 1}}},
        {"$sort": {"_id": 1}},
        {"$limit": _NAMED},
    ]
    found = Collections.of(database).rfps.aggregate(steps, maxTimeMS=_LONGEST_MS, allowDiskUse=True)
    return [f"{one['_id']} ({one['number']} times)" for one in found]


def _merge() -> str:
    """What leaves of each doubled document the one with the latest version."""
    return (
        'db.RFP.aggregate([{$match: {job_id: {$gte: ""}}}, {$sort: {"_etl.version": -1}}, '
        '{$group: {_id: "$job_id", ids: {$push: "$_id"}}}], '
        "{allowDiskUse: true}).forEach(d => db.RFP.deleteMany({_id: {$in: d.ids.slice(1)}}))"
    )
