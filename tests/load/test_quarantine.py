"""Rejects: one entry per item, open until a newer version is loaded."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.load import quarantine
from tests.load.machine import INSTANTS, T0, Shelf, World, finish, post, record

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.records import Counts, RawRecord

EARLY, MIDDLE, LATE = INSTANTS[:3]


def bad(instant: str = EARLY, *, job: str = "job-1", origin: str = "post.json", at: datetime = T0, **more: Any) -> Any:
    """A post without a title."""
    return record(post(job, instant, name=None, **more), origin=origin, at=at)


def good(instant: str = EARLY, *, job: str = "job-1", origin: str = "post.json", at: datetime = T0) -> RawRecord:
    """A post."""
    return record(post(job, instant), origin=origin, at=at)


def broken(*, origin: str = "post.json", at: datetime = T0) -> RawRecord:
    """A post that was cut off."""
    return record(post()[:-1], origin=origin, at=at)


def load(world: World, *records: RawRecord, chunk: int = 1000) -> Counts:
    """Run once over these records."""
    return finish(world.open(Shelf(records)), chunk=chunk).counts["folder"]


def entries(world: World) -> dict[str, dict[str, Any]]:
    """The quarantine."""
    return {entry["_id"]: entry for entry in world.collections.rejects.find()}


def states(world: World) -> dict[str, str]:
    """Of each entry."""
    return {item: entry["state"] for item, entry in entries(world).items()}


def test_an_entry_says_what_is_wrong_where_and_since_when(world: World) -> None:
    """Reason, field, place, payload, the run; and the payload itself is kept."""
    raw = bad(MIDDLE, origin="archive/posts.jsonl:17")
    load(world, raw)

    (entry,) = entries(world).values()
    facts = {name: entry[name] for name in ("_id", "source", "origin", "code", "path", "job_id", "instant", "raw_id")}
    assert facts == {
        "_id": "folder#job-1",
        "source": "folder",
        "origin": "archive/posts.jsonl:17",
        "code": "missing",
        "path": "name",
        "job_id": "job-1",
        "instant": MIDDLE,
        "raw_id": raw.raw_id,
    }
    assert (entry["state"], entry["attempts"], entry["run_id"], entry["at"]) == ("open", 1, "run-1", T0)
    landed = world.collections.raw.find_one({"_id": raw.raw_id})
    assert landed is not None
    assert bytes(landed["payload"]) == raw.payload


def test_an_unreadable_item_is_identified_by_its_place(world: World) -> None:
    """Broken JSON in two files: two entries, each with line and column."""
    load(world, broken(origin="a.json"), record(b'{"id": ', origin="b.json"))

    rejects = entries(world)
    assert rejects.keys() == {"folder:a.json", "folder:b.json"}
    assert all(entry["job_id"] is None and entry["line"] == 1 and entry["column"] > 1 for entry in rejects.values())


def test_failing_again_counts_attempts_in_one_entry(world: World) -> None:
    """The first run stays noted; reason and payload are those of the last version."""
    load(world, bad(EARLY))
    assert load(world, bad(LATE, description=7)).rejected == 1

    (entry,) = entries(world).values()
    assert (entry["attempts"], entry["first_run_id"], entry["run_id"]) == (2, "run-1", "run-2")
    assert (entry["instant"], entry["path"]) == (LATE, "name")


@pytest.mark.parametrize("chunk", [1, 2])
@pytest.mark.parametrize("runs", [1, 2])
def test_an_older_reject_never_covers_a_newer_one(world: World, chunk: int, runs: int) -> None:
    """In two runs, in two chunks, in one: the entry is of the newest, and both are counted."""
    newer, older = bad(LATE), bad(EARLY)
    if runs == 2:
        load(world, newer)
        assert load(world, older).rejected == 1
    else:
        assert load(world, newer, older, chunk=chunk).rejected == 2

    (entry,) = entries(world).values()
    assert (entry["instant"], entry["raw_id"], entry["state"]) == (LATE, newer.raw_id, "open")


@pytest.mark.parametrize("order", [1, -1])
def test_two_rejects_of_one_item_in_one_chunk(world: World, order: int) -> None:
    """One is older than the document, one is newer: the newer reject is open, in any order."""
    load(world, good(MIDDLE))

    assert load(world, *(bad(EARLY), bad(LATE))[::order]).rejected == 2
    (entry,) = entries(world).values()
    assert (entry["instant"], entry["state"]) == (LATE, "open")


@pytest.mark.parametrize("together", [True, False])
def test_a_later_version_resolves_a_reject(world: World, *, together: bool) -> None:
    """From another place, in a later run or in the same: the job says that it is the same item."""
    records = [bad(EARLY), good(MIDDLE, origin="elsewhere.json")]
    if together:
        load(world, *records)
    else:
        for one in records:
            load(world, one)

    (entry,) = entries(world).values()
    assert (entry["state"], entry["resolved_run_id"]) == ("resolved", "run-1" if together else "run-2")


@pytest.mark.parametrize("order", [1, -1])
def test_of_many_versions_in_a_chunk_the_last_one_resolves_it(world: World, order: int) -> None:
    """An older version of the same job beside it does not hide it."""
    load(world, bad(MIDDLE))
    load(world, *(good(EARLY), good(LATE))[::order])

    assert states(world) == {"folder#job-1": "resolved"}


def test_a_corrected_time_stamp_resolves_a_reject_from_the_future(world: World) -> None:
    """The mended post is older by its own stamp; its source showed it later."""
    load(world, bad("2099-01-01T00:00:00.0000000Z", at=T0))
    assert entries(world)["folder#job-1"]["code"] == "in-future"

    load(world, good(EARLY, at=T0 - timedelta(minutes=1)))
    assert states(world) == {"folder#job-1": "open"}

    load(world, good(MIDDLE, at=T0 + timedelta(minutes=1)))
    assert states(world) == {"folder#job-1": "resolved"}


def test_an_older_version_does_not_resolve_a_reject(world: World) -> None:
    """The loaded version is not the item's last version: the operator should know."""
    load(world, bad(MIDDLE))
    load(world, good(EARLY))

    assert states(world) == {"folder#job-1": "open"}
    assert world.collections.rfps.count_documents({}) == 1


def test_a_reject_older_than_the_document_is_resolved_at_once(world: World) -> None:
    """Replaying an old mail sends no alert."""
    load(world, good(MIDDLE))
    load(world, bad(EARLY))

    assert states(world) == {"folder#job-1": "resolved"}


def test_a_newer_reject_opens_the_entry_again(world: World) -> None:
    """An entry is resolved for the version that failed, not for all later versions."""
    load(world, bad(EARLY))
    load(world, good(MIDDLE))
    load(world, bad(LATE))

    (entry,) = entries(world).values()
    assert entry["state"] == "open"
    assert "resolved_run_id" not in entry


def test_a_corrected_file_resolves_the_reject_in_its_place(world: World) -> None:
    """Only the place identifies the item; a file in another place does not count, nor does an older file."""
    load(world, broken())
    load(world, good(job="other", origin="other.json", at=T0 + timedelta(minutes=1)))
    load(world, good(job="older", at=T0 - timedelta(minutes=1)))
    assert states(world) == {"folder:post.json": "open"}

    load(world, good(at=T0 + timedelta(minutes=1)))
    assert states(world) == {"folder:post.json": "resolved"}


def test_a_file_corrected_before_the_broken_one_was_loaded_resolves_the_reject(world: World) -> None:
    """A run landed the broken file and was aborted; the next run reads both."""
    world.open(Shelf([broken()])).extract()

    assert load(world, good(at=T0 + timedelta(minutes=1))).extracted == 2
    assert states(world) == {"folder:post.json": "resolved"}


def test_another_job_in_the_same_place_does_not_resolve_a_reject(world: World) -> None:
    """`posts.json[3]` is one job on Monday and another on Tuesday: the first was never loaded, and stays open."""
    load(world, bad(job="job-1", origin="posts.json[3]"))
    load(world, good(LATE, job="job-2", origin="posts.json[3]", at=T0 + timedelta(days=1)))

    assert states(world) == {"folder#job-1": "open"}


def dismiss(world: World, *items: str) -> None:
    """By hand."""
    quarantine.dismiss(world.collections, items, because="A test.", by="nobody on vm", now=T0)


def test_a_dismissed_entry_says_who_when_and_why(world: World) -> None:
    """Only those that were named; nothing else of them changes."""
    load(world, bad(), broken(origin="a.json"))
    before = entries(world)

    dismiss(world, "folder:a.json")

    after = entries(world)
    assert after["folder#job-1"] == before["folder#job-1"]
    assert before["folder:a.json"].pop("opened_at") == T0
    assert after["folder:a.json"] == before["folder:a.json"] | {
        "state": "dismissed",
        "dismissed_by": "nobody on vm",
        "dismissed_at": T0,
        "dismissed_because": "A test.",
    }


def test_a_dismissed_payload_stays_dismissed(world: World) -> None:
    """Read again at a later instant, under a mapping that rejects it for another reason, or tried again by hand."""
    load(world, broken())
    dismiss(world, "folder:post.json")
    before = entries(world)
    world.collections.outcomes.delete_many({})

    assert load(world, broken(at=T0 + timedelta(minutes=1))).rejected == 1
    assert entries(world) == before


def test_a_new_version_of_a_dismissed_item_opens_it_again(world: World) -> None:
    """The dismissal was for the old version, and is removed."""
    load(world, bad(EARLY))
    dismiss(world, "folder#job-1")
    load(world, bad(LATE))

    (entry,) = entries(world).values()
    assert (entry["state"], entry["instant"], entry["opened_at"]) == ("open", LATE, entry["at"])
    assert not [name for name in entry if name.startswith("dismissed")]


def test_an_older_version_keeps_an_entry_dismissed(world: World) -> None:
    """The dismissed version is newer."""
    load(world, bad(LATE))
    dismiss(world, "folder#job-1")
    load(world, bad(EARLY))

    assert states(world) == {"folder#job-1": "dismissed"}


def test_a_later_version_resolves_a_dismissed_entry(world: World) -> None:
    """By its job, or by its place if the job is unknown."""
    load(world, bad(EARLY), broken(origin="a.json"))
    dismiss(world, "folder#job-1", "folder:a.json")
    load(world, good(LATE), good(job="job-2", origin="a.json", at=T0 + timedelta(minutes=1)))

    assert states(world) == {"folder#job-1": "resolved", "folder:a.json": "resolved"}


def test_opened_at_is_when_an_entry_became_open(world: World) -> None:
    """Failing again does not move it; resolved it has none, and opened again a later one."""
    load(world, bad(EARLY))
    world.now += timedelta(hours=1)
    load(world, bad(MIDDLE))
    (entry,) = entries(world).values()
    assert entry["opened_at"] == entry["first_at"] < entry["at"]

    load(world, good(MIDDLE))
    (entry,) = entries(world).values()
    assert "opened_at" not in entry
    world.now += timedelta(hours=1)
    load(world, bad(LATE))
    (entry,) = entries(world).values()
    assert entry["opened_at"] == entry["at"] > entry["first_at"]


def test_an_emptied_quarantine_is_filled_again(world: World) -> None:
    """A known payload whose entry is gone is not known."""
    load(world, bad())
    assert load(world, bad()).rejected == 0
    world.collections.rejects.delete_many({})

    assert load(world, bad()).rejected == 1
    assert states(world) == {"folder#job-1": "open"}


def test_ids_of_any_length_do_not_fail_a_run(world: World) -> None:
    """Four of 5 MB would not fit into one look-up: such an id is invalid, and the place identifies the item."""
    records = [bad(job=letter * 4_900_000, origin=f"{letter}.json") for letter in "abcd"]

    assert load(world, *records).rejected == 4
    assert load(world, *records).unchanged == 4
    assert states(world) == dict.fromkeys([f"folder:{letter}.json" for letter in "abcd"], "open")
