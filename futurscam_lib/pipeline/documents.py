"""The documents between transform and load: a notebook cell can show, read, drop and change them.

The functions of a cell are called each time the documents are read: by `load`, in chunks, and whenever a cell shows
them before. Their results are not stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from futurscam_lib.errors import CellFailed, Rejected
from futurscam_lib.load.entry import Entry
from futurscam_lib.report.tables import Shown, Table
from futurscam_lib.report.transformed import SAMPLE, DocumentRow, sample_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from futurscam_lib.load.spool import Spool
    from futurscam_lib.report.transformed import Transformed

Document = dict[str, Any]
_IN_A_FRAME: Final = 1000


@dataclass(frozen=True, slots=True)
class Passed:
    """The result of the cells' functions for one document.

    Attributes:
        before: The document from transform.
        after: The document to load; None: it was dropped or refused.
        error: Why the document model refuses the changed document.
    """

    before: Entry
    after: Entry | None
    error: Rejected | None = None

    @property
    def is_dropped(self) -> bool:
        """Whether a function dropped it."""
        return self.after is None and self.error is None


@dataclass(frozen=True, slots=True)
class _Step:
    """One function that is applied to each document.

    Attributes:
        name: The method that was called with it.
        function: Takes a document.
    """

    name: Literal["filter", "map", "enrich"]
    function: Callable[[Document], Any]

    def apply(self, entry: Entry) -> Entry | None:
        """Return the document for the next step; None: it is dropped.

        Raises:
            CellFailed: The function failed, or made a change that is not allowed.
            Rejected: The document model refuses the result.
        """
        document = entry.decoded()
        try:
            result = self.function(document)
            keeps = self.name != "filter" or bool(result)
        except Exception as error:
            # The error's text can quote the document, so it must not enter our message, which the ledger keeps.
            raise CellFailed(
                f"The function that was given to {self.name}() failed with {type(error).__name__}{_where(error)}. "
                "Correct the cell, then run the notebook again; the watermark stays."
            ) from error
        if self.name == "filter":
            return entry if keeps else None
        return None if result is None else self._changed(entry, result)

    def _changed(self, entry: Entry, result: object) -> Entry:
        if not isinstance(result, dict):
            raise CellFailed(
                f"The function that was given to {self.name}() returned a {type(result).__name__}. "
                "It must return the document, or None to drop it."
            )
        before = entry.decoded()
        if result.get("job_id") != entry.job_id or result.get("_etl", before["_etl"]) != before["_etl"]:
            raise CellFailed(
                f"The function that was given to {self.name}() changed job_id or _etl. These say which item of which "
                "source a document was made of, so they must stay as they are."
            )
        if {**result, "_etl": before["_etl"]} == before:
            return entry
        return entry.with_content(result, enriched=self.name == "enrich")


class Rfps(Shown):
    """The documents of a run, passed from one step to the next."""

    def __init__(self, spool: Spool, transformed: Transformed, steps: tuple[_Step, ...] = ()) -> None:
        """Prepare.

        Args:
            spool: The documents from transform.
            transformed: Transform's report about them.
            steps: The functions to apply to each document, in this order.
        """
        self.spool, self.transformed, self._steps = spool, transformed, steps

    def filter(self, keep: Callable[[Document], object]) -> Rfps:
        """Keep only the documents for which `keep` returns a true value; the others are counted as dropped."""
        return self._with(_Step("filter", keep))

    def map(self, change: Callable[[Document], Document | None]) -> Rfps:
        """Replace each document by the result of `change`; if that is None, the document is counted as dropped."""
        return self._with(_Step("map", change))

    def enriched(self, enrich: Callable[[Document], Document]) -> Rfps:
        """Let an enricher add to the documents; that does not count as a change by their source."""
        return self._with(_Step("enrich", enrich))

    @property
    def is_changed(self) -> bool:
        """Whether functions are applied to the documents."""
        return bool(self._steps)

    def __iter__(self) -> Iterator[Document]:
        """Yield each document, read from disk in chunks."""
        for passed in self._passed():
            if passed.after:
                yield passed.after.decoded()

    def to_frame(self, limit: int | None = _IN_A_FRAME) -> pd.DataFrame:
        """Return the documents as a DataFrame; columns of nested objects have names like `company.city`.

        Args:
            limit: How many; None: all, in memory.
        """
        import pandas as pd

        return pd.json_normalize(list(islice(self, limit)))

    def chunks(self) -> Iterator[list[Passed]]:
        """Apply the functions to the documents and yield the results in chunks."""
        for chunk in self.spool.chunks():
            yield [self._pass(Entry.from_spool(entry)) for entry in chunk]

    def table(self) -> Table:
        """Count documents and rejects."""
        if not self._steps:
            return self.transformed.table()
        seen = self._seen
        rows = [("documents", seen.documents), ("dropped", seen.dropped)]
        return Table(("became", "records"), [*rows, ("rejects", self.transformed.rejects.total + seen.refused)])

    @property
    def sample(self) -> Table:
        """The first documents."""
        return sample_table(self._seen.rows, total=self._seen.documents) if self._steps else self.transformed.sample

    @property
    def rejected(self) -> Table:
        """The records that transform could not turn into documents."""
        return self.transformed.rejected

    @cached_property
    def _seen(self) -> _Seen:
        seen = _Seen([])
        for passed in self._passed():
            seen.add(passed)
        return seen

    def _passed(self) -> Iterator[Passed]:
        for chunk in self.chunks():
            yield from chunk

    def _pass(self, before: Entry) -> Passed:
        entry: Entry | None = before
        for step in self._steps:
            try:
                entry = step.apply(entry) if entry else None
            except Rejected as error:
                return Passed(before, None, error)
        return Passed(before, entry)

    def _with(self, step: _Step) -> Rfps:
        return Rfps(self.spool, self.transformed, (*self._steps, step))


@dataclass(slots=True)
class _Seen:
    """Counts the documents that the functions kept, dropped and broke, and holds the first documents."""

    rows: list[DocumentRow]
    documents: int = 0
    dropped: int = 0
    refused: int = 0

    def add(self, passed: Passed) -> None:
        self.documents += passed.after is not None
        self.dropped += passed.is_dropped
        self.refused += passed.error is not None
        if passed.after and len(self.rows) < SAMPLE:
            self.rows.append(DocumentRow.of(passed.after.decoded()))


def _where(error: Exception) -> str:
    """Return the line of the cell that failed, for a person."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
        if trace.tb_frame.f_code.co_filename != __file__:
            return f" in line {trace.tb_lineno} of its cell"
    return ""
