"""A timer of systemd's user manager."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock, files
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.schedule import programs, results
from futurscam_lib.schedule.target import DESCRIPTION, File, Plan, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from futurscam_lib.schedule.programs import Call
    from futurscam_lib.schedule.target import Job
    from futurscam_lib.schedule.timing import Pattern, Timing

_NAME: Final = "futurscam-etl"
SERVICE: Final = f"{_NAME}.service"
TIMER: Final = f"{_NAME}.timer"
_SCHEDULER: Final = f"systemd, user timer {TIMER}"
_CALL: Final = ("systemctl", "--user")
# Restarted and not just started: a timer that is there already would keep its old times.
_CALLS: Final = (("daemon-reload",), ("enable", "--now", TIMER), ("restart", TIMER))

_REMEDY: Final = (
    "The user manager of systemd is there after a login, not in a container or after `su`. To reach it without one: "
    "`loginctl enable-linger`, then XDG_RUNTIME_DIR=/run/user/$(id -u). Without systemd: "
    "`futurscam schedule install --print --for cron`, or `futurscam loop`."
)
_HINT: Final = "It runs while you are logged in; after `loginctl enable-linger` it runs while nobody is, too."
_LONGEST_DELAY: Final = 60
_REFUSED: Final = set("'\"\\$")
"""What systemd takes in no program's name, but in any argument."""
_KILLED: Final = "2"
_TIMER_PROPERTIES: Final = "LoadState,ActiveState,LastTriggerUSec,NextElapseUSecRealtime"
_SERVICE_PROPERTIES: Final = "ActiveState,Result,ExecMainCode,ExecMainStatus,ExecMainStartTimestamp"


def _folder() -> Path:
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(configured) if configured else Path.home() / ".config") / "systemd" / "user"


@dataclass(frozen=True, slots=True)
class Systemd:
    """The user manager, reached through `call`; units live in `folder`."""

    call: Call = programs.call
    folder: Path = field(default_factory=_folder)

    def plan(self, job: Job, *, now: datetime) -> Plan:  # noqa: ARG002 - systemd counts for itself
        """Tell what installing would do."""
        units = ((SERVICE, service(job)), (TIMER, timer(job.timing)))
        calls = tuple(shlex.join((*_CALL, *arguments)) for arguments in _CALLS)
        return Plan(tuple(File(str(self.folder / name), text) for name, text in units), calls, (_HINT,))

    def install(self, job: Job, *, now: datetime) -> tuple[str, ...]:
        """Write both units and start the timer."""
        plan = self.plan(job, now=now)
        self._systemctl("daemon-reload", state="Nothing has changed.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in plan.files:
                files.write_atomically(Path(file.path), file.text.encode())
        except OSError as error:
            raise OperatorMustAct(
                f"{self.folder} can't be written ({error.strerror}). Nothing is scheduled."
            ) from error
        for arguments in _CALLS:
            self._systemctl(*arguments, state=f"The units are in {self.folder}, but the timer does not run.")
        return (_HINT, f"To start it now: systemctl --user start {SERVICE}")

    def show(self) -> Standing:
        """Tell how timer and service stand."""
        timer = self._properties(TIMER, _TIMER_PROPERTIES)
        if timer.get("LoadState") != "loaded":
            return Standing(_SCHEDULER, installed=False)
        service = self._properties(SERVICE, _SERVICE_PROPERTIES)
        result, meaning = _result(service)
        return Standing(
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
        """Stop the timer and delete both units; a run that is under way ends by itself."""
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
        told = self._systemctl("show", f"--property={names}", unit, state="Nothing is known of the timer.")
        return dict(line.partition("=")[::2] for line in told.splitlines())

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
    started = " ".join([_quoted(program), *(_quoted(text.replace("$", "$$")) for text in arguments)])
    return (
        f"[Unit]\nDescription={DESCRIPTION}\n\n"
        f"[Service]\nType=oneshot\nTimeoutStartSec={job.limit.total_seconds():.0f}s\n"
        f"WorkingDirectory={_without_specifiers(job.project)}\nExecStart={started}\n"
    )


def timer(timing: Timing) -> str:
    """The unit that starts it."""
    delay = min(_LONGEST_DELAY, timing.every * 60 // 10)
    lines = [*_starts(timing), f"RandomizedDelaySec={delay}s", "AccuracySec=1s"]
    timed = "\n".join(lines)
    return f"[Unit]\nDescription={DESCRIPTION}\n\n[Timer]\n{timed}\n\n[Install]\nWantedBy=timers.target\n"


def _starts(timing: Timing) -> list[str]:
    if timing.divides_the_day:
        return [*(f"OnCalendar={_calendar(pattern)}" for pattern in timing.patterns()), "Persistent=true"]
    # No calendar holds such starts. A monotonic timer has nothing to catch up: it starts anew at each login.
    return [f"OnActiveSec={timing.every}min", f"OnUnitActiveSec={timing.every}min"]


def _calendar(pattern: Pattern) -> str:
    hours = "*" if pattern.every_hour else _numbers(pattern.hours)
    return f"*-*-* {hours}:{_numbers(pattern.minutes)}:00"


def _numbers(values: tuple[int, ...]) -> str:
    return ",".join(f"{value:02}" for value in values)


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
    found = re.search(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC", text)
    return clock.parse(f"{found[1]}T{found[2]}Z") if found else None
