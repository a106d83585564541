"""What a check is, what it looks at, and what it returns."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from futurscam_lib.errors import ExitCode, FuturscamError, RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pymongo.database import Database

    from futurscam_lib.settings import Settings

State: TypeAlias = Literal["ok", "warning", "problem"]

_OWN_FAULT: Final = "This is a fault of the doctor: please report it with the output of `futurscam doctor --json`."
_SYSTEM: Final = "Correct the file, the permission or the connection that it names, then check again: futurscam doctor"
_AGAIN: Final = "Correct that, then check again: futurscam doctor"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check reports.

    Attributes:
        name: What was checked, in a word or two.
        state: `ok`; `warning`: runs still work; `problem`: runs fail, or do not do what they should.
        what: What the check saw, in a sentence.
        remedy: What to do about it, with the exact command; empty if all is well.
        no_answer: Whether it is a problem only because something did not answer, so that a retry may help.
    """

    name: str
    state: State
    what: str
    remedy: str = ""
    no_answer: bool = False


@dataclass(slots=True)
class Subject:
    """The home that is checked. Read-only.

    Attributes:
        settings: Its settings; defaults in place of those that are wrong.
        environ: The environment.
        now: The current instant, aware, UTC.
        sources: The sources whose settings are right.
        deep: Whether to start a kernel, too.
    """

    settings: Settings
    environ: Mapping[str, str]
    now: datetime
    sources: Sequence[str] = ()
    deep: bool = False
    _opened: ExitStack = field(default_factory=ExitStack)
    _database: Database[dict[str, Any]] | None = None

    def database(self) -> Database[dict[str, Any]]:
        """The home's database; all checks share one client.

        Raises:
            FuturscamError: MongoDB does not answer, or refuses.
        """
        from futurscam_lib.load import mongo

        if self._database is None:
            client = self._opened.enter_context(mongo.connect(self.settings))
            self._database = client[self.settings.database]
        return self._database

    def close(self) -> None:
        """Close the client."""
        self._opened.close()


@dataclass(frozen=True, slots=True)
class Check:
    """One entry of the catalogue.

    Attributes:
        name: What is checked, in a word or two.
        look: Returns what it saw; nothing if there is nothing to report.
        after: A check of the same group; without a result of it, or with a problem, this check is skipped.
    """

    name: str
    look: Callable[[Subject], CheckResult | Sequence[CheckResult]]
    after: str = ""


def run(checks: Iterable[Check], subject: Subject) -> Iterator[CheckResult]:
    """Run the checks of one group."""
    usable: set[str] = set()
    for check in checks:
        if check.after and check.after not in usable:
            continue
        results = attempt(check, subject)
        if results and not any(result.state == "problem" for result in results):
            usable.add(check.name)
        yield from results


def attempt(check: Check, subject: Subject) -> Sequence[CheckResult]:
    """Run one check; an error that it raises becomes a result."""
    name = check.name
    try:
        answer = check.look(subject)
    except FuturscamError as error:
        return [result_of(name, error)]
    except OSError as error:
        return [CheckResult(name, "problem", f"It could not be checked: {error}", _SYSTEM)]
    except Exception as error:  # noqa: BLE001 - a check that fails must not hide the others
        return [CheckResult(name, "problem", f"It could not be checked: {type(error).__name__}: {error}", _OWN_FAULT)]
    return [answer] if isinstance(answer, CheckResult) else answer


def result_of(name: str, error: FuturscamError, *, remedy: str = "") -> CheckResult:
    """An error as a problem; by convention its first line says what happened and the rest what to do.

    Args:
        name: What was checked.
        error: What it raised.
        remedy: Better advice than the error's own, which is mostly about a run.
    """
    what, _, rest = str(error).partition("\n")
    return CheckResult(name, "problem", what, remedy or rest or _AGAIN, no_answer=isinstance(error, RetryLater))


def exit_code_of(results: Iterable[CheckResult]) -> ExitCode:
    """The exit code of the command: warnings are allowed; if only answers are missing, a retry may help."""
    problems = [result for result in results if result.state == "problem"]
    if not problems:
        return ExitCode.DONE
    retry = all(problem.no_answer for problem in problems)
    return ExitCode.RETRY_LATER if retry else ExitCode.OPERATOR_MUST_ACT
