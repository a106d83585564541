"""The accounting: `extracted = inserted + updated + unchanged + stale + rejected`, per source and in total."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Final, Self

from futurscam_lib.errors import NotReconciled

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    """

    extracted: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejected: int = 0

    @property
    def accounted(self) -> int:
        """The right side of the sum."""
        return self.inserted + self.updated + self.unchanged + self.stale + self.rejected

    def __add__(self, other: Self) -> Self:
        """Field by field."""
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in COLUMNS))

    def as_dict(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


COLUMNS: Final = tuple(field.name for field in fields(Counts))


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


def check(counts: Mapping[str, Counts]) -> None:
    """Make sure that every record is accounted for.

    Raises:
        NotReconciled: One source's sum is off; the text names it.
    """
    for source, one in counts.items():
        if one.extracted != one.accounted:
            raise NotReconciled(
                f"The records of {source} do not add up: {one.extracted} extracted, {one.accounted} accounted for "
                f"({', '.join(f'{getattr(one, name)} {name}' for name in COLUMNS[1:])}). "
                "The run fails and the watermark stays: the next run reads the same window again."
            )
