"""Errors: their exit codes, and that they can be passed between processes."""

from __future__ import annotations

import pickle
import re
import sys

import pytest

from futurscam_lib import errors
from futurscam_lib.errors import ExitCode, FuturscamError, Refused, Rejected

EXIT_CODES = {
    "FuturscamError": 1,
    "NotReconciled": 1,
    "CellFailed": 1,
    "Rejected": 1,
    "UsageError": 2,
    "MissingExtra": 2,
    "RetryLater": 3,
    "OperatorMustAct": 4,
    "Refused": 4,
    "AlreadyRunning": 5,
}
CLASSES = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, FuturscamError)]


def make(kind: type[FuturscamError]) -> FuturscamError:
    """One error of this class, every field filled."""
    if issubclass(kind, Rejected):
        return kind("no number", code="wrong-type", path="budgetInfo.minDailyRate", line=3, column=9)
    if issubclass(kind, Refused):
        return kind("The mailbox refused.", status=403, code="ErrorAccessDenied")
    return kind("The mailbox did not answer.")


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickling(kind: type[FuturscamError]) -> None:
    """Class, text and fields arrive as they left."""
    error = make(kind)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own bytes

    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_each_error_has_the_exit_code_that_the_scheduler_expects() -> None:
    """By class and by class name; an error without an exit code would fail here."""
    assert {kind.__name__: int(kind.exit_code) for kind in CLASSES} == EXIT_CODES
    assert {name: int(errors.exit_code_of(name)) for name in EXIT_CODES} == EXIT_CODES


def test_each_exit_code_has_a_meaning() -> None:
    """It can be looked up by its number, and its meaning fits in a line."""
    assert [int(code) for code in ExitCode] == list(range(6))
    assert ExitCode(3) is ExitCode.RETRY_LATER
    assert all(0 < len(code.meaning) < 80 for code in ExitCode)


def test_a_missing_extra_is_named_with_the_command_that_installs_it() -> None:
    """The command is for the interpreter that lacks the packages."""
    errors.require_extra("export", "json", what="`futurscam export`")

    with pytest.raises(errors.MissingExtra) as raised:
        errors.require_extra("export", "json", "no_such_module", what="`futurscam export`")

    assert str(raised.value).startswith("`futurscam export` needs packages that are not installed. Nothing has run.\n")
    assert re.search(r'pip install.* "futurscam-etl\[export\]"$', str(raised.value))
    assert f'"{sys.executable}"' in str(raised.value)


@pytest.mark.parametrize("name", ["KeyError", "", "ExitCode", "exit_code_of", "__name__", "annotations"])
def test_an_unknown_name_is_a_failed_run(name: str) -> None:
    """An error of another package ends the run with 1."""
    assert errors.exit_code_of(name) is ExitCode.FAILED


def test_a_reject_names_its_place() -> None:
    """A reject's text is its message; its place is in separate fields."""
    error = make(Rejected)

    assert isinstance(error, Rejected)
    assert str(error) == error.message == "no number"
    assert (error.code, error.path, error.line, error.column) == ("wrong-type", "budgetInfo.minDailyRate", 3, 9)


def test_a_refusal_keeps_status_and_code() -> None:
    """Status and code of the service are in separate fields; a service with another protocol has neither."""
    error, bare = make(Refused), Refused("NO [AUTHENTICATIONFAILED]")

    assert isinstance(error, Refused)
    assert (str(error), error.status, error.code) == ("The mailbox refused.", 403, "ErrorAccessDenied")
    assert (bare.status, bare.code) == (0, "")
