"""Runs that the system starts: Windows Task Scheduler, systemd, launchd; lines for cron."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from futurscam_lib import settings
from futurscam_lib.errors import UsageError
from futurscam_lib.schedule.cron import Cron
from futurscam_lib.schedule.job import Job
from futurscam_lib.schedule.launchd import Launchd
from futurscam_lib.schedule.systemd import Systemd
from futurscam_lib.schedule.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from futurscam_lib.schedule.job import Planner, Scheduler
    from futurscam_lib.schedule.timing import Timing
    from futurscam_lib.settings import SettingRow

PLANNERS: Final[dict[str, type[Planner]]] = {
    "windows": Windows,
    "systemd": Systemd,
    "launchd": Launchd,
    "cron": Cron,
}
_GRACE: Final = timedelta(minutes=5)
"""How much longer than its budget the system lets a run take; its own supervisor needs less to end it."""


def this_system(platform: str = sys.platform) -> str:
    """The name of a system's scheduler."""
    return {"win32": "windows", "darwin": "launchd"}.get(platform, "systemd")


def here() -> Scheduler:
    """The scheduler of this machine."""
    schedulers: dict[str, type[Scheduler]] = {"windows": Windows, "systemd": Systemd, "launchd": Launchd}
    return schedulers[this_system()]()


def planner(name: str) -> Planner:
    """Return the planner of a system, which may be another system than this one.

    Raises:
        UsageError: No such system.
    """
    if name not in PLANNERS:
        raise UsageError(f"--for is {name!r}; allowed: {', '.join(PLANNERS)}.")
    return PLANNERS[name]()


def job(timing: Timing, *, password: bool = False, rows: Sequence[SettingRow] | None = None) -> Job:
    """The job that is scheduled from this environment.

    Args:
        timing: When it starts.
        password: Whether Windows keeps the user's password.
        rows: The settings; those of this process when not given.

    Raises:
        UsageError: A setting that it needs is wrong.
    """
    by_name = {row.name: row for row in (settings.explain() if rows is None else rows)}
    home, budget = (by_name[settings.TABLE[field].name] for field in ("home", "run_budget"))
    if problem := home.problem or budget.problem:
        raise UsageError(problem)
    return Job(
        python=sys.executable,
        project=str(settings.DEFAULT_HOME),
        home="" if settings.IS_CLONE and home.value == str(settings.PROJECT) else home.value,
        timing=timing,
        limit=timedelta(minutes=float(budget.value)) + _GRACE,
        password=password,
    )


def unseen(rows: Sequence[SettingRow] | None = None) -> list[str]:
    """Return the settings that come from this process's environment, which a scheduled run does not get."""
    known = {variable.name for variable in settings.TABLE.values()} - {settings.HOME}
    all_rows = settings.explain() if rows is None else rows
    return [row.name for row in all_rows if row.origin == "environment" and row.name in known]
