"""Reports of load and close_ended: new and changed documents, missions that ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self

from futurscam_lib import clock
from futurscam_lib.records import shown_counts
from futurscam_lib.report.tables import Shown, Table
from futurscam_lib.report.text import ZONE, instant
from futurscam_lib.report.transformed import SAMPLE, Rejects, customer_of
from futurscam_lib.rfp import DAYS
from futurscam_lib.run_ids import BY_HAND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from futurscam_lib.load.entry import Change, Outcome
    from futurscam_lib.load.spool import Spool
    from futurscam_lib.load.upsert import Loaded
    from futurscam_lib.records import Counts, Reject

CHANGES: Final = 200
"""How many changed fields are kept."""

_IN_A_FRAME: Final = 1000
_LONG_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class NewRow:
    """A new document as a row of a table and of the notebook's scraps."""

    job_id: str
    reference: str
    title: str
    company: str | None
    published: datetime | None
    deadline: datetime | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From a document."""
        return cls(
            job_id=document["job_id"],
            reference=document["reference"],
            title=document["roleTitle"],
            company=customer_of(document["company"]),
            published=document["publishedAt"],
            deadline=document["deadlineAt"],
        )


@dataclass(slots=True, repr=False)
class LoadReport(Shown):
    """The results of load.

    Attributes:
        dry_run: Whether it shows only what would have happened.
        run_id: The run.
        counts: Per source.
        outcomes: The outcome of each item, except payloads that extract already knew.
        new: The first new documents.
        changes: The first changed fields.
        refused: Why MongoDB, or the document model after a cell, refused documents: sentences.
        rejects: The rejects made from refused documents.
    """

    dry_run: bool
    run_id: str
    counts: dict[str, Counts]
    outcomes: Spool
    new: list[NewRow] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    rejects: Rejects = field(default_factory=Rejects)

    def add(self, loaded: Loaded) -> None:
        """Add the result of a chunk, except its outcomes."""
        self.new += [NewRow.of(entry.document) for entry in loaded.inserted[: SAMPLE - len(self.new)]]
        self.changes += loaded.changes[: CHANGES - len(self.changes)]

    def add_refused(self, reject: Reject) -> None:
        """Add a document that was refused."""
        self.refused[reject.reason] += 1
        self.rejects.add(reject)

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes."""
        for outcome in outcomes:
            counts = self.counts[outcome.source]
            setattr(counts, outcome.result, getattr(counts, outcome.result) + 1)
            self.outcomes.append({"source": outcome.source, **outcome.to_document(self.run_id), "place": outcome.place})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the outcome of each item: source, place, job_id, result, version."""
        for chunk in self.outcomes.chunks():
            for outcome in chunk:
                yield {name: outcome[name] for name in ("source", "place", "job_id", "result", "version")}

    def to_frame(self, limit: int | None = _IN_A_FRAME) -> pd.DataFrame:
        """Return the outcome of each item as a DataFrame.

        Args:
            limit: How many; None: all, in memory.
        """
        import pandas as pd

        return pd.DataFrame(islice(self, limit))

    def table(self) -> Table:
        """Counts per source."""
        names = shown_counts(counts.as_dict() for counts in self.counts.values())[1:]
        rows = [(source, *(getattr(counts, name) for name in names)) for source, counts in self.counts.items()]
        return Table(("source", *names), rows, notes=self._notes())

    def _notes(self) -> list[str]:
        by_hand = self.run_id.startswith(BY_HAND)
        notes = ["Dry run: this is what would have been written; nothing was."] if self.dry_run else []
        if by_hand and self.dry_run:
            notes.append(
                "To apply it, set dry_run = False in the cell Parameters and run all cells again: "
                f"what is loaded is then labelled {BY_HAND}... in _etl.run_id."
            )
        notes += [f"{number:,} document(s) were rejected. {why}" for why, number in self.refused.items()]
        if by_hand and not self.dry_run:
            notes += [
                f"Loaded by hand: what is new or changed is labelled {self.run_id} in _etl.run_id.",
                "Set dry_run = True again before this notebook is saved, so that the next person changes nothing.",
            ]
        return notes

    @property
    def inserted(self) -> Table:
        """The first new documents."""
        columns = ("job", "reference", "title", "company", f"published ({ZONE})", f"deadline ({ZONE})")
        count = sum(counts.inserted for counts in self.counts.values())
        return Table(columns, [astuple(row) for row in self.new], title="New documents", total=count)

    @property
    def updated(self) -> Table:
        """The changed fields, with their values before and after."""
        rows = [(c.reference or c.job_id, c.title, c.field, *before_and_after(c)) for c in self.changes]
        count = sum(counts.updated for counts in self.counts.values())
        did = "would be" if self.dry_run else "were"
        notes = [f"{count:,} document(s) {did} updated."] if count else []
        return Table(("reference", "title", "field", "from", "to"), rows, title="What updates changed", notes=notes)


@dataclass(slots=True, repr=False)
class Ended(Shown):
    """Missions that became inactive, and active again.

    Attributes:
        dry_run: Whether it shows only what would have happened.
        deadline: How many were closed because their deadline has passed.
        at_source: How many were closed or deleted by their source, by (source, `closed` or `deleted`).
        reopened: How many were opened again because their source lists them as open.
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
        """How many became inactive."""
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


def before_and_after(change: Change) -> tuple[Any, Any]:
    """Return the values of a changed field for display; a long text is shown as its length."""
    both = (change.before, change.after)
    if any(isinstance(value, str) and len(value) > _LONG_TEXT for value in both):
        before, after = (
            f"{len(value or ''):,} characters" if value is None or isinstance(value, str) else value for value in both
        )
        return before, after
    return with_days(change.field, change.before, change.after)


def with_days(path: str, before: Any, after: Any) -> tuple[Any, Any]:
    """Return the values of a field before and after, with calendar days shown as days.

    Args:
        path: The field, dotted.
        before: Its value before.
        after: Its value now. If both are the same day but are stored as different instants, the instants are shown.
    """
    days = _day_shown(path, before), _day_shown(path, after)
    if path in DAYS and days[0] == days[1]:
        kept = tuple(instant(moment, to="minutes") for moment in (before, after))
        return f"{days[0]}, kept as {kept[0]}", f"{days[1]}, kept as {kept[1]}"
    return days


def _day_shown(path: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _day_shown(f"{path}.{name}", inner) for name, inner in value.items()}
    return clock.calendar_day(value) if path in DAYS and isinstance(value, datetime) else value
