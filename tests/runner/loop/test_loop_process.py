"""The loop as real processes: one per home, shown, stopped, killed."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import orjson
import psutil
import pytest

from futurscam_lib.cli.loop import Screen
from futurscam_lib.errors import AlreadyRunning, FuturscamError, RetryLater, UsageError
from futurscam_lib.runner import lock
from futurscam_lib.runner.loop import processes
from futurscam_lib.runner.loop.processes import ChildRun
from futurscam_lib.runner.loop.state import LoopFiles, LoopState, Stop
from tests.runner.conftest import GLUE, SUMMARY, WAITS, soon

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.runner.conftest import Workshop

ME = LoopState(pid=os.getpid(), created=1.5, started="2026-11-23T13:25:01.223000+00:00", interval_minutes=60, run=3)


@pytest.fixture
def quick(workshop: Workshop) -> Iterator[Workshop]:
    """A home whose runs do nothing."""
    workshop.notebook(SUMMARY, GLUE)
    yield workshop
    _end_loop(workshop)


@pytest.fixture
def patient(workshop: Workshop) -> Iterator[Workshop]:
    """A home whose runs wait for a file `go`."""
    workshop.notebook(WAITS, SUMMARY, GLUE)
    yield workshop
    (workshop.home / "go").touch()
    _end_loop(workshop)
    soon(lambda: len(workshop.entries("start")) == len(workshop.entries("end", "crashed")))


def _end_loop(workshop: Workshop) -> None:
    """End a loop that a failed test left in the background."""
    state = LoopFiles(workshop.home).find()
    if state and state.pid:
        psutil.Process(state.pid).kill()


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """The lines that a process prints, up to one that has the text."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if text in line:
            return lines
    pytest.fail(f"it ended without saying {text!r}:\n" + "\n".join(lines))


def status_of(workshop: Workshop) -> str:
    """The loop's line in `futurscam status`."""
    match = re.search(r"^loop +(.*?) *$", workshop.command("status").stdout, re.MULTILINE)
    assert match
    return match[1]


def begun(workshop: Workshop) -> Path:
    """The file by which a patient run says that it has begun."""
    return workshop.home / "waits"


def facts_of(workshop: Workshop) -> Path:
    """The pid file."""
    return workshop.home / ".futurscam.loop.json"


def test_three_runs(quick: Workshop) -> None:
    """Numbered, each with its own output between its two lines; Ctrl+C while it waits or runs ends with 0."""
    loop = quick.start("loop", "--interval", "0.05", "--source", "folder,folder", "--", "--overlap", "5")

    lines = read_until(loop, "Run #3:")
    loop.send_signal(signal.SIGINT)
    rest, _ = loop.communicate(timeout=120)

    assert loop.returncode == 0
    assert re.search(r"^The loop has ended after [34] runs\.$", rest, re.MULTILINE)
    titles = [line for line in lines if line.startswith("===")]
    assert [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "T", title) for title in titles] == [
        f"=== Run #{number} - T UTC ===" for number in (1, 2, 3)
    ]
    starts = [line for line in lines if re.match(r"Run #", line)]
    for number, line in enumerate(starts, start=1):
        ended = rf"Run #{number}: ok in \d+\.\d s \(exit 0\)\.( \d+ starts? skipped, due during this run\.)?"
        assert re.fullmatch(rf"{ended} Next run at \d\d:\d\d:\d\d UTC\.", line)
    kinds = [line.split()[0] for line in lines if line.startswith(("===", "Run #", "Run:"))]
    assert kinds == ["===", "Run:", "Run"] * 3
    ends = quick.entries("end")
    assert {end.facts["status"] for end in ends} == {"ok"}
    assert len(ends) in {3, 4}
    assert not facts_of(quick).exists()


def test_a_second_loop_is_refused_and_a_stop_lets_the_run_finish(patient: Workshop) -> None:
    """One loop per home; status shows it; `stop` waits for the run, or ends with 3 and keeps the request."""
    loop = patient.start("loop")
    soon(begun(patient).exists)
    state = json.loads(facts_of(patient).read_bytes())

    second = patient.command("loop", "--interval", "5")
    background = patient.command("loop", "--background")
    seen = json.loads(patient.command("status", "--json").stdout)["loop"]
    impatient = patient.command("stop", "--timeout", "0.2")
    request = patient.home / ".futurscam.loop.stop"
    request.unlink()
    stop = patient.start("stop")
    soon(request.exists)
    assert loop.poll() is stop.poll() is None
    (patient.home / "go").touch()
    said, _ = loop.communicate(timeout=60)
    answer, _ = stop.communicate(timeout=60)

    assert (second.returncode, background.returncode) == (5, 5)
    since = f"{state['started'][:19].replace('T', ' ')} UTC"
    for refused in (second, background):
        assert f"Another loop has this home: running, pid {loop.pid}, every 60 min, in run #1, since {since}." in (
            refused.stderr
        )
    assert seen == state
    assert state["pid"] == loop.pid
    assert state["log"] == ""
    assert impatient.returncode == 3
    assert f"The loop (pid {loop.pid}) has not ended within 0.2 s (in run #1)" in impatient.stderr
    assert (loop.returncode, stop.returncode) == (0, 0)
    assert answer == f"The loop (pid {loop.pid}) has ended. Run #1 was finished first.\n"
    assert "Asked to end: finishing run #1 first" in said
    assert patient.last.facts["status"] == "ok"
    assert not list(patient.home.glob(".futurscam.loop.json*"))
    assert not request.exists()


def test_in_the_background(quick: Workshop) -> None:
    """It prints pid and log; status shows it; stop leaves no process and no file; the log is complete."""
    started = quick.command("loop", "--interval", "45", "--background")

    assert started.returncode == 0, started.stderr
    log = next(quick.home.glob("logs/loop_*.log"))
    assert re.fullmatch(r"loop_\d{8}_\d{6}\.log", log.name)
    assert str(log) in started.stdout
    process = psutil.Process(int(re.findall(r"pid (\d+), every 45 min", started.stdout)[0]))
    assert os.getsid(process.pid) == process.pid
    soon(lambda: json.loads(facts_of(quick).read_bytes())["next_run"])
    expected = rf"running, pid {process.pid}, every 45 min, next run at \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.fullmatch(expected, status_of(quick))

    stopped = quick.command("stop")

    assert (stopped.returncode, stopped.stdout) == (0, f"The loop (pid {process.pid}) has ended.\n")
    soon(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    assert status_of(quick) == "no"
    assert not facts_of(quick).exists()
    text = log.read_text("utf-8")
    assert "=== Run #1 - " in text
    assert "Run #1: ok in " in text
    assert "The loop has ended after 1 run." in text
    assert "Next run in" not in text
    assert quick.command("stop").stdout == "No loop is running here.\n"


@pytest.mark.parametrize("how", ["stop --now", "Ctrl+C twice"])
def test_an_interrupted_run_writes_its_ledger(patient: Workshop, how: str) -> None:
    """`stop --now` interrupts the run; the ledger records it and no process is left."""
    loop = patient.start("loop")
    soon(begun(patient).exists)
    if how == "stop --now":
        answer = patient.command("stop", "--now")
        assert answer.stdout == f"The loop (pid {loop.pid}) has ended. Run #1 was interrupted.\n"
    else:
        loop.send_signal(signal.SIGINT)
        read_until(loop, "Ctrl+C again ends it now.")
        loop.send_signal(signal.SIGINT)
    said, _ = loop.communicate(timeout=60)

    assert loop.returncode == 0
    assert "Interrupting run #1" in said
    assert "Run #1: failed in " in said
    assert [entry.event for entry in patient.entries()][-1] == "end"
    assert (patient.last.facts["status"], patient.last.facts["error_name"]) == ("failed", "KeyboardInterrupt")
    assert patient.kernels() == []


def test_the_file_of_a_killed_loop_is_ignored(patient: Workshop) -> None:
    """After SIGKILL during a run, the run continues, status shows no loop, and a new loop starts."""
    loop = patient.start("loop")
    soon(begun(patient).exists)
    loop.kill()
    loop.wait()
    stale = json.loads(facts_of(patient).read_bytes())

    assert stale["pid"] == loop.pid
    assert status_of(patient) == "no"
    assert patient.command("stop").stdout == "No loop is running here.\n"
    LoopFiles(patient.home).ask(LoopState(**stale), now=True)
    facts_of(patient).write_bytes(orjson.dumps(stale | {"pid": os.getpid()}))
    (patient.home / "go").touch()
    soon(lambda: patient.entries("end"))
    assert patient.last.facts["status"] == "ok"

    following = patient.start("loop")
    read_until(following, "Run #1: ok")
    assert json.loads(facts_of(patient).read_bytes())["pid"] == following.pid
    following.terminate()
    following.communicate(timeout=60)
    assert following.returncode == 0
    assert not facts_of(patient).exists()


def test_the_terminals_ctrl_c_does_not_reach_the_run(patient: Workshop) -> None:
    """It has a session of its own, and its output is the loop's."""
    loop = patient.start("loop")
    soon(begun(patient).exists)
    runs = [child for child in psutil.Process(loop.pid).children() if child.cmdline()[-2:] == ["futurscam_lib", "run"]]

    assert len(runs) == 1
    assert runs[0].cmdline() == [sys.executable, "-X", "utf8", "-m", "futurscam_lib", "run"]
    assert os.getpgid(runs[0].pid) == runs[0].pid
    assert os.getsid(runs[0].pid) != os.getsid(loop.pid)


@pytest.mark.parametrize("minutes", ["0.04", "1441"])
def test_an_interval_out_of_bounds_is_refused(workshop: Workshop, minutes: str) -> None:
    """At once, with exit code 2."""
    refused = workshop.command("loop", "--interval", minutes)

    assert refused.returncode == 2
    assert "--interval" in refused.stderr
    assert not facts_of(workshop).exists()


@pytest.mark.parametrize(("code", "error"), [(2, UsageError), (5, AlreadyRunning), (1, FuturscamError)])
def test_a_background_loop_that_ends_at_once(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, code: int, error: type[FuturscamError]
) -> None:
    """Its log says why; the exit code is its own."""
    program = f"print('There is no memory.'); raise SystemExit({code})"
    monkeypatch.setattr(processes, "_PROGRAM", (sys.executable, "-c", program))

    with pytest.raises(
        error, match=rf"ended at once \(exit {code}\):\nThere is no memory\.\nIts log: .*\.log"
    ) as caught:
        processes.start(workshop.settings, timedelta(hours=1), arguments=())

    assert caught.value.exit_code == code


def test_a_background_loop_that_does_not_report_is_ended(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is not left behind."""
    monkeypatch.setattr(processes, "_PROGRAM", (sys.executable, "-c", "import time; time.sleep(600)"))
    monkeypatch.setattr(processes, "START_WITHIN", 0.2)
    children = set(psutil.Process().children())

    with pytest.raises(RetryLater, match=r"not seen to run within 0\.2 s, and was ended"):
        processes.start(workshop.settings, timedelta(hours=1), arguments=())

    left = set(psutil.Process().children()) - children
    soon(lambda: all(child.status() == psutil.STATUS_ZOMBIE for child in left))


def test_a_file_without_a_process_is_ignored(tmp_path: Path) -> None:
    """The process has ended, or another program has its number."""
    files = LoopFiles(tmp_path)
    assert files.find() is None
    assert list(tmp_path.iterdir()) == []
    files.write(ME)

    assert files.find() is None
    with files.held():
        files.write(ME)
        assert files.find() == ME
        with (
            pytest.raises(AlreadyRunning, match="every 60 min, in run #3, since 2026-11-23 13:25:01 UTC"),
            files.held(),
        ):
            pytest.fail("two loops at once")
        assert files.find() == ME
    assert files.find() is None
    assert not (tmp_path / ".futurscam.loop.json").exists()


@pytest.mark.parametrize("facts", [None, b"{", b'{"pid": 1, "more": 2}', b'{"pid": 4194305}'])
def test_a_loop_with_an_unreadable_description_is_still_found(tmp_path: Path, facts: bytes | None) -> None:
    """Only the lock counts; the loop can still be asked to end."""
    files = LoopFiles(tmp_path)
    with files.held():
        if facts is not None:
            (tmp_path / ".futurscam.loop.json").write_bytes(facts)
        state = files.find()
        assert state == LoopState()
        assert str(state) == "running, but could not say who it is"
        files.ask(state, now=False)
        assert files.asked(ME) == Stop.AFTER_RUN


def test_a_request_is_for_one_loop(tmp_path: Path) -> None:
    """It does not stop a later loop with the same process number, nor the next loop of this home."""
    files = LoopFiles(tmp_path)
    with files.held():
        assert files.asked(ME) == Stop.NO
        files.ask(ME, now=False)
        assert files.asked(ME) == Stop.AFTER_RUN
        files.ask(ME, now=True)
        assert files.asked(ME) == Stop.NOW
        assert files.asked(LoopState(pid=ME.pid, created=2.5)) == Stop.NO
        for broken in (b"", b"now", b"{}", b"[]"):
            (tmp_path / ".futurscam.loop.stop").write_bytes(broken)
            assert files.asked(ME) == Stop.NO
    files.ask(ME, now=True)

    with files.held():
        assert files.asked(ME) == Stop.NO


def test_a_full_disk_does_not_end_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot describe itself, but continues."""

    def refuse(*_: object) -> NoReturn:
        raise OSError("No space left on device")

    monkeypatch.setattr(lock, "write_atomically", refuse)
    files = LoopFiles(tmp_path)
    with files.held():
        files.write(ME)
        assert files.find() == LoopState()


def test_stop_prints_what_it_waits_for(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It regularly prints what the loop is doing."""
    monkeypatch.setattr(processes, "REPORT_EVERY", 0.1)
    files, said = LoopFiles(workshop.home), list[str]()
    with files.held():
        files.write(ME)
        with pytest.raises(RetryLater, match=r"not ended within 0\.5 s \(in run #3\)"):
            processes.stop(workshop.settings, now=False, timeout=0.5, say=said.append)

    assert said[0].startswith(f"Waiting for the loop (pid {ME.pid}, in run #3) for ")


def test_signals_are_counted() -> None:
    """Each Ctrl+C counts; a terminal that closes sends several signals, which are one request."""
    before = signal.getsignal(signal.SIGTERM)
    with processes._signals() as received:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        assert len(received) == 1
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert len(received) == 3
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_run_that_is_killed_takes_its_children_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel is left; a kernel that has already ended is not an error."""
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    monkeypatch.setattr(processes, "_PROGRAM", (sys.executable, "-c", child))
    run = ChildRun((), home=tmp_path)
    grandchild = soon(psutil.Process(run._process.pid).children)[0]

    run.kill()

    assert soon(lambda: run.wait(1)) == -signal.SIGKILL
    soon(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)
    run.kill()
    run.interrupt()


def test_a_run_that_cannot_be_interrupted_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows a loop without a console cannot interrupt a run."""

    def refuse(_: int) -> NoReturn:
        raise OSError("The handle is invalid")

    monkeypatch.setattr(processes, "_PROGRAM", (sys.executable, "-c", "import time; time.sleep(600)"))
    run = ChildRun((), home=tmp_path)
    monkeypatch.setattr(run._process, "send_signal", refuse)
    run.interrupt()

    assert soon(lambda: run.wait(1)) == -signal.SIGKILL


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_the_countdown_is_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rewritten each second and cleared before the next line; logs do not contain it."""
    for stream in (Terminal, io.StringIO):
        monkeypatch.setattr(sys, "stdout", stream())
        monkeypatch.setattr(sys, "stderr", stream())
        screen = Screen()
        for seconds in (3600.2, 3600.0, 3599.4, 9.0):
            screen.count_down(seconds)
        screen.print_line("=== Run #2")

        assert isinstance(sys.stdout, io.StringIO)
        assert isinstance(sys.stderr, io.StringIO)
        assert sys.stdout.getvalue() == "=== Run #2\n"
        shown = [f"\rNext run in {left}. Ctrl+C ends the loop." for left in ("1:00:00", "0:59:59", "0:00:09")]
        wiped = "\r" + " " * (len(shown[0]) - 1) + "\r"
        assert sys.stderr.getvalue() == ("".join(shown) + wiped if stream is Terminal else "")


def test_output_that_nobody_reads_does_not_end_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal has gone, or `| head` has."""

    class Gone(Terminal):
        def write(self, _: str) -> NoReturn:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", Gone())
    screen = Screen()
    screen.count_down(5)
    screen.print_line("=== Run #2")


def test_the_clock_goes_on_and_is_not_the_wall_clock() -> None:
    """It counts the machine's uptime."""
    first = processes.uptime()

    assert first <= processes.uptime()
    assert first < 1e9
