"""Missions past their deadline are closed and never deleted; a dry run writes nothing at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.load.lifecycle import Plausible, SourceEnds, close_past_deadline, notes
from tests.load.machine import INSTANTS, T0, Shelf, World, finish, post, record

if TYPE_CHECKING:
    from futurscam_lib.records import RawRecord
    from futurscam_lib.report.summary import Summary
    from futurscam_lib.settings import Settings

PAST, SOON, FAR = (T0 + timedelta(hours=hours) for hours in (-1, 1, 48))


def mission(deadline: datetime | None, instant: str = INSTANTS[0], job: str = "job-1", **more: Any) -> RawRecord:
    """A post with a deadline."""
    until = deadline.isoformat() if deadline else None
    return record(post(job, instant, publicationInfo={"applicationDeadline": until, **more}))


def load(world: World, *records: RawRecord, dry_run: bool = False) -> Summary:
    """Run once over these records."""
    return finish(world.open(Shelf(records), dry_run=dry_run))


def active(world: World) -> dict[str, bool]:
    """By job."""
    return {document["job_id"]: document["isActive"] for document in world.collections.rfps.find()}


def test_a_mission_is_closed_once_its_deadline_has_passed(world: World) -> None:
    """Not before; the document has the run, time and reason; a mission without a deadline stays open."""
    records = [mission(SOON), mission(None, job="job-2"), mission(PAST, job="job-3")]
    assert load(world, *records).closed == 1
    assert active(world) == {"job-1": True, "job-2": True, "job-3": False}

    world.tick(60)
    assert load(world).closed == 0
    world.tick(1)
    assert load(world).closed == 1

    assert active(world) == {"job-1": False, "job-2": True, "job-3": False}
    found = world.collections.rfps.find_one({"job_id": "job-1"}) or {}
    assert found["_etl"]["closed"] == {"at": world.now, "run_id": "run-3", "reason": "deadline"}
    assert load(world).closed == 0


def test_a_mission_that_its_source_closed_is_closed(world: World) -> None:
    """For any deadline."""
    load(world, mission(FAR, isClosed=True))

    assert active(world) == {"job-1": False}


def test_reading_the_same_version_again_keeps_a_mission_closed(world: World) -> None:
    """The same bytes, and the same content at a newer instant: the deadline has not changed."""
    load(world, mission(PAST))

    assert load(world, mission(PAST)).counts["folder"].unchanged == 1
    assert load(world, mission(PAST, INSTANTS[1])).counts["folder"].unchanged == 1
    assert active(world) == {"job-1": False}


def test_a_later_deadline_opens_a_mission_again(world: World) -> None:
    """A newer version replaces the document and removes `closed`; an older version does not."""
    load(world, mission(PAST, INSTANTS[1]))
    load(world, mission(FAR, INSTANTS[0]))
    assert active(world) == {"job-1": False}

    load(world, mission(FAR, INSTANTS[2]))

    assert active(world) == {"job-1": True}
    found = world.collections.rfps.find_one({}) or {}
    assert "closed" not in found["_etl"]


def test_a_dry_run_counts_what_would_be_closed(world: World) -> None:
    """The mission stays open."""
    load(world, mission(SOON))
    world.tick(61)

    assert load(world, dry_run=True).closed == 1
    assert active(world) == {"job-1": True}


def test_a_dry_run_on_an_empty_server_creates_nothing(home: Settings, world: World) -> None:
    """No collection, no index, no database: it only reports what would happen."""
    client = world.collections.rfps.database.client
    client.drop_database(home.database)

    summary = load(world, mission(SOON), record(post("job-2", name=None)), dry_run=True)

    assert (summary.counts["folder"].inserted, summary.counts["folder"].rejected) == (1, 1)
    assert client[home.database].list_collection_names() == []
    assert home.database not in client.list_database_names()


def ends(world: World, *, dry_run: bool = False) -> SourceEnds:
    """The ends of missions of the source `folder`."""
    return SourceEnds(world.collections, "folder", run_id="sweep", now=world.now, dry_run=dry_run)


def test_missions_missing_at_their_source_are_closed_and_reopened_when_they_return(world: World) -> None:
    """Only open missions of that source, with the reason; a dry run counts the same and writes nothing."""
    load(world, mission(FAR), mission(None, job="job-2"), mission(PAST, job="job-3"))
    for dry_run in (True, False):
        sweep = ends(world, dry_run=dry_run)
        missing = list(sweep.missing({"job-2"}))
        assert [mission.source_id for mission in missing] == ["job-1"]
        assert sweep.close(missing[0], "deleted") == 1
        assert active(world) == {"job-1": dry_run, "job-2": True, "job-3": False}
    found = world.collections.rfps.find_one({"job_id": "job-1"}) or {}
    assert found["_etl"]["closed"] == {"at": world.now, "run_id": "sweep", "reason": "deleted at source"}

    other = SourceEnds(world.collections, "boond", run_id="sweep", now=world.now, dry_run=False)
    assert (list(other.missing(set())), other.reopen({"job-1"})) == ([], 0)
    assert ends(world, dry_run=True).reopen({"job-1", "job-3"}) == 1
    assert ends(world).reopen({"job-1", "job-3"}) == 1
    assert active(world) == {"job-1": True, "job-2": True, "job-3": False}
    found = world.collections.rfps.find_one({"job_id": "job-1"}) or {}
    assert "closed" not in found["_etl"]


def test_a_newer_version_loaded_meanwhile_is_not_closed(world: World) -> None:
    """Another loader loaded it between the read and the write: the source has shown it."""
    load(world, mission(None))
    (missing,) = ends(world).missing(set())
    load(world, mission(FAR, INSTANTS[1]))

    assert ends(world).close(missing, "deleted") == 0
    assert active(world) == {"job-1": True}


def test_deadlines_close_nothing_for_a_source_that_is_open_until_closed(world: World) -> None:
    """Its missions stay open after their deadline, a closed one is opened again; the same in a dry run, and no note."""
    load(world, mission(PAST), mission(FAR, job="job-2"))
    assert active(world) == {"job-1": False, "job-2": True}
    facts: dict[str, Any] = {"now": world.now, "open_until_closed": ("folder",)}
    sweep = partial(SourceEnds, world.collections, "folder", run_id="sweep", **facts)

    assert ends(world).reopen({"job-1"}) == 0
    for dry_run in (True, False):
        assert sweep(dry_run=dry_run).reopen({"job-1"}) == 1
        assert close_past_deadline(world.collections, run_id="x", dry_run=dry_run, **facts) == 0
    assert active(world) == {"job-1": True, "job-2": True}
    assert notes(world.collections, dry_run=False, **facts) == []
    assert close_past_deadline(world.collections, run_id="x", now=world.now, dry_run=True) == 1


@pytest.mark.parametrize(
    ("active", "share", "most"),
    [(0, 20, 10), (50, 20, 10), (55, 20, 11), (1000, 20, 200), (1000, 0, 10), (30, 100, 30)],
)
def test_the_plausible_number_of_ended_missions(active: int, share: int, most: int) -> None:
    """A share of the active missions, or ten; one more is refused in both directions, with the command to type."""
    plausible = Plausible(active, share, "Causes.")

    plausible.check_closing(most, missing=most)
    plausible.check_reopening(most)
    for refused in (
        lambda: plausible.check_closing(most + 1, missing=999),
        lambda: plausible.check_reopening(most + 1),
    ):
        with pytest.raises(OperatorMustAct, match=rf"(?s) {most} at most .* stays where it is.*Causes\..*run --yes"):
            refused()
