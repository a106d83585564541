"""The changes of the watermark, with the gaps and overlaps between runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.continuity import Continuity, instant
from futurscam_lib.audit.entries import LedgerEntry
from futurscam_lib.audit.history import RunRecord
from futurscam_lib.audit.hours import link_to
from futurscam_lib.report.tables import Link, Mark, Table
from futurscam_lib.report.text import ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from futurscam_lib.audit.continuity import Jump
    from futurscam_lib.audit.period import Period

_ROWS: Final = 200
_TEXT: Final = 400
_SETS: Final = ("reset", "first-run")
_STATUS: Final = {"moved": "ok", "gap": "failed", **dict.fromkeys(("gap, read", "overlap", "reset"), "warning")}


@dataclass(frozen=True, slots=True)
class WatermarkChange:
    """One change of the watermark, or several regular ones that follow each other.

    Attributes:
        what: `moved` by runs, each from where the run before had ended; `reset`; `first run`; `gap`: time was skipped;
            `gap, read`: later runs read it from all configured sources; `overlap`: time is read twice.
        at: When.
        before: The watermark before; None if there was none.
        after: The watermark after.
        who: A run, or a person and a machine.
        run: The run that changed it; None if no run did.
        runs: For `moved`, how many runs.
        text: More about it.
    """

    what: str
    at: datetime
    before: datetime | None
    after: datetime
    who: str = ""
    run: RunRecord | None = None
    runs: int = 1
    text: str = ""

    @property
    def distance(self) -> timedelta | None:
        """How far it moved; negative if it moved back."""
        return self.after - self.before if self.before else None


def changes(period: Period) -> list[WatermarkChange]:
    """All changes, oldest first; regular changes by consecutive runs are merged."""
    events: list[tuple[datetime, RunRecord | LedgerEntry]] = [(run.started, run) for run in period.runs]
    others = ((clock.parse(entry.at), entry) for entry in period.others if entry.event in _SETS)
    events += [(at, entry) for at, entry in others if at >= period.since]
    history = _continuity(period)
    jumps, forward = ({jump.line: jump for jump in some} for some in (history.jumps, history.forward))
    steps: list[WatermarkChange] = []
    for at, event in sorted(events, key=lambda item: item[0]):
        line = event.start_line if isinstance(event, RunRecord) else event.seq
        jump = [_of_jump(jumps[line], at)] if line in jumps else []
        for step in [*jump, *(_of_run(event) if isinstance(event, RunRecord) else _of_entry(event, forward.get(line)))]:
            if steps and step.what == steps[-1].what == "moved" and steps[-1].after == step.before:
                steps[-1] = replace(steps[-1], after=step.after, run=step.run, at=at, runs=steps[-1].runs + 1)
            else:
                steps.append(step)
    return steps


def table(period: Period) -> Table:
    """The changes, the newest first."""
    newest_first = changes(period)[::-1]
    rows = [
        (step.at, _mark(step), step.before, step.after, step.distance, _who(step), step.text)
        for step in newest_first[:_ROWS]
    ]
    odd = sum(step.what in {"gap", "gap, read", "overlap"} for step in newest_first)
    notes = [f"{odd} place(s) where a run did not begin where the watermark had been left."] if odd else []
    columns = (f"when ({ZONE})", "what", "from", "to", "by", "who", "more")
    return Table(columns, rows, title="The watermark", notes=notes, total=len(newest_first), limit=_ROWS, longest=_TEXT)


def _continuity(period: Period) -> Continuity:
    """The watermark's history, from the last runs before the period on."""
    entries = {entry.seq: entry for entry in period.others}
    for run in (*period.earlier, *period.runs):
        facts: dict[str, Any] = {"parameters": run.parameters, "watermark": run.watermark}
        entries[run.start_line] = _entry(run, run.start_line, "start", facts)
        if run.end_line and run.status != "crashed":
            ended = {"status": run.status, "dry_run": run.dry_run, "window": run.window, "watermark": run.watermark}
            entries[run.end_line] = _entry(run, run.end_line, "end", ended)
    history = Continuity(period.sources)
    for _, entry in sorted(entries.items()):
        history.see(entry)
    return history


def _entry(run: RunRecord, line: int, event: str, facts: dict[str, Any]) -> LedgerEntry:
    return LedgerEntry(line, event, run.run_id, clock.to_text(run.started), facts, "", "")


def _of_jump(jump: Jump, at: datetime) -> WatermarkChange:
    text = "The file .last_execution was changed, or removed, by something that left no trace in the ledger"
    if not jump.is_gap:
        what, more = "overlap", ". That time is read again; nothing doubles."
    elif jump.missing:
        what, more = "gap", f". {_remedy(*jump.missing)}"
    else:
        what, more = "gap, read", f"; {jump.how_read}."
    return WatermarkChange(what, at, jump.before, jump.after, "unknown", text=f"{text}{more}")


def _of_run(run: RunRecord) -> Iterator[WatermarkChange]:
    before, after = (instant(run.watermark.get(name)) for name in ("before", "after"))
    if before is None or after is None or after == before:
        return
    since = instant(run.window.get("since"))
    if since is not None and since > before:
        text = "The run read from later than where the watermark stood, and moved it nevertheless."
        text += f" {_remedy(before, since)}"
        yield WatermarkChange("gap", run.started, before, since, run.run_id, run, text=text)
        before = since
    yield WatermarkChange("moved", run.started, before, after, run.run_id, run)


def _remedy(since: datetime, until: datetime) -> str:
    return f"Read that time with: futurscam run --since {clock.to_text(since)} --until {clock.to_text(until)}"


def _of_entry(entry: LedgerEntry, forward: Jump | None) -> Iterator[WatermarkChange]:
    recorded = entry.facts.get("watermark")
    before, after = (
        (instant(recorded.get("before")), instant(recorded.get("after")))
        if isinstance(recorded, dict)
        else (None, instant(recorded))
    )
    if after is None:
        return
    at = clock.parse(entry.at)
    if entry.event == "reset":
        who = str(entry.facts.get("started_by") or "somebody")
        yield WatermarkChange("reset", at, before, after, who, text=_reset(before, forward))
    else:
        text = "There was no .last_execution: a first run, or a person removed it."
        yield WatermarkChange("first run", at, before, after, "the run that began then", text=text)


def _reset(before: datetime | None, forward: Jump | None) -> str:
    unread = "It could not be read before. " if before is None else ""
    if forward is None:
        return unread.rstrip() or "Back: that time is read again; nothing doubles."
    if forward.missing:
        remedy = _remedy(*forward.missing)
        return f"{unread}Forward: what the sources changed in between is not all read. {remedy}"
    return f"{unread}Forward: {forward.how_read}."


def _mark(step: WatermarkChange) -> Mark:
    return Mark(f"moved by {step.runs} runs" if step.runs > 1 else step.what, _STATUS.get(step.what, "dry"))


def _who(step: WatermarkChange) -> Link | Mark | str:
    return link_to(step.run) if step.run else step.who
