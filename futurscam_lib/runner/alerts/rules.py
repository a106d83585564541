"""Notifies people when runs begin to fail, when they work again, and when rejects pile up; each once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.errors import FuturscamError
from futurscam_lib.runner.alerts import memory, sender
from futurscam_lib.runner.alerts.memory import Failing, Memory
from futurscam_lib.runner.alerts.messages import Messages

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.runner.run_end import RunEnd
    from futurscam_lib.settings import Settings

_RUNS: Final = "runs"
_REJECTS: Final = "rejects"


@dataclass(frozen=True, slots=True)
class OpenRejects:
    """How many entries of the quarantine are open.

    Attributes:
        total: All of them.
        new: Those that became open after the last message about rejects; all where there was none.
    """

    total: int
    new: int


def tell(configured: Settings, ending: RunEnd, *, rejects: OpenRejects | None = None) -> None:
    """Send what is new after a run, and what could not be sent earlier.

    Args:
        configured: The settings.
        ending: How the run ended.
        rejects: See `open_rejects`; None: not known.
    """
    if configured.alert_urls is None:
        memory.forget(configured.home)
        return
    kept = memory.read(configured.home)
    before = kept.model_dump()
    messages = Messages(configured, ending)
    _note_run(kept, ending, messages)
    _note_rejects(kept, rejects, messages, limit=configured.alert_rejects, at=ending.at)
    may_send = kept.model_dump() == before or memory.write(configured.home, kept, now=ending.at)
    if may_send and kept.pending:
        sender.deliver(configured, kept.pending)
        memory.write(configured.home, kept, now=ending.at)


def open_rejects(configured: Settings, *, now: datetime) -> OpenRejects | None:
    """How many entries of the quarantine are open; None where MongoDB does not answer."""
    from futurscam_lib.load import local_server, mongo
    from futurscam_lib.load.collections import Collections
    from futurscam_lib.load.quarantine import OPEN, opened_after

    try:
        if configured.mongo_uri is None and local_server.find(configured) is None:
            return None
        with mongo.connect(configured) as client, mongo.mongo_errors():
            kept = Collections.of(client[configured.database]).rejects
            reported = memory.read(configured.home).rejects_told_at
            total = kept.count_documents({"state": OPEN})
            # A clock that was ahead then would silence all of them until it is right.
            known = reported and clock.parse(reported) <= now
            new = kept.count_documents(opened_after(clock.parse(reported))) if known else total
            return OpenRejects(total, new)
    except FuturscamError:
        return None


def _note_run(memory: Memory, ending: RunEnd, messages: Messages) -> None:
    failing, code = memory.failing, int(ending.exit_code)
    if ending.well:
        if failing and ending.up_to_now:
            failing.sources = [name for name in failing.sources if name not in ending.sources]
            if not failing.sources:
                memory.failing, memory.pending[_RUNS] = None, messages.recovered(failing)
        return
    if failing is None:
        at = clock.to_text(ending.at)
        memory.failing = Failing(since=at, run_id=ending.run_id, runs=1, told=[code], sources=list(ending.sources))
        memory.pending[_RUNS] = messages.began()
        return
    failing.runs += 1
    failing.sources = sorted({*failing.sources, *ending.sources})
    if code not in failing.told:
        failing.told.append(code)
        memory.pending[_RUNS] = messages.changed(failing)


def _note_rejects(memory: Memory, rejects: OpenRejects | None, messages: Messages, *, limit: int, at: datetime) -> None:
    if rejects is None:
        return
    if not rejects.total:
        memory.pending.pop(_REJECTS, None)
    elif rejects.new >= limit:
        memory.rejects_told_at = clock.to_text(at)
        memory.pending[_REJECTS] = messages.rejects(rejects.new, rejects.total, limit)
