"""The review of the last days, as `notebooks/review.ipynb` shows it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from futurscam_lib import clock, settings
from futurscam_lib.audit import hours, period
from futurscam_lib.audit.history import UNFINISHED, History
from futurscam_lib.errors import UsageError
from futurscam_lib.report.tables import Link, Mark, Shown, Table, Tables
from futurscam_lib.report.text import ZONE, bare_instant, span
from futurscam_lib.review import findings, loads, run_tables, watermark_changes
from futurscam_lib.review.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from futurscam_lib.audit.hours import Hours
    from futurscam_lib.audit.period import Period
    from futurscam_lib.report.tables import Picture
    from futurscam_lib.settings import Settings

_FINDINGS: Final = 300
_TEXT: Final = 500
_ONE_HOUR: Final = 1
_LAST_MINUTE: Final = timedelta(minutes=59)
_RUNS: Final = "../runs/"
"""Path as seen from a notebook: `futurscam lab` shows `notebooks` and `runs` side by side, wherever the home is."""

_NOT_ASKED: Final = "How fast missions came and what was loaded by hand is unknown; everything else is from the ledger."


def of_home(days: float, *, until: str, pages: bool) -> Review:
    """The review of the configured home; see `futurscam_lib.review.review`."""
    try:
        now = clock.parse(str(until)) if until else clock.now()
    except ValueError as error:
        raise UsageError(f"until: {error}.") from error
    return Review(settings.load(), days=days, now=now, pages=pages)


class Review(Shown):
    """The review of a period; displays itself as counts.

    Problems with a notebook, with the ledger or with MongoDB are shown in a table and never raised.

    Args:
        configured: The settings of the home.
        days: How long the period is.
        now: Where it ends; aware, UTC.
        pages: Whether runs link to their pages, relative to the folder of the runs, where `futurscam review` writes
            its page; otherwise they link to their executed notebooks, relative to `notebooks`.

    Raises:
        UsageError: The number of days is not allowed.
    """

    def __init__(self, configured: Settings, *, days: float, now: datetime, pages: bool = False) -> None:
        """See the class."""
        self._settings, self._pages = configured, pages
        self.period: Period = period.read(configured, days=days, now=now)
        self.hours: Hours = hours.of(self.period)

    def table(self) -> Table:
        """The counts as a table."""
        counts = self.counts()
        rows = [(name, number) for name, number in counts.items()]
        return Table(("", "number"), rows, title=span(self.period.since, self.period.until))

    def counts(self) -> dict[str, int]:
        """The number of runs by status, of hours without a run, and of findings."""
        statuses = [period.kind_of(run) for run in self.period.runs]
        return {
            "runs": len(statuses),
            **{status: statuses.count(status) for status in ("ok", "failed", "dry", UNFINISHED)},
            "missing hours": len(self.hours.missing),
            "findings": len(self.found),
        }

    @cached_property
    def found(self) -> list[Finding]:
        """All findings: those about the audit log itself first, then the newest first."""
        everything = sorted(self._findings(), key=lambda finding: finding.at or self.period.until, reverse=True)
        return sorted(everything, key=lambda finding: not finding.serious)

    def _findings(self) -> Iterator[Finding]:
        yield from findings.of_ledger(self.period)
        if self._loaded.problem:
            yield Finding("MongoDB not asked", None, f"{self._loaded.problem} {_NOT_ASKED}")
        history = History.of(self._settings)
        for run in self.period.runs:
            yield from findings.of_run(run)
            yield from findings.of_notebook(history, run)
        yield from findings.of_code(self.period.runs)
        yield from findings.of_warnings(self.period.runs)
        for first, last, number in self.hours.gaps():
            text = (
                bare_instant(first)
                if first == last
                else f"{bare_instant(first)} to {bare_instant(last + _LAST_MINUTE)}"
            )
            many = "1 hour" if number == _ONE_HOUR else f"{number:,} hours"
            yield Finding("missing hours", first, f"{many} in which a run was due and none started: {text}.")
        for step in watermark_changes.changes(self.period):
            if step.what == "gap":
                yield Finding(
                    "watermark gap", step.at, f"{step.before} to {step.after} was passed over. {step.text}", step.run
                )

    @property
    def findings(self) -> Table:
        """The findings as a table."""
        rows = [
            (
                Mark(
                    finding.what,
                    "failed" if finding.serious else period.kind_of(finding.run) if finding.run else "missing",
                ),
                finding.text,
                finding.at,
                hours.link_to(finding.run) if finding.run else "",
            )
            for finding in self.found[:_FINDINGS]
        ]
        columns = ("what", "more", f"when ({ZONE})", "run")
        table = Table(
            columns,
            rows,
            title="Findings, those about the record itself first",
            total=len(self.found),
            limit=_FINDINGS,
            longest=_TEXT,
        )
        return self._leading(table)

    @property
    def calendar(self) -> Tables:
        """Days and hours: ok, failed, missing, dry."""
        return Tables([self._leading(table) for table in hours.calendar(self.period, self.hours).tables])

    @property
    def records(self) -> Table:
        """Records per source."""
        return run_tables.records(self.period.runs, self.period.earlier)

    @property
    def records_by_run(self) -> Table:
        """Records per run and source, only of runs with something new."""
        return self._leading(run_tables.records_by_run(self.period.runs))

    def records_picture(self) -> Picture:
        """New and updated documents over time."""
        return run_tables.records_picture(self.period.runs, days=self.period.days)

    @property
    def durations(self) -> Table:
        """How long runs took."""
        return self._leading(run_tables.durations(self.period.runs))

    def durations_picture(self) -> Picture:
        """How long runs took over time."""
        return run_tables.durations_picture(self.period.runs, days=self.period.days)

    @property
    def rejects(self) -> Table:
        """Rejects by reason."""
        return self._leading(run_tables.reasons(self.period.runs))

    @property
    def unknown_values(self) -> Table:
        """Values that the mapping does not know or could not read exactly; the most frequent first."""
        return self._leading(run_tables.unknown_values(self.period.runs))

    @property
    def unknown_words(self) -> Table:
        """The earlier name of `unknown_values`, which a home's own `review.ipynb` may use."""
        return self.unknown_values

    @cached_property
    def _loaded(self) -> loads.LoadsInMongo:
        return loads.ask(self._settings, self.period)

    @property
    def publication(self) -> Table:
        """The delay from publication to load."""
        return loads.publication(self._loaded)

    @property
    def watermark(self) -> Table:
        """The changes of the watermark."""
        return self._leading(watermark_changes.table(self.period))

    @property
    def by_hand(self) -> Table:
        """The loads by hand."""
        return loads.by_hand(self._loaded)

    @property
    def runs(self) -> Table:
        """The runs, each with a link to its page or its executed notebook."""
        return self._leading(run_tables.runs(self.period.runs))

    def _leading(self, table: Table) -> Table:
        """The table with links to pages or to notebooks, as `pages` says."""
        if self._pages:
            return table
        return replace(table, rows=[[self._led(cell) for cell in row] for row in table.rows])

    def _led(self, cell: Any) -> Any:
        if not isinstance(cell, Link):
            return cell
        href = self._notebooks.get(cell.href)
        return Link(cell.text, href, cell.status) if href else Mark(cell.text, cell.status)

    @cached_property
    def _notebooks(self) -> dict[str, str]:
        """For each page of a run, the path from `notebooks` to its executed notebook, if that exists."""
        history, hrefs = History.of(self._settings), {}
        for run in self.period.runs:
            # The ledger may have been changed: the path can be any text.
            with suppress(UsageError, ValueError, OSError):
                path = history.path(run)
                if path.is_file():
                    inside = path.relative_to(history.runs.resolve()).as_posix()
                    hrefs[hours.page_of(run.run_id)] = f"{_RUNS}{quote(inside)}"
        return hrefs

    def as_dict(self) -> dict[str, Any]:
        """The data for `futurscam review`, which `--json` prints."""
        return {
            "since": clock.to_text(self.period.since),
            "until": clock.to_text(self.period.until),
            "days": self.period.days,
            "counts": self.counts(),
            "unanswered": self._loaded.problem,
            "findings": [
                {
                    "what": finding.what,
                    "at": clock.to_text(finding.at) if finding.at else None,
                    "run_id": finding.run.run_id if finding.run else None,
                    "text": finding.text,
                    "serious": finding.serious,
                }
                for finding in self.found[:_FINDINGS]
            ],
            "listed": [run.run_id for run in run_tables.listed(self.period.runs)],
        }
