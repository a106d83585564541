"""Locks of a home: one run at a time, one loop at a time.

The system holds a lock and frees it when the holder ends in any way. The holder describes itself in a second file,
because Windows lets nobody read a locked file. The description counts only while the lock is held: a killed holder
leaves its description, and another program may have its process number by now.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import orjson
import psutil
from filelock import FileLock, Timeout

from futurscam_lib import clock
from futurscam_lib.errors import AlreadyRunning, OperatorMustAct
from futurscam_lib.files import sweep, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

_PATIENCE: Final = 0.5
"""Seconds. `holder` takes the lock for an instant to see whether it is free; a run that starts just then must not leave
because of that, and a holder needs an instant to describe itself."""

_PAUSE: Final = 0.02


class Described(Protocol):
    """A holder that has described itself."""

    @property
    def pid(self) -> int | None:
        """Its process."""


_Description = TypeVar("_Description", bound=Described)


class DescribedLock(Generic[_Description]):
    """A lock for one process, and the file in which its holder describes itself.

    Args:
        path: The locked file; it and its folder are made when needed.
        description: The file of the description, JSON.
        read: Makes a description out of that JSON; None, ValueError or TypeError: it has the wrong form.
        unknown: Used for a holder that could not describe itself.
    """

    def __init__(
        self,
        path: Path,
        *,
        description: Path,
        read: Callable[[Any], _Description | None],
        unknown: _Description,
    ) -> None:
        """See the class."""
        self._path, self._description, self._read, self._unknown = path, description, read, unknown

    @contextmanager
    def held(self, refusal: Callable[[], AlreadyRunning]) -> Iterator[None]:
        """Hold the lock for the length of a `with`.

        Args:
            refusal: Makes the error where another process holds it; nothing was changed then.

        Raises:
            OperatorMustAct: The home cannot be written.
        """
        # Not bound to the thread: a run may end in another thread than the one it began in.
        lock = FileLock(self._path, timeout=_PATIENCE, thread_local=False)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(poll_interval=_PAUSE)
        except Timeout:
            raise refusal() from None
        except OSError as error:
            raise self._not_writable(error) from error
        try:
            self._forget()  # What a killed holder left.
            yield
        finally:
            self._forget()
            lock.release()

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Write who holds the lock. It is for people only: where it cannot be written, the holder goes on."""
        with suppress(OSError):
            write_atomically(self._description, orjson.dumps(facts))

    def holder(self) -> _Description | None:
        """Return who holds the lock; None when nobody does. Changes nothing."""
        until = time.monotonic() + _PATIENCE
        while self._is_held():
            if description := self._described():
                return description
            if time.monotonic() > until:
                return self._unknown
            time.sleep(_PAUSE)
        return None

    def _described(self) -> _Description | None:
        with suppress(OSError, ValueError, TypeError):
            return self._read(orjson.loads(self._description.read_bytes()))
        return None

    def _is_held(self) -> bool:
        """Whether a process holds the lock; also where its file may only be read."""
        if not self._path.exists():
            return False
        try:
            with FileLock(self._path, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # A backup, a snapshot, the home of another account.
            held = _is_held_for_readers(self._path)
        if held is not None:
            return held
        description = self._described()
        pid = description.pid if description else None
        return pid is not None and psutil.pid_exists(pid)

    def _forget(self) -> None:
        with suppress(OSError):
            self._description.unlink(missing_ok=True)
            sweep(self._description)

    def _not_writable(self, error: OSError) -> OperatorMustAct:
        return OperatorMustAct(
            f"{self._path.parent} cannot be written: {self._path.name} could not be locked "
            f"({error.strerror or error}).\nNothing was changed. Make room, or give this account the right to write "
            "there. A backup or a snapshot is for looking only: set FUTURSCAM_HOME to the home itself."
        )


def _is_held_for_readers(path: Path) -> bool | None:
    """None: the system does not show it."""
    if sys.platform != "win32":
        import fcntl

        try:
            with path.open("rb") as file:
                # Shared, so that two readers do not see each other; closing the file frees it.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return None
        return False
    return None


@dataclass(frozen=True, slots=True)
class Holder:
    """The run that holds the lock; a field is None where it could not describe itself.

    Attributes:
        pid: Its process.
        run_id: Its name.
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


class RunLock:
    """The lock of the runs of one home.

    Args:
        path: The locked file; it and its folder are made when needed. Its holder is described in `<path>.json`.
    """

    def __init__(self, path: Path) -> None:
        """See the class."""
        description = path.with_name(f"{path.name}.json")
        self._lock = DescribedLock(path, description=description, read=_holder, unknown=Holder(None, None, None))

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
        with self._lock.held(self._already_running):
            self._lock.describe({"pid": os.getpid(), "run_id": run_id, "since": clock.to_text(now)})
            yield

    def holder(self) -> Holder | None:
        """Return who holds the lock; None when nobody does. Changes nothing."""
        return self._lock.holder()

    def _already_running(self) -> AlreadyRunning:
        return AlreadyRunning(
            f"Another run is active: {self.holder() or 'a run that has ended by now'}.\n"
            "Nothing was changed. Let it end; the next scheduled run goes on from there. `futurscam status` shows it."
        )


def _holder(facts: Any) -> Holder | None:
    match facts:
        case {"pid": int(pid), "run_id": str(run_id), "since": str(since)}:
            return Holder(pid, run_id, clock.parse(since))
    return None
