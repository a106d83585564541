"""Real posts, where there are some: each becomes a document."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

import futurscam_lib
from futurscam_lib.extract.folder import FolderSource
from futurscam_lib.records import Window
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import transform

SAMPLES = os.environ.get("FUTURSCAM_TEST_SAMPLES", "")
DEMO = Path(futurscam_lib.__file__).parent / "demo_inbox"
BROKEN_IN_DEMO = {"jobpost_JobPostModelToSupplierV1_60098.json", "jobpost_JobPostModelToSupplierV1_60099.json"}
FOLDER = Path(SAMPLES) if SAMPLES else DEMO
FILES = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*")
    if path.suffix.lower() in {".json", ".jsonl"} and (SAMPLES or path.name not in BROKEN_IN_DEMO)
)


def test_there_are_samples() -> None:
    """A folder without posts would prove nothing."""
    assert FILES, f"{FOLDER} holds no .json or .jsonl file."


@pytest.mark.parametrize("name", FILES)
def test_every_post_of_a_sample_becomes_a_document(name: str) -> None:
    """`FUTURSCAM_TEST_SAMPLES` names a folder of posts that must all be understood; without it, the demo's are."""
    source = FolderSource(FOLDER)
    now = datetime.now(UTC)
    records = [
        record
        for record in source.read(Window(datetime(1970, 1, 1, tzinfo=UTC)))
        if record.origin.partition(":")[0].partition("[")[0] == name
    ]

    made = [transform(record, seen_at=max(now, datetime(2027, 1, 1, tzinfo=UTC))) for record in records]

    assert made
    assert [one for one in made if not isinstance(one, Rfp)] == []
