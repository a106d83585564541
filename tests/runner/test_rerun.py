"""The window of a past run, read again."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from futurscam_lib.audit.history import History
from futurscam_lib.errors import UsageError
from futurscam_lib.runner.request import Request
from futurscam_lib.runner.rerun import request_of
from tests.runner.conftest import post

if TYPE_CHECKING:
    from futurscam_lib.audit.history import RunRecord
    from tests.made_runs import MadeRuns
    from tests.runner.conftest import Workshop

T0 = clock.parse("2026-11-02T08:00:00Z")
SINCE = clock.parse("2026-11-01T06:00:00.000001Z")
UNTIL = clock.parse("2026-11-02T06:00:00Z")


def last(made: MadeRuns) -> RunRecord:
    """The newest run."""
    return History.of(made.settings).find("last")


def test_the_same_window_and_sources(made: MadeRuns) -> None:
    """Start, end, overlap and sources are those of the run; nothing is written unless that was asked for."""
    asked = {"watermark": clock.to_text(SINCE), "until": clock.to_text(UNTIL), "overlap_minutes": 2.5}
    name = made.add(T0, parameters={**asked, "sources": "folder"})

    request = request_of(last(made), made.settings, apply=False)

    assert request == Request(
        since=SINCE,
        until=UNTIL,
        sources=("folder",),
        overlap=timedelta(minutes=2.5),
        dry_run=True,
        rerun_of=name,
    )
    assert request_of(last(made), made.settings, apply=True).dry_run is False


@pytest.mark.parametrize("minutes", [0, 0.0, 1440])
def test_an_overlap_of_zero_and_of_a_day_is_valid(made: MadeRuns, minutes: float) -> None:
    """Both are what the setting allows."""
    made.add(T0, parameters={"overlap_minutes": minutes})

    assert request_of(last(made), made.settings, apply=True).overlap == timedelta(minutes=minutes)


@pytest.mark.parametrize(("status", "end"), [("ok", timedelta(seconds=4.2)), ("crashed", timedelta(hours=1))])
def test_an_open_window_ends_where_the_run_ended(made: MadeRuns, status: str, end: timedelta) -> None:
    """Later changes are not included; for a killed run the window ends when the crash was detected."""
    made.add(T0, status=status)

    assert request_of(last(made), made.settings, apply=True).until == T0 + end


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"watermark": "yesterday"}, "its parameter watermark is 'yesterday'"),
        ({"watermark": None}, "its parameter watermark is None"),
        ({"until": "never"}, "its parameter until is 'never'"),
        ({"until": 5}, "its parameter until is 5"),
        ({"overlap_minutes": -1.0}, "its parameter overlap_minutes is -1.0"),
        ({"overlap_minutes": 1440.5}, "its parameter overlap_minutes is 1440.5"),
        ({"overlap_minutes": "x"}, "its parameter overlap_minutes is 'x'"),
        ({"sources": "folder,fax"}, "read fax, which cannot be asked any more. There is no source fax"),
        ({"sources": "boond"}, "read boond, which cannot be asked any more. The source boond needs FUTURSCAM_BOOND"),
    ],
)
def test_a_window_or_source_that_cannot_be_read_again_is_refused(
    made: MadeRuns, parameters: dict[str, Any], words: str
) -> None:
    """An invalid window or a source that is no longer configured is named, and nothing has run."""
    name = made.add(T0, parameters=parameters)

    with pytest.raises(UsageError, match="Nothing has run") as refused:
        request_of(last(made), made.settings, apply=True)
    assert words in str(refused.value)
    assert name in str(refused.value)


def test_a_run_without_an_end_is_refused(made: MadeRuns) -> None:
    """Its window has no end either."""
    made.add(T0, status="unfinished")

    with pytest.raises(UsageError, match="has no end in the ledger"):
        request_of(last(made), made.settings, apply=False)


def test_first_shown_then_applied(workshop: Workshop) -> None:
    """The dry run shows the changes and the command to apply them; applying makes them, and the watermark stays."""
    workshop.project_notebook()
    workshop.receive("new.jsonl", post("a", name="\x1b[2J<b>=1+1"), post("b"), "{broken")
    first = workshop.run(since=clock.EPOCH, dry_run=True)

    shown = workshop.command("runs", "rerun", first.run_id)

    assert shown.returncode == 0, shown.stderr
    assert "New documents" in shown.stdout
    assert "<b>=1+1" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "it would insert 2, update 0 and reject 1" in shown.stdout
    assert shown.stdout.rstrip().endswith(f"futurscam runs rerun {first.run_id} --apply")
    assert workshop.database.RFP.count_documents({}) == 0

    stands = workshop.set_watermark(clock.EPOCH + timedelta(days=1))
    applied = workshop.command("runs", "rerun", first.run_id, "--apply", "--json")

    output = json.loads(applied.stdout)
    assert applied.returncode == 0, applied.stderr
    assert output["rerun_of"] == first.run_id
    assert output["apply"] is None
    assert output["new"]["total"] == output["counts"]["inserted"] == 2
    assert [rfp["job_id"] for rfp in output["new"]["listed"]] == ["a", "b"]
    assert output["rejects"]["total"] == 1
    assert workshop.database.RFP.count_documents({}) == 2
    assert workshop.watermark_file.read_bytes() == stands
    assert [entry.facts.get("rerun_of") for entry in workshop.entries("start")] == [None, first.run_id, first.run_id]
    windows = [entry.facts["window"] for entry in workshop.entries("end")]
    assert windows[0]["since"] == windows[1]["since"] == windows[2]["since"]
    assert windows[1]["until"] == windows[2]["until"] == workshop.entries("end")[0].at


def test_a_rerun_that_fails_offers_nothing_to_apply(workshop: Workshop) -> None:
    """It ends with its run's exit code, shows the error, and has its own ledger entries."""
    workshop.notebook("raise ValueError('no \\x1b[2J disk')")
    first = workshop.run(since=clock.EPOCH, until=clock.EPOCH + timedelta(days=1))

    again = workshop.command("runs", "rerun", "last")

    assert again.returncode == 1
    assert "--apply" not in again.stdout
    assert "disk" in again.stderr
    assert workshop.last.facts["status"] == "failed"
    assert workshop.entries("start")[-1].facts["rerun_of"] == first.run_id
    shown = workshop.command("runs", "show", "last").stdout
    assert f"rerun of {first.run_id}" in shown
    assert "extracted" not in shown  # It did not come so far as to count.
