"""An agent of launchd, for macOS."""

from __future__ import annotations

import os
import plistlib
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from futurscam_lib.schedule import programs, results
from futurscam_lib.schedule.job import File, Plan, ScheduleStatus

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.schedule.job import Job
    from futurscam_lib.schedule.programs import Call

LABEL: Final = "com.futurscam.etl"
_SCHEDULER: Final = f"launchd, agent {LABEL}"
_REMEDY: Final = (
    "launchd takes agents of a user who is logged in at the screen, not of a user who is only logged in by ssh. "
    "Elsewhere: `futurscam schedule install --print --for cron`, or `futurscam loop`."
)
_HINT: Final = "It runs while you are logged in; starts missed in sleep are made up for by one at wake-up."


def _domain() -> str:
    # Windows users have no numbers; when printed there, use the number of a Mac's first user.
    return f"gui/{os.getuid() if hasattr(os, 'getuid') else 501}"


@dataclass(frozen=True, slots=True)
class Launchd:
    """launchd, reached through `call`; agents are in `folder`."""

    call: Call = programs.call
    folder: Path = field(default_factory=lambda: Path.home() / "Library" / "LaunchAgents")
    domain: str = field(default_factory=_domain)

    @property
    def file(self) -> Path:
        """The file of the agent."""
        return self.folder / f"{LABEL}.plist"

    def plan(self, job: Job, *, now: datetime) -> Plan:  # noqa: ARG002 - launchd counts for itself
        """What installing would do."""
        text = job.render("launchd.plist.j2", label=LABEL)
        return Plan((File(str(self.file), text),), (shlex.join(self._bootstrap()),), (_HINT,))

    def install(self, job: Job, *, now: datetime) -> tuple[str, ...]:
        """Write the agent and load it, in place of the agent that is loaded."""
        programs.write(self.plan(job, now=now).files, state="Nothing has changed.")
        self._bootout()
        state = f"The agent is in {self.file}, but is not loaded."
        programs.must(self.call(*self._bootstrap()), what="launchctl bootstrap", remedy=f"{state} {_REMEDY}")
        return (_HINT, f"To start it now: launchctl kickstart {self.domain}/{LABEL}")

    def status(self) -> ScheduleStatus:
        """The status of the agent."""
        done = self.call("launchctl", "print", f"{self.domain}/{LABEL}")
        if done.code != 0:
            note = f"{self.file} is there, but not loaded: install it again. " if self.file.exists() else ""
            return ScheduleStatus(_SCHEDULER, installed=False, notes=(f"{note}launchctl says: {done.words}",))
        code = re.match(r"\d+", _value(done.output, "last exit code"))
        result = int(code[0]) if code else None
        meaning = "" if result is None else results.meaning(result)
        return ScheduleStatus(
            _SCHEDULER,
            installed=True,
            state=_value(done.output, "state"),
            command=self._command(),
            last_result=result,
            meaning="not yet run since it was loaded" if _value(done.output, "runs") == "0" else meaning,
            notes=("launchd does not show when it ran last or runs next; `futurscam status` shows the runs.",),
        )

    def remove(self) -> str:
        """Unload the agent, which ends a run in progress, and delete it."""
        if not self.file.exists():
            return f"There was nothing to remove: no {self.file}."
        done = self._bootout()
        self.file.unlink(missing_ok=True)
        return f"Removed: {_SCHEDULER}." + (f" launchctl says: {done.words}" if done.code else "")

    def _bootstrap(self) -> tuple[str, ...]:
        return ("launchctl", "bootstrap", self.domain, str(self.file))

    def _bootout(self) -> programs.Done:
        # Fails if none is loaded, which is fine.
        return self.call("launchctl", "bootout", f"{self.domain}/{LABEL}")

    def _command(self) -> str:
        try:
            return shlex.join(plistlib.loads(self.file.read_bytes())["ProgramArguments"])
        except (OSError, KeyError, plistlib.InvalidFileException):
            return ""


def _value(output: str, name: str) -> str:
    match = re.search(rf"^\s*{re.escape(name)} = (.+)$", output, re.MULTILINE)
    return match[1].strip() if match else ""
