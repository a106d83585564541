"""What a source is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, runtime_checkable

from futurscam_lib.extract.source_notes import WARNING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from futurscam_lib.records import RawRecord, Window

CONCURRENT: Final = 4
"""Requests that one source is asked at the same time; Microsoft Graph allows no more for one mailbox."""


@dataclass(slots=True)
class Probe:
    """How far a check got with a source; filled in step by step, so that a failure leaves the steps before it.

    Attributes:
        reached: Whether it answered.
        signed_in: Whether it accepted the credentials; None: it needs none.
        may_read: Whether it showed its items.
        waiting: How many items lie in the window.
        remark: What a person should know besides, though nothing is wrong; empty: nothing.
        warnings: What a person should act on, though the source can be read.
    """

    reached: bool = False
    signed_in: bool | None = False
    may_read: bool = False
    waiting: int | None = None
    remark: str = ""
    warnings: list[str] = field(default_factory=list)


class Source(Protocol):
    """Where RFPs come from.

    Attributes:
        name: What settings, counts and documents call it: `folder`.
        notes: What a reviewer should know about the last `read` and `sweep`, a sentence each: counts, names of files
            and instants, never the content of a post. The ledger keeps them.
    """

    name: str
    notes: list[str]

    def read(self, window: Window) -> Iterator[RawRecord]:
        """Stream the items of a window, each untouched, in any order; never hold them all.

        Raises:
            RetryLater: The source did not answer, or not for everything; what was yielded before still counts.
            OperatorMustAct: It will go on failing until a person does something.
        """
        ...

    def probe(self, window: Window, found: Probe) -> None:
        """Look without changing anything, and note in `found` how far that went.

        Raises:
            RetryLater, OperatorMustAct: It went no further.
        """
        ...


@runtime_checkable
class Warns(Protocol):
    """A source some of whose notes ask a person to act.

    Attributes:
        warnings: Those, as `Source.notes`; they are not among the notes.
    """

    warnings: list[str]


def notes_of(source: Source) -> list[str]:
    """All that a source notes, the warnings first and marked as such."""
    warnings = source.warnings if isinstance(source, Warns) else []
    return [*(f"{WARNING}{text}" for text in warnings), *source.notes]


Fate = Literal["closed", "deleted"]


class Sweep(Protocol):
    """What a source shows as open now.

    Attributes:
        open: Ids of the items that are open at the source; may miss some.
        share: Percent of the active items that may plausibly end, or be open again, from one run to the next.
        causes: What else than their end may be the reason where it is more, for a person; with a command to type.
    """

    open: Container[str]
    share: int
    causes: str

    def fate(self, source_id: str) -> Fate | None:
        """What became of one item that `open` does not hold; None: it is still open, or that is unknown.

        Raises:
            RetryLater, OperatorMustAct: The source did not answer, or refused to.
        """
        ...


@runtime_checkable
class Sweeping(Protocol):
    """A source that can be asked which of its items have ended."""

    def sweep(self) -> AbstractContextManager[Sweep]:
        """Ask now.

        Raises:
            RetryLater, OperatorMustAct: The source did not answer, or refused to.
        """
        ...


@runtime_checkable
class Remembering(Protocol):
    """A source that remembers which files or mails it read whole, so that their old rejects can be closed."""

    def read_whole(self, origins: Sequence[str]) -> dict[str, datetime]:
        """For items whose file or mail the last `read` gave to its end: an instant of that file or mail."""
        ...


@runtime_checkable
class NotesLoaded(Protocol):
    """A source that must know when all of the last `read` has been loaded."""

    def loaded(self) -> None:
        """Note that all records of the last `read` have been loaded."""
        ...


class Unasked:
    """Stands for a source of which only landed records are looked at."""

    def __init__(self, name: str) -> None:
        """Take its name."""
        self.name = name
        self.notes: list[str] = []

    def read(self, window: Window) -> Iterator[RawRecord]:  # noqa: ARG002 - it is asked nothing
        """Give nothing."""
        return iter(())

    def probe(self, window: Window, found: Probe) -> None:
        """Find nothing."""
