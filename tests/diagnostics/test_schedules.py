"""What starts the runs: a loop, a schedule that works, one that does not, none."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
import pytest

from futurscam_lib.diagnostics import schedules as checks
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.runner.loop.state import LoopFiles, LoopState
from futurscam_lib.schedule.job import Job, Plan, ScheduleStatus
from futurscam_lib.settings import PROJECT

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

T0 = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)


class Scheduler:
    """One that says what a test wants to hear; None: it cannot be asked."""

    def __init__(self, standing: ScheduleStatus | None) -> None:
        """Take what it says."""
        self._standing = standing

    def status(self) -> ScheduleStatus:
        """Tell how it stands."""
        if self._standing is None:
            raise OperatorMustAct("systemctl failed (exit 1)\nLog in once.")
        return self._standing

    def plan(self, job: Job, *, now: datetime) -> Plan:
        """Is not asked for."""
        raise NotImplementedError

    def install(self, job: Job, *, now: datetime) -> tuple[str, ...]:
        """Is not asked for."""
        raise NotImplementedError

    def remove(self) -> str:
        """Is not asked for."""
        raise NotImplementedError


def standing(home: Settings, **more: object) -> ScheduleStatus:
    """A schedule of this home."""
    told = {"state": "active", "command": f'python -m futurscam_lib --home "{home.home}" run', **more}
    return ScheduleStatus("systemd", installed=True, **told)  # type: ignore[arg-type]


def test_a_schedule_that_works(home: Settings) -> None:
    """With what comes next; also where it has not run yet, or met another run."""
    for result in (None, 0, 5, 0x41303):
        (found,) = checks.judged(standing(home, last_result=result, next_run=T0), home, unseen=())
        assert found.state == "ok"
        assert "next run 2026-11-23 13:00" in found.what


def test_no_schedule(home: Settings) -> None:
    """Nothing starts the runs, or nobody can say whether anything does: a warning, for it may be cron."""
    (found,) = checks.scheduled(home, Scheduler(ScheduleStatus("systemd", installed=False)))
    assert found.state == "warning"
    assert "futurscam schedule install" in found.remedy

    (found,) = checks.scheduled(home, Scheduler(None))
    assert found.state == "warning"
    assert found.remedy == "Log in once."


@pytest.mark.parametrize(
    ("result", "number", "state"),
    [(1, "1", "warning"), (4, "4", "warning"), (2, "2", "problem"), (0x80070002, "0x80070002", "problem")],
)
def test_a_schedule_whose_last_start_came_to_nothing(home: Settings, result: int, number: str, state: str) -> None:
    """What a run could not write into the ledger is a problem; all else other findings tell."""
    (found,) = checks.judged(standing(home, last_result=result, meaning="so"), home, unseen=())

    assert found.state == state
    assert f"ended with {number}: so" in found.what
    assert "futurscam schedule show" in found.remedy


def test_a_schedule_that_misses_something(home: Settings) -> None:
    """Another home's, and settings that only a console has."""
    other = ScheduleStatus("systemd", installed=True, command="python -m futurscam_lib run")
    found = checks.judged(other, home, unseen=["MONGO_URI"])

    assert [one.state for one in found] == ["ok", "warning", "warning"]
    assert str(home.home) in found[1].what
    assert "MONGO_URI" in found[2].what
    assert str(home.home / ".env") in found[2].remedy
    assert len(checks.judged(other, home.model_copy(update={"home": PROJECT}), unseen=())) == 1


def test_a_loop_counts_as_a_schedule(home: Settings) -> None:
    """While it runs; what a killed one left is believed by nobody."""
    loop, process = LoopFiles(home.home), psutil.Process()
    state = LoopState(pid=os.getpid(), created=process.create_time(), started="x", interval_minutes=60, run=3)
    with loop.held():
        loop.write(state)
        (found,) = checks.look(home)
    assert (found.name, found.state) == ("loop", "ok")
    assert f"pid {os.getpid()}, every 60 min" in found.what

    loop.write(state)
    assert {one.name for one in checks.look(home)} == {"schedule"}
