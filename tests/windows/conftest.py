"""Copies of the project that a Windows Python under wine works in; `tests/windows/prepare` brings both."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from futurscam_lib import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREPARED: Final = settings.PROJECT / "tmp" / "windows"
_HANGS: Final = 1800
"""Seconds after which a test is ended; wine on a loaded machine needs minutes for a run."""
_ROOM: Final = 64 * 1024  # What a pipe holds, so what a program may write until it ends.


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs wine where it is not there, and give the rest time."""
    ours = [item for item in items if item.path.parent == settings.PROJECT / "tests" / "windows"]
    missing = None
    if shutil.which("wine") is None:
        missing = "wine is not installed"
    elif not (PREPARED / "made-of").exists():
        missing = "no Windows Python is prepared"
    for item in ours:
        item.add_marker(pytest.mark.timeout(_HANGS))
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"{missing}; tests/windows/run brings it, and runs these"))


def as_windows(path: Path) -> str:
    """How a Windows program names a file of this machine."""
    return "Z:" + str(path).replace("/", "\\")


class Windows:
    """One program under wine, and what it writes."""

    def __init__(self, command: list[str], *, cwd: Path, env: dict[str, str]) -> None:
        """Start it. Its standard streams are pipes: a Python under wine takes no files for them."""
        self._read: list[int] = []
        write: list[int] = []
        for _ in ("stdout", "stderr"):
            ends = os.pipe()
            self._read.append(ends[0])
            write.append(ends[1])
        self._process = subprocess.Popen(
            ["wine", *command],  # noqa: S607 - the one that Debian installs
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=write[0],
            stderr=write[1],
        )
        for end in write:
            os.close(end)

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def finish(self) -> Ended:
        """Wait for its end, however long a loaded machine takes; pytest's own time limit is for one that hangs."""
        code = self._process.wait()
        return Ended(code, *(self._drain(end) for end in self._read))

    def close(self) -> None:
        """End it, if it has not."""
        self._process.kill()
        self._process.wait()
        for end in self._read:
            os.close(end)

    def _drain(self, end: int) -> str:
        """What was written. Not up to the end of the stream: wine's services inherit it, and live on."""
        os.set_blocking(end, False)
        try:
            return os.read(end, _ROOM).decode().replace("\r\n", "\n")
        except BlockingIOError:
            return ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        code: Its exit code.
        stdout: All that it wrote there.
        stderr: All that it wrote there.
    """

    code: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class Project:
    """A copy of the project whose `.venv` is a Windows Python.

    Attributes:
        folder: Where it lies; its name has spaces, accents and brackets.
        elsewhere: The folder that batch files are called from.
        environment: What programs find in theirs.
        started: What `start` has started.
    """

    folder: Path
    elsewhere: Path
    environment: dict[str, str]
    started: list[Windows] = field(default_factory=list)

    def start(self, line: str, **environment: str) -> Windows:
        """Have cmd read one line of a batch file from another folder; `%ETL%` is the copy's folder."""
        caller = self.elsewhere / f"caller {len(self.started)}.bat"
        caller.write_bytes(f"@echo off\r\n{line}\r\n".encode("ascii"))
        program = Windows(["cmd", "/c", caller.name], cwd=self.elsewhere, env=self.environment | environment)
        self.started.append(program)
        return program

    def call(self, line: str, **environment: str) -> Ended:
        """The same, to its end."""
        return self.start(line, **environment).finish()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A copy with the batch files and an environment, without the package."""
    folder = tmp_path / "Équipe Données (1)" / "FuturScam ETL"
    elsewhere = tmp_path / "ailleurs, là"
    folder.mkdir(parents=True)
    elsewhere.mkdir()
    for name in ("run_etl.bat", "run_etl_continuous.bat"):
        shutil.copy(settings.PROJECT / name, folder)
    shutil.copytree(settings.PROJECT / "scripts", folder / "scripts")
    programs = folder / ".venv" / "Scripts"
    programs.mkdir(parents=True)
    # Link by link: what renames or removes a link to a folder under wine does it to the folder.
    for part in (PREPARED / "python").iterdir():
        (programs / part.name).symlink_to(part)
    (programs / "futurscam.exe").touch()
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
        "ETL": as_windows(folder),
        "LC_ALL": "C.UTF-8",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree=;mshtml=",
        "WINEPREFIX": str(PREPARED / "prefix"),
    }
    made = Project(folder, elsewhere, environment)
    yield made
    for program in made.started:
        program.close()
