"""One run as the steps that a notebook calls: extract -> land -> transform -> load -> reconcile.

Records stream from step to step in chunks through spools; no step holds them all.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.errors import FuturscamError, Rejected, UsageError
from futurscam_lib.extract.source import CONCURRENT, NotesLoaded, Remembering, Sweeping, notes_of
from futurscam_lib.extract.source_notes import WARNING
from futurscam_lib.load import lifecycle, mongo, quarantine, replay
from futurscam_lib.load.collections import Collections
from futurscam_lib.load.durability import Durability
from futurscam_lib.load.entry import Entry
from futurscam_lib.load.foreseen import Foreseen
from futurscam_lib.load.landing import Landing, rejected
from futurscam_lib.load.quarantine import DISMISSED
from futurscam_lib.load.spool import Spool, chunked
from futurscam_lib.load.upsert import Upsert
from futurscam_lib.prefetch import prefetch
from futurscam_lib.records import Counts, RawRecord, Reject, Window, check_counts
from futurscam_lib.report import details, plots
from futurscam_lib.report.reports import (
    Ended,
    Extracted,
    Failure,
    LoadReport,
    SourceReport,
    Summary,
    Transformed,
    document_row,
    new_row,
)
from futurscam_lib.report.tables import Shown, Table
from futurscam_lib.report.tally import Tally
from futurscam_lib.run_ids import BY_HAND, started_by
from futurscam_lib.transform import depends_on_settings, transform, version_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.extract.source import Source, Sweep
    from futurscam_lib.load.entry import Outcome
    from futurscam_lib.load.landing import Landed
    from futurscam_lib.load.upsert import Loaded
    from futurscam_lib.records import Replay
    from futurscam_lib.report.tables import Picture
    from futurscam_lib.settings import Settings

_DATABASE: Final = "MongoDB"
_ROWS: Final = 20
_RAW_ROWS: Final = 8
_CHANGES: Final = 200


class Run(Shown):
    """One run. Displays itself as a table of what it is."""

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
    ) -> None:
        """Connect; see `open_run`, which makes the arguments from what a notebook knows.

        With `confirmed` the run may close and reopen any number of missions.
        """
        self.run_id, self.window, self.watermark, self.dry_run = run_id, window, watermark, dry_run
        self._settings, self._sources, self._now = configured, sources, now
        self._replay, self._confirmed = replay, confirmed
        self._client = mongo.connect(configured)
        self._collections = Collections.of(self._client[configured.database])
        with mongo.mongo_errors():
            self._durability = Durability(self._client)
            if not dry_run:
                self._collections.ensure_indexes()
        self._reset()

    def _reset(self) -> None:
        names = [source.name for source in self._sources]
        self._landing = Landing(
            self._collections,
            run_id=self.run_id,
            versions={name: version_for(name) for name in names},
            dry_run=self.dry_run,
        )
        self._counts = {name: Counts() for name in names}
        self._raw, self._rfps, self._rejects = (Spool(self._settings.scratch) for _ in range(3))
        self._extracted: Extracted | None = None
        self._transformed: Transformed | None = None
        self._loaded: LoadReport | None = None
        self._ended = Ended(self.dry_run)
        self._foreseen = Foreseen()
        self._tally = Tally()
        self._begun: set[str] = set()
        self._reopening: set[str] = set()

    def extract(self) -> Extracted:
        """Read the sources in the window and land every new payload; a replay takes what was landed instead.

        A source that fails does not stop the others: its failure is in the report.

        Raises:
            RetryLater: MongoDB does not answer.
        """
        self._reset()
        report = Extracted({name: SourceReport() for name in self._counts})
        with mongo.mongo_errors():
            if self._replay:
                self._read_landed(self._replay, report)
                self._leave_out_unused(report)
                self._extracted = report
                return report
            for source in self._sources:
                self._read(source, report)
            for records in self._landing.leftovers(list(self._counts)):
                for record in records:
                    self._pick_up(record, report)
            for record in self._landing.due(list(self._counts), now=self._now):
                self._pick_up(record, report)
        self._extracted = report
        return report

    def extract_rejects(self, items: Sequence[str] = ()) -> Extracted:
        """Take the landed payloads of open rejects again, instead of asking the sources.

        Args:
            items: Only these entries of the quarantine, dismissed ones too; empty: all open ones of the run's sources.

        Raises:
            UsageError: One of the items is neither an open entry nor a dismissed one.
        """
        self._reset()
        report = Extracted({name: SourceReport() for name in self._counts})
        with mongo.mongo_errors():
            asked = list(quarantine.open_rejects(self._collections, sources=list(self._counts), items=items))
            there = {reject["_id"] for reject in asked}
            if missing := [item for item in dict.fromkeys(items) if item not in there]:
                names = ", ".join(map(repr, missing))
                raise UsageError(
                    f"Not an open or dismissed entry of the quarantine: {names}. Nothing was retried. "
                    "`futurscam rejects list --all` shows all entries with their states."
                )
            self._reopening = {reject["_id"] for reject in asked if reject["state"] == DISMISSED}
            for reject in asked:
                for record in rejected(self._collections, reject):
                    self._pick_up(record, report)
        self._leave_out_unused(report)
        self._extracted = report
        return report

    def transform(self) -> Transformed:
        """Turn what was landed and not yet dealt with into documents, or into rejects.

        Called again, as when a cell is run a second time, it gives the same report.

        Raises:
            UsageError: Nothing was extracted yet, or the step broke off before.
        """
        if self._transformed is not None:
            return self._transformed
        if self._extracted is None:
            raise UsageError("Nothing was extracted yet: call extract() first.")
        self._begin("transform")
        report = Transformed(oddities=self._tally.oddities)
        for chunk in self._raw.chunks():
            for found in chunk:
                self._transform_one(RawRecord.from_document(found), report)
        self._raw.close()
        self._transformed = report
        return report

    def load(self) -> LoadReport:
        """Bring the documents into MongoDB, the last version wins; keep the rejects in the quarantine.

        Called again it loads nothing and gives the same report.

        Raises:
            UsageError: Nothing was transformed yet, or the step broke off before.
            RetryLater: MongoDB does not answer.
        """
        if self._loaded is not None:
            return self._loaded
        if self._transformed is None:
            raise UsageError("Nothing was transformed yet: call transform() first.")
        self._begin("load")
        report = LoadReport(self.dry_run, self._counts, run_id=self.run_id)
        facts: dict[str, Any] = {"run_id": self.run_id, "now": self._now, "dry_run": self.dry_run}
        upsert = Upsert(self._collections, **facts, replay=self._replay is not None)
        self._foreseen = upsert.foreseen
        kept = quarantine.Quarantine(self._collections, **facts, reopening=self._reopening)

        def bring_in(chunk: Sequence[Mapping[str, Any]]) -> tuple[Loaded, list[Reject]]:
            entries = [Entry.from_spool(found) for found in chunk]
            loaded = upsert.load(entries)
            refused = [one.entry.rejected(one.error) for one in loaded.refused]
            loaded.outcomes += kept.keep([_described(reject) for reject in refused])
            items = {reject.raw.raw_id for reject in refused}
            kept.resolve([entry for entry in entries if entry.raw_id not in items])
            return loaded, refused

        with mongo.mongo_errors():
            # Before the documents, which resolve those that they overtake.
            for chunk in self._rejects.chunks():
                self._settle(kept.keep(chunk))
            for loaded, refused in prefetch(bring_in, self._rfps.chunks()):
                self._settle(loaded.outcomes)
                room = _ROWS - len(report.new)
                report.new += [new_row(entry.document) for entry in loaded.inserted[:room]]
                report.changes += loaded.changes[: _CHANGES - len(report.changes)]
                for reject in refused:
                    report.refused[reject.reason] += 1
                    self._transformed.add_reject(reject)
            if not self.dry_run:
                remembering = [source for source in self._sources if isinstance(source, Remembering)]
                for source in remembering:
                    kept.close_replaced(source.name, source.read_whole)
                self._durability.confirm(self._collections)
                self._landing.finish(list(self._counts))
                for reader in [source for source in self._sources if isinstance(source, NotesLoaded)]:
                    reader.loaded()
        self._rfps.close()
        self._rejects.close()
        self._loaded = report
        return report

    def close_ended(self) -> Ended:
        """Close missions that have ended: `isActive` becomes false, nothing is deleted.

        Those whose deadline has passed, and those that a source no longer shows as open. A source that cannot be asked
        is a failure of that source.

        Raises:
            RetryLater: MongoDB does not answer.
        """
        about: dict[str, Any] = {
            "now": self._now,
            "dry_run": self.dry_run,
            "open_until_closed": self._settings.open_until_closed,
        }
        facts = {**about, "run_id": self.run_id, "foreseen": self._foreseen}
        report = self._ended = Ended(self.dry_run)
        with mongo.mongo_errors():
            for source in self._sources:
                if isinstance(source, Sweeping):
                    self._sweep(source, lifecycle.SourceEnds(self._collections, source.name, **facts), source.name)
            report.deadline = lifecycle.close_past_deadline(self._collections, **facts)
            # In a dry run the deadlines have closed nothing, so those are still among the active ones.
            report.active = lifecycle.count_active(self._collections, self._foreseen)
            report.active -= report.deadline if self.dry_run else 0
            report.notes = lifecycle.notes(self._collections, **about)
        return report

    def reconcile(self) -> Summary:
        """Check that every record is accounted for.

        Raises:
            NotReconciled: A sum is off; the run fails.
        """
        if self._extracted is None or self._transformed is None or self._loaded is None:
            raise UsageError("The run is not complete: call extract(), transform() and load() first.")
        check_counts(self._counts)
        reasons: dict[str, int] = {}
        for (code, path), count in self._transformed.reasons.most_common(_CHANGES):
            reasons[f"{code} {path}".strip()] = count
        return Summary(
            run_id=self.run_id,
            dry_run=self.dry_run,
            replay=str(self._replay or ""),
            # A replay reads nothing of any window: what a source showed in one is still to be read.
            window={
                "since": None if self._replay else clock.to_text(self.window.since),
                "until": clock.to_text(self.window.until) if self.window.until else None,
            },
            watermark=clock.to_text(self.watermark),
            counts=self._counts,
            closed=self._ended.closed,
            reopened=self._ended.reopened,
            failures={n: one.failure for n, one in self._extracted.sources.items() if one.failure},
            reject_reasons=reasons,
            oddities={f"{path}: {kind}": n for (path, kind), n in self._tally.kinds.most_common(_CHANGES)},
            # Here, and not as `extract` saw them: a sweep may have added some.
            notes={source.name: notes for source in self._sources if (notes := notes_of(source))}
            | ({_DATABASE: [f"{WARNING}{note}" for note in self._ended.notes]} if self._ended.notes else {}),
        )

    def details(self) -> dict[str, Any]:
        """What was new, what changed, what was rejected, and the schema of the documents; see `details.of_run`."""
        if self._transformed is None or self._loaded is None:
            raise UsageError("The run is not complete: call extract(), transform() and load() first.")
        return details.of_run(self._transformed, self._loaded, sources=list(self._counts))

    def timeline(self) -> Picture:
        """RFPs of this run per hour or day of their last change."""
        return plots.timeline(self._tally.hours)

    def rates(self) -> Picture:
        """RFPs of this run per daily rate."""
        return plots.rates(self._tally.rates)

    def top_skills(self) -> Picture:
        """The skills that the RFPs of this run ask for most."""
        return plots.top_skills(self._tally.skills)

    def table(self) -> Table:
        """What this run is."""
        until = clock.to_people(self.window.until) if self.window.until else "open"
        kind = "by hand" if self.run_id.startswith(BY_HAND) else "headless"
        rows = [
            ("run", self.run_id),
            (
                "kind",
                f"{kind}{', dry run: nothing is written' if self.dry_run else ''}",
            ),
            ("started", f"{clock.to_people(self._now)} by {started_by()}"),
            ("watermark", clock.to_people(self.watermark)),
            ("replay", str(self._replay))
            if self._replay
            else ("window", f"{clock.to_people(self.window.since)} until {until}"),
            ("sources", ", ".join(self._counts)),
            ("database", f"{self._settings.database} on {self._hosts()}"),
        ]
        return Table(("", "this run"), rows)

    def _hosts(self) -> str:
        return ", ".join(sorted(f"{host}:{port}" for host, port in self._client.nodes))

    def _begin(self, step: str) -> None:
        # What it had read and counted until it broke off would be counted twice.
        if step in self._begun:
            raise UsageError(f"{step}() broke off: call extract() again, then the steps after it.")
        self._begun.add(step)

    def _read(self, source: Source, report: Extracted) -> None:
        one = report.sources[source.name]
        chunks = chunked(_until_failure(source, self.window, one), size=lambda record: len(record.payload))

        def land(records: list[RawRecord]) -> tuple[list[RawRecord], Landed]:
            return records, self._landing.land(records, now=self._now)

        for records, landed in prefetch(land, chunks):
            one.found += len(records)
            one.size += sum(record.size for record in records)
            known = landed.known[source.name]
            one.known += known
            self._counts[source.name].extracted += len(records)
            self._counts[source.name].unchanged += known
            for record in landed.pending:
                self._pass_on(record, report)
        one.notes = notes_of(source)

    def _read_landed(self, which: Replay, report: Extracted) -> None:
        """Take landed payloads again, instead of asking the sources."""
        always = {name: depends_on_settings(name) for name in self._counts}
        for landed in replay.landed(self._collections, self._landing, replay=which, always=always):
            for name, known in landed.known.items():
                report.sources[name].found += known
                report.sources[name].known += known
                self._counts[name].extracted += known
                self._counts[name].unchanged += known
            for record in landed.pending:
                report.sources[record.source].found += 1
                report.sources[record.source].size += record.size
                self._counts[record.source].extracted += 1
                self._pass_on(record, report)

    def _leave_out_unused(self, report: Extracted) -> None:
        """Show no source that is not configured and of which nothing was landed."""
        for name in [name for name, one in self._counts.items() if not one.extracted]:
            if name not in self._settings.sources:
                del self._counts[name], report.sources[name]

    def _sweep(self, source: Sweeping, ends: lifecycle.SourceEnds, name: str) -> None:
        """Ask one source which of its missions have ended; not one that has failed already."""
        report = self._extracted.sources[name] if self._extracted else SourceReport()
        if report.failure:
            return
        try:
            with source.sweep() as found, Spool(self._settings.scratch) as ended:
                self._look_for_ended(found, ends, ended)
                for chunk in ended.chunks():
                    for one in chunk:
                        mission = lifecycle.Mission.from_document(one["mission"])
                        self._ended.at_source[name, one["fate"]] += ends.close(mission, one["fate"])
                self._ended.reopened += ends.reopen(found.open)
        except FuturscamError as error:
            report.failure = Failure.of(error)

    def _look_for_ended(self, found: Sweep, ends: lifecycle.SourceEnds, ended: Spool) -> None:
        """Ask what became of each mission that its source does not show as open; nothing is written to MongoDB yet.

        Args:
            found: What the source shows as open.
            ends: What MongoDB holds of the source.
            ended: Takes the missions that have ended, each with its fate.

        Raises:
            OperatorMustAct: More have ended, or are open again, than is plausible.
        """
        plausible = lifecycle.Plausible(ends.count_active(), found.share, found.causes)
        if not self._confirmed:
            plausible.check_reopening(sum(1 for _ in ends.returned(found.open)))

        def fate_of(mission: lifecycle.Mission) -> tuple[lifecycle.Mission, str | None]:
            return mission, found.fate(mission.source_id)

        for mission, fate in prefetch(fate_of, ends.missing(found.open), threads=CONCURRENT):
            if fate:
                ended.append({"mission": mission.to_document(), "fate": fate})
                if not self._confirmed and len(ended) > plausible.most:
                    missing = sum(1 for _ in ends.missing(found.open))
                    plausible.check_closing(len(ended), missing=missing)

    def _pick_up(self, record: RawRecord, report: Extracted) -> None:
        report.sources[record.source].picked_up += 1
        self._counts[record.source].extracted += 1
        self._pass_on(record, report)

    def _pass_on(self, record: RawRecord, report: Extracted) -> None:
        if len(report.rows) < _RAW_ROWS:
            beginning = record.payload[:60].decode("utf-8", "replace")
            report.rows.append((record.source, record.origin, record.instant, record.size, beginning))
        self._raw.append(record.to_document())

    def _transform_one(self, raw: RawRecord, report: Transformed) -> None:
        made = transform(raw, seen_at=self._now, settings=self._settings)
        if not isinstance(made, Reject):
            try:
                entry = Entry.of(made, raw, run_id=self.run_id, seen_at=self._now)
            except Rejected as error:
                made = Reject.of(raw, error, job_id=made.content["job_id"], instant=made.key.instant)
            else:
                self._rfps.append(entry.to_spool())
                self._tally.add(made)
                report.documents += 1
                if len(report.rows) < _ROWS:
                    report.rows.append(document_row(made.content))
                return
        self._rejects.append(_described(made))
        report.add_reject(made)

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        self._landing.settle(outcomes)
        for outcome in outcomes:
            one = self._counts[outcome.source]
            setattr(one, outcome.result, getattr(one, outcome.result) + 1)


def _described(reject: Reject) -> dict[str, Any]:
    """As the quarantine keeps it."""
    return quarantine.describe(reject, transform_version=version_for(reject.raw.source))


def _until_failure(source: Source, window: Window, report: SourceReport) -> Any:
    """A source's records; its failure ends them, and what came before still counts."""
    try:
        yield from source.read(window)
    except FuturscamError as error:
        report.failure = Failure.of(error)
    except Exception as error:  # noqa: BLE001 - a fault of the software in one source does not stop the others
        traceback.print_exc()
        told = f"{source.name} failed in a way that nobody foresaw ({type(error).__name__}: {error})."
        report.failure = Failure(type(error).__name__, told)
