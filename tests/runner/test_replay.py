"""`futurscam replay`: a whole supervised run over what was landed, on a real kernel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from futurscam_lib.errors import UsageError
from futurscam_lib.records import COUNTED, Replay
from tests.runner.conftest import GLUE, PARAMETERS, SUMMARY, post

if TYPE_CHECKING:
    from tests.runner.conftest import Workshop

AGED = {"$set": {"_etl.transform_version": 1, "_etl.content_hash": "0" * 64}, "$unset": {"role": ""}}


def age(workshop: Workshop) -> None:
    """Mark all documents as made by an older mapping, which rejected what it could not read."""
    for document in workshop.database.RFP.find():
        instant = document["_etl"]["version"].partition("#")[0]
        old = {"roleTitle": "OLD", "_etl.version": f"{instant}#{'0' * 64}", **AGED["$set"]}
        workshop.database.RFP.update_one({"_id": document["_id"]}, {**AGED, "$set": old})
    workshop.database.RFP_outcomes.update_many({}, {"$set": {"transform_version": 1}})
    workshop.database.RFP_rejects.update_many({}, {"$set": {"transform_version": 1}})


@pytest.fixture
def filled(workshop: Workshop) -> Workshop:
    """A home that an older version of the program filled: three documents, one of them closed, and one reject."""
    workshop.receive("posts.jsonl", post("a"), post("b"), post("c"), "{broken")
    workshop.load_by_hand()
    workshop.database.RFP.update_one(
        {"job_id": "c"}, {"$set": {"isActive": False, "_etl.closed": {"reason": "closed at source"}, "vat": "BE"}}
    )
    age(workshop)
    return workshop


def test_documents_are_rebuilt_from_landed_payloads(filled: Workshop) -> None:
    """No source is read, the watermark stays, later changes are kept, the ledger records the replay."""
    database, home = filled.database, filled
    (home.home / "inbox" / "posts.jsonl").unlink()
    before = home.set_watermark(clock.parse("2026-11-20T12:00:00Z"))
    first = {one["job_id"]: one["_etl"] for one in database.RFP.find()}
    standing = json.loads(home.command("status", "--json").stdout)
    assert standing["outdated"] == 3
    assert standing["replay"].startswith("futurscam ")
    assert standing["replay"].endswith("replay")

    dry = home.command("replay", "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert {one["roleTitle"] for one in database.RFP.find()} == {"OLD"}
    done = home.command("replay", "--json")

    result = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert result["counts"] == json.loads(dry.stdout)["counts"]
    assert result["counts"] == _counts(extracted=4, updated=3, rejected=1)
    assert home.watermark_file.read_bytes() == before
    documents = {one["job_id"]: one for one in database.RFP.find()}
    assert {one["roleTitle"] for one in documents.values()} == {"Data engineer"}
    assert [(job, one["isActive"]) for job, one in sorted(documents.items())] == [
        ("a", True),
        ("b", True),
        ("c", False),
    ]
    assert documents["c"]["vat"] == "BE"
    for job, one in documents.items():
        assert one["_etl"]["first_run_id"] == first[job]["first_run_id"]
        assert one["_etl"]["first_seen_at"] == first[job]["first_seen_at"]
        assert one["_etl"]["run_id"] == result["run_id"]
    start, end = home.entries("start", "end")[-2:]
    assert (start.facts["replay"], end.facts["replay"]) == ("all", "all")
    assert home.notebooks()[result["run_id"]].cells

    again = json.loads(home.command("replay", "--json").stdout)
    assert again["counts"] == _counts(extracted=4, unchanged=4)
    assert json.loads(home.command("status", "--json").stdout)["outdated"] == 0
    listed = home.command("runs", "list").stdout
    assert "replay" in listed
    assert "replay: all" in home.command("runs", "show", "last").stdout
    assert json.loads(home.command("runs", "rerun", "last", "--json").stdout)["counts"]["unchanged"] == 4


def test_a_replay_of_selected_payloads(filled: Workshop) -> None:
    """By mission, by source, by when they were landed; each is a run of its own."""
    assert filled.run(replay=Replay(job_id="a")).counts == _counts(extracted=1, updated=1)
    assert filled.run(replay=Replay(), sources=("boond",)).counts == _counts()
    assert set(filled.run(replay=Replay(), dry_run=True).sources) == {"folder"}
    assert filled.run(replay=Replay(since=clock.parse("2100-01-01"))).counts == _counts()
    assert filled.run(replay=Replay(since=clock.parse("2000-01-01"), job_id="b")).counts == _counts(
        extracted=1, updated=1
    )
    assert not filled.watermark_file.exists()


def test_a_replay_of_one_mission_by_the_names_that_people_use(filled: Workshop) -> None:
    """Letter case does not matter; a mission that was never landed is refused, and nothing runs."""
    done = filled.command("replay", "--job", "A", "--json")
    assert json.loads(done.stdout)["replay"] == "job=a", done.stderr

    lines = filled.entries()
    refused = filled.command("replay", "--job", "JP05")

    assert refused.returncode == 2
    assert "RFP_raw holds no payload of the mission 'JP05'" in refused.stderr
    assert filled.entries() == lines


def test_a_notebook_without_the_replay_parameter(filled: Workshop) -> None:
    """A home's older notebook still runs; a replay with it is refused before anything runs, with the remedy."""
    filled.notebook(SUMMARY, GLUE)
    assert filled.run(dry_run=True).status == "ok"
    lines = filled.entries()

    with pytest.raises(UsageError, match="cannot replay"):
        filled.run(replay=Replay())
    assert filled.entries() == lines


def test_a_notebook_that_ignores_replay_fails(filled: Workshop) -> None:
    """It declares the parameter but reads the sources."""
    filled.notebook(SUMMARY, GLUE, parameters=f'{PARAMETERS}\nreplay: str = ""')

    result = filled.run(replay=Replay())

    assert result.status == "failed"
    assert "did not replay" in result.error


@pytest.mark.parametrize("text", ["all", "job=a b", "job=since=all", "since=2026-11-01T00:00:00.000000+00:00"])
def test_a_replay_survives_conversion_to_text(text: str) -> None:
    """The notebook and the ledger get it as text."""
    assert str(Replay.parse(text)) == text


@pytest.mark.parametrize("text", ["everything", "job=", "since=yesterday", "a", "since=2026-11-01 job="])
def test_an_unknown_replay_is_refused(text: str) -> None:
    """The error names what is allowed."""
    with pytest.raises(ValueError, match=r"\w"):
        Replay.parse(text)


def _counts(**numbers: int) -> dict[str, Any]:
    return dict.fromkeys(COUNTED, 0) | numbers
