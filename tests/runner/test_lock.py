"""One run at a time, for every way to start and end a run."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import psutil  # type: ignore[import-untyped]
import pytest
from filelock import FileLock

from futurscam_lib.errors import AlreadyRunning, OperatorMustAct
from futurscam_lib.runner.lock import Holder, RunLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T0 = datetime(2026, 11, 23, 12, 5, 1, 223_000, tzinfo=UTC)
HOLDER = """
import subprocess, sys
from datetime import datetime
from pathlib import Path
from futurscam_lib.runner.lock import RunLock
with RunLock(Path(sys.argv[1])).held(run_id="theirs", now=datetime.fromisoformat(sys.argv[2])):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=sys.argv[3] == "close")
    print(child.pid, flush=True)
    sys.stdin.read()
child.kill()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the lock is, in a folder that does not exist yet."""
    return tmp_path / "home" / ".futurscam.lock"


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock can be taken in this process, as on a read-only mount, which root may not write either."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(FileLock, "acquire", refuse)


@contextmanager
def another_run(path: Path, fds: str = "close") -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """Another process that holds the lock, and a child of it."""
    arguments = [sys.executable, "-c", HOLDER, str(path), T0.isoformat(), fds]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        child = psutil.Process(int(other.stdout.readline()))
        try:
            yield other, child
        finally:
            if child.is_running():
                child.kill()
            other.kill()


def test_a_second_run_names_the_holder_and_ends(path: Path) -> None:
    """The error names the holder, its start and the remedy, and comes soon; nothing was changed."""
    with another_run(path) as (other, _):
        begun = time.monotonic()
        with pytest.raises(AlreadyRunning) as caught, RunLock(path).held(run_id="mine", now=T0):
            pytest.fail("two runs at once")

        assert time.monotonic() - begun < 5
        text = str(caught.value)
        assert f"run theirs (process {other.pid}), since 2026-11-23 12:05:01.223000 UTC" in text
        assert "Nothing was changed" in text
        assert "futurscam status" in text
        assert RunLock(path).holder() == Holder(other.pid, "theirs", T0)


def test_the_lock_is_free_after_a_run_ended(path: Path) -> None:
    """After success or an error nobody holds the lock, and the description is removed."""
    lock = RunLock(path)
    with lock.held(run_id="mine", now=T0):
        assert lock.holder() == Holder(os.getpid(), "mine", T0)
    assert lock.holder() is None
    with pytest.raises(ZeroDivisionError), lock.held(run_id="mine", now=T0):
        _ = 1 / 0

    assert lock.holder() is None
    assert [file.name for file in path.parent.iterdir()] in ([path.name], [])
    with lock.held(run_id="mine", now=T0):
        pass


def test_one_process_cannot_hold_it_twice(path: Path) -> None:
    """A notebook server that starts a run while one is active in it meets the same lock."""
    with (
        RunLock(path).held(run_id="first", now=T0),
        pytest.raises(AlreadyRunning, match="run first"),
        RunLock(path).held(run_id="second", now=T0),
    ):
        pytest.fail("two runs at once")


@pytest.mark.parametrize("fds", ["close", "keep"])
def test_a_killed_run_frees_the_lock_though_its_child_lives_on(path: Path, fds: str) -> None:
    """A kernel that outlives its runner does not block the next run; the old description is ignored."""
    with another_run(path, fds) as (other, child):
        other.kill()
        other.wait()
        stale = path.with_name(f"{path.name}.json").read_bytes()

        assert child.is_running()
        assert b"theirs" in stale
        assert RunLock(path).holder() is None
        with RunLock(path).held(run_id="mine", now=T0):
            assert child.is_running()
            assert RunLock(path).holder() == Holder(os.getpid(), "mine", T0)


def test_of_several_processes_one_gets_the_lock(path: Path) -> None:
    """Eight processes, one lock: one holds it, seven leave."""
    script = (
        "import sys, time\nfrom datetime import datetime, UTC\nfrom pathlib import Path\n"
        "from futurscam_lib.errors import AlreadyRunning\nfrom futurscam_lib.runner.lock import RunLock\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try:\n  with RunLock(Path(sys.argv[1])).held(run_id='r', now=datetime.now(UTC)): time.sleep(4)\n"
        "except AlreadyRunning: sys.exit(5)\n"
    )
    arguments = [sys.executable, "-c", script, str(path)]
    runs = [subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    for run in runs:
        assert run.stdout is not None
        run.stdout.readline()
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("\n")
        run.stdin.flush()
    for run in runs:
        run.communicate(timeout=60)

    assert sorted(run.returncode for run in runs) == [0] + [5] * 7


@pytest.mark.parametrize("facts", [None, b"{", b'{"pid":1,"run_id":"a","since":"b"}'])
def test_a_holder_with_an_unreadable_description_still_holds(path: Path, facts: bytes | None) -> None:
    """Only the lock counts; the description is for people."""
    path.parent.mkdir()
    if facts is not None:
        path.with_name(f"{path.name}.json").write_bytes(facts)

    with FileLock(path):
        assert RunLock(path).holder() == Holder(None, None, None)
        with (
            pytest.raises(AlreadyRunning, match="could not say who it is"),
            RunLock(path).held(run_id="mine", now=T0),
        ):
            pytest.fail("two runs at once")
    assert RunLock(path).holder() is None


def test_looking_for_the_holder_does_not_keep_a_run_out(path: Path) -> None:
    """`futurscam status` takes the lock for an instant; a run that starts at that moment waits."""
    path.parent.mkdir()
    look = FileLock(path, thread_local=False)
    look.acquire()
    timer = threading.Timer(0.15, look.release)
    timer.start()

    with RunLock(path).held(run_id="mine", now=T0):
        timer.join()
        assert RunLock(path).holder() == Holder(os.getpid(), "mine", T0)


def test_looking_for_the_holder_creates_nothing(path: Path) -> None:
    """Before the first run there is no lock, no folder, and nobody who holds it."""
    assert RunLock(path).holder() is None
    assert not path.parent.exists()


def test_a_run_that_cannot_describe_itself_goes_on(path: Path) -> None:
    """With a folder in place of the description the lock still holds."""
    path.with_name(f"{path.name}.json").mkdir(parents=True)

    with RunLock(path).held(run_id="mine", now=T0):
        assert RunLock(path).holder() == Holder(None, None, None)
    assert RunLock(path).holder() is None


def test_the_description_of_a_killed_run_is_removed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the disk is full and the new holder cannot be written."""
    with another_run(path) as (other, _):
        other.kill()
        other.wait()

    def refuse(*_: object) -> NoReturn:
        message = "No space left on device"
        raise OSError(message)

    monkeypatch.setattr("futurscam_lib.runner.lock.write_atomically", refuse)
    with RunLock(path).held(run_id="mine", now=T0):
        assert RunLock(path).holder() == Holder(None, None, None)


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("system_tells", [True, False])
def test_read_only_access_shows_the_holder(path: Path, monkeypatch: pytest.MonkeyPatch, *, system_tells: bool) -> None:
    """Shows a run of another account, but no killed run. On Windows only the process is checked."""
    if not system_tells:
        monkeypatch.setattr("futurscam_lib.runner.lock._is_held_for_readers", lambda _: None)
    with another_run(path) as (other, _):
        assert RunLock(path).holder() == Holder(other.pid, "theirs", T0)
        other.kill()
        other.wait()
        assert RunLock(path).holder() is None


@pytest.mark.skipif(os.name != "posix", reason="Windows does not tell a reader")
@pytest.mark.usefixtures("read_only")
def test_two_readers_do_not_take_each_other_for_a_run(path: Path) -> None:
    """If two people read a backup at the same moment, nobody holds the lock."""
    import fcntl

    path.parent.mkdir()
    path.touch()
    with path.open("rb") as another_reader:
        fcntl.flock(another_reader, fcntl.LOCK_SH)

        assert RunLock(path).holder() is None


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("facts", [None, b"{", b'{"pid":PID,"run_id":"a","since":"2026-11-23T12:05:01+00:00"}'])
def test_a_copy_is_held_by_nobody(path: Path, facts: bytes | None) -> None:
    """In a backup taken during a run, nobody holds the lock; on POSIX not even a process with the same number."""
    path.parent.mkdir()
    path.touch()
    if facts is not None:
        # Of a process that is no more, where the number is all that the system can be asked for.
        pid = os.getpid() if os.name == "posix" else 2**31 - 1
        path.with_name(f"{path.name}.json").write_bytes(facts.replace(b"PID", str(pid).encode()))

    assert RunLock(path).holder() is None


@pytest.mark.usefixtures("read_only")
def test_no_run_begins_where_nothing_can_be_written(path: Path) -> None:
    """The error names place, reason and remedy; exit code 4."""
    with pytest.raises(OperatorMustAct) as caught, RunLock(path).held(run_id="mine", now=T0):
        pytest.fail("a run without a lock")

    for part in (str(path.parent), path.name, "Read-only file system", "right to write", "FUTURSCAM_HOME"):
        assert part in str(caught.value)
