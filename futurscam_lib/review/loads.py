"""The loads of a period, from MongoDB: the delay after publication, and the loads by hand."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.errors import FuturscamError
from futurscam_lib.report.tables import Table
from futurscam_lib.report.text import ZONE
from futurscam_lib.run_ids import BY_HAND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from futurscam_lib.audit.period import Period
    from futurscam_lib.settings import Settings

_PERCENT: Final = 90


@dataclass(slots=True)
class Delays:
    """The documents of one source that were first seen in the period.

    Attributes:
        seconds: From publication to load, for each document with a publication date.
        undated: How many documents have no publication date.
    """

    seconds: array[float] = field(default_factory=lambda: array("d"))
    undated: int = 0


@dataclass(frozen=True, slots=True)
class ByHand:
    """The result of one run by hand: its documents that no later run has changed, and missions that it closed."""

    run_id: str
    first: datetime
    last: datetime
    documents: int = 0
    new: int = 0
    closed: int = 0


@dataclass(frozen=True, slots=True)
class LoadsInMongo:
    """The loads of a period, as recorded in MongoDB.

    Attributes:
        delays: By source.
        by_hand: Newest first.
        problem: Why MongoDB could not be queried; empty if it could.
    """

    delays: dict[str, Delays] = field(default_factory=dict)
    by_hand: tuple[ByHand, ...] = ()
    problem: str = ""


def ask(settings: Settings, period: Period) -> LoadsInMongo:
    """Query MongoDB; if it does not answer, `problem` says so."""
    from futurscam_lib.load import mongo
    from futurscam_lib.load.collections import Collections

    try:
        with mongo.connect(settings) as client, mongo.mongo_errors():
            rfps = Collections.of(mongo.lenient(client, settings.database)).rfps
            return LoadsInMongo(_delays(rfps, period), _by_hand(rfps, period))
    except FuturscamError as error:
        return LoadsInMongo(problem=f"MongoDB could not be asked: {str(error).partition(chr(10))[0]}")


def publication(loaded: LoadsInMongo) -> Table:
    """How long after its publication a mission was in MongoDB, per source."""
    rows = [_row(source, delays) for source, delays in sorted(loaded.delays.items())]
    columns = ("source", "new documents", "median", f"{_PERCENT} of 100 within", "longest", "without publication date")
    notes = ["From when the source says that it was published to the run that first loaded it; below 0: still to come."]
    return Table(columns, rows, title="From publication to load", notes=notes, otherwise=_otherwise(loaded))


def by_hand(loaded: LoadsInMongo) -> Table:
    """What analysts loaded."""
    rows = [(run.first, run.run_id, run.documents, run.new, run.closed, run.last) for run in loaded.by_hand]
    columns = (f"first ({ZONE})", "run", "documents", "of these new", "missions closed", f"last ({ZONE})")
    notes = ["Documents whose present version was loaded by a run by hand, and missions that one closed."]
    return Table(columns, rows, title="Loaded by hand", notes=notes, otherwise=_otherwise(loaded))


def _otherwise(loaded: LoadsInMongo) -> str:
    return f"Unknown. {loaded.problem}" if loaded.problem else ""


def _row(source: str, delays: Delays) -> tuple[Any, ...]:
    ordered = sorted(delays.seconds)
    shown: list[timedelta | None] = [None] * 3
    if ordered:
        high = ordered[min(len(ordered) - 1, -(-len(ordered) * _PERCENT // 100) - 1)]
        shown = [timedelta(seconds=value) for value in (median(ordered), high, ordered[-1])]
    return (source, len(ordered) + delays.undated, *shown, delays.undated)


def _delays(rfps: Any, period: Period) -> dict[str, Delays]:
    seen = {"_etl.first_seen_at": {"$gte": period.since, "$lt": period.until}}
    wanted = {"_id": 0, "publishedAt": 1, "_etl.source": 1, "_etl.first_seen_at": 1}
    delays: defaultdict[str, Delays] = defaultdict(Delays)
    for document in rfps.find(seen, wanted):
        of_source = delays[str(document["_etl"].get("source"))]
        published = document.get("publishedAt")
        if isinstance(published, datetime):
            of_source.seconds.append((document["_etl"]["first_seen_at"] - published).total_seconds())
        else:
            of_source.undated += 1
    return dict(delays)


def _by_hand(rfps: Any, period: Period) -> tuple[ByHand, ...]:
    new = {"$sum": {"$cond": [{"$eq": ["$_etl.run_id", "$_etl.first_run_id"]}, 1, 0]}}
    by_run = {
        group["_id"]: ByHand(
            group["_id"], group["first"], group["last"], documents=group["documents"], new=group["new"]
        )
        for group in _grouped(rfps, period, "_etl.run_id", "_etl.changed_at", new=new)
    }
    for group in _grouped(rfps, period, "_etl.closed.run_id", "_etl.closed.at"):
        run_id, first, last = group["_id"], group["first"], group["last"]
        known = by_run.get(run_id, ByHand(run_id, first, last))
        by_run[run_id] = replace(
            known, first=min(first, known.first), last=max(last, known.last), closed=group["documents"]
        )
    return tuple(sorted(by_run.values(), key=lambda run: run.first, reverse=True))


def _grouped(rfps: Any, period: Period, run_id: str, at: str, **more: Any) -> Iterable[dict[str, Any]]:
    """The runs by hand of the period: for each its first and last change, and its number of documents."""
    matching = {run_id: {"$regex": f"^{BY_HAND}"}, at: {"$gte": period.since, "$lt": period.until}}
    group = {"_id": f"${run_id}", "first": {"$min": f"${at}"}, "last": {"$max": f"${at}"}, "documents": {"$sum": 1}}
    groups: Iterable[dict[str, Any]] = rfps.aggregate([{"$match": matching}, {"$group": group | more}])
    return groups
