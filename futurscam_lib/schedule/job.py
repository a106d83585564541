"""The scheduled job, the plan of its installation and its status, alike for every system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import jinja2

from futurscam_lib import clock
from futurscam_lib.errors import UsageError
from futurscam_lib.report.tables import Shown, Table

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from futurscam_lib.schedule.timing import Timing

_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader(str(__package__)),
    autoescape=jinja2.select_autoescape(["xml.j2", "plist.j2"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Job:
    """What runs, and when. Paths are texts, because they may be paths of another system.

    Attributes:
        python: The interpreter of this environment.
        project: The folder to run in.
        home: The home, if it is not the project; schedulers pass on no environment, so the command names it.
        timing: When it starts.
        limit: How long the system lets it run: longer than the run's own budget, so that a run that takes too long is
            ended by its own supervisor, which still writes the ledger.
        password: Whether Windows keeps the user's password, to run while nobody is logged on.
    """

    python: str
    project: str
    home: str
    timing: Timing
    limit: timedelta
    password: bool = False

    def __post_init__(self) -> None:
        """Refuse paths that no scheduler can store."""
        for path in (self.python, self.project, self.home):
            if not path.isprintable():
                raise UsageError(f"The path {path!r} has a line break or another control character; rename it.")

    @property
    def description(self) -> str:
        """Return the description that the scheduler shows."""
        return "Extraction et transformation automatique des RFPs"

    def command(self, *options: str) -> tuple[str, ...]:
        """The program and its arguments."""
        home = ("--home", self.home) if self.home else ()
        return (self.python, "-X", "utf8", "-m", "futurscam_lib", *home, *options, "run")

    def render(self, template: str, **values: object) -> str:
        """The job as a template of `templates/` writes it; XML is escaped, other values come quoted as needed."""
        return _TEMPLATES.get_template(template).render(job=self, **values)


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
class ScheduleStatus(Shown):
    """The status of the schedule on this machine.

    Attributes:
        scheduler: What it is called.
        installed: Whether the job is scheduled.
        state: The scheduler's own word for it.
        command: What it runs.
        last_run: When it ran last; None if it has not, or it is unknown.
        last_result: The exit code or result of that run; None if unknown.
        meaning: What that result means.
        next_run: When it runs next; None if unknown.
        missed: How many starts were missed; None if the scheduler does not count them.
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
        """Return the table to print."""
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
        """Return the fields as JSON holds them."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        instants = {name: at and clock.to_text(at) for name, at in values.items() if name in {"last_run", "next_run"}}
        return {**values, **instants, "notes": list(self.notes)}


class Planner(Protocol):
    """Can describe what installing would do."""

    def plan(self, job: Job, *, now: datetime) -> Plan:
        """What installing would do; writes and calls nothing. `now` is aware, in the machine's zone."""


class Scheduler(Planner, Protocol):
    """A scheduler of this machine. Each of these raises OperatorMustAct if the scheduler can't be used."""

    def install(self, job: Job, *, now: datetime) -> tuple[str, ...]:
        """Schedule the job, in place of what was scheduled; returns what to know about it, a sentence each."""

    def status(self) -> ScheduleStatus:
        """The current status."""

    def remove(self) -> str:
        """Unschedule it, and return a sentence about it; a run in progress goes on where the system lets it."""


def _number(result: int) -> str:
    # Windows' own codes are known by their hexadecimal form, the exit codes of programs are not.
    return str(result) if 0 <= result < 256 else f"{result:#x}"  # noqa: PLR2004 - a byte
