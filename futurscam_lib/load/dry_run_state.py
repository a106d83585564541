"""What a dry run would have written, for its later steps: they look at MongoDB, where nothing of it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pymongo.collection import Collection

_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class MissionState:
    """A document as it would be, as far as the ending of missions asks.

    Attributes:
        job_id: Its key.
        source, source_id: Where it comes from.
        active: `isActive`.
        deadline: `deadlineAt`; aware, UTC. None also for a value that is not a date, or that Python cannot hold.
    """

    job_id: str
    source: str
    source_id: str
    active: bool
    deadline: datetime | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """As a document says."""
        etl = document["_etl"]
        deadline = document.get("deadlineAt")
        dated = deadline if isinstance(deadline, datetime) else None
        return cls(document["job_id"], etl["source"], etl["source_id"], document["isActive"], dated)


class DryRunState:
    """The documents that would be different; none where a run does write."""

    def __init__(self) -> None:
        """Empty."""
        self._ahead: dict[str, MissionState] = {}

    def __contains__(self, job_id: str) -> bool:
        """Whether what MongoDB holds of a job is not what would be there."""
        return job_id in self._ahead

    def put(self, one: MissionState) -> None:
        """Remember it, instead of what was known of the same job."""
        self._ahead[one.job_id] = one

    def of(self, source: str, *, active: bool) -> Iterator[MissionState]:
        """Those of one source that would be active, or would not; may be changed meanwhile."""
        yield from [one for one in self._ahead.values() if one.source == source and one.active is active]

    def count(
        self, rfps: Collection[dict[str, Any]], condition: Mapping[str, Any], holds: Callable[[MissionState], bool]
    ) -> int:
        """How many documents would meet a condition.

        Args:
            rfps: What is there.
            condition: As MongoDB asks it.
            holds: The same, asked of what would be there.
        """
        jobs = list(self._ahead)
        parts = (jobs[first : first + _AT_ONCE] for first in range(0, len(jobs), _AT_ONCE))
        outdated = sum(rfps.count_documents({**condition, "job_id": {"$in": part}}) for part in parts)
        return rfps.count_documents(condition) - outdated + sum(holds(one) for one in self._ahead.values())
