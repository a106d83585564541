"""The steps of a run by hand: a cell that is run a second time counts nothing twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.errors import RetryLater, UsageError
from futurscam_lib.load.upsert import Upsert
from futurscam_lib.pipeline.opening import open_run

if TYPE_CHECKING:
    from pymongo.database import Database

    from futurscam_lib.pipeline.run import Run
    from futurscam_lib.settings import Settings


@pytest.fixture
def run(home: Settings) -> Run:
    """A real run by hand over a good post and an invalid post."""
    home.inbox.mkdir(parents=True)
    good = {"id": "1", "name": "Data engineer", "timeStamp": "2026-11-20T10:00:00Z"}
    (home.inbox / "good.json").write_text(json.dumps(good), "utf-8")
    (home.inbox / "broken.json").write_text("{", "utf-8")
    return open_run(watermark="2000-01-01", dry_run=False)


def numbers(run: Run) -> dict[str, int]:
    """What the run counted, without the zeros; it must reconcile."""
    counted: dict[str, int] = run.reconcile().as_dict()["counts"]
    return {name: number for name, number in counted.items() if number}


def test_each_step_again_gives_the_same_report(run: Run, database: Database[dict[str, Any]]) -> None:
    """The spools have been read by then; nothing is transformed, loaded or counted a second time."""
    run.extract()
    transformed = run.transform()
    shown = repr(transformed)

    assert run.transform() is transformed
    loaded = run.load()
    assert run.transform() is transformed
    assert run.load() is loaded
    assert repr(transformed) == shown
    assert numbers(run) == {"extracted": 2, "inserted": 1, "rejected": 1}
    assert database.RFP.count_documents({}) == 1


def test_unknown_values_are_shown_and_counted(home: Settings) -> None:
    """A word that no vocabulary knows, a value that was read leniently and one that was lost."""
    home.inbox.mkdir(parents=True)
    post = {"id": "1", "name": "Data engineer", "timeStamp": "2026-11-20T10:00:00Z"}
    odd = {
        "budgetInfo": {"minDailyRate": "450", "maxDailyRate": -1},
        "roleInfo": {"roles": [{"seniority": "Guru"}]},
    }
    (home.inbox / "odd.json").write_text(json.dumps(post | odd), "utf-8")
    run = open_run(watermark="2000-01-01", dry_run=False)
    run.extract()

    shown = repr(run.transform())
    run.load()

    unknown = run.reconcile().as_dict()["oddities"]
    assert unknown == {
        "budgetInfo.minDailyRate: text read as a number": 1,
        "budgetInfo.maxDailyRate: negative": 1,
        "roleInfo.roles.seniority: unknown word": 1,
    }
    assert "roleInfo.roles.seniority: unknown word: Guru (1)" in shown
    assert all(value in shown for value in unknown)


def test_extract_starts_the_steps_again(run: Run) -> None:
    """Loaded payloads are known by then, and the reports are new."""
    for _ in range(2):
        run.extract()
        transformed = run.transform()
        loaded = run.load()

    assert run.transform() is transformed
    assert run.load() is loaded
    assert numbers(run) == {"extracted": 2, "unchanged": 2}


def test_steps_after_a_failed_step_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise records would be counted twice; after extract() the steps work again."""

    def down(*_: Any) -> None:
        raise RetryLater("MongoDB is away.")

    run.extract()
    run.transform()
    with monkeypatch.context() as away:
        away.setattr(Upsert, "load", down)
        with pytest.raises(RetryLater):
            run.load()

    with pytest.raises(UsageError, match=r"load\(\) failed: call extract\(\) again, then the steps after it"):
        run.load()
    run.extract()
    run.transform()
    run.load()
    counted = numbers(run)
    assert (counted.pop("extracted"), counted.pop("inserted")) == (2, 1)
    assert set(counted) <= {"rejected", "unchanged"}


def test_a_step_called_too_early_names_the_missing_step(run: Run) -> None:
    """Nothing is read or written."""
    with pytest.raises(UsageError, match=r"call extract\(\) first"):
        run.transform()
    run.extract()
    with pytest.raises(UsageError, match=r"call transform\(\) first"):
        run.load()
