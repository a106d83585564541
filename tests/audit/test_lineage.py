"""The history of a mission: from landed payloads to the document in MongoDB, each payload once."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis.stateful import invariant, run_state_machine_as_test

from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.audit.lineage.story import text_of
from futurscam_lib.audit.lineage.versions import UNSETTLED
from futurscam_lib.audit.lineage.why import story_from, story_of
from futurscam_lib.errors import RetryLater, UsageError
from futurscam_lib.load import mongo, quarantine
from futurscam_lib.load.lifecycle import SourceEnds
from futurscam_lib.records import Flaw, RawRecord
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import pro_unity, version_for
from tests.load.machine import INSTANTS, JOBS, T0, Fault, Promises, Shelf, World, examples, finish, post, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pymongo import MongoClient

    from futurscam_lib.audit.lineage.story import FieldChange, InvolvedRun, Story, StoryStep
    from futurscam_lib.settings import Settings
    from tests.made_runs import MadeRuns

CONNECT = mongo.connect
HOSTILE = "<script>alert(1)</script> \x1b]0;owned\x07 \u202e=1+1"


@pytest.fixture
def connected(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[MongoClient[dict[str, Any]]]:
    """One client for all runs of a test."""
    with mongo.connect(home) as client:
        monkeypatch.setattr("futurscam_lib.pipeline.run.mongo.connect", lambda _: client)
        yield client


@pytest.fixture
def world(home: Settings, connected: MongoClient[dict[str, Any]]) -> World:
    """A fresh world, in which a test does runs."""
    return World(home, connected[home.database])


def load(world: World, *records: RawRecord, fault: Fault | None = None, dry_run: bool = False) -> None:
    """One run over these, an hour after the one before."""
    world.tick(60)
    finish(world.open(Shelf(records), dry_run=dry_run), fault=fault)


def mission_story(world: World, asked: str = JOBS[0]) -> Story:
    """The story of a mission."""
    return story_from(world.settings, world.collections, asked, now=world.now)


def results(story: Story) -> list[str]:
    """Return the result of each step."""
    return [step.result for step in story.steps]


def changes(step: StoryStep) -> dict[str, tuple[Any, Any]]:
    """Return the changes field by field, with old and new value."""
    return {change.field: (change.before, change.after) for change in step.changes}


def text(story: Story) -> str:
    """Return the text that a terminal shows."""
    return "\n".join(text_of(story))


def put(content: dict[str, Any], change: FieldChange) -> None:
    """Apply a change to a document, whose old values must match."""
    *path, last = change.field.split(".")
    for name in path:
        content = content[name]
    assert content.get(last) == change.before
    content[last] = copy.deepcopy(change.after)


def check(world: World, job: str) -> None:
    """Check what always holds for a story if only runs wrote to MongoDB."""
    document = world.collections.rfps.find_one({"job_id": job}, {"_id": 0})
    outcomes = {one["_id"] for one in world.collections.outcomes.find({"job_id": job})}
    if document is None and not outcomes and world.collections.rejects.find_one({"job_id": job}) is None:
        with pytest.raises(UsageError, match="was never seen"):
            mission_story(world, job)
        return
    story = mission_story(world, job)
    assert [step.kind for step in story.steps].index("now") == len(story.steps) - 1
    assert story.steps[-1].changes == ()
    landed = [step.landed.raw_id for step in story.steps if step.landed and step.kind == "payload"]
    assert sorted(landed) == sorted(outcomes | ({document["_etl"]["raw_id"]} if document else set()))
    times = [step.at for step in story.steps if step.at]
    assert times == sorted(times)
    content: dict[str, Any] = {}
    for step in story.steps:
        for change in step.changes:
            put(content, change)
    stored = {name: value for name, value in (document or {}).items() if name != "_etl"}
    assert content == {name: value for name, value in stored.items() if value is not None or name in content}


def settled(world: World) -> None:
    """After a successful run every payload with a job_id is in that job's story."""
    kept = {one["_id"] for one in world.collections.raw.find({}, {"_id": 1})}
    for job in JOBS:
        own = {i.record.raw_id for i in world.items if i.job == job and i.kind in {"good", "rejected", "undated"}}
        if own & kept:
            assert {step.landed.raw_id for step in mission_story(world, job).steps if step.landed} == own & kept


class StoryMachine(Promises):
    """Random events at sources and in runs; the stories are checked after each event."""

    @invariant()
    def stories(self) -> None:
        """Each is whole and true."""
        for job in JOBS[:2]:
            check(self.world, job)

    def teardown(self) -> None:
        """Once the source has been quiet."""
        super().teardown()
        settled(self.world)


def test_a_story_is_complete_and_true_after_any_events(home: Settings, connected: MongoClient[dict[str, Any]]) -> None:
    """For any order, batches, repetition and aborted runs: changes add up to the document, payloads appear once."""

    class Here(StoryMachine):
        def __init__(self) -> None:
            super().__init__(World(home, connected[home.database]))

    run_state_machine_as_test(Here, settings=examples(25))


def test_the_result_of_each_payload(world: World) -> None:
    """First seen, changed, the same under a newer version, too late, rejected: each with its run, in order of time."""
    load(world, record(post(), origin="first.json"))
    load(world, record(post(instant=INSTANTS[2], budgetInfo={"maxDailyRate": 500}), origin="second.json"))
    load(world, record(post(instant=INSTANTS[3], budgetInfo={"maxDailyRate": 500}), origin="third.json"))
    load(world, record(post(instant=INSTANTS[1], content="blue"), origin="late.json"))
    load(world, record(post(instant=INSTANTS[3], name=None), origin="wrong.json"))

    story = mission_story(world)

    assert results(story) == ["inserted", "updated", "unchanged", "stale", "rejected", "document"]
    assert [step.run_id for step in story.steps[:-1]] == ["run-1", "run-2", "run-3", "run-4", "run-5"]
    assert [step.landed.origin for step in story.steps if step.landed] == [
        "first.json",
        "second.json",
        "third.json",
        "late.json",
        "wrong.json",
    ]
    assert changes(story.steps[1]) == {"conditions.dailyRate.max": (None, 500.0)}
    assert [step.moved for step in story.steps] == [False, False, True, False, False, False]
    assert story.steps[4].notes == ("name is missing or empty.",)
    assert (story.first_run_id, story.first_seen_at) == ("run-1", T0 + timedelta(hours=1))
    assert story.document
    assert story.document["_etl"]["raw_id"] == story.steps[2].landed.raw_id  # type: ignore[union-attr]
    assert "conditions.dailyRate.max: nothing -> 500" in text(story)


def test_unchanged_content_of_an_older_version(world: World) -> None:
    """An unchanged payload is told apart by whether the version went forward, also where it came later."""
    load(world, record(post()))
    load(world, record(post(instant=INSTANTS[2])))
    load(world, record(post(instant=INSTANTS[1])))

    story = mission_story(world)

    assert results(story)[:-1] == ["inserted", "unchanged", "unchanged"]
    assert [step.moved for step in story.steps[:-1]] == [False, True, False]
    assert [step.version for step in story.steps[:-1]] == [INSTANTS[0], INSTANTS[2], INSTANTS[1]]
    assert "under a version that is no newer" in text(story)


def test_runs_that_crossed(world: World) -> None:
    """The run that loaded last is shown last, even if it started first."""
    world.tick(60)
    first = world.open(Shelf([record(post(instant=INSTANTS[1], content="blue"))]))
    load(world, record(post()))
    finish(first)

    story = mission_story(world)

    assert [(step.run_id, step.result) for step in story.steps[:-1]] == [("run-2", "inserted"), ("run-1", "updated")]
    assert changes(story.steps[1])["roleTitle"] == ("Red", "Blue")


def test_closed_and_opened_again(world: World) -> None:
    """A closing is a step with its reason, before what came later; a reopening by a sweep is named so."""
    soon = {"applicationDeadline": (T0 + timedelta(minutes=90)).isoformat()}
    load(world, record(post(publicationInfo=soon)))
    load(world)
    load(world, record(post(instant=INSTANTS[1], publicationInfo=soon)))
    load(world, record(post(instant=INSTANTS[2], name=None)))
    closed = mission_story(world)
    world.collections.rfps.update_one({"job_id": "job-1"}, {"$set": {"isActive": True}})
    edited = mission_story(world)
    load(world, record(post("job-2", publicationInfo={"isClosed": True})))
    SourceEnds(world.collections, "folder", run_id="run-9", now=world.now, dry_run=False).reopen(["job-2"])
    opened = mission_story(world, "job-2")

    assert results(closed) == ["inserted", "deadline", "unchanged", "rejected", "document"]
    assert changes(closed.steps[1]) == {"isActive": (True, False)}
    assert closed.steps[2].moved
    assert closed.steps[1].run_id == "run-2"
    assert closed.steps[-1].changes == ()
    assert [(one.field, one.why) for one in edited.steps[-1].changes] == [("isActive", "edited")]
    assert [step.kind for step in opened.steps] == ["payload", "reopened", "now"]
    assert changes(opened.steps[1]) == {"isActive": (False, True)}
    assert (opened.steps[1].run_id, opened.steps[-1].changes) == ("run-9", ())
    assert "opened again: its source shows it as open" in text(opened)


def test_what_a_sweep_closed_and_opened_again(world: World) -> None:
    """The closing is a step; so is the reopening, which notes that the closing is not kept."""
    load(world, record(post()))
    sweep = SourceEnds(world.collections, "folder", run_id="run-8", now=world.now, dry_run=False)
    (mission,) = sweep.missing([])
    sweep.close(mission, "closed")
    closed = mission_story(world)
    world.tick(60)
    SourceEnds(world.collections, "folder", run_id="run-9", now=world.now, dry_run=False).reopen(["job-1"])
    opened = mission_story(world)

    assert [(step.kind, step.run_id) for step in closed.steps[1:]] == [("closed", "run-8"), ("now", "")]
    assert changes(closed.steps[1]) == {"isActive": (True, False)}
    assert [(step.kind, step.run_id) for step in opened.steps[1:]] == [("reopened", "run-9"), ("now", "")]
    assert opened.steps[1].at == world.now
    assert "A run had closed it before." in text(opened)
    assert closed.steps[-1].changes == opened.steps[-1].changes == ()


def test_foreign_changes_are_shown_separately(world: World) -> None:
    """Enrichment, and fields that were edited, added or taken out, are the last step, each with its meaning."""
    load(world, record(post(locationInfo={"mainLocation": {"city": "Ghent"}})))
    edits = {"$set": {"RFP_type": "Data", "company.city": "Genk", "score": 4.0}, "$unset": {"reference": ""}}
    world.collections.rfps.update_one({}, edits)

    last = mission_story(world).steps[-1]

    assert {(one.field, one.before, one.after, one.why) for one in last.changes} == {
        ("RFP_type", None, "Data", "enriched"),
        ("company.city", "Ghent", "Genk", "edited"),
        ("score", None, 4.0, "edited"),
        ("reference", "", None, "edited"),
    }


def test_a_mapping_that_changed_since(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows the old and current version and their differences; after a new read there are none."""
    load(world, record(post(), origin="one.json"))
    raise_the_mapping(monkeypatch, lambda content: {**content, "serviceProvider": "Mended"})

    before = mission_story(world)
    load(world, record(post(), origin="one.json"))
    after = mission_story(world)

    today = version_for("folder")
    assert before.steps[0].notes[0] == f"Version {today - 1} of the mapping processed it; the current one is {today}."
    assert [(one.field, one.before, one.after, one.why) for one in before.steps[-1].changes] == [
        ("serviceProvider", "Mended", None, "mapping")
    ]
    assert results(after) == ["inserted", "updated", "document"]
    assert [(step.kind, step.run_id) for step in after.steps[:-1]] == [("payload", "run-1"), ("again", "run-2")]
    assert f"made again under version {today} of the mapping" in text(after)
    assert "so what changed is not known" in text(after)
    assert after.steps[-1].changes == ()
    assert after.first_run_id == "run-1"


def test_a_document_that_was_made_again_shows_what_changed(
    world: World, made: MadeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first load, the closing that was kept, and only the fields that the notebook of the later run lists."""
    soon = {"applicationDeadline": (T0 + timedelta(minutes=90)).isoformat()}
    payload = record(post(publicationInfo=soon, budgetInfo={"startDate": "2026-01-01T00:00:00"}), origin="one.json")
    load(world, payload)
    load(world)
    raise_the_mapping(monkeypatch, lambda content: {**content, "serviceProvider": "Mended", "isActive": True})
    load(world, payload)
    day = {"before": "2026-01-01, kept as 2025-12-31 23:00 UTC", "after": "2026-01-01, kept as 2026-01-01 00:00 UTC"}
    listed = [
        {"field": "serviceProvider", "before": "Broken", "after": "Mended"},
        {"field": "conditions.fromAt", **day},
        {"field": "questions", "before": None, "after": []},
    ]
    listed = [{"job_id": "job-1", **one} for one in listed] + [{"job_id": "job-2", "field": "reference", **day}]  # type: ignore[assignment]
    run_id = made.add(world.now, scraps={"changes": {"total": 2, "listed": listed}})
    seen_in(world, run_id)

    story = mission_story(world)
    made.path(run_id).write_bytes(b"{}")
    unproven = mission_story(world)

    assert [step.kind for step in story.steps] == ["payload", "closed", "again", "now"]
    assert [step.result for step in story.steps] == ["inserted", "deadline", "updated", "document"]
    assert changes(story.steps[2]) == {
        "serviceProvider": ("Broken", "Mended"),
        "conditions.fromAt": (datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    }
    assert "It is exactly what these steps made." in text(story)
    assert unproven.steps[2].changes == unproven.steps[-1].changes == ()
    assert "so what changed is not known" in text(unproven)


def test_days_are_shown_as_days(world: World) -> None:
    """A changed day shows no time; one that an earlier mapping kept as midnight in Brussels shows both instants."""
    days = [{"budgetInfo": {"startDate": f"2026-01-{day}T00:00:00"}} for day in ("01", "02")]
    load(world, record(post(**days[0])))
    load(world, record(post(instant=INSTANTS[1], **days[1])))
    world.collections.rfps.update_one({}, {"$set": {"conditions.fromAt": datetime(2026, 1, 1, 23, tzinfo=UTC)}})

    shown = [line.strip() for line in text(mission_story(world)).splitlines() if "fromAt" in line]

    assert shown[0] == "field    conditions.fromAt: 2026-01-01 -> 2026-01-02"
    assert "fromAt: 2026-01-02, kept as 2026-01-02 00:00 UTC -> 2026-01-02, kept as 2026-01-01 23:00 UTC" in shown[1]


def test_payloads_that_were_processed_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A raised mapping writes over what became of old payloads; they stand where they were landed, and still tell."""
    posts = [record(post()), record(post(instant=INSTANTS[1], content="blue"))]
    for one in posts:
        load(world, one)
        end(world)
    raise_the_mapping(monkeypatch, lambda content: content)
    load(world, *posts)
    end(world)

    story = mission_story(world)

    assert [(step.run_id, step.result, step.again_run_id) for step in story.steps[:-1]] == [
        ("run-1", "stale", "run-3"),
        ("run-2", "unchanged", "run-3"),
    ]
    assert changes(story.steps[1])["roleTitle"] == ("Red", "Blue")
    assert story.steps[0].again_at == world.now
    assert story.steps[-1].changes == ()
    assert "again    2026-11-23 15:00:00 UTC by run-3" in text(story)
    assert "then stale" in text(story)


def test_a_run_that_was_interrupted_after_it_wrote(world: World) -> None:
    """Only the document names its payload; after the next run the story is complete."""
    load(world, record(post()))
    newer = record(post(instant=INSTANTS[1], content="blue"))
    with pytest.raises(RetryLater):
        load(world, newer, fault=Fault(3, "before"))
    assert world.collections.rfps.find_one({"roleTitle": "Blue"}), "the fault hits after the document was written"

    torn = mission_story(world)
    load(world)
    whole = mission_story(world)

    assert results(torn) == ["inserted", UNSETTLED, "document"]
    assert changes(torn.steps[1])["roleTitle"] == ("Red", "Blue")
    assert "run-2 landed may not be loaded yet" in " ".join(torn.notes)
    assert results(whole) == ["inserted", "unchanged", "document"]
    assert changes(whole.steps[1])["roleTitle"] == ("Red", "Blue")
    assert not whole.notes
    assert "interrupted before it recorded that" in text(whole)
    load(world, record(post(instant=INSTANTS[2], content="short")))
    later = mission_story(world)
    assert changes(later.steps[2])["roleTitle"] == ("Blue", "Short")
    for story in (torn, whole, later):
        assert story.steps[-1].changes == ()


def test_what_a_failed_run_landed(world: World) -> None:
    """A payload that no run loaded before a newer one came is stale, and was never the document."""
    with pytest.raises(RetryLater):
        load(world, record(post()), fault=Fault(2, "before"))
    end(world, "failed")
    load(world, record(post(instant=INSTANTS[1], content="blue")))

    newer, older, _ = mission_story(world).steps

    assert [(step.result, step.run_id, step.again_run_id) for step in (newer, older)] == [
        ("inserted", "run-2", ""),
        ("stale", "run-2", ""),
    ]
    assert changes(newer)["roleTitle"] == (None, "Blue")
    assert older.changes == ()


def test_every_name_that_people_use(world: World) -> None:
    """Job, reference, id at the source, a reject's name and place lead to the same story; a shared one is refused."""
    load(
        world,
        record(post(number={"numberFormatted": "JP1"})),
        record(post("job-2", number={"numberFormatted": "JP2"})),
        record(post("job-3", number={"numberFormatted": "JP2"})),
        record(post("job-1", INSTANTS[3], name=None), origin="wrong.json"),
        record(b"{", origin="broken.json"),
    )
    world.collections.rfps.update_one({"job_id": "job-1"}, {"$set": {"_etl.source_id": "source-1"}})

    for name in ("job-1", "JP1", "source-1", "folder#job-1", "wrong.json"):
        assert mission_story(world, name).job_id == "job-1"
    assert mission_story(world, "folder:broken.json").rejects == mission_story(world, "broken.json").rejects
    with pytest.raises(UsageError, match=r"Several missions have the name 'JP2'(?s:.*)job-2(?s:.*)job-3"):
        mission_story(world, "JP2")


def test_names_in_another_letter_case(world: World) -> None:
    """Where nothing is called just so, capitals do not count; where several are, they are listed; spaces never do."""
    load(
        world,
        record(post("JP060001", number={"numberFormatted": "Réf-1"})),
        record(post("jp7")),
        record(post("JP7")),
        record(post("Gone")),
        record(post("Refused", name=None)),
        record(b"{", origin="broken.json"),
    )
    world.collections.rfps.delete_one({"job_id": "Gone"})
    world.collections.rfps.insert_one({"reference": "FOREIGN-1", "roleTitle": "Theirs"})
    world.collections.rfps.update_one({"job_id": "JP060001"}, {"$set": {"_etl.source_id": "Source-1"}})

    for name in ("jp060001", "  JP060001\n", " jp060001 ", "RÉF-1", "source-1"):
        assert mission_story(world, name).job_id == "JP060001"
    assert mission_story(world, " jp7 ").job_id == "jp7"
    assert (mission_story(world, "gone").state, mission_story(world, "REFUSED").state) == ("removed", "rejected")
    foreign = mission_story(world, "foreign-1")
    assert (foreign.state, foreign.job_id, foreign.rejects) == ("foreign", "", [])
    with pytest.raises(
        UsageError, match=r"Several missions have the name 'Jp7'(?s:.*)  (jp7|JP7)  Red\n  (jp7|JP7)  Red"
    ):
        mission_story(world, "Jp7")
    for unknown in ("Ref-1", "jp06000", "  "):
        with pytest.raises(UsageError, match="was never seen"):
            mission_story(world, unknown)


def test_a_name_with_spaces_around_it(world: World) -> None:
    """A file may have such a name; it is found under it."""
    load(world, record(b"{", origin=" broken.json "))

    assert mission_story(world, " broken.json ").state == "rejected"


def test_a_reject_that_never_became_a_document(world: World) -> None:
    """Shows a reject's reason, number, times, payload, and whether a later version resolved it."""
    load(world, record(b"{", origin="broken.json"))
    load(world, record(b'{"id": ', origin="broken.json"))
    load(world, record(post("job-2", name=None), origin="wrong.json"))
    broken, wrong = mission_story(world, "folder:broken.json"), mission_story(world, "job-2")
    quarantine.dismiss(world.collections, ["folder#job-2"], because="A test.", by="nobody on vm", now=T0)
    load(world, record(post(), origin="broken.json", at=T0 + timedelta(hours=4)))
    resolved = mission_story(world, "folder:broken.json")

    assert (broken.state, broken.job_id, wrong.state, wrong.job_id) == ("rejected", "", "rejected", "job-2")
    assert "Rejected 2 time(s): first on 2026-11-23 13:00:00.000000 UTC by run-1" in text(broken)
    assert "Broken JSON" in text(broken)
    assert broken.rejects[0]["raw_id"] == broken.steps[0].landed.raw_id  # type: ignore[union-attr]
    assert "name is missing or empty." in text(wrong)
    assert "is open in the quarantine" in text(broken)
    assert "is resolved in the quarantine" in text(resolved)
    assert "by run-4" in text(resolved)
    assert "Dismissed by hand (UTC): 2026-11-23 12:00 by nobody on vm: A test." in text(mission_story(world, "job-2"))


def test_a_reject_is_found_by_the_reference_in_its_payload(world: World) -> None:
    """A post that never became a document is found by what people call it, in any letter case; others are not."""
    number = {"number": {"numberFormatted": "JP077"}}
    load(world, record(post(instant="2026-12-24T10:00:00Z", **number), origin="early.json"))
    load(world, record(post("job-2", name=None), origin="wrong.json"), record(b"{", origin="broken.json"))

    story = mission_story(world, "JP077")

    assert (story.state, story.job_id) == ("rejected", "job-1")
    assert "lies in the future" in text(story)
    assert mission_story(world, "jp077 ").job_id == "job-1"
    with pytest.raises(UsageError, match="found by their job_id or item"):
        mission_story(world, "JP078")
    load(world, record(post("job-3", name=None, **number), origin="same.json"))
    with pytest.raises(UsageError, match="Several missions have the name 'JP077'"):
        mission_story(world, "JP077")


def test_a_payload_from_the_future(world: World) -> None:
    """The reason of an older reject is that of its own time, though another one has taken its place since."""
    for number in range(2):
        at = T0 + timedelta(hours=number)
        load(world, record(post(instant=f"2026-12-24T10:00:0{number}Z"), origin="early.json", at=at))
    world.tick(60 * 24 * 40)

    first, second, _ = mission_story(world).steps

    assert first.notes == ("timeStamp 2026-12-24T10:00:00.0000000Z lies in the future.",)
    assert second.notes == ("timeStamp 2026-12-24T10:00:01.0000000Z lies in the future.",)


def test_a_reject_resolved_by_a_corrected_mapping(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reject's name, without a job_id, leads to the story of the mission that its payload became."""
    nameless = record(post(id=None, name="Red"), origin="nameless.json")
    load(world, nameless)
    raise_the_mapping(monkeypatch, lambda content: content, lambda payload: {**payload, "id": "job-1"})
    load(world, nameless)

    story = mission_story(world, "folder:nameless.json")

    assert (story.state, story.job_id, results(story)) == ("document", "job-1", ["inserted", "document"])
    assert [entry["state"] for entry in story.rejects] == ["resolved"]
    assert "It was rejected before: id is missing or empty." in text(story)
    assert "landed   2026-11-23 13:00:00 UTC by run-1" in text(story)


def test_settings_of_boondmanager_that_changed_since(world: World) -> None:
    """The story notes that the settings of an opportunity have changed."""
    row = {"id": "12", "attributes": {"title": "Java", "state": 5, "updateDate": "2026-11-20T10:00:00+0100"}}
    payload = json.dumps({"data": row, "detail": None, "included": []}).encode()
    shelf = Shelf([RawRecord.of(payload, source="boond", origin="opportunity 12", instant=T0)])
    shelf.name = "boond"
    before, world.settings = world.settings, with_open_states(world.settings, 0, 5)
    finish(world.open(shelf))

    assert mission_story(world, "boond-12").steps[-1].changes == mission_story(world, "12").steps[-1].changes == ()
    world.settings = before
    assert [(one.field, one.before, one.after, one.why) for one in mission_story(world, "12").steps[-1].changes] == [
        ("isActive", False, True, "mapping")
    ]


def with_open_states(configured: Settings, *states: int) -> Settings:
    """The settings, with other states of opportunities that are open."""
    return configured.model_copy(update={"boond_open_states": frozenset(states)})


def test_a_reject_without_bytes(world: World) -> None:
    """Its story shows the source's error."""
    flaw = Flaw("too-large", "The file has 6,000,000 bytes.")
    load(world, RawRecord.flawed(flaw, source="folder", origin="huge.json", instant=world.now, size=6_000_000, line=1))

    assert "The file has 6,000,000 bytes." in text(mission_story(world, "huge.json"))


def test_an_unknown_mission(world: World) -> None:
    """Says where it looked, from when the next run reads, and what a killed run left to load."""
    world.collections.runs.insert_one({"_id": "run-7/ab", "sources": ["folder"], "landings": 1})

    with pytest.raises(UsageError) as raised:
        mission_story(world, "JP404")

    assert "'JP404' was never seen." in str(raised.value)
    for name in ("RFP)", "RFP_outcomes", "RFP_rejects", "2026-11-23 11:50:00", "futurscam run --since", "run-7"):
        assert name in str(raised.value)
    with pytest.raises(UsageError, match="never seen"):
        mission_story(world, "")


def test_documents_that_others_made_or_removed(world: World) -> None:
    """One without our `_etl` is another program's; of one that was loaded and is gone the payloads still tell."""
    load(world, record(post()))
    world.collections.rfps.delete_one({"job_id": "job-1"})
    theirs = {"job_id": "theirs", "roleTitle": "Theirs", "odd": float("nan"), "_etl": {"raw_id": 1}}
    world.collections.rfps.insert_one(theirs)

    removed, foreign = mission_story(world), mission_story(world, "theirs")

    assert (removed.state, removed.document, results(removed)) == ("removed", None, ["inserted", "removed"])
    assert "Runs never delete documents" in text(removed)
    assert (foreign.state, [step.kind for step in foreign.steps]) == ("foreign", ["now"])
    assert "no `_etl` of ours" in text(foreign)
    assert foreign.as_dict()["document"]["odd"] == "nan"


ODD = (None, "", "x", 5, 5.0, True, [], ["job-1"], {}, {"at": 1}, T0, DatetimeMS(10**15), ObjectId())
FIELDS = (
    *("job_id", "reference", "roleTitle", "isActive", "conditions", "publishedAt", "_etl", "_etl.source"),
    *("_etl.source_id", "_etl.raw_id", "_etl.version", "_etl.transform_version", "_etl.run_id", "_etl.first_run_id"),
    *("_etl.first_seen_at", "_etl.content_hash", "_etl.closed", "_etl.closed.at", "_etl.closed.run_id"),
    "_etl.closed.reason",
)


def test_documents_edited_in_any_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """For any foreign value in a field, the story is shown as text and as JSON."""
    load(world, record(post(publicationInfo={"applicationDeadline": (T0 + timedelta(minutes=90)).isoformat()})))
    load(world)
    (good,) = world.collections.rfps.find({})
    assert good["_etl"]["closed"]["reason"], "closed, so that its fields are there to be edited"
    monkeypatch.setattr("futurscam_lib.load.mongo.connect", CONNECT)

    for field in FIELDS:
        for value in ODD:
            world.collections.rfps.replace_one({}, good)
            world.collections.rfps.update_one({}, {"$set": {field: value}})
            story = story_of(world.settings, "job-1", now=world.now)
            assert text(story)
            assert json.dumps(story.as_dict(), allow_nan=False)


def test_an_instant_that_python_does_not_have(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A year after 9999 in a document is shown as what another program wrote."""
    load(world, record(post()))
    world.collections.rfps.update_one({}, {"$set": {"publishedAt": DatetimeMS(10**15)}})
    monkeypatch.setattr("futurscam_lib.load.mongo.connect", CONNECT)

    (change,) = story_of(world.settings, "job-1", now=world.now).steps[-1].changes

    assert (change.field, change.after, change.why) == ("publishedAt", DatetimeMS(10**15), "edited")


def test_a_document_of_another_program_that_has_no_job_id(world: World) -> None:
    """It is found by its reference, alone and beside others, and gets no rejects without a job_id."""
    load(world, record(b"{", origin="broken.json"))
    for job in ({}, {"job_id": None, "_etl": {"source_id": "S"}}, {"job_id": ["a"]}, {"job_id": ""}):
        world.collections.rfps.delete_many({})
        world.collections.rfps.insert_one({"reference": "FOREIGN-1", "roleTitle": "x", **job})
        story = mission_story(world, "FOREIGN-1")
        assert (story.state, story.job_id, story.rejects) == ("foreign", "", [])
        assert text(story).startswith("FOREIGN-1  x\n")
    world.collections.rfps.insert_one({"job_id": "job-1", "reference": "FOREIGN-1", "roleTitle": "y"})
    for asked in ("FOREIGN-1", "foreign-1"):
        with pytest.raises(UsageError, match=r"Several missions have the name"):
            mission_story(world, asked)


def test_a_payload_that_is_no_longer_kept(world: World) -> None:
    """RFP_raw was emptied: the payload's result is shown, and that its content is unknown."""
    load(world, record(post()))
    world.collections.raw.delete_many({})

    story = mission_story(world)

    assert results(story) == ["inserted", "document"]
    assert "no longer in RFP_raw" in text(story)
    assert "its fields cannot be checked" in text(story)


def test_hostile_text_is_escaped_for_terminals(world: World) -> None:
    """Whatever a payload, a place, an editor or the question holds: one line stays one line of letters."""
    load(world, record(post(name=HOSTILE), origin=HOSTILE), record(post("job-2", name=None), origin=f"2{HOSTILE}"))
    load(world, record(post(instant=INSTANTS[1], name=f"{HOSTILE}{HOSTILE}")))
    world.collections.rfps.update_one({}, {"$set": {HOSTILE.replace(".", ""): HOSTILE, "_etl.run_id": HOSTILE}})

    for asked in ("job-1", f"2{HOSTILE}"):
        assert all(line.isprintable() for line in text_of(mission_story(world, asked)))
    load(world, *(record(post(job, number={"numberFormatted": HOSTILE})) for job in ("job-3", f"j{HOSTILE}")))
    with pytest.raises(UsageError) as raised:
        mission_story(world, HOSTILE)
    assert all(line.isprintable() for line in str(raised.value).splitlines())


def test_what_the_ledger_and_the_notebooks_prove(made: MadeRuns, world: World) -> None:
    """For each run: status, ledger lines, whether its notebook is intact; runs by hand and unknown runs are named."""
    names = {name: made.add(T0 - timedelta(hours=9 - hour), status=status) for hour, (name, status) in enumerate(RUNS)}
    made.path(names["changed"]).write_bytes(made.path(names["changed"]).read_bytes() + b" ")
    for name in ("missing", "pruned"):
        made.path(names[name]).unlink()
    relative = made.path(names["pruned"]).relative_to(made.settings.runs).as_posix()
    Ledger(made.settings.ledger_file).append("pruned", at=T0, run_id="", facts={"notebooks": {relative: "0" * 64}})
    damage(made, names["damaged"])
    names |= {"by hand": "interactive-20261123T110000Z-0a1b2c", "unknown": "20261123T110000Z-0a1b2c"}
    for number, run_id in enumerate(names.values()):
        load(world, record(post(attachmentInfo=number, name=f"Title {number}", instant=f"2026-11-20T10:00:0{number}Z")))
        seen_in(world, run_id)

    story = mission_story(world)

    runs: Mapping[str, InvolvedRun] = {run.run_id: run for run in story.runs}
    standing = {name: runs[run_id] for name, run_id in names.items()}
    states = {name: (run.status, run.notebook_state) for name, run in standing.items()}
    assert states == {
        "good": ("ok", "verifies"),
        "changed": ("failed", "changed"),
        "missing": ("ok", "missing"),
        "pruned": ("ok", "pruned"),
        "crashed": ("crashed", "verifies"),
        "unfinished": ("unfinished", ""),
        "damaged": ("unfinished", ""),
        "by hand": ("", ""),
        "unknown": ("", ""),
    }
    assert standing["good"].lines == (1, 2)
    assert standing["good"].started_by == "root on vm"
    assert "its hash does not match" in standing["damaged"].problem
    assert (standing["by hand"].by_hand, standing["unknown"].known) == (True, False)
    shown = text(story)
    for words in (
        "was CHANGED after",
        "is MISSING",
        "because of its age",
        "by hand: the ledger",
        "does NOT know it",
    ):
        assert words in shown
    for words in (
        "crashed, ledger lines 9, 10; its notebook is unchanged since",
        "ok, ledger lines 1, 2; its notebook verifies",
    ):
        assert words in shown


def end(world: World, status: str = "ok") -> None:
    """Record the last run in the ledger."""
    run_id, ledger = f"run-{world._runs}", Ledger(world.settings.ledger_file)
    ledger.append("start", at=world.now, run_id=run_id, facts={})
    ledger.append("end", at=world.now, run_id=run_id, facts={"status": status})


RUNS = [
    ("good", "ok"),
    ("changed", "failed"),
    ("missing", "ok"),
    ("pruned", "ok"),
    ("crashed", "crashed"),
    ("damaged", "ok"),
    ("unfinished", "unfinished"),
]


def seen_in(world: World, run_id: str) -> None:
    """Attribute everything that the last run did to another run."""
    last = f"run-{world._runs}"
    for collection in (world.collections.raw, world.collections.outcomes):
        collection.update_many({"run_id": last}, {"$set": {"run_id": run_id}})
    world.collections.rfps.update_many({"_etl.run_id": last}, {"$set": {"_etl.run_id": run_id}})


def damage(made: MadeRuns, run_id: str) -> None:
    """Change a count in the end line of a run."""
    lines = made.settings.ledger_file.read_bytes().splitlines(keepends=True)
    changed = [
        line.replace(b'"seconds":4.2', b'"seconds":4.3') if run_id.encode() in line and b'"end"' in line else line
        for line in lines
    ]
    assert changed != lines
    made.settings.ledger_file.write_bytes(b"".join(changed))


def raise_the_mapping(
    monkeypatch: pytest.MonkeyPatch, mend: Callable[[Any], Any], read: Callable[[Any], Any] = dict
) -> None:
    """Have the next version of the mapping read, or make, something else of each payload."""
    old, version = pro_unity.normalise, pro_unity.TRANSFORM_VERSION + 1

    def normalise(payload: Any, *, seen_at: datetime) -> Rfp:
        made = old(read(payload), seen_at=seen_at)
        return Rfp.of(mend(made.content), source_id=made.source_id, instant=made.key.instant, transform_version=version)

    monkeypatch.setattr(pro_unity, "TRANSFORM_VERSION", version)
    monkeypatch.setattr(pro_unity, "normalise", normalise)
