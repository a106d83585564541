"""What was loaded in a period, from MongoDB: how soon after publication, and what by hand."""

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
    """One source's documents that were first seen in the period.

    Attributes:
        seconds: From publication to load, of those that name when they were published.
        undated: How many name none.
    """

    seconds: array[float] = field(default_factory=lambda: array("d"))
    undated: int = 0


@dataclass(frozen=True, slots=True)
class ByHand:
    """What one run by hand left: documents that no later run has changed since, and missions that it closed."""

    run_id: str
    first: datetime
    last: datetime
    documents: int = 0
    new: int = 0
    closed: int = 0


@dataclass(frozen=True, slots=True)
class LoadsInMongo:
    """What MongoDB says of a period.

    Attributes:
        delays: By source.
        by_hand: Newest first.
        problem: Why MongoDB could not be asked; empty: it could.
    """

    delays: dict[str, Delays] = field(default_factory=dict)
    by_hand: tuple[ByHand, ...] = ()
    problem: str = ""


def ask(settings: Settings, period: Period) -> LoadsInMongo:
    """Ask MongoDB; if it does not answer, `problem` says so."""
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
    rows = [_row(source, one) for source, one in sorted(loaded.delays.items())]
    columns = ("source", "new documents", "median", f"{_PERCENT} of 100 within", "longest", "without publication date")
    notes = ["From when the source says that it was published to the run that first loaded it; below 0: still to come."]
    return Table(columns, rows, title="From publication to load", notes=notes, otherwise=_otherwise(loaded))


def by_hand(loaded: LoadsInMongo) -> Table:
    """What analysts loaded."""
    rows = [(one.first, one.run_id, one.documents, one.new, one.closed, one.last) for one in loaded.by_hand]
    columns = (f"first ({ZONE})", "run", "documents", "of these new", "missions closed", f"last ({ZONE})")
    notes = ["Documents whose present version was loaded by a run by hand, and missions that one closed."]
    return Table(columns, rows, title="Loaded by hand", notes=notes, otherwise=_otherwise(loaded))


def _otherwise(loaded: LoadsInMongo) -> str:
    return f"Unknown. {loaded.problem}" if loaded.problem else ""


def _row(source: str, one: Delays) -> tuple[Any, ...]:
    found = sorted(one.seconds)
    told: list[timedelta | None] = [None] * 3
    if found:
        high = found[min(len(found) - 1, -(-len(found) * _PERCENT // 100) - 1)]
        told = [timedelta(seconds=value) for value in (median(found), high, found[-1])]
    return (source, len(found) + one.undated, *told, one.undated)


def _delays(rfps: Any, period: Period) -> dict[str, Delays]:
    seen = {"_etl.first_seen_at": {"$gte": period.since, "$lt": period.until}}
    wanted = {"_id": 0, "publishedAt": 1, "_etl.source": 1, "_etl.first_seen_at": 1}
    found: defaultdict[str, Delays] = defaultdict(Delays)
    for document in rfps.find(seen, wanted):
        one = found[str(document["_etl"].get("source"))]
        published = document.get("publishedAt")
        if isinstance(published, datetime):
            one.seconds.append((document["_etl"]["first_seen_at"] - published).total_seconds())
        else:
            one.undated += 1
    return dict(found)


def _by_hand(rfps: Any, period: Period) -> tuple[ByHand, ...]:
    new = {"$sum": {"$cond": [{"$eq": ["$_etl.run_id", "$_etl.first_run_id"]}, 1, 0]}}
    found = {
        one["_id"]: ByHand(one["_id"], one["first"], one["last"], documents=one["documents"], new=one["new"])
        for one in _grouped(rfps, period, "_etl.run_id", "_etl.changed_at", new=new)
    }
    for one in _grouped(rfps, period, "_etl.closed.run_id", "_etl.closed.at"):
        run_id, first, last = one["_id"], one["first"], one["last"]
        there = found.get(run_id, ByHand(run_id, first, last))
        found[run_id] = replace(
            there, first=min(first, there.first), last=max(last, there.last), closed=one["documents"]
        )
    return tuple(sorted(found.values(), key=lambda one: one.first, reverse=True))


def _grouped(rfps: Any, period: Period, run_id: str, at: str, **more: Any) -> Iterable[dict[str, Any]]:
    """What runs by hand did in the period: by run, when and to how many documents."""
    matching = {run_id: {"$regex": f"^{BY_HAND}"}, at: {"$gte": period.since, "$lt": period.until}}
    group = {"_id": f"${run_id}", "first": {"$min": f"${at}"}, "last": {"$max": f"${at}"}, "documents": {"$sum": 1}}
    found: Iterable[dict[str, Any]] = rfps.aggregate([{"$match": matching}, {"$group": group | more}])
    return found
