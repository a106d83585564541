"""Lines for a crontab; they are only printed, for a crontab belongs to the one who edits it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from futurscam_lib.errors import UsageError
from futurscam_lib.schedule.target import File, Plan

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.schedule.target import Job

_HINT = "Add it with `crontab -e`. cron makes up for no start that was missed while the machine was off."


class Cron:
    """A crontab."""

    def plan(self, job: Job, *, now: datetime) -> Plan:  # noqa: ARG002 - cron counts for itself
        """Tell what to add to the crontab.

        Raises:
            UsageError: cron can't start it at exactly these times.
        """
        if not job.timing.divides_the_day:
            raise UsageError(
                f"cron can't start a run {job.timing}: that does not divide a day. "
                "Take an --every like 15m, 45m, 2h or 24h."
            )
        return Plan((File("crontab", "".join(f"{line}\n" for line in lines(job))),), (), (_HINT,))


def lines(job: Job) -> list[str]:
    """The lines: the times, then the command as cron and the shell behind it read it."""
    # Quiet, and without its results: cron mails all that is left, so only trouble is mailed.
    command = f"cd {shlex.quote(job.project)} && {shlex.join(job.command('--quiet'))} >/dev/null"
    escaped = command.replace("%", r"\%")
    return [
        f"{_numbers(pattern.minutes)} {'*' if pattern.every_hour else _numbers(pattern.hours)} * * * {escaped}"
        for pattern in job.timing.patterns()
    ]


def _numbers(values: tuple[int, ...]) -> str:
    return ",".join(str(value) for value in values)
