"""Which runs and which payloads made a document: its story from first seen to how it stands now.

Nothing keeps the story as such. It is told from what became of each payload (`RFP_outcomes`), from the payloads
themselves, transformed once more, and from the ledger.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.audit.lineage import steps
from futurscam_lib.audit.lineage.again import split
from futurscam_lib.audit.lineage.find import REJECTS_READ, find
from futurscam_lib.audit.lineage.runs import standings
from futurscam_lib.audit.lineage.story import Story
from futurscam_lib.audit.lineage.versions import mark, versions
from futurscam_lib.errors import FuturscamError, UsageError
from futurscam_lib.load import mongo
from futurscam_lib.load.collections import Collections
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from futurscam_lib.audit.lineage.find import Found
    from futurscam_lib.audit.lineage.story import Standing, State
    from futurscam_lib.audit.lineage.versions import Version
    from futurscam_lib.settings import Settings

_STAMP: Final = re.compile(r"(?:.*-)?(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-[0-9a-f]+", re.ASCII)


def why(configured: Settings, asked: str, *, now: datetime) -> Story:
    """Tell the story of a mission; nothing is written.

    Args:
        configured: Where it is looked for.
        asked: A `job_id`, a reference, the id at the source, or the name of a reject.
        now: The present instant, aware.

    Raises:
        UsageError: Nothing is known of it, or several missions are called so.
        RetryLater, OperatorMustAct: MongoDB does not answer, or refuses.
    """
    with mongo.connect(configured) as client, mongo.mongo_errors():
        database = mongo.lenient(client, configured.database)
        return tell(configured, Collections.of(database), asked, now=now)


def tell(configured: Settings, collections: Collections, asked: str, *, now: datetime) -> Story:
    """The same from collections that are at hand."""
    found = find(collections, asked)
    if not found:
        raise _never_seen(configured, asked, found, now=now)
    payloads = versions(collections, found, settings=configured, now=now)
    return _story(configured, asked, found, payloads)


def _story(configured: Settings, asked: str, found: Found, payloads: Sequence[Version]) -> Story:
    runs = standings(configured, _runs_of(found, payloads))
    etl = found.etl
    instants = _instants(found, payloads, runs)
    completed = {run.run_id for run in runs if run.status == "ok"}
    marked = mark(payloads, completed=completed, instants=instants)
    marked = split(marked, found, completed=completed, runs=runs, folder=configured.runs)
    state = _state(found)
    return Story(
        asked=asked,
        state=state,
        job_id=found.job_id,
        first_run_id=etl.get("first_run_id", ""),
        first_seen_at=etl.get("first_seen_at"),
        steps=steps.told(found, marked, state=state, instants=instants),
        document={name: value for name, value in found.document.items() if name != "_id"} if found.document else None,
        rejects=found.rejects,
        runs=runs,
        notes=_unfinished(found),
    )


def _state(found: Found) -> State:
    if found.document:
        return "document" if found.etl else "foreign"
    return "removed" if any(one["result"] != "rejected" for one in found.outcomes) else "rejected"


def _runs_of(found: Found, payloads: Sequence[Version]) -> Iterator[str]:
    yield found.etl.get("first_run_id", "")
    for one in sorted(payloads, key=lambda one: one.key):
        yield from (one.landed.run_id, one.run_id)
    for entry in found.rejects:
        yield from (entry.get(name, "") for name in ("first_run_id", "run_id", "resolved_run_id"))
    yield from (end.get("run_id", "") for end in (found.closed or {}, found.reopened or {}))


def _instants(found: Found, payloads: Sequence[Version], runs: Sequence[Standing]) -> dict[str, datetime]:
    """When each run started, by what is most exact."""
    etl, ends = found.etl, (found.closed or {}, found.reopened or {})
    known = {run.run_id: run.started or _stamped(run.run_id) for run in runs}
    known |= {end.get("run_id", ""): end.get("at") for end in ends}
    known |= {etl.get("first_run_id", ""): etl.get("first_seen_at")}
    known |= {one.landed.run_id: one.landed.at for one in payloads}
    return {run_id: at for run_id, at in known.items() if at is not None}


def _stamped(run_id: str) -> datetime | None:
    """When a run started, by its name; an analyst may have called it something else."""
    found = _STAMP.fullmatch(run_id)
    if found is None:
        return None
    year, month, day, hour, minute, second = found.groups()
    with suppress(ValueError):
        return clock.parse(f"{year}-{month}-{day}T{hour}:{minute}:{second}Z")
    return None


def _unfinished(found: Found) -> list[str]:
    if not found.unfinished:
        return []
    names = ", ".join(found.unfinished)
    return [f"Payloads that were landed by {names} may not be loaded yet: the next run loads them."]


def _never_seen(configured: Settings, asked: str, found: Found, *, now: datetime) -> UsageError:
    looked = (
        f"Looked in {configured.database}: no document has it, in capitals or not, as job_id, reference or "
        "_etl.source_id (RFP), no payload was dealt with under it (RFP_outcomes), and no entry of the quarantine has "
        f"that name or place, nor, among the newest {REJECTS_READ}, that reference (RFP_rejects): older ones are found "
        "by their job_id or item, which `futurscam rejects list --all` shows."
    )
    lines = [f"{asked!r} was never seen.", looked, *_unfinished(found)]
    watermark = None
    with suppress(FuturscamError):
        watermark = Watermark(configured.watermark_file).read(now=now)
    read_again = "the next run is a first run"
    if watermark:
        read_again = f"the next run reads what changed since {clock.to_people(watermark - configured.overlap)}"
    lines.append(
        f"If its source shows it: {read_again}, `futurscam run --since INSTANT` reads from further back. "
        "An item that tells no id is listed under its place by `futurscam rejects list --all`."
    )
    return UsageError("\n".join(lines))
