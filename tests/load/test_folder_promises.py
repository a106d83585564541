"""Promises 1 to 4 over whole histories of an inbox; and that they break when what keeps them is taken out."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.extract import folder_memory
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


HISTORIES = (old_copy, half_list, same_pages)


@pytest.mark.parametrize("history", HISTORIES)
def test_three_histories_that_matter(world: FolderWorld, history: Callable[[FolderWorld], None]) -> None:
    """An old date, a file caught half-written, identical broken files."""
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
