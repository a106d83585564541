"""Tells people when runs begin to fail, when they work again, and when rejects pile up; each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.errors import FuturscamError
from futurscam_lib.run import alert_state, post
from futurscam_lib.run.alert_news import News
from futurscam_lib.run.alert_state import Failing, Memory

if TYPE_CHECKING:
    from futurscam_lib.run.ending import Ending
    from futurscam_lib.settings import Settings

_RUNS: Final = "runs"
_REJECTS: Final = "rejects"


def tell(configured: Settings, ending: Ending, *, open_rejects: int | None = None) -> None:
    """Tell what is new after a run, and what could not be sent before.

    Args:
        configured: The settings.
        ending: How the run ended.
        open_rejects: How many there are; None: not known.
    """
    if configured.alert_urls is None:
        alert_state.forget(configured.home)
        return
    memory = alert_state.read(configured.home)
    before = memory.model_dump()
    news = News(configured, ending)
    _note_run(memory, ending, news)
    _note_rejects(memory, open_rejects, configured.alert_rejects, news)
    may_send = memory.model_dump() == before or alert_state.write(configured.home, memory, now=ending.at)
    if may_send and memory.pending:
        post.deliver(configured, memory.pending)
        alert_state.write(configured.home, memory, now=ending.at)


def open_rejects(configured: Settings) -> int | None:
    """How many entries of the quarantine are open; None where MongoDB does not say."""
    from futurscam_lib.load import local_server, mongo  # noqa: PLC0415 - the driver is slow to import
    from futurscam_lib.load.collections import Collections  # noqa: PLC0415
    from futurscam_lib.load.quarantine import OPEN  # noqa: PLC0415

    try:
        if configured.mongo_uri is None and local_server.find(configured) is None:
            return None
        with mongo.connect(configured) as client, mongo.mongo_errors():
            return Collections.of(client[configured.database]).rejects.count_documents({"state": OPEN})
    except FuturscamError:
        return None


def _note_run(memory: Memory, ending: Ending, news: News) -> None:
    failing, code = memory.failing, int(ending.exit_code)
    if ending.well:
        if failing and ending.up_to_now:
            failing.sources = [name for name in failing.sources if name not in ending.sources]
            if not failing.sources:
                memory.failing, memory.pending[_RUNS] = None, news.recovered(failing)
        return
    if failing is None:
        at = clock.to_text(ending.at)
        memory.failing = Failing(since=at, run_id=ending.run_id, runs=1, told=[code], sources=list(ending.sources))
        memory.pending[_RUNS] = news.began()
        return
    failing.runs += 1
    failing.sources = sorted({*failing.sources, *ending.sources})
    if code not in failing.told:
        failing.told.append(code)
        memory.pending[_RUNS] = news.changed(failing)


def _note_rejects(memory: Memory, number: int | None, limit: int, news: News) -> None:
    if number is None:
        return
    if number < limit:
        memory.rejects_told = False
        memory.pending.pop(_REJECTS, None)
    elif not memory.rejects_told:
        memory.rejects_told, memory.pending[_REJECTS] = True, news.rejects(number, limit)
