"""How runs are listed: as a table for a person, as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import shutil
import sys
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.choice import sources_of
from futurscam_lib.counts import COLUMNS
from futurscam_lib.show import MAX_TEXT, Table, as_text
from futurscam_lib.spreadsheet import guarded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from futurscam_lib.audit.history import RunRecord

_HEADINGS: Final = ("run", "started (UTC)", "status", "seconds", *COLUMNS, "sources", "kind", "error")
_CSV: Final = (
    *("run_id", "status", "started", "ended", "seconds", "dry_run", "rerun_of", "sources"),
    *COLUMNS,
    *("closed", "error", "notebook", "pruned", "started_by", "git_commit"),
)
_LEAST_ERROR: Final = 24
_LONGEST_CELL: Final = 1000


def table(runs: Sequence[RunRecord], *, notes: Sequence[str] = ()) -> Table:
    """One line a run; errors are cut where the terminal ends."""
    rows = [_row(run) for run in runs]
    room = _room(rows)
    cut = [(*row[:-1], as_text(row[-1], longest=room)) for row in rows]
    return Table(_HEADINGS, cut, notes=notes, limit=len(rows))


def write_csv(runs: Iterable[RunRecord], file: TextIO) -> None:
    """One line a run; what came from outside is never calculated by a spreadsheet."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_CSV)
    for run in runs:
        told = _flat(run)
        writer.writerow([_cell(told[name]) for name in _CSV])


def kind(run: RunRecord) -> str:
    """What sets a run apart from those of the schedule."""
    marks = [*(["dry run"] if run.dry_run else []), *([f"rerun of {run.rerun_of}"] if run.rerun_of else [])]
    return ", ".join(marks)


def _row(run: RunRecord) -> tuple[Any, ...]:
    seconds = None if run.seconds is None else round(run.seconds, 1)
    counts = (run.counts.get(name) for name in COLUMNS)
    marks = [*(["dry run"] if run.dry_run else []), *(["rerun"] if run.rerun_of else [])]
    names = list(sources_of(run))
    return (run.run_id, run.started, run.status, seconds, *counts, names, ", ".join(marks), run.error)


def _room(rows: Sequence[Sequence[Any]]) -> int:
    """How many letters of an error fit behind the other columns; all of them where no terminal ends a line."""
    if not sys.stdout.isatty():
        return MAX_TEXT
    others = [max([len(head), *(len(as_text(row[i])) for row in rows)]) + 2 for i, head in enumerate(_HEADINGS[:-1])]
    return min(MAX_TEXT, max(_LEAST_ERROR, shutil.get_terminal_size().columns - sum(others) - 1))


def _flat(run: RunRecord) -> dict[str, Any]:
    own = {name: getattr(run, name) for name in _CSV if hasattr(run, name)}
    times = {name: clock.to_text(own[name]) if own[name] else "" for name in ("started", "ended")}
    return {**own, **times, "sources": ", ".join(sources_of(run)), **{name: run.counts.get(name) for name in COLUMNS}}


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return guarded(as_text(value, longest=_LONGEST_CELL))
