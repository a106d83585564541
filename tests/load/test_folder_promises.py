"""Promises 1 to 4 over whole histories of an inbox; each breaks when the code that keeps it is removed."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.extract import folder_memory
from futurscam_lib.load import landing
from futurscam_lib.load.quarantine import Quarantine
from tests.load.folder_machine import PAGE, FolderWorld, check_inboxes
from tests.load.machine import examples, post

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo import MongoClient

    from futurscam_lib.settings import Settings


@pytest.fixture
def inboxes(home: Settings, connected: MongoClient[dict[str, Any]]) -> Callable[[], FolderWorld]:
    """Return a function that makes fresh worlds, one at a time."""
    return partial(FolderWorld, home, connected[home.database])


@pytest.fixture
def world(inboxes: Callable[[], FolderWorld]) -> FolderWorld:
    """A fresh world."""
    return inboxes()


def test_every_item_of_every_file_is_a_document_or_an_open_reject(inboxes: Callable[[], FolderWorld]) -> None:
    """For any changes to the files, between and during runs, and for runs aborted anywhere."""
    check_inboxes(inboxes, examples(40, steps=12))


def old_copy(world: FolderWorld) -> None:
    """A file that is unzipped with the date of last month."""
    assert world.run()
    world.put("a.json", post(), age=timedelta(days=30))
    assert world.run()


def half_list(world: FolderWorld) -> None:
    """A list is read while empty, then half written; the complete file has an older date."""
    whole = b"[" + post("job-1") + b"," + post("job-2") + b"]"
    world.put("a.json", whole)
    for at in (0, len(whole) - 20):
        world.cut("a.json", at=at, age=timedelta(0))
        assert world.run()
    world.finish_writing("a.json", age=timedelta(days=30))
    assert world.run()


def same_pages(world: FolderWorld) -> None:
    """Three error pages, byte for byte the same."""
    for name in ("a.json", "b.json", "sub/a.json"):
        world.put(name, PAGE)
        assert world.run()


def broken_again(world: FolderWorld) -> None:
    """A file is corrected, and later broken in the same way as before."""
    for data in (PAGE, post(), PAGE):
        world.put("a.json", data)
        assert world.run()
        world.tick(60)


def fault_from_the_future(world: FolderWorld) -> None:
    """A file has a date in the future, disappears, and returns with its own date and another fault."""
    assert world.run()
    world.put("a.json", PAGE, age=-timedelta(minutes=5))
    assert world.run()
    world.delete("a.json")
    assert world.run()
    world.put("a.json", post()[:-1], age=timedelta(days=30))
    assert world.run()


def clock_set_back(world: FolderWorld) -> None:
    """A file is read half-written, then complete, but at an earlier time by the clock."""
    world.put("a.json", b"[" + post() + b"]")
    world.cut("a.json", at=5, age=timedelta(0))
    assert world.run()
    world.tick(-0.03)
    world.finish_writing("a.json", age=timedelta(days=30))
    assert world.run()


HISTORIES = (old_copy, half_list, same_pages, broken_again, fault_from_the_future, clock_set_back)


@pytest.mark.parametrize("history", HISTORIES)
def test_important_histories(world: FolderWorld, history: Callable[[FolderWorld], None]) -> None:
    """An old date, a half-written file, identical broken files, the same fault twice, a clock that is ahead."""
    history(world)
    world.quiesce()


def test_with_modification_times_alone_a_file_is_lost(world: FolderWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 1 depends on the memory."""
    monkeypatch.setattr(folder_memory, "_SEEN", folder_memory._SEEN.replace("WHEN :first", "WHEN 1"))
    with pytest.raises(AssertionError, match=r"a\.json: job-1 is lost"):
        old_copy(world)


def test_without_closing_replaced_entries_a_reject_stays_open(
    world: FolderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reject of the empty file has a place that no item of the list has."""
    monkeypatch.setattr(Quarantine, "close_replaced", lambda *_: None)
    with pytest.raises(AssertionError, match=r"open: \['folder:a\.json'.*, broken: "):
        half_list(world)


def test_without_checking_the_state_of_an_entry_a_second_fault_is_missed(
    world: FolderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payload and its entry are known, but the entry was resolved when the file was corrected."""
    monkeypatch.setattr(landing, "RESOLVED", None)
    with pytest.raises(AssertionError, match=r"open: \[\], broken: \['folder:a\.json'\]"):
        broken_again(world)


def test_an_instant_in_the_future_hides_later_versions(world: FolderWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry of the quarantine would seem to be the newer one."""
    monkeypatch.setattr(folder_memory, "_SEEN", folder_memory._SEEN.replace("MAX(:now,", "MAX(walked.at, :now,"))
    with pytest.raises(AssertionError, match=r"a\.json is lost"):
        fault_from_the_future(world)


def test_without_increasing_instants_a_clock_set_back_leaves_a_reject_open(
    world: FolderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole file would seem to be older than its half."""
    seen = folder_memory._SEEN.replace("COALESCE(files.instant + 1000, :now)", ":now")
    monkeypatch.setattr(folder_memory, "_SEEN", seen)
    with pytest.raises(AssertionError, match="open: "):
        clock_set_back(world)
