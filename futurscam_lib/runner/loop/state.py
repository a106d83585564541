"""What a home knows of its loop: a lock that it holds, a file that tells what it does, one by which it is asked to end.

The kernel keeps the lock and frees it when the loop ends, however that ends; what the pid file says is believed only
while the lock is held. So a file that a killed loop left, whose process id may be another program's by now, is never
taken for a loop.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import orjson
import psutil
from filelock import FileLock, Timeout

from futurscam_lib.errors import AlreadyRunning
from futurscam_lib.files import sweep, write_atomically
from futurscam_lib.report.text import instant
from futurscam_lib.runner.lock import is_held, not_writable
from futurscam_lib.runner.loop.loop import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAUSE: Final = 0.05
"""Seconds between two looks at the files."""

_PATIENCE: Final = 0.5


@dataclass(frozen=True, slots=True)
class LoopState:
    """A loop that runs, as its pid file tells; instants are ISO 8601, UTC.

    Attributes:
        pid: Its process; 0 where the loop could not say.
        created: When that process was made, as psutil tells it.
        started: When the loop began.
        interval_minutes: From start to start.
        log: Where its output goes; empty: to a terminal.
        run: Number of the run that is active or was the last.
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
        """Whether it is known to be another loop."""
        return bool(self.started and other.started and self.started != other.started)

    @property
    def doing(self) -> str:
        """What it does: `in run #3` or `next run at 2026-11-23 14:25:01 UTC`."""
        return f"next run at {instant(self.next_run)}" if self.next_run else f"in run #{self.run}"


class LoopFiles:
    """The files by which the loop of a home is known, found and asked to end.

    Args:
        home: The home.
    """

    def __init__(self, home: Path) -> None:
        """See the class."""
        self._lock = home / ".futurscam.loop.lock"
        self._facts = home / ".futurscam.loop.json"
        self._stop = home / ".futurscam.loop.stop"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the loop of this home for the length of a `with`.

        Raises:
            AlreadyRunning: There is one; nothing was changed.
            OperatorMustAct: The home cannot be written.
        """
        lock = FileLock(self._lock, timeout=_PATIENCE, thread_local=False)
        try:
            lock.acquire(poll_interval=PAUSE)
        except Timeout:
            raise already_running(self.find()) from None
        except OSError as error:
            raise not_writable(self._lock, error) from error
        try:
            self._forget()  # What a killed loop left, and a request that was meant for it.
            yield
        finally:
            self._forget()
            lock.release()

    def find(self) -> LoopState | None:
        """The loop that runs in this home; None: none does. Changes nothing."""
        until = time.monotonic() + _PATIENCE
        while self._is_held():
            if state := self._told():
                return state
            if time.monotonic() > until:
                return LoopState()
            time.sleep(PAUSE)
        return None

    def tell(self, state: LoopState) -> None:
        """Say what this loop is doing; where that can't be written, the loop goes on all the same."""
        with suppress(OSError):
            write_atomically(self._facts, orjson.dumps(asdict(state)))

    def ask(self, state: LoopState, *, now: bool) -> None:
        """Ask this loop, and no later one, to end."""
        request = {"pid": state.pid, "created": state.created, "now": now}
        write_atomically(self._stop, orjson.dumps(request))

    def asked(self, me: LoopState) -> Stop:
        """Whether this loop is asked to end."""
        with suppress(OSError, ValueError):
            match orjson.loads(self._stop.read_bytes()):
                case {"pid": me.pid | 0, "created": me.created | 0.0, "now": bool(now)}:
                    return Stop.NOW if now else Stop.AFTER_RUN
        return Stop.NO

    def _is_held(self) -> bool:
        return is_held(self._lock, said=lambda: self._told() is not None)

    def _told(self) -> LoopState | None:
        with suppress(OSError, ValueError, TypeError):
            state = LoopState(**orjson.loads(self._facts.read_bytes()))
            return state if psutil.pid_exists(state.pid) else None
        return None

    def _forget(self) -> None:
        for path in (self._facts, self._stop):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        sweep(self._facts)


def already_running(state: LoopState | None) -> AlreadyRunning:
    """The error of a second loop; None where the first has just gone."""
    who = f"{state}" if state else "it has ended by now"
    since = f", since {instant(state.started)}" if state and state.started else ""
    return AlreadyRunning(
        f"Another loop has this home: {who}{since}.\n"
        "Nothing was changed. `futurscam status` shows it, `futurscam stop` ends it."
    )
