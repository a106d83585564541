"""An agent of launchd, for macOS."""

from __future__ import annotations

import os
import plistlib
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import files
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.schedule import programs, results
from futurscam_lib.schedule.target import File, Plan, Standing

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.schedule.programs import Call
    from futurscam_lib.schedule.target import Job
    from futurscam_lib.schedule.timing import Timing

LABEL: Final = "com.futurscam.etl"
_SCHEDULER: Final = f"launchd, agent {LABEL}"
_REMEDY: Final = (
    "launchd takes agents of a user who is logged in at the screen, not of one who came by ssh alone. "
    "Elsewhere: `futurscam schedule install --print --for cron`, or `futurscam loop`."
)
_HINT: Final = "It runs while you are logged in; starts missed in sleep are made up for by one at wake-up."
_FACT: Final = r"^\s*{} = (.+)$"


def _domain() -> str:
    # Printed on Windows, which numbers no users, it stands for the first user of a Mac.
    return f"gui/{os.getuid() if hasattr(os, 'getuid') else 501}"


@dataclass(frozen=True, slots=True)
class Launchd:
    """launchd, reached through `call`; agents live in `folder`."""

    call: Call = programs.call
    folder: Path = field(default_factory=lambda: Path.home() / "Library" / "LaunchAgents")
    domain: str = field(default_factory=_domain)

    @property
    def file(self) -> Path:
        """Where the agent is kept."""
        return self.folder / f"{LABEL}.plist"

    def plan(self, job: Job, *, now: datetime) -> Plan:  # noqa: ARG002 - launchd counts for itself
        """Tell what installing would do."""
        text = plistlib.dumps(agent(job), sort_keys=False).decode()
        return Plan((File(str(self.file), text),), (shlex.join(self._bootstrap()),), (_HINT,))

    def install(self, job: Job, *, now: datetime) -> tuple[str, ...]:
        """Write the agent and load it, in place of the one that is loaded."""
        (file,) = self.plan(job, now=now).files
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            files.write_atomically(self.file, file.text.encode())
        except OSError as error:
            raise OperatorMustAct(f"{self.file} can't be written ({error.strerror}). Nothing has changed.") from error
        self._bootout()
        state = f"The agent is in {self.file}, but is not loaded."
        programs.must(self.call(*self._bootstrap()), what="launchctl bootstrap", remedy=f"{state} {_REMEDY}")
        return (_HINT, f"To start it now: launchctl kickstart {self.domain}/{LABEL}")

    def show(self) -> Standing:
        """Tell how the agent stands."""
        done = self.call("launchctl", "print", f"{self.domain}/{LABEL}")
        if done.code == 0:
            return _standing(done.output, self._command())
        note = f"{self.file} is there, but not loaded: install it again. " if self.file.exists() else ""
        return Standing(_SCHEDULER, installed=False, notes=(f"{note}launchctl says: {done.words}",))

    def remove(self) -> str:
        """Unload the agent, which ends a run that is under way, and delete it."""
        if not self.file.exists():
            return f"There was nothing to remove: no {self.file}."
        done = self._bootout()
        self.file.unlink(missing_ok=True)
        return f"Removed: {_SCHEDULER}." + (f" launchctl says: {done.words}" if done.code else "")

    def _bootstrap(self) -> tuple[str, ...]:
        return ("launchctl", "bootstrap", self.domain, str(self.file))

    def _bootout(self) -> programs.Done:
        # Fails where none is loaded, which is fine.
        return self.call("launchctl", "bootout", f"{self.domain}/{LABEL}")

    def _command(self) -> str:
        try:
            return shlex.join(plistlib.loads(self.file.read_bytes())["ProgramArguments"])
        except (OSError, KeyError, plistlib.InvalidFileException):
            return ""


def agent(job: Job) -> dict[str, Any]:
    """The agent as a property list holds it."""
    command = {"ProgramArguments": list(job.command()), "WorkingDirectory": job.project}
    return {"Label": LABEL, **command, **_starts(job.timing)}


def _starts(timing: Timing) -> dict[str, Any]:
    if not timing.divides_the_day:
        return {"StartInterval": timing.every * 60}
    starts = [
        {"Minute": minute} if pattern.every_hour else {"Hour": hour, "Minute": minute}
        for pattern in timing.patterns()
        for minute in pattern.minutes
        for hour in (pattern.hours[:1] if pattern.every_hour else pattern.hours)
    ]
    return {"StartCalendarInterval": starts}


def _standing(told: str, command: str) -> Standing:
    code = re.match(r"\d+", _fact(told, "last exit code"))
    result = int(code[0]) if code else None
    return Standing(
        _SCHEDULER,
        installed=True,
        state=_fact(told, "state"),
        command=command,
        last_result=result,
        meaning="not yet run since it was loaded"
        if _fact(told, "runs") == "0"
        else ""
        if result is None
        else results.meaning(result),
        notes=("launchd does not tell when it ran last or runs next; `futurscam status` knows the runs.",),
    )


def _fact(told: str, name: str) -> str:
    found = re.search(_FACT.format(re.escape(name)), told, re.MULTILINE)
    return found[1].strip() if found else ""
