"""The steps of a run, called by a notebook: extract, transform, enrich, load, close_ended, reconcile.

Each step takes the result of the step before. Records pass between steps in chunks, through spools; no step holds all
of them in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.enrich import ENRICHERS
from futurscam_lib.errors import Rejected, UsageError
from futurscam_lib.extract.source import notes_of
from futurscam_lib.extract.source_notes import WARNING
from futurscam_lib.load import mongo
from futurscam_lib.load.collections import Collections
from futurscam_lib.load.dry_run_state import DryRunState
from futurscam_lib.load.durability import Durability
from futurscam_lib.load.entry import Entry
from futurscam_lib.load.landing import Landing
from futurscam_lib.load.spool import Spool
from futurscam_lib.pipeline.documents import Rfps
from futurscam_lib.pipeline.ending import Ending
from futurscam_lib.pipeline.extraction import Extraction
from futurscam_lib.pipeline.loading import Loading, RunFacts, described
from futurscam_lib.records import Reject, Window, check_counts
from futurscam_lib.report import plots
from futurscam_lib.report.plots import Frequencies
from futurscam_lib.report.summary import Summary, details
from futurscam_lib.report.tables import Shown, Table
from futurscam_lib.report.transformed import Rejects, Transformed
from futurscam_lib.run_ids import BY_HAND, started_by
from futurscam_lib.transform import transform, version_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from futurscam_lib.extract.source import Source
    from futurscam_lib.records import RawRecord, Replay
    from futurscam_lib.report.extracted import Extracted
    from futurscam_lib.report.loaded import Ended, LoadReport
    from futurscam_lib.report.tables import Picture
    from futurscam_lib.settings import Settings

_DATABASE: Final = "MongoDB"
_REASONS: Final = 200


class Run(Shown):
    """One run. Shows itself as a table of its parameters."""

    def __init__(
        self,
        configured: Settings,
        sources: Sequence[Source],
        *,
        run_id: str,
        window: Window,
        watermark: datetime,
        dry_run: bool,
        now: datetime,
        replay: Replay | None = None,
        confirmed: bool = False,
        supervised: bool = False,
    ) -> None:
        """Connect to MongoDB; `open_run` makes the arguments from a notebook's parameters.

        Args:
            configured: The settings.
            sources: The sources to read.
            run_id: The run.
            window: The window to read.
            watermark: Everything before it has been loaded.
            dry_run: Whether to write nothing.
            now: The instant of the run; aware, UTC.
            replay: Landed payloads to read instead of the sources.
            confirmed: Whether the run may close and reopen any number of missions.
            supervised: Whether the runner executes the notebook, so that no step may be missing.
        """
        self.run_id, self.window, self.watermark, self.dry_run = run_id, window, watermark, dry_run
        self._settings, self._sources, self._now = configured, sources, now
        self._replay, self._confirmed, self._supervised = replay, confirmed, supervised
        self._facts = RunFacts(run_id, now, dry_run)
        self._client = mongo.connect(configured)
        self._collections = Collections.of(self._client[configured.database])
        with mongo.mongo_errors():
            self._durability = Durability(self._client)
            if not dry_run:
                self._collections.ensure_indexes()
        self._reset()

    def _reset(self) -> None:
        versions = {source.name: version_for(source.name) for source in self._sources}
        self._landing = Landing(self._collections, run_id=self.run_id, versions=versions, dry_run=self.dry_run)
        self._extraction = Extraction(self._settings, self._collections, self._landing, self._sources)
        self._raw: Extracted | None = None
        self._rejects = Spool(self._settings.scratch)
        self._frequencies = Frequencies()
        self._rfps: Rfps | None = None
        self._loading: Loading | None = None
        self._loaded_rfps: Rfps | None = None
        self._loaded: LoadReport | None = None
        self._ended: Ended | None = None
        self._summary: Summary | None = None
        self._broken = ""

    def extract(self) -> Extracted:
        """Read the window from the sources and land every new payload; a replay reads landed payloads instead.

        A source that fails does not stop the others: its failure is in the report.

        Raises:
            RetryLater: MongoDB does not answer.
        """
        self._reset()
        with mongo.mongo_errors():
            if self._replay:
                self._extraction.read_landed(self._replay)
            else:
                self._extraction.read_sources(self.window, now=self._now)
        self._raw = self._extraction.raw
        return self._raw

    def extract_rejects(self, items: Sequence[str] = ()) -> Extracted:
        """Read the landed payloads of open rejects again, instead of the sources.

        Args:
            items: Only these quarantine entries, open or dismissed; empty: all open entries of the run's sources.

        Raises:
            UsageError: An item is neither an open nor a dismissed entry.
        """
        self._reset()
        with mongo.mongo_errors():
            self._extraction.read_rejects(items)
        self._raw = self._extraction.raw
        return self._raw

    def transform(self, raw: Extracted | None = None) -> Rfps:
        """Turn raw records into documents, or into rejects.

        If it is called again, for example because a cell is run twice, it returns the same documents.

        Args:
            raw: The result of extract; None means the same.

        Raises:
            UsageError: `raw` is something else, or extract was not called.
        """
        if self._raw is None:
            raise UsageError("Nothing was extracted yet: call extract() first.")
        if raw is not None and raw is not self._raw:
            raise UsageError("transform() takes what the last extract() of this run returned: transform(raw).")
        if self._rfps is None:
            self._begin("transform")
            report, spool = Transformed(), Spool(self._settings.scratch)
            for record in self._raw:
                self._transform_one(record, report, spool)
            self._rfps = Rfps(spool, report)
            self._broken = ""
        return self._rfps

    def enrich(self, rfps: Rfps | None = None) -> Rfps:
        """Add derived fields to the documents.

        Args:
            rfps: The result of transform, changed by a cell or not; None: the result of transform.

        Raises:
            UsageError: `rfps` is something else.
        """
        rfps = self._documents("enrich", rfps)
        for enricher in ENRICHERS:
            rfps = rfps.enriched(enricher)
        return rfps

    def load(self, rfps: Rfps | None = None) -> LoadReport:
        """Load the documents into MongoDB, the last version wins; store the rejects in the quarantine.

        If it is called again with the same documents, it loads nothing and returns the same report.

        Args:
            rfps: The result of transform or enrich, changed by a cell or not; None: the result of transform, enriched.

        Raises:
            UsageError: Nothing was transformed yet, the step failed before, or other documents were loaded already.
            CellFailed: A function of a cell failed.
            RetryLater: MongoDB does not answer.
        """
        if self._loaded is not None and (rfps is None or rfps is self._loaded_rfps):
            return self._loaded
        rfps = self.enrich() if rfps is None else self._documents("load", rfps)
        if self._loaded is not None and not self.dry_run:
            raise UsageError(
                "The documents of this run were loaded already, and these are others: call extract() again, then the "
                "steps after it. `replay` loads old ones again."
            )
        self._begin("load")
        loading = Loading(
            self._facts,
            self._collections,
            self._landing,
            counts=self._extraction.counts,
            frequencies=self._frequencies,
            scratch=self._settings.scratch,
            is_replay=self._replay is not None,
            reopening=self._extraction.reopening,
        )
        with mongo.mongo_errors():
            loading.load(rfps, self._rejects)
            loading.finish(self._sources, self._durability)
        self._broken = ""
        self._loading, self._loaded_rfps, self._loaded = loading, rfps, loading.report
        return loading.report

    def close_ended(self) -> Ended:
        """Close missions that have ended: `isActive` becomes false, nothing is deleted.

        A mission has ended when its deadline has passed, or when its source no longer lists it as open. If a source
        can't be asked, that is recorded as a failure of the source.

        Raises:
            RetryLater: MongoDB does not answer.
        """
        state = self._loading.dry_run_state if self._loading else DryRunState()
        ending = Ending(self._facts, self._settings, self._collections, dry_run_state=state, confirmed=self._confirmed)
        with mongo.mongo_errors():
            self._ended = ending.close(self._sources, self._extraction.raw.sources)
        return self._ended

    def reconcile(self) -> Summary:
        """Check that every record is accounted for.

        Raises:
            UsageError: An earlier step is missing.
            NotReconciled: The counts do not add up; the run fails.
        """
        loaded, rejects = self._complete()
        if self._ended is None and self._supervised:
            raise UsageError(
                "The notebook did not call run.close_ended() before run.reconcile(), so missions that have ended would "
                "stay active. Put that cell back; the watermark stays."
            )
        check_counts(loaded.counts)
        ended = self._ended
        kinds = self._documents("reconcile", None).transformed.kinds
        notes = {source.name: notes for source in self._sources if (notes := notes_of(source))}
        if ended and ended.notes:
            notes[_DATABASE] = [f"{WARNING}{note}" for note in ended.notes]
        self._summary = Summary(
            run_id=self.run_id,
            dry_run=self.dry_run,
            replay=str(self._replay or ""),
            # A replay reads no window: the sources still have to be read.
            window=None if self._replay else self.window,
            watermark=self.watermark,
            counts=loaded.counts,
            closed=ended.closed if ended else 0,
            reopened=ended.reopened if ended else 0,
            failures={n: report.failure for n, report in self._extraction.raw.sources.items() if report.failure},
            reject_reasons={f"{c} {p}".strip(): n for (c, p), n in rejects.reasons.most_common(_REASONS)},
            oddities={f"{path}: {kind}": n for (path, kind), n in kinds.most_common(_REASONS)},
            notes=notes,
        )
        return self._summary

    def summary(self) -> dict[str, Any]:
        """Return the result of reconcile as JSON data, for the runner and the review.

        Raises:
            UsageError: reconcile was not called.
        """
        if self._summary is None:
            raise UsageError(
                "The notebook did not call run.reconcile(), so nothing says that its sums add up. Put that cell back; "
                "the watermark stays."
            )
        return self._summary.as_dict()

    def details(self) -> dict[str, Any]:
        """Return new, changed and rejected items and the schema of the documents; see `summary.details`."""
        loaded, rejects = self._complete()
        return details(loaded, rejects, sources=list(loaded.counts))

    def timeline(self) -> Picture:
        """Draw RFPs of this run per hour or day of their last change."""
        return plots.timeline(self._drawn().hours)

    def rates(self) -> Picture:
        """Draw RFPs of this run per daily rate."""
        return plots.rates(self._drawn().rates)

    def top_skills(self) -> Picture:
        """Draw the skills that the RFPs of this run request most."""
        return plots.top_skills(self._drawn().skills)

    def table(self) -> Table:
        """Return the parameters of the run as a table."""
        until = clock.to_people(self.window.until) if self.window.until else "open"
        kind = "by hand" if self.run_id.startswith(BY_HAND) else "headless"
        hosts = ", ".join(sorted(f"{host}:{port}" for host, port in self._client.nodes))
        rows = [
            ("run", self.run_id),
            ("kind", f"{kind}{', dry run: nothing is written' if self.dry_run else ''}"),
            ("started", f"{clock.to_people(self._now)} by {started_by()}"),
            ("watermark", clock.to_people(self.watermark)),
            ("replay", str(self._replay))
            if self._replay
            else ("window", f"{clock.to_people(self.window.since)} until {until}"),
            ("sources", ", ".join(self._extraction.counts)),
            ("database", f"{self._settings.database} on {hosts}"),
        ]
        return Table(("", "this run"), rows)

    def _begin(self, step: str) -> None:
        # Otherwise records that the failed step has already counted would be counted twice.
        if self._broken:
            raise UsageError(f"{self._broken}() failed: call extract() again, then the steps after it.")
        self._broken = step

    def _documents(self, step: str, rfps: Rfps | None) -> Rfps:
        """Check the argument of a step and return its documents.

        Args:
            step: The name of the step.
            rfps: Its argument; None: the result of transform.
        """
        if self._rfps is None:
            raise UsageError("Nothing was transformed yet: call transform() first.")
        if rfps is None:
            return self._rfps
        if not isinstance(rfps, Rfps) or rfps.spool is not self._rfps.spool:
            raise UsageError(
                f"{step}() takes what the last transform() of this run returned, or what filter(), map() or enrich() "
                f"made of it: {step}(rfps)."
            )
        return rfps

    def _complete(self) -> tuple[LoadReport, Rejects]:
        """Return the report of load, and all rejects."""
        if self._loaded is None or self._rfps is None:
            raise UsageError("The run is not complete: call extract(), transform() and load() first.")
        return self._loaded, self._rfps.transformed.rejects + self._loaded.rejects

    def _drawn(self) -> Frequencies:
        return self._loading.frequencies if self._loading else self._frequencies

    def _transform_one(self, raw: RawRecord, report: Transformed, spool: Spool) -> None:
        made = transform(raw, seen_at=self._now, settings=self._settings)
        if not isinstance(made, Reject):
            try:
                entry = Entry.of(made, raw, run_id=self.run_id, seen_at=self._now)
            except Rejected as error:
                made = Reject.of(raw, error, job_id=made.content["job_id"], instant=made.key.instant)
            else:
                spool.append(entry.to_spool())
                report.add(made)
                self._frequencies.add(made.content, instant=made.key.instant)
                return
        self._rejects.append(described(made))
        report.rejects.add(made)
