"""A headless run of the home's own notebook: cells that were added to it, and cells that are missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from futurscam_lib.errors import ExitCode
from futurscam_lib.settings import PROJECT
from tests.runner.conftest import post

if TYPE_CHECKING:
    from tests.runner.conftest import Workshop

CELL = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "REVIEWING.md").read_text("utf-8"), re.DOTALL)[
    -1
].rstrip()
"""The example of the documentation."""


def test_a_cell_changes_what_a_headless_run_loads(workshop: Workshop) -> None:
    """What it drops is counted in the ledger and in the notebook's headline; the watermark moves."""
    workshop.receive("posts.jsonl", post("1"), post("2", locationInfo={"mainLocation": {"country": "Germany"}}))
    workshop.project_notebook(before={"load-why": CELL})

    result = workshop.run()

    assert result.exit_code == ExitCode.DONE, result.error
    counts = {"extracted": 2, "inserted": 1, "updated": 0, "unchanged": 0, "stale": 0, "rejected": 0, "dropped": 1}
    assert workshop.last.facts["counts"] == workshop.last.facts["sources"]["folder"] == counts
    (document,) = workshop.database.RFP.find()
    assert document["job_id"] == "1"
    assert document["roleTitle"] == document["roleTitle"].upper()
    assert "1 dropped" in workshop.notebooks()[result.run_id].cells[0].source
    assert "dropped" in workshop.command("runs", "show", result.run_id).stdout

    again = workshop.run()

    assert (again.exit_code, again.counts["dropped"], again.counts["unchanged"]) == (ExitCode.DONE, 0, 2)
    assert workshop.database.RFP.count_documents({}) == 1


@pytest.mark.parametrize(
    ("without", "sentence"),
    [
        ({"closed"}, "The notebook did not call run.close_ended() before run.reconcile()"),
        ({"reconcile"}, "The notebook did not call run.reconcile(), so nothing says that its sums add up."),
        ({"reconcile", "glue"}, "it must call run.reconcile() and then glue run.summary()."),
    ],
)
def test_a_missing_step_fails_a_headless_run(workshop: Workshop, without: set[str], sentence: str) -> None:
    """With a sentence that names it; the watermark stays."""
    workshop.receive("posts.jsonl", post("1"))
    workshop.project_notebook(without=without)

    result = workshop.run()

    assert result.exit_code != ExitCode.DONE
    assert sentence in result.error
    assert result.watermark["before"] == result.watermark["after"]


def test_the_error_of_a_failing_cell_quotes_no_post(workshop: Workshop) -> None:
    """The ledger records the cell's error without the text of the post."""
    workshop.receive("posts.jsonl", post("1", name="Confidential"))
    workshop.project_notebook(before={"load-why": 'rfps = rfps.map(lambda rfp: rfp[rfp["roleTitle"]])'})

    result = workshop.run()

    assert result.exit_code == ExitCode.FAILED
    assert "The function that was given to map() failed with KeyError in line 1 of its cell." in result.error
    assert b"Confidential" not in (workshop.home / "runs" / "ledger.jsonl").read_bytes()
