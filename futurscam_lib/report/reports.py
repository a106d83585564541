"""What each step of a run reports: data that displays itself as a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from futurscam_lib import clock, records
from futurscam_lib.extract import source_notes
from futurscam_lib.report.tables import Shown, Table
from futurscam_lib.report.text import instant, size
from futurscam_lib.rfp import DAYS, customer
from futurscam_lib.run_ids import BY_HAND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from futurscam_lib.load.entry import Change
    from futurscam_lib.records import Counts, Reject

_REJECTS_SHOWN: Final = 20


UNKNOWN_VALUES: Final = (
    "Unknown values: a word that no vocabulary knows is kept in a readable form; the run's notebook shows the word "
    "itself under Transform. A value of the wrong form is read where its meaning is plain; otherwise the field is "
    "empty. Long texts are cut. The raw record keeps all."
)
"""Explains a list of unknown values to its reader."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a source could not deliver everything: the class of the error (it tells what happens next) and its text."""

    error: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> Self:
        """From the error itself."""
        return cls(type(error).__name__, str(error))


@dataclass(slots=True)
class SourceReport:
    """What one source gave.

    Attributes:
        found: Records it gave.
        known: Of these, payloads that need nothing.
        picked_up: Records of earlier runs that were landed and not loaded.
        size: Bytes found.
        failure: Set where it failed; what it gave before still counts.
        notes: What a reviewer should know, as `source_notes` has it.
    """

    found: int = 0
    known: int = 0
    picked_up: int = 0
    size: int = 0
    failure: Failure | None = None
    notes: Sequence[str] = ()


@dataclass(slots=True, repr=False)
class Extracted(Shown):
    """What came in; shows counts per source. `sample` shows where the first records came from."""

    sources: dict[str, SourceReport] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def table(self) -> Table:
        """Counts per source."""
        rows = [
            (
                name,
                one.found,
                one.known,
                one.picked_up,
                size(one.size),
                one.failure.message if one.failure else "",
            )
            for name, one in self.sources.items()
        ]
        notes = [str(note) for note in source_notes.each({name: one.notes for name, one in self.sources.items()})]
        columns = ("source", "records", "of these known", "picked up from earlier runs", "size", "failed because")
        return Table(columns, rows, notes=notes)

    @property
    def sample(self) -> Table:
        """The first new records."""
        new = sum(one.found - one.known + one.picked_up for one in self.sources.values())
        columns = ("source", "where", "instant (UTC)", "bytes", "payload")
        return Table(columns, self.rows, title="The first new records", total=new)


@dataclass(slots=True, repr=False)
class Transformed(Shown):
    """What became of the new records on the way to documents."""

    documents: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    oddities: Mapping[tuple[str, str], int] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    rejects: list[tuple[Any, ...]] = field(default_factory=list)

    def add_reject(self, reject: Reject) -> None:
        """Count a reject; the first ones are shown."""
        self.reasons[reject.code, reject.path] += 1
        if len(self.rejects) < _REJECTS_SHOWN:
            place = (reject.raw.origin, reject.line or None, reject.column or None)
            self.rejects.append((*place, reject.path, reject.reason, reject.job_id))

    def table(self) -> Table:
        """Documents and rejects."""
        rejected = sum(self.reasons.values())
        notes = [f"{path}: {value} ({n:,})" for (path, value), n in self._most_frequent()]
        if notes:
            notes = [UNKNOWN_VALUES, *notes]
        return Table(("became", "records"), [("documents", self.documents), ("rejects", rejected)], notes=notes)

    @property
    def sample(self) -> Table:
        """The first documents."""
        columns = (
            "reference",
            "title",
            "role",
            "company",
            "city",
            "seniority",
            "remote",
            "EUR/day",
            "starts",
            "deadline (UTC)",
            "skills",
        )
        return Table(columns, self.rows, title="The first documents", total=self.documents)

    @property
    def rejected(self) -> Table:
        """The first rejects, with reason and place."""
        columns = ("where", "line", "column", "field", "reason", "job")
        notes = [f"{code} {path}".strip() + f": {n}" for (code, path), n in self.reasons.most_common(20)]
        total = sum(self.reasons.values())
        return Table(columns, self.rejects, title="Rejects, kept in the quarantine", notes=notes, total=total)

    def _most_frequent(self) -> list[tuple[tuple[str, str], int]]:
        return sorted(self.oddities.items(), key=lambda item: -item[1])[:20]


@dataclass(slots=True, repr=False)
class LoadReport(Shown):
    """What became of the documents in MongoDB."""

    dry_run: bool
    counts: dict[str, Counts] = field(default_factory=dict)
    new: list[tuple[Any, ...]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    updates: int = 0
    run_id: str = ""
    refused: Counter[str] = field(default_factory=Counter)

    def table(self) -> Table:
        """Counts per source."""
        names = records.COUNTED[1:]
        rows = [(source, *(getattr(one, name) for name in names)) for source, one in self.counts.items()]
        return Table(("source", *names), rows, notes=self._notes())

    def _notes(self) -> list[str]:
        by_hand = self.run_id.startswith(BY_HAND)
        notes = ["Dry run: this is what would have been written; nothing was."] if self.dry_run else []
        if by_hand and self.dry_run:
            notes.append(
                "To apply it, set dry_run = False in the cell Parameters and run all cells again: "
                f"what is loaded is then labelled {BY_HAND}... in _etl.run_id."
            )
        notes += [f"{number:,} document(s) were rejected by MongoDB. {why}" for why, number in self.refused.items()]
        if by_hand and not self.dry_run:
            notes += [
                f"Loaded by hand: what is new or changed is labelled {self.run_id} in _etl.run_id.",
                "Set dry_run = True again before this notebook is saved, so that the next person changes nothing.",
            ]
        return notes

    @property
    def inserted(self) -> Table:
        """The first new documents."""
        columns = ("job", "reference", "title", "company", "published (UTC)", "deadline (UTC)")
        count = sum(one.inserted for one in self.counts.values())
        return Table(columns, self.new, title="New documents", total=count)

    @property
    def updated(self) -> Table:
        """Which fields changed from what to what."""
        rows = [(c.reference or c.job_id, c.title, c.field, *before_and_after(c)) for c in self.changes]
        count = sum(one.updated for one in self.counts.values())
        did = "would be" if self.dry_run else "were"
        notes = [f"{count:,} document(s) {did} updated."] if count else []
        return Table(("reference", "title", "field", "from", "to"), rows, title="What updates changed", notes=notes)


@dataclass(slots=True, repr=False)
class Ended(Shown):
    """Missions that became inactive, and active again.

    Attributes:
        dry_run: Whether that is only what would have happened.
        deadline: How many whose deadline has passed.
        at_source: How many that their source has closed or deleted, by (source, `closed` or `deleted`).
        reopened: How many that were closed because their source did not show them, which it does again.
        active: How many are active afterwards, or would be.
        notes: What keeps missions from ending.
    """

    dry_run: bool
    deadline: int = 0
    at_source: Counter[tuple[str, str]] = field(default_factory=Counter)
    reopened: int = 0
    active: int = 0
    notes: Sequence[str] = ()

    @property
    def closed(self) -> int:
        """All that became inactive."""
        return self.deadline + self.at_source.total()

    def table(self) -> Table:
        """By reason."""
        did = "to be closed" if self.dry_run else "closed now"
        rows = [(f"{did}, their deadline has passed", self.deadline)]
        rows += [(f"{did}, {fate} at {source}", count) for (source, fate), count in sorted(self.at_source.items())]
        if self.reopened:
            rows.append(("open again at their source", self.reopened))
        rows.append(("would be active then" if self.dry_run else "active", self.active))
        return Table(("missions", "number"), rows, notes=self.notes)


@dataclass(frozen=True, slots=True, repr=False)
class Summary(Shown):
    """The reconciled sum of a run; glued into the notebook, where the runner reads it.

    Attributes:
        replay: Which landed payloads were taken again, as `records.Replay` says it; empty: the sources were asked.
        closed: Missions that became inactive.
        reopened: Missions that became active again, because their source shows them as open.
        notes: What each source noted, as `source_notes` has it; only sources that noted something.
    """

    run_id: str
    dry_run: bool
    window: Mapping[str, str | None]
    watermark: str
    counts: Mapping[str, Counts]
    closed: int
    failures: Mapping[str, Failure]
    reject_reasons: Mapping[str, int]
    oddities: Mapping[str, int]
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    replay: str = ""
    reopened: int = 0

    @property
    def total(self) -> Counts:
        """All sources together."""
        return records.total(self.counts)

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "run_id": self.run_id,
            "dry_run": self.dry_run,
            "replay": self.replay,
            "window": dict(self.window),
            "watermark": self.watermark,
            "counts": self.total.as_dict(),
            "sources": {name: one.as_dict() for name, one in self.counts.items()},
            "closed": self.closed,
            "reopened": self.reopened,
            "failures": {name: {"error": f.error, "message": f.message} for name, f in self.failures.items()},
            "reject_reasons": dict(self.reject_reasons),
            "oddities": dict(self.oddities),
            "notes": {name: list(texts) for name, texts in self.notes.items()},
        }

    def table(self) -> Table:
        """The sum per source and in total."""
        rows = [(name, *one.as_dict().values(), "yes") for name, one in self.counts.items()]
        rows.append(("total", *self.total.as_dict().values(), "yes"))
        notes = [records.moved(self.closed, self.reopened, dry_run=self.dry_run)]
        notes += [f"{name} failed: {failure.message}" for name, failure in self.failures.items()]
        notes += map(str, source_notes.each(self.notes))
        return Table(("source", *records.COUNTED, "adds up"), rows, notes=notes)


def before_and_after(change: Change) -> tuple[Any, Any]:
    """What a changed field was and is, as people read it; a long text is its length: what changed is for a diff."""
    long_text = 300
    both = (change.before, change.after)
    if any(isinstance(value, str) and len(value) > long_text for value in both):
        before, after = (
            f"{len(value or ''):,} characters" if value is None or isinstance(value, str) else value for value in both
        )
        return before, after
    return with_days(change.field, change.before, change.after)


def with_days(path: str, before: Any, after: Any) -> tuple[Any, Any]:
    """What a field of a document was and is, with calendar days as days.

    Args:
        path: The field, dotted.
        before: Its value before.
        after: Its value now. If only the instant differs that stands for the day, both are shown.
    """
    days = _day_shown(path, before), _day_shown(path, after)
    if path in DAYS and days[0] == days[1]:
        kept = tuple(instant(one, to="minutes") for one in (before, after))
        return f"{days[0]}, kept as {kept[0]}", f"{days[1]}, kept as {kept[1]}"
    return days


def _day_shown(path: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _day_shown(f"{path}.{name}", one) for name, one in value.items()}
    return clock.calendar_day(value) if path in DAYS and isinstance(value, datetime) else value


def document_row(content: Mapping[str, Any]) -> tuple[Any, ...]:
    """A document in `Transformed.sample`."""
    conditions = content["conditions"]
    rate, starts = conditions["dailyRate"], conditions["fromAt"]
    amounts = [f"{amount:g}" for amount in (rate["min"], rate["max"]) if amount is not None]
    return (
        content["reference"],
        content["roleTitle"],
        content["role"],
        _customer(content["company"]),
        content["company"]["city"],
        content["seniority"],
        content["remoteOption"],
        " - ".join(amounts),
        clock.calendar_day(starts) if starts else None,
        content["deadlineAt"],
        [skill["name"] for skill in content["skills"]],
    )


def new_row(document: Mapping[str, Any]) -> tuple[Any, ...]:
    """A document in `LoadReport.inserted`."""
    return (
        document["job_id"],
        document["reference"],
        document["roleTitle"],
        _customer(document["company"]),
        document["publishedAt"],
        document["deadlineAt"],
    )


def _customer(company: Mapping[str, Any]) -> str | None:
    return customer(company["name"], company["department"], show_department=company["showDepartment"])
