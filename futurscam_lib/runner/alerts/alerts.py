"""Sends alerts after a run: new ones from the rules, and those that could not be sent earlier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from futurscam_lib import clock
from futurscam_lib.errors import FuturscamError
from futurscam_lib.runner.alerts import sender
from futurscam_lib.runner.alerts.memory import Memory, forget
from futurscam_lib.runner.alerts.rules import RULES, OpenRejects, Situation

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.runner.run_end import RunEnd
    from futurscam_lib.settings import Settings


def notify(configured: Settings, end: RunEnd, *, rejects: OpenRejects | None = None) -> None:
    """Send new alerts after a run, and those that could not be sent earlier.

    Args:
        configured: The settings.
        end: How the run ended.
        rejects: See `open_rejects`; None: not known.
    """
    if configured.alert_urls is None:
        forget(configured.home)
        return
    memory = Memory.read(configured.home)
    before = memory.model_dump()
    for rule in RULES:
        rule(Situation(configured, end, rejects, memory))
    may_send = memory.model_dump() == before or memory.write(configured.home, now=end.at)
    if may_send and memory.pending:
        sender.deliver(configured, memory.pending)
        memory.write(configured.home, now=end.at)


def open_rejects(configured: Settings, *, now: datetime) -> OpenRejects | None:
    """Count the open entries of the quarantine; None where MongoDB does not answer."""
    from futurscam_lib.load import local_server, mongo
    from futurscam_lib.load.collections import Collections
    from futurscam_lib.load.quarantine import OPEN, opened_after

    try:
        if configured.mongo_uri is None and local_server.find(configured) is None:
            return None
        with mongo.connect(configured) as client, mongo.mongo_errors():
            rejects = Collections.of(client[configured.database]).rejects
            reported = Memory.read(configured.home).rejects_told_at
            total = rejects.count_documents({"state": OPEN})
            # An instant in the future comes from a wrong clock, and would hide all rejects until then.
            believed = reported and clock.parse(reported) <= now
            new = rejects.count_documents(opened_after(clock.parse(reported))) if believed else total
            return OpenRejects(total, new)
    except FuturscamError:
        return None
