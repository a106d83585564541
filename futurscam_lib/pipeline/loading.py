"""Loads the documents and rejects of a run into MongoDB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from futurscam_lib.extract.source import NotesLoaded, Remembering
from futurscam_lib.load.quarantine import Quarantine, describe
from futurscam_lib.load.spool import Spool
from futurscam_lib.load.upsert import Upsert
from futurscam_lib.prefetch import prefetch
from futurscam_lib.report.loaded import LoadReport
from futurscam_lib.transform import version_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.extract.source import Source
    from futurscam_lib.load.collections import Collections
    from futurscam_lib.load.durability import Durability
    from futurscam_lib.load.entry import Outcome
    from futurscam_lib.load.landing import Landing
    from futurscam_lib.load.upsert import Loaded
    from futurscam_lib.pipeline.documents import Passed, Rfps
    from futurscam_lib.records import Counts, Reject
    from futurscam_lib.report.plots import Frequencies


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Facts about a run that all its writes share.

    Attributes:
        run_id: The run.
        now: The instant of the run; aware, UTC.
        dry_run: Whether it writes nothing.
    """

    run_id: str
    now: datetime
    dry_run: bool


class Loading:
    """Loads for one run; a dry run may load several times.

    Attributes:
        report: The results for the documents.
        frequencies: The counts behind the pictures, of the loaded documents.
        dry_run_state: What a dry run would have written.
    """

    def __init__(
        self,
        facts: RunFacts,
        collections: Collections,
        landing: Landing,
        *,
        counts: Mapping[str, Counts],
        frequencies: Frequencies,
        scratch: Path,
        is_replay: bool,
        reopening: Collection[str],
    ) -> None:
        """Prepare.

        Args:
            facts: The facts of the run.
            collections: Where to load.
            landing: Stores the outcome of each payload.
            counts: The counts of extract, per source; not changed.
            frequencies: The counts of transform; not changed.
            scratch: Folder for data that does not fit into memory.
            is_replay: See `Upsert`.
            reopening: See `Quarantine`.
        """
        self._facts, self._collections, self._landing = facts, collections, landing
        self._upsert = Upsert(collections, run_id=facts.run_id, now=facts.now, dry_run=facts.dry_run, replay=is_replay)
        self._quarantine = Quarantine(
            collections, run_id=facts.run_id, now=facts.now, dry_run=facts.dry_run, reopening=reopening
        )
        self.dry_run_state = self._upsert.dry_run_state
        self.frequencies = frequencies.copy()
        self.report = LoadReport(
            facts.dry_run, facts.run_id, {name: replace(numbers) for name, numbers in counts.items()}, Spool(scratch)
        )

    def load(self, rfps: Rfps, rejects: Spool) -> None:
        """Load the documents, and store the rejects.

        Args:
            rfps: The documents.
            rejects: The rejects, made by `described`.
        """
        # Before the documents, because these resolve older rejects.
        for chunk in rejects.chunks():
            self._settle(self._quarantine.keep(chunk))
        for passed, loaded, refused in prefetch(self._load, rfps.chunks()):
            self._settle(loaded.outcomes)
            self.report.add(loaded)
            for reject in refused:
                self.report.add_refused(reject)
            if rfps.is_changed:
                self._count_changed(passed)

    def finish(self, sources: Sequence[Source], durability: Durability) -> None:
        """After the load: make sure that the data is on disk, and release the run's leases.

        Args:
            sources: The sources of the run.
            durability: Has watched the server since the run began.
        """
        if self._facts.dry_run:
            return
        remembering = [source for source in sources if isinstance(source, Remembering)]
        for source in remembering:
            self._quarantine.close_replaced(source.name, source.read_whole)
        durability.confirm(self._collections)
        self._landing.finish(list(self.report.counts))
        for reader in [source for source in sources if isinstance(source, NotesLoaded)]:
            reader.loaded()

    def _load(self, chunk: Sequence[Passed]) -> tuple[Sequence[Passed], Loaded, list[Reject]]:
        loaded = self._upsert.load([passed.after for passed in chunk if passed.after])
        refused = [refusal.entry.rejected(refusal.error) for refusal in loaded.refused]
        refused += [passed.before.rejected(passed.error) for passed in chunk if passed.error]
        loaded.outcomes += self._quarantine.keep([described(reject) for reject in refused])
        loaded.outcomes += [passed.before.outcome("dropped") for passed in chunk if passed.is_dropped]
        rejected = {reject.raw.raw_id for reject in refused}
        self._quarantine.resolve([passed.before for passed in chunk if passed.before.raw_id not in rejected])
        return chunk, loaded, refused

    def _count_changed(self, chunk: Sequence[Passed]) -> None:
        for passed in chunk:
            if passed.after is not passed.before:
                instant = passed.before.key.instant
                self.frequencies.add(passed.before.decoded(), instant=instant, times=-1)
                if passed.after:
                    self.frequencies.add(passed.after.decoded(), instant=instant)

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        self._landing.settle(outcomes)
        self.report.count(outcomes)


def described(reject: Reject) -> dict[str, object]:
    """Return a reject as the quarantine stores it."""
    return describe(reject, transform_version=version_for(reject.raw.source))
