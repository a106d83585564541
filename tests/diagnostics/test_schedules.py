"""Checks of what starts the runs: a loop, a working or failing schedule, or nothing."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
import pytest

from futurscam_lib.diagnostics import schedules
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.runner.loop.state import LoopFiles, LoopState
from futurscam_lib.schedule.job import Job, Plan, ScheduleStatus
from futurscam_lib.settings import PROJECT
from tests.diagnostics.conftest import results_of

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

T0 = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)


class Scheduler:
    """A scheduler with a given state; None: its state cannot be read."""

    def __init__(self, standing: ScheduleStatus | None) -> None:
        """Set its state."""
        self._standing = standing

    def status(self) -> ScheduleStatus:
        """Return its state."""
        if self._standing is None:
            raise OperatorMustAct("systemctl failed (exit 1)\nLog in once.")
        return self._standing

    def plan(self, job: Job, *, now: datetime) -> Plan:
        """Not needed here."""
        raise NotImplementedError

    def install(self, job: Job, *, now: datetime) -> tuple[str, ...]:
        """Not needed here."""
        raise NotImplementedError

    def remove(self) -> str:
        """Not needed here."""
        raise NotImplementedError


def standing(home: Settings, **more: object) -> ScheduleStatus:
    """A schedule of this home."""
    fields = {"state": "active", "command": f'python -m futurscam_lib --home "{home.home}" run', **more}
    return ScheduleStatus("systemd", installed=True, **fields)  # type: ignore[arg-type]


def test_a_schedule_that_works(home: Settings) -> None:
    """It shows the next run; also if it has not run yet, or another run was active."""
    for result in (None, 0, 5, 0x41303):
        (result_of_check,) = schedules.judge(standing(home, last_result=result, next_run=T0), home, unseen=())
        assert result_of_check.state == "ok"
        assert "next run 2026-11-23 13:00" in result_of_check.what


def test_no_schedule(home: Settings) -> None:
    """Nothing starts the runs, or the scheduler cannot be asked: a warning, because it may be cron."""
    (result,) = schedules.scheduled(home, Scheduler(ScheduleStatus("systemd", installed=False)))
    assert result.state == "warning"
    assert "futurscam schedule install" in result.remedy

    (result,) = schedules.scheduled(home, Scheduler(None))
    assert result.state == "warning"
    assert result.remedy == "Log in once."


@pytest.mark.parametrize(
    ("result", "number", "state"),
    [(1, "1", "warning"), (4, "4", "warning"), (2, "2", "problem"), (0x80070002, "0x80070002", "problem")],
)
def test_a_schedule_whose_last_start_failed(home: Settings, result: int, number: str, state: str) -> None:
    """A problem if no run can have written the ledger; otherwise other checks report it."""
    (check,) = schedules.judge(standing(home, last_result=result, meaning="so"), home, unseen=())

    assert check.state == state
    assert f"ended with {number}: so" in check.what
    assert "futurscam schedule show" in check.remedy


def test_a_schedule_of_another_home_or_without_a_setting(home: Settings) -> None:
    """A schedule for another home, and settings that only the console has."""
    other = ScheduleStatus("systemd", installed=True, command="python -m futurscam_lib run")
    results = schedules.judge(other, home, unseen=["MONGO_URI"])

    assert [item.state for item in results] == ["ok", "warning", "warning"]
    assert str(home.home) in results[1].what
    assert "MONGO_URI" in results[2].what
    assert str(home.home / ".env") in results[2].remedy
    assert len(schedules.judge(other, home.model_copy(update={"home": PROJECT}), unseen=())) == 1


def test_a_loop_counts_as_a_schedule(home: Settings) -> None:
    """Only while it is active; the file of a killed loop is ignored."""
    loop, process = LoopFiles(home.home), psutil.Process()
    state = LoopState(pid=os.getpid(), created=process.create_time(), started="x", interval_minutes=60, run=3)
    with loop.held():
        loop.write(state)
        (result,) = results_of(schedules.CHECKS, home)
    assert (result.name, result.state) == ("loop", "ok")
    assert f"pid {os.getpid()}, every 60 min" in result.what

    loop.write(state)
    assert {item.name for item in results_of(schedules.CHECKS, home)} == {"schedule"}
