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


def test_a_source_whose_deadlines_close_nothing(world: World) -> None:
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
def test_how_many_may_end_at_once(active: int, share: int, most: int) -> None:
    """A share of the active ones, or ten; one more is refused in either direction, with what to type."""
    plausible = Plausible(active, share, "Causes.")

    plausible.check_closing(most, missing=most)
    plausible.check_reopening(most)
    for refused in (
        lambda: plausible.check_closing(most + 1, missing=999),
        lambda: plausible.check_reopening(most + 1),
    ):
        with pytest.raises(OperatorMustAct, match=rf"(?s) {most} at most .* stays where it is.*Causes\..*run --yes"):
            refused()
