"""Whole runs that a real PowerShell starts: the real package, a real MongoDB, a real kernel, a real terminal."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from futurscam_lib import clock, settings
from futurscam_lib.runner.lock import RunLock
from tests.runner.conftest import GLUE, SUMMARY, Workshop, post, soon
from tests.scripts.conftest import ON_WINDOWS, put_python

if sys.platform != "win32":
    import fcntl
    import termios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from futurscam_lib.settings import Settings
    from tests.scripts.conftest import Copy

_WITHIN: Final = 240
_WAITS: Final = """
import os, time
open("waits", "w").close()
while not os.path.exists("go"):
    time.sleep(0.02)
"""


@pytest.fixture
def workshop(home: Settings, database: Database[dict[str, Any]]) -> Iterator[Workshop]:
    """Return a fresh home; kernels left by a test are ended."""
    made = Workshop(home.home, database)
    made.home.mkdir(parents=True, exist_ok=True)
    yield made
    (made.home / "go").touch()
    for kernel in made.kernels():
        kernel.kill()


@pytest.fixture
def installed(bare: Copy) -> Copy:
    """Return a copy with the package itself and the Python of these tests."""
    for name in ("futurscam_lib", "notebooks"):
        shutil.rmtree(bare.folder / name, ignore_errors=True)
        shutil.copytree(settings.PROJECT / name, bare.folder / name)
    put_python(bare.folder)
    return bare


def environment(**more: str) -> dict[str, str]:
    """Return the variables by which the home and its database are found."""
    names = ("FUTURSCAM_HOME", "FUTURSCAM_DB", "FUTURSCAM_KEYRING", "MONGO_URI")
    return {name: os.environ[name] for name in names} | more


class Terminal:
    """A program on a terminal of its own, on which keys can be pressed."""

    def __init__(self, copy: Copy, *arguments: str) -> None:
        """Start `powershell -File` with the arguments."""
        self._keys, screen = os.openpty()
        self.process = subprocess.Popen(
            [copy.engine, "-NoProfile", "-File", *arguments],
            cwd=copy.elsewhere,
            env=copy.environment() | environment(TERM="dumb"),
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
            # Ctrl+C reaches the programs whose terminal it is.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(screen)
        self.shown = ""

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._keys, key.encode())

    def read(self, until: str = "") -> str:
        """Return what is shown, up to a text; without one up to the program's end."""
        deadline = time.monotonic() + _WITHIN
        while not until or until not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if not select.select([self._keys], [], [], 0.2)[0]:
                assert until == "" or self.process.poll() is None, self.shown
                if self.process.poll() is not None:
                    break
                continue
            try:
                self.shown += os.read(self._keys, 65536).decode(errors="replace")
            except OSError:  # The other end is closed.
                break
        assert until in self.shown, self.shown
        return self.shown

    def close(self) -> None:
        """End the program, if it has not ended."""
        self.process.kill()
        self.process.wait()
        os.close(self._keys)


@pytest.fixture
def loop(installed: Copy, workshop: Workshop, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """Return `run_etl_continuous.ps1` at a short interval on a terminal, with cells of the test's choice."""
    if ON_WINDOWS:
        pytest.skip("Windows has no terminal that a test can press keys on")
    workshop.notebook(*request.param)
    terminal = Terminal(installed, str(installed.folder / "run_etl_continuous.ps1"), "0.05")
    yield terminal
    terminal.close()


def test_two_runs(installed: Copy, workshop: Workshop) -> None:
    """The first loads the inbox, keeps its notebook and moves the watermark; the second finds all unchanged."""
    workshop.receive("two.jsonl", post("jp-1"), post("jp-2", name="Développeur"))
    workshop.project_notebook()

    results = [installed.file("run_etl.ps1", "--since", "2026-11-01", "--json", **environment()) for _ in range(2)]

    assert [done.returncode for done in results] == [0, 0], results[0].stderr
    first, second = (json.loads(done.stdout) for done in results)
    assert (first["counts"]["inserted"], second["counts"]["unchanged"]) == (2, 2)
    assert sorted(document["job_id"] for document in workshop.database.RFP.find()) == ["jp-1", "jp-2"]
    assert list(workshop.notebooks()) == [first["run_id"], second["run_id"]]
    assert first["watermark"]["after"] > first["watermark"]["before"]
    assert workshop.watermark == clock.parse(second["watermark"]["after"])


def test_runs_that_cannot_start_or_fail(installed: Copy, workshop: Workshop) -> None:
    """A wrong setting ends with 2, a MongoDB that is away with 3, a held lock with 5; the watermark stays."""
    before = workshop.set_watermark(clock.parse("2026-11-20T10:00:00Z"))
    wrong = installed.file("run_etl.ps1", **environment(FUTURSCAM_OVERLAP_MINUTES="ten"))
    away = installed.file(
        "run_etl.ps1", **environment(MONGO_URI="mongodb://127.0.0.1:1", FUTURSCAM_MONGO_TIMEOUT_SECONDS="1")
    )
    with RunLock(workshop.settings.lock_file).held(run_id="20261123T132501Z-3f9a1c", now=clock.now()):
        second = installed.file("run_etl.ps1", **environment())

    codes = [done.returncode for done in (wrong, away, second)]
    assert codes == [2, 3, 5], wrong.stderr + away.stderr + second.stderr
    assert "FUTURSCAM_OVERLAP_MINUTES" in wrong.stderr
    assert workshop.watermark_file.read_bytes() == before
    assert workshop.database.RFP.count_documents({}) == 0


@pytest.mark.parametrize("loop", [(SUMMARY, GLUE)], indirect=True)
def test_the_loop_until_ctrl_c(loop: Terminal, workshop: Workshop) -> None:
    """Two runs; Ctrl+C ends the loop gently."""
    loop.read("Run #2: ok")
    loop.press("\x03")

    shown = loop.read()

    loop.process.wait(_WITHIN)
    assert "The loop has ended after" in shown
    assert {end.facts["status"] for end in workshop.entries("end")} == {"ok"}


@pytest.mark.parametrize("loop", [(_WAITS, SUMMARY, GLUE)], indirect=True)
def test_ctrl_c_during_a_run(loop: Terminal, workshop: Workshop) -> None:
    """The run is finished first."""
    soon((workshop.home / "waits").exists, _WITHIN)
    loop.press("\x03")
    loop.read("Asked to end: finishing run #1 first")
    (workshop.home / "go").touch()

    shown = loop.read()

    loop.process.wait(_WITHIN)
    assert "Run #1: ok" in shown
    assert "The loop has ended after 1 run." in shown
    assert workshop.last.facts["status"] == "ok"
