"""Promises 1 to 4 over whole histories of an inbox; and that they break when what keeps them is taken out."""

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
    """Makes fresh worlds, one at a time."""
    return partial(FolderWorld, home, connected[home.database])


@pytest.fixture
def world(inboxes: Callable[[], FolderWorld]) -> FolderWorld:
    """One fresh world."""
    return inboxes()


def test_every_item_of_every_file_is_a_document_or_an_open_reject(inboxes: Callable[[], FolderWorld]) -> None:
    """Whatever happens to the files, between runs and during them, and wherever runs break off."""
    check_inboxes(inboxes, examples(40, steps=12))


def old_copy(world: FolderWorld) -> None:
    """A file that is unzipped with the date of last month."""
    assert world.run()
    world.put("a.json", post(), age=timedelta(days=30))
    assert world.run()


def half_list(world: FolderWorld) -> None:
    """A list that is caught with nothing in it, then with half of it; its end arrives with an older date."""
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
    """A file that is mended, and later broken in the same way as before."""
    for data in (PAGE, post(), PAGE):
        world.put("a.json", data)
        assert world.run()
        world.tick(60)


def half_from_the_future(world: FolderWorld) -> None:
    """A file that is written with a clock that is ahead, and gets its own date when it is whole."""
    world.put("a.json", b"[" + post() + b"]")
    world.cut("a.json", at=5, age=-timedelta(minutes=5))
    assert world.run()
    world.finish_writing("a.json", age=timedelta(days=30))
    assert world.run()


HISTORIES = (old_copy, half_list, same_pages, broken_again, half_from_the_future)


@pytest.mark.parametrize("history", HISTORIES)
def test_histories_that_matter(world: FolderWorld, history: Callable[[FolderWorld], None]) -> None:
    """An old date, a file caught half-written, identical broken files, the same fault twice, a clock that is ahead."""
    history(world)
    world.quiesce()


def test_with_modification_times_alone_a_file_is_lost(world: FolderWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 1 hangs on the memory."""
    monkeypatch.setattr(folder_memory, "_SEEN", folder_memory._SEEN.replace("WHEN :first", "WHEN 1"))
    with pytest.raises(AssertionError, match=r"a\.json: job-1 is lost"):
        old_copy(world)


def test_without_closing_what_was_replaced_a_half_stays_open(
    world: FolderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reject of the empty file has a place that no item of the list has."""
    monkeypatch.setattr(Quarantine, "close_replaced", lambda *_: None)
    with pytest.raises(AssertionError, match=r"open: \['folder:a\.json'.*, broken: "):
        half_list(world)


def test_without_looking_at_the_state_of_an_entry_a_second_fault_is_missed(
    world: FolderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payload is known, and so is its entry; but that was resolved when the file was mended."""
    monkeypatch.setattr(landing, "RESOLVED", None)
    with pytest.raises(AssertionError, match=r"open: \[\], broken: \['folder:a\.json'\]"):
        broken_again(world)


def test_without_an_instant_after_the_last_one_a_half_from_the_future_stays_open(
    world: FolderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole file would seem to be older than its half."""
    seen = folder_memory._SEEN.replace("COALESCE(files.instant + 1000, walked.at)", "walked.at")
    monkeypatch.setattr(folder_memory, "_SEEN", seen)
    with pytest.raises(AssertionError, match="open: "):
        half_from_the_future(world)
