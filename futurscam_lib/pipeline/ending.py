"""Closes missions that have ended, by their deadline or at their source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from futurscam_lib.errors import FuturscamError
from futurscam_lib.extract.source import CONCURRENT, Sweeping
from futurscam_lib.load import lifecycle
from futurscam_lib.load.spool import Spool
from futurscam_lib.prefetch import prefetch
from futurscam_lib.report.extracted import Failure
from futurscam_lib.report.loaded import Ended

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from futurscam_lib.extract.source import Source, Sweep
    from futurscam_lib.load.collections import Collections
    from futurscam_lib.load.dry_run_state import DryRunState
    from futurscam_lib.pipeline.loading import RunFacts
    from futurscam_lib.report.extracted import SourceReport
    from futurscam_lib.settings import Settings


class Ending:
    """Closes and reopens missions for one run."""

    def __init__(
        self,
        facts: RunFacts,
        configured: Settings,
        collections: Collections,
        *,
        dry_run_state: DryRunState,
        confirmed: bool,
    ) -> None:
        """Prepare.

        Args:
            facts: The facts of the run.
            configured: The settings.
            collections: Where the missions are.
            dry_run_state: In a dry run, what the steps before would have written.
            confirmed: Whether any number of missions may be closed and opened.
        """
        self._collections, self._scratch, self._confirmed = collections, configured.scratch, confirmed
        self._state = dry_run_state
        self._about: dict[str, Any] = {
            "now": facts.now,
            "dry_run": facts.dry_run,
            "open_until_closed": configured.open_until_closed,
        }
        self._facts = {**self._about, "run_id": facts.run_id, "dry_run_state": dry_run_state}
        self.report = Ended(facts.dry_run)

    def close(self, sources: Sequence[Source], reports: Mapping[str, SourceReport]) -> Ended:
        """Ask the sources, then check the deadlines.

        Args:
            sources: The sources of the run.
            reports: Their reports; a source that has failed is not asked, and a failure now is recorded here.
        """
        for source in sources:
            if isinstance(source, Sweeping) and not reports[source.name].failure:
                try:
                    self._sweep(source, source.name)
                except FuturscamError as error:
                    reports[source.name].failure = Failure.of(error)
        report = self.report
        report.deadline = lifecycle.close_past_deadline(self._collections, **self._facts)
        # A dry run has closed nothing, so missions past their deadline are still counted as active.
        report.active = lifecycle.count_active(self._collections, self._state)
        report.active -= report.deadline if report.dry_run else 0
        report.notes = lifecycle.notes(self._collections, **self._about)
        return report

    def _sweep(self, source: Sweeping, name: str) -> None:
        """Ask one source which of its missions have ended."""
        ends = lifecycle.SourceEnds(self._collections, name, **self._facts)
        with source.sweep() as sweep, Spool(self._scratch) as ended:
            self._look_for_ended(sweep, ends, ended)
            for chunk in ended.chunks():
                for entry in chunk:
                    mission = lifecycle.Mission.from_document(entry["mission"])
                    self.report.at_source[name, entry["fate"]] += ends.close(mission, entry["fate"])
            self.report.reopened += ends.reopen(sweep.open)

    def _look_for_ended(self, sweep: Sweep, ends: lifecycle.SourceEnds, ended: Spool) -> None:
        """Ask the source about each mission that it does not list as open; writes nothing to MongoDB yet.

        Args:
            sweep: The missions that the source lists as open.
            ends: The source's missions in MongoDB.
            ended: Receives the missions that have ended, each with its fate.

        Raises:
            OperatorMustAct: More missions have ended, or are open again, than is plausible.
        """
        plausible = lifecycle.Plausible(ends.count_active(), sweep.share, sweep.causes)
        if not self._confirmed:
            plausible.check_reopening(sum(1 for _ in ends.returned(sweep.open)))

        def fate_of(mission: lifecycle.Mission) -> tuple[lifecycle.Mission, str | None]:
            return mission, sweep.fate(mission.source_id)

        for mission, fate in prefetch(fate_of, ends.missing(sweep.open), threads=CONCURRENT):
            if fate:
                ended.append({"mission": mission.to_document(), "fate": fate})
                if not self._confirmed and len(ended) > plausible.most:
                    missing = sum(1 for _ in ends.missing(sweep.open))
                    plausible.check_closing(len(ended), missing=missing)
