"""Answers `futurscam why`: which payloads and runs made a document, from first seen until now.

No such history is stored. It is built from what became of each payload (`RFP_outcomes`), from the payloads themselves,
transformed once more, and from the ledger. The ledger is not read as a whole: each line is checked against its own hash
only, and `futurscam runs verify` checks that it is in its place.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.audit.entries import LedgerEntry, Misfit, malformed, read_entry
from futurscam_lib.audit.lineage.mission import REJECTS_READ, find
from futurscam_lib.audit.lineage.steps import steps_of
from futurscam_lib.audit.lineage.story import InvolvedRun, Story
from futurscam_lib.audit.lineage.versions import mark, split_remade, versions
from futurscam_lib.audit.runs_folder import check_notebook
from futurscam_lib.errors import FuturscamError, UsageError
from futurscam_lib.load import mongo
from futurscam_lib.load.collections import Collections
from futurscam_lib.run_ids import BY_HAND
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.audit.lineage.mission import MissionTrace
    from futurscam_lib.audit.lineage.story import State
    from futurscam_lib.audit.lineage.versions import Version
    from futurscam_lib.settings import Settings

_STAMP: Final = re.compile(r"(?:.*-)?(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]+", re.ASCII)


def story_of(configured: Settings, asked: str, *, now: datetime) -> Story:
    """Find the story of a mission. Read-only.

    Args:
        configured: Settings of the home.
        asked: A `job_id`, a reference, the id at the source, or the name of a reject.
        now: The present instant, aware.

    Raises:
        UsageError: Nothing is known of it, or several missions have that name.
        RetryLater, OperatorMustAct: MongoDB does not answer, or refuses.
    """
    with mongo.connect(configured) as client, mongo.mongo_errors():
        database = mongo.lenient(client, configured.database)
        return story_from(configured, Collections.of(database), asked, now=now)


def story_from(configured: Settings, collections: Collections, asked: str, *, now: datetime) -> Story:
    """Find the story of a mission in open collections; see `story_of`."""
    mission = find(collections, asked)
    if not mission:
        raise _never_seen(configured, asked, mission, now=now)
    payloads = versions(collections, mission, settings=configured, now=now)
    return _story(configured, asked, mission, payloads)


def _story(configured: Settings, asked: str, mission: MissionTrace, payloads: Sequence[Version]) -> Story:
    runs = involved_runs(configured, _runs_of(mission, payloads))
    etl = mission.etl
    instants = _instants(mission, payloads, runs)
    completed = {run.run_id for run in runs if run.status == "ok"}
    marked = mark(payloads, completed=completed, instants=instants)
    marked = split_remade(marked, mission, completed=completed, runs=runs, folder=configured.runs)
    state = _state(mission)
    return Story(
        asked=asked,
        state=state,
        job_id=mission.job_id,
        first_run_id=etl.get("first_run_id", ""),
        first_seen_at=etl.get("first_seen_at"),
        steps=steps_of(mission, marked, state=state, instants=instants),
        document={name: value for name, value in mission.document.items() if name != "_id"}
        if mission.document
        else None,
        rejects=mission.rejects,
        runs=runs,
        notes=_unfinished(mission),
    )


def _state(mission: MissionTrace) -> State:
    if mission.document:
        return "document" if mission.etl else "foreign"
    return (
        "removed"
        if any(outcome["result"] not in {"rejected", "dropped"} for outcome in mission.outcomes)
        else "rejected"
    )


def _runs_of(mission: MissionTrace, payloads: Sequence[Version]) -> Iterator[str]:
    yield mission.etl.get("first_run_id", "")
    for version in sorted(payloads, key=lambda version: version.key):
        yield from (version.landed.run_id, version.run_id)
    for entry in mission.rejects:
        yield from (entry.get(name, "") for name in ("first_run_id", "run_id", "resolved_run_id"))
    yield from (end.get("run_id", "") for end in (mission.closed or {}, mission.reopened or {}))


def _instants(mission: MissionTrace, payloads: Sequence[Version], runs: Sequence[InvolvedRun]) -> dict[str, datetime]:
    """The start of each run, from the most precise source."""
    etl, ends = mission.etl, (mission.closed or {}, mission.reopened or {})
    known = {run.run_id: run.started or _stamped(run.run_id) for run in runs}
    known |= {end.get("run_id", ""): end.get("at") for end in ends}
    known |= {etl.get("first_run_id", ""): etl.get("first_seen_at")}
    known |= {version.landed.run_id: version.landed.at for version in payloads}
    return {run_id: at for run_id, at in known.items() if at is not None}


def _stamped(run_id: str) -> datetime | None:
    """When a run started, from its run_id; None if an analyst chose another name."""
    match = _STAMP.fullmatch(run_id)
    if match is None:
        return None
    year, month, day, hour, minute, second = match.groups()
    with suppress(ValueError):
        return clock.parse(f"{year}-{month}-{day}T{hour}:{minute}:{second}Z")
    return None


def _unfinished(mission: MissionTrace) -> list[str]:
    if not mission.unfinished:
        return []
    names = ", ".join(mission.unfinished)
    return [f"Payloads that {names} landed may not be loaded yet: the next run loads them."]


def _never_seen(configured: Settings, asked: str, mission: MissionTrace, *, now: datetime) -> UsageError:
    looked = (
        f"Looked in {configured.database}: no document has it, in capitals or not, as job_id, reference or "
        "_etl.source_id (RFP), no payload was dealt with under it (RFP_outcomes), and no entry of the quarantine has "
        f"that name or place, nor, among the newest {REJECTS_READ}, that reference (RFP_rejects): older ones are found "
        "by their job_id or item, which `futurscam rejects list --all` shows."
    )
    lines = [f"{asked!r} was never seen.", looked, *_unfinished(mission)]
    watermark = None
    with suppress(FuturscamError):
        watermark = Watermark(configured.watermark_file).read(now=now)
    read_again = "the next run is a first run"
    if watermark:
        read_again = f"the next run reads what changed since {clock.to_people(watermark - configured.overlap)}"
    lines.append(
        f"If its source shows it: {read_again}, `futurscam run --since INSTANT` reads from further back. "
        "An item without an id is listed under its place by `futurscam rejects list --all`."
    )
    return UsageError("\n".join(lines))


_RUN_ID: Final = b'"run_id":"'
_PRUNED: Final = b'"event":"pruned"'
_BEGINNING: Final = 80
"""The event is the second thing in a line."""


@dataclass(frozen=True, slots=True)
class RunLine:
    """One line of the ledger: its number, from 1, the run that it names, and what it says where it fits its hash."""

    number: int
    run_id: str
    entry: LedgerEntry | None
    problem: str = ""


def lines_of(ledger: Path, run_ids: Collection[str]) -> Iterator[RunLine]:
    """The lines about these runs or about their removed notebooks, oldest first."""
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


def involved_runs(configured: Settings, run_ids: Iterable[str]) -> list[InvolvedRun]:
    """The runs of the story, in the given order."""
    names = list(dict.fromkeys(run_id for run_id in run_ids if run_id))
    lines: dict[str, list[RunLine]] = {name: [] for name in names if not name.startswith(BY_HAND)}
    pruned: set[str] = set()
    for line in lines_of(configured.ledger_file, lines) if lines else ():
        if line.run_id in lines:
            lines[line.run_id].append(line)
        elif line.entry is not None:
            pruned.update(line.entry.facts.get("notebooks") or ())
    return [
        _involved_run(name, lines[name], configured.runs, pruned) if name in lines else InvolvedRun(name, by_hand=True)
        for name in names
    ]


def _line(number: int, run_id: str, raw: bytes) -> RunLine:
    try:
        entry = read_entry(raw)
    except Misfit as misfit:
        return RunLine(number, run_id, None, f"line {number} of the ledger: {misfit}")
    if problem := malformed(entry):
        return RunLine(number, run_id, None, f"line {number} of the ledger: {problem}")
    if entry.seq != number:
        return RunLine(number, run_id, entry, f"line {number} of the ledger: its number is {entry.seq}")
    return RunLine(number, run_id, entry)


def _involved_run(run_id: str, lines: list[RunLine], runs: Path, pruned: Collection[str]) -> InvolvedRun:
    problem = "; ".join(line.problem for line in lines if line.problem)
    run = InvolvedRun(run_id, known=bool(lines), lines=tuple(line.number for line in lines), problem=problem)
    starts = [line.entry for line in lines if line.entry and line.entry.event == "start"]
    ends = [line.entry for line in lines if line.entry and line.entry.event in {"end", "crashed"}]
    if starts:
        facts = starts[-1].facts
        run = replace(
            run,
            status="unfinished",
            started=clock.parse(starts[-1].at),
            started_by=str(facts.get("started_by") or ""),
            notebook=str(facts.get("notebook") or ""),
        )
    if not ends:
        return run
    facts, event = ends[-1].facts, ends[-1].event
    notebook = str(facts.get("notebook") or run.notebook)
    state = check_notebook(runs, notebook, str(facts.get("notebook_sha256") or ""), pruned=notebook in pruned).state
    status = event if event == "crashed" else str(facts.get("status") or "")
    return replace(run, status=status, notebook=notebook, notebook_state=state)
