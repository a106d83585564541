"""Checks of MongoDB: whether it answers, its version, its unique index, the open rejects and its documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import ExecutionTimeout

from futurscam_lib import clock
from futurscam_lib.diagnostics.checks import Check, CheckResult, result_of
from futurscam_lib.diagnostics.machine import clock_difference, clock_result
from futurscam_lib.errors import FuturscamError, RetryLater
from futurscam_lib.load import lifecycle, local_server, mongo
from futurscam_lib.load.collections import HAS_JOB, Collections, keeps_jobs_single
from futurscam_lib.load.quarantine import OPEN
from futurscam_lib.report.text import size
from futurscam_lib.settings.sources import KNOWN_SOURCES
from futurscam_lib.transform import version_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pymongo.database import Database

    from futurscam_lib.diagnostics.checks import Subject
    from futurscam_lib.settings import Settings

OLD: Final = (5, 0)
"""MongoDB no longer maintains older versions; the driver refuses the oldest."""

COUNTING_MS: Final = 5000
_LONGEST_MS: Final = 20_000
_NAMED: Final = 5
_UNREACHED: Final = (
    "Make sure that it is running and that the host in MONGO_URI is right (`futurscam db uri` prints it), "
    "then: futurscam doctor"
)
_MONGOSH: Final = "in mongosh (`futurscam db uri` prints the address)"
_DATA: Final = "data"


@dataclass(frozen=True, slots=True)
class DatabaseCounts:
    """What is in the database.

    Attributes:
        documents: All of them.
        active: Those of open missions.
        rejects_open: Rejects that wait for a person.
        outdated: Documents that an older mapping made; None if counting takes too long.
        undated: Active missions whose `deadlineAt` is not a date.
    """

    documents: int
    active: int
    rejects_open: int
    outdated: int | None
    undated: int


def is_stopped(settings: Settings) -> bool:
    """Whether the home has a local server, which is stopped now; a run starts it."""
    return settings.mongo_uri is None and local_server.find(settings) is None


def address(database: Database[dict[str, Any]]) -> str:
    """The database and its hosts: `FuturScam on 127.0.0.1:27017`."""
    return f"{database.name} on {', '.join(sorted(f'{host}:{port}' for host, port in database.client.nodes))}"


def count(database: Database[dict[str, Any]]) -> DatabaseCounts:
    """Count what an operator asks for."""
    collections = Collections.of(database)
    return DatabaseCounts(
        documents=collections.rfps.estimated_document_count(),
        active=collections.rfps.count_documents({"isActive": True}),
        rejects_open=collections.rejects.count_documents({"state": OPEN}),
        outdated=count_outdated(collections),
        undated=lifecycle.count_undated(collections),
    )


def count_outdated(collections: Collections) -> int | None:
    """How many documents an older mapping of their source made; None if counting takes too long."""
    older = [
        {"_etl.source": source, "_etl.transform_version": {"$lt": version_for(source)}} for source in KNOWN_SOURCES
    ]
    try:
        return collections.rfps.count_documents({"$or": older}, maxTimeMS=COUNTING_MS)
    except ExecutionTimeout:
        return None


def connected(subject: Subject) -> CheckResult | Sequence[CheckResult]:
    """Whether MongoDB answers, and what it is."""
    if is_stopped(subject.settings):
        return ()
    try:
        database = subject.database()
    except FuturscamError as error:
        return result_of("MongoDB", error, remedy=_UNREACHED if isinstance(error, RetryLater) else "")
    with mongo.mongo_errors():
        return server(database)


def local(settings: Settings) -> CheckResult:
    """Whether there is a local server to start, and the size of its data.

    Raises:
        UsageError: There is no server to start.
    """
    binary = local_server.mongod_binary()
    folder = settings.local_server_folder / _DATA
    used = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    running = local_server.find(settings)
    state = "running" if running else "stopped, a run starts it"
    return CheckResult("local server", "ok", f"{state}; {size(used)} of data; {binary}")


def server(database: Database[dict[str, Any]]) -> CheckResult:
    """Its address, version and kind."""
    hello = database.client.admin.command("hello")
    return judge(address(database), database.client.server_info()["version"], _topology(hello))


def judge(where: str, version: str, topology: str) -> CheckResult:
    """Whether a version is still maintained.

    Args:
        where: Its address.
        version: Its version, as `8.0.4`.
        topology: What it is: standalone, a replica set or a cluster.
    """
    shown = f"{where}: {version}, {topology}"
    if tuple(int(number) for number in version.split(".")[:2]) >= OLD:
        return CheckResult("MongoDB", "ok", shown)
    what = f"This MongoDB is old ({shown}); its makers no longer maintain it, and it is not tested."
    return CheckResult("MongoDB", "warning", what, "Upgrade it to 5.0 or newer, one major version at a time.")


def clock_of(database: Database[dict[str, Any]], *, overlap: timedelta) -> CheckResult:
    """Whether its clock agrees with this machine's."""
    asked_at = clock.now()
    theirs = database.client.admin.command("hello")["localTime"].replace(tzinfo=UTC)
    ahead = clock_difference(theirs, asked=asked_at, answered=clock.now(), step=timedelta(milliseconds=1))
    return clock_result("MongoDB", ahead, overlap=overlap)


def unique(database: Database[dict[str, Any]]) -> CheckResult:
    """Whether a unique index prevents duplicate documents."""
    rfps = Collections.of(database).rfps
    indexes = [index for index in rfps.list_indexes() if list(index["key"]) == ["job_id"]]
    if any(map(keeps_jobs_single, indexes)):
        return CheckResult("job_id", "ok", "a unique index prevents duplicates")
    if not rfps.estimated_document_count():
        return CheckResult("job_id", "ok", "no documents yet; the first run makes the unique index")
    # Only without the index can there be duplicates; this reads every document.
    duplicated = _duplicated(database)
    drop = [f'db.RFP.dropIndex("{index["name"]}")' for index in indexes]
    steps = [*([_merge()] if duplicated else []), *drop]
    backup = "after a backup, " if duplicated else ""
    by_hand = f"{backup}{_MONGOSH}: use {database.name}; {'; '.join(steps)}; then " if steps else ""
    what = "The unique index on job_id is missing, so documents can be duplicated"
    what += f"; {', '.join(duplicated)} {'has' if len(duplicated) == 1 else 'have'}." if duplicated else "."
    return CheckResult("job_id", "problem", what, f"Let the next run make it: {by_hand}futurscam run")


def rejects(database: Database[dict[str, Any]]) -> CheckResult:
    """How many rejects are open, and the most frequent reason."""
    kept = Collections.of(database).rejects
    number = kept.count_documents({"state": OPEN}, maxTimeMS=_LONGEST_MS)
    if not number:
        return CheckResult("rejects", "ok", "none open")
    grouped = {"_id": "$code", "number": {"$sum": 1}, "reason": {"$first": "$reason"}}
    steps: list[dict[str, Any]] = [
        {"$match": {"state": OPEN}},
        {"$group": grouped},
        {"$sort": {"number": -1, "_id": 1}},
        {"$limit": 1},
    ]
    (most,) = kept.aggregate(steps, maxTimeMS=_LONGEST_MS)
    what = f"Open rejects: {number:,}, mostly {most['_id']} ({most['number']:,}), for example: {most['reason']}"
    remedy = (
        "Show them: futurscam rejects list; after correcting a mapping: futurscam rejects retry; "
        "if one needs no action: futurscam rejects dismiss ITEM --because TEXT"
    )
    return CheckResult("rejects", "warning", what, remedy)


def documents(database: Database[dict[str, Any]]) -> CheckResult:
    """Whether an older mapping made some documents, or a deadline is not a date."""
    collections = Collections.of(database)
    undated, outdated = lifecycle.count_undated(collections), count_outdated(collections)
    if undated:
        return CheckResult("documents", "warning", lifecycle.undated_note(undated), "Once corrected: futurscam run")
    if outdated:
        what = f"{outdated:,} document(s) were made by an older mapping."
        return CheckResult("documents", "warning", what, "Rebuild them: futurscam replay")
    if outdated is None:
        return CheckResult("documents", "ok", "counting those made by an older mapping takes too long")
    return CheckResult("documents", "ok", "the current mapping made them all")


def _topology(hello: Mapping[str, Any]) -> str:
    if hello.get("msg") == "isdbgrid":
        return "sharded cluster"
    return f"replica set {hello['setName']}" if "setName" in hello else "standalone"


def _duplicated(database: Database[dict[str, Any]]) -> list[str]:
    steps: list[dict[str, Any]] = [
        {"$match": HAS_JOB},
        {"$group": {"_id": "$job_id", "number": {"$sum": 1}}},
        {"$match": {"number": {"$gt": 1}}},
        {"$sort": {"_id": 1}},
        {"$limit": _NAMED},
    ]
    groups = Collections.of(database).rfps.aggregate(steps, maxTimeMS=_LONGEST_MS, allowDiskUse=True)
    return [f"{job['_id']} ({job['number']} times)" for job in groups]


def _merge() -> str:
    """The command that keeps only the latest version of each duplicate."""
    return (
        'db.RFP.aggregate([{$match: {job_id: {$gte: ""}}}, {$sort: {"_etl.version": -1}}, '
        '{$group: {_id: "$job_id", ids: {$push: "$_id"}}}], '
        "{allowDiskUse: true}).forEach(d => db.RFP.deleteMany({_id: {$in: d.ids.slice(1)}}))"
    )


def _asks(look: Callable[[Database[dict[str, Any]]], CheckResult]) -> Callable[[Subject], CheckResult]:
    def ask(subject: Subject) -> CheckResult:
        with mongo.mongo_errors():
            return look(subject.database())

    return ask


CHECKS: Final = (
    Check("local server", lambda subject: local(subject.settings) if subject.settings.mongo_uri is None else ()),
    Check("MongoDB", connected),
    Check(
        "clock",
        lambda subject: _asks(lambda database: clock_of(database, overlap=subject.settings.overlap))(subject),
        after="MongoDB",
    ),
    Check("job_id", _asks(unique), after="MongoDB"),
    Check("rejects", _asks(rejects), after="MongoDB"),
    Check("documents", _asks(documents), after="MongoDB"),
)
