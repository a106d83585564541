"""A timer of systemd's user manager."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.schedule import programs, results
from futurscam_lib.schedule.job import File, Plan, ScheduleStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from futurscam_lib.schedule.job import Job
    from futurscam_lib.schedule.programs import Call

_NAME: Final = "futurscam-etl"
SERVICE: Final = f"{_NAME}.service"
TIMER: Final = f"{_NAME}.timer"
_SCHEDULER: Final = f"systemd, user timer {TIMER}"
_CALL: Final = ("systemctl", "--user")
# Restarted and not just started: an existing timer would keep its old times.
_CALLS: Final = (("daemon-reload",), ("enable", "--now", TIMER), ("restart", TIMER))

_REMEDY: Final = (
    "The user manager of systemd is there after a login, not in a container or after `su`. To reach it without one: "
    "`loginctl enable-linger`, then XDG_RUNTIME_DIR=/run/user/$(id -u). Without systemd: "
    "`futurscam schedule install --print --for cron`, or `futurscam loop`."
)
_HINT: Final = "It runs while you are logged in; after `loginctl enable-linger` it runs while nobody is, too."
_LONGEST_DELAY: Final = 60
_REFUSED: Final = set("'\"\\$")
"""Not allowed in the name of a program, but in its arguments."""
_KILLED: Final = "2"
_TIMER_PROPERTIES: Final = "LoadState,ActiveState,LastTriggerUSec,NextElapseUSecRealtime"
_SERVICE_PROPERTIES: Final = "ActiveState,Result,ExecMainCode,ExecMainStatus,ExecMainStartTimestamp"


def _folder() -> Path:
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(configured) if configured else Path.home() / ".config") / "systemd" / "user"


@dataclass(frozen=True, slots=True)
class Systemd:
    """The user manager, reached through `call`; units are in `folder`."""

    call: Call = programs.call
    folder: Path = field(default_factory=_folder)

    def plan(self, job: Job, *, now: datetime) -> Plan:  # noqa: ARG002 - systemd counts for itself
        """What installing would do."""
        units = ((SERVICE, service(job)), (TIMER, timer(job)))
        calls = tuple(shlex.join((*_CALL, *arguments)) for arguments in _CALLS)
        return Plan(tuple(File(str(self.folder / name), text) for name, text in units), calls, (_HINT,))

    def install(self, job: Job, *, now: datetime) -> tuple[str, ...]:
        """Write both units and start the timer."""
        plan = self.plan(job, now=now)
        self._systemctl("daemon-reload", state="Nothing has changed.")
        programs.write(plan.files, state="Nothing is scheduled.")
        for arguments in _CALLS:
            self._systemctl(*arguments, state=f"The units are in {self.folder}, but the timer does not run.")
        return (_HINT, f"To start it now: systemctl --user start {SERVICE}")

    def status(self) -> ScheduleStatus:
        """The status of timer and service."""
        timer = self._properties(TIMER, _TIMER_PROPERTIES)
        if timer.get("LoadState") != "loaded":
            return ScheduleStatus(_SCHEDULER, installed=False)
        service = self._properties(SERVICE, _SERVICE_PROPERTIES)
        result, meaning = _result(service)
        return ScheduleStatus(
            _SCHEDULER,
            installed=True,
            state="running" if service.get("ActiveState") == "activating" else timer.get("ActiveState", ""),
            command=self._command(),
            last_run=_instant(service.get("ExecMainStartTimestamp", "")) or _instant(timer.get("LastTriggerUSec", "")),
            last_result=result,
            meaning=meaning,
            next_run=_instant(timer.get("NextElapseUSecRealtime", "")),
        )

    def remove(self) -> str:
        """Stop the timer and delete both units; a run in progress ends by itself."""
        units = [unit for name in (TIMER, SERVICE) if (unit := self.folder / name).exists()]
        if not units:
            return f"There was nothing to remove: no {_NAME} in {self.folder}."
        self._systemctl("disable", "--now", TIMER, state="Nothing has changed.")
        for unit in units:
            unit.unlink(missing_ok=True)
        self._systemctl("daemon-reload", state="The units are deleted; systemd forgets them when it starts next.")
        return f"Removed: {_SCHEDULER}."

    def _systemctl(self, *arguments: str, state: str) -> str:
        done = self.call(*_CALL, *arguments)
        return programs.must(done, what=shlex.join((*_CALL, *arguments)), remedy=f"{state} {_REMEDY}").output

    def _properties(self, unit: str, names: str) -> dict[str, str]:
        shown = self._systemctl("show", f"--property={names}", unit, state="The timer's state is unknown.")
        return dict(line.partition("=")[::2] for line in shown.splitlines())

    def _command(self) -> str:
        try:
            lines = (self.folder / SERVICE).read_text("utf-8").splitlines()
        except OSError:
            return ""
        return next((line.partition("=")[2] for line in lines if line.startswith("ExecStart=")), "")


def service(job: Job) -> str:
    """The unit that does one run."""
    program, *arguments = job.command()
    if set(program) & _REFUSED:
        program, *arguments = "/usr/bin/env", program, *arguments
    # systemd looks up variables in arguments.
    command = " ".join([_quoted(program), *(_quoted(text.replace("$", "$$")) for text in arguments)])
    return job.render("systemd.service.j2", command=command, folder=_without_specifiers(job.project))


def timer(job: Job) -> str:
    """The unit that starts it."""
    return job.render("systemd.timer.j2", delay=min(_LONGEST_DELAY, job.timing.every * 60 // 10))


def _without_specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_without_specifiers(escaped)}"'


def _result(service: Mapping[str, str]) -> tuple[int | None, str]:
    if not service.get("ExecMainStartTimestamp"):
        return None, "not yet run since login"
    if service.get("ActiveState") == "activating":
        return None, ""
    if service.get("ExecMainCode") == _KILLED or not service.get("ExecMainStatus", "").isdecimal():
        return None, f"ended from outside ({service.get('Result', 'unknown')})"
    status = int(service["ExecMainStatus"])
    return status, results.meaning(status)


def _instant(text: str) -> datetime | None:
    match = re.search(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC", text)
    return clock.parse(f"{match[1]}T{match[2]}Z") if match else None
