"""A new source: its reader, its mapping and its entry in the registry are all that it takes."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import extract, settings, transform
from futurscam_lib.pipeline.opening import open_run
from futurscam_lib.settings.sources import KNOWN_SOURCES, SourceType
from tests.load.machine import finish

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

READER = """
    from datetime import UTC, datetime
    from futurscam_lib.records import RawRecord

    class ToySource:
        name = "toy"

        def __init__(self):
            self.notes = []

        def read(self, window):
            for payload in (b'{"id": "1", "title": "Data engineer"}', b'{"id": "2"}'):
                yield RawRecord.of(payload, source=self.name, origin="box", instant=datetime(2026, 1, 1, tzinfo=UTC))

        def probe(self, window, found):
            found.reached = found.may_read = True

    def open_source(settings, **_):
        return ToySource()
"""
MAPPING = """
    from futurscam_lib.rfp import Rfp

    TRANSFORM_VERSION = 7

    def normalise(payload, *, seen_at):
        from futurscam_lib.transform.fields import Fields

        toy = Fields.of(payload)
        content = {"job_id": job_id_of(toy), "roleTitle": toy.required_text("title")}
        instant = last_change_of(toy)
        return Rfp.of(content, source_id=payload["id"], instant=instant, transform_version=TRANSFORM_VERSION)

    def job_id_of(toy):
        return f"toy-{toy.required_identifier('id')}"

    def last_change_of(toy):
        return "2026-01-01T00:00:00.0000000Z"

    def reference_of(toy):
        return ""
"""


@pytest.fixture
def _toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a new source, as if they stood in the package, and its entry."""
    for package, code in ((extract, READER), (transform, MAPPING)):
        folder = tmp_path / package.__name__.rpartition(".")[2]
        folder.mkdir()
        (folder / "toy.py").write_text(dedent(code), "utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        # Registered, so that it is gone after the test.
        monkeypatch.setitem(sys.modules, f"{package.__name__}.toy", None)
        monkeypatch.delitem(sys.modules, f"{package.__name__}.toy")
    monkeypatch.setitem(KNOWN_SOURCES, "toy", SourceType("toy", "Toys"))


@pytest.mark.usefixtures("home", "_toy")
def test_a_new_source_runs_end_to_end(database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """With two files and an entry, nothing else edited: a document, a reject, and a sum that is right."""
    monkeypatch.setenv("FUTURSCAM_SOURCES", "toy")

    summary = finish(open_run(watermark="2025-12-01", dry_run=False))

    assert settings.load().sources == ("toy",)
    counts = {name: number for name, number in summary.as_dict()["counts"].items() if number}
    assert counts == {"extracted": 2, "inserted": 1, "rejected": 1}
    (document,) = database.RFP.find()
    assert (document["job_id"], document["roleTitle"], document["languages"]) == ("toy-1", "Data engineer", [])
    assert document["company"]["name"] is None
    assert (document["_etl"]["source"], document["_etl"]["transform_version"]) == ("toy", 7)
    (reject,) = database.RFP_rejects.find()
    assert (reject["source"], reject["path"]) == ("toy", "title")
