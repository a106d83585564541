"""A source as unreliable as real ones, runs that are aborted anywhere, and the promises that must hold."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import hypothesis
import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from futurscam_lib import clock
from futurscam_lib.errors import RetryLater
from futurscam_lib.extract.source import Unasked
from futurscam_lib.load import spool
from futurscam_lib.load.collections import Collections
from futurscam_lib.pipeline.opening import make_window
from futurscam_lib.pipeline.run import Run
from futurscam_lib.records import Flaw, RawRecord, Replay
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import pro_unity, transform, version_for
from futurscam_lib.watermark import Watermark, after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pymongo.database import Database

    from futurscam_lib.records import Window
    from futurscam_lib.report.summary import Summary
    from futurscam_lib.settings import Settings

T0: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OVERLAP: Final = timedelta(minutes=10)
LATEST: Final = OVERLAP - timedelta(milliseconds=1)
"""How late an item may appear: the watermark is the start of a run plus this millisecond."""

JOBS: Final = ("job-1", "job-2", "job-3")
INSTANTS: Final = tuple(f"2026-11-20T10:00:00.123456{digit}Z" for digit in "1234")
"""The instants differ in the seventh digit, which `datetime` cannot hold."""

CONTENTS: Final[dict[str, dict[str, Any]]] = {
    "red": {"name": "Red"},
    "blue": {"name": "Blue"},
    "short": {"name": "Short", "publicationInfo": {"applicationDeadline": "2026-11-23T12:30:00Z"}},
}

_VERSION, _NORMALISE = pro_unity.TRANSFORM_VERSION, pro_unity.normalise

Kind = Literal["good", "rejected", "undated", "broken", "flawed"]
_TELLING: Final = {"rejected", "undated"}
"""Rejects that give their job; the others are identified only by their place."""

_WRONG: Final[dict[str, dict[str, Any]]] = {"rejected": {"name": None}, "undated": {"timeStamp": "yesterday"}}
Cut = Literal["before", "half", "after"]


def post(job: str = "job-1", instant: str = INSTANTS[0], content: str = "red", **more: Any) -> bytes:
    """A Pro Unity post; `more` adds or replaces fields."""
    return json.dumps({"id": job, "timeStamp": instant, **CONTENTS[content], **more}).encode()


def record(payload: bytes, *, origin: str = "post.json", at: datetime = T0) -> RawRecord:
    """A post as the source `folder` delivers it."""
    return RawRecord.of(payload, source="folder", origin=origin, instant=at, line=1, column=1)


@dataclass(frozen=True, slots=True)
class Item:
    """An item that the source showed, and the result that it should have."""

    job: str
    instant: str
    kind: Kind
    record: RawRecord
    number: int
    in_place: bool


class Shelf:
    """A source in memory; it may fail after some records."""

    name = "folder"

    def __init__(self, records: Iterable[RawRecord] = (), *, gives_up_after: int | None = None) -> None:
        """Show these records."""
        self.records, self.gives_up_after = list(records), gives_up_after
        self.notes: list[str] = []

    def read(self, window: Window) -> Iterator[RawRecord]:
        """Yield the records of the window."""
        for number, item in enumerate(item for item in self.records if item.instant in window):
            if number == self.gives_up_after:
                message = "The shelf broke."
                raise RetryLater(message)
            yield item


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a run is aborted: at which write to MongoDB, and how much of that write was done."""

    write: int
    how: Cut


_WRITES: Final = ("insert_many", "bulk_write", "update_one", "update_many", "delete_one", "delete_many")


@contextmanager
def breaking(fault: Fault | None) -> Iterator[None]:
    """Lose the connection to MongoDB at one write; all later writes fail, too."""
    writes = itertools.count()

    def wrapped(name: str) -> Any:
        original = getattr(Collection, name)

        def write(self: Collection[Any], first: Any, *others: Any, **options: Any) -> Any:
            number = next(writes)
            if fault is None or number < fault.write:
                return original(self, first, *others, **options)
            if number == fault.write:
                part = first[: len(first) // 2] if isinstance(first, list) else ()
                if fault.how == "after":
                    original(self, first, *others, **options)
                elif fault.how == "half" and part:
                    original(self, part, *others, **options)
            message = "connection closed"
            raise AutoReconnect(message)

        return write

    with pytest.MonkeyPatch.context() as patch:
        for name in _WRITES:
            patch.setattr(Collection, name, wrapped(name))
        try:
            yield
        finally:
            # An aborted run does not wait for its threads.
            for thread in threading.enumerate():
                if thread.name.startswith("ahead"):
                    thread.join()


def set_mapping(version: int, normalise: Callable[..., Rfp]) -> None:
    """Use this mapping for posts."""
    vars(pro_unity).update(TRANSFORM_VERSION=version, normalise=normalise)


class World:
    """A source, a clock, a watermark and a database over the time of many runs."""

    def __init__(
        self,
        settings: Settings,
        database: Database[dict[str, Any]],
        *,
        overlap: timedelta = OVERLAP,
        breaks: bool = True,
    ) -> None:
        """Start with nothing loaded and nothing shown; without `breaks`, runs are deterministic."""
        self.settings, self.overlap, self.breaks, self.now = settings, overlap, breaks, T0
        self.collections = Collections.of(database)
        self.items: list[Item] = []
        self.shown: list[Item] = []
        self.chunk = 1000
        self._runs = 0
        self._succeeded = T0 - timedelta(milliseconds=1)
        self._newest: dict[str, tuple[str, int, str]] = {}
        self._first: dict[str, tuple[str, datetime]] = {}
        self._made_by: dict[tuple[str, tuple[str, int, str]], tuple[str, str, datetime]] = {}
        set_mapping(_VERSION, _NORMALISE)
        for collection in self._all():
            collection.delete_many({})
        self.watermark = Watermark(settings.watermark_file)
        self.watermark.reset(T0)

    def publish(
        self,
        job: str = JOBS[0],
        instant: str = INSTANTS[0],
        content: str = "red",
        *,
        kind: Kind = "good",
        late: timedelta = timedelta(0),
        in_place: bool = False,
    ) -> Item:
        """Let the source show a new item, `late` behind its own cursor.

        With `in_place` it stands in the job's own file, and replaces what stood there.
        """
        number = len(self.items)
        place = {"source": "folder", "origin": f"{job}.json" if in_place else f"post-{number}.json"}
        at = self.now - late
        if kind == "flawed":
            flaw = Flaw("too-large", f"Item {number} is too large.")
            made = RawRecord.flawed(flaw, **place, instant=at, size=number, line=1)
        else:
            payload = post(job, instant, content, attachmentInfo=number, **_WRONG.get(kind, {}))
            made = RawRecord.of(payload[:-1] if kind == "broken" else payload, **place, instant=at, line=1, column=1)
        item = Item(job, instant, kind, made, number, in_place)
        if in_place:
            self.shown = [one for one in self.shown if one.record.origin != made.origin]
        self.items.append(item)
        self.shown.append(item)
        return item

    def again(self, item: Item, *, late: timedelta = timedelta(0)) -> None:
        """Let the source show the same bytes again, in another place."""
        number = len(self.items)
        moved = replace(item.record, origin=f"again-{number}.json", instant=self.now - late)
        copy = replace(item, record=moved, number=number)
        self.items.append(copy)
        self.shown.append(copy)

    def mails(self) -> list[Item]:
        """Items that can be shown again: they give their job, so their place does not matter."""
        return [item for item in self.items if not item.in_place and item.kind in {"good", "rejected"}]

    def withdraw(self, item: Item) -> None:
        """Let the source remove an item that a run has landed."""
        if item.record.raw_id in self._landed():
            self.shown.remove(item)

    def tick(self, minutes: float) -> None:
        """Let time pass."""
        self.now += timedelta(minutes=minutes)

    def open(self, shelf: Shelf | None = None, *, dry_run: bool = False) -> Run:
        """The next run, as the runner would open it."""
        self._runs += 1
        mark = self.watermark.read(now=self.now)
        assert mark is not None
        return Run(
            self.settings,
            [shelf or self.shelf()],
            run_id=f"run-{self._runs}",
            window=make_window(mark, overlap_minutes=self.overlap.total_seconds() / 60, until=None),
            watermark=mark,
            dry_run=dry_run,
            now=self.now,
        )

    def shelf(self, *, seed: int = 0, gives_up_after: int | None = None) -> Shelf:
        """The records that the source shows now, in some order."""
        records = [item.record for item in self.shown]
        random.Random(seed).shuffle(records)
        return Shelf(records, gives_up_after=gives_up_after)

    def run(self, shelf: Shelf | None = None, *, fault: Fault | None = None) -> bool:
        """Run once, as the runner does: the watermark moves last, and only after success."""
        started = self.now
        run = self.open(shelf)
        try:
            summary = finish(run, chunk=self.chunk, fault=fault if self.breaks else None)
        except RetryLater:
            self._check_always()
            return False
        done = not summary.failures
        if done:
            self.watermark.commit(after(started))
            self._succeeded = max(self._succeeded, started)
        self._check_always()
        if done:
            self.check_settled()
        return done

    def raise_mapping(self) -> None:
        """Let a new version of the program read titles in another way."""
        number = version_for("folder") + 1

        def normalise(payload: Any, **facts: Any) -> Rfp:
            made = _NORMALISE(payload, **facts)
            content: Any = {**made.content, "roleTitle": f"{made.content['roleTitle']} {number}"}
            return Rfp.of(content, source_id=made.source_id, instant=made.key.instant, transform_version=number)

        set_mapping(number, normalise)

    def replay(self, *, fault: Fault | None = None) -> bool:
        """Make all documents again from the landed payloads; returns whether that was completed.

        A dry run before says the same, and the watermark stays.
        """
        before = self._everything()
        expected = finish(self._replay(dry_run=True), chunk=self.chunk)
        assert self._everything() == before
        try:
            real = finish(self._replay(dry_run=False), chunk=self.chunk, fault=fault if self.breaks else None)
        except RetryLater:
            self._check_always()
            return False
        assert real.counts == expected.counts
        self._check_always()
        return True

    def _replay(self, *, dry_run: bool) -> Run:
        self._runs += 1
        return Run(
            self.settings,
            [Unasked("folder")],
            run_id=f"replay-{self._runs}",
            window=make_window(self.now, overlap_minutes=0, until=None),
            watermark=self.now,
            dry_run=dry_run,
            now=self.now,
            replay=Replay(),
        )

    def rehearse(self, *, seed: int) -> None:
        """A dry run writes nothing, and reports what a real run then does."""
        before = self._everything()
        expected = finish(self.open(self.shelf(seed=seed), dry_run=True), chunk=self.chunk)
        assert self._everything() == before
        real = finish(self.open(self.shelf(seed=seed)), chunk=self.chunk)
        assert expected.counts == real.counts

    def quiesce(self) -> None:
        """One overlap without news, then a good run."""
        self.tick(OVERLAP.total_seconds() / 60)
        assert self.run()

    def check_settled(self) -> None:
        """After a good run, every item that the source ever showed is stored correctly (promises 1, 2, 3)."""
        landed = self._landed()
        missing = [item.record.origin for item in self.shown if item.record.raw_id not in landed]
        assert not missing, f"lost: {missing}"
        due = [item for item in self.items if item.record.raw_id in landed]
        outcomes = {document["_id"] for document in self.collections.outcomes.find({}, {"_id": 1})}
        assert outcomes == landed
        newest = self._check_documents(due)
        self._check_quarantine(due, newest)
        assert {document["_id"] for document in self.collections.runs.find()} == {"durable"}

    def _check_documents(self, due: Sequence[Item]) -> dict[str, str]:
        """Check that each job's document is its last version; returns their instants."""
        best: dict[str, Rfp] = {}
        for item in due:
            if item.kind == "good":
                made = transform(item.record, seen_at=self.now)
                assert isinstance(made, Rfp)
                assert made.key.instant == item.instant
                rival = best.get(item.job)
                if rival is None or (item.instant, made.key.content_hash) > (rival.key.instant, rival.key.content_hash):
                    best[item.job] = made
        documents = {document["job_id"]: document for document in self.collections.rfps.find({}, {"_id": 0})}
        assert documents.keys() == best.keys()
        for job, made in best.items():
            document = documents[job]
            etl = document.pop("_etl")
            version = etl["version"]
            deadline = made.content["deadlineAt"]
            wanted = f"{made.key.instant}#{made.key.content_hash}"
            assert version == wanted, f"{job} is at {version}, its last version is {wanted}"
            assert etl["transform_version"] == made.key.transform_version
            assert made.key in self._made_of(etl["raw_id"], due)
            assert document == {**made.content, "isActive": deadline is None or deadline >= self._succeeded}
        return {job: made.key.instant for job, made in best.items()}

    def _made_of(self, raw_id: str, due: Sequence[Item]) -> list[Any]:
        """The versions made from a payload, which must be one that was shown."""
        made = [transform(item.record, seen_at=self.now) for item in due if item.record.raw_id == raw_id]
        return [one.key for one in made if isinstance(one, Rfp)]

    def _check_quarantine(self, due: Sequence[Item], newest: dict[str, str]) -> None:
        """Check for one entry per failed item, of its last failure; open unless a later version was loaded."""
        entries = {entry["_id"]: entry for entry in self.collections.rejects.find()}
        last: dict[str, Item] = {}
        for item in due:
            if item.kind == "good":
                continue
            name = f"folder#{item.job}" if item.kind in _TELLING else f"folder:{item.record.origin}"
            if name not in last or _instant_of(item) >= _instant_of(last[name]):
                last[name] = item
        assert entries.keys() == last.keys()
        for name, item in last.items():
            assert entries[name]["instant"] == _instant_of(item)
            if item.kind in _TELLING:
                state = "resolved" if newest.get(item.job, "") >= _instant_of(item) else "open"
                assert (name, entries[name]["state"]) == (name, state)
            else:
                self._check_unreadable(item, due, entries[name]["state"])

    def _check_unreadable(self, item: Item, due: Sequence[Item], state: str) -> None:
        """Only its place identifies the item: a later good item in that place resolves it."""
        there = [one for one in due if one.kind == "good" and one.record.origin == item.record.origin]
        later = [one for one in there if one.record.instant >= item.record.instant]
        if not later:
            assert state == "open"
        elif any(one.number > item.number for one in later):
            assert state == "resolved"

    def _check_always(self) -> None:
        """Also after an aborted run: no duplicates, no older versions, and a correct watermark."""
        documents = list(self.collections.rfps.find())
        doubled = [job for job, count in Counter(document["job_id"] for document in documents).items() if count > 1]
        assert not doubled, f"doubled: {doubled}"
        for document in documents:
            etl = document["_etl"]
            key = (etl["version"].partition("#")[0], etl["transform_version"], etl["content_hash"])
            assert key >= self._newest.get(document["job_id"], key)
            self._newest[document["job_id"]] = key
            # Even if it is read again, the same version keeps the run and the payload that made it.
            made_by = (etl["run_id"], etl["raw_id"], etl["changed_at"])
            assert self._made_by.setdefault((document["job_id"], key), made_by) == made_by
            first = (etl["first_run_id"], etl["first_seen_at"])
            assert self._first.setdefault(document["job_id"], first) == first
        assert self.watermark.read(now=self.now) == after(self._succeeded)

    def _landed(self) -> set[str]:
        return {document["_id"] for document in self.collections.raw.find({}, {"_id": 1})}

    def _all(self) -> list[Collection[dict[str, Any]]]:
        known = self.collections
        return [known.rfps, known.raw, known.outcomes, known.rejects, known.runs]

    def _everything(self) -> list[list[dict[str, Any]]]:
        return [list(collection.find().sort("_id")) for collection in self._all()]


def finish(run: Run, *, chunk: int = 1000, fault: Fault | None = None) -> Summary:
    """Do all steps of a run, in chunks of this many items."""
    with pytest.MonkeyPatch.context() as patch, breaking(fault):
        patch.setattr(spool, "CHUNK_ITEMS", chunk)
        run.extract()
        run.transform()
        run.load()
        run.close_ended()
        return run.reconcile()


def _instant_of(item: Item) -> str:
    return item.instant if item.kind == "rejected" else clock.to_sortable(item.record.instant)


LATE: Final = st.sampled_from([timedelta(0), LATEST, timedelta(minutes=4), timedelta(minutes=9), timedelta(minutes=-5)])
_PAUSES: Final = st.sampled_from([0, 0.5, 4, 9, 10, 11, 60])
_SEEDS: Final = st.integers(0, 3)
_CHUNKS: Final = st.integers(1, 5)
_FAULTS: Final = st.none() | st.builds(Fault, st.integers(0, 14), st.sampled_from(get_args(Cut)))
_ITEMS: Final = st.fixed_dictionaries(
    {
        "job": st.sampled_from(JOBS[:2]),
        "instant": st.sampled_from(INSTANTS),
        "content": st.sampled_from(sorted(CONTENTS)),
        "kind": st.sampled_from(["good", "good", "good", *get_args(Kind)]),
        "late": LATE,
        "in_place": st.booleans(),
    }
)


class Promises(RuleBasedStateMachine):
    """Promises 1 to 5 for any items, any times of runs, and runs aborted anywhere."""

    def __init__(self, world: World) -> None:
        """Start in a fresh world."""
        super().__init__()
        self.world = world

    @rule(items=st.lists(_ITEMS, min_size=1, max_size=4), pause=_PAUSES)
    def publish(self, items: list[dict[str, Any]], pause: float) -> None:
        """The source shows something new."""
        for item in items:
            self.world.publish(**item)
        self.world.tick(pause)

    @precondition(lambda self: self.world.mails())
    @rule(data=st.data(), late=LATE)
    def again(self, data: st.DataObject, late: timedelta) -> None:
        """An old mail is sent once more."""
        self.world.again(data.draw(st.sampled_from(self.world.mails())), late=late)

    @precondition(lambda self: self.world.shown)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """A landed item is deleted at the source."""
        self.world.withdraw(data.draw(st.sampled_from(self.world.shown)))

    @rule(chunk=_CHUNKS, seed=_SEEDS, fault=_FAULTS, gives_up_after=st.none() | st.integers(0, 4), pause=_PAUSES)
    def run(self, chunk: int, seed: int, fault: Fault | None, gives_up_after: int | None, pause: float) -> None:
        """A run in chunks of any size, over items in any order; it may be aborted or read only half of the source."""
        self.world.chunk = chunk
        self.world.run(self.world.shelf(seed=seed, gives_up_after=gives_up_after), fault=fault)
        self.world.tick(pause)

    @rule(chunk=_CHUNKS, seed=_SEEDS)
    def rehearse(self, chunk: int, seed: int) -> None:
        """A dry run, then a real run that does not move the watermark."""
        self.world.chunk = chunk
        self.world.rehearse(seed=seed)

    @precondition(lambda self: self.world.items)
    @rule(chunk=_CHUNKS, fault=_FAULTS, raised=st.booleans())
    def replay(self, chunk: int, fault: Fault | None, *, raised: bool) -> None:
        """A replay that may be aborted, with the same or a new mapping, and a complete replay."""
        self.world.chunk = chunk
        if raised:
            self.world.raise_mapping()
        done = self.world.replay(fault=fault)
        if raised or not done:
            assert self.world.replay()

    def teardown(self) -> None:
        """Once the source has been quiet for one overlap."""
        self.world.quiesce()


def examples(count: int, *, steps: int = 20, shrink: bool = True) -> hypothesis.settings:
    """Settings for this many histories of this many steps, the same at every run."""
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if shrink else [])]
    return hypothesis.settings(
        max_examples=count,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


def check_histories(make: Callable[[], World], settings: hypothesis.settings) -> None:
    """Live through histories, each in a fresh world, until one breaks a promise."""

    class Here(Promises):
        def __init__(self) -> None:
            super().__init__(make())

    run_state_machine_as_test(Here, settings=settings)
