"""Complete posts: each becomes the document that the facts about the platform imply."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import futurscam_lib
from futurscam_lib import jsontext, settings
from futurscam_lib.extract.folder import FolderSource
from futurscam_lib.records import Window
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import transform
from tests.transform.from_facts import content_of, words_of

if TYPE_CHECKING:
    from futurscam_lib.records import RawRecord

DEMO = Path(futurscam_lib.__file__).parent / "cli" / "demo_inbox"
BROKEN_IN_DEMO = {"jobpost_JobPostModelToSupplierV1_60098.json", "jobpost_JobPostModelToSupplierV1_60099.json"}
BESIDE = settings.PROJECT.parent / "shared" / "samples"
REAL = os.environ.get("FUTURSCAM_TEST_SAMPLES", "") or (str(BESIDE) if BESIDE.is_dir() else "")
FOLDERS = [DEMO, *([Path(REAL)] if REAL else [])]
SEEN_AT = max(datetime.now(UTC), datetime(2027, 1, 1, tzinfo=UTC))
UNKNOWN_IN_DEMO = {"unknown word: Principal", "unknown word: Conversational"}
"""Words that are in no vocabulary and that the documents keep."""


def records(folder: Path) -> list[RawRecord]:
    """The posts of a folder that must be understood."""
    everything = FolderSource(folder).read(Window(datetime(1970, 1, 1, tzinfo=UTC)))
    return [record for record in everything if folder is not DEMO or record.origin not in BROKEN_IN_DEMO]


POSTS = [pytest.param(record, id=record.origin) for folder in FOLDERS for record in records(folder)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_there_are_samples(folder: Path) -> None:
    """Without posts the test would prove nothing. `FUTURSCAM_TEST_SAMPLES` names a folder; the demo always exists."""
    assert len(records(folder)) >= 1, f"{folder} holds no post."


@pytest.mark.parametrize("record", POSTS)
def test_a_post_becomes_the_document_of_the_facts(record: RawRecord) -> None:
    """Compared field by field with an independent mapper; for the description, the visible text."""
    made = transform(record, seen_at=SEEN_AT)
    post: dict[str, Any] = jsontext.parse(record.payload)
    assert isinstance(made, Rfp), made

    content = {**made.content, "job_desc": words_of(made.content["job_desc"])}
    expected = content_of(post)
    assert list(content) == list(expected)
    for field, value in expected.items():
        assert content[field] == value, field
    assert made.key.instant == f"{post['timeStamp'].removesuffix('Z'):0<27}Z"  # .NET drops zeros at the end
    assert {value for _, value in made.oddities} <= UNKNOWN_IN_DEMO
