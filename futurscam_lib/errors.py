"""Every error of the project, named by what happens next, each with its exit code."""

from __future__ import annotations

import importlib.util
import sys
from enum import IntEnum
from typing import Final, Self

NOTHING_LOST: Final = "Nothing was lost: .last_execution stays where it is, the next run reads the same window again."
"""The state after something did not answer."""


class ExitCode(IntEnum):
    """Exit code of `futurscam`; schedulers and the operator's scripts read it.

    Attributes:
        meaning: What it means, in words: shown in the help, the log, alerts and the docs.
        remedy: What to do about it; empty if there is nothing to do.
    """

    meaning: str
    remedy: str

    DONE = 0, "done", ""
    FAILED = 1, "the run failed", "`futurscam runs show last` shows why"
    USAGE = 2, "wrong usage or settings", "`futurscam config check` names wrong settings"
    RETRY_LATER = 3, "something that it needs did not answer; the next run tries again", ""
    OPERATOR_MUST_ACT = 4, "the operator must act", "`futurscam status` and `futurscam check` show on what"
    ALREADY_RUNNING = 5, "another run is active", ""

    def __new__(cls, number: int, meaning: str = "", remedy: str = "") -> Self:
        """Make an exit code with its meaning and remedy."""
        code = int.__new__(cls, number)
        code._value_ = number
        code.meaning, code.remedy = meaning, remedy
        return code


class FuturscamError(Exception):
    """Root of all errors shown to people; the text says what happened, what state things are in, and what to do."""

    exit_code: ExitCode = ExitCode.FAILED


class UsageError(FuturscamError):
    """A setting or an argument is wrong; nothing has run."""

    exit_code = ExitCode.USAGE


class MissingExtra(UsageError):
    """Packages of an optional extra are not installed."""


class RetryLater(FuturscamError):
    """Something that the run needs did not answer; the next run reads the same window again."""

    exit_code = ExitCode.RETRY_LATER


class OperatorMustAct(FuturscamError):
    """The next run would fail the same way until a person does something."""

    exit_code = ExitCode.OPERATOR_MUST_ACT


class Refused(OperatorMustAct):
    """A service answered and refused the request.

    Args:
        message: For a person, with the remedy if there is a known one.
        status: HTTP status; 0 if the service speaks another protocol.
        code: The service's own error code; empty if it gives none.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        """See the class."""
        super().__init__(message)
        self.status, self.code = status, code

    def __reduce__(self) -> tuple[object, ...]:
        """Support pickling, which by default would lose the status."""
        return (_rebuild_refused, (str(self), self.status, self.code))


class AlreadyRunning(FuturscamError):
    """Another run holds the lock."""

    exit_code = ExitCode.ALREADY_RUNNING


class NotReconciled(FuturscamError):
    """The counts of loaded records do not add up to the count of extracted records."""


class CellFailed(FuturscamError):
    """A function in a notebook cell failed, or changed a document in a way that is not allowed."""


class Rejected(FuturscamError):
    """A record cannot become an RFP document; it goes to the quarantine and the run goes on.

    Args:
        message: What is wrong with it, without the value itself if that may be long.
        code: A short, stable word to count by: `broken-json`, `missing`, `wrong-type`, `too-large`...
        path: The field, dotted (`budgetInfo.minDailyRate`); empty if the error is about the whole record.
        line: Line in the source file, from 1; 0 if lines have no meaning.
        column: Column in that line, from 1; 0 if unknown.
    """

    def __init__(self, message: str, *, code: str, path: str = "", line: int = 0, column: int = 0) -> None:
        """See the class."""
        super().__init__(message)
        self.message, self.code, self.path, self.line, self.column = message, code, path, line, column

    def __reduce__(self) -> tuple[object, ...]:
        """Support pickling, which by default would call the constructor without its keywords."""
        return (_rebuild_rejected, (self.message, self.code, self.path, self.line, self.column))


def _rebuild_rejected(message: str, code: str, path: str, line: int, column: int) -> Rejected:
    return Rejected(message, code=code, path=path, line=line, column=column)


def _rebuild_refused(message: str, status: int, code: str) -> Refused:
    return Refused(message, status=status, code=code)


def require_extra(extra: str, *modules: str, what: str) -> None:
    """Check that the packages of an extra are installed.

    Args:
        extra: Its name in pyproject.toml.
        modules: The modules that are imported from it.
        what: What needs it, as the subject of a sentence.

    Raises:
        MissingExtra: A package is missing; the text names the command that installs them.
    """
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtra(
            f"{what} needs packages that are not installed. Nothing has run.\nInstall them: {installing(extra)}"
        )


def installing(extra: str) -> str:
    """Return the command that installs the packages of an extra into this environment."""
    python = f'"{sys.executable}"'
    with_pip = importlib.util.find_spec("pip") is not None
    pip = f"{python} -m pip install" if with_pip else f"uv pip install --python {python}"
    return f'{pip} "futurscam-etl[{extra}]"'


def exit_code_of(class_name: str) -> ExitCode:
    """Exit code for an error that crossed a process border as a class name, as a notebook's traceback does."""
    error_class = globals().get(class_name)
    if isinstance(error_class, type) and issubclass(error_class, FuturscamError):
        return error_class.exit_code
    return ExitCode.FAILED
