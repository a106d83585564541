"""Every error of the project, named by what happens next, each with its exit code."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

NOTHING_LOST: Final = "Nothing was lost: .last_execution stays where it is, the next run reads the same window again."
"""What state things are in after something did not answer."""


class ExitCode(IntEnum):
    """What `futurscam` ends with; a scheduler and the operator's scripts read it."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    RETRY_LATER = 3
    OPERATOR_MUST_ACT = 4
    ALREADY_RUNNING = 5


class FuturscamError(Exception):
    """Root of all errors told to a person; its text says what happened, what state things are in, what to do."""

    exit_code: ExitCode = ExitCode.FAILED


class UsageError(FuturscamError):
    """A setting or an argument is wrong; nothing has run."""

    exit_code = ExitCode.USAGE


class RetryLater(FuturscamError):
    """Something that the run needs did not answer; the next run reads the same window again."""

    exit_code = ExitCode.RETRY_LATER


class OperatorMustAct(FuturscamError):
    """The next run would fail the same way until a person does something."""

    exit_code = ExitCode.OPERATOR_MUST_ACT


class Refused(OperatorMustAct):
    """A service answered, and said no.

    Args:
        message: For a person, with the remedy where one is known.
        status: HTTP status; 0 where the service speaks another protocol.
        code: The service's own word for it, empty where it gives none.
    """

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        """See the class."""
        super().__init__(message)
        self.status, self.code = status, code

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling, which by default would forget the status."""
        return (_rebuild_refused, (str(self), self.status, self.code))


class AlreadyRunning(FuturscamError):
    """Another run holds the lock."""

    exit_code = ExitCode.ALREADY_RUNNING


class NotReconciled(FuturscamError):
    """The sum of what was loaded is not the sum of what was extracted."""


class Rejected(FuturscamError):
    """A record cannot become an RFP document; it goes to the quarantine and the run goes on.

    Args:
        message: What is wrong with it, without the value itself where that may be long.
        code: A short, stable word to count by: `broken-json`, `missing`, `wrong-type`, `too-large`...
        path: The field, dotted (`budgetInfo.minDailyRate`); empty where the whole record is meant.
        line: Line in the source file, from 1; 0 where lines have no meaning.
        column: Column in that line, from 1; 0 where unknown.
    """

    def __init__(self, message: str, *, code: str, path: str = "", line: int = 0, column: int = 0) -> None:
        """See the class."""
        super().__init__(message)
        self.message, self.code, self.path, self.line, self.column = message, code, path, line, column

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling, which by default would call the constructor without its keywords."""
        return (_rebuild_rejected, (self.message, self.code, self.path, self.line, self.column))


def _rebuild_rejected(message: str, code: str, path: str, line: int, column: int) -> Rejected:
    return Rejected(message, code=code, path=path, line=line, column=column)


def _rebuild_refused(message: str, status: int, code: str) -> Refused:
    return Refused(message, status=status, code=code)


def exit_code_of(class_name: str) -> ExitCode:
    """Exit code for an error that crossed a process border as a class name, as a notebook's traceback does."""
    found = globals().get(class_name)
    if isinstance(found, type) and issubclass(found, FuturscamError):
        return found.exit_code
    return ExitCode.FAILED
