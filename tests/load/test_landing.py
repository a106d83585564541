"""Payloads are stored once, unchanged; known payloads cost one look-up; leftovers are picked up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from futurscam_lib import clock
from futurscam_lib.errors import RetryLater
from futurscam_lib.load import landing, spool
from futurscam_lib.load.entry import Outcome
from futurscam_lib.load.landing import Landing
from futurscam_lib.transform import pro_unity, version_for
from tests.load.machine import INSTANTS, JOBS, T0, Fault, Shelf, World, finish, post, record

if TYPE_CHECKING:
    from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent

    from futurscam_lib.records import Counts, RawRecord
    from futurscam_lib.rfp import Rfp
    from futurscam_lib.settings import Settings


class Commands(CommandListener):
    """Records the commands that a client sends: command and collection."""

    def __init__(self) -> None:
        """Start empty."""
        self.seen: list[tuple[str, str]] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Record the command."""
        self.seen.append((event.command_name, str(event.command.get(event.command_name))))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Ignored."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Ignored."""


def load(world: World, *records: RawRecord, chunk: int = 1000) -> Counts:
    """Run once over these records."""
    return finish(world.open(Shelf(records)), chunk=chunk).counts["folder"]


def posts(count: int) -> list[RawRecord]:
    """Return this many posts, each of another job."""
    return [record(post(f"job-{number}"), origin=f"{number}.json") for number in range(count)]


def count(world: World) -> tuple[int, int, int]:
    """Payloads, outcomes, documents."""
    known = world.collections
    return (
        known.raw.count_documents({}),
        known.outcomes.count_documents({}),
        known.rfps.count_documents({}),
    )


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_the_same_bytes_twice_in_a_run_are_one_payload(world: World, chunk: int) -> None:
    """In one chunk or in several; both records are accounted for."""
    one = record(post())
    counts = load(world, one, replace(one, origin="copy.json"), replace(one, origin="again.json"), chunk=chunk)

    assert (counts.extracted, counts.inserted, counts.unchanged) == (3, 1, 2)
    assert count(world) == (1, 1, 1)


@pytest.mark.parametrize("chunk", [1, 2])
def test_one_failed_job_in_two_places_is_one_entry(world: World, chunk: int) -> None:
    """A post that gives its job is that job's reject in any place, and is known from then on."""
    one = record(post(name=None))
    records = [one, replace(one, origin="copy.json")]

    assert load(world, *records, chunk=chunk).rejected == 2
    assert [entry["_id"] for entry in world.collections.rejects.find()] == ["folder#job-1"]
    assert load(world, *records, chunk=chunk).unchanged == 2


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
@pytest.mark.parametrize("order", [1, -1])
def test_identical_broken_items_are_separate_rejects(world: World, chunk: int, order: int) -> None:
    """Error pages saved as posts: in one chunk, in several, and another one in a later run."""
    page = record(b"<html>502</html>")
    pages = [replace(page, origin=f"jobpost_{number}.json") for number in range(4)]

    assert load(world, *pages[:3][::order], chunk=chunk).rejected == 3
    counts = load(world, *pages[::order], chunk=chunk)

    assert (counts.rejected, counts.unchanged) == (1, 3)
    found = list(world.collections.rejects.find())
    assert {one["_id"] for one in found} == {f"folder:jobpost_{number}.json" for number in range(4)}
    assert {(one["state"], one["attempts"], one["raw_id"]) for one in found} == {("open", 1, page.raw_id)}
    assert load(world, *pages, chunk=chunk).unchanged == 4


@pytest.mark.parametrize("chunk", [1, 1000])
def test_all_identical_broken_leftovers_are_picked_up(world: World, chunk: int) -> None:
    """The run was killed and the source no longer shows them; one is already known, the next run shows another."""
    page = record(b"<html>502</html>")
    pages = [replace(page, origin=f"jobpost_{number}.json") for number in range(4)]
    load(world, pages[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "CHUNK_ITEMS", chunk)
        world.open(Shelf(pages)).extract()

    assert load(world, pages[3], chunk=chunk).rejected == 3
    assert {one["_id"] for one in world.collections.rejects.find()} == {
        f"folder:jobpost_{number}.json" for number in range(4)
    }


def test_leftovers_of_an_earlier_version_are_picked_up(world: World) -> None:
    """Its payloads have no `places`: their own fields name the only place, and the pass that holds the lease."""
    known = record(post())
    world.open(Shelf([known])).extract()
    (landed,) = world.collections.raw.find({})
    (place,) = landed["places"]
    world.collections.raw.update_one({}, {"$unset": {"places": ""}, "$set": {"hand": place["hand"]}})

    assert load(world).inserted == 1
    assert load(world, replace(known, origin="copy.json")).unchanged == 1
    assert places(world) == {known.raw_id: ["folder:copy.json"]}


def test_identical_broken_items_are_retried_in_each_place(world: World) -> None:
    """`rejects retry` takes the place from the entry: three pages stay three entries."""
    page = record(b"<html>502</html>")
    load(world, *[replace(page, origin=f"jobpost_{number}.json") for number in range(3)])
    run = world.open(Shelf())
    run.extract_rejects()
    run.transform()
    run.load()

    assert run.reconcile().counts["folder"].rejected == 3
    assert sorted((one["origin"], one["attempts"]) for one in world.collections.rejects.find()) == [
        (f"jobpost_{number}.json", 2) for number in range(3)
    ]


def test_a_reject_from_the_future_is_retried_when_it_is_due(world: World) -> None:
    """It is loaded once its time stamp is past, even if its source no longer shows it; others wait."""
    early, late, other = (record(post(job), origin=f"{job}.json") for job in JOBS)
    load(world, early, late, other)
    world.collections.rfps.delete_many({})
    for one, job, code, stamp in (
        (early, JOBS[0], "in-future", T0 + timedelta(days=1)),
        (late, JOBS[1], "in-future", T0 + timedelta(days=1, seconds=1)),
        (other, JOBS[2], "missing", T0),
    ):
        world.collections.rejects.insert_one(
            {
                "_id": f"folder#{job}",
                "source": "folder",
                "origin": one.origin,
                "cursor": T0,
                "raw_id": one.raw_id,
                "job_id": job,
                "code": code,
                "state": "open",
                "instant": clock.to_sortable(stamp),
            }
        )

    run = world.open(Shelf())
    extracted = run.extract()
    assert (extracted.sources["folder"].found, extracted.sources["folder"].picked_up) == (0, 1)
    run.transform()
    run.load()
    assert run.reconcile().counts["folder"].inserted == 1
    assert [document["job_id"] for document in world.collections.rfps.find()] == [JOBS[0]]
    assert load(world).extracted == 1


def test_the_same_bytes_in_a_later_run_are_known(world: World) -> None:
    """The document and the payload stay unchanged; the payload's other places are recorded."""
    one = record(post())
    load(world, one)
    raw, document = world.collections.raw.find_one({}), world.collections.rfps.find_one({})

    for _ in range(2):
        counts = load(world, replace(one, origin="$x^2$.json"))
        assert (counts.extracted, counts.unchanged) == (1, 1)
        assert world.collections.rfps.find_one({}) == document
        assert places(world) == {one.raw_id: ["folder:post.json", "folder:$x^2$.json"]}
    assert raw is not None
    assert raw | {"places": None} == (world.collections.raw.find_one({}) or {}) | {"places": None}


def test_the_places_of_a_payload_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error page saved ten thousand times must fit into one document; each is still a separate item."""
    monkeypatch.setattr(landing, "MAX_PLACES", 5)
    page, good = record(b"<html>502</html>"), record(post())
    shown = [replace(one, origin=f"{number}-{one.size}.json") for number in range(20) for one in (page, good)]

    for chunk in (3, 1000):
        load(world, *shown, chunk=chunk)
    assert load(world, *shown).unchanged == 40
    assert world.collections.rejects.count_documents({"state": "open"}) == 20
    assert {len(one) for one in places(world).values()} == {5}


def places(world: World) -> dict[str, list[str]]:
    """Of each payload, the places that it came from."""
    return {
        found["_id"]: [f"{one['source']}:{one['origin']}" for one in found["places"]]
        for found in world.collections.raw.find({})
    }


@pytest.mark.parametrize("number", [1, 40])
def test_known_payloads_cost_one_look_up_per_chunk(
    home: Settings, world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """For any number of records: reads their outcomes and whether the results still exist, and writes nothing.

    Once a run it is asked what earlier runs left, and which rejects are due.
    """
    records = [*posts(number), record(post("rejected", name=None))]
    load(world, *records)
    commands = Commands()
    assert home.mongo_uri is not None
    with MongoClient[Any](
        home.mongo_uri.get_secret_value(), tz_aware=True, w="majority", event_listeners=[commands]
    ) as client:
        monkeypatch.setattr("futurscam_lib.pipeline.run.mongo.connect", lambda _: client)
        run = world.open(Shelf(records))
        commands.seen.clear()
        extracted = run.extract()
        asked = list(commands.seen)

    assert extracted.sources["folder"].known == number + 1
    assert asked == [
        ("find", "RFP_outcomes"),
        ("find", "RFP"),
        ("find", "RFP_rejects"),
        ("find", "RFP_runs"),
        ("find", "RFP_rejects"),
    ]


def test_deleted_documents_are_loaded_again(world: World) -> None:
    """The collection emptied by hand: a known payload whose document is gone is not known."""
    load(world, *posts(3))
    world.collections.rfps.delete_many({"job_id": {"$ne": "job-1"}})

    counts = load(world, *posts(3))

    assert (counts.inserted, counts.unchanged) == (2, 1)
    assert count(world) == (3, 3, 3)


def test_leftovers_of_a_run_are_picked_up(world: World) -> None:
    """Even if the source no longer shows it: it is counted and loaded, and then no longer a leftover."""
    world.open(Shelf(posts(5))).extract()
    assert count(world) == (5, 0, 0)

    run = world.open(Shelf(posts(2)))
    extracted = run.extract()
    run.transform()
    run.load()
    counts = run.reconcile().counts["folder"]

    assert (extracted.sources["folder"].found, extracted.sources["folder"].picked_up) == (2, 3)
    assert (counts.extracted, counts.inserted) == (5, 5)
    assert count(world) == (5, 5, 5)
    assert [document["_id"] for document in world.collections.runs.find()] == ["durable"]
    assert load(world).extracted == 0


def test_payloads_loaded_before_an_aborted_run_are_not_picked_up(world: World) -> None:
    """Only what has no outcome is left; of three chunks, one or two were settled."""
    run = world.open(Shelf(posts(3)))
    landing = 2 * 3
    with pytest.raises(RetryLater, match="MongoDB did not answer"):
        finish(run, chunk=1, fault=Fault(landing + 3, "before"))
    done = world.collections.outcomes.count_documents({})

    assert 0 < done < 3
    assert load(world).extracted == 3 - done
    assert count(world) == (3, 3, 3)


def test_a_run_by_hand_may_extract_twice(world: World) -> None:
    """A cell executed again: the second pass holds all leases, there are no duplicates and no leftovers."""
    run = world.open(Shelf(posts(3)))
    for _ in range(2):
        assert run.extract().sources["folder"].picked_up == 0
        run.transform()
    run.load()
    counts = run.reconcile().counts["folder"]

    assert (counts.extracted, counts.inserted) == (3, 3)
    assert [document["_id"] for document in world.collections.runs.find()] == ["durable"]
    assert load(world).extracted == 0


def test_all_steps_may_be_executed_again(world: World) -> None:
    """The notebook runs a second time in the same kernel: all payloads are known."""
    run = world.open(Shelf([*posts(3), record(post(name=None))]))
    finish(run)

    assert finish(run).counts["folder"].unchanged == 4


def test_a_live_run_keeps_payloads_landed_after_another_run_read_its_leftovers(world: World) -> None:
    """Another run picks up the leftovers that it read; payloads landed after that are still leftovers."""
    facts: dict[str, Any] = {"versions": {"folder": 1}, "dry_run": False}
    first, second, third = posts(3)
    alive = Landing(world.collections, run_id="alive", **facts)
    other = Landing(world.collections, run_id="other", **facts)
    alive.land([first], now=T0)
    found = [one.origin for records in other.leftovers(["folder"]) for one in records]
    alive.land([second, third], now=T0)
    other.settle([Outcome("folder", first.raw_id, "inserted", 1, "job-0")])
    other.finish(["folder"])

    assert found == [first.origin]
    later = Landing(world.collections, run_id="later", **facts)
    left = {one.raw_id for records in later.leftovers(["folder"]) for one in records}
    assert {second.raw_id, third.raw_id} <= left


def test_a_run_aborted_during_its_cleanup_leaves_no_entry(world: World) -> None:
    """Its entry had no source left, so later runs would never read it."""
    world.collections.runs.insert_one({"_id": "run-0/1234", "sources": [], "landings": 1})
    load(world)

    assert [document["_id"] for document in world.collections.runs.find()] == ["durable"]


def test_leftovers_of_other_sources_are_kept(world: World) -> None:
    """A run of one source ignores payloads that runs of other sources landed."""
    facts: dict[str, Any] = {"versions": {"folder": 1, "mail": 1}, "dry_run": False}
    both = Landing(world.collections, run_id="both", **facts)
    mail = replace(record(post("job-9"), origin="mail"), source="mail")
    both.land([*posts(1), mail], now=T0)

    assert load(world).extracted == 1
    left = Landing(world.collections, run_id="later", **facts).leftovers(["mail"])
    assert [one.origin for records in left for one in records] == ["mail"]
    assert {document["_id"] for document in world.collections.runs.find({"sources": "mail"})} == {both._hand}


def raise_mapping(monkeypatch: pytest.MonkeyPatch, *, mended: bool) -> None:
    """Give the mapping version 99; a `mended` mapping writes titles in capitals."""
    old = pro_unity.normalise

    def normalise(payload: Any, **facts: Any) -> Rfp:
        if mended:
            payload = payload | {"name": (payload["name"] or "untitled").upper()}
        made = old(payload, **facts)
        return replace(made, key=made.key._replace(transform_version=99))

    monkeypatch.setattr(pro_unity, "TRANSFORM_VERSION", 99)
    monkeypatch.setattr(pro_unity, "normalise", normalise)


def test_documents_of_an_older_mapping_are_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same bytes, corrected mapping: documents are updated and a reject that now passes is resolved; only once."""
    records = [record(post()), record(post("job-2", name=None))]
    load(world, *records)
    raise_mapping(monkeypatch, mended=True)

    counts = load(world, *records)
    assert (counts.updated, counts.inserted) == (1, 1)
    assert {document["roleTitle"] for document in world.collections.rfps.find()} == {"RED", "UNTITLED"}
    assert [entry["state"] for entry in world.collections.rejects.find()] == ["resolved"]
    assert {document["transform_version"] for document in world.collections.outcomes.find()} == {99}
    assert load(world, *records).unchanged == 2


def test_a_new_mapping_without_changes_is_recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome is `unchanged`, but the document gets the new mapping's version and is not processed again."""
    load(world, record(post()))
    raise_mapping(monkeypatch, mended=False)

    assert load(world, record(post())).unchanged == 1
    found = world.collections.rfps.find_one({}) or {}
    assert found["_etl"]["transform_version"] == 99
    run = world.open(Shelf([record(post())]))
    assert run.extract().sources["folder"].known == 1


def test_an_older_mapping_does_not_undo_a_newer_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older version of the software runs on the same database: the payload is known, another copy is stale."""
    with monkeypatch.context() as today:
        raise_mapping(today, mended=True)
        load(world, record(post()))

    assert load(world, record(post())).unchanged == 1
    assert load(world, record(post(attachmentInfo=1))).stale == 1
    assert [document["roleTitle"] for document in world.collections.rfps.find()] == ["RED"]


def test_a_dry_run_counts_a_leftover_once_though_the_source_still_shows_it(world: World) -> None:
    """A dry run takes no lease, and still reports what a real run would do."""
    world.open(Shelf(posts(2))).extract()
    foretold = finish(world.open(Shelf(posts(3)), dry_run=True)).counts["folder"]

    assert (foretold.extracted, foretold.inserted) == (3, 3)
    assert foretold == load(world, *posts(3))


def test_each_version_of_a_job_is_a_separate_payload(world: World) -> None:
    """All payloads are stored byte for byte; they become one document."""
    records = [record(post(JOBS[0], instant), origin=instant) for instant in INSTANTS]
    load(world, *records)

    assert {bytes(document["payload"]) for document in world.collections.raw.find()} == {one.payload for one in records}
    assert count(world) == (4, 4, 1)


def test_a_payload_that_is_landed_again_is_leased_by_the_run_that_lands_it(world: World) -> None:
    """A newer mapping has it landed again; that run is killed and the source forgets it: the next run loads it."""
    item = world.publish()
    world.run()
    world.raise_mapping()
    world.open().extract()
    world.shown.remove(item)

    assert world.run()
    (document,) = world.collections.rfps.find()
    assert document["_etl"]["transform_version"] == version_for("folder")
