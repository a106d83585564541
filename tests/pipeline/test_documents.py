"""Cells between transform and load: they drop and change documents, and every record is accounted for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.errors import CellFailed, UsageError
from futurscam_lib.pipeline.opening import open_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.database import Database

    from futurscam_lib.pipeline.documents import Rfps
    from futurscam_lib.settings import Settings

    Document = dict[str, Any]
    Cell = Callable[[Rfps], Rfps]


def show(home: Settings, *jobs: str, at: str = "2026-11-20T10:00:00Z", name: str = "Engineer") -> None:
    """Put a good post per job into the inbox."""
    home.inbox.mkdir(parents=True, exist_ok=True)
    for job in jobs:
        post = {"id": job, "name": f"{name} {job}", "timeStamp": at}
        (home.inbox / f"{job}-{at[:10]}.json").write_text(json.dumps(post), "utf-8")


def run_with(cell: Cell, **more: Any) -> dict[str, int]:
    """Run all steps with a cell between enrich and load; give the counts, without zeros."""
    run = open_run(watermark="2000-01-01", **{"dry_run": False, **more})
    raw = run.extract()
    rfps = cell(run.enrich(run.transform(raw)))
    run.load(rfps)
    run.close_ended()
    counted: dict[str, int] = run.reconcile().as_dict()["counts"]
    return {name: number for name, number in counted.items() if number}


def titles(database: Database[Any]) -> dict[str, str]:
    """The loaded titles, by job."""
    return {one["job_id"]: one["roleTitle"] for one in database.RFP.find()}


def renamed(title: str) -> Cell:
    """A cell that changes each title."""
    return lambda rfps: rfps.map(lambda rfp: {**rfp, "roleTitle": title})


def without(job: str) -> Cell:
    """A cell that drops one job."""
    return lambda rfps: rfps.filter(lambda rfp: rfp["job_id"] != job)


def test_a_cell_drops_and_changes_what_is_loaded(home: Settings, database: Database[Any]) -> None:
    """The counts include the dropped document; a later run neither loads it nor picks it up as a leftover."""
    show(home, "1", "2", "3")

    def cell(rfps: Rfps) -> Rfps:
        return rfps.filter(lambda rfp: rfp["reference"] != "2" and rfp["job_id"] != "2").map(
            lambda rfp: None if rfp["job_id"] == "3" else {**rfp, "roleTitle": rfp["roleTitle"].upper()}
        )

    assert run_with(cell) == {"extracted": 3, "inserted": 1, "dropped": 2}
    assert titles(database) == {"1": "ENGINEER 1"}
    assert run_with(lambda rfps: rfps) == {"extracted": 3, "unchanged": 3}
    assert titles(database) == {"1": "ENGINEER 1"}
    assert database.RFP_runs.count_documents({"sources": {"$exists": True}}) == 0


def test_a_replay_reads_documents_that_cells_dropped_or_changed(home: Settings, database: Database[Any]) -> None:
    """Without the cell the document of the source is back; with another one, that one's; again it is unchanged."""
    show(home, "1", "2")
    run_with(lambda rfps: without("2")(renamed("First")(rfps)))

    assert run_with(renamed("Second"), replay="all") == {"extracted": 2, "inserted": 1, "updated": 1}
    assert titles(database) == {"1": "Second", "2": "Second"}
    assert run_with(renamed("Second"), replay="all") == {"extracted": 2, "unchanged": 2}
    assert run_with(lambda rfps: rfps, replay="all") == {"extracted": 2, "updated": 2}
    assert titles(database) == {"1": "Engineer 1", "2": "Engineer 2"}
    assert run_with(renamed("Third"), replay="all") == {"extracted": 2, "unchanged": 2}


def test_a_replay_with_the_homes_own_notebook_takes_all(home: Settings, database: Database[Any]) -> None:
    """A new cell also changes documents that were loaded before."""
    show(home, "1")
    run_with(lambda rfps: rfps)
    (home.home / "notebooks").mkdir()

    assert run_with(renamed("New"), replay="all") == {"extracted": 1, "updated": 1}
    assert titles(database) == {"1": "New"}


def test_a_changed_cell_takes_effect_at_the_next_version(home: Settings, database: Database[Any]) -> None:
    """The version is the source's instant with the hash of the cell's result: later instants always win."""
    show(home, "1")
    run_with(renamed("First"))
    show(home, "1", at="2026-11-21T10:00:00Z")

    assert run_with(renamed("Second")) == {"extracted": 2, "updated": 1, "unchanged": 1}
    (document,) = database.RFP.find()
    assert document["roleTitle"] == "Second"
    assert document["_etl"]["version"].endswith(document["_etl"]["content_hash"])


def test_an_invalid_change_by_a_cell_is_a_reject(home: Settings, database: Database[Any]) -> None:
    """The reject has the path of the field; the other documents are loaded."""
    show(home, "1", "2")

    def spoil(rfp: Document) -> Document:
        if rfp["job_id"] == "2":
            rfp["company"]["city"] = 9000
        return rfp

    assert run_with(lambda rfps: rfps.map(spoil)) == {"extracted": 2, "inserted": 1, "rejected": 1}
    (reject,) = database.RFP_rejects.find()
    assert (reject["path"], reject["code"], reject["job_id"]) == ("company.city", "wrong-type", "2")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda rfp: {**rfp, "job_id": "other"}, "changed job_id or _etl"),
        (lambda rfp: {**rfp, "_etl": {**rfp["_etl"], "source": "boond"}}, "changed job_id or _etl"),
        (lambda _: ["no document"], "returned a list"),
        (lambda rfp: rfp[rfp["roleTitle"]], r"map\(\) failed with KeyError in line \d+ of its cell"),
    ],
)
def test_a_forbidden_change_by_a_cell_fails_the_run(
    home: Settings, database: Database[Any], function: Callable[[Document], Any], message: str
) -> None:
    """The error names the change and quotes nothing of the post; the run fails, and the next run loads it."""
    show(home, "1", name="Secret")

    with pytest.raises(CellFailed, match=message) as failed:
        run_with(lambda rfps: rfps.map(function))

    assert "Secret" not in str(failed.value)
    assert database.RFP.count_documents({}) == 0
    assert run_with(lambda rfps: rfps) == {"extracted": 1, "inserted": 1}


def test_a_filter_that_writes_changes_nothing(home: Settings, database: Database[Any]) -> None:
    """The filter gets its own copy of the document."""
    show(home, "1")

    run_with(lambda rfps: rfps.filter(lambda rfp: rfp.update(roleTitle="Changed") or True))

    assert titles(database) == {"1": "Engineer 1"}


def test_each_step_shows_streams_and_becomes_a_frame(home: Settings) -> None:
    """Also several times, and after the load; a document reads as it will be loaded."""
    show(home, "1", "2", "3")
    run = open_run(watermark="2000-01-01")
    raw = run.extract()
    rfps = run.transform(raw)
    fewer = without("3")(renamed("New")(rfps))
    loaded = run.load(fewer)

    assert [record.origin for record in raw] == [f"{job}-2026-11-20.json" for job in "123"]
    assert raw.to_frame(limit=2)["origin"].tolist() == ["1-2026-11-20.json", "2-2026-11-20.json"]
    assert [(one["job_id"], two["job_id"]) for one, two in zip(rfps, rfps, strict=True)] == [(j, j) for j in "123"]
    assert fewer.to_frame()[["job_id", "roleTitle", "company.city"]].iloc[0].tolist()[:2] == ["1", "New"]
    assert fewer.table().rows == [("documents", 2), ("dropped", 1), ("rejects", 0)]
    assert len(fewer.sample.rows) == 2
    assert [(one["job_id"], one["result"]) for one in loaded] == [
        ("1", "inserted"),
        ("2", "inserted"),
        ("3", "dropped"),
    ]
    assert loaded.to_frame()["result"].tolist() == ["inserted", "inserted", "dropped"]
    assert loaded.table().columns[-1] == "dropped"


def test_a_dry_run_shows_one_cell_after_the_other(home: Settings, database: Database[Any]) -> None:
    """The counts of the first load are not added to the second; a real run refuses the second load."""
    show(home, "1", "2")
    run = open_run(watermark="2000-01-01")
    rfps = run.transform(run.extract())
    run.load(without("1")(rfps))

    assert run.load(rfps).counts["folder"].inserted == 2
    assert run.reconcile().counts["folder"].dropped == 0
    assert database.RFP.count_documents({}) == 0

    run = open_run(watermark="2000-01-01", dry_run=False)
    rfps = run.transform(run.extract())
    run.load(rfps)
    with pytest.raises(UsageError, match="loaded already, and these are others"):
        run.load(without("1")(rfps))


def test_a_step_accepts_only_the_result_of_the_previous_step(home: Settings) -> None:
    """The error names the step and its argument."""
    show(home, "1")
    run, other = open_run(watermark="2000-01-01"), open_run(watermark="2000-01-01")
    rfps = run.transform(run.extract())

    with pytest.raises(UsageError, match=r"transform\(\) takes what the last extract\(\) of this run returned"):
        run.transform(other.extract())
    with pytest.raises(UsageError, match=r"enrich\(\) takes what the last transform\(\)"):
        run.enrich([1])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"load\(\) takes what the last transform\(\)"):
        run.load(other.transform())
    run.extract()
    run.transform()
    with pytest.raises(UsageError, match=r"load\(\) takes"):
        run.load(rfps)


def test_pictures_show_the_loaded_documents(home: Settings) -> None:
    """Documents dropped by a cell are not in the pictures."""
    show(home, "1", "2")
    run = open_run(watermark="2000-01-01")
    rfps = run.transform(run.extract())

    assert "2026-11-20 10h: 2" in repr(run.timeline())
    run.load(without("1")(rfps))
    assert "2026-11-20 10h: 1" in repr(run.timeline())
