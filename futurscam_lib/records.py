"""Plain frozen data that the stages pass on."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from datetime import datetime  # noqa: TC003 - dataclass fields are read at run time by tools
from typing import TYPE_CHECKING, Any, Final, Self

from futurscam_lib import clock
from futurscam_lib.errors import NotReconciled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from futurscam_lib.errors import Rejected

IN_FUTURE: Final = "in-future"
"""Code of a reject whose own time stamp lies too far ahead; later runs try it again."""

MAX_RECORD_BYTES: Final = 5 * 1024 * 1024
"""A larger source item becomes a reject; a real post has some 10 kB. MongoDB holds 16 MB in one document."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one run asks its sources for: `[since, until)`; both aware, UTC; `until` None means open."""

    since: datetime
    until: datetime | None = None

    def __contains__(self, instant: datetime) -> bool:
        """Whether an item of that instant is asked for."""
        return self.since <= instant and (self.until is None or instant < self.until)


_SINCE: Final = "since="
_JOB: Final = "job="


@dataclass(frozen=True, slots=True)
class Replay:
    """Which landed payloads a run makes documents of again, instead of asking its sources.

    Attributes:
        since: Those that were landed then or later; None: whenever.
        job_id: Those that were read as this job; empty: all.
    """

    since: datetime | None = None
    job_id: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text that a notebook is given: `all`, `since=INSTANT`, `job=ID`, or `since=INSTANT job=ID`.

        Raises:
            ValueError: It has another form.
        """
        since, rest = None, text
        if rest.startswith(_SINCE):
            instant, _, rest = rest.removeprefix(_SINCE).partition(" ")
            since = clock.parse(instant)
        job_id = rest.removeprefix(_JOB)
        if (rest == job_id and text != "all" and not (since and not rest)) or (rest.startswith(_JOB) and not job_id):
            raise ValueError(f"{text!r} is not one of: all, since=INSTANT, job=ID, since=INSTANT job=ID")
        return cls(since, "" if text == "all" else job_id)

    def __str__(self) -> str:
        """As a notebook is given it."""
        since = [f"{_SINCE}{clock.to_text(self.since)}"] if self.since else []
        return " ".join([*since, *([f"{_JOB}{self.job_id}"] if self.job_id else [])]) or "all"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What a source already knows to be wrong with an item: `code` as in `Reject`, `reason` one sentence."""

    code: str
    reason: str


def place_of(source: str, origin: str) -> str:
    """Where an item stood, with its source: the name of an item that does not give its job."""
    return f"{source}:{origin}"


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One untouched source item.

    Attributes:
        source: Name of the source: `folder`.
        origin: Where in the source it stood, readable: `archive/2026-11-18.jsonl:17`. Text without lone surrogates.
        instant: The instant by which the source orders its items (see `FolderMemory` for a file's); aware, UTC.
        payload: The item's bytes; empty where the source could not hand them over: `flaw` tells why.
        raw_id: SHA-256 of the item's bytes, hex.
        size: Bytes of the item at its source.
        line: Line of the file on which the item begins, from 1; 0 where lines have no meaning.
        column: Column in that line, from 1; 0 where unknown.
        flaw: Set where the source already knows that this can become no document.
    """

    source: str
    origin: str
    instant: datetime
    payload: bytes
    raw_id: str
    size: int
    line: int = 0
    column: int = 0
    flaw: Flaw | None = None

    @property
    def place(self) -> str:
        """See `place_of`."""
        return place_of(self.source, self.origin)

    @classmethod
    def of(cls, payload: bytes, *, source: str, origin: str, instant: datetime, line: int = 0, column: int = 0) -> Self:
        """Make the record of an item whose bytes are at hand."""
        digest = hashlib.sha256(payload).hexdigest()
        return cls(source, origin, instant, payload, digest, len(payload), line, column)

    @classmethod
    def flawed(cls, flaw: Flaw, *, source: str, origin: str, instant: datetime, size: int, line: int = 0) -> Self:
        """Make the record of an item whose bytes are not kept; its id tells it from every other such item."""
        digest = hashlib.sha256(repr((source, origin, instant, size, flaw)).encode()).hexdigest()
        return cls(source, origin, instant, b"", digest, size, line, flaw=flaw)

    def to_document(self) -> dict[str, Any]:
        """As the landing and the spools keep it."""
        return {
            "_id": self.raw_id,
            "source": self.source,
            "origin": self.origin,
            "instant": self.instant,
            "line": self.line,
            "column": self.column,
            "size": self.size,
            "flaw": {"code": self.flaw.code, "reason": self.flaw.reason} if self.flaw else None,
            "payload": self.payload,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """As it was, but for the microseconds of `instant`, which BSON cuts."""
        flaw = document["flaw"]
        return cls(
            source=document["source"],
            origin=document["origin"],
            instant=document["instant"],
            payload=document["payload"],
            raw_id=document["_id"],
            size=document["size"],
            line=document["line"],
            column=document["column"],
            flaw=Flaw(flaw["code"], flaw["reason"]) if flaw else None,
        )


@dataclass(frozen=True, slots=True)
class Reject:
    """A raw record that could not become an RFP document.

    Attributes:
        raw: The record, untouched.
        code: Short, stable word to count by: `broken-json`, `encoding`, `missing`, `wrong-type`, `too-large`.
        reason: One sentence for a person.
        path: The field, dotted; empty where the whole record is meant.
        line: Line in the source file, from 1; 0 where lines have no meaning.
        column: Column in that line, from 1; 0 where unknown.
        job_id: The item's `job_id` where it could still be read.
        instant: The item's own last-change instant as sortable text, or the source's instant where unreadable.
    """

    raw: RawRecord
    code: str
    reason: str
    path: str
    line: int
    column: int
    job_id: str | None
    instant: str

    @classmethod
    def of(cls, raw: RawRecord, error: Rejected, *, job_id: str | None, instant: str) -> Self:
        """Make the reject of a record from the error that says why."""
        return cls(
            raw=raw,
            code=error.code,
            reason=error.message,
            path=error.path,
            line=error.line or raw.line,
            column=error.column,
            job_id=job_id,
            instant=instant,
        )

    @property
    def item(self) -> str:
        """What the quarantine keeps one entry for: the job where known, else the place it came from.

        The two are told apart: a job may call itself what another's file is called.
        """
        return f"{self.raw.source}#{self.job_id}" if self.job_id else self.raw.place


@dataclass(slots=True)
class Counts:
    """How many records came in, and what became of them.

    Attributes:
        extracted: Records that the sources gave, and those of earlier runs that were picked up again.
        inserted: New documents.
        updated: Documents that a newer version replaced.
        unchanged: Records that brought nothing new: known payloads, or newer versions of the same content.
        stale: Records older than what is there.
        rejected: Records that went to the quarantine.
        dropped: Documents that a cell of the notebook left out. Older ledger lines do not have it: that is 0.
    """

    extracted: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejected: int = 0
    dropped: int = 0

    @property
    def accounted(self) -> int:
        """The right side of the sum."""
        return sum(getattr(self, name) for name in COUNTED[1:])

    def __add__(self, other: Self) -> Self:
        """Field by field."""
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in COUNTED))

    def as_dict(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


COUNTED: Final = tuple(field.name for field in fields(Counts))


def with_all_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts as earlier versions wrote them, without `dropped`, with every name; none stay none."""
    return {**dict.fromkeys(COUNTED, 0), **counts} if counts else {}


def shown_counts(counts: Iterable[Mapping[str, int | None]]) -> tuple[str, ...]:
    """The counts that a table shows of some runs or sources: `dropped` only where something was dropped."""
    return COUNTED if any(one.get("dropped") for one in counts) else COUNTED[:-1]


def total(counts: Mapping[str, Counts]) -> Counts:
    """All sources together."""
    return sum(counts.values(), Counts())


def moved(closed: int, reopened: int, *, dry_run: bool) -> str:
    """How many missions a run closed and reopened, a sentence.

    Args:
        closed: Missions that became inactive.
        reopened: Missions that became active again.
        dry_run: Whether that is only what would have happened.
    """
    return f"{closed:,} mission(s) {'would be' if dry_run else 'were'} closed, {reopened:,} reopened."


def check_counts(counts: Mapping[str, Counts]) -> None:
    """Make sure that every record is accounted for.

    Raises:
        NotReconciled: One source's sum is off; the text names it.
    """
    for source, one in counts.items():
        if one.extracted != one.accounted:
            raise NotReconciled(
                f"The records of {source} do not add up: {one.extracted} extracted, {one.accounted} accounted for "
                f"({', '.join(f'{getattr(one, name)} {name}' for name in COUNTED[1:])}). "
                "The run fails and the watermark stays: the next run reads the same window again."
            )
