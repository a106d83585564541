"""One run, or the differences between two runs, as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.history import sources_of
from futurscam_lib.extract import source_notes
from futurscam_lib.records import moved, shown_counts
from futurscam_lib.report.tables import Table, as_text
from futurscam_lib.report.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from futurscam_lib.audit.differences import Differences
    from futurscam_lib.audit.executed import Executed, FailedCell
    from futurscam_lib.audit.history import RunRecord

_LONGEST: Final = {"title": 48, "company": 32, "before": 60, "after": 60, "reason": 100, "origin": 60}
_LISTS: Final = (
    ("new", "New documents", {"job": "job_id", "reference": "reference", "title": "title", "company": "company"}),
    (
        "changes",
        "What updates changed",
        {"reference": "reference", "title": "title", "field": "field", "from": "before", "to": "after"},
    ),
    (
        "rejects",
        "Rejects, kept in the quarantine",
        {"where": "origin", "line": "line", "column": "column", "field": "path", "reason": "reason", "job": "job_id"},
    ),
)
_LINES: Final = 40
_DIFF_LINES: Final = 400


def run_text(run: RunRecord, left: Executed) -> str:
    """Return everything known about a run, in sections."""
    parts = [repr(part) for part in (_head(run, left), *_counted(run), *loaded(left), *_words(run))]
    if left.failed:
        parts.append(_failed_text(left.failed))
    if run.packages:
        parts.append(repr(Table(("package", "version"), sorted(run.packages.items()), limit=len(run.packages))))
    return "\n\n".join(parts)


def loaded(left: Executed) -> Iterator[Table]:
    """Yield what a run added, changed and rejected, from its notebook; empty lists are left out."""
    for name, title, columns in _LISTS:
        listed = left.listed(name)
        if listed and listed[0]:
            rows = [[_short(entry.get(key), key) for key in columns.values()] for entry in listed[1]]
            if name == "changes":  # Counts documents and lists fields.
                # Runs of earlier versions also listed changes from nothing to an empty list.
                rows = [row for row in rows if row[-2] or row[-1]]
                notes = [f"{listed[0]:,} document(s) were updated; {len(rows):,} changed field(s) are listed."]
                yield Table(tuple(columns), rows, title=title, notes=notes, limit=len(rows))
            else:
                yield Table(tuple(columns), rows, title=title, total=listed[0], limit=len(rows))


def differences_text(differences: Differences) -> str:
    """Return all differences, or one line if nothing differs."""
    if not differences.any:
        same = f"Nothing differs between {as_text(differences.first)} and {as_text(differences.second)}."
        return "\n".join([same, *map(_line, differences.notes)])
    rows = [(row.part, row.name, _shown(row.first), _shown(row.second)) for row in differences.facts]
    columns = ("what", "", as_text(differences.first), as_text(differences.second))
    parts = [repr(Table(columns, rows, limit=len(rows)))] if rows else []
    parts += [
        f"Cell {as_text(cell.cell_id)}, {cell.change}:\n{_indented(cell.diff, _DIFF_LINES)}"
        for cell in differences.cells
    ]
    return "\n\n".join([*parts, *(["\n".join(map(_line, differences.notes))] if differences.notes else [])])


def _head(run: RunRecord, left: Executed) -> Table:
    rows = [
        ("status", run.status),
        ("started", clock.to_people(run.started)),
        ("ended", _ended(run)),
        ("kind", _kind(run)),
        ("window", _window(run)),
        ("watermark", _watermark(run)),
        ("sources", list(sources_of(run))),
        ("started by", run.started_by),
        ("git commit", run.git_commit or "unknown"),
        *([("code", ", ".join(run.code_marks) or "the shipped notebook")] if run.source_sha256 else []),
        ("Python", f"{run.python} on {run.platform}"),
        ("ledger", f"line {run.start_line}{f' and line {run.end_line}' if run.end_line else ', without an end'}"),
        ("notebook", str(left.path or "none")),
    ]
    notes = [f"Error: {run.error}"] if run.error else []
    notes.append(f"The notebook: {left.state}")
    if left.notebook is not None and left.listed("changes") is None:
        notes.append("It lists no changes: the run ended before, or an older version of this program did it.")
    return Table(("", f"run {as_text(run.run_id)}"), rows, notes=notes)


def _ended(run: RunRecord) -> str:
    if run.ended is None:
        return "the ledger has no end of it: it is active, or was killed"
    if run.status == "crashed":
        return f"killed; detected {clock.to_people(run.ended)}"
    seconds = "" if run.seconds is None else f", after {run.seconds:,.1f} s"
    return f"{clock.to_people(run.ended)}{seconds}"


def _kind(run: RunRecord) -> str:
    marks = [
        *([f"rerun of {run.rerun_of}"] if run.rerun_of else []),
        *([f"replay: {run.replay}"] if run.replay else []),
        *(["--yes: any number of missions could be closed and reopened"] if run.confirmed else []),
    ]
    return ", ".join(["headless", *marks, *(["dry run: nothing was written"] if run.dry_run else [])])


def _window(run: RunRecord) -> str:
    if run.replay:
        return "none: no source was read"
    return f"{_people(run.window.get('since'))} until {_people(run.window.get('until')) or 'open'}"


def _watermark(run: RunRecord) -> str:
    before, after = (_people(run.watermark.get(name)) for name in ("before", "after"))
    if not after:
        return f"{before}; its value after the run is not recorded"
    return f"stayed at {before}" if before == after else f"{before} -> {after}"


def _counted(run: RunRecord) -> Iterator[Table]:
    if run.sources:
        names = shown_counts([run.counts])
        rows = [(name, *map(counts.get, names)) for name, counts in run.sources.items()]
        total = ("total", *map(run.counts.get, names))
        notes = [moved(run.closed, run.reopened, dry_run=run.dry_run)]
        yield Table(("source", *names), [*rows, total], notes=notes, limit=len(rows) + 1)
    if run.failures:
        failed = [(name, failure.get("error"), failure.get("message")) for name, failure in run.failures.items()]
        yield Table(("source", "failed by", "because"), failed)
    if run.notes:
        noted = [(str(note),) for note in source_notes.each(run.notes)]
        yield Table(("notes of the sources",), noted, limit=len(noted), longest=source_notes.LONGEST)


def _words(run: RunRecord) -> Iterator[Table]:
    for counted, heading, title in (
        (run.reject_reasons, "reason", "Rejects by reason"),
        (run.oddities, "unknown value", "Unknown values"),
    ):
        if counted:
            rows = sorted(counted.items(), key=lambda item: -item[1])
            yield Table((heading, "times"), rows, title=title)


def _failed_text(failed: FailedCell) -> str:
    parts = [f"The cell that failed: {as_text(failed.heading or failed.cell_id)}", "", _indented(failed.source)]
    error = ": ".join(filter(None, (failed.error_name, failed.error)))
    # The traceback of most errors ends with the error itself.
    trace = failed.traceback.strip()
    parts += ["", _indented(trace, last=True)] if trace else []
    return "\n".join([*parts, *(["", _indented(error)] if error.strip() not in trace else [])])


def _indented(text: str | Sequence[str], most: int = _LINES, *, last: bool = False) -> str:
    """Return lines that a terminal can show: the first `most` of them, or the last."""
    lines = [plain(line) for line in (text.split("\n") if isinstance(text, str) else text)]
    kept, left_out = (lines[-most:] if last else lines[:most]), len(lines) - most
    more = [f"... {left_out} more lines"] if left_out > 0 else []
    return "\n".join(f"    {line}".rstrip() for line in ([*more, *kept] if last else [*kept, *more]))


def _short(value: Any, key: str) -> str:
    return as_text(value, longest=_LONGEST.get(key, 40))


def _shown(value: Any) -> str:
    return "-" if value is None or value == "" else as_text(value, longest=70)


def _line(text: str) -> str:
    return as_text(text, longest=1000)


def _people(text: Any) -> str:
    """Return an instant of the ledger as people write it; anything else stays as it is."""
    try:
        return clock.to_people(clock.parse(text)) if text else ""
    except (ValueError, TypeError, AttributeError):
        return str(text)
