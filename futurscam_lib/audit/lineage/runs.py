"""What the ledger and `runs/` know of some runs, without reading the whole chain.

Each line is checked against its own hash. That it stands where it was written is for `futurscam runs verify`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.audit.entries import Misfit, malformed, read_entry
from futurscam_lib.audit.lineage.story import Standing
from futurscam_lib.audit.runs_folder import check_notebook
from futurscam_lib.run_ids import BY_HAND

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from futurscam_lib.audit.entries import LedgerEntry
    from futurscam_lib.settings import Settings

_RUN_ID: Final = b'"run_id":"'
_PRUNED: Final = b'"event":"pruned"'
_BEGINNING: Final = 80
"""The event is the second thing in a line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger: its number, from 1, the run that it names, and what it says where it fits its hash."""

    number: int
    run_id: str
    entry: LedgerEntry | None
    problem: str = ""


def lines_of(ledger: Path, run_ids: Collection[str]) -> Iterator[Line]:
    """The lines that are about one of the runs, or about notebooks of theirs that were removed, oldest first."""
    wanted = {run_id.encode("utf-8", "replace") for run_id in run_ids}
    try:
        file = ledger.open("rb")
    except FileNotFoundError:
        return
    with file:
        for number, raw in enumerate(file, start=1):
            # The last one: what a line says about its run may hold such words, too.
            begin = raw.rfind(_RUN_ID) + len(_RUN_ID)
            name = raw[begin : raw.find(b'"', begin)]
            if name in wanted or (_PRUNED in raw[:_BEGINNING] and any(run_id in raw for run_id in wanted)):
                yield _line(number, name.decode("utf-8", "replace"), raw.removesuffix(b"\n"))


def standings(configured: Settings, run_ids: Iterable[str]) -> list[Standing]:
    """What is known of each run, in the order in which they are named."""
    names = list(dict.fromkeys(run_id for run_id in run_ids if run_id))
    told: dict[str, list[Line]] = {name: [] for name in names if not name.startswith(BY_HAND)}
    pruned: set[str] = set()
    for line in lines_of(configured.ledger_file, told) if told else ():
        if line.run_id in told:
            told[line.run_id].append(line)
        elif line.entry is not None:
            pruned.update(line.entry.facts.get("notebooks") or ())
    return [
        _standing(name, told[name], configured.runs, pruned) if name in told else Standing(name, by_hand=True)
        for name in names
    ]


def _line(number: int, run_id: str, raw: bytes) -> Line:
    try:
        entry = read_entry(raw)
    except Misfit as misfit:
        return Line(number, run_id, None, f"line {number} of the ledger: {misfit}")
    if problem := malformed(entry):
        return Line(number, run_id, None, f"line {number} of the ledger: {problem}")
    if entry.seq != number:
        return Line(number, run_id, entry, f"line {number} of the ledger: its number is {entry.seq}")
    return Line(number, run_id, entry)


def _standing(run_id: str, lines: list[Line], runs: Path, pruned: Collection[str]) -> Standing:
    problem = "; ".join(line.problem for line in lines if line.problem)
    told = Standing(run_id, known=bool(lines), lines=tuple(line.number for line in lines), problem=problem)
    starts = [line.entry for line in lines if line.entry and line.entry.event == "start"]
    ends = [line.entry for line in lines if line.entry and line.entry.event in {"end", "crashed"}]
    if starts:
        facts = starts[-1].facts
        told = replace(
            told,
            status="unfinished",
            started=clock.parse(starts[-1].at),
            started_by=str(facts.get("started_by") or ""),
            notebook=str(facts.get("notebook") or ""),
        )
    if not ends:
        return told
    facts, event = ends[-1].facts, ends[-1].event
    notebook = str(facts.get("notebook") or told.notebook)
    state = check_notebook(runs, notebook, str(facts.get("notebook_sha256") or ""), pruned=notebook in pruned).state
    status = event if event == "crashed" else str(facts.get("status") or "")
    return replace(told, status=status, notebook=notebook, notebook_state=state)
