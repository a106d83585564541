"""The commands `status` and `reset`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.diagnostics import status
from futurscam_lib.errors import AlreadyRunning, OperatorMustAct, UsageError
from futurscam_lib.records import with_all_counts
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.runner.reset import reset
from tests.runner.conftest import GLUE, SUMMARY, post

if TYPE_CHECKING:
    from tests.runner.conftest import Workshop

T0 = datetime(2026, 11, 20, 12, 5, 1, 223_456, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("to", [T0 - HOUR, T0 + HOUR])
def test_a_reset_says_what_the_next_run_reads(workshop: Workshop, to: datetime) -> None:
    """Backwards or forwards: file, ledger and message agree; the next run begins there."""
    workshop.set_watermark(T0)

    said = workshop.command("reset", "--to", clock.to_text(to))

    assert said.returncode == 0
    assert f"The watermark was {clock.to_text(T0)} and is now {clock.to_text(to)}." in said.stdout
    assert "The next run reads all that the sources changed since then, and 10 minutes before it" in said.stdout
    assert workshop.watermark == to
    (entry,) = workshop.entries()
    assert (entry.event, entry.run_id.startswith("reset-")) == ("reset", True)
    assert entry.facts["watermark"] == {"before": clock.to_text(T0), "after": clock.to_text(to)}
    assert " on " in entry.facts["started_by"]

    workshop.notebook(SUMMARY, GLUE)
    assert workshop.run().watermark["before"] == clock.to_text(to)


def test_everything_is_read_again_and_nothing_doubles(workshop: Workshop) -> None:
    """The next run finds what it knows already, and what had been lost from the database."""
    workshop.receive("new.jsonl", post("a"), post("b"))
    workshop.load_by_hand()
    workshop.database.RFP.delete_one({"job_id": "a"})
    workshop.set_watermark(clock.now())

    assert workshop.command("reset", "--everything").returncode == 0
    assert workshop.watermark == clock.EPOCH
    result = workshop.run()

    assert (result.counts["inserted"], result.counts["unchanged"]) == (1, 1)
    assert workshop.database.RFP.distinct("job_id") == ["a", "b"]


@pytest.mark.parametrize("data", [b"", b"yesterday", b"2999-01-01", None])
def test_a_reset_repairs_an_unreadable_watermark(workshop: Workshop, data: bytes | None) -> None:
    """Empty, garbage, in the future or missing: afterwards the file is right, and the ledger knows no `before`."""
    if data is not None:
        workshop.watermark_file.write_bytes(data)

    said = reset(workshop.settings, T0, now=NOW)

    assert said.startswith("The watermark was missing or unreadable and is now 2026-11-20T12:05:01.223456+00:00.")
    assert workshop.watermark == T0
    assert workshop.last.facts["watermark"] == {"before": None, "after": clock.to_text(T0)}
    assert Ledger(workshop.settings.ledger_file).last_watermark() == T0


def test_a_reset_into_the_future_is_refused(workshop: Workshop) -> None:
    """Changes until then would never be read: exit code 2, nothing is written."""
    before = workshop.set_watermark(T0)

    with pytest.raises(UsageError, match=r"2026-11-23 13:00:01\.000000 UTC lies in the future"):
        reset(workshop.settings, NOW + timedelta(seconds=1), now=NOW)
    assert workshop.command("reset", "--to", "2999-01-01").returncode == 2

    assert workshop.watermark_file.read_bytes() == before
    assert workshop.entries() == []


def test_a_reset_while_a_run_is_active_is_refused(workshop: Workshop) -> None:
    """The run would write over it: exit code 5, the run is named, nothing is written."""
    before = workshop.set_watermark(T0)

    with RunLock(workshop.settings.lock_file).held(run_id="theirs", now=NOW):
        with pytest.raises(AlreadyRunning, match="run theirs"):
            reset(workshop.settings, T0 - HOUR, now=NOW)
        assert workshop.command("reset", "--everything").returncode == 5

    assert workshop.watermark_file.read_bytes() == before
    assert workshop.entries() == []


def test_a_reset_over_a_tampered_ledger_is_refused(workshop: Workshop) -> None:
    """The watermark is not set if the ledger cannot record it."""
    before = workshop.set_watermark(T0)
    workshop.settings.runs.mkdir()
    workshop.settings.ledger_file.write_bytes(b'{"seq":1}\n')

    with pytest.raises(OperatorMustAct, match="line 1"):
        reset(workshop.settings, T0 - HOUR, now=NOW)

    assert workshop.watermark_file.read_bytes() == before


def test_the_status_of_an_empty_home(workshop: Workshop) -> None:
    """Nothing has run yet, which is no problem; looking changes nothing."""
    before = workshop.files()

    shown = status.read(workshop.settings, now=NOW).as_dict()

    assert (shown["watermark"], shown["runs"], shown["running"], shown["problems"]) == (None, [], None, [])
    assert (shown["documents"], shown["active"], shown["rejects_open"], shown["mongodb_answers"]) == (0, 0, 0, True)
    assert workshop.files() == before
    assert workshop.database.list_collection_names() == []


def test_the_status_after_runs(workshop: Workshop) -> None:
    """All parts: watermark and its age, the last five runs, the newest first, the database, rejects, who runs."""
    workshop.receive("new.jsonl", post("a"), post("b", publicationInfo={"isClosed": True}), "{broken")
    workshop.load_by_hand()
    workshop.set_watermark(NOW - 3 * HOUR)
    ledger = Ledger(workshop.settings.ledger_file)
    for number, ending in enumerate(["end", "end", "end", "crashed", "end", None]):
        ledger.append("start", at=T0, run_id=f"r{number}", facts={})
        facts: dict[str, Any] = {"status": "ok", "seconds": 1.5, "counts": {"extracted": number}, "error": "none"}
        if ending:
            ledger.append(ending, at=T0, run_id=f"r{number}", facts=facts if ending == "end" else {})
    ledger.append("reset", at=T0, run_id="reset-1", facts={"watermark": {"before": None, "after": clock.to_text(T0)}})

    with RunLock(workshop.settings.lock_file).held(run_id="r5", now=T0):
        report = status.read(workshop.settings, now=NOW)

    shown = report.as_dict()
    assert shown["watermark"] == clock.to_text(NOW - 3 * HOUR)
    assert shown["watermark_age_seconds"] == 3 * 3600
    assert [(run["run_id"], run["status"]) for run in shown["runs"]] == [
        ("r5", "unfinished"),
        ("r4", "ok"),
        ("r3", "crashed"),
        ("r2", "ok"),
        ("r1", "ok"),
    ]
    assert shown["runs"][1] | {"at": ""} == {
        "run_id": "r4",
        "status": "ok",
        "at": "",
        "seconds": 1.5,
        "counts": with_all_counts({"extracted": 4}),
        "error": "none",
        "notes": {},
    }
    assert (shown["documents"], shown["active"], shown["rejects_open"]) == (2, 1, 1)
    assert shown["mongodb"].startswith(f"{workshop.database.name} on 127.0.0.1:")
    assert shown["running"].startswith("run r5 (process ")
    assert shown["problems"] == []
    assert json.loads(json.dumps(shown)) == shown
    text = "\n".join(repr(table) for table in report.tables())
    for part in ("(3 h ago)", "r5", "unfinished", "crashed", "2, 1 of them active", "run r5 (process"):
        assert part in text


def test_the_status_shows_every_problem_at_once(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unreadable watermark, tampered ledger, MongoDB down: all are shown; exit code 0."""
    workshop.watermark_file.write_text("yesterday")
    Ledger(workshop.settings.ledger_file).append("end", at=T0, run_id="r1", facts={"status": "failed"})
    changed = workshop.settings.ledger_file.read_bytes().replace(b"failed", b"better")
    workshop.settings.ledger_file.write_bytes(changed)
    monkeypatch.setenv("MONGO_URI", "mongodb://somebody:hunter22@127.0.0.1:1/")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.2")

    done = workshop.command("status", "--json")

    output = json.loads(done.stdout)
    assert done.returncode == 0
    assert "hunter22" not in done.stdout + done.stderr
    for problem, words in zip(output["problems"], ("yesterday", "line 1", "127.0.0.1:1"), strict=True):
        assert words in problem
    assert (output["watermark"], output["runs"], output["documents"], output["mongodb"]) == (
        None,
        [],
        None,
        "does not answer",
    )
    assert workshop.settings.ledger_file.read_bytes() == changed


def test_the_error_of_the_last_run_is_shown_whole() -> None:
    """Below the table, which cuts it; a note that is a remark, too, is shown once."""
    error = f"{'Too many. ' * 40}Allow it: futurscam run --yes"
    run = {"run_id": "r", "status": "failed", "counts": {}, "seconds": 1, "error": error, "notes": {"folder": ["Old."]}}
    shown = "\n".join(map(repr, status.Status("home", runs=[run], remarks=["Old."]).tables()))

    assert error in shown
    assert shown.count("Old.") == 1
