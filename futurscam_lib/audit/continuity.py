"""The watermark's history: whether each run began where the one before had left it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from futurscam_lib import clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from futurscam_lib.audit.entry import Entry


@dataclass(frozen=True, slots=True)
class Jump:
    """A place where the watermark moved though no run moved it.

    Attributes:
        line: The ledger's line at which that showed; 0: it shows in `.last_execution` now.
        before: Where it had been left.
        after: Where it was found, or where a reset set it.
        sources: Of what to read again what was passed over: what was read before, and by the run that began there.
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
        jumps: All that no reset made.
        forward: The resets that moved it forward, as jumps.
        idle: The resets after which it was found where it had been before them: `before` is what they were to set.
    """

    def __init__(self) -> None:
        """Begin."""
        self.standing: datetime | None = None
        self.jumps: list[Jump] = []
        self.forward: list[Jump] = []
        self.idle: list[Jump] = []
        self._asked: dict[str, frozenset[str]] = {}
        self._whole: frozenset[str] = frozenset()
        self._reset: tuple[int, datetime | None] = (0, None)

    def see(self, entry: Entry) -> None:
        """Look at one entry."""
        told = entry.facts.get("watermark")
        if is_dry(entry):
            return  # It moves nothing, and may have begun anywhere.
        match entry.event:
            case "first-run":
                self._first_run(entry, instant(told))
            case "reset" if isinstance(told, dict):
                self._set(entry, instant(told.get("before")), instant(told.get("after")))
            case "start" if isinstance(told, dict):
                asked = self._asked[entry.run_id] = _sources(entry)
                self._whole = self._whole or asked
                self._begin(entry, instant(told.get("before")), asked)
            case "end" if isinstance(told, dict):
                self._end(entry, instant(told.get("before")), instant(told.get("after")))

    def find(self, now_at: datetime | None) -> None:
        """Compare with what `.last_execution` says now; None: there is none, or it cannot be read."""
        self._compare(0, now_at, frozenset())

    def notes(self) -> Iterator[tuple[int, str]]:
        """What is to be known of resets, each with the ledger's line."""
        for one in self.forward:
            moved = f"It set the watermark from {clock.to_people(one.before)} forward to {clock.to_people(one.after)}"
            yield one.line, f"{moved}; what lies between was read by {one.read_by or 'no run'}."
        for one in self.idle:
            yield (
                one.line,
                (
                    f"The watermark was to be {clock.to_people(one.before)}, and was found at "
                    f"{clock.to_people(one.after)}, where it had been: this reset has had no effect, or was undone."
                ),
            )

    def _first_run(self, entry: Entry, at: datetime | None) -> None:
        # Where the file is missing a run may well begin earlier than it was left.
        if at is not None and self.standing is not None and at > self.standing:
            self.jumps.append(Jump(entry.seq, self.standing, at, self._whole))
        self._stand(at)
        self._reset = (0, None)

    def _set(self, entry: Entry, before: datetime | None, after: datetime | None) -> None:
        self._begin(entry, before, frozenset())
        if after is not None and self.standing is not None and after > self.standing:
            self.forward.append(Jump(entry.seq, self.standing, after, self._whole))
        self._reset = (entry.seq, before)
        self._stand(after)

    def _begin(self, entry: Entry, before: datetime | None, asked: frozenset[str]) -> None:
        self._compare(entry.seq, before, asked)
        self._stand(before)
        self._reset = (0, None)

    def _compare(self, line: int, found: datetime | None, asked: frozenset[str]) -> None:
        if found is None or self.standing is None or found == self.standing:
            return
        set_at, before_reset = self._reset
        # A reset that was killed before it wrote the file has moved nothing.
        if found == before_reset:
            self.idle.append(Jump(set_at, self.standing, found, frozenset()))
        else:
            self.jumps.append(Jump(line, self.standing, found, self._whole | asked))

    def _end(self, entry: Entry, before: datetime | None, after: datetime | None) -> None:
        sources = self._asked.pop(entry.run_id, None)
        if sources is None:
            return  # A dry run that was given up: its end alone does not tell.
        if sources and before != after:
            self._whole = sources  # Only a run over all sources moves it.
        self._fill(entry, sources)
        self._stand(after)

    def _fill(self, entry: Entry, sources: frozenset[str]) -> None:
        """A later run that read the time that was passed over makes up for it."""
        window = entry.facts.get("window")
        if entry.facts.get("status") != "ok" or not isinstance(window, dict):
            return
        since, until = instant(window.get("since")), instant(window.get("until"))
        for jumps in (self.jumps, self.forward):
            for place, jump in enumerate(jumps):
                reaches = since is not None and since <= jump.before and (until is None or until >= jump.after)
                if reaches and jump.is_gap and not jump.read_by and sources >= jump.sources:
                    jumps[place] = replace(jump, read_by=entry.run_id)

    def _stand(self, at: datetime | None) -> None:
        self.standing = at or self.standing


def instant(text: Any) -> datetime | None:
    """The instant that a ledger tells; None where it tells none."""
    with suppress(ValueError, TypeError, AttributeError):
        return clock.parse(text)
    return None


def is_dry(entry: Entry) -> bool:
    """Whether it is the start or the end of a run that wrote nothing."""
    parameters = entry.facts.get("parameters")
    return bool(entry.facts.get("dry_run") or (isinstance(parameters, dict) and parameters.get("dry_run")))


def _sources(entry: Entry) -> frozenset[str]:
    parameters = entry.facts.get("parameters")
    asked = parameters.get("sources") if isinstance(parameters, dict) else ""
    return frozenset(name.strip() for name in str(asked or "").split(",") if name.strip())
