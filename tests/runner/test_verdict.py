"""When a run's summary is accepted, and its exit code."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from futurscam_lib.records import COUNTED
from futurscam_lib.runner.engine import Execution
from futurscam_lib.runner.verdict import RunVerdict, judge, problem_of

ZEROS = dict.fromkeys(COUNTED, 0)
WHOLE: dict[str, Any] = {"run_id": "r1", "counts": ZEROS, "sources": {"folder": ZEROS}, "failures": {}}


def verdict_on(glued: Any, status: Any = "ok", error_name: str = "") -> RunVerdict:
    """Judge a run whose notebook glued this."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell()])
    data = {
        "application/scrapbook.scrap.json+json": {"name": "summary", "data": glued, "encoder": "json", "version": 1}
    }
    notebook.cells[0].outputs = [
        nbformat.v4.new_output("display_data", data, metadata={"scrapbook": {"name": "summary"}})
    ]
    execution = Execution(status, error_name, "It broke." if error_name else "", None, notebook)
    return judge(execution, run_id="r1", replay="", redact=str)


def test_a_complete_summary_is_accepted() -> None:
    """Exit code 0."""
    verdict = verdict_on(WHOLE)

    assert (verdict.status, verdict.exit_code, verdict.error, verdict.summary) == ("ok", 0, "", WHOLE)


@pytest.mark.parametrize(
    ("error_name", "code"),
    [("UsageError", 2), ("RetryLater", 3), ("OperatorMustAct", 4), ("NotReconciled", 1), ("ZeroDivisionError", 1)],
)
def test_a_notebook_error_takes_precedence_over_its_summary(error_name: str, code: int) -> None:
    """The exit code is that of the error; earlier counts are kept."""
    verdict = verdict_on(WHOLE, "failed", error_name)

    assert (verdict.status, verdict.exit_code, verdict.error_name) == ("failed", code, error_name)
    assert verdict.summary == WHOLE


@pytest.mark.parametrize(
    ("errors", "code"), [(["RetryLater"], 3), (["OperatorMustAct", "RetryLater"], 4), (["KeyError"], 1)]
)
def test_a_source_that_failed_fails_the_run(errors: list[str], code: int) -> None:
    """The most urgent error gives the exit code."""
    failures = {f"source{number}": {"error": name, "message": "Shut."} for number, name in enumerate(errors)}
    verdict = verdict_on({**WHOLE, "failures": failures})

    assert (verdict.status, verdict.exit_code, verdict.error_name) == ("failed", code, "SourceFailed")
    assert verdict.error.startswith("source0: Shut.")


@pytest.mark.parametrize(
    ("glued", "reason"),
    [
        ([1], "wrong form"),
        ({**WHOLE, "run_id": "other"}, "that of 'other'"),
        ({**WHOLE, "sources": {"folder": {**ZEROS, "extracted": 3}}}, "sum for folder is off"),
        ({**WHOLE, "counts": {**ZEROS, "stale": 3}}, "sum for total is off"),
    ],
)
def test_a_wrong_summary_fails_the_run(glued: Any, reason: str) -> None:
    """Exit code 1, and the reason."""
    verdict = verdict_on(glued)

    assert (verdict.exit_code, verdict.error_name) == (1, "UntrueSummary")
    assert reason in verdict.error


@pytest.mark.parametrize(
    "more",
    [
        {"counts": {}},
        {"counts": {**ZEROS, "stale": "0"}},
        {"sources": {"folder": 1}},
        {"sources": {"folder": {}}},
        {"sources": None},
        {"failures": {"folder": "RetryLater"}},
        {"failures": {"folder": {"error": "RetryLater", "message": None}}},
    ],
    ids=str,
)
def test_an_invalid_summary_is_not_accepted(more: dict[str, Any]) -> None:
    """If a needed part is missing or has the wrong type, the run fails without an exception."""
    assert "wrong form" in problem_of({**WHOLE, **more}, run_id="r1", replay="")
