"""Reads the records of a run: from its sources, from payloads of earlier runs, or from the quarantine."""

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
    """Reads for one run, lands new payloads, and counts.

    Attributes:
        raw: The records for transform.
        counts: Per source, how many records were extracted; known payloads are counted as unchanged.
        reopening: Dismissed quarantine entries that were requested.
    """

    def __init__(
        self, configured: Settings, collections: Collections, landing: Landing, sources: Sequence[Source]
    ) -> None:
        """Prepare.

        Args:
            configured: The settings.
            collections: Where payloads are landed.
            landing: The landing of the run.
            sources: The sources to read.
        """
        self._settings, self._collections, self._landing, self._sources = configured, collections, landing, sources
        self._names = [source.name for source in sources]
        self.counts = {name: Counts() for name in self._names}
        self.raw = Extracted(Spool(configured.scratch), {name: SourceReport() for name in self._names})
        self.reopening: set[str] = set()

    def read_sources(self, window: Window, *, now: datetime) -> None:
        """Read the sources, then the leftovers of earlier runs, then rejects whose time stamp was in the future."""
        for source in self._sources:
            self._read(source, window, now)
        for records in self._landing.leftovers(self._names):
            for record in records:
                self._pick_up(record)
        for record in self._landing.due(self._names, now=now):
            self._pick_up(record)

    def read_landed(self, which: Replay) -> None:
        """Read landed payloads again."""
        # The cells of the home's own notebook may change documents in another way than before.
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
        """Read the payloads of open rejects again.

        Args:
            items: Only these quarantine entries, open or dismissed; empty: all open entries.

        Raises:
            UsageError: An item is neither an open nor a dismissed entry.
        """
        rejects = list(quarantine.open_rejects(self._collections, sources=self._names, items=items))
        known = {reject["_id"] for reject in rejects}
        if missing := [item for item in dict.fromkeys(items) if item not in known]:
            names = ", ".join(map(repr, missing))
            raise UsageError(
                f"Not an open or dismissed entry of the quarantine: {names}. Nothing was retried. "
                "`futurscam rejects list --all` shows all entries with their states."
            )
        self.reopening = {reject["_id"] for reject in rejects if reject["state"] == DISMISSED}
        for reject in rejects:
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
        """Leave out sources that are not configured and have no landed payloads."""
        for name in [name for name, counts in self.counts.items() if not counts.extracted]:
            if name not in self._settings.sources:
                del self.counts[name], self.raw.sources[name]


def _until_failure(source: Source, window: Window, report: SourceReport) -> Iterator[RawRecord]:
    """Yield a source's records until it fails; the records before the failure still count."""
    try:
        yield from source.read(window)
    except FuturscamError as error:
        report.failure = Failure.of(error)
    except Exception as error:  # noqa: BLE001 - a bug in one source does not stop the others
        traceback.print_exc()
        message = f"{source.name} failed unexpectedly ({type(error).__name__}: {error})."
        report.failure = Failure(type(error).__name__, message)
