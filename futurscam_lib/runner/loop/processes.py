"""The processes of a loop: the loop itself, in the foreground or the background, and each of its runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

import psutil

from futurscam_lib import clock, settings
from futurscam_lib.errors import AlreadyRunning, ExitCode, FuturscamError, RetryLater, UsageError
from futurscam_lib.runner.loop.loop import Loop
from futurscam_lib.runner.loop.state import LoopFiles, LoopState, Stop, already_running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path
    from types import FrameType

    from futurscam_lib.settings import Settings

START_WITHIN: Final = 60.0
"""Seconds that a loop in the background has to start."""

REPORT_EVERY: Final = 10.0
"""Seconds between two lines about what `stop` waits for."""

_PAUSE: Final = 0.05
_TAIL: Final = 2000
_PROGRAM: Final = (sys.executable, "-X", "utf8", "-m", "futurscam_lib")
_SIGNALS: Final = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]
_KEYBOARD: Final = {signal.SIGINT}
if sys.platform == "win32":
    _OWN_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP
    # Not DETACHED_PROCESS: without any console each run would open a window of its own, and Ctrl+Break, by which a run
    # is interrupted, only reaches processes on the same console. This one is there and is never shown.
    _HIDDEN = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    _INTERRUPT = signal.CTRL_BREAK_EVENT
else:
    _OWN_GROUP = _HIDDEN = 0  # Its own session does it there.
    _INTERRUPT = signal.SIGTERM
_ERRORS: Final[dict[int, type[FuturscamError]]] = {
    ExitCode.USAGE: UsageError,
    ExitCode.ALREADY_RUNNING: AlreadyRunning,
}


class ChildRun:
    """One `futurscam run` in a process of its own, which the terminal's Ctrl+C does not reach.

    Args:
        arguments: Arguments of `run`.
        home: The home.
    """

    def __init__(self, arguments: Sequence[str], *, home: Path) -> None:
        """See the class."""
        self._process = _start([*_PROGRAM, "run", *arguments], home=home, flags=_OWN_GROUP)

    def wait(self, seconds: float) -> int | None:
        """Wait at most so long; its exit code, or None while it goes on."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def interrupt(self) -> None:
        """Ask it to end now, and to write its ledger; where it can't be asked, end it."""
        try:
            self._process.send_signal(_INTERRUPT)
        except OSError:  # Windows, where the loop itself was started without a console.
            self.kill()

    def kill(self) -> None:
        """End it and all that it started."""
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._process.pid)
            for process in [*parent.children(recursive=True), parent]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()


def keep_running(
    configured: Settings,
    interval: timedelta,
    *,
    arguments: Sequence[str],
    log: str,
    say: Callable[[str], None],
    count_down: Callable[[float], None],
) -> None:
    """Run the loop of a home until asked to end.

    Args:
        configured: The settings of the home.
        interval: From start to start.
        arguments: Arguments of each `run`.
        log: Where the output goes; empty: to a terminal.
        say: Prints a line.
        count_down: Shows the seconds that are left until the next run.

    Raises:
        AlreadyRunning: The home has a loop; nothing was changed.
    """
    files = LoopFiles(configured.home)
    with _signals() as received, files.held():
        me = LoopState(
            pid=os.getpid(),
            created=psutil.Process().create_time(),
            started=clock.to_text(clock.now()),
            interval_minutes=interval.total_seconds() / 60,
            log=log,
        )
        Loop(
            me,
            start_run=lambda: ChildRun(arguments, home=configured.home),
            asked=lambda: Stop(min(Stop.KILL, files.asked(me) + len(received))),
            say=say,
            count_down=count_down,
            report=files.write,
            now=clock.now,
            monotonic=uptime,
            wait=time.sleep,
        ).run()


def start(configured: Settings, interval: timedelta, *, arguments: Sequence[str]) -> LoopState:
    """Start the loop of a home in the background, without a window, and wait until it runs.

    Args:
        configured: The settings of the home.
        interval: From start to start.
        arguments: Arguments of each `run`.

    Raises:
        AlreadyRunning: The home has a loop; nothing was changed.
        UsageError: The loop refused its settings or arguments.
        FuturscamError: It ended at once; the text has what its log says.
        RetryLater: It was not seen to run in time, and was ended.
    """
    files = LoopFiles(configured.home)
    if running := files.find():
        raise already_running(running)
    configured.logs.mkdir(parents=True, exist_ok=True)
    log = configured.logs / f"loop_{clock.now():%Y%m%d_%H%M%S}.log"
    minutes = f"{interval.total_seconds() / 60:.12g}"
    with log.open("ab") as output:
        command = [*_PROGRAM, "loop", "--interval", minutes, "--log", str(log), "--", *arguments]
        process = _start(command, home=configured.home, flags=_HIDDEN, output=output)
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        ended = process.poll() is not None  # Before `find`: it may run and end between the two.
        state = files.find()
        if state and state.log == str(log):
            return state
        if ended:
            error = _ERRORS.get(process.returncode, FuturscamError)
            raise error(f"The loop ended at once (exit {process.returncode}):\n{_tail(log)}\nIts log: {log}")
        time.sleep(_PAUSE)
    process.kill()
    raise RetryLater(f"The loop was not seen to run within {START_WITHIN:g} s, and was ended.\nIts log: {log}")


def stop(configured: Settings, *, now: bool, timeout: float | None, say: Callable[[str], None]) -> str:
    """Ask the loop of a home to end, and wait until it has.

    Args:
        configured: The settings of the home.
        now: Interrupt a run that is active instead of letting it finish.
        timeout: Seconds to wait at most; None: as long as it takes.
        say: Prints what is waited for.

    Returns:
        What happened.

    Raises:
        RetryLater: It has not ended in time; the request remains.
    """
    files = LoopFiles(configured.home)
    target = state = files.find()
    if target is None or state is None:
        return "No loop is running here."
    files.ask(target, now=now)
    begun = reported = time.monotonic()
    while state and not state.replaces(target):
        at = time.monotonic()
        if timeout is not None and at - begun >= timeout:
            raise RetryLater(
                f"The loop (pid {target.pid}) has not ended within {timeout:g} s ({state.doing}). It was asked to and "
                "will, after its run. `futurscam stop --now` interrupts the run."
            )
        if at - reported >= REPORT_EVERY:
            say(f"Waiting for the loop (pid {target.pid}, {state.doing}) for {at - begun:.0f} s.")
            reported = at
        time.sleep(_PAUSE)
        state = files.find()
    how = "interrupted" if now else "finished first"
    return f"The loop (pid {target.pid}) has ended." + ("" if target.next_run else f" Run #{target.run} was {how}.")


def uptime() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine sleeps.

    `time.monotonic` stops during sleep on Linux and macOS. With the wall clock, sleep looks like a changed clock.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    return time.monotonic()


def _start(
    command: Sequence[str], *, home: Path, flags: int, output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    return subprocess.Popen(  # noqa: S603 - this program itself
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        env={**environment, settings.HOME: str(home)},
        creationflags=flags,
        start_new_session=os.name == "posix",
    )


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that ask for an end, instead of being ended by them.

    Each Ctrl+C counts. Others count once: a terminal that closes sends several, which must not interrupt a run.
    """
    received: list[int] = []

    def collect(number: int, _frame: FrameType | None) -> None:
        if number in _KEYBOARD or set(received) <= _KEYBOARD:
            received.append(number)

    handlers = {number: signal.getsignal(number) or signal.SIG_DFL for number in _SIGNALS}
    # An ignored signal stays ignored, as `nohup` requires.
    before = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
    for number in before:
        signal.signal(number, collect)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tail(log: Path) -> str:
    with suppress(OSError):
        return log.read_text("utf-8", errors="replace")[-_TAIL:].strip()
    return ""
