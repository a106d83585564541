"""Which runs a reader wants to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from futurscam_lib.audit.history import RunRecord


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs must have in common; all of them when nothing is given.

    Attributes:
        statuses: One of these; empty: any.
        since: They started then or later; aware.
        until: They started before; aware.
        source: They were to read this source; empty: whichever.
    """

    statuses: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    source: str = ""

    def of(self, newest: Iterable[RunRecord]) -> Iterator[RunRecord]:
        """Those of some runs, newest first; asks for none that are too old."""
        for run in newest:
            if self.since is not None and run.started < self.since:
                return
            if self._fits(run):
                yield run

    def _fits(self, run: RunRecord) -> bool:
        return (
            (not self.statuses or run.status in self.statuses)
            and (self.until is None or run.started < self.until)
            and (not self.source or self.source in sources_of(run))
        )


def sources_of(run: RunRecord) -> tuple[str, ...]:
    """The sources that a run was to read; one that crashed tells them, too."""
    asked = run.parameters.get("sources")
    named = [name.strip() for name in asked.split(",")] if isinstance(asked, str) else []
    return tuple(filter(None, named)) or tuple(run.sources)
