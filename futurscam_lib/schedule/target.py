"""What is scheduled, what installing it would do, and how it stands: the same for every system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from futurscam_lib import clock
from futurscam_lib.errors import UsageError
from futurscam_lib.report.tables import Shown, Table

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from futurscam_lib.schedule.timing import Timing

DESCRIPTION: Final = "Extraction et transformation automatique des RFPs"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run, and when. Paths are texts, for they may be those of another system.

    Attributes:
        python: The interpreter of this environment.
        project: The folder to run in.
        home: The home, where it is not the project; schedulers hand on no environment, so the command names it.
        timing: When it starts.
        limit: How long the system lets it run: longer than the run's own budget, so that a run that takes too long is
            ended by its own supervisor, who still writes the ledger.
        password: Whether Windows keeps the user's password, to run while nobody is logged on.
    """

    python: str
    project: str
    home: str
    timing: Timing
    limit: timedelta
    password: bool = False

    def __post_init__(self) -> None:
        """Refuse what no scheduler can write down."""
        for path in (self.python, self.project, self.home):
            if not path.isprintable():
                raise UsageError(f"The path {path!r} has a line break or another control character; rename it.")

    def command(self, *options: str) -> tuple[str, ...]:
        """The program and its arguments."""
        home = ("--home", self.home) if self.home else ()
        return (self.python, "-X", "utf8", "-m", "futurscam_lib", *home, *options, "run")


@dataclass(frozen=True, slots=True)
class File:
    """A file that installing writes: where, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What installing would do.

    Attributes:
        files: What it would write.
        calls: The commands it would call, as a person types them.
        notes: What to know about it, a sentence each.
    """

    files: tuple[File, ...]
    calls: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Standing(Shown):
    """How the schedule stands on this machine.

    Attributes:
        scheduler: Who keeps it.
        installed: Whether it is there.
        state: In a word of the scheduler's.
        command: What it runs.
        last_run: When it ran last; None where it has not, or nobody knows.
        last_result: What that run ended with; None where unknown.
        meaning: What that result says.
        next_run: When it runs next; None where nobody knows.
        missed: How many starts were missed; None where nobody counts.
        notes: What else is worth knowing, a sentence each.
    """

    scheduler: str
    installed: bool
    state: str = ""
    command: str = ""
    last_run: datetime | None = None
    last_result: int | None = None
    meaning: str = ""
    next_run: datetime | None = None
    missed: int | None = None
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """What is shown."""
        result = "" if self.last_result is None else _number(self.last_result)
        rows = [
            ("scheduler", self.scheduler),
            ("installed", self.installed),
            ("state", self.state),
            ("runs", self.command),
            ("last run (UTC)", self.last_run),
            ("last result", ": ".join(part for part in (result, self.meaning) if part)),
            ("next run (UTC)", self.next_run),
            ("missed runs", self.missed),
        ]
        return Table(("schedule", "value"), [row for row in rows if row[1] not in {None, ""}], notes=self.notes)

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        instants = {name: at and clock.to_text(at) for name, at in told.items() if name in {"last_run", "next_run"}}
        return {**told, **instants, "notes": list(self.notes)}


class Planner(Protocol):
    """Who can say what installing would do."""

    def plan(self, job: Job, *, now: datetime) -> Plan:
        """Tell what installing would do; writes and calls nothing. `now` is aware, in the machine's zone."""


class Target(Planner, Protocol):
    """A scheduler of this machine. Each of these raises OperatorMustAct where the scheduler can't be used."""

    def install(self, job: Job, *, now: datetime) -> tuple[str, ...]:
        """Schedule the job, in place of what was scheduled; gives what to know about it, a sentence each."""

    def show(self) -> Standing:
        """Tell how it stands."""

    def remove(self) -> str:
        """Take it away, and say so; what runs at this moment goes on where the system lets it."""


def _number(result: int) -> str:
    # Windows' own codes are known by their hexadecimal form, the exit codes of programs are not.
    return str(result) if 0 <= result < 256 else f"{result:#x}"  # noqa: PLR2004 - a byte
