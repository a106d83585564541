"""Checks the history of the watermark: whether each run started where the run before had ended."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from futurscam_lib.audit.entries import LedgerEntry


_ANY: Final = ""
"""Stands for all sources if no run has recorded which there are: any run reads from it."""


@dataclass(frozen=True, slots=True)
class UnreadTime:
    """Time, `[since, until)`, that no run has read from one source; `missed`: the source is configured now."""

    source: str
    since: datetime
    until: datetime
    missed: bool

    def without(self, since: datetime, until: datetime) -> Iterator[UnreadTime]:
        """The remaining parts after `[since, until)` is read."""
        parts = replace(self, until=min(self.until, since)), replace(self, since=max(self.since, until))
        return (part for part in parts if part.since < part.until)


@dataclass(frozen=True, slots=True)
class Jump:
    """A place where the watermark moved, but no run moved it.

    Attributes:
        line: The line of the ledger that shows it; 0: `.last_execution` shows it now.
        before: Its last recorded value.
        after: The value at the next look, or the value that a reset set.
        unread: The skipped time that no run has read since, for each source that was read before, or by the run that
            started there.
        read_by: The later run that read the last of it; empty if some is unread.
    """

    line: int
    before: datetime
    after: datetime
    unread: tuple[UnreadTime, ...] = ()
    read_by: str = ""

    @property
    def is_gap(self) -> bool:
        """Whether time was skipped; otherwise it was read twice, which loses nothing."""
        return self.after > self.before

    @property
    def missing(self) -> tuple[datetime, datetime] | None:
        """The period that is still unread; None if all was read from the configured sources."""
        parts = [part for part in self.unread if part.missed]
        return (min(part.since for part in parts), max(part.until for part in parts)) if parts else None

    @property
    def how_read(self) -> str:
        """A clause about a gap that was read later."""
        if gone := sorted({part.source for part in self.unread}):
            return f"not all of the time between was read from {', '.join(gone)} (no longer configured)"
        return f"the time between was read later, the last of it by {self.read_by}"

    def read(self, since: datetime, until: datetime | None, *, sources: Iterable[str], by: str) -> Jump:
        """The jump after a run has read `[since, until)`.

        Args:
            since: Start of its window.
            until: End of its window; None if it read everything up to its start.
            sources: The sources that it read; empty: all.
            by: Its run_id.
        """
        # The watermark is never later than now, so all skipped time lies before the start.
        end, sources_read = until or self.after, {*sources, _ANY}
        if not self.unread or since >= end:
            return self
        unread: list[UnreadTime] = []
        for part in self.unread:
            unread += part.without(since, end) if part.source in sources_read else [part]
        return replace(self, unread=tuple(unread), read_by="" if unread else by)


class Continuity:
    """Follows the watermark through the entries of a ledger, oldest first.

    Attributes:
        standing: Its last recorded value; None if no entry has it yet.
        jumps: All jumps that were not resets.
        forward: The resets that moved it forward, as jumps.
        idle: The resets without effect, as jumps: `before` is what they should have set.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        """Start with no entries; `sources` are those that are configured now."""
        self.standing: datetime | None = None
        self.jumps: list[Jump] = []
        self.forward: list[Jump] = []
        self.idle: list[Jump] = []
        self._configured = frozenset(sources)
        self._asked: dict[str, frozenset[str]] = {}
        self._whole: frozenset[str] = frozenset()
        self._reset: tuple[int, datetime | None] = (0, None)

    def see(self, entry: LedgerEntry) -> None:
        """Look at the next entry."""
        watermark = entry.facts.get("watermark")
        if is_dry(entry):
            return  # A dry run does not move the watermark, and can start anywhere.
        match entry.event:
            case "first-run":
                self._first_run(entry, instant(watermark))
            case "reset" if isinstance(watermark, dict):
                self._set(entry, instant(watermark.get("before")), instant(watermark.get("after")))
            case "start" if isinstance(watermark, dict):
                sources_read = self._asked[entry.run_id] = _sources(entry)
                self._whole = self._whole or sources_read
                self._begin(entry, instant(watermark.get("before")), sources_read)
            case "end" if isinstance(watermark, dict):
                self._end(entry, instant(watermark.get("before")), instant(watermark.get("after")))

    def find(self, now_at: datetime | None) -> None:
        """Compare with what `.last_execution` has now; None if it does not exist or cannot be read."""
        self._compare(0, now_at, frozenset())

    def notes(self) -> Iterator[tuple[int, str]]:
        """Notes on resets, each with its line in the ledger."""
        for jump in self.forward:
            moved = f"It set the watermark from {clock.to_people(jump.before)} forward to {clock.to_people(jump.after)}"
            unread = "not all of the time between was read" if jump.missing else jump.how_read
            yield jump.line, f"{moved}; {unread}."
        for jump in self.idle:
            yield (
                jump.line,
                (
                    f"It should have set the watermark to {clock.to_people(jump.before)}, but the watermark was still "
                    f"{clock.to_people(jump.after)}: this reset had no effect, or was undone."
                ),
            )

    def _first_run(self, entry: LedgerEntry, at: datetime | None) -> None:
        # If the file is missing, a run may start earlier than the watermark was left.
        if at is not None and self.standing is not None and at > self.standing:
            self.jumps.append(self._jump(entry.seq, self.standing, at, self._whole))
        self._stand(at)
        self._reset = (0, None)

    def _set(self, entry: LedgerEntry, before: datetime | None, after: datetime | None) -> None:
        self._begin(entry, before, frozenset())
        if after is not None and self.standing is not None and after > self.standing:
            self.forward.append(self._jump(entry.seq, self.standing, after, self._whole))
        self._reset = (entry.seq, before)
        self._stand(after)

    def _begin(self, entry: LedgerEntry, before: datetime | None, sources_read: frozenset[str]) -> None:
        self._compare(entry.seq, before, sources_read)
        self._stand(before)
        self._reset = (0, None)

    def _compare(self, line: int, now_at: datetime | None, sources_read: frozenset[str]) -> None:
        if now_at is None or self.standing is None or now_at == self.standing:
            return
        set_at, before_reset = self._reset
        # A reset that was killed before it wrote the file has moved nothing.
        if now_at == before_reset:
            self.idle.append(Jump(set_at, self.standing, now_at))
        else:
            self.jumps.append(self._jump(line, self.standing, now_at, self._whole | sources_read))

    def _jump(self, line: int, before: datetime, after: datetime, sources: frozenset[str]) -> Jump:
        names = (sources or {_ANY}) if after > before else ()
        missed = self._configured | {_ANY}
        return Jump(line, before, after, tuple(UnreadTime(name, before, after, name in missed) for name in names))

    def _end(self, entry: LedgerEntry, before: datetime | None, after: datetime | None) -> None:
        sources = self._asked.pop(entry.run_id, None)
        if sources is None:
            return  # A dry run that failed early: its end alone does not show that.
        if sources and before != after:
            self._whole = sources  # Only a run over all sources moves it.
        self._fill(entry, sources)
        self._stand(after)

    def _fill(self, entry: LedgerEntry, sources: frozenset[str]) -> None:
        """Remove from the skipped time what this run read."""
        window = entry.facts.get("window")
        if entry.facts.get("status") != "ok" or not isinstance(window, dict):
            return
        since, until = instant(window.get("since")), instant(window.get("until"))
        if since is None:
            return
        for jumps in (self.jumps, self.forward):
            jumps[:] = [jump.read(since, until, sources=sources, by=entry.run_id) for jump in jumps]

    def _stand(self, at: datetime | None) -> None:
        self.standing = at or self.standing


def instant(text: Any) -> datetime | None:
    """An instant from the ledger; None if the text is not one."""
    with suppress(ValueError, TypeError, AttributeError):
        return clock.parse(text)
    return None


def is_dry(entry: LedgerEntry) -> bool:
    """Whether this is the start or end of a dry run."""
    parameters = entry.facts.get("parameters")
    return bool(entry.facts.get("dry_run") or (isinstance(parameters, dict) and parameters.get("dry_run")))


def _sources(entry: LedgerEntry) -> frozenset[str]:
    parameters = entry.facts.get("parameters")
    sources_read = parameters.get("sources") if isinstance(parameters, dict) else ""
    return frozenset(name.strip() for name in str(sources_read or "").split(",") if name.strip())
