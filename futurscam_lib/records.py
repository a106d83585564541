"""Frozen data classes that the stages pass on."""

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
"""Code of a reject whose time stamp is too far in the future; later runs try it again."""

MAX_RECORD_BYTES: Final = 5 * 1024 * 1024
"""A larger source item becomes a reject; a real post has about 10 kB. A MongoDB document can have 16 MB."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time window that a run reads from its sources: `[since, until)`; aware, UTC; no end if `until` is None."""

    since: datetime
    until: datetime | None = None

    def __contains__(self, instant: datetime) -> bool:
        """Whether an item of that instant is in the window."""
        return self.since <= instant and (self.until is None or instant < self.until)


_SINCE: Final = "since="
_JOB: Final = "job="


@dataclass(frozen=True, slots=True)
class Replay:
    """Which landed payloads a run transforms again, instead of reading its sources.

    Attributes:
        since: Only payloads landed at this instant or later; None: all.
        job_id: Only payloads of this job; empty: all.
    """

    since: datetime | None = None
    job_id: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the notebook's parameter: `all`, `since=INSTANT`, `job=ID`, or `since=INSTANT job=ID`.

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
        """As the notebook's parameter."""
        since = [f"{_SINCE}{clock.to_text(self.since)}"] if self.since else []
        return " ".join([*since, *([f"{_JOB}{self.job_id}"] if self.job_id else [])]) or "all"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem of an item that its source already detected: `code` as in `Reject`, `reason` is one sentence."""

    code: str
    reason: str


def place_of(source: str, origin: str) -> str:
    """Return the place of an item, with its source: the name of an item that does not give its job."""
    return f"{source}:{origin}"


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One untouched source item.

    Attributes:
        source: Name of the source: `folder`.
        origin: Its place in the source, readable: `archive/2026-11-18.jsonl:17`. Text without lone surrogates.
        instant: The instant by which the source orders its items (see `FolderMemory` for a file's); aware, UTC.
        payload: The item's bytes; empty if the source could not deliver them: `flaw` has the reason.
        raw_id: SHA-256 of the item's bytes, hex.
        size: Bytes of the item at its source.
        line: Line of the file on which the item begins, from 1; 0 where lines have no meaning.
        column: Column in that line, from 1; 0 where unknown.
        flaw: Set if the source already knows that the item can't become a document.
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
        """Make the record of an item from its bytes."""
        digest = hashlib.sha256(payload).hexdigest()
        return cls(source, origin, instant, payload, digest, len(payload), line, column)

    @classmethod
    def flawed(cls, flaw: Flaw, *, source: str, origin: str, instant: datetime, size: int, line: int = 0) -> Self:
        """Make the record of an item whose bytes are not kept; its id is still unique."""
        digest = hashlib.sha256(repr((source, origin, instant, size, flaw)).encode()).hexdigest()
        return cls(source, origin, instant, b"", digest, size, line, flaw=flaw)

    def to_document(self) -> dict[str, Any]:
        """As a document for the landing and the spools."""
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
        """From the result of `to_document`; BSON keeps only the milliseconds of `instant`."""
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
        path: The field, dotted; empty for the whole record.
        line: Line in the source file, from 1; 0 where lines have no meaning.
        column: Column in that line, from 1; 0 where unknown.
        job_id: The item's `job_id` if it could be read.
        instant: The item's own last change as sortable text, or the source's instant if that can't be read.
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
        """Make the reject of a record from its error."""
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
        """The id of the quarantine entry: the job if it is known, else the place.

        The two have different forms, because a job's id may be equal to the name of another job's file.
        """
        return f"{self.raw.source}#{self.job_id}" if self.job_id else self.raw.place


@dataclass(slots=True)
class Counts:
    """How many records were read, and their results.

    Attributes:
        extracted: Records read from the sources, and records of earlier runs that were picked up again.
        inserted: New documents.
        updated: Documents replaced by a newer version.
        unchanged: Records without new content: known payloads, or newer versions of the same content.
        stale: Records older than the loaded version.
        rejected: Records that went to the quarantine.
        dropped: Documents that a notebook cell left out. Older ledger lines do not have it: then it is 0.
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
        """All results together; must be equal to `extracted`."""
        return sum(getattr(self, name) for name in COUNTED[1:])

    def __add__(self, other: Self) -> Self:
        """Add field by field."""
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in COUNTED))

    def as_dict(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


COUNTED: Final = tuple(field.name for field in fields(Counts))


def with_all_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Add missing names, such as `dropped` in counts of earlier versions, as 0; an empty mapping stays empty."""
    return {**dict.fromkeys(COUNTED, 0), **counts} if counts else {}


def shown_counts(counts: Iterable[Mapping[str, int | None]]) -> tuple[str, ...]:
    """Return the names of the counts that a table shows: `dropped` only if something was dropped."""
    return COUNTED if any(numbers.get("dropped") for numbers in counts) else COUNTED[:-1]


def total(counts: Mapping[str, Counts]) -> Counts:
    """All sources together."""
    return sum(counts.values(), Counts())


def moved(closed: int, reopened: int, *, dry_run: bool) -> str:
    """Return a sentence about how many missions a run closed and reopened.

    Args:
        closed: Missions that became inactive.
        reopened: Missions that became active again.
        dry_run: Whether the run was a dry run.
    """
    return f"{closed:,} mission(s) {'would be' if dry_run else 'were'} closed, {reopened:,} reopened."


def check_counts(counts: Mapping[str, Counts]) -> None:
    """Check that every record is accounted for.

    Raises:
        NotReconciled: The counts of a source do not add up; the text names it.
    """
    for source, numbers in counts.items():
        if numbers.extracted != numbers.accounted:
            raise NotReconciled(
                f"The records of {source} do not add up: {numbers.extracted} extracted, "
                f"{numbers.accounted} accounted for "
                f"({', '.join(f'{getattr(numbers, name)} {name}' for name in COUNTED[1:])}). "
                "The run fails and the watermark stays: the next run reads the same window again."
            )
