"""A task of Windows Task Scheduler as the XML that `schtasks /create /xml` reads, and what is read back of it."""

from __future__ import annotations

import codecs
import subprocess
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from futurscam_lib.schedule.target import DESCRIPTION
from futurscam_lib.schedule.timing import DAY, iso_duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from futurscam_lib.schedule.target import Job

_NAMESPACE: Final = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_USER: Final = "Author"
"""What the task calls its one user."""

_SETTINGS: Final = {
    "AllowStartOnDemand": "true",
    "RestartOnFailure": {"Interval": "PT5M", "Count": "3"},
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "AllowHardTerminate": "true",
    "StartWhenAvailable": "true",
    "RunOnlyIfNetworkAvailable": "true",
    "Enabled": "true",
}


def text(job: Job, *, user: str, now: datetime) -> str:
    """The task, without a declaration, for whoever reads it.

    Args:
        job: What it runs.
        user: The SID of the one it runs as.
        now: It starts first after this; aware, in the machine's zone.
    """
    parts = {
        "RegistrationInfo": {"Description": DESCRIPTION},
        "Triggers": _trigger(job, now),
        "Settings": {**_SETTINGS, "ExecutionTimeLimit": iso_duration(job.limit)},
        "Principals": {"Principal": _principal(job, user)},
        "Actions": {"@Context": _USER, "Exec": _action(job)},
    }
    root = _element("Task", {"@version": "1.2", "@xmlns": _NAMESPACE, **parts})
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def encode(task: str) -> bytes:
    """The task as `schtasks` wants it: UTF-16 with a byte order mark, and a declaration that says so."""
    declared = f'<?xml version="1.0" encoding="UTF-16"?>\n{task}'.replace("\n", "\r\n")
    return codecs.BOM_UTF16_LE + declared.encode("utf-16-le")


def command_of(task: str) -> str:
    """The command line of a task that Windows holds; empty where it is no such XML."""
    try:
        # Its declaration says UTF-16 whatever it was printed in, so it is read as the text that it is by now.
        root = ET.fromstring(task.lstrip("\ufeff").strip())  # noqa: S314 - from Windows' own program
    except (ET.ParseError, ValueError):
        return ""
    program, arguments = (root.findtext(f".//{{{_NAMESPACE}}}{name}", "") for name in ("Command", "Arguments"))
    return f"{program} {arguments}".strip()


def _trigger(job: Job, now: datetime) -> dict[str, Any]:
    first = job.timing.first(now)
    if job.timing.every == DAY:
        # Without a zone: a daily run keeps its time of day when the clocks change.
        start = {"Enabled": "true", "StartBoundary": f"{first:%Y-%m-%dT%H:%M:%S}"}
        return {"CalendarTrigger": {**start, "ScheduleByDay": {"DaysInterval": "1"}}}
    # In UTC: the clocks' change neither doubles a start nor leaves one out. Without a Duration it repeats for ever;
    # the longest one there is, which PowerShell writes for that, is refused.
    every = iso_duration(timedelta(minutes=job.timing.every))
    return {
        "TimeTrigger": {
            "Enabled": "true",
            "StartBoundary": f"{first.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "Repetition": {"Interval": every, "StopAtDurationEnd": "false"},
        }
    }


def _principal(job: Job, user: str) -> dict[str, str]:
    logon = "Password" if job.password else "InteractiveToken"
    return {"@id": _USER, "UserId": user, "LogonType": logon, "RunLevel": "LeastPrivilege"}


def _action(job: Job) -> dict[str, str]:
    program, *arguments = job.command()
    # The program and the folder stand without quotation marks, the arguments as the program will take them apart.
    return {
        "Command": program,
        "Arguments": subprocess.list2cmdline(arguments),
        "WorkingDirectory": job.project,
    }


def _element(name: str, content: str | Mapping[str, Any]) -> ET.Element:
    element = ET.Element(name)
    if isinstance(content, str):
        element.text = content
        return element
    for child, value in content.items():
        if child.startswith("@"):
            element.set(child[1:], value)
        else:
            element.append(_element(child, value))
    return element
