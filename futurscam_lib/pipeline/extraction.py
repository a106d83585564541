"""What a run takes in: from its sources, from what earlier runs landed, or from the quarantine."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from futurscam_lib.errors import FuturscamError, UsageError
from futurscam_lib.extract.source import notes_of
from futurscam_lib.load import quarantine, replay
from futurscam_lib.load.landing import rejected
from futurscam_lib.load.quarantine import DISMISSED
from futurscam_lib.load.spool import Spool, chunked
from futurscam_lib.prefetch import prefetch
from futurscam_lib.records import Counts
from futurscam_lib.report.extracted import Extracted, Failure, SourceReport
from futurscam_lib.settings import SHIPPED_NOTEBOOKS
from futurscam_lib.transform import depends_on_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from futurscam_lib.extract.source import Source
    from futurscam_lib.load.collections import Collections
    from futurscam_lib.load.landing import Landed, Landing
    from futurscam_lib.records import RawRecord, Replay, Window
    from futurscam_lib.settings import Settings

_NOTEBOOK: Final = "etl"


class Extraction:
    """Reads for one run, lands what is new, and counts.

    Attributes:
        raw: What transform gets.
        counts: Per source, what was extracted, and of that what needs nothing, as unchanged.
        reopening: Dismissed entries of the quarantine that were asked for.
    """

    def __init__(
        self, configured: Settings, collections: Collections, landing: Landing, sources: Sequence[Source]
    ) -> None:
        """Prepare.

        Args:
            configured: The settings.
            collections: Where payloads are landed.
            landing: The landing of the run.
            sources: What is read.
        """
        self._settings, self._collections, self._landing, self._sources = configured, collections, landing, sources
        self._names = [source.name for source in sources]
        self.counts = {name: Counts() for name in self._names}
        self.raw = Extracted(Spool(configured.scratch), {name: SourceReport() for name in self._names})
        self.reopening: set[str] = set()

    def read_sources(self, window: Window, *, now: datetime) -> None:
        """Read the sources, then what earlier runs landed and did not load, then what was rejected too early."""
        for source in self._sources:
            self._read(source, window, now)
        for records in self._landing.leftovers(self._names):
            for record in records:
                self._pick_up(record)
        for record in self._landing.due(self._names, now=now):
            self._pick_up(record)

    def read_landed(self, which: Replay) -> None:
        """Take landed payloads again."""
        # What a cell of the home's own notebook does to a document may have changed since.
        own = self._settings.notebook(_NOTEBOOK) != SHIPPED_NOTEBOOKS / f"{_NOTEBOOK}.ipynb"
        always = {name: own or depends_on_settings(name) for name in self._names}
        for landed in replay.landed(self._collections, self._landing, replay=which, always=always):
            for name, known in landed.known.items():
                self._add_known(name, known)
                self.raw.sources[name].found += known
                self.counts[name].extracted += known
            for record in landed.pending:
                report = self.raw.sources[record.source]
                report.found += 1
                report.size += record.size
                self.counts[record.source].extracted += 1
                self.raw.add(record)
        self._leave_out_unused()

    def read_rejects(self, items: Sequence[str]) -> None:
        """Take the payloads of open rejects again.

        Args:
            items: Only these entries of the quarantine, dismissed ones too; empty: all open ones.

        Raises:
            UsageError: One of the items is neither an open entry nor a dismissed one.
        """
        asked = list(quarantine.open_rejects(self._collections, sources=self._names, items=items))
        there = {reject["_id"] for reject in asked}
        if missing := [item for item in dict.fromkeys(items) if item not in there]:
            names = ", ".join(map(repr, missing))
            raise UsageError(
                f"Not an open or dismissed entry of the quarantine: {names}. Nothing was retried. "
                "`futurscam rejects list --all` shows all entries with their states."
            )
        self.reopening = {reject["_id"] for reject in asked if reject["state"] == DISMISSED}
        for reject in asked:
            for record in rejected(self._collections, reject):
                self._pick_up(record)
        self._leave_out_unused()

    def _read(self, source: Source, window: Window, now: datetime) -> None:
        report = self.raw.sources[source.name]
        chunks = chunked(_until_failure(source, window, report), size=lambda record: len(record.payload))

        def land(records: list[RawRecord]) -> tuple[list[RawRecord], Landed]:
            return records, self._landing.land(records, now=now)

        for records, landed in prefetch(land, chunks):
            report.found += len(records)
            report.size += sum(record.size for record in records)
            self.counts[source.name].extracted += len(records)
            self._add_known(source.name, landed.known[source.name])
            for record in landed.pending:
                self.raw.add(record)
        report.notes = notes_of(source)

    def _add_known(self, name: str, known: int) -> None:
        self.raw.sources[name].known += known
        self.counts[name].unchanged += known

    def _pick_up(self, record: RawRecord) -> None:
        self.raw.sources[record.source].picked_up += 1
        self.counts[record.source].extracted += 1
        self.raw.add(record)

    def _leave_out_unused(self) -> None:
        """Show no source that is not configured and of which nothing was landed."""
        for name in [name for name, one in self.counts.items() if not one.extracted]:
            if name not in self._settings.sources:
                del self.counts[name], self.raw.sources[name]


def _until_failure(source: Source, window: Window, report: SourceReport) -> Iterator[RawRecord]:
    """A source's records; its failure ends them, and what came before still counts."""
    try:
        yield from source.read(window)
    except FuturscamError as error:
        report.failure = Failure.of(error)
    except Exception as error:  # noqa: BLE001 - a fault of the software in one source does not stop the others
        traceback.print_exc()
        message = f"{source.name} failed unexpectedly ({type(error).__name__}: {error})."
        report.failure = Failure(type(error).__name__, message)
