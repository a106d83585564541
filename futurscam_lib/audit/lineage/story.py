"""The story of one mission, as data: what `futurscam why` tells, and prints with `--json`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from futurscam_lib import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["payload", "again", "closed", "reopened", "now"]
State = Literal["document", "removed", "rejected", "foreign"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs.

    Attributes:
        field: Its name, dotted: `conditions.dailyRate.max`.
        before, after: Its values; None where it was or is not there.
        why: In the last step only, why MongoDB holds `after`: `enriched`, `reopened`, `edited` or `mapping`.
    """

    field: str
    before: Any
    after: Any
    why: str = ""


@dataclass(frozen=True, slots=True)
class Landed:
    """One payload, as it was landed.

    Attributes:
        raw_id: `futurscam raw` prints it.
        source: Where it came from; empty where the payload is no longer kept, as everything below.
        origin: Where in the source it stood when it was first seen: the file, the mail and its attachment, the
            opportunity. That the same bytes were shown again elsewhere is not kept.
        source_instant: By what the source orders it.
        line, column, size: In its file, and in bytes.
        run_id, at: Which run landed it, and when that run started.
    """

    raw_id: str
    source: str = ""
    origin: str = ""
    source_instant: datetime | None = None
    line: int = 0
    column: int = 0
    size: int = 0
    run_id: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to the mission.

    Attributes:
        kind: `payload`: one payload was dealt with; `again`: its document was made again from it later, by a newer
            mapping or other settings; `closed`: the mission became inactive; `reopened`: its source showed it as open
            again; `now`: how it stands.
        at: When: the start of the run, aware, UTC; None where nothing tells.
        run_id: The run; empty where none is known.
        result: Of a payload: `inserted`, `updated`, `unchanged`, `stale`, `rejected`, or `unsettled` (it is in the
            document, but what became of it is not written down) or `loaded` (what exactly is not kept). Of a closing,
            its reason.
        moved: Whether an unchanged payload moved the version of the document forward.
        version: The instant of the version, as the source says it.
        transform_version: Version of the mapping that dealt with it; 0: none did, or which one is not kept.
        landed: The payload.
        changes: What it changed in the document: applied in order to nothing, those of all steps give the document, but
            for fields that hold null.
        again_run_id, again_at: The run that dealt with a payload again, where its result is that of this run, and what
            became of it the first time was written over.
        notes: What else is to be known, a sentence each.
    """

    kind: Kind
    at: datetime | None = None
    run_id: str = ""
    result: str = ""
    moved: bool = False
    version: str = ""
    transform_version: int = 0
    landed: Landed | None = None
    changes: Sequence[FieldChange] = ()
    again_run_id: str = ""
    again_at: datetime | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one run that had a hand in it.

    Attributes:
        run_id: Its name.
        by_hand: Whether an analyst loaded it, which no ledger tells.
        known: Whether the ledger tells it.
        status: As the ledger says; `unfinished` where it has no end.
        started: When, as the ledger says.
        started_by: Who and where.
        lines: Of the ledger that tell it.
        notebook: The executed notebook, relative to the folder of the runs; empty: none is known.
        notebook_state: See `runs_folder.NotebookState`; empty where the run has no end.
        problem: What is wrong with its lines in the ledger; empty: nothing that they show by themselves.
    """

    run_id: str
    by_hand: bool = False
    known: bool = False
    status: str = ""
    started: datetime | None = None
    started_by: str = ""
    lines: Sequence[int] = ()
    notebook: str = ""
    notebook_state: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one mission.

    Attributes:
        asked: What was asked for.
        state: `document`; `removed`: it was loaded, and somebody took it out of MongoDB; `rejected`: it never became a
            document; `foreign`: the document was written by another program.
        job_id: Its key; empty where a reject tells none.
        first_run_id, first_seen_at: Which run inserted the document, and when.
        steps: In order of time; the last one says how it stands.
        document: As it stands in MongoDB, without `_id`; None where there is none.
        rejects: Its entries in the quarantine, as MongoDB holds them.
        runs: All runs that the story names.
        notes: What else is to be known, a sentence each.
    """

    asked: str
    state: State
    job_id: str = ""
    first_run_id: str = ""
    first_seen_at: datetime | None = None
    steps: Sequence[Step] = ()
    document: dict[str, Any] | None = None
    rejects: Sequence[dict[str, Any]] = ()
    runs: Sequence[Standing] = ()
    notes: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it; instants are ISO 8601, UTC."""
        told: dict[str, Any] = plain(asdict(self))
        return told


def plain(value: Any) -> Any:
    """A value of MongoDB as JSON holds it; what JSON does not have becomes text."""
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        return clock.to_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)
