"""The analyst's rerun: a dry run by hand shows how to apply it, and an applied run how it is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from futurscam_lib.load.spool import Spool
from futurscam_lib.records import Counts
from futurscam_lib.report.loaded import LoadReport

if TYPE_CHECKING:
    from pathlib import Path

BY_HAND, HEADLESS = "interactive-20261123T132501Z-3f9a1c", "20261123T132501Z-3f9a1c"
NOTHING = "Dry run: this is what would have been written; nothing was."


@pytest.mark.parametrize(
    ("run_id", "dry_run", "shown_texts", "hidden_text"),
    [
        (BY_HAND, True, (NOTHING, "set dry_run = False", "labelled interactive-..."), BY_HAND),
        (BY_HAND, False, (f"labelled {BY_HAND}",), "Dry run"),
        (HEADLESS, True, (NOTHING,), "set dry_run"),
        (HEADLESS, False, (), "labelled"),
    ],
)
def test_a_rerun_by_hand_shows_how_to_apply_it(
    tmp_path: Path, run_id: str, *, dry_run: bool, shown_texts: tuple[str, ...], hidden_text: str
) -> None:
    """The hint is below the table of the load, only for runs by hand."""
    report = LoadReport(dry_run, run_id, {"folder": Counts(extracted=1, updated=1)}, Spool(tmp_path))

    shown = repr(report)
    assert all(text in shown for text in shown_texts)
    assert hidden_text not in shown
    assert f"1 document(s) {'would be' if dry_run else 'were'} updated." in repr(report.updated)
