"""What a check found, and how a check that fails itself still leaves a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from futurscam_lib.errors import ExitCode, FuturscamError, RetryLater

if TYPE_CHECKING:
    from collections.abc import Iterable

State: TypeAlias = Literal["ok", "warning", "problem"]

_OWN_FAILURE: Final = "That is a fault of the doctor: report it with what `futurscam doctor --json` prints."
_OF_THE_SYSTEM: Final = "Mend the file, the right or the connection that it names, then ask again: futurscam doctor"
_AGAIN: Final = "Put that right, then ask again: futurscam doctor"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the page.

    Attributes:
        name: What was looked at, in a word or two.
        state: `ok`; `warning`, where runs work all the same; `problem`, where they do not, or not rightly.
        what: What was found.
        remedy: What to do about it, with the exact command; empty where all is well.
        no_answer: Whether it is a problem only because something did not answer, so that another try may do.
    """

    name: str
    state: State
    what: str
    remedy: str = ""
    no_answer: bool = False


Check: TypeAlias = Callable[[], "Finding | list[Finding]"]


def of_error(name: str, error: FuturscamError, *, remedy: str = "") -> Finding:
    """An error told to a person, as a problem; by custom its first line says what happened, the rest what to do.

    Args:
        name: What was looked at.
        error: What came of it.
        remedy: Better advice than the error's own, which mostly is about a run.
    """
    what, _, rest = str(error).partition("\n")
    return Finding(name, "problem", what, remedy or rest or _AGAIN, no_answer=isinstance(error, RetryLater))


def attempt(name: str, check: Check) -> list[Finding]:
    """Give what a check found; whatever it raises becomes a finding, too."""
    try:
        found = check()
    except FuturscamError as error:
        return [of_error(name, error)]
    except OSError as error:
        return [Finding(name, "problem", f"It could not be looked at: {error}", _OF_THE_SYSTEM)]
    except Exception as error:  # noqa: BLE001 - one check that fails must not cost the reader all others
        return [Finding(name, "problem", f"It could not be checked: {type(error).__name__}: {error}", _OWN_FAILURE)]
    return [found] if isinstance(found, Finding) else found


def exit_code_of(findings: Iterable[Finding]) -> ExitCode:
    """What the command ends with: warnings are allowed, and where nothing but answers is missing, a retry may do."""
    problems = [finding for finding in findings if finding.state == "problem"]
    if not problems:
        return ExitCode.DONE
    waits = all(problem.no_answer for problem in problems)
    return ExitCode.RETRY_LATER if waits else ExitCode.OPERATOR_MUST_ACT
