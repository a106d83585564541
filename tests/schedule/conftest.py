"""The system's own schedulers, as small programs on PATH that behave as documented and keep their state."""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from futurscam_lib.schedule.job import Job
from futurscam_lib.schedule.timing import Timing

FAKES = Path(__file__).parent / "fakes"


@dataclass(frozen=True, slots=True)
class System:
    """A machine whose schedulers are fakes.

    Attributes:
        state: The folder in which they keep what they know; tests put their answers there.
        home: The home of its user.
    """

    state: Path
    home: Path

    def calls(self) -> list[list[str]]:
        """What was called, in order."""
        log = self.state / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def knows(self, name: str, text: str = "") -> None:
        """Store a value in the state."""
        (self.state / name).write_text(text, "utf-8")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """A machine with all schedulers, and none of the real ones."""
    if os.name == "nt":
        pytest.skip("Windows starts no script by its first line")
    made = System(tmp_path / "state", tmp_path / "user")
    programs = tmp_path / "bin"
    for folder in (made.state, made.home, programs):
        folder.mkdir()
    for fake in FAKES.glob("*.py"):
        program = programs / fake.stem
        program.write_text(f"#!{sys.executable} -S\n{fake.read_text('utf-8')}", "utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("FAKE_STATE", str(made.state))
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(made.home / ".config"))
    return made


@pytest.fixture
def now() -> datetime:
    """An instant between two starts."""
    return datetime(2026, 11, 23, 13, 25, 1, tzinfo=UTC)


@pytest.fixture
def job() -> Job:
    """A job on Windows, with a home of its own, in folders as people name them."""
    return Job(
        python=r"C:\Users\Zoé & Cie\l'ETL <1>\.venv\Scripts\python.exe",
        project=r"C:\Users\Zoé & Cie\l'ETL <1>",
        home="C:\\Données de l'équipe\\ÉTÉ 100%\\",
        timing=Timing(),
        limit=timedelta(hours=1),
    )
