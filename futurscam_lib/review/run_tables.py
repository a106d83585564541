"""The runs of a period as tables and pictures, from the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.audit.hours import link_to
from futurscam_lib.audit.period import kind_of
from futurscam_lib.records import shown_counts
from futurscam_lib.report import plots
from futurscam_lib.report.tables import Mark, Table
from futurscam_lib.report.text import ZONE, in_zone
from futurscam_lib.report.transformed import UNKNOWN_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.report.tables import Picture

NEWEST: Final = 200
"""How many of the newest runs are listed, whatever their status."""

MOST: Final = 1000
"""The most runs that are listed in total, including older ones that did not end well."""

_BARS: Final = 60
_WORDS: Final = 100
_PERCENT: Final = 90
_REASONS: Final = (
    "In one word, and the field it is about. What is wrong with each record, in a sentence: futurscam rejects list"
)
_NEWS: Final = ("inserted", "updated", "stale", "rejected", "dropped")


def listed(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The runs whose pages are linked: the newest ones and all that did not end well; newest first."""
    newest = {run.run_id for run in runs[:NEWEST]}
    shown = [run for run in runs if run.run_id in newest or run.status != "ok"]
    return shown[:MOST]


def runs(all_runs: Sequence[RunRecord]) -> Table:
    """The runs, each with a link to its page."""
    shown = listed(all_runs)
    names = shown_counts(run.counts for run in shown)
    rows = [
        (
            run.started,
            link_to(run),
            Mark(f"{run.status}, dry" if run.dry_run else run.status, kind_of(run)),
            timedelta(seconds=run.seconds) if run.seconds is not None else None,
            *map(run.counts.get, names),
            run.closed,
            run.reopened,
            run.started_by,
        )
        for run in shown
    ]
    columns = (f"started ({ZONE})", "run", "status", "took", *names, "closed", "reopened", "started by")
    notes = (
        [f"The newest {NEWEST} runs, and those before them that did not end well."]
        if len(shown) < len(all_runs)
        else []
    )
    return Table(columns, rows, title="Runs", notes=notes, total=len(all_runs), limit=MOST)


def records(in_period: Sequence[RunRecord], earlier: Sequence[RunRecord] = ()) -> Table:
    """The counts of records, per source and in total, without dry runs and replays, which read no source.

    Args:
        in_period: The runs of the period, newest first.
        earlier: The runs before the period, newest first; they may have the last records of a silent source.
    """
    number: Counter[str] = Counter()
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    failures: Counter[str] = Counter()
    wet = [run for run in in_period if not run.dry_run and not run.replay]
    for run in wet:
        failures.update(run.failures.keys())
        number.update(run.sources.keys() | run.failures.keys())
        for source, counts in run.sources.items():
            sums[source].update(counts)
    gave = _last_gave([*wet, *earlier])
    names = shown_counts(sums.values())
    rows: list[tuple[Any, ...]] = [
        (source, number[source], failures[source], *(sums[source][name] for name in names), gave.get(source))
        for source in sorted(number)
    ]
    if wet:
        total = sum(sums.values(), Counter[str]())
        failed = sum(kind_of(run) == "failed" for run in wet)
        last = max(filter(None, map(gave.get, number)), default=None)
        rows.append(("total", len(wet), failed, *(total[name] for name in names), last))
    columns = ("source", "runs", "of these failed", *names, f"last records ({ZONE})")
    notes = ["Failed: runs in which this source did; in total, runs that did for whatever reason."] if rows else []
    return Table(columns, rows, title="Records per source", notes=notes)


def _last_gave(newest_first: Iterable[RunRecord]) -> dict[str, datetime]:
    """For each source, the start of the newest run that read a record from it."""
    gave: dict[str, datetime] = {}
    for run in newest_first:
        for source, counts in run.sources.items():
            if not run.dry_run and not run.replay and counts.get("extracted"):
                gave.setdefault(source, run.started)
    return gave


def records_by_run(in_period: Sequence[RunRecord]) -> Table:
    """The newest runs with something new, per source."""
    names = shown_counts(run.counts for run in in_period)
    rows = [
        (run.started, link_to(run), source, *map(counts.get, names))
        for run in in_period
        if not run.dry_run
        for source, counts in run.sources.items()
        if any(counts.get(name) for name in _NEWS)
    ]
    return Table((f"started ({ZONE})", "run", "source", *names), rows, title="Records per run, where something was new")


def records_picture(in_period: Sequence[RunRecord], *, days: float) -> Picture:
    """New and updated documents of each source over time."""
    wet = [run for run in in_period if not run.dry_run and not run.replay]
    sources = sorted({source for run in wet for source in run.sources})
    step = _step(days)
    sums: dict[str, Counter[str]] = {source: Counter() for source in sources}
    for run in wet:
        for source, counts in run.sources.items():
            sums[source][step(run)] += counts.get("inserted", 0) + counts.get("updated", 0)
    labels = _newest_labels(wet, step)
    parts = {source: [sums[source][label] for label in labels] for source in sources}
    return plots.stacked(labels, parts, title=f"New and updated documents per {_unit(days)} ({ZONE})")


def durations(in_period: Sequence[RunRecord]) -> Table:
    """How long runs took, by status."""
    by_status: defaultdict[str, list[RunRecord]] = defaultdict(list)
    for run in in_period:
        if run.seconds is not None:
            by_status["dry" if run.dry_run else run.status].append(run)
    rows = [
        _duration_row(status, runs_of_status)
        for status, runs_of_status in sorted(by_status.items(), key=lambda item: -len(item[1]))
    ]
    columns = ("ended", "runs", "median", f"{_PERCENT} of 100 within", "longest", "which")
    return Table(columns, rows, title="How long runs took")


def durations_picture(in_period: Sequence[RunRecord], *, days: float) -> Picture:
    """The longest run of each hour, day or month."""
    step = _step(days)
    longest: dict[str, float] = {}
    for run in in_period:
        if run.seconds is not None:
            longest[step(run)] = max(run.seconds, longest.get(step(run), 0))
    labels = sorted(longest)[-_BARS:]
    return plots.bars(
        labels, [longest[label] for label in labels], title=f"Seconds of the longest run per {_unit(days)} ({ZONE})"
    )


def reasons(in_period: Sequence[RunRecord]) -> Table:
    """Rejects by reason, without dry runs."""
    rows = [
        (tally.name, tally.number, tally.runs, link_to(tally.last), tally.last.started)
        for tally in _tallied(in_period, "reject_reasons")
    ]
    columns = ("reason", "rejects", "runs", "last one", f"when ({ZONE})")
    notes = [_REASONS] if rows else []
    return Table(columns, rows[:_WORDS], title="Rejects by reason", notes=notes, total=len(rows), limit=_WORDS)


def unknown_values(in_period: Sequence[RunRecord]) -> Table:
    """Values that the mapping does not know or could not read exactly, without dry runs."""
    rows = [
        (*_field_and_value(tally.name), tally.number, tally.runs, link_to(tally.last), tally.last.started)
        for tally in _tallied(in_period, "oddities")
    ]
    columns = ("field", "what", "times", "runs", "last one", f"when ({ZONE})")
    notes = [UNKNOWN_VALUES, "docs/SOURCES.md says where words are added."] if rows else []
    return Table(columns, rows[:_WORDS], title="Unknown values", notes=notes, total=len(rows), limit=_WORDS)


@dataclass(slots=True)
class _Tallied:
    """The count of one name over several runs."""

    name: str
    last: RunRecord
    number: int = 0
    runs: int = 0


def _tallied(in_period: Iterable[RunRecord], what: str) -> list[_Tallied]:
    """The counts by name, the most frequent first; `last` is the newest run with that name."""
    tallies: dict[str, _Tallied] = {}
    for run in in_period:
        if run.dry_run:
            continue
        for name, number in getattr(run, what).items():
            tally = tallies.setdefault(name, _Tallied(name, run))
            tally.number += number
            tally.runs += 1
    return sorted(tallies.values(), key=lambda tally: -tally.number)


def _field_and_value(name: str) -> tuple[str, str]:
    field, _, value = name.partition(": ")
    return (field, value) if value else ("", name)


def _duration_row(status: str, runs_of_status: Sequence[RunRecord]) -> tuple[Any, ...]:
    by_length = sorted(runs_of_status, key=lambda run: run.seconds or 0)
    seconds = [run.seconds or 0 for run in by_length]
    high = seconds[-(-len(seconds) * _PERCENT // 100) - 1]
    lengths = (timedelta(seconds=value) for value in (median(seconds), high, seconds[-1]))
    return (Mark(status, kind_of(runs_of_status[0])), len(runs_of_status), *lengths, link_to(by_length[-1]))


_HOURLY: Final = 3
_DAILY: Final = 62


def _unit(days: float) -> str:
    return "hour" if days <= _HOURLY else "day" if days <= _DAILY else "month"


def _step(days: float) -> Callable[[RunRecord], str]:
    form = {"hour": "%m-%d %Hh", "day": "%Y-%m-%d", "month": "%Y-%m"}[_unit(days)]
    return lambda run: f"{in_zone(run.started):{form}}"


def _newest_labels(newest_first: Iterable[RunRecord], step: Callable[[RunRecord], str]) -> list[str]:
    return list(dict.fromkeys(step(run) for run in newest_first))[:_BARS][::-1]
