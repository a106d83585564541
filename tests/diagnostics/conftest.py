"""Shared by the tests of the doctor: a home without problems, and helpers for results."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from futurscam_lib import clock
from futurscam_lib import settings as settings_module
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.cli import demo
from futurscam_lib.diagnostics.checks import Subject, run
from futurscam_lib.load.collections import Collections
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.diagnostics.checks import Check, CheckResult
    from futurscam_lib.settings import Settings

NOBODY: Final = "json://127.0.0.1:9/"
"""A valid address for alerts where nothing listens."""


def named(results: Iterable[CheckResult], name: str) -> CheckResult:
    """The result with this name."""
    (result,) = (item for item in results if item.name == name)
    return result


def ran(settings: Settings, run_id: str, at: datetime, **facts: Any) -> None:
    """Write the start and the end of a run into the ledger."""
    ledger = Ledger(settings.ledger_file)
    ledger.append("start", at=at, run_id=run_id, facts={})
    ledger.append("end", at=at + timedelta(minutes=1), run_id=run_id, facts=facts)


def files(home: Path) -> dict[str, bytes]:
    """Everything in a home, including folders."""
    return {path.relative_to(home).as_posix(): path.read_bytes() if path.is_file() else b"" for path in home.rglob("*")}


def results_of(
    checks: Iterable[Check], settings: Settings, *, now: datetime | None = None, sources: Sequence[str] = ()
) -> list[CheckResult]:
    """Run checks of the catalogue.

    Args:
        checks: A module's `CHECKS`.
        settings: Of the home.
        now: The current instant; the real one if not given.
        sources: The sources to check.
    """
    subject = Subject(settings, {}, now or clock.now(), sources)
    try:
        return list(run(checks, subject))
    finally:
        subject.close()


@pytest.fixture
def sound(home: Settings, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with one post, a run that has just succeeded, and alerts."""
    monkeypatch.setenv("FUTURSCAM_ALERT_URLS", NOBODY)
    monkeypatch.setenv("JUPYTER_PATH", "")
    home.inbox.mkdir()
    shutil.copy(demo.INBOX / "jobpost_JobPostModelToSupplierV1_60001.json", home.inbox)
    now = clock.now()
    Watermark(home.watermark_file).reset(now)
    ran(home, "20261123T130000Z-aaaaaa", now, status="ok", watermark={"after": clock.to_text(now)})
    home.lock_file.touch()
    Collections.of(database).ensure_indexes()
    return settings_module.load(os.environ)
