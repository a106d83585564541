"""Lines for a crontab; they are only printed, because a crontab belongs to the person who edits it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from futurscam_lib.errors import UsageError
from futurscam_lib.schedule.job import File, Plan

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.schedule.job import Job

_HINT = "Add it with `crontab -e`. cron does not make up for a start that was missed while the machine was off."


class Cron:
    """A crontab."""

    def plan(self, job: Job, *, now: datetime) -> Plan:  # noqa: ARG002 - cron counts for itself
        """What to add to the crontab.

        Raises:
            UsageError: cron can't start it at exactly these times.
        """
        if not job.timing.divides_the_day:
            raise UsageError(
                f"cron can't start a run {job.timing}: that does not divide a day. "
                "Take an --every like 15m, 45m, 2h or 24h."
            )
        # Quiet, and without its results: cron mails all output, so only problems are mailed.
        command = f"cd {shlex.quote(job.project)} && {shlex.join(job.command('--quiet'))} >/dev/null"
        lines = job.render("crontab.j2", command=command.replace("%", r"\%"))
        return Plan((File("crontab", lines),), notes=(_HINT,))
