"""Promises 1 to 5 over whole histories of runs; each breaks when the code that keeps it is removed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.load.upsert import Upsert
from tests.load.machine import INSTANTS, LATEST, Fault, check_histories, examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.load.entry import Entry
    from futurscam_lib.load.upsert import Loaded
    from tests.load.machine import World

NONE = timedelta(0)


def late_item(world: World) -> None:
    """A run, and soon after it an item that claims to be older than the run."""
    assert world.run()
    world.tick(1)
    world.publish(late=timedelta(minutes=5))
    world.quiesce()


def version_in_between(world: World) -> None:
    """Red, red again, and then a blue one from in between, each loaded before the next is seen."""
    world.chunk = 1
    for instant, content in zip((0, 2, 1), ("red", "red", "blue"), strict=True):
        world.publish(instant=INSTANTS[instant], content=content)
    shelf = world.shelf()
    shelf.records = [item.record for item in world.items]
    assert world.run(shelf)


def only_count(upsert: Upsert, pairs: list[tuple[Entry, Any]], loaded: Loaded) -> list[Entry]:
    """What `Upsert._move_version` would be, were it thought that the same content needs nothing."""
    for entry, _ in pairs:
        upsert._settle(loaded, entry, "unchanged")
    return []


def test_the_promises_hold_in_any_history(worlds: Callable[..., World]) -> None:
    """Any order, batches, repetition, lateness within the overlap, equal instants, runs that break off anywhere."""
    check_histories(worlds, examples(50))


@pytest.mark.parametrize("history", [late_item, version_in_between])
def test_two_important_histories(world: World, history: Callable[[World], None]) -> None:
    """The overlap finds what appears late; the same content again moves the version on."""
    history(world)


def test_without_the_overlap_an_item_is_lost(worlds: Callable[..., World]) -> None:
    """Promise 1 depends on it: the state machine detects that, and so does the shortest history."""
    with pytest.raises(AssertionError, match="lost"):
        late_item(worlds(overlap=NONE))
    with pytest.raises(AssertionError, match="lost"):
        check_histories(lambda: worlds(overlap=NONE, breaks=False), examples(60, shrink=False))


def test_without_moving_the_version_an_older_version_wins(
    worlds: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 3 depends on it: the state machine detects that; in the shortest history blue replaces a later red."""
    monkeypatch.setattr(Upsert, "_move_version", only_count)
    world = worlds()
    with pytest.raises(AssertionError, match="its last version is"):
        version_in_between(world)
    assert [document["roleTitle"] for document in world.collections.rfps.find()] == ["Blue"]
    with pytest.raises(AssertionError, match="its last version is"):
        check_histories(lambda: worlds(breaks=False), examples(60, shrink=False))


def test_an_item_as_late_as_the_overlap_allows_is_found(world: World) -> None:
    """The first instant that a window holds is one overlap before the start of the last good run, plus 1 ms."""
    assert world.run()
    world.publish(late=LATEST)
    world.tick(30)

    assert world.run()
    assert world.collections.rfps.count_documents({}) == 1


@pytest.mark.parametrize("write", range(13))
@pytest.mark.parametrize("how", ["before", "half", "after"])
def test_the_next_run_repairs_a_run_aborted_at_any_write(world: World, write: int, how: Any) -> None:
    """Whichever write is the last, and even if the source no longer shows the items, the next run loads them all."""
    world.chunk = 2
    for number, job in enumerate(("job-1", "job-2", "job-1", "job-3")):
        world.publish(job, INSTANTS[number])
    world.publish("job-2", INSTANTS[3], kind="rejected")
    broken = world.publish("job-3", kind="broken")

    assert not world.run(fault=Fault(write, how))
    for item in list(world.shown):
        world.withdraw(item)

    assert world.run()
    assert {document["job_id"] for document in world.collections.rfps.find()} == {"job-1", "job-2", "job-3"}
    assert {entry["_id"] for entry in world.collections.rejects.find()} == {
        "folder#job-2",
        f"folder:{broken.record.origin}",
    }


def test_a_source_that_fails_half_way_keeps_the_watermark(world: World) -> None:
    """The records before the failure are loaded and counted; the next run reads the same window again."""
    for job in ("job-1", "job-2", "job-3"):
        world.publish(job)

    assert not world.run(world.shelf(gives_up_after=2))
    assert world.collections.rfps.count_documents({}) == 2

    world.tick(600)
    assert world.run()
    assert world.collections.rfps.count_documents({}) == 3
