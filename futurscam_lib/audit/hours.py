"""Shows which hours had a run, and in which hours a run is missing."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING, Final

from futurscam_lib.audit.history import UNFINISHED
from futurscam_lib.audit.period import kind_of
from futurscam_lib.report.tables import Link, Mark, Table, Tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.audit.period import Period

_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")
HOUR: Final = timedelta(hours=1)
_SHORT: Final = {UNFINISHED: "open"}
_LATE: Final = timedelta(minutes=15)
_ENOUGH: Final = 3
_DAYS: Final = 31
_WEEKS: Final = 600
_HOURS_A_DAY: Final = 24


@dataclass(slots=True)
class Cell:
    """One hour of the calendar: the runs that started in it."""

    ok: int = 0
    failed: int = 0
    dry: int = 0
    unfinished: int = 0
    missing: bool = False
    worst: RunRecord | None = None

    @property
    def runs(self) -> int:
        """The number of runs that started."""
        return self.ok + self.failed + self.dry + self.unfinished

    def add(self, run: RunRecord) -> None:
        """Count one run; `worst` becomes a failed run."""
        kind = kind_of(run)
        setattr(self, kind, getattr(self, kind) + 1)
        if kind == "failed":
            self.worst = run

    def shown(self) -> Mark | Link | str:
        """The text for the calendar."""
        if self.missing:
            return Mark("none", "missing")  # As short as the others: a day has to fit on a screen.
        for kind in ("failed", UNFINISHED, "ok", "dry"):
            if number := getattr(self, kind):
                text = self._text(_SHORT.get(kind, kind), number)
                return link_to(self.worst, text, kind) if self.worst and kind == "failed" else Mark(text, kind)
        return ""

    def _text(self, word: str, number: int) -> str:
        if self.runs == 1:
            return word
        return f"{number} {word}" if number == self.runs else f"{number}/{self.runs} {word}"


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a period.

    Attributes:
        cells: By the start of the hour, those with a run and those where a run is missing.
        usual: How many hours usually lie between two runs; None if there are too few runs to know.
    """

    cells: Mapping[datetime, Cell]
    usual: int | None

    @property
    def missing(self) -> list[datetime]:
        """The hours in which a run is missing, oldest first."""
        return sorted(hour for hour, cell in self.cells.items() if cell.missing)

    def gaps(self) -> Iterator[tuple[datetime, datetime, int]]:
        """Consecutive missing hours, oldest first: the first, the last, how many."""
        first: datetime | None = None
        number = 0
        for hour, following in pairwise([*self.missing, None]):
            first = first or hour
            number += 1
            if hour is not None and (following is None or following - hour > (self.usual or 1) * HOUR):
                yield first or hour, hour, number
                first, number = None, 0


def page_of(run_id: str) -> str:
    """The path of a run's page below the folder of the runs; empty if the run_id cannot be a file name.

    Such a run_id could lead out of the folder; this software never makes one.
    """
    return f"html/{run_id}.html" if _NAME.fullmatch(run_id) else ""


def link_to(run: RunRecord, text: str = "", status: str = "") -> Link | Mark:
    """A table cell with a link to the page of a run; its text is the run_id unless another text is given."""
    page = page_of(run.run_id)
    return Link(text or run.run_id, page, status) if page else Mark(text or run.run_id, status)


def of(period: Period) -> Hours:
    """Sort the runs into hours, and find the hours in which a run is missing.

    The usual interval is the median distance between hours with a run. No run is missing before the first run in the
    ledger, or in the current hour. Runs by hand (dry runs, reruns, replays, windows with an end) do not replace a
    scheduled run; but a run is not missing if a run by hand prevented it from starting.
    """
    cells: defaultdict[datetime, Cell] = defaultdict(Cell)
    for run in period.runs:
        cells[hour_of(run.started)].add(run)
    known = [*period.runs, *period.earlier]
    spans = _spans(run for run in known if not _is_extra(run))
    extra = [span for run in known if _is_extra(run) for span in _spans([run]).values()]
    usual = _usual(spans)
    if usual is not None:
        for hour in _missing(spans, extra, usual, now=period.until):
            if hour >= period.since:
                cells[hour].missing = True
    return Hours(dict(cells), usual)


def _is_extra(run: RunRecord) -> bool:
    return run.dry_run or bool(run.replay or run.parameters.get("until"))


@dataclass(slots=True)
class _Span:
    """The runs of one hour: the first and the last start, and the end of the last active run."""

    first: datetime
    last: datetime
    active: datetime


def _spans(runs: Iterable[RunRecord]) -> dict[datetime, _Span]:
    """The runs by hour, oldest first."""
    spans: dict[datetime, _Span] = {}
    for run in sorted(runs, key=lambda run: run.started):
        # The end of a crashed run is when the crash was detected.
        ended = run.ended if run.ended and run.status != "crashed" else run.started
        span = spans.setdefault(hour_of(run.started), _Span(run.started, run.started, ended))
        span.last, span.active = run.started, max(span.active, ended)
    return spans


def _usual(spans: Sequence[datetime] | Mapping[datetime, _Span]) -> int | None:
    if len(spans) < _ENOUGH:
        return None
    return median_low((later - earlier) // HOUR for earlier, later in pairwise(spans))


def _missing(
    spans: Mapping[datetime, _Span], extra: Sequence[_Span], usual: int, *, now: datetime
) -> Iterator[datetime]:
    step = usual * HOUR
    present = hour_of(now)
    for (hour, span), (next_hour, following) in pairwise([*spans.items(), (present, _Span(now, now, now))]):
        if following.first - span.last <= step + _LATE:
            continue
        due = hour + step
        # Less than half a step before the next run, the next run counts as late.
        while due < next_hour and (next_hour == present or due <= next_hour - step / 2):
            at = due + (span.last - hour)
            if due > span.active and not any(run.first <= at <= run.active for run in extra):
                yield due
            due += step


def hour_of(instant: datetime) -> datetime:
    """The start of the hour."""
    return instant.replace(minute=0, second=0, microsecond=0)


def calendar(period: Period, hours: Hours) -> Tables:
    """Days and their hours, newest day first; if there are many days, the older ones by week."""
    by_day: defaultdict[datetime, list[datetime]] = defaultdict(list)
    for hour in hours.cells:
        by_day[hour.replace(hour=0)].append(hour)
    last = period.until.replace(hour=0, minute=0, second=0, microsecond=0)
    first = period.since.replace(hour=0, minute=0, second=0, microsecond=0)
    shown = [day for number in range(_DAYS) if (day := last - number * timedelta(days=1)) >= first]
    rows = [_row_of(day, hours.cells) for day in shown]
    columns = ("day (UTC)", *(f"{hour:02}" for hour in range(_HOURS_A_DAY)))
    newest = Table(columns, rows, title="Runs by hour", notes=[_note(hours)], limit=_DAYS, kind="calendar")
    older = sorted((day for day in by_day if day < shown[-1]), reverse=True)
    return Tables([newest, _weeks(older, by_day, hours)] if older else [newest])


def _row_of(day: datetime, cells: Mapping[datetime, Cell]) -> list[str | Mark | Link]:
    hours = (cells.get(day + hour * HOUR) for hour in range(_HOURS_A_DAY))
    return [f"{day:%Y-%m-%d %a}", *(cell.shown() if cell else "" for cell in hours)]


def _note(hours: Hours) -> str:
    if hours.usual is None:
        return "Too few runs to detect missing ones."
    every = "every hour" if hours.usual == 1 else f"every {hours.usual} hours"
    return (
        f"Usually there is a run {every}; {len(hours.missing):,} missing. None: a run was due in that hour. "
        "1/6 failed: one of its six runs failed; 1/2 ok: the other was dry. Open: the run has not ended."
    )


@dataclass(slots=True)
class _Week:
    ok: int = 0
    failed: int = 0
    dry: int = 0
    unfinished: int = 0
    missing: int = 0


def _weeks(days: Sequence[datetime], by_day: Mapping[datetime, Sequence[datetime]], hours: Hours) -> Table:
    weeks: defaultdict[datetime, _Week] = defaultdict(_Week)
    for day in days:
        week = weeks[day - timedelta(days=day.weekday())]
        for cell in (hours.cells[hour] for hour in by_day[day]):
            week.ok += cell.ok
            week.failed += cell.failed
            week.dry += cell.dry
            week.unfinished += cell.unfinished
            week.missing += cell.missing
    rows = [
        (f"{monday:%Y-%m-%d}", total.ok, total.failed, total.missing, total.dry, total.unfinished)
        for monday, total in weeks.items()
    ]
    columns = ("week of (UTC)", "ok", "failed", "missing hours", "dry", UNFINISHED)
    return Table(columns, rows, title="The weeks before", limit=_WEEKS)
