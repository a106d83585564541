"""The report of extract: the raw records of a run, and counts per source."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, Self

from futurscam_lib.extract import source_notes
from futurscam_lib.records import RawRecord
from futurscam_lib.report.tables import Shown, Table
from futurscam_lib.report.text import ZONE, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import pandas as pd

    from futurscam_lib.load.spool import Spool

_SAMPLE: Final = 8
_IN_A_FRAME: Final = 1000
_BEGINNING: Final = 60


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a source could not deliver everything.

    Attributes:
        error: The class of the error, which decides what happens next.
        message: Its text.
    """

    error: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> Self:
        """From an exception."""
        return cls(type(error).__name__, str(error))


@dataclass(slots=True)
class SourceReport:
    """The report of one source.

    Attributes:
        found: How many records it delivered.
        known: How many of these are known payloads.
        picked_up: Records that earlier runs landed but did not load.
        size: Bytes of the records.
        failure: Set if the source failed; records before the failure still count.
        notes: Notes for the reviewer, as in `source_notes`.
    """

    found: int = 0
    known: int = 0
    picked_up: int = 0
    size: int = 0
    failure: Failure | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RawRow:
    """A raw record as a row of a table."""

    source: str
    origin: str
    instant: datetime
    size: int
    beginning: str

    @classmethod
    def of(cls, record: RawRecord) -> Self:
        """From a record."""
        beginning = record.payload[:_BEGINNING].decode("utf-8", "replace")
        return cls(record.source, record.origin, record.instant, record.size, beginning)


@dataclass(slots=True, repr=False)
class Extracted(Shown):
    """The raw records for transform, and counts per source.

    Attributes:
        spool: The records.
        sources: The report of each source.
        rows: The first records.
    """

    spool: Spool
    sources: dict[str, SourceReport]
    rows: list[RawRow] = field(default_factory=list)

    def add(self, record: RawRecord) -> None:
        """Pass a record on to transform."""
        if len(self.rows) < _SAMPLE:
            self.rows.append(RawRow.of(record))
        self.spool.append(record.to_document())

    def __iter__(self) -> Iterator[RawRecord]:
        """Yield each record, read from disk in chunks."""
        for chunk in self.spool.chunks():
            yield from map(RawRecord.from_document, chunk)

    def to_frame(self, limit: int | None = _IN_A_FRAME) -> pd.DataFrame:
        """Return the records as a DataFrame, with the beginning of each payload.

        Args:
            limit: How many; None: all, in memory.
        """
        import pandas as pd

        return pd.DataFrame(asdict(RawRow.of(record)) for record in islice(self, limit))

    def table(self) -> Table:
        """Counts per source."""
        rows = [
            (
                *(name, report.found, report.known, report.picked_up, size(report.size)),
                report.failure.message if report.failure else "",
            )
            for name, report in self.sources.items()
        ]
        notes = [str(n) for n in source_notes.each({name: report.notes for name, report in self.sources.items()})]
        columns = ("source", "records", "of these known", "picked up from earlier runs", "size", "failed because")
        return Table(columns, rows, notes=notes)

    @property
    def sample(self) -> Table:
        """The first new records."""
        new = sum(report.found - report.known + report.picked_up for report in self.sources.values())
        columns = ("source", "where", f"instant ({ZONE})", "bytes", "payload")
        return Table(columns, [astuple(row) for row in self.rows], title="The first new records", total=new)
