"""Opens a run from a notebook's parameters, which are text, and the settings."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock, settings
from futurscam_lib.audit.history import has_read
from futurscam_lib.errors import UsageError
from futurscam_lib.extract import open_sources
from futurscam_lib.extract.source import Unasked
from futurscam_lib.pipeline.run import Run
from futurscam_lib.records import Replay, Window
from futurscam_lib.run_ids import CONFIRMED, SUPERVISED, by_hand
from futurscam_lib.settings.sources import KNOWN_SOURCES
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import UnionType

    from futurscam_lib.extract.source import Source
    from futurscam_lib.settings import Settings

_INSTANT: Final = "ISO 8601 text such as 2026-11-23T13:25:01Z"


def open_run(
    run_id: str | None = "",
    *,
    watermark: str | datetime | None = "",
    until: str | datetime | None = "",
    sources: str | None = "",
    dry_run: bool = True,
    overlap_minutes: float = -1,
    replay: str | None = "",
) -> Run:
    """Open a run; reads and writes nothing yet, except that it creates missing indexes.

    A text that is None counts as empty.

    Args:
        run_id: Given by the runner; a run by hand makes its own, which begins with `interactive-`.
        watermark: ISO 8601 text or an instant; everything before it has been loaded. Empty: use `.last_execution`.
        until: End of the window, in the same form, exclusive; empty: no end.
        sources: Names separated by commas; empty: all configured sources.
        dry_run: Read and compare, write nothing to MongoDB.
        overlap_minutes: How far behind the watermark to read again; below 0: the setting.
        replay: Make documents again from landed payloads, without reading sources: `all`, `since=INSTANT` (landed then
            or later), `job=ID`, or `since=INSTANT job=ID`. Empty: read the sources. In a replay `sources` limits the
            payloads, and may name sources that are not configured; empty: all.

    Raises:
        UsageError: A setting or an argument is wrong.
        OperatorMustAct: `.last_execution` cannot be read, MongoDB refuses the credentials.
        RetryLater: MongoDB does not answer.
    """
    _check("run_id", run_id, str | None, takes="text")
    _check("watermark", watermark, str | datetime | None, takes=_INSTANT)
    _check("until", until, str | datetime | None, takes=_INSTANT)
    _check("sources", sources, str | None, takes="names separated by commas")
    # Other false values must not start a real run, such as None from papermill's `-p dry_run None`.
    _check("dry_run", dry_run, bool, takes="True or False")
    _check("overlap_minutes", overlap_minutes, int | float, takes="a number")
    _check("replay", replay, str | None, takes="text")
    configured = settings.load()
    now = clock.now()
    since = _instant("watermark", watermark) or _watermark_of(configured, now)
    overlap = overlap_minutes if overlap_minutes >= 0 else configured.overlap.total_seconds() / 60
    window = make_window(since, overlap_minutes=overlap, until=_instant("until", until))
    given = (name.strip() for name in (sources or "").split(","))
    which = _replay(replay)
    names = tuple(dict.fromkeys(name for name in given if name)) or (
        tuple(KNOWN_SOURCES) if which else configured.sources
    )
    if which:
        configured.require_known(names)
    else:
        configured.require(names)
    supervised = bool(run_id) and os.environ.get(SUPERVISED) == run_id
    run_id = run_id if run_id and supervised else by_hand(run_id or "", now=now)
    return Run(
        configured,
        [Unasked(name) for name in names] if which else _opened(configured, names, dry_run=dry_run),
        run_id=run_id,
        window=window,
        watermark=since,
        dry_run=dry_run,
        now=now,
        replay=which,
        confirmed=os.environ.get(CONFIRMED) == run_id,
        supervised=supervised,
    )


def make_window(watermark: datetime, *, overlap_minutes: float, until: datetime | None) -> Window:
    """Return the window `[watermark - overlap, until)`.

    Raises:
        UsageError: The window would be empty.
    """
    try:
        since = watermark - timedelta(minutes=overlap_minutes)
    except OverflowError:
        since = clock.EARLIEST
    if until is not None and until <= since:
        raise UsageError(
            f"The window is empty: it begins at {clock.to_people(since)} and ends at {clock.to_people(until)}."
        )
    return Window(since, until)


def _opened(configured: Settings, names: Sequence[str], *, dry_run: bool) -> list[Source]:
    return open_sources(configured, names, has_read=partial(has_read, configured), dry_run=dry_run)


def _check(name: str, value: object, kind: type | UnionType, *, takes: str) -> None:
    if not isinstance(value, kind) or value != value:  # noqa: PLR0124 - not a number does not equal itself
        raise UsageError(f"{name} takes {takes}, not {value!r}.")


def _watermark_of(configured: Settings, now: datetime) -> datetime:
    return Watermark(configured.watermark_file).read(now=now) or now - configured.first_run


def _replay(text: str | None) -> Replay | None:
    try:
        return Replay.parse(text) if text else None
    except ValueError as error:
        raise UsageError(f"replay: {error}.") from error


def _instant(name: str, text: str | datetime | None) -> datetime | None:
    if not text:
        return None
    if isinstance(text, datetime):
        if text.tzinfo is None:
            raise UsageError(f"{name}: {text} has no offset; give it one, such as timezone.utc.")
        return text.astimezone(UTC)
    try:
        return clock.parse(text)
    except ValueError as error:
        raise UsageError(f"{name}: {error}.") from error
