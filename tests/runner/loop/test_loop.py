"""The schedule of the loop, on a fake machine with two clocks, runs and an operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib import clock
from futurscam_lib.errors import ExitCode
from futurscam_lib.runner.loop.loop import GRACE, Loop, Schedule
from futurscam_lib.runner.loop.state import LoopState, Stop

if TYPE_CHECKING:
    from collections.abc import Callable

T0 = datetime(2026, 11, 23, 13, 25, 1, 223_000, tzinfo=UTC)
HOUR, MINUTE = 3600.0, 60.0


@dataclass
class Machine:
    """Clocks that only move when something waits; seconds count from the start of the loop.

    Attributes:
        runs: Seconds and exit code of each run; the last one is repeated.
        happens: What happens when.
        oversleeps: By how much each wait is too long.
        obeys: Seconds that a run needs to end once it is interrupted; None: it never does.
    """

    runs: list[tuple[float, int]]
    happens: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    oversleeps: float = 0.0
    obeys: float | None = 1.0
    uptime: float = 0.0
    wall: datetime = T0
    stop: Stop = Stop.NO
    starts: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    reported: list[LoopState] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def loop(self, minutes: float, *, until: float) -> None:
        """Run the loop, and ask it to end at `until`."""
        self.happens.append((until, lambda: self.ask(Stop.AFTER_RUN)))
        Loop(
            LoopState(interval_minutes=minutes),
            start_run=lambda: FakeRun(self),
            asked=lambda: self.stop,
            say=self.said.append,
            count_down=self.shown.append,
            report=self.reported.append,
            now=lambda: self.wall,
            monotonic=lambda: 1e6 + self.uptime,
            wait=lambda seconds: self.spend(seconds + self.oversleeps),
        ).run()

    def spend(self, seconds: float) -> None:
        """Advance the clocks and do what is due."""
        self.uptime += seconds
        self.wall += timedelta(seconds=seconds)
        for event in [event for event in self.happens if event[0] <= self.uptime]:
            self.happens.remove(event)
            event[1]()

    def ask(self, urgency: Stop) -> None:
        """Ask the loop to end."""
        self.stop = max(self.stop, urgency)

    def set_clock(self, by: timedelta) -> None:
        """Set the wall clock."""
        self.wall += by

    def minutes(self) -> list[float]:
        """When runs started."""
        return [round(start / MINUTE, 1) for start in self.starts]


class FakeRun:
    """A run of the machine."""

    def __init__(self, machine: Machine) -> None:
        """Start the next one."""
        self._machine = machine
        seconds, self._code = machine.runs.pop(0) if len(machine.runs) > 1 else machine.runs[0]
        machine.starts.append(machine.uptime)
        self._until = machine.uptime + seconds

    def wait(self, seconds: float) -> int | None:
        """Spend the time that it needs."""
        self._machine.spend(min(seconds, max(0.0, self._until - self._machine.uptime)))
        return self._code if self._machine.uptime >= self._until else None

    def interrupt(self) -> None:
        """End in its own time, or never."""
        self._machine.ended.append("interrupted")
        self._code = 1
        self._until = float("inf") if self._machine.obeys is None else self._machine.uptime + self._machine.obeys

    def kill(self) -> None:
        """End."""
        self._machine.ended.append("killed")
        self._code, self._until = -9, self._machine.uptime


def test_lines_printed_by_the_loop() -> None:
    """The loop prints a line before each run, one after it with the next start, and a last one."""
    machine = Machine([(12.3, 0)])

    machine.loop(60, until=1.5 * HOUR)

    assert machine.said == [
        "=== Run #1 - 2026-11-23 13:25:01 UTC ===",
        "Run #1: ok in 12.3 s (exit 0). Next run at 14:25:01 UTC.",
        "=== Run #2 - 2026-11-23 14:25:01 UTC ===",
        "Run #2: ok in 12.3 s (exit 0). Next run at 15:25:01 UTC.",
        "The loop has ended after 2 runs.",
    ]
    assert [(state.run, state.next_run is None) for state in machine.reported] == [
        (1, True),
        (1, False),
        (2, True),
        (2, False),
    ]
    assert machine.reported[1].next_run == clock.to_text(T0 + timedelta(hours=1))
    assert machine.shown[0] == pytest.approx(HOUR - 12.3)


def test_from_start_to_start_without_drift() -> None:
    """The first run starts at once and the thousandth at its due time, even with long runs and late waits."""
    machine = Machine([(1.7, 0), (0.4, 0), (2.9, 0)], oversleeps=0.07)

    machine.loop(0.05, until=3000)

    assert machine.starts[0] == 0
    assert len(machine.starts) == 1000
    assert all(0 <= start - number * 3 < 0.1 for number, start in enumerate(machine.starts))
    assert not [line for line in machine.said if "skipped" in line or "late" in line]


@pytest.mark.parametrize(
    ("minutes", "second", "skipped"),
    [(59.9, 60, ""), (60, 60, ""), (60.5, 120, " 1 start skipped,"), (185, 240, " 3 starts skipped,")],
)
def test_a_run_longer_than_the_interval(minutes: float, second: float, skipped: str) -> None:
    """The next run starts at the next due time; missed starts are counted and skipped."""
    machine = Machine([(minutes * MINUTE, 0), (1.0, 0)])

    machine.loop(60, until=(second + 70) * MINUTE)

    assert machine.minutes() == [0, second, second + 60]
    assert ("skipped" in machine.said[1]) == bool(skipped)
    assert skipped in machine.said[1]


@pytest.mark.parametrize("by", [timedelta(hours=3), timedelta(hours=-3), timedelta(days=400)])
@pytest.mark.parametrize("when", [5.0, 30 * MINUTE])
def test_a_wall_clock_that_is_set_changes_nothing(by: timedelta, when: float) -> None:
    """While waiting or during a run: starts do not move; printed times follow the new clock."""
    machine = Machine([(10.0, 0)], happens=[])
    machine.happens.append((when, lambda: machine.set_clock(by)))

    machine.loop(60, until=2.5 * HOUR)

    assert machine.minutes() == [0, 60, 120]
    due = [clock.parse(state.next_run) for state in machine.reported if state.next_run and state.run == 1]
    assert abs(due[-1] - (T0 + by + timedelta(hours=1))) < timedelta(seconds=1)
    assert f"=== Run #2 - {T0 + by + timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC ===" in machine.said


def test_after_sleep_one_due_run_starts_at_once() -> None:
    """Asleep from 0:30 to 4:50: one run at 4:50, the next an interval later, and a line that says so."""
    machine = Machine([(10.0, 0)])
    machine.happens.append((30 * MINUTE, lambda: machine.spend(260 * MINUTE)))

    machine.loop(60, until=420 * MINUTE)

    assert machine.minutes() == [0, 290, 350, 410]
    assert "Run #2 is 3 h 50 min late: the machine slept or was busy." in machine.said
    assert not [line for line in machine.said if "skipped" in line]


def test_a_machine_that_wakes_before_the_next_run_is_due() -> None:
    """Nothing was missed, nothing changes."""
    machine = Machine([(10.0, 0)])
    machine.happens.append((10 * MINUTE, lambda: machine.spend(20 * MINUTE)))

    machine.loop(60, until=70 * MINUTE)

    assert machine.minutes() == [0, 60]


def test_sleep_during_a_run_counts_as_a_long_run() -> None:
    """The next run starts at the next due time."""
    machine = Machine([(10.0, 0)])
    machine.happens.append((5.0, lambda: machine.spend(130 * MINUTE)))

    machine.loop(60, until=190 * MINUTE)

    assert machine.minutes() == [0, 180]


def test_failing_runs_back_off_and_recover() -> None:
    """After 1, 2, 3, 4 and 5 failures 1, 2, 4 and at most 6 hours; after a success the interval again."""
    machine = Machine([(10.0, 1), (10.0, 3), (10.0, -9), (10.0, 1), (10.0, 1), (10.0, 0)])

    machine.loop(60, until=22 * HOUR)

    assert [minute / 60 for minute in machine.minutes()] == [0, 1, 3, 7, 13, 19, 20, 21]
    assert "Run #1: failed in 10.0 s (exit 1). Next run at 14:25:01 UTC." in machine.said
    assert (
        "Run #2: failed in 10.0 s (exit 3): something that it needs did not answer; the next run tries again. "
        "2 failures in a row: one run every 2 h until one is ok. Next run at 16:25:01 UTC."
    ) in machine.said
    assert "Run #6: ok in 10.0 s (exit 0). Next run at 09:25:01 UTC." in machine.said
    assert max(state.failures for state in machine.reported) == 5
    assert machine.reported[-1].failures == 0


def test_an_interval_above_six_hours_never_changes() -> None:
    """Twelve hours stay twelve hours."""
    machine = Machine([(10.0, 1)])

    machine.loop(12 * 60, until=50 * HOUR)

    assert [minute / 60 for minute in machine.minutes()] == [0, 12, 24, 36, 48]


def test_another_active_run_is_not_a_failure() -> None:
    """Exit code 5 ends a series of failures."""
    machine = Machine([(1.0, 1), (1.0, 1), (1.0, 5), (1.0, 5), (1.0, 1), (1.0, 0)])

    machine.loop(60, until=6.5 * HOUR)

    assert [minute / 60 for minute in machine.minutes()] == [0, 1, 3, 4, 5, 6]
    assert "Run #3: left in 1.0 s (exit 5): another run is active. Next run at 17:25:01 UTC." in machine.said


@pytest.mark.parametrize("code", [2, 4])
def test_errors_that_need_a_person_are_named(code: int) -> None:
    """With wrong settings or refused credentials the loop continues at growing intervals."""
    machine = Machine([(1.0, code)])

    machine.loop(60, until=4 * HOUR)

    assert [minute / 60 for minute in machine.minutes()] == [0, 1, 3]
    assert machine.said[1].startswith(f"Run #1: failed in 1.0 s (exit {code}): ")
    assert f"{ExitCode(code).meaning}. Next run at" in machine.said[1]


def test_a_run_that_cannot_be_started_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without memory for a process the loop prints the error and tries again."""

    def refuse(*_: object) -> None:
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(FakeRun, "__init__", refuse)
    machine = Machine([(1.0, 0)])

    machine.loop(60, until=1.5 * HOUR)

    assert machine.said[1] == "Run #1 could not be started: Cannot allocate memory"
    assert machine.said[2] == "Run #1: failed in 0.0 s (exit 1). Next run at 14:25:01 UTC."
    assert machine.said[-1] == "The loop has ended after 2 runs."


def test_a_stop_request_before_the_first_run() -> None:
    """Nothing runs."""
    machine = Machine([(1.0, 0)], stop=Stop.AFTER_RUN)

    machine.loop(60, until=HOUR)

    assert machine.starts == []
    assert machine.said == ["The loop has ended after 0 runs."]


@pytest.mark.parametrize("urgency", [Stop.AFTER_RUN, Stop.NOW])
def test_a_stop_request_while_waiting(urgency: Stop) -> None:
    """It ends within a second."""
    machine = Machine([(1.0, 0)])
    machine.happens.append((1000.0, lambda: machine.ask(urgency)))

    machine.loop(60, until=HOUR)

    assert machine.uptime < 1001
    assert machine.ended == []
    assert machine.said[-1] == "The loop has ended after 1 run."


def test_a_stop_request_during_a_run() -> None:
    """The run is finished; no next one is announced."""
    machine = Machine([(100.0, 0)])

    machine.loop(60, until=50)

    assert machine.ended == []
    assert machine.uptime == pytest.approx(100)
    assert machine.said[1:] == [
        "Asked to end: finishing run #1 first; Ctrl+C again ends it now.",
        "Run #1: ok in 100.0 s (exit 0).",
        "The loop has ended after 1 run.",
    ]


@pytest.mark.parametrize("first", [50.0, 60.0])
def test_a_second_stop_request_interrupts_the_run(first: float) -> None:
    """Twice, or at once to end now: the run is interrupted, and may write its ledger."""
    machine = Machine([(100.0, 0)])
    machine.happens.append((60.0, lambda: machine.ask(Stop.NOW)))

    machine.loop(60, until=first)

    assert machine.ended == ["interrupted"]
    assert machine.uptime == pytest.approx(61, abs=0.5)
    assert machine.said[-3:] == [
        "Interrupting run #1; it has 30 s to write its ledger.",
        "Run #1: failed in 61.0 s (exit 1).",
        "The loop has ended after 1 run.",
    ]


def test_a_run_that_does_not_end_when_interrupted_is_killed() -> None:
    """After the grace."""
    machine = Machine([(100.0, 0)], obeys=None)
    machine.happens.append((10.0, lambda: machine.ask(Stop.NOW)))

    machine.loop(60, until=5)

    assert machine.ended == ["interrupted", "killed"]
    assert machine.uptime == pytest.approx(10 + GRACE, abs=0.6)
    assert "Run #1 did not end by itself and is killed." in machine.said


@pytest.mark.parametrize("first", [Stop.NOW, Stop.KILL])
def test_a_third_stop_request_kills_the_run(first: Stop) -> None:
    """The third Ctrl+C kills the run without waiting for it."""
    machine = Machine([(100.0, 0)], obeys=None)
    machine.happens += [(10.0, lambda: machine.ask(first)), (12.0, lambda: machine.ask(Stop.KILL))]

    machine.loop(60, until=5)

    assert machine.ended == ["interrupted", "killed"]
    assert machine.uptime <= 13


def test_all_lines_are_ascii() -> None:
    """A console with an old code page shows them whole."""
    machine = Machine([(4000.0, 4), (1.0, 1), (1.0, 3), (1.0, 5), (100.0, 0)], obeys=None)
    machine.happens += [(30 * MINUTE, lambda: machine.spend(5 * HOUR)), (24.0 * HOUR, lambda: machine.ask(Stop.NOW))]

    machine.loop(60, until=24 * HOUR)

    assert len(machine.said) > 10
    assert all(line.isascii() for line in machine.said)


@given(
    st.floats(3, 86400),
    st.lists(st.tuples(st.floats(0, 1e5) | st.floats(0, 4), st.floats(0, 1e5), st.booleans()), max_size=40),
)
def test_never_more_often_than_the_interval(interval: float, runs: list[tuple[float, float, bool]]) -> None:
    """For any length, lateness and result of runs; a start that is up to 5 s late does not move the schedule."""
    schedule = Schedule(interval, now=0)
    at, starts = 0.0, []
    for late, length, failed in runs:
        at = max(at, schedule.due) + late
        starts.append(at)
        schedule.begin(at)
        at += length
        schedule.end(at, failed=failed)
        assert schedule.due > at - 1e-3
        assert schedule.due - at <= max(interval, 6 * HOUR) + 1e-3

    assert all(later - earlier >= interval - 5.001 for earlier, later in pairwise(starts))
