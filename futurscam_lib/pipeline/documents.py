"""The documents between transform and load: a cell of the notebook can show, read, drop and change them.

The functions of a cell are called when the documents are read: by `load`, a chunk at a time, and by each look at them
before. Nothing else of them is kept.
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
    """What the functions of the cells made of one document.

    Attributes:
        before: As transform made it.
        after: As it is to be loaded; None: it was dropped, or refused.
        error: Why the document model refuses what a function made of it.
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
        name: The method that it was given to.
        function: Gets a document.
    """

    name: Literal["filter", "map", "enrich"]
    function: Callable[[Document], Any]

    def apply(self, entry: Entry) -> Entry | None:
        """Give the document as it goes on; None: it is dropped.

        Raises:
            CellFailed: The function failed, or did what it may not do.
            Rejected: The document model refuses what it returned.
        """
        document = entry.decoded()
        try:
            result = self.function(document)
            keeps = self.name != "filter" or bool(result)
        except Exception as error:
            # Its text can quote the document, and the ledger keeps ours.
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
    """The documents of a run, as a step gives them to the next one."""

    def __init__(self, spool: Spool, transformed: Transformed, steps: tuple[_Step, ...] = ()) -> None:
        """Use what transform made.

        Args:
            spool: The documents.
            transformed: What transform reports of them.
            steps: The functions that are applied to each, in this order.
        """
        self.spool, self.transformed, self._steps = spool, transformed, steps

    def filter(self, keep: Callable[[Document], object]) -> Rfps:
        """Only the documents for which `keep` returns something true; the others are counted as dropped."""
        return self._with(_Step("filter", keep))

    def map(self, change: Callable[[Document], Document | None]) -> Rfps:
        """The documents as `change` returns them; one for which it returns None is counted as dropped."""
        return self._with(_Step("map", change))

    def enriched(self, enrich: Callable[[Document], Document]) -> Rfps:
        """The documents with what an enricher adds, which does not count as a change by their source."""
        return self._with(_Step("enrich", enrich))

    @property
    def is_changed(self) -> bool:
        """Whether functions are applied to the documents."""
        return bool(self._steps)

    def __iter__(self) -> Iterator[Document]:
        """Each document, read from disk a chunk at a time."""
        for passed in self._passed():
            if passed.after:
                yield passed.after.decoded()

    def to_frame(self, limit: int | None = _IN_A_FRAME) -> pd.DataFrame:
        """The documents as a DataFrame; the columns of an object within are named like `company.city`.

        Args:
            limit: How many; None: all, in memory.
        """
        import pandas as pd

        return pd.json_normalize(list(islice(self, limit)))

    def chunks(self) -> Iterator[list[Passed]]:
        """What the functions make of the documents, a chunk at a time."""
        for chunk in self.spool.chunks():
            yield [self._pass(Entry.from_spool(entry)) for entry in chunk]

    def table(self) -> Table:
        """How many documents and rejects there are."""
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
    """How many documents the functions kept, dropped and spoiled; and the first ones."""

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
    """The line of the cell that failed, for a person."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
        if trace.tb_frame.f_code.co_filename != __file__:
            return f" in line {trace.tb_lineno} of its cell"
    return ""
