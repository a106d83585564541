"""The report of transform: documents, rejects and unknown values."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from futurscam_lib import clock
from futurscam_lib.report.tables import Shown, Table
from futurscam_lib.report.text import ZONE
from futurscam_lib.rfp import customer
from futurscam_lib.transform.vocabulary import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from futurscam_lib.records import Reject
    from futurscam_lib.rfp import Rfp

SAMPLE: Final = 20
_MOST_VALUES: Final = 20_000
_KEPT_VALUES: Final = 2_000

UNKNOWN_VALUES: Final = (
    "Unknown values: a word that no vocabulary knows is kept in a readable form; the run's notebook shows the word "
    "itself under Transform. A value of the wrong form is read where its meaning is plain; otherwise the field is "
    "empty. Long texts are cut. The raw record keeps all."
)
"""Explains a list of unknown values."""


def forget_rare(counter: Counter[Any]) -> None:
    """Keep only the frequent entries of a counter that has very many."""
    if len(counter) > _MOST_VALUES:
        kept = dict(counter.most_common(_KEPT_VALUES))
        counter.clear()
        counter.update(kept)


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as a row of a table; the fields are its columns."""

    reference: str
    title: str
    role: str | None
    company: str | None
    city: str | None
    seniority: str
    remote: str
    rate: str
    starts: date | None
    deadline: datetime | None
    skills: list[str]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """From a document."""
        conditions = content["conditions"]
        rate, starts = conditions["dailyRate"], conditions["fromAt"]
        amounts = [f"{amount:g}" for amount in (rate["min"], rate["max"]) if amount is not None]
        return cls(
            reference=content["reference"],
            title=content["roleTitle"],
            role=content["role"],
            company=customer_of(content["company"]),
            city=content["company"]["city"],
            seniority=content["seniority"],
            remote=content["remoteOption"],
            rate=" - ".join(amounts),
            starts=clock.calendar_day(starts) if starts else None,
            deadline=content["deadlineAt"],
            skills=[skill["name"] for skill in content["skills"]],
        )


@dataclass(frozen=True, slots=True)
class RejectRow:
    """A reject as a row of a table and of the notebook's scraps."""

    origin: str
    line: int | None
    column: int | None
    path: str
    reason: str
    job_id: str | None


@dataclass(slots=True)
class Rejects:
    """Rejects, counted by reason; the first ones are shown.

    Attributes:
        reasons: How many, by code and field.
        rows: The first ones.
    """

    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: list[RejectRow] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many rejects there are."""
        return self.reasons.total()

    def add(self, reject: Reject) -> None:
        """Count a reject."""
        self.reasons[reject.code, reject.path] += 1
        if len(self.rows) < SAMPLE:
            raw = reject.raw
            place = (raw.origin, reject.line or None, reject.column or None)
            self.rows.append(RejectRow(*place, reject.path, reject.reason, reject.job_id))

    def __add__(self, other: Self) -> Self:
        """Add the rejects of another step."""
        return type(self)(self.reasons + other.reasons, (self.rows + other.rows)[:SAMPLE])


@dataclass(slots=True, repr=False)
class Transformed(Shown):
    """Counts documents, rejects, and unknown values.

    Attributes:
        documents: How many documents were made.
        rejects: The rejects.
        unknown: Unknown values, by field and value: for the notebook, which shows the words.
        kinds: The same by field and kind: for the ledger and the logs, which must not contain text of a post.
        rows: The first documents.
    """

    documents: int = 0
    rejects: Rejects = field(default_factory=Rejects)
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: list[DocumentRow] = field(default_factory=list)

    def add(self, made: Rfp) -> None:
        """Count a document."""
        self.documents += 1
        if len(self.rows) < SAMPLE:
            self.rows.append(DocumentRow.of(made.content))
        if made.oddities:
            self.unknown.update(made.oddities)
            self.kinds.update((path, kind_of(value)) for path, value in made.oddities)
            forget_rare(self.unknown)

    def table(self) -> Table:
        """Documents and rejects."""
        notes = [f"{path}: {value} ({n:,})" for (path, value), n in self.unknown.most_common(20)]
        notes = [UNKNOWN_VALUES, *notes] if notes else []
        rows = [("documents", self.documents), ("rejects", self.rejects.total)]
        return Table(("became", "records"), rows, notes=notes)

    @property
    def sample(self) -> Table:
        """The first documents."""
        return sample_table(self.rows, total=self.documents)

    @property
    def rejected(self) -> Table:
        """The first rejects, with reason and place."""
        columns = ("where", "line", "column", "field", "reason", "job")
        notes = [f"{code} {path}".strip() + f": {n}" for (code, path), n in self.rejects.reasons.most_common(20)]
        rows = [astuple(row) for row in self.rejects.rows]
        return Table(columns, rows, title="Rejects, kept in the quarantine", notes=notes, total=self.rejects.total)


def sample_table(rows: Sequence[DocumentRow], *, total: int) -> Table:
    """Return a table of the first of `total` documents."""
    columns = ("reference", "title", "role", "company", "city", "seniority", "remote", "EUR/day", "starts")
    return Table(
        (*columns, f"deadline ({ZONE})", "skills"),
        [astuple(row) for row in rows],
        title="The first documents",
        total=total,
    )


def customer_of(company: Mapping[str, Any]) -> str | None:
    """Return the customer for display."""
    return customer(company["name"], company["department"], show_department=company["showDepartment"])
