"""What a run leaves in its notebook for the runner and the review: its sums, what was new, changed and rejected."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from futurscam_lib import clock, records, rfp
from futurscam_lib.extract import source_notes
from futurscam_lib.report.loaded import before_and_after
from futurscam_lib.report.tables import Shown, Table
from futurscam_lib.transform import version_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from futurscam_lib.records import Counts, Window
    from futurscam_lib.report.extracted import Failure
    from futurscam_lib.report.loaded import LoadReport
    from futurscam_lib.report.transformed import Rejects

_LONG_LIST: Final = 2000
_NEW: Final = ("job_id", "reference", "title", "company")


@dataclass(frozen=True, slots=True, repr=False)
class Summary(Shown):
    """The reconciled sum of a run; glued into the notebook, where the runner reads it.

    Attributes:
        window: What the sources were asked for; None: nothing, because of a replay.
        replay: Which landed payloads were taken again, as `records.Replay` says it; empty: the sources were asked.
        closed: Missions that became inactive.
        reopened: Missions that became active again, because their source shows them as open.
        notes: What each source noted, as `source_notes` has it; only sources that noted something.
    """

    run_id: str
    dry_run: bool
    window: Window | None
    watermark: datetime
    counts: Mapping[str, Counts]
    closed: int
    failures: Mapping[str, Failure]
    reject_reasons: Mapping[str, int]
    oddities: Mapping[str, int]
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    replay: str = ""
    reopened: int = 0

    @property
    def total(self) -> Counts:
        """All sources together."""
        return records.total(self.counts)

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "run_id": self.run_id,
            "dry_run": self.dry_run,
            "replay": self.replay,
            "window": {
                "since": clock.to_text(self.window.since) if self.window else None,
                "until": clock.to_text(self.window.until) if self.window and self.window.until else None,
            },
            "watermark": clock.to_text(self.watermark),
            "counts": self.total.as_dict(),
            "sources": {name: one.as_dict() for name, one in self.counts.items()},
            "closed": self.closed,
            "reopened": self.reopened,
            "failures": {name: {"error": f.error, "message": f.message} for name, f in self.failures.items()},
            "reject_reasons": dict(self.reject_reasons),
            "oddities": dict(self.oddities),
            "notes": {name: list(texts) for name, texts in self.notes.items()},
        }

    def table(self) -> Table:
        """The sum per source and in total."""
        counts = {**self.counts, "total": self.total}
        names = records.shown_counts([self.total.as_dict()])
        rows = [(source, *(getattr(one, name) for name in names), "yes") for source, one in counts.items()]
        notes = [records.moved(self.closed, self.reopened, dry_run=self.dry_run)]
        notes += [f"{name} failed: {failure.message}" for name, failure in self.failures.items()]
        notes += map(str, source_notes.each(self.notes))
        return Table(("source", *names, "adds up"), rows, notes=notes)


def details(loaded: LoadReport, rejects: Rejects, *, sources: Iterable[str]) -> dict[str, Any]:
    """What was new, what changed and what was rejected, as JSON holds it.

    Lists hold the first ones, `total` counts all.

    Args:
        loaded: What became of the documents.
        rejects: All rejects of the run.
        sources: The sources of the run.

    Returns:
        `new` and `rejects`: objects listed under `listed`; `changes`: `listed` holds one object for each field that an
        update changed, `total` counts documents; `schema`: the type of each field of a document, and the version of
        each source's mapping.
    """
    new = [{name: value for name, value in asdict(row).items() if name in _NEW} for row in loaded.new]
    changes = []
    for change in loaded.changes:
        before, after = before_and_after(change)
        about = {"job_id": change.job_id, "reference": change.reference, "title": change.title, "field": change.field}
        changes.append({**about, "before": before, "after": after})
    return {
        "new": _listed(sum(one.inserted for one in loaded.counts.values()), new),
        "changes": _listed(sum(one.updated for one in loaded.counts.values()), changes),
        "rejects": _listed(rejects.total, [asdict(row) for row in rejects.rows]),
        "schema": {"fields": rfp.schema(), "transform_versions": {name: version_for(name) for name in sources}},
    }


def _listed(total: int, listed: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"total": total, "listed": [{name: _plain(value) for name, value in one.items()} for one in listed]}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.to_text(value)
    if value is None or isinstance(value, str | int | float):
        return value
    # Another program may have written anything; what JSON does not know becomes a text.
    encoded = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    if len(encoded) > _LONG_LIST:
        return f"{len(value):,} entries" if isinstance(value, list) else f"{len(encoded):,} bytes"
    return orjson.loads(encoded)
