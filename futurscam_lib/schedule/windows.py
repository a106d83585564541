"""Windows Task Scheduler, through `schtasks`, and PowerShell for past runs, which does not translate names."""

from __future__ import annotations

import codecs
import csv
import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from futurscam_lib import clock
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.schedule import programs, results
from futurscam_lib.schedule.job import File, Plan, ScheduleStatus
from futurscam_lib.schedule.timing import iso_duration

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.schedule.job import Job
    from futurscam_lib.schedule.programs import Call, Done

NAME: Final = "FuturScam ETL"
_SCHEDULER: Final = f"Windows Task Scheduler, task {NAME}"
_NAMESPACE: Final = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"

_REMEDY: Final = (
    "Nothing has changed. If access was refused, the task belongs to an administrator, or a policy forbids it: "
    "try again in a console that was opened with `Run as administrator`."
)
_HINTS: Final = {
    False: "It runs while you are logged on; with --password it runs while nobody is, too.",
    True: "It runs whether you are logged on or not. After a change of your password, install it again.",
}

# `schtasks /query` speaks the language of the system; these names and numbers are the same in all of them.
PAST_RUNS: Final = f"""
$ErrorActionPreference = 'Stop'
function utc($at) {{ if ($at) {{ $at.ToUniversalTime().ToString('o') }} else {{ '' }} }}
$task = Get-ScheduledTask -TaskPath '\\' -TaskName '{NAME}'
$info = $task | Get-ScheduledTaskInfo
@{{
    state = [int]$task.State
    last = (utc $info.LastRunTime)
    result = $info.LastTaskResult
    next = (utc $info.NextRunTime)
    missed = $info.NumberOfMissedRuns
}} | ConvertTo-Json -Compress
"""
_STATES: Final = {1: "disabled", 2: "queued", 3: "ready", 4: "running"}
_FIRST_YEAR: Final = 2000
"""Windows says of a task that has not run yet that it ran in 1999 or 1899."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Task Scheduler, reached through `call`."""

    call: Call = programs.call

    def plan(self, job: Job, *, now: datetime) -> Plan:
        """What installing would do; the user is only looked up when it is done."""
        _check(job)
        task = File("task.xml", task_xml(job, user="the SID of the current user", now=now))
        create = subprocess.list2cmdline(_create(job, task.path, "DOMAIN\\user"))
        return Plan((task,), (create,), (_HINTS[job.password],))

    def install(self, job: Job, *, now: datetime) -> tuple[str, ...]:
        """Create the task, or replace it.

        Windows itself asks for a password, at the terminal, and keeps it: it never passes through this program.
        """
        _check(job)
        name, sid = self._who()
        with tempfile.TemporaryDirectory(prefix="futurscam-") as folder:
            file = Path(folder, "task.xml")
            file.write_bytes(encode(task_xml(job, user=sid, now=now)))
            done = self.call(*_create(job, str(file), name), interactive=job.password)
        programs.must(done, what=f"Creating the task {NAME} with schtasks", remedy=_REMEDY)
        return (_HINTS[job.password], f'To start it now: schtasks /run /tn "{NAME}"')

    def status(self) -> ScheduleStatus:
        """The status of the task."""
        task = self._query()
        if task.code != 0:
            return ScheduleStatus(_SCHEDULER, installed=False, notes=(f"schtasks says: {task.words}",))
        past = self._past_runs()
        notes = () if past else ("PowerShell did not answer: the last and the next run are unknown.",)
        return _status(command_of(task.output), past, notes)

    def remove(self) -> str:
        """Delete the task."""
        task = self._query()
        if task.code != 0:
            return f"There was nothing to remove: no task {NAME} (schtasks says: {task.words})"
        done = self.call("schtasks", "/delete", "/tn", NAME, "/f")
        programs.must(done, what=f"Deleting the task {NAME} with schtasks", remedy=_REMEDY)
        return f"Removed: {_SCHEDULER}."

    def _query(self) -> Done:
        return self.call("schtasks", "/query", "/tn", NAME, "/xml")

    def _past_runs(self) -> dict[str, Any]:
        done = self.call("powershell", "-NoProfile", "-NonInteractive", "-Command", PAST_RUNS)
        try:
            past = json.loads(done.output) if done.code == 0 else None
        except ValueError:
            return {}
        return past if isinstance(past, dict) else {}

    def _who(self) -> tuple[str, str]:
        """Name and SID of the current user: a bare name can't always be resolved, a SID can."""
        done = self.call("whoami", "/user", "/fo", "csv", "/nh")
        programs.must(done, what="Asking whoami for the current user", remedy=_REMEDY)
        row = next(csv.reader(done.output.splitlines()), [])
        if not row or not re.fullmatch(r"S-1(-\d+)+", row[-1]):
            raise OperatorMustAct(f"whoami did not name the current user; it says: {done.words}\n{_REMEDY}")
        return row[0], row[-1]


def task_xml(job: Job, *, user: str, now: datetime) -> str:
    """The task as XML, without a declaration.

    Args:
        job: What it runs.
        user: The SID of the user it runs as.
        now: Its first start comes after this; aware, in the machine's zone.
    """
    first = job.timing.first(now)
    return job.render(
        "task.xml.j2",
        user=user,
        first=first,
        first_utc=first.astimezone(UTC),
        interval=iso_duration(timedelta(minutes=job.timing.every)),
        limit=iso_duration(job.limit),
        # Program and folder are written without quotation marks, arguments as the program will split them.
        arguments=subprocess.list2cmdline(job.command()[1:]),
    )


def encode(task: str) -> bytes:
    """The task as `schtasks` reads it: UTF-16 with a byte order mark, and a declaration that says so."""
    declared = f'<?xml version="1.0" encoding="UTF-16"?>\n{task}'.replace("\n", "\r\n")
    return codecs.BOM_UTF16_LE + declared.encode("utf-16-le")


def command_of(task: str) -> str:
    """The command line of a task that Windows shows as XML; empty if it can't be read."""
    try:
        # Its declaration says UTF-16 whatever it was printed in; by now it is text.
        root = ET.fromstring(task.lstrip("\ufeff").strip())  # noqa: S314 - from Windows' own program
    except (ET.ParseError, ValueError):
        return ""
    return " ".join(root.findtext(f".//{_NAMESPACE}{name}", "") for name in ("Command", "Arguments")).strip()


def _create(job: Job, file: str, user: str) -> tuple[str, ...]:
    # The asterisk has schtasks ask for the password.
    password = ("/ru", user, "/rp", "*") if job.password else ()
    return ("schtasks", "/create", "/tn", NAME, "/xml", file, "/f", *password)


def _check(job: Job) -> None:
    for path in (*job.command(), job.project):
        if path.count("%") > 1 or "$(" in path:
            raise UsageError(f"Task Scheduler would put a value in place of a part of {path!r}; rename that folder.")


def _status(command: str, past: dict[str, Any], notes: tuple[str, ...]) -> ScheduleStatus:
    result = past.get("result")
    last = _instant(past.get("last"))
    return ScheduleStatus(
        _SCHEDULER,
        installed=True,
        state=_STATES.get(past.get("state", 0), ""),
        command=command,
        last_run=last if last and last.year >= _FIRST_YEAR and result != results.NOT_YET_RUN else None,
        last_result=result,
        meaning="" if result is None else results.meaning(result),
        next_run=_instant(past.get("next")),
        missed=past.get("missed"),
        notes=notes,
    )


def _instant(text: Any) -> datetime | None:
    return clock.parse(text) if isinstance(text, str) and text else None
