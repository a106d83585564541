"""The data that a run stores in its notebook for the runner and the review: counts, new, changed and rejected items."""

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
    """The reconciled counts of a run; glued into the notebook, where the runner reads them.

    Attributes:
        window: The window that was read; None in a replay.
        replay: Which landed payloads were read again, as text of `records.Replay`; empty: the sources were read.
        closed: Missions that became inactive.
        reopened: Missions that became active again, because their source lists them as open.
        notes: The notes of each source, as in `source_notes`; only sources with notes.
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
        """As JSON data."""
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
            "sources": {name: counts.as_dict() for name, counts in self.counts.items()},
            "closed": self.closed,
            "reopened": self.reopened,
            "failures": {name: {"error": f.error, "message": f.message} for name, f in self.failures.items()},
            "reject_reasons": dict(self.reject_reasons),
            "oddities": dict(self.oddities),
            "notes": {name: list(texts) for name, texts in self.notes.items()},
        }

    def table(self) -> Table:
        """Counts per source and in total."""
        counts = {**self.counts, "total": self.total}
        names = records.shown_counts([self.total.as_dict()])
        rows = [(source, *(getattr(numbers, name) for name in names), "yes") for source, numbers in counts.items()]
        notes = [records.moved(self.closed, self.reopened, dry_run=self.dry_run)]
        notes += [f"{name} failed: {failure.message}" for name, failure in self.failures.items()]
        notes += map(str, source_notes.each(self.notes))
        return Table(("source", *names, "adds up"), rows, notes=notes)


def details(loaded: LoadReport, rejects: Rejects, *, sources: Iterable[str]) -> dict[str, Any]:
    """Return new, changed and rejected items as JSON data.

    The lists hold the first items, `total` counts all.

    Args:
        loaded: The report of load.
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
        "new": _listed(sum(counts.inserted for counts in loaded.counts.values()), new),
        "changes": _listed(sum(counts.updated for counts in loaded.counts.values()), changes),
        "rejects": _listed(rejects.total, [asdict(row) for row in rejects.rows]),
        "schema": {"fields": rfp.schema(), "transform_versions": {name: version_for(name) for name in sources}},
    }


def _listed(total: int, listed: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"total": total, "listed": [{name: _plain(value) for name, value in item.items()} for item in listed]}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.to_text(value)
    if value is None or isinstance(value, str | int | float):
        return value
    # Another program may have written any value; a value that JSON does not support becomes a text.
    encoded = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    if len(encoded) > _LONG_LIST:
        return f"{len(value):,} entries" if isinstance(value, list) else f"{len(encoded):,} bytes"
    return orjson.loads(encoded)
