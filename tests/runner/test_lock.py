"""One run at a time, whoever started it and however it ended."""

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


def test_a_second_run_says_who_holds_the_lock_and_leaves(path: Path) -> None:
    """Who, since when, that nothing was changed, what to do; and soon."""
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
    """By itself or by an error; then nobody holds it, and what it said about itself is gone."""
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
    """A kernel that outlives its runner does not keep the next run out, and what the killed one said is ignored."""
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


def test_of_many_that_start_at_once_one_runs(path: Path) -> None:
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
def test_a_holder_that_cannot_be_read_is_still_a_holder(path: Path, facts: bytes | None) -> None:
    """The lock counts; who holds it is for people only."""
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
    """To look, `futurscam status` takes the lock for an instant; a run that starts just then waits for that."""
    path.parent.mkdir()
    look = FileLock(path, thread_local=False)
    look.acquire()
    timer = threading.Timer(0.15, look.release)
    timer.start()

    with RunLock(path).held(run_id="mine", now=T0):
        timer.join()
        assert RunLock(path).holder() == Holder(os.getpid(), "mine", T0)


def test_looking_for_the_holder_makes_nothing(path: Path) -> None:
    """Before the first run there is no lock, no folder, and nobody who holds it."""
    assert RunLock(path).holder() is None
    assert not path.parent.exists()


def test_a_run_goes_on_though_it_cannot_say_who_it_is(path: Path) -> None:
    """A folder where the facts should stand: the lock holds all the same."""
    path.with_name(f"{path.name}.json").mkdir(parents=True)

    with RunLock(path).held(run_id="mine", now=T0):
        assert RunLock(path).holder() == Holder(None, None, None)
    assert RunLock(path).holder() is None


def test_what_a_killed_run_said_is_never_taken_for_this_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: who holds the lock cannot be written, and what stood there is gone."""
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
def test_who_may_only_read_sees_the_holder(path: Path, monkeypatch: pytest.MonkeyPatch, *, system_tells: bool) -> None:
    """The run of another account; what a killed one said is not believed. Windows tells by the process alone."""
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
    """Two people look at a backup at the same moment: nobody holds the lock."""
    import fcntl

    path.parent.mkdir()
    path.touch()
    with path.open("rb") as another_reader:
        fcntl.flock(another_reader, fcntl.LOCK_SH)

        assert RunLock(path).holder() is None


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("facts", [None, b"{", b'{"pid":PID,"run_id":"a","since":"2026-11-23T12:05:01+00:00"}'])
def test_a_copy_is_held_by_nobody(path: Path, facts: bytes | None) -> None:
    """A backup that was taken during a run: on POSIX not even a process of the same number is taken for the run."""
    path.parent.mkdir()
    path.touch()
    if facts is not None:
        # Of a process that is no more, where the number is all that the system can be asked for.
        pid = os.getpid() if os.name == "posix" else 2**31 - 1
        path.with_name(f"{path.name}.json").write_bytes(facts.replace(b"PID", str(pid).encode()))

    assert RunLock(path).holder() is None


@pytest.mark.usefixtures("read_only")
def test_no_run_begins_where_nothing_can_be_written(path: Path) -> None:
    """The place, the reason and the remedy; exit code 4."""
    with pytest.raises(OperatorMustAct) as caught, RunLock(path).held(run_id="mine", now=T0):
        pytest.fail("a run without a lock")

    for told in (str(path.parent), path.name, "Read-only file system", "right to write", "FUTURSCAM_HOME"):
        assert told in str(caught.value)
