"""What tests of the doctor share: a home in which nothing is wrong, and a look at what a check found."""

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
from futurscam_lib.load.collections import Collections
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.diagnostics.finding import Finding
    from futurscam_lib.settings import Settings

NOBODY: Final = "json://127.0.0.1:9/"
"""An address to which alerts could go; none does here."""


def named(findings: Iterable[Finding], name: str) -> Finding:
    """The one of this name."""
    (found,) = (one for one in findings if one.name == name)
    return found


def ran(settings: Settings, run_id: str, at: datetime, **facts: Any) -> None:
    """Have the ledger say that a run began, and ended like this."""
    ledger = Ledger(settings.ledger_file)
    ledger.append("start", at=at, run_id=run_id, facts={})
    ledger.append("end", at=at + timedelta(minutes=1), run_id=run_id, facts=facts)


def files(home: Path) -> dict[str, bytes]:
    """All that lies in a home, folders too."""
    return {path.relative_to(home).as_posix(): path.read_bytes() if path.is_file() else b"" for path in home.rglob("*")}


@pytest.fixture
def sound(home: Settings, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with one post, in which a run has just ended well, and of which somebody would be told."""
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
