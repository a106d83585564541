"""A real MongoDB: reachable or not, with and without the unique index, rejects and outdated documents."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import settings as settings_module
from futurscam_lib.diagnostics.checks import CheckResult
from futurscam_lib.diagnostics.database import CHECKS, clock_of, count_outdated, documents, judge, rejects, unique
from futurscam_lib.diagnostics.status import Status
from futurscam_lib.load.collections import Collections
from futurscam_lib.transform import version_for
from tests.diagnostics.conftest import files, named, results_of

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.settings import Settings


def test_a_sound_database(sound: Settings) -> None:
    """The result shows address, version and kind."""
    results = results_of(CHECKS, sound)

    assert {item.name: item.state for item in results} == dict.fromkeys(
        ("MongoDB", "clock", "job_id", "rejects", "documents"), "ok"
    )
    assert "standalone" in named(results, "MongoDB").what
    assert f"{sound.database} on 127.0.0.1:" in named(results, "MongoDB").what


@pytest.mark.usefixtures("home")
def test_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as no answer; the remedy is about the address, and no password is shown."""
    monkeypatch.setenv("MONGO_URI", "mongodb://an:hunter2-hunter2@127.0.0.1:9/")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.2")

    (result,) = results_of(CHECKS, settings_module.load())

    assert result.no_answer
    assert "MONGO_URI" in result.remedy
    assert "hunter2" not in result.what + result.remedy


def test_an_old_version() -> None:
    """A warning: it works, but is no longer maintained."""
    assert judge("x", "5.0.0", "standalone").state == "ok"
    result = judge("x", "4.4.29", "standalone")
    assert result.state == "warning"
    assert "5.0" in result.remedy


def test_without_documents_the_index_may_be_missing(database: Database[dict[str, Any]]) -> None:
    """The first run creates it."""
    assert unique(database).state == "ok"


def test_without_the_unique_index_documents_can_be_duplicated(database: Database[dict[str, Any]]) -> None:
    """The remedy removes the duplicates, then the next run creates the index."""
    database.RFP.insert_many([{"job_id": "one"}, {"job_id": "two"}])
    result = unique(database)
    assert result.state == "problem"
    assert result.remedy == "Let the next run make it: futurscam run"

    database.RFP.insert_one({"job_id": "two"})
    database.RFP.create_index("job_id", name="by hand")
    result = unique(database)
    assert "two (2 times) has" in result.what
    assert "one" not in result.what
    assert "deleteMany" in result.remedy
    assert 'db.RFP.dropIndex("by hand")' in result.remedy


@pytest.mark.parametrize(
    "options", [{"unique": True, "sparse": True}, {"unique": True, "partialFilterExpression": {"isActive": True}}]
)
def test_a_partial_unique_index(database: Database[dict[str, Any]], options: dict[str, Any]) -> None:
    """It does not prevent all duplicates."""
    database.RFP.insert_one({"job_id": "one"})
    database.RFP.create_index("job_id", **options)

    assert unique(database).state == "problem"


def test_open_rejects(database: Database[dict[str, Any]]) -> None:
    """Their number and the most frequent reason; resolved rejects do not count."""
    kept = Collections.of(database).rejects
    assert rejects(database).state == "ok"
    kinds = [("open", "missing", "id is missing"), ("open", "broken-json", "It is cut off"), ("resolved", "x", "x")]
    kept.insert_many([{"state": state, "code": code, "reason": why} for state, code, why in kinds])
    kept.insert_one({"state": "open", "code": "missing", "reason": "id is missing"})

    result = rejects(database)

    assert result.state == "warning"
    assert "Open rejects: 3, mostly missing (2), for example: id is missing" in result.what
    assert "futurscam rejects list" in result.remedy


def test_documents_that_an_older_mapping_made(database: Database[dict[str, Any]]) -> None:
    """Their number and the command that rebuilds them; a deadline that is not a date comes first."""
    etl = {"source": "folder", "transform_version": version_for("folder")}
    database.RFP.insert_many([{"_etl": etl}, {"_etl": {**etl, "transform_version": 1}}, {"_etl": "text"}])
    result = documents(database)
    assert (result.state, result.what) == ("warning", "1 document(s) were made by an older mapping.")
    assert result.remedy.endswith("futurscam replay")

    database.RFP.insert_one({"isActive": True, "deadlineAt": "2026-11-20"})
    assert "1 active mission(s) have a deadlineAt that is not a date" in documents(database).what


def test_the_clock_of_the_database(database: Database[dict[str, Any]]) -> None:
    """It runs on this machine."""
    assert clock_of(database, overlap=timedelta(minutes=10)).state == "ok"


def test_the_local_server_is_checked_and_not_started(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its binary and the size of its data are shown; no file is made."""
    monkeypatch.setenv("MONGO_URI", "")
    (home.local_server_folder / "data").mkdir(parents=True)
    (home.local_server_folder / "data" / "x.wt").write_bytes(bytes(7_000_000))
    before = files(home.home)

    (result,) = results_of(CHECKS, settings_module.load())

    assert result.state == "ok"
    assert "stopped, a run starts it; 7.0 MB" in result.what
    assert files(home.home) == before


@pytest.mark.usefixtures("home")
def test_the_local_server_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a `mongod` the remedy is the same as for a run."""
    monkeypatch.setenv("MONGO_URI", "")
    monkeypatch.setenv("PATH", "")
    (tmp_path / "fiftyone").mkdir()
    (tmp_path / "fiftyone" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    (result,) = results_of(CHECKS, settings_module.load())

    assert result == CheckResult("local server", "problem", result.what, result.remedy)
    assert "futurscam-etl[local-server]" in result.remedy


def test_a_count_that_takes_too_long_is_unknown(database: Database[dict[str, Any]], sound: Settings) -> None:
    """RFP is a slow view here; neither `doctor` nor `status` waits for it."""
    database.drop_collection("RFP")
    database.many.insert_many([{"_etl": {"source": "folder", "transform_version": 0}} for _ in range(5)])
    sleeping = {"$function": {"body": "function() { sleep(2000); return true; }", "args": [], "lang": "js"}}
    database.command("create", "RFP", viewOn="many", pipeline=[{"$match": {"$expr": sleeping}}])

    assert count_outdated(Collections.of(database)) is None
    shown = Status(str(sound.home), mongodb_answers=True)
    assert "unknown: counting took more than 5 s" in repr(next(shown.tables()))
