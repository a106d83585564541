"""The watermark's history: whether each run began where the one before had left it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from futurscam_lib import clock

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.audit.entry import Entry


@dataclass(frozen=True, slots=True)
class Jump:
    """A place where the watermark moved though no run and no reset moved it.

    Attributes:
        line: The ledger's line at which that showed; 0: it shows in `.last_execution` now.
        before: Where it had been left.
        after: Where it was found.
        sources: What the run read that began there.
        read_by: The later run that read what was passed over; empty: none did.
    """

    line: int
    before: datetime
    after: datetime
    sources: frozenset[str]
    read_by: str = ""

    @property
    def is_gap(self) -> bool:
        """Whether a part of time was passed over; otherwise it was read twice, which loses nothing."""
        return self.after > self.before


class Continuity:
    """Follows the watermark through the entries of a ledger, oldest first.

    Attributes:
        standing: Where it was left; None: nothing has told yet.
        jumps: All that were found.
    """

    def __init__(self) -> None:
        """Begin."""
        self.standing: datetime | None = None
        self.jumps: list[Jump] = []
        self._asked: dict[str, frozenset[str]] = {}
        self._before_reset: datetime | None = None

    def see(self, entry: Entry) -> None:
        """Look at one entry."""
        told = entry.facts.get("watermark")
        if _is_dry(entry):
            return  # It moves nothing, and may have begun anywhere.
        match entry.event:
            case "first-run":
                self._stand(instant(told))
            case "reset" if isinstance(told, dict):
                before = instant(told.get("before"))
                self._begin(entry, before)
                self._stand(instant(told.get("after")))
                self._before_reset = before
            case "start" if isinstance(told, dict):
                self._asked[entry.run_id] = _sources(entry)
                self._begin(entry, instant(told.get("before")))
            case "end" if isinstance(told, dict):
                self._fill(entry, self._asked.pop(entry.run_id, frozenset()))
                self._stand(instant(told.get("after")))

    def find(self, now_at: datetime | None) -> None:
        """Compare with what `.last_execution` says now; None: there is none, or it cannot be read."""
        if now_at is not None and self.standing is not None and now_at not in {self.standing, self._before_reset}:
            self.jumps.append(Jump(0, self.standing, now_at, frozenset()))

    def _begin(self, entry: Entry, before: datetime | None) -> None:
        # A reset that was killed before it wrote the file has moved nothing.
        if before is not None and self.standing is not None and before not in {self.standing, self._before_reset}:
            self.jumps.append(Jump(entry.seq, self.standing, before, self._asked.get(entry.run_id, frozenset())))
        self._stand(before)
        self._before_reset = None

    def _stand(self, at: datetime | None) -> None:
        self.standing = at or self.standing

    def _fill(self, entry: Entry, sources: frozenset[str]) -> None:
        """A later run that read the time that was passed over makes up for it."""
        window = entry.facts.get("window")
        if entry.facts.get("status") != "ok" or entry.facts.get("dry_run") or not isinstance(window, dict):
            return
        since, until = instant(window.get("since")), instant(window.get("until"))
        for place, jump in enumerate(self.jumps):
            reaches = since is not None and since <= jump.before and (until is None or until >= jump.after)
            if reaches and jump.is_gap and not jump.read_by and sources >= jump.sources:
                self.jumps[place] = replace(jump, read_by=entry.run_id)


def instant(text: Any) -> datetime | None:
    """The instant that a ledger tells; None where it tells none."""
    with suppress(ValueError, TypeError, AttributeError):
        return clock.parse(text)
    return None


def _is_dry(entry: Entry) -> bool:
    parameters = entry.facts.get("parameters")
    return bool(entry.facts.get("dry_run") or (isinstance(parameters, dict) and parameters.get("dry_run")))


def _sources(entry: Entry) -> frozenset[str]:
    parameters = entry.facts.get("parameters")
    asked = parameters.get("sources") if isinstance(parameters, dict) else ""
    return frozenset(name.strip() for name in str(asked or "").split(",") if name.strip())
