"""Findings: what becomes of a check that fails, and with what the page ends."""

from __future__ import annotations

import pytest

from futurscam_lib.diagnostics.finding import Finding, attempt, exit_code_of
from futurscam_lib.errors import ExitCode, OperatorMustAct, RetryLater

OK = Finding("a", "ok", "fine")
WARNING = Finding("b", "warning", "hm", "do this")
PROBLEM = Finding("c", "problem", "bad", "do that")
SILENT = Finding("d", "problem", "silence", "wait", no_answer=True)


def test_an_error_told_to_a_person_is_what_and_remedy() -> None:
    """Its first line is what happened, the rest what to do; only one that may pass by itself counts as no answer."""

    def refused() -> Finding:
        raise OperatorMustAct("It said no.\nGive the right, then:\n  futurscam check")

    def silent() -> Finding:
        raise RetryLater("It said nothing.")

    assert attempt("x", refused) == [
        Finding("x", "problem", "It said no.", "Give the right, then:\n  futurscam check"),
    ]
    (found,) = attempt("x", silent)
    assert found.no_answer
    assert "futurscam doctor" in found.remedy


def test_a_check_that_breaks_is_a_finding() -> None:
    """Whatever is raised is told, and the page goes on."""

    def broken() -> Finding:
        raise ZeroDivisionError("by nothing")

    def absent() -> Finding:
        raise FileNotFoundError(2, "No such file", "/x")

    (found,) = attempt("file", absent)
    assert "/x" in found.what
    assert "futurscam doctor" in found.remedy
    (found,) = attempt("sum", broken)

    assert found.state == "problem"
    assert found.what.endswith("ZeroDivisionError: by nothing")
    assert found.remedy


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], ExitCode.DONE),
        ([OK, WARNING], ExitCode.DONE),
        ([OK, PROBLEM], ExitCode.OPERATOR_MUST_ACT),
        ([OK, SILENT], ExitCode.RETRY_LATER),
        ([SILENT, PROBLEM], ExitCode.OPERATOR_MUST_ACT),
    ],
)
def test_the_exit_code(findings: list[Finding], code: ExitCode) -> None:
    """Warnings are allowed; where all problems are missing answers, another try may do."""
    assert exit_code_of(findings) == code
