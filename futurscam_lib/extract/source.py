"""The interface of a source."""

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
"""How many requests one source gets at the same time; Microsoft Graph allows no more for one mailbox."""


@dataclass(slots=True)
class Probe:
    """How far the check of a source got; filled in step by step, so that a failure keeps the earlier steps.

    Attributes:
        reached: Whether it answered.
        signed_in: Whether it accepted the credentials; None: it needs none.
        may_read: Whether it showed its items.
        waiting: How many items are in the window.
        remark: Further information, although nothing is wrong; empty if there is none.
        warnings: Problems that a person should act on, although the source can be read.
    """

    reached: bool = False
    signed_in: bool | None = False
    may_read: bool = False
    waiting: int | None = None
    remark: str = ""
    warnings: list[str] = field(default_factory=list)


class Source(Protocol):
    """A source of RFPs.

    Attributes:
        name: Its name in settings, counts and documents: `folder`.
        notes: Notes for the reviewer on the last `read` and `sweep`, one sentence each: counts, names of files and
            instants, never the content of a post. The ledger keeps them.
    """

    name: str
    notes: list[str]

    def read(self, window: Window) -> Iterator[RawRecord]:
        """Stream the items of a window, unchanged and in any order; never hold them all.

        Raises:
            RetryLater: The source did not answer, or not for all items; items yielded before still count.
            OperatorMustAct: It will keep failing until a person does something.
        """
        ...

    def probe(self, window: Window, progress: Probe) -> None:
        """Check the source without changing anything, and record each step in `progress`.

        Raises:
            RetryLater, OperatorMustAct: The next step failed.
        """
        ...


@runtime_checkable
class Warns(Protocol):
    """A source that can also return warnings, which ask a person to act.

    Attributes:
        warnings: Sentences like those of `Source.notes`, but not among the notes.
    """

    warnings: list[str]


def notes_of(source: Source) -> list[str]:
    """All notes of a source; warnings come first and are marked as such."""
    warnings = source.warnings if isinstance(source, Warns) else []
    return [*(f"{WARNING}{text}" for text in warnings), *source.notes]


Fate = Literal["closed", "deleted"]


class Sweep(Protocol):
    """The items that a source shows as open now.

    Attributes:
        open: Ids of the items that are open at the source; may be incomplete.
        share: Percent of the active items that may plausibly end, or be open again, from one run to the next.
        causes: Likely causes, for a person, if more items than that seem to have ended; with a command to type.
    """

    open: Container[str]
    share: int
    causes: str

    def fate(self, source_id: str) -> Fate | None:
        """What happened to an item that is not in `open`; None if it is still open, or that is unknown.

        Raises:
            RetryLater, OperatorMustAct: The source did not answer, or refused to.
        """
        ...


@runtime_checkable
class Sweeping(Protocol):
    """A source that can report which of its items have ended."""

    def sweep(self) -> AbstractContextManager[Sweep]:
        """Request the open items now.

        Raises:
            RetryLater, OperatorMustAct: The source did not answer, or refused to.
        """
        ...


@runtime_checkable
class Remembering(Protocol):
    """A source that remembers which files or mails it read completely, so that their old rejects can be closed."""

    def read_whole(self, origins: Sequence[str]) -> dict[str, datetime]:
        """For items whose file or mail the last `read` read completely: an instant of that file or mail."""
        ...


@runtime_checkable
class NotesLoaded(Protocol):
    """A source that must know when all records of the last `read` have been loaded."""

    def loaded(self) -> None:
        """Note that all records of the last `read` have been loaded."""
        ...


class Unasked:
    """Replaces a source if only its landed records are processed."""

    def __init__(self, name: str) -> None:
        """Set the name."""
        self.name = name
        self.notes: list[str] = []

    def read(self, window: Window) -> Iterator[RawRecord]:  # noqa: ARG002 - nothing is read
        """Return no records."""
        return iter(())

    def probe(self, window: Window, progress: Probe) -> None:
        """Do nothing."""
