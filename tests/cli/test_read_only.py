"""A home that can only be read: a backup, a snapshot, a read-only mount, the home of another account."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from futurscam_lib import clock
from futurscam_lib.cli import app
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from pathlib import Path

    from tests.made_runs import MadeRuns


def refuse(*_: object, **__: object) -> NoReturn:
    """Raise the system's error, which root gets only on a read-only mount."""
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.fixture
def copy(made: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two runs, of which nothing can be locked and in which no folder can be made."""
    now = clock.now()
    for days in (40, 1):
        made.add(now - timedelta(days=days))
    settings = made.settings
    Watermark(settings.watermark_file).reset(made.watermark)
    settings.lock_file.touch()
    (settings.home / ".futurscam.loop.lock").touch()
    monkeypatch.setattr(FileLock, "acquire", refuse)
    monkeypatch.setattr(os, "mkdir", refuse)
    return settings.home


def files(home: Path) -> dict[Path, bytes]:
    """Return all files of the folder."""
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("runs verify", "The audit log is intact."),
        ("status", "running       no"),
        ("runs list", "extracted"),
        ("runs show last", "futurscam-etl"),
    ],
)
def test_read_only_commands_work(copy: Path, words: str, told: str) -> None:
    """They work in a copy of a home."""
    before = files(copy)

    result = CliRunner().invoke(app.app, words.split(), catch_exceptions=False)

    assert result.exit_code == 0
    assert told in result.stdout
    assert files(copy) == before


@pytest.mark.usefixtures("copy")
def test_why_works_in_a_read_only_home() -> None:
    """It prints the same as elsewhere."""
    with pytest.raises(UsageError, match="'x' was never seen"):
        CliRunner().invoke(app.app, ["why", "x"], catch_exceptions=False)


@pytest.mark.parametrize("words", ["reset --everything", "runs seal", "runs prune --keep-days 30", "review"])
def test_writing_commands_name_the_place_and_the_remedy(
    copy: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """Exit code 4, and all is as it was. That no run begins, tests/runner/test_lock.py shows."""
    if words == "runs seal":
        monkeypatch.setenv("FUTURSCAM_LEDGER_KEY", "a key of more than sixteen letters")
    before = files(copy)

    refused = CliRunner().invoke(app.app, words.split()).exception

    assert isinstance(refused, OperatorMustAct)
    assert str(copy) in str(refused)
    assert "Read-only file system" in str(refused)
    assert "the right to write" in str(refused)
    assert files(copy) == before
