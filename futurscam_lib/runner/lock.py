"""One run at a time on this machine, per home.

The kernel keeps the lock and frees it when its holder ends, however that ends. Who holds it stands in a second file
beside the lock, because Windows lets nobody read a locked one; that file is believed only while the lock is held.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson
import psutil
from filelock import FileLock, Timeout

from futurscam_lib import clock
from futurscam_lib.errors import AlreadyRunning, OperatorMustAct
from futurscam_lib.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

_PATIENCE: Final = 0.5
"""Seconds. `holder` takes the lock for an instant to see whether it is free; a run that starts just then must not leave
because of that, and a holder needs an instant to say who it is."""

_PAUSE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock; a field is None where the holder could not say.

    Attributes:
        pid: Its process.
        run_id: Its run.
        since: When it took the lock; aware, UTC.
    """

    pid: int | None
    run_id: str | None
    since: datetime | None

    def __str__(self) -> str:
        """For a message: `run 20261123T132501Z-3f9a1c (process 4242), since 2026-11-23 13:25:01.223000 UTC`."""
        if self.pid is None or self.since is None:
            return "a run that could not say who it is"
        return f"run {self.run_id} (process {self.pid}), since {clock.to_people(self.since)}"


_UNKNOWN: Final = Holder(None, None, None)


class RunLock:
    """The lock of one home.

    Args:
        path: The locked file; it and its folder are made when needed. Who holds it stands in `<path>.json`.
    """

    def __init__(self, path: Path) -> None:
        """See the class."""
        self._path = path
        self._facts = path.with_name(f"{path.name}.json")

    @contextmanager
    def held(self, *, run_id: str, now: datetime) -> Iterator[None]:
        """Hold the lock for the length of a `with`.

        Args:
            run_id: The run that holds it.
            now: The present instant, aware.

        Raises:
            AlreadyRunning: Another run holds it; nothing was changed.
            OperatorMustAct: The home cannot be written.
        """
        # Not bound to the thread: a run may be ended from another one than it was begun in.
        lock = FileLock(self._path, timeout=_PATIENCE, thread_local=False)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(poll_interval=_PAUSE)
        except Timeout:
            raise self._already_running() from None
        except OSError as error:
            raise not_writable(self._path, error) from error
        try:
            self._tell(Holder(os.getpid(), run_id, now))
            yield
        finally:
            with suppress(OSError):
                self._facts.unlink()
            lock.release()

    def holder(self) -> Holder | None:
        """Say who holds the lock; None when nobody does. Changes nothing."""
        until = time.monotonic() + _PATIENCE
        while self._is_held():
            holder = self._told()
            if holder is not None:
                return holder
            if time.monotonic() > until:
                return _UNKNOWN
            time.sleep(_PAUSE)
        return None

    def _is_held(self) -> bool:
        return is_held(self._path, said=self._is_said)

    def _is_said(self) -> bool:
        holder = self._told()
        return holder is not None and holder.pid is not None and psutil.pid_exists(holder.pid)

    def _tell(self, holder: Holder) -> None:
        # For people only: where it cannot be written, the run goes on, and a full disk shows itself where it matters.
        with suppress(OSError):
            # Those of a killed holder go first, lest they be taken for this one's.
            self._facts.unlink(missing_ok=True)
            since = holder.since and clock.to_text(holder.since)
            write_atomically(self._facts, orjson.dumps({"pid": holder.pid, "run_id": holder.run_id, "since": since}))

    def _told(self) -> Holder | None:
        try:
            match orjson.loads(self._facts.read_bytes()):
                case {"pid": int(pid), "run_id": str(run_id), "since": str(since)}:
                    return Holder(pid, run_id, clock.parse(since))
        except (OSError, ValueError):
            pass
        return None

    def _already_running(self) -> AlreadyRunning:
        return AlreadyRunning(
            f"Another run is active: {self.holder() or 'a run that has ended by now'}.\n"
            "Nothing was changed. Let it end; the next scheduled run goes on from there. `futurscam status` shows it."
        )


def is_held(path: Path, *, said: Callable[[], bool]) -> bool:
    """Whether a process holds the lock on a file; also where that may only be read. Changes nothing.

    Args:
        path: The locked file.
        said: Whether a process that lives says so; asked where the system does not tell who cannot write the file.
    """
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # A backup, a snapshot, the home of another account.
        held = _is_held_for_readers(path)
        return said() if held is None else held


def not_writable(path: Path, error: OSError) -> OperatorMustAct:
    """The error of a lock that cannot be taken because its file cannot be made or written."""
    return OperatorMustAct(
        f"{path.parent} cannot be written: {path.name} could not be locked ({error.strerror or error}).\n"
        "Nothing was changed. Make room, or give this account the right to write there. A backup or a snapshot is for "
        "looking only: set FUTURSCAM_HOME to the home itself."
    )


def _is_held_for_readers(path: Path) -> bool | None:
    """None: the system does not tell."""
    if sys.platform != "win32":
        import fcntl

        try:
            with path.open("rb") as file:
                # Shared, so that two who look do not see each other; closing the file frees it.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return None
        return False
    return None
