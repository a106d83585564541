"""Runs as a table for people, and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.history import sources_of
from futurscam_lib.records import COUNTED
from futurscam_lib.report.spreadsheet import guarded_in_csv
from futurscam_lib.report.tables import MAX_TEXT, Table, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from futurscam_lib.audit.history import RunRecord

_HEADINGS: Final = ("run", "started (UTC)", "status", "seconds", *COUNTED, "sources", "kind", "error")
_CSV: Final = (
    *("run_id", "status", "started", "ended", "seconds", "dry_run", "rerun_of", "replay", "sources"),
    *COUNTED,
    *("closed", "reopened", "error", "notebook", "pruned", "started_by", "git_commit"),
)
_LEAST_ERROR: Final = 24
_LEFT_OUT: Final = ("kind", "error", "started (UTC)", "unchanged", "stale", "updated", "sources", "seconds", "inserted")
"""Columns left out first where a terminal is too narrow; the first two only if they are empty."""
_LONGEST_CELL: Final = 1000


def table(runs: Sequence[RunRecord], *, notes: Sequence[str] = ()) -> Table:
    """Return a table with one line per run; on a terminal columns are left out and errors cut to keep it one line."""
    rows = [dict(zip(_HEADINGS, _row(run), strict=True)) for run in runs]
    headings = [name for name in _HEADINGS if name != "dropped" or any(row[name] for row in rows)]
    if not sys.stdout.isatty():
        return _table(headings, rows, notes, longest=MAX_TEXT)
    width = shutil.get_terminal_size().columns - 1
    widths = {name: max([len(name), *(len(as_text(row[name])) for row in rows)]) + 2 for name in headings}
    error, widths["error"] = widths["error"], min(widths["error"], _LEAST_ERROR)
    missing: list[str] = []
    for name in _LEFT_OUT:
        empty = all(not row[name] for row in rows)
        if sum(widths.values()) - 2 > width and (empty or name not in _LEFT_OUT[:2]):
            del widths[name]
            missing += [] if empty else [name]
    room = width - sum(widths.values()) + widths.get("error", 0)
    more = [f"Left out for lack of width: {', '.join(missing)}."] if missing else []
    return _table(list(widths), rows, [*notes, *more], longest=max(_LEAST_ERROR, min(MAX_TEXT, room, error)))


def _table(names: Sequence[str], rows: Sequence[dict[str, Any]], notes: Sequence[str], *, longest: int) -> Table:
    cut = [[as_text(row[name], longest=longest) if name == "error" else row[name] for name in names] for row in rows]
    return Table(names, cut, notes=notes, limit=len(rows))


def as_csv(runs: Iterable[RunRecord]) -> str:
    """Return one line per run, with texts that a spreadsheet does not run as formulas."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_CSV)
    for run in runs:
        values = _flat(run)
        writer.writerow([_cell(values[name]) for name in _CSV])
    return file.getvalue()


def _row(run: RunRecord) -> tuple[Any, ...]:
    seconds = None if run.seconds is None else round(run.seconds, 1)
    counts = (run.counts.get(name) for name in COUNTED)
    marks = [
        *(["dry run"] if run.dry_run else []),
        *(["replay"] if run.replay else []),
        *(["rerun"] if run.rerun_of else []),
        *run.code_marks,
    ]
    names = list(sources_of(run))
    return (run.run_id, run.started, run.status, seconds, *counts, names, ", ".join(marks), run.error)


def _flat(run: RunRecord) -> dict[str, Any]:
    own = {name: getattr(run, name) for name in _CSV if hasattr(run, name)}
    times = {name: clock.to_text(own[name]) if own[name] else "" for name in ("started", "ended")}
    return {
        **own,
        **times,
        "sources": ", ".join(sources_of(run)),
        **{name: run.counts.get(name) for name in COUNTED},
    }


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return guarded_in_csv(as_text(value, longest=_LONGEST_CELL))
