"""Missions past their deadline are closed and never deleted; a dry run writes nothing at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from futurscam_lib.load.lifecycle import SourceEnds
from tests.load.machine import INSTANTS, T0, Shelf, World, finish, post, record

if TYPE_CHECKING:
    from futurscam_lib.records import RawRecord
    from futurscam_lib.reports import Summary
    from futurscam_lib.settings import Settings

PAST, SOON, FAR = (T0 + timedelta(hours=hours) for hours in (-1, 1, 48))


def mission(deadline: datetime | None, instant: str = INSTANTS[0], job: str = "job-1", **more: Any) -> RawRecord:
    """A post with a deadline."""
    until = deadline.isoformat() if deadline else None
    return record(post(job, instant, publicationInfo={"applicationDeadline": until, **more}))


def load(world: World, *records: RawRecord, dry_run: bool = False) -> Summary:
    """One run over these."""
    return finish(world.open(Shelf(records), dry_run=dry_run))


def active(world: World) -> dict[str, bool]:
    """By job."""
    return {found["job_id"]: found["isActive"] for found in world.collections.rfps.find()}


def test_a_mission_is_closed_once_its_deadline_has_passed(world: World) -> None:
    """Not before; it stays where it is, with who closed it, when and why; one without a deadline stays open."""
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
    """Whatever its deadline."""
    load(world, mission(FAR, isClosed=True))

    assert active(world) == {"job-1": False}


def test_the_same_version_again_leaves_it_closed(world: World) -> None:
    """The same bytes, and the same content at a newer instant: nothing new about its deadline."""
    load(world, mission(PAST))

    assert load(world, mission(PAST)).counts["folder"].unchanged == 1
    assert load(world, mission(PAST, INSTANTS[1])).counts["folder"].unchanged == 1
    assert active(world) == {"job-1": False}


def test_a_later_deadline_opens_it_again(world: World) -> None:
    """A newer version replaces the document, and nothing says any more that it was closed; an older one does not."""
    load(world, mission(PAST, INSTANTS[1]))
    load(world, mission(FAR, INSTANTS[0]))
    assert active(world) == {"job-1": False}

    load(world, mission(FAR, INSTANTS[2]))

    assert active(world) == {"job-1": True}
    found = world.collections.rfps.find_one({}) or {}
    assert "closed" not in found["_etl"]


def test_a_dry_run_counts_what_would_be_closed(world: World) -> None:
    """And leaves it open."""
    load(world, mission(SOON))
    world.tick(61)

    assert load(world, dry_run=True).closed == 1
    assert active(world) == {"job-1": True}


def test_a_dry_run_on_an_empty_server_makes_nothing(home: Settings, world: World) -> None:
    """No collection, no index, no database: it only says what would be."""
    client = world.collections.rfps.database.client
    client.drop_database(home.database)

    summary = load(world, mission(SOON), record(post("job-2", name=None)), dry_run=True)

    assert (summary.counts["folder"].inserted, summary.counts["folder"].rejected) == (1, 1)
    assert client[home.database].list_collection_names() == []
    assert home.database not in client.list_database_names()


def ends(world: World, *, dry_run: bool = False) -> SourceEnds:
    """What a sweep of the source `folder` would do now."""
    return SourceEnds(world.collections, "folder", run_id="sweep", now=world.now, dry_run=dry_run)


def test_what_its_source_does_not_show_is_closed_and_opened_again(world: World) -> None:
    """Only of that source, only what is open, with the reason; a dry run counts the same and writes nothing."""
    load(world, mission(FAR), mission(None, job="job-2"), mission(PAST, job="job-3"))
    for dry_run in (True, False):
        sweep = ends(world, dry_run=dry_run)
        missing = list(sweep.missing({"job-2"}))
        assert [found.source_id for found in missing] == ["job-1"]
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


def test_a_newer_version_is_not_closed_for_an_older_one(world: World) -> None:
    """Somebody loaded it between the look and the write: the source has shown it."""
    load(world, mission(None))
    (missing,) = ends(world).missing(set())
    load(world, mission(FAR, INSTANTS[1]))

    assert ends(world).close(missing, "deleted") == 0
    assert active(world) == {"job-1": True}
