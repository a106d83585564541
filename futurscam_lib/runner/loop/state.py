"""The state of a home's loop: a lock, a file that describes the loop, a file that asks it to end."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import orjson
import psutil

from futurscam_lib.errors import AlreadyRunning
from futurscam_lib.files import write_atomically
from futurscam_lib.report.text import instant
from futurscam_lib.runner.lock import DescribedLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Stop(IntEnum):
    """How urgently the loop is asked to end."""

    NO = 0
    AFTER_RUN = 1
    NOW = 2
    KILL = 3


@dataclass(frozen=True, slots=True)
class LoopState:
    """A loop that runs; instants are ISO 8601, UTC.

    Attributes:
        pid: Its process; 0 where the loop could not describe itself.
        created: When that process was created, as psutil reports it.
        started: When the loop began.
        interval_minutes: From start to start.
        log: Where its output goes; empty: to a terminal.
        run: Number of the run that is active or was the last, from 1; 0 before the first.
        next_run: When the next one is due; None while one is active.
        failures: How many runs in a row have failed.
    """

    pid: int = 0
    created: float = 0.0
    started: str = ""
    interval_minutes: float = 0.0
    log: str = ""
    run: int = 0
    next_run: str | None = None
    failures: int = 0

    def __str__(self) -> str:
        """For a message: `running, pid 123, every 60 min, next run at 2026-11-23 14:25:01 UTC`."""
        if not self.pid:
            return "running, but could not say who it is"
        failed = f", failures in a row: {self.failures}" if self.failures else ""
        return f"running, pid {self.pid}, every {self.interval_minutes:g} min, {self.doing}{failed}"

    def replaces(self, other: LoopState) -> bool:
        """Return whether this is certainly another loop."""
        return bool(self.started and other.started and self.started != other.started)

    @property
    def doing(self) -> str:
        """What it does: `in run #3` or `next run at 2026-11-23 14:25:01 UTC`."""
        return f"next run at {instant(self.next_run)}" if self.next_run else f"in run #{self.run}"


class LoopFiles:
    """The files of a home's loop: its lock, its description, the request to end.

    Args:
        home: The home.
    """

    def __init__(self, home: Path) -> None:
        """See the class."""
        description = home / ".futurscam.loop.json"
        self._lock = DescribedLock(
            home / ".futurscam.loop.lock", description=description, read=_living_loop, unknown=LoopState()
        )
        self._stop = home / ".futurscam.loop.stop"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the loop's lock of this home for the length of a `with`.

        Raises:
            AlreadyRunning: There is one; nothing was changed.
            OperatorMustAct: The home cannot be written.
        """
        with self._lock.held(lambda: already_running(self.find())):
            self._drop_request()  # It was meant for an earlier loop.
            try:
                yield
            finally:
                self._drop_request()

    def find(self) -> LoopState | None:
        """Return the loop that runs in this home; None if no loop runs. Read-only."""
        return self._lock.holder()

    def write(self, state: LoopState) -> None:
        """Write what this loop is doing; where that is not possible, the loop goes on."""
        self._lock.describe(asdict(state))

    def ask(self, state: LoopState, *, now: bool) -> None:
        """Ask this loop, and no later one, to end.

        Args:
            state: The loop.
            now: Without finishing an active run.
        """
        request = {"pid": state.pid, "created": state.created, "now": now}
        write_atomically(self._stop, orjson.dumps(request))

    def asked(self, me: LoopState) -> Stop:
        """Return whether this loop is asked to end."""
        with suppress(OSError, ValueError):
            match orjson.loads(self._stop.read_bytes()):
                case {"pid": me.pid | 0, "created": me.created | 0.0, "now": bool(now)}:
                    return Stop.NOW if now else Stop.AFTER_RUN
        return Stop.NO

    def _drop_request(self) -> None:
        with suppress(OSError):
            self._stop.unlink(missing_ok=True)


def already_running(state: LoopState | None) -> AlreadyRunning:
    """Return the error of a second loop.

    Args:
        state: The first one; None: it has just ended.
    """
    loop = f"{state}" if state else "it has ended by now"
    since = f", since {instant(state.started)}" if state and state.started else ""
    return AlreadyRunning(
        f"Another loop has this home: {loop}{since}.\n"
        "Nothing was changed. `futurscam status` shows it, `futurscam stop` ends it."
    )


def _living_loop(facts: Any) -> LoopState | None:
    state = LoopState(**facts)
    return state if psutil.pid_exists(state.pid) else None
