"""An inbox used as people and programs use it, runs that are aborted anywhere, and the promises that must hold.

The clock is the world's own; modification times are set by hand, so that they say what a copy or a sync client would.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from futurscam_lib import clock
from futurscam_lib.errors import RetryLater
from futurscam_lib.extract import folder_memory, json_items
from futurscam_lib.extract.folder import FolderSource
from futurscam_lib.extract.folder_memory import FolderMemory
from futurscam_lib.load.collections import Collections
from futurscam_lib.pipeline.opening import make_window
from futurscam_lib.pipeline.run import Run
from futurscam_lib.records import RawRecord, Window
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import transform
from futurscam_lib.watermark import Watermark, after
from tests.load.machine import INSTANTS, JOBS, OVERLAP, T0, Cut, Fault, finish, post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import hypothesis
    from pymongo.database import Database

    from futurscam_lib.report.summary import Summary
    from futurscam_lib.settings import Settings

PAGE: Final = b"<html>502 Bad Gateway</html>"
NAMES: Final = ("a.json", "b.json", "sub/a.json", "c.jsonl")
AGES: Final = tuple(timedelta(minutes=minutes) for minutes in (0, 1, 30, 60 * 24 * 90, -5))
"""How far behind now a modification time may be; with a clock that is ahead it is in the future."""

Kind = Literal["object", "list", "lines"]
Change = Literal["write", "cut", "finish", "break", "touch", "move", "copy", "delete"]


class FolderWorld:
    """An inbox, a clock, a watermark and a database over the time of many runs."""

    def __init__(self, settings: Settings, database: Database[dict[str, Any]]) -> None:
        """Start with an empty inbox and a home without runs."""
        self.settings, self.now = settings, T0
        self.collections = Collections.of(database)
        for name in ("RFP", "RFP_raw", "RFP_outcomes", "RFP_rejects", "RFP_runs"):
            database[name].delete_many({})
        self.inbox = settings.home / "inbox"
        self._empty()
        self.memory_file = settings.home / folder_memory.FILE
        self.memory_file.unlink(missing_ok=True)
        self.watermark = Watermark(settings.watermark_file)
        self.watermark.reset(T0 - timedelta(hours=1))
        self.has_history = False
        self.chunk = 1000
        self._runs = 0
        self._whole: dict[str, bytes] = {}
        self._states: dict[tuple[str, int, int], bytes] = {}

    def _empty(self) -> None:
        self.inbox.mkdir(exist_ok=True)
        for path in self.inbox.rglob("*"):
            if path.is_file():
                path.unlink()

    # Changes to files.

    def put(self, name: str, data: bytes, *, age: timedelta = timedelta(0)) -> None:
        """Write these bytes to a file, with a modification time in the past."""
        path = self.inbox / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        self._date(name, self.now - age)

    def cut(self, name: str, *, at: int, age: timedelta) -> None:
        """Leave a file half written."""
        whole = self._whole.get(name) or self.read(name)
        self._whole[name] = whole
        self.put(name, whole[: at % (len(whole) + 1)], age=age)

    def finish_writing(self, name: str, *, age: timedelta) -> None:
        """Write the rest of the file."""
        if name in self._whole:
            self.put(name, self._whole.pop(name), age=age)

    def move(self, name: str, to: str, *, age: timedelta | None = None, is_copy: bool = False) -> None:
        """Move or copy a file with its modification time."""
        modified = (self.inbox / name).stat().st_mtime_ns
        data = self.read(name)
        if not is_copy:
            self.delete(name)
        self.put(to, data, age=age or timedelta(0))
        if age is None:
            self._date(to, clock.from_microseconds(modified // 1000))

    def delete(self, name: str) -> None:
        """Delete a file."""
        (self.inbox / name).unlink()
        self._whole.pop(name, None)

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return (self.inbox / name).read_bytes()

    def names(self) -> list[str]:
        """The files that are there."""
        return sorted(path.relative_to(self.inbox).as_posix() for path in self.inbox.rglob("*") if path.is_file())

    def _date(self, name: str, modified: datetime) -> None:
        # Other bytes with the same path, size and modification time cannot be detected.
        path = self.inbox / name
        data = path.read_bytes()
        nanoseconds = clock.to_microseconds(modified) * 1000
        while self._states.setdefault((name, len(data), nanoseconds), data) != data:
            nanoseconds += 1_000_000
        os.utime(path, ns=(nanoseconds, nanoseconds))

    # Runs.

    def tick(self, minutes: float) -> None:
        """Let time pass."""
        self.now += timedelta(minutes=minutes)

    def source(self, *, dry_run: bool = False) -> FolderSource:
        """The folder as a run of this home reads it."""
        memory = FolderMemory(self.memory_file, self.inbox, has_history=lambda: self.has_history, writes=not dry_run)
        return FolderSource(self.inbox, memory, now=lambda: self.now)

    def open(self, source: FolderSource, window: Window, *, dry_run: bool = False) -> Run:
        """A run that reads a window."""
        self._runs += 1
        return Run(
            self.settings,
            [source],
            run_id=f"run-{self._runs}",
            window=window,
            watermark=window.since,
            dry_run=dry_run,
            now=self.now,
        )

    def window(self) -> Window:
        """The window of a scheduled run now."""
        mark = self.watermark.read(now=self.now)
        assert mark is not None
        return make_window(mark, overlap_minutes=OVERLAP.total_seconds() / 60, until=None)

    def run(
        self, *, fault: Fault | None = None, meanwhile: Callable[[], None] | None = None, after_records: int = 0
    ) -> bool:
        """Run once, as the runner does; something may happen to the inbox after some records were read."""
        started, source = self.now, self.source()
        if meanwhile:
            source = _Stirred(source, meanwhile, after_records)
        try:
            finish(self.open(source, self.window()), chunk=self.chunk, fault=fault)
        except RetryLater:
            return False
        self.watermark.commit(after(started))
        self.has_history = True
        self.tick(0.01)
        if not meanwhile:
            self.check()
        return True

    def run_by_hand(self, window: Window, *, dry_run: bool = False) -> Summary:
        """A run over a chosen window, which moves no watermark."""
        before = self.memory_file.read_bytes() if self.memory_file.exists() else None
        summary = finish(self.open(self.source(dry_run=dry_run), window, dry_run=dry_run), chunk=self.chunk)
        if dry_run:
            assert before == (self.memory_file.read_bytes() if self.memory_file.exists() else None)
        self.tick(0.01)
        return summary

    def quiesce(self) -> None:
        """One overlap without changes, two runs; then files from before the first run are read as well."""
        self.tick(OVERLAP.total_seconds() / 60)
        for _ in range(2):
            assert self.run()
        self.run_by_hand(Window(clock.EPOCH))
        assert self.unread() == set()
        self.check()

    # The checks.

    def unread(self) -> set[str]:
        """Files from before the first run that no run has read."""
        if not self.memory_file.exists():
            return set()
        with closing(sqlite3.connect(self.memory_file)) as connection:
            return {os.fsdecode(path) for (path,) in connection.execute("SELECT path FROM files WHERE unread")}

    def shown(self) -> Iterator[RawRecord]:
        """Every item of every file that a run should have read."""
        for name in set(self.names()) - self.unread():
            with (self.inbox / name).open("rb") as file:
                found = json_items.JsonFile("folder", name, self.now, (self.inbox / name).stat().st_size)
                yield from found.records(file, lines=name.endswith(json_items.LINES))

    def check(self) -> None:
        """Each item of each file is a document or an open reject, in the right number, and nothing else is open."""
        entries = {entry["_id"]: entry for entry in self.collections.rejects.find()}
        landed = {document["_id"]: document for document in self.collections.raw.find()}
        versions = {document["job_id"]: document["_etl"]["version"] for document in self.collections.rfps.find()}
        broken: set[str] = set()
        for item in self.shown():
            made = transform(item, seen_at=self.now)
            if isinstance(made, Rfp):
                job = made.content["job_id"]
                assert versions.get(job, "") >= made.key.text, f"{item.origin}: {job} is lost"
            elif made.job_id:
                assert made.item in entries, f"{item.origin}: {made.item} is lost"
            else:
                broken.add(made.item)
                if not item.flaw:
                    assert entries.get(made.item, {}).get("raw_id") == item.raw_id, f"{item.origin} is lost"
            if not item.flaw:
                places = {f"{one['source']}:{one['origin']}" for one in landed[item.raw_id]["places"]}
                assert item.place in places, f"{item.origin} is not among the places of its payload"
        still = set(self.names()) - self.unread()
        opened = {
            name
            for name, found in entries.items()
            if found["state"] == "open" and found["job_id"] is None and json_items.file_of(found["origin"]) in still
        }
        assert opened == broken, f"open: {sorted(opened)}, broken: {sorted(broken)}"


class _Stirred(FolderSource):
    """A folder to which something happens while it is read."""

    def __init__(self, source: FolderSource, meanwhile: Callable[[], None], after_records: int) -> None:
        super().__init__(source._folder, source._memory, now=source._now)
        self._meanwhile, self._after_records = meanwhile, after_records

    def read(self, window: Window) -> Iterator[RawRecord]:
        number = 0
        for number, record in enumerate(super().read(window), start=1):
            yield record
            if number == self._after_records:
                self._meanwhile()
        if number < self._after_records or not self._after_records:
            self._meanwhile()


def contents(kind: Kind, made: list[bytes]) -> bytes:
    """A file of one object, a list or lines."""
    if kind == "object":
        return made[0]
    return b"[" + b",\n".join(made) + b"]" if kind == "list" else b"\n".join(made)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to a file.

    Attributes:
        change: What.
        name, other: The file, and where it is moved or copied to.
        contents: What is written.
        at: How many bytes are there when it is caught half-written.
        age: How old its modification time is then.
    """

    change: Change
    name: str
    other: str
    contents: bytes
    at: int
    age: timedelta


_NAME: Final = st.sampled_from(NAMES)
_AGE: Final = st.sampled_from(AGES)
_POST: Final = st.builds(post, st.sampled_from(JOBS), st.sampled_from(INSTANTS), st.sampled_from(["red", "blue"]))
_ITEM: Final = st.one_of(
    _POST,
    _POST,
    st.just(PAGE),
    st.builds(post, st.sampled_from(JOBS[:1]), st.sampled_from(INSTANTS[:2]), name=st.none()),
)
_CONTENTS: Final = st.builds(contents, st.sampled_from(get_args(Kind)), st.lists(_ITEM, min_size=1, max_size=3))
_EVENT: Final = st.builds(
    Event,
    change=st.sampled_from(get_args(Change)),
    name=_NAME,
    other=_NAME,
    contents=_CONTENTS,
    at=st.integers(0, 400),
    age=_AGE,
)
_FAULTS: Final = st.none() | st.none() | st.builds(Fault, st.integers(0, 14), st.sampled_from(get_args(Cut)))
_CHUNKS: Final = st.integers(1, 4)
_PAUSES: Final = st.sampled_from([0, 0.5, 9, 10, 11, 60, 60 * 24])


class Inbox(RuleBasedStateMachine):
    """Any changes to the files of an inbox, any times of runs, and runs aborted anywhere."""

    def __init__(self, world: FolderWorld) -> None:
        """Start in a fresh world."""
        super().__init__()
        self.world = world

    def apply(self, event: Event) -> None:
        """Apply an event to a file; does nothing if there is no such file."""
        world, name = self.world, event.name
        if event.change in {"write", "break"}:
            world.put(name, PAGE if event.change == "break" else event.contents, age=event.age)
        elif name not in world.names():
            return
        elif event.change == "cut":
            world.cut(name, at=event.at, age=event.age)
        elif event.change == "finish":
            world.finish_writing(name, age=event.age)
        elif event.change == "touch":
            world.put(name, world.read(name), age=event.age)
        elif event.change == "delete":
            world.delete(name)
        elif event.other != name:
            world.move(name, event.other, is_copy=event.change == "copy")

    @rule(events=st.lists(_EVENT, min_size=1, max_size=3), pause=_PAUSES)
    def change(self, events: list[Event], pause: float) -> None:
        """Files appear, grow, change, move, are copied with their dates, break in the same way, or are deleted."""
        for event in events:
            self.apply(event)
        self.world.tick(pause)

    @rule(chunk=_CHUNKS, fault=_FAULTS, pause=_PAUSES)
    def run(self, chunk: int, fault: Fault | None, pause: float) -> None:
        """A run that may be aborted anywhere after it has saved its memory of the folder."""
        self.world.chunk = chunk
        self.world.run(fault=fault)
        self.world.tick(pause)

    @rule(chunk=_CHUNKS, fault=_FAULTS, event=_EVENT, number=st.integers(0, 4))
    def run_meanwhile(self, chunk: int, fault: Fault | None, event: Event, number: int) -> None:
        """A run while something happens to a file."""
        self.world.chunk = chunk
        self.world.run(fault=fault, meanwhile=lambda: self.apply(event), after_records=number)

    @rule(since=_AGE, span=st.none() | _AGE, dry_run=st.booleans())
    def run_by_hand(self, since: timedelta, span: timedelta | None, *, dry_run: bool) -> None:
        """An analyst reads a window, or looks at one."""
        begin = self.world.now - since
        until = begin + abs(span) if span else None
        self.world.run_by_hand(Window(begin, until), dry_run=dry_run)

    @precondition(lambda self: self.world.memory_file.exists())
    @rule(damage=st.sampled_from([None, b"", b"no database", b"SQLite format 3\0" + b"\xff" * 4096]))
    def lose_memory(self, damage: bytes | None) -> None:
        """The memory is removed or damaged."""
        if damage is None:
            self.world.memory_file.unlink()
        else:
            self.world.memory_file.write_bytes(damage)

    def teardown(self) -> None:
        """Once nothing has happened for one overlap."""
        self.world.quiesce()


def check_inboxes(make: Callable[[], FolderWorld], settings: hypothesis.settings) -> None:
    """Live through histories, each in a fresh world, until one breaks a promise."""

    class Here(Inbox):
        def __init__(self) -> None:
            super().__init__(make())

    run_state_machine_as_test(Here, settings=settings)
