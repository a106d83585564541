"""Copies of the project that a Windows Python under wine works in; `tests/windows/run` installs and prepares both."""

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
_WITHIN: Final = 240.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs wine where it is not there."""
    missing = None
    if shutil.which("wine") is None:
        missing = "wine is not installed"
    elif not (PREPARED / "made-of").exists():
        missing = "no Windows Python is prepared"
    if missing:
        for item in items:
            if item.path.parent == settings.PROJECT / "tests" / "windows":
                item.add_marker(pytest.mark.skip(reason=f"{missing}; tests/windows/run does that, and runs these"))


def as_windows(path: Path) -> str:
    """How a Windows program names a file of this machine."""
    return "Z:" + str(path).replace("/", "\\")


@dataclass(slots=True)
class Project:
    """A copy of the project whose `.venv` is a Windows Python.

    Attributes:
        folder: Where it lies; its name has spaces, accents and brackets.
        elsewhere: The folder that batch files are called from.
        environment: What the programs find in theirs, besides what wine needs.
        started: What `start` has started.
    """

    folder: Path
    elsewhere: Path
    environment: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, line: str, **environment: str) -> subprocess.Popen[str]:
        """Have cmd read one line of a batch file from another folder; `%ETL%` is the copy's folder."""
        caller = self.elsewhere / f"caller {len(self.started)}.bat"
        caller.write_bytes(f"@echo off\r\n{line}\r\n".encode("ascii"))
        process = subprocess.Popen(
            ["wine", "cmd", "/c", caller.name],  # noqa: S607 - the one that Debian installs
            cwd=self.elsewhere,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.started.append(process)
        return process

    def call(self, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The same, to its end."""
        process = self.start(line, **environment)
        stdout, stderr = process.communicate(timeout=_WITHIN)
        return subprocess.CompletedProcess(line, process.returncode, stdout, stderr)


@pytest.fixture(scope="session")
def wine() -> Iterator[dict[str, str]]:
    """The environment of Windows programs, and wine at work: what it starts besides would hold a test's pipes open."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
        "LC_ALL": "C.UTF-8",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree=;mshtml=",
        "WINEPREFIX": str(PREPARED / "prefix"),
    }
    with subprocess.Popen(
        ["wine", "cmd"],  # noqa: S607 - the one that Debian installs
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ):
        yield environment


@pytest.fixture
def project(tmp_path: Path, wine: dict[str, str]) -> Iterator[Project]:
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
    environment = wine | {"ETL": as_windows(folder)}
    made = Project(folder, elsewhere, environment)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
