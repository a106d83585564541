"""The result of a headless run: as JSON, as the notebook's headline, as the facts of the ledger's end entry."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.records import shown_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from futurscam_lib.errors import ExitCode
    from futurscam_lib.runner.verdict import RunVerdict

_FIRST_WORD: Final = {"ok": "Done", "failed": "Failed", "timed out": "Timed out"}


@dataclass(frozen=True, slots=True)
class Result:
    """How a headless run ended; the fields are those of `futurscam run --json`.

    Attributes:
        status: `ok`, `failed` or `timed out`.
        counts, sources, closed, reopened, window: What the notebook's summary says; zeros if there is no summary.
        notes: What each source noted, as `source_notes` has it.
        watermark: `before` and `after`, as `.last_execution` has it.
        notebook: The executed notebook.
        seconds: How long it took.
        replay: Which landed payloads it took again, as `records.Replay` writes it; empty: it asked the sources.
        error: Why it failed; empty: it did not.
        exit_code: What the process ends with.
    """

    run_id: str
    status: str
    window: Mapping[str, str | None]
    watermark: Mapping[str, str]
    counts: Mapping[str, int]
    sources: Mapping[str, Mapping[str, int]]
    closed: int
    reopened: int
    notes: Mapping[str, Sequence[str]]
    notebook: Path
    seconds: float
    dry_run: bool
    replay: str
    error: str
    exit_code: ExitCode

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "notebook": str(self.notebook), "exit_code": int(self.exit_code)}

    def end_facts(self, verdict: RunVerdict, *, notebook_sha256: str) -> dict[str, Any]:
        """Return the facts of the ledger's end entry.

        Args:
            verdict: How the run was judged.
            notebook_sha256: Hash of the executed notebook.
        """
        values = self.as_dict()
        for common in ("run_id", "notebook", "replay"):  # Part of each entry.
            del values[common]
        details = {name: verdict.summary.get(name, {}) for name in ("failures", "reject_reasons", "oddities")}
        return {**values, **details, "error_name": verdict.error_name, "notebook_sha256": notebook_sha256}

    @property
    def headline(self) -> str:
        """The first cell of the executed notebook."""
        counts = ", ".join(f"{self.counts[name]} {name}" for name in shown_counts([self.counts]))
        moved = self.watermark["before"] != self.watermark["after"]
        watermark = f"The watermark {'moved to' if moved else 'stays at'} {self.watermark['after']}."
        dry = " Dry run: nothing was written to MongoDB." if self.dry_run else ""
        error = f" {self.error}" if self.error else ""
        missions = f"{self.closed} closed, {self.reopened} reopened."
        return f"{_FIRST_WORD[self.status]} in {self.seconds:.1f} s: {counts}; {missions}{dry}{error} {watermark}"
