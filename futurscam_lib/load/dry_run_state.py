"""What a dry run would have written. Its later steps need this, because MongoDB does not have it."""

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
    """The part of a document that decides whether a mission has ended.

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
        """From a document."""
        etl = document["_etl"]
        deadline = document.get("deadlineAt")
        dated = deadline if isinstance(deadline, datetime) else None
        return cls(document["job_id"], etl["source"], etl["source_id"], document["isActive"], dated)


class DryRunState:
    """The documents that would be different after a dry run; empty in other runs."""

    def __init__(self) -> None:
        """Start empty."""
        self._states: dict[str, MissionState] = {}

    def __contains__(self, job_id: str) -> bool:
        """Whether the job's document in MongoDB differs from what a run would have written."""
        return job_id in self._states

    def put(self, mission: MissionState) -> None:
        """Store the state of a mission; replaces an earlier state of the same job."""
        self._states[mission.job_id] = mission

    def of(self, source: str, *, active: bool) -> Iterator[MissionState]:
        """Yield the missions of one source that would be active, or not; `put` may be called meanwhile."""
        yield from [state for state in self._states.values() if state.source == source and state.active is active]

    def count(
        self, rfps: Collection[dict[str, Any]], condition: Mapping[str, Any], holds: Callable[[MissionState], bool]
    ) -> int:
        """Return how many documents would meet a condition.

        Args:
            rfps: The collection as it is.
            condition: The condition as a MongoDB filter.
            holds: The same condition, for a state of the dry run.
        """
        jobs = list(self._states)
        parts = (jobs[first : first + _AT_ONCE] for first in range(0, len(jobs), _AT_ONCE))
        outdated = sum(rfps.count_documents({**condition, "job_id": {"$in": part}}) for part in parts)
        return rfps.count_documents(condition) - outdated + sum(holds(state) for state in self._states.values())
