"""A collection with any values of other programs: they fail neither a run nor a report."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import bson
from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.raw_bson import RawBSONDocument
from typer.testing import CliRunner

from futurscam_lib import clock
from futurscam_lib.analysis import frames
from futurscam_lib.audit.period import Period
from futurscam_lib.audit.verify import runs_in_mongodb
from futurscam_lib.cli.app import app
from futurscam_lib.diagnostics import status
from futurscam_lib.diagnostics.database import CHECKS, unique
from futurscam_lib.load import lifecycle
from futurscam_lib.load.collections import Collections, keeps_jobs_single
from futurscam_lib.review import loads
from tests.diagnostics.conftest import results_of
from tests.load.machine import INSTANTS, T0, Shelf, finish, post, record
from tests.load.test_upsert import ODD_ETL

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.settings import Settings
    from tests.load.machine import World

ODD: list[Any] = [
    *(None, True, 7, 1.5, float("nan"), float("-inf"), Int64(2**62), Decimal128("NaN"), Decimal128("1e6000"), ""),
    *(ObjectId(), Binary(b"\xff\x00", 4), Binary(b"\xff"), Regex("("), Code("x"), Timestamp(1, 1), MinKey(), MaxKey()),
    *(DBRef("x", 1), DatetimeMS(2**62), DatetimeMS(-(2**62)), datetime(1, 1, 1, tzinfo=UTC), "text", "ÿ\ud7ff\u202e\0"),
    *([], [[]], [None, 1, {"name": 5}], {}, {"a": {"b": {}}}, "x" * 1_000_000),
]
FIELDS = (
    *(
        "isActive",
        "deadlineAt",
        "publishedAt",
        "roleTitle",
        "reference",
        "company",
        "conditions",
        "skills",
        "languages",
    ),
    *("job_desc", "RFP_type", "metadata", "serviceProvider", "_etl", "score"),
)


def _raw(document: dict[str, Any], odd: bytes, instead_of: bytes) -> RawBSONDocument:
    """A document with bytes that are no UTF-8."""
    return RawBSONDocument(bson.encode(document).replace(instead_of, odd))


def fill(database: Database[dict[str, Any]]) -> None:
    """Every odd value in every field: in documents without a job, with one, and with one that a source shows."""
    for number, value in enumerate(ODD):
        everywhere = dict.fromkeys(FIELDS, value)
        database.RFP.insert_one({**everywhere, "number": number})
        database.RFP.insert_one({"job_id": f"odd-{number}", **everywhere, "isActive": True, "deadlineAt": T0})
        database.RFP.insert_one({"job_id": f"shown-{number}", **everywhere})
        if not isinstance(value, str | list):
            database.RFP.insert_one({"job_id": value, "isActive": True})
    for number, etl in enumerate(ODD_ETL):
        past = datetime(2020, 1, 1, tzinfo=UTC)
        database.RFP.insert_one({"job_id": f"etl-{number}", "isActive": True, "deadlineAt": past, "_etl": etl})
    broken = {
        "isActive": True,
        "roleTitle": "AAAA",
        "_etl": {"source": "folder", "source_id": "AAAA", "run_id": "AAAA"},
    }
    database.RFP.insert_one(_raw({"job_id": "bytes", **broken}, b"\xff\xfe\xfd\xfc", b"AAAA"))
    versioned = {"version": "AAAA#b", "transform_version": 1, "content_hash": "b"}
    database.RFP.insert_one(_raw({"job_id": "shown-bytes", "_etl": versioned}, b"\xff\xfe\xfd\xfc", b"AAAA"))
    listed = [{"source": "boond", "source_id": "1", "version": "a#b", "run_id": "x", "first_run_id": ["y"]}]
    database.RFP.insert_one({"job_id": "listed", "isActive": True, "_etl": listed})


def test_a_run_over_odd_documents_adds_up(world: World) -> None:
    """All is loaded and adds up, in a dry run and in a real run; documents of other programs are unchanged."""
    database = world.collections.rfps.database
    fill(database)
    foreign = {"job_id": {"$not": {"$regex": "^shown-"}}, "isActive": {"$ne": True}}
    others = list(world.collections.rfps.find(foreign))
    jobs = [*(f"shown-{number}" for number in range(len(ODD))), "shown-bytes"]
    world.tick(1)

    def shelf() -> Shelf:
        return Shelf([record(post(job, description="long " * 100), origin=job, at=world.now) for job in jobs])

    dry = finish(world.open(shelf(), dry_run=True), chunk=7)
    run = world.open(shelf())
    summary = finish(run, chunk=7)

    assert summary.total.as_dict()["updated"] == len(jobs)
    assert dry.total == summary.total
    assert run.details()["changes"]["total"] == len(jobs)
    assert repr(run.load().updated)
    assert repr(run.load().updated._repr_html_())
    assert {repr(one) for one in others} <= {repr(one) for one in world.collections.rfps.find()}
    for one in world.collections.rfps.find({"job_id": {"$in": jobs}}):
        assert one["_etl"]["source"] == "folder"
        assert one["roleTitle"] == "Red"
    again = finish(world.open(Shelf([record(post(job, INSTANTS[1]), at=world.now) for job in jobs])))
    assert again.total.as_dict()["updated"] == len(jobs)


def test_odd_documents_are_not_swept(world: World) -> None:
    """A document that names a source but has another form than ours is not a mission of that source."""
    fill(world.collections.rfps.database)
    for source in ("boond", "folder", "x"):
        ends = lifecycle.SourceEnds(world.collections, source, run_id="run", now=T0, dry_run=False)
        assert list(ends.missing(set())) == []
        assert ends.reopen({"1", "text"}) == 0


def test_all_reports_can_show_odd_documents(home: Settings, database: Database[dict[str, Any]], tmp_path: Path) -> None:
    """Status, doctor, review, check of runs, frames, export and the story of a document."""
    fill(database)
    Collections.of(database).ensure_indexes()

    found = status.read(home, now=T0)
    assert found.problems == []
    assert found.documents == database.RFP.count_documents({})
    assert found.undated
    assert f"{found.undated:,} active missions of other programs" in repr(list(found.tables()))
    assert [result.state for result in results_of(CHECKS, home) if result.name in {"job_id", "documents"}] == [
        "ok",
        "warning",
    ]
    period = Period(since=clock.EPOCH, until=T0)
    assert loads.ask(home, period).problem == ""
    assert list(runs_in_mongodb(home)) is not None
    assert len(frames.rfps()) == database.RFP.count_documents({})
    file = tmp_path / "rfps.csv"
    for command in (["export", str(file)], ["status"], ["check"], ["why", "odd-3"], ["why", "etl-4"], ["why", "bytes"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code in {0, 3, 4}, (command, done.output, done.exception)
        assert "Traceback" not in done.output
    csv.field_size_limit(10_000_000)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        assert len(list(csv.reader(lines))) == 1 + database.RFP.count_documents({})


def test_documents_without_a_job_do_not_stop_the_index(database: Database[dict[str, Any]]) -> None:
    """Two of them, and two with a number: the index is about texts, keeps those single and is used to find them."""
    database.RFP.insert_many(
        [{"a": 1}, {"a": 2}, {"job_id": 5}, {"job_id": 5}, *({"job_id": f"{n}"} for n in range(99))]
    )
    collections = Collections.of(database)

    for _ in range(2):
        collections.ensure_indexes()

    (index,) = [one for one in collections.rfps.list_indexes() if "job_id" in one["key"]]
    assert keeps_jobs_single(index)
    asked = {"find": "RFP", "filter": {"job_id": {"$in": ["7", "8"]}}, "projection": {"_id": 0, "job_id": 1}}
    explained = database.command({"explain": asked, "verbosity": "executionStats"})
    assert explained["executionStats"]["totalDocsExamined"] == 0
    assert explained["executionStats"]["nReturned"] == 2
    assert unique(database).state == "ok"


def test_the_index_of_an_earlier_version_is_kept(database: Database[dict[str, Any]]) -> None:
    """It holds for all documents; nothing is made beside it."""
    database.RFP.create_index("job_id", unique=True, name="job_id")
    before = list(database.RFP.list_indexes())

    Collections.of(database).ensure_indexes()

    assert [one for one in database.RFP.list_indexes() if "job_id" in one["key"]] == before[1:]
    assert unique(database).state == "ok"


def test_an_earlier_version_can_make_its_index_beside_ours(database: Database[dict[str, Any]]) -> None:
    """A home goes back to the version before: that one makes a unique index `job_id` over all documents."""
    Collections.of(database).ensure_indexes()

    database.RFP.create_index("job_id", unique=True, name="job_id")
    Collections.of(database).ensure_indexes()

    assert sum(keeps_jobs_single(index) for index in database.RFP.list_indexes()) == 2


def test_optional_indexes_may_be_missing(database: Database[dict[str, Any]]) -> None:
    """Lists in both fields of one document keep MongoDB from making an index over them."""
    database.RFP.insert_one({"isActive": [1, 2], "deadlineAt": [1, 2], "_etl": [{"source": "x"}]})

    Collections.of(database).ensure_indexes()

    assert {one["name"] for one in database.RFP.list_indexes()} == {"_id_", "job_id_text"}


def test_a_deadline_that_is_not_a_date_gives_a_warning(world: World) -> None:
    """It closes nothing, and that is a warning of the run."""
    world.collections.rfps.insert_many([{"isActive": True, "deadlineAt": "2020-01-01"}, {"isActive": True}])

    summary = finish(world.open(Shelf()))

    assert summary.closed == 0
    assert "1 active mission(s) have a deadlineAt that is not a date" in repr(summary.notes["MongoDB"])
