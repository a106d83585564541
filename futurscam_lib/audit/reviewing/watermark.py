"""How the watermark moved: where each run began at the place that the one before had reached, and where not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.history import RunRecord
from futurscam_lib.audit.reviewing.hours import link_to
from futurscam_lib.show import Link, Mark, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from futurscam_lib.audit.ledger import Entry
    from futurscam_lib.audit.reviewing.period import Period

_ROWS: Final = 200
_TEXT: Final = 400
_SETS: Final = ("reset", "first-run")


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the watermark, or several regular ones that follow each other.

    Attributes:
        what: `moved` by runs, each from where the one before had ended; `reset`; `first run`; `gap`: a part of time was
            passed over; `overlap`: a part of time is read again.
        at: When.
        before: Where it stood; None: nowhere.
        after: Where it stands then.
        who: A run, or a person and a machine.
        run: The run that did it; None: none did.
        runs: How many runs, where it moved.
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
        """How far it went; below 0: back."""
        return self.after - self.before if self.before else None


def steps(period: Period) -> list[Step]:
    """All changes, oldest first; the regular ones of runs that follow each other as one."""
    events: list[tuple[datetime, RunRecord | Entry]] = [(run.started, run) for run in period.runs]
    events += [(clock.parse(entry.at), entry) for entry in period.others if entry.event in _SETS]
    standing = next((after for run in period.earlier if (after := _instant(run.watermark.get("after")))), None)
    found: list[Step] = []
    for at, event in sorted(events, key=lambda one: one[0]):
        for step in _of_run(event, standing) if isinstance(event, RunRecord) else _of_entry(event, at, standing):
            standing = step.after
            if found and step.what == found[-1].what == "moved" and found[-1].after == step.before:
                found[-1] = replace(found[-1], after=step.after, run=step.run, at=at, runs=found[-1].runs + 1)
            else:
                found.append(step)
    return found


def table(period: Period) -> Table:
    """The changes, the newest first."""
    found = steps(period)[::-1]
    rows = [
        (step.at, _mark(step), step.before, step.after, step.distance, _who(step), step.text) for step in found[:_ROWS]
    ]
    odd = sum(step.what in {"gap", "overlap"} for step in found)
    notes = [f"{odd} place(s) where a run did not begin where the watermark had been left."] if odd else []
    columns = ("when (UTC)", "what", "from", "to", "by", "who", "more")
    return Table(columns, rows, title="The watermark", notes=notes, total=len(found), limit=_ROWS, longest=_TEXT)


def _of_run(run: RunRecord, standing: datetime | None) -> Iterator[Step]:
    before, after = (_instant(run.watermark.get(name)) for name in ("before", "after"))
    if before is None:
        return
    if standing is not None and before != standing:
        text = "The file .last_execution was changed, or removed, by something that left no trace in the ledger."
        what = "gap" if before > standing else "overlap"
        text += _remedy(standing, before) if what == "gap" else " That time is read again; nothing doubles."
        yield Step(what, run.started, standing, before, "unknown", text=text)
    if after is None or after == before:
        return
    since = _instant(run.window.get("since"))
    if since is not None and since > before:
        text = "The run read from later than where the watermark stood, and moved it nevertheless."
        text += _remedy(before, since)
        yield Step("gap", run.started, before, since, run.run_id, run, text=text)
        before = since
    yield Step("moved", run.started, before, after, run.run_id, run)


def _remedy(since: datetime, until: datetime) -> str:
    return f" Read that time with: futurscam run --since {clock.to_text(since)} --until {clock.to_text(until)}"


def _of_entry(entry: Entry, at: datetime, standing: datetime | None) -> Iterator[Step]:
    told = entry.facts.get("watermark")
    text = told.get("after") if isinstance(told, dict) else told
    after = _instant(text)
    if after is None:
        return
    if entry.event == "reset":
        before = _instant(told.get("before")) if isinstance(told, dict) else None
        yield Step(
            "reset", at, before, after, str(entry.facts.get("started_by") or "somebody"), text=_reset(before, after)
        )
    else:
        text = "There was no .last_execution: a first run, or a person removed it."
        yield Step("first run", at, standing, after, "the run that began then", text=text)


def _reset(before: datetime | None, after: datetime) -> str:
    if before is None:
        return "It could not be read before."
    if after > before:
        return f"Forward: what the sources changed in between is not read.{_remedy(before, after)}"
    return "Back: that time is read again; nothing doubles."


def _mark(step: Step) -> Mark:
    status = {"moved": "ok", "gap": "failed", "overlap": "warning", "reset": "warning"}.get(step.what, "dry")
    return Mark(f"moved by {step.runs} runs" if step.runs > 1 else step.what, status)


def _who(step: Step) -> Link | Mark | str:
    return link_to(step.run) if step.run else step.who


def _instant(text: Any) -> datetime | None:
    with suppress(ValueError, TypeError, AttributeError):
        return clock.parse(text)
    return None
