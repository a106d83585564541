"""Continuous mode: one run after another, measured from start to start, until a person asks it to end."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from futurscam_lib import clock
from futurscam_lib.errors import ExitCode
from futurscam_lib.report.text import duration
from futurscam_lib.runner.loop.state import Stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from futurscam_lib.runner.loop.state import LoopState

POLL: Final = 0.25
"""Seconds between two looks at the clock, at the run and at whether the loop is asked to end."""

GRACE: Final = 30.0
"""Seconds that an interrupted run gets to write its ledger before it is killed."""

LONGEST_WAIT: Final = timedelta(hours=6)
"""The longest wait after failures, where the interval itself is not longer."""

_LATE: Final = 5.0
_CLOCK_WAS_SET: Final = timedelta(seconds=5)
_NO_FAILURES: Final = {ExitCode.DONE, ExitCode.ALREADY_RUNNING}
_WORDS: Final[dict[int, str]] = {ExitCode.DONE: "ok", ExitCode.ALREADY_RUNNING: "left"}


class RunProcess(Protocol):
    """One run in a process of its own."""

    def wait(self, seconds: float) -> int | None:
        """Wait at most so long; return its exit code, or None while it goes on."""

    def interrupt(self) -> None:
        """Ask it to end now, and to write its ledger."""

    def kill(self) -> None:
        """End it without asking."""


class Schedule:
    """When the next run is due, in seconds on a clock that nobody sets.

    Due times are a whole number of intervals apart, even if runs take long or start late. Only a start that was late
    by seconds, after the machine slept, begins a new series, so that the next run is not too soon.

    Args:
        interval: Seconds from start to start.
        now: When the first run is due.
    """

    def __init__(self, interval: float, *, now: float) -> None:
        """See the class."""
        self.interval, self.due, self.failures = interval, now, 0
        self._most = max(1, int(LONGEST_WAIT.total_seconds() // interval))

    @property
    def factor(self) -> int:
        """How many intervals the next run waits: 1; after 1, 2, 3, ... failures in a row 1, 2, 4, ..."""
        return int(min(2 ** min(max(self.failures - 1, 0), 20), self._most))

    def begin(self, now: float) -> float:
        """Note that a run starts; return how many seconds late, 0 where that is too few to report."""
        late = now - self.due
        if late <= _LATE:
            return 0.0
        self.due = now
        return late

    def end(self, now: float, *, failed: bool) -> int:
        """Note that a run has ended; return how many due times passed during it and are skipped."""
        self.failures = self.failures + 1 if failed else 0
        self.due += self.interval * self.factor
        skipped = max(0, math.ceil((now - self.due) / self.interval))
        self.due += self.interval * skipped
        return skipped


class Loop:
    """Runs again and again.

    Args:
        state: This loop before its first run.
        start_run: Starts one run.
        asked: Returns how urgently the loop is asked to end; never falls.
        say: Prints a line.
        count_down: Shows the seconds that are left until the next run; called many times a second.
        report: Publishes what the loop is doing.
        now: The wall clock, for what people read; it may be set while the loop runs.
        monotonic: Seconds on a clock that nobody sets and that goes on while the machine sleeps.
        wait: Waits so many seconds.
    """

    def __init__(
        self,
        state: LoopState,
        *,
        start_run: Callable[[], RunProcess],
        asked: Callable[[], Stop],
        say: Callable[[str], None],
        count_down: Callable[[float], None],
        report: Callable[[LoopState], None],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        wait: Callable[[float], None],
    ) -> None:
        """See the class."""
        self._start_run, self._asked, self._report = start_run, asked, report
        self._say, self._count_down = say, count_down
        self._now, self._monotonic, self._wait = now, monotonic, wait
        self._schedule = Schedule(state.interval_minutes * 60, now=monotonic())
        self._state, self._number = state, 0

    def run(self) -> None:
        """Run until asked to end; an active run is finished first, unless the loop must end now."""
        while self._wait_until_due():
            self._run_once()
        self._say(f"The loop has ended after {self._number} {'run' if self._number == 1 else 'runs'}.")

    def _wait_until_due(self) -> bool:
        """Wait for the next run; False where the loop is to end."""
        shown: datetime | None = None
        while not self._asked():
            left = self._schedule.due - self._monotonic()
            if left <= 0:
                return True
            due = self._now() + timedelta(seconds=left)
            if shown is None or abs(due - shown) > _CLOCK_WAS_SET:
                self._report_state(due)
                shown = due
            self._count_down(left)
            self._wait(min(left, POLL))
        return False

    def _run_once(self) -> None:
        self._number += 1
        begun = self._monotonic()
        late = self._schedule.begin(begun)
        if late:
            self._say(f"Run #{self._number} is {duration(late)} late: the machine slept or was busy.")
        self._say(f"=== Run #{self._number} - {self._now():%Y-%m-%d %H:%M:%S} UTC ===")
        self._report_state(None)
        code = self._run_to_its_end()
        ended = self._monotonic()
        skipped = self._schedule.end(ended, failed=code not in _NO_FAILURES)
        how = f"{_WORDS.get(code, 'failed')} in {ended - begun:.1f} s (exit {code}){_meaning(code)}."
        self._say(f"Run #{self._number}: {how}{self._next(skipped)}")

    def _run_to_its_end(self) -> int:
        """Start a run, wait for its end and handle stop requests meanwhile; return its exit code."""
        try:
            run = self._start_run()
        except OSError as error:
            self._say(f"Run #{self._number} could not be started: {error}")
            return ExitCode.FAILED
        obeyed, deadline = Stop.NO, math.inf
        while (code := run.wait(POLL)) is None:
            asked = self._asked()
            if asked > obeyed:
                deadline = min(deadline, self._obey(run, asked, obeyed))
                obeyed = asked
            if self._monotonic() >= deadline:
                self._say(f"Run #{self._number} did not end by itself and is killed.")
                run.kill()
                deadline = math.inf
        return code

    def _obey(self, run: RunProcess, asked: Stop, obeyed: Stop) -> float:
        """Handle a stop request during a run; return when the run must be killed.

        Args:
            run: The run.
            asked: The current request.
            obeyed: The request that was handled before.
        """
        if asked == Stop.AFTER_RUN:
            self._say(f"Asked to end: finishing run #{self._number} first; Ctrl+C again ends it now.")
            return math.inf
        if obeyed < Stop.NOW:
            self._say(f"Interrupting run #{self._number}; it has {GRACE:g} s to write its ledger.")
            run.interrupt()
        return self._monotonic() + (GRACE if asked == Stop.NOW else 0.0)

    def _report_state(self, due: datetime | None) -> None:
        next_run = clock.to_text(due) if due else None
        self._report(replace(self._state, run=self._number, next_run=next_run, failures=self._schedule.failures))

    def _next(self, skipped: int) -> str:
        """Return a text about the next run; empty if there is none."""
        if self._asked():
            return ""
        parts = []
        if self._schedule.failures > 1:
            wait = duration(self._schedule.interval * self._schedule.factor)
            parts.append(f" {self._schedule.failures} failures in a row: one run every {wait} until one is ok.")
        if skipped:
            parts.append(f" {skipped} {'start' if skipped == 1 else 'starts'} skipped, due during this run.")
        due = self._now() + timedelta(seconds=self._schedule.due - self._monotonic())
        return f"{''.join(parts)} Next run at {due:%H:%M:%S} UTC."


def _meaning(code: int) -> str:
    """Return what to add for a code that says more than done or failed; the run itself printed the remedy."""
    codes = {int(known): known for known in ExitCode if known not in {ExitCode.DONE, ExitCode.FAILED}}
    return f": {codes[code].meaning}" if code in codes else ""
