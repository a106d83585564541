"""What a source is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from futurscam_lib.records import RawRecord, Window


class Source(Protocol):
    """Where RFPs come from.

    Attributes:
        name: What settings, counts and documents call it: `folder`.
        notes: What a reviewer should know about the last `read`, a sentence each.
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
