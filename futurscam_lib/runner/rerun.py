"""The window and the sources of a past run again, as a new run that never moves the watermark."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.history import sources_of
from futurscam_lib.errors import UsageError
from futurscam_lib.records import Replay
from futurscam_lib.runner.request import Request

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.settings import Settings

_MOST_MINUTES: Final = 1440


def request_of(run: RunRecord, configured: Settings, *, apply: bool) -> Request:
    """Return the request that repeats a past run.

    An open window ends where that run ended: it did not read later changes.

    Args:
        run: The past run.
        configured: The settings as they are now.
        apply: Write to MongoDB; otherwise it is a dry run.

    Raises:
        UsageError: The run has no end yet, its window cannot be read, or one of its sources cannot be asked any more.
    """
    if run.replay:
        return Request(sources=sources_of(run), dry_run=not apply, rerun_of=run.run_id, replay=_replay(run))
    return Request(
        since=_instant(run, "watermark"),
        until=_until(run),
        sources=_sources(run, configured),
        overlap=_overlap(run),
        dry_run=not apply,
        rerun_of=run.run_id,
    )


def _replay(run: RunRecord) -> Replay:
    try:
        return Replay.parse(run.replay)
    except ValueError as error:
        raise UsageError(f"What {run.run_id} replayed cannot be read: {error}. Nothing has run.") from error


def _until(run: RunRecord) -> datetime:
    if run.parameters.get("until"):
        return _instant(run, "until")
    if run.ended is None:
        raise UsageError(
            f"The run {run.run_id} has no end in the ledger, so its window has none: it is active, or was killed. "
            "Nothing has run. The next run marks it as crashed when it was killed; after that it can be run again."
        )
    return run.ended


def _instant(run: RunRecord, name: str) -> datetime:
    value = run.parameters.get(name)
    try:
        if isinstance(value, str):
            return clock.parse(value)
    except ValueError:
        pass
    raise _unreadable(run, name, value)


def _overlap(run: RunRecord) -> timedelta:
    minutes = run.parameters.get("overlap_minutes")
    if isinstance(minutes, int | float) and 0 <= minutes <= _MOST_MINUTES:
        return timedelta(minutes=minutes)
    raise _unreadable(run, "overlap_minutes", minutes)


def _sources(run: RunRecord, configured: Settings) -> tuple[str, ...]:
    names = sources_of(run)
    if not names:
        raise _unreadable(run, "sources", run.parameters.get("sources"))
    for name in names:
        try:
            configured.require([name])
        except UsageError as error:
            raise UsageError(
                f"The run {run.run_id} read {name}, which cannot be asked any more. {error} Nothing has run. "
                "Configure it again, or read the window from the others: futurscam run --since INSTANT "
                "--until INSTANT --source NAME --dry-run"
            ) from error
    return names


def _unreadable(run: RunRecord, name: str, value: Any) -> UsageError:
    return UsageError(
        f"The window of {run.run_id} cannot be read: its parameter {name} is {value!r:.60} in the ledger. "
        "Nothing has run. Say which window you mean: futurscam run --since INSTANT --until INSTANT --dry-run"
    )
