"""Checks: errors become results, dependent checks are skipped, and the exit code follows from the results."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from futurscam_lib import clock
from futurscam_lib.diagnostics.checks import Check, CheckResult, Subject, exit_code_of, run
from futurscam_lib.errors import ExitCode, OperatorMustAct, RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.settings import Settings

OK = CheckResult("a", "ok", "fine")
WARNING = CheckResult("b", "warning", "hm", "do this")
PROBLEM = CheckResult("c", "problem", "bad", "do that")
SILENT = CheckResult("d", "problem", "silence", "wait", no_answer=True)


def raises(error: Exception) -> Callable[[Subject], CheckResult]:
    """A check that raises an error."""

    def look(_: Subject) -> CheckResult:
        raise error

    return look


def test_an_error_becomes_a_result(home: Settings) -> None:
    """The first line says what happened, the rest what to do; only `RetryLater` counts as no answer."""
    refused, silent, absent, broken = run(
        [
            Check("refused", raises(OperatorMustAct("It said no.\nGive the right, then:\n  futurscam check"))),
            Check("silent", raises(RetryLater("It said nothing."))),
            Check("absent", raises(FileNotFoundError(2, "No such file", "/x"))),
            Check("broken", raises(ZeroDivisionError("by nothing"))),
        ],
        Subject(home, os.environ, clock.now()),
    )

    assert refused == CheckResult("refused", "problem", "It said no.", "Give the right, then:\n  futurscam check")
    assert silent.no_answer
    assert "/x" in absent.what
    assert all("futurscam doctor" in result.remedy for result in (silent, absent, broken))
    assert broken.what.endswith("ZeroDivisionError: by nothing")


def test_a_check_after_another_is_skipped_if_that_has_a_problem_or_no_result(home: Settings) -> None:
    """What cannot be reached is reported once."""
    checks = [
        Check("good", lambda _: OK),
        Check("bad", lambda _: PROBLEM),
        Check("nothing", lambda _: ()),
        Check("1", lambda _: WARNING, after="good"),
        Check("2", lambda _: WARNING, after="bad"),
        Check("3", lambda _: WARNING, after="nothing"),
    ]

    assert list(run(checks, Subject(home, os.environ, clock.now()))) == [OK, PROBLEM, WARNING]


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([], ExitCode.DONE),
        ([OK, WARNING], ExitCode.DONE),
        ([OK, PROBLEM], ExitCode.OPERATOR_MUST_ACT),
        ([OK, SILENT], ExitCode.RETRY_LATER),
        ([SILENT, PROBLEM], ExitCode.OPERATOR_MUST_ACT),
    ],
)
def test_the_exit_code(results: list[CheckResult], code: ExitCode) -> None:
    """Warnings are allowed; if only answers are missing, a retry may help."""
    assert exit_code_of(results) == code
