"""MongoDB, a real one: reached or not, able to keep documents from doubling or not, with rejects or without."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import settings as settings_module
from futurscam_lib.diagnostics import database as checks
from futurscam_lib.diagnostics.finding import Finding
from futurscam_lib.diagnostics.status import Status, count_outdated
from futurscam_lib.load.collections import Collections
from futurscam_lib.transform import version_for
from tests.diagnostics.conftest import files, named

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.settings import Settings


def test_a_sound_database(sound: Settings) -> None:
    """It is named with its version and its kind."""
    found = list(checks.look(sound))

    assert {one.name: one.state for one in found} == dict.fromkeys(
        ("MongoDB", "clock", "job_id", "rejects", "documents"), "ok"
    )
    assert "standalone" in named(found, "MongoDB").what
    assert f"{sound.database} on 127.0.0.1:" in named(found, "MongoDB").what


@pytest.mark.usefixtures("home")
def test_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is a missing answer, and what is told is about the address, without its password."""
    monkeypatch.setenv("MONGO_URI", "mongodb://an:hunter2-hunter2@127.0.0.1:9/")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.2")

    (found,) = checks.look(settings_module.load())

    assert found.no_answer
    assert "MONGO_URI" in found.remedy
    assert "hunter2" not in found.what + found.remedy


def test_an_old_version() -> None:
    """It works, and is no longer maintained."""
    assert checks.judged("x", "5.0.0", "standalone").state == "ok"
    found = checks.judged("x", "4.4.29", "standalone")
    assert found.state == "warning"
    assert "5.0" in found.remedy


def test_without_documents_the_index_may_be_missing(database: Database[dict[str, Any]]) -> None:
    """The first run makes it."""
    assert checks.unique(database).state == "ok"


def test_without_the_unique_index_documents_can_double(database: Database[dict[str, Any]]) -> None:
    """The next run makes it, once what has doubled is gone; both are told."""
    database.RFP.insert_many([{"job_id": "one"}, {"job_id": "two"}])
    found = checks.unique(database)
    assert found.state == "problem"
    assert found.remedy == "Have the next run make it: futurscam run"

    database.RFP.insert_one({"job_id": "two"})
    database.RFP.create_index("job_id", name="by hand")
    found = checks.unique(database)
    assert "two (2 times) has" in found.what
    assert "one" not in found.what
    assert "deleteMany" in found.remedy
    assert 'db.RFP.dropIndex("by hand")' in found.remedy


@pytest.mark.parametrize(
    "options", [{"unique": True, "sparse": True}, {"unique": True, "partialFilterExpression": {"isActive": True}}]
)
def test_an_index_that_is_unique_for_some_only(database: Database[dict[str, Any]], options: dict[str, Any]) -> None:
    """It does not keep all documents from doubling."""
    database.RFP.insert_one({"job_id": "one"})
    database.RFP.create_index("job_id", **options)

    assert checks.unique(database).state == "problem"


def test_open_rejects(database: Database[dict[str, Any]]) -> None:
    """How many there are, and the most frequent reason; resolved ones do not count."""
    rejects = Collections.of(database).rejects
    assert checks.rejects(database).state == "ok"
    kinds = [("open", "missing", "id is missing"), ("open", "broken-json", "It is cut off"), ("resolved", "x", "x")]
    rejects.insert_many([{"state": state, "code": code, "reason": why} for state, code, why in kinds])
    rejects.insert_one({"state": "open", "code": "missing", "reason": "id is missing"})

    found = checks.rejects(database)

    assert found.state == "warning"
    assert "Open rejects: 3, mostly missing (2), as: id is missing" in found.what
    assert "futurscam rejects list" in found.remedy


def test_documents_that_an_older_mapping_made(database: Database[dict[str, Any]]) -> None:
    """How many, and the command that makes them again; a deadline that no run can see comes first."""
    etl = {"source": "folder", "transform_version": version_for("folder")}
    database.RFP.insert_many([{"_etl": etl}, {"_etl": {**etl, "transform_version": 1}}, {"_etl": "text"}])
    found = checks.documents(database)
    assert (found.state, found.what) == ("warning", "An older mapping made 1 document(s).")
    assert found.remedy.endswith("futurscam replay")

    database.RFP.insert_one({"isActive": True, "deadlineAt": "2026-11-20"})
    assert "1 active mission(s) have a deadlineAt that is not a date" in checks.documents(database).what


def test_the_clock_of_the_database(database: Database[dict[str, Any]]) -> None:
    """It runs on this machine."""
    assert checks.clock_of(database, overlap=timedelta(minutes=10)).state == "ok"


def test_the_local_server_is_looked_at_and_not_started(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its binary and the size of its data are told; no file comes into being."""
    monkeypatch.setenv("MONGO_URI", "")
    (home.local_server_folder / "data").mkdir(parents=True)
    (home.local_server_folder / "data" / "x.wt").write_bytes(bytes(7_000_000))
    before = files(home.home)

    (found,) = checks.look(settings_module.load())

    assert found.state == "ok"
    assert "is stopped, a run starts it; 7.0 MB" in found.what
    assert files(home.home) == before


@pytest.mark.usefixtures("home")
def test_the_local_server_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any `mongod` the remedies are those of a run."""
    monkeypatch.setenv("MONGO_URI", "")
    monkeypatch.setenv("PATH", "")
    (tmp_path / "fiftyone").mkdir()
    (tmp_path / "fiftyone" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    (found,) = checks.look(settings_module.load())

    assert found == Finding("local server", "problem", found.what, found.remedy)
    assert "futurscam-etl[local-server]" in found.remedy


def test_a_count_that_takes_too_long_is_not_known(database: Database[dict[str, Any]], sound: Settings) -> None:
    """RFP is a view that waits at each document here; neither `doctor` nor `status` waits for it."""
    database.drop_collection("RFP")
    database.many.insert_many([{"_etl": {"source": "folder", "transform_version": 0}} for _ in range(5)])
    sleeping = {"$function": {"body": "function() { sleep(2000); return true; }", "args": [], "lang": "js"}}
    database.command("create", "RFP", viewOn="many", pipeline=[{"$match": {"$expr": sleeping}}])

    assert count_outdated(Collections.of(database)) is None
    shown = Status(str(sound.home), mongodb_answers=True)
    assert "not known: counting took more than 5 s" in repr(next(shown.tables()))
