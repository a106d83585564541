"""The last version wins for any order, batches and repetition, and with other programs writing."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import bson
import hypothesis.strategies as st
import pytest
from bson import Code, DatetimeMS, Decimal128, ObjectId
from hypothesis import given
from pymongo.collection import Collection

from futurscam_lib.errors import RetryLater
from futurscam_lib.extract.folder import FolderSource
from futurscam_lib.load.collections import Collections
from futurscam_lib.load.entry import Entry
from futurscam_lib.load.upsert import MAX_ROUNDS, Upsert
from futurscam_lib.pipeline.run import Run
from futurscam_lib.records import Window
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import transform, version_for
from tests.load.machine import CONTENTS, INSTANTS, JOBS, T0, examples, finish, post, record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pymongo import MongoClient

    from futurscam_lib.records import RawRecord
    from futurscam_lib.settings import Settings

RUN_FACTS = ("run_id", "first_run_id", "first_seen_at", "changed_at", "raw_id")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one job, as one mapping makes it."""

    job: str = "job-1"
    instant: str = INSTANTS[0]
    content: str = "red"
    mapping: int = 1

    def rfp(self) -> Rfp:
        """The document that the mapping of that version makes."""
        made = transform(record(post(self.job, self.instant, self.content)), seen_at=T0)
        assert isinstance(made, Rfp)
        return Rfp.of(made.content, source_id=self.job, instant=self.instant, transform_version=self.mapping)

    @property
    def raw(self) -> RawRecord:
        """Its payload."""
        return record(post(self.job, self.instant, self.content, mapping=self.mapping))

    def entry(self, run_id: str = "run", *, now: datetime = T0) -> Entry:
        """On its way to the database."""
        return Entry.of(self.rfp(), self.raw, run_id=run_id, seen_at=now)


VERSIONS = st.builds(
    Version,
    job=st.sampled_from(JOBS[:2]),
    instant=st.sampled_from(INSTANTS[:3]),
    content=st.sampled_from(sorted(CONTENTS)),
    mapping=st.integers(1, 2),
)


@pytest.fixture
def collections(home: Settings, connected: MongoClient[dict[str, Any]]) -> Collections:
    """Empty, with their indexes."""
    made = Collections.of(connected[home.database])
    made.ensure_indexes()
    return made


@pytest.fixture
def upsert(collections: Collections) -> Upsert:
    """Of a run named `later`."""
    return Upsert(collections, run_id="later", now=T0, dry_run=False)


def load(collections: Collections, *versions: Version, run_id: str = "earlier", now: datetime = T0) -> list[str]:
    """Load a chunk; gives what became of it."""
    upsert = Upsert(collections, run_id=run_id, now=now, dry_run=False)
    loaded = upsert.load([one.entry(run_id, now=now) for one in versions])
    return [outcome.result for outcome in loaded.outcomes]


def documents(collections: Collections) -> dict[str, dict[str, Any]]:
    """By job; without what depends on the run, which `check_provenance` checks."""
    found = {one["job_id"]: one for one in collections.rfps.find({}, {"_id": 0})}
    for one in found.values():
        one["_etl"] = {name: value for name, value in one["_etl"].items() if name not in RUN_FACTS}
    return found


def expected(versions: Sequence[Version]) -> dict[str, dict[str, Any]]:
    """The documents of the last version of each job."""
    last: dict[str, Rfp] = {}
    for rfp in (version.rfp() for version in versions):
        job = rfp.content["job_id"]
        last[job] = max(last.get(job, rfp), rfp, key=lambda one: tuple(one.key))
    return {
        job: {
            **rfp.content,
            "_etl": {
                "source": "folder",
                "source_id": job,
                "version": f"{rfp.key.instant}#{rfp.key.content_hash}",
                "content_hash": rfp.key.content_hash,
                "transform_version": rfp.key.transform_version,
            },
        }
        for job, rfp in last.items()
    }


def check_provenance(collections: Collections, chunks: Sequence[Sequence[Version]]) -> None:
    """Check run, payload and time in each document's `_etl`; run `n` loaded chunk `n` at minute `n`.

    The version is that of the first run that brought it: a later one with the same version changes nothing.
    """
    for found in collections.rfps.find():
        brought = [(number, one) for number, chunk in enumerate(chunks) for one in chunk if one.job == found["job_id"]]
        last = max(one.rfp().key for _, one in brought)
        number, winner = next((number, one) for number, one in brought if one.rfp().key == last)
        first = brought[0][0]
        etl = found["_etl"]
        assert (etl["raw_id"], etl["run_id"]) == (winner.raw.raw_id, f"run-{number}")
        assert (etl["first_run_id"], etl["first_seen_at"]) == (f"run-{first}", T0 + timedelta(minutes=first))
        # In another order, the same content may have been loaded before with an older version.
        same = [n for n, one in brought if one.rfp().key.content_hash == last.content_hash and n <= number]
        assert etl["changed_at"] in {T0 + timedelta(minutes=n) for n in same}


@given(data=st.data())
@examples(150)
def test_any_order_batches_and_repetition_give_the_same_documents(
    collections: Collections, data: st.DataObject
) -> None:
    """Promise 3, with equal instants and two versions of the mapping; each entry gets one outcome (promise 4)."""
    collections.rfps.delete_many({})
    versions = data.draw(st.lists(VERSIONS, min_size=1, max_size=7))
    again = data.draw(st.lists(st.sampled_from(versions), max_size=4))
    waiting = data.draw(st.permutations([*versions, *again]))
    chunks: list[list[Version]] = []
    while waiting:
        size = data.draw(st.integers(1, len(waiting)))
        chunk, waiting = waiting[:size], waiting[size:]
        number = len(chunks)
        chunks.append(chunk)
        assert len(load(collections, *chunk, run_id=f"run-{number}", now=T0 + timedelta(minutes=number))) == size

    assert documents(collections) == expected(versions)
    check_provenance(collections, chunks)


@given(data=st.data())
@examples(25)
def test_the_same_posts_in_any_files_leave_the_same_documents(
    home: Settings, collections: Collections, tmp_path: Path, data: st.DataObject
) -> None:
    """Single files, lists and JSON lines, in any number of runs, in chunks of any size; every sum is right."""
    for collection in (collections.rfps, collections.raw, collections.outcomes):
        collection.delete_many({})
    versions = data.draw(st.lists(VERSIONS.map(lambda one: replace(one, mapping=version_for("folder"))), min_size=1))
    folder = Path(mkdtemp(dir=tmp_path))
    for number in range(data.draw(st.integers(1, 3))):
        some = (
            data.draw(st.lists(st.sampled_from(versions), min_size=1))
            if number
            else data.draw(st.permutations(versions))
        )
        posts = [post(one.job, one.instant, one.content).decode() for one in some]
        if data.draw(st.booleans()):
            (folder / f"{number}.jsonl").write_text("\n".join(posts))
        else:
            (folder / f"{number}.json").write_text(json.dumps([json.loads(one) for one in posts], indent=number))
        run = Run(
            home,
            [FolderSource(folder)],
            run_id=f"run-{number}",
            window=Window(datetime(1970, 1, 1, tzinfo=UTC)),
            watermark=T0,
            dry_run=False,
            now=T0 - timedelta(days=1),
        )
        finish(run, chunk=data.draw(st.integers(1, 5)))

    assert documents(collections) == expected(versions)


@given(
    before=st.lists(VERSIONS, max_size=4), versions=st.lists(VERSIONS, min_size=1, max_size=6), size=st.integers(1, 4)
)
@examples(60)
def test_a_dry_run_reports_the_outcomes_of_a_real_run(
    collections: Collections, before: list[Version], versions: list[Version], size: int
) -> None:
    """The same outcomes and the same changes, chunk by chunk, and nothing written."""
    collections.rfps.delete_many({})
    load(collections, *before)
    untouched = list(collections.rfps.find().sort("_id"))
    entries = [version.entry("later") for version in versions]
    dry = Upsert(collections, run_id="later", now=T0, dry_run=True)
    true = Upsert(collections, run_id="later", now=T0, dry_run=False)
    chunks = [entries[start : start + size] for start in range(0, len(entries), size)]

    foretold = [dry.load(chunk).outcomes for chunk in chunks]
    assert list(collections.rfps.find().sort("_id")) == untouched
    assert foretold == [true.load(chunk).outcomes for chunk in chunks]


@pytest.mark.parametrize(
    ("versions", "outcomes"),
    [
        ([Version()], ["inserted"]),
        ([Version(), Version()], ["inserted", "unchanged"]),
        ([Version(), Version(instant=INSTANTS[1])], ["inserted", "unchanged"]),
        ([Version(), Version(content="blue", instant=INSTANTS[1])], ["inserted", "updated"]),
        ([Version(instant=INSTANTS[1]), Version(content="blue")], ["inserted", "stale"]),
        ([Version(instant=INSTANTS[1]), Version()], ["inserted", "unchanged"]),
        ([Version(), Version(mapping=2)], ["inserted", "unchanged"]),
        ([Version(mapping=2), Version(content="blue", mapping=1)], ["inserted", "stale"]),
        ([Version(mapping=1), Version(content="blue", mapping=2)], ["inserted", "updated"]),
    ],
)
def test_the_outcome_of_a_version(collections: Collections, versions: list[Version], outcomes: list[str]) -> None:
    """Newer is decided by the instant, then by the mapping; what brings no new content is `unchanged`."""
    assert [load(collections, version)[0] for version in versions] == outcomes


def test_an_enriched_field_survives_a_newer_version(collections: Collections) -> None:
    """The source gives no category; the one that was given to the document stays, and its `_id`, and when it came."""
    load(collections, Version())
    collections.rfps.update_one({}, {"$set": {"RFP_type": "Data"}})
    before = collections.rfps.find_one({}) or {}

    assert load(collections, Version(instant=INSTANTS[1], content="blue"), run_id="later") == ["updated"]

    now = collections.rfps.find_one({}) or {}
    assert (now["roleTitle"], now["RFP_type"], now["_id"]) == ("Blue", "Data", before["_id"])
    assert (now["_etl"]["first_run_id"], now["_etl"]["run_id"]) == ("earlier", "later")


ODD_ETL: list[Any] = [
    {},
    {"version": 7},
    "x",
    7,
    None,
    [],
    [{"version": "a#b", "content_hash": "b", "transform_version": 1, "source": "folder"}],
    {"version": ["a#b"], "content_hash": "b", "transform_version": 1},
    {"version": "no mark", "content_hash": "b", "transform_version": 1},
    {"version": "a#b", "content_hash": "b", "transform_version": 1.0},
    {"version": "a#b", "content_hash": "b", "transform_version": True},
    {"version": "a#b", "content_hash": "b", "transform_version": [1]},
    {"version": "a#b", "content_hash": "b", "transform_version": Decimal128("1")},
    {"version": "ü#b", "content_hash": "b", "transform_version": 1},
    {"version": Code("a#b"), "content_hash": "b", "transform_version": 1},
    ObjectId(),
    DatetimeMS(2**62),
]
MISSING = object()


@pytest.mark.parametrize("etl", [MISSING, *ODD_ETL])
def test_a_document_that_another_program_wrote_is_taken_over(collections: Collections, etl: Any) -> None:
    """It is older than any version, and what enrichment filled in stays; it is one document, before and after."""
    there = {"job_id": "job-1", "roleTitle": "Old", "RFP_type": "IT", **({} if etl is MISSING else {"_etl": etl})}
    collections.rfps.insert_one(dict(there))

    assert load(collections, Version()) == ["updated"]

    (document,) = collections.rfps.find()
    assert (document["roleTitle"], document["RFP_type"]) == ("Red", "IT")
    assert document["_etl"]["run_id"] == document["_etl"]["first_run_id"] == "earlier"
    assert load(collections, Version()) == ["unchanged"]


FOREIGN = {
    "score": Decimal128("1.5"),
    "notes": [{"by": ObjectId(), "at": DatetimeMS(-(2**62))}],
    "$price": 1,
    "a.b": 2,
    "company": {"vat": "BE0000"},
    "conditions": {"dailyRate": {"asked": 500}},
    "_etl": {"exported": True},
}


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return each value that is not an object, by its path."""
    if not isinstance(value, dict):
        return {path: value}
    return {place: one for name, inner in value.items() for place, one in leaves(inner, (*path, name)).items()}


def add(collections: Collections, foreign: dict[str, Any]) -> None:
    """Have another program add fields to the document, inside of its objects too."""
    (document,) = collections.rfps.find()
    for path, value in leaves(foreign).items():
        inside = document
        for name in path[:-1]:
            inside = inside.setdefault(name, {})
        inside[path[-1]] = value
    # Some names can only be inserted.
    collections.rfps.delete_one({"_id": document["_id"]})
    collections.rfps.insert_one(document)


@pytest.mark.parametrize("when", ["before", "at the same moment"])
def test_fields_of_other_programs_survive_an_update(
    collections: Collections, upsert: Upsert, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Also those inside of objects of the document, of any type, and written just before the update is."""
    load(collections, Version())
    if when == "before":
        add(collections, FOREIGN)
    else:
        between(monkeypatch, "bulk_write", lambda: add(collections, FOREIGN))

    loaded = upsert.load([Version(instant=INSTANTS[1], content="blue").entry("later")])

    assert [(change.field, change.before, change.after) for change in loaded.changes] == [("roleTitle", "Red", "Blue")]
    (document,) = collections.rfps.find()
    after = leaves(document)
    assert {path: after[path] for path in leaves(FOREIGN)} == leaves(FOREIGN)
    ours = leaves(Version(content="blue").rfp().content)
    assert {path: after[path] for path in ours} == ours


@pytest.mark.parametrize("there", [MISSING, None, "text", 7, [], [{"name": "x"}], {}])
@pytest.mark.parametrize("meanwhile", [{"vat": "BE0000"}, "changed", None])
def test_an_object_replaces_a_value_of_another_kind(
    collections: Collections, monkeypatch: pytest.MonkeyPatch, there: Any, meanwhile: Any
) -> None:
    """The object is complete, for any value that another program stores there before or meanwhile."""
    collections.rfps.insert_one({"job_id": "job-1", **({} if there is MISSING else {"company": there})})
    between(monkeypatch, "bulk_write", lambda: collections.rfps.update_one({}, {"$set": {"company": meanwhile}}))

    assert load(collections, Version()) == ["updated"]

    (document,) = collections.rfps.find()
    vat = meanwhile if isinstance(meanwhile, dict) else {}
    assert document["company"] == {**Version().rfp().content["company"], **vat}


def test_a_field_that_older_documents_lack_is_added(collections: Collections) -> None:
    """A mapping that makes a new field adds it to the documents that it makes again."""
    load(collections, Version())
    collections.rfps.update_one({}, {"$unset": {"languages": "", "company.region": "", "RFP_type": ""}})

    assert load(collections, Version(mapping=2, content="blue")) == ["updated"]

    (document,) = collections.rfps.find({}, {"_id": 0, "_etl": 0})
    assert document == Version(content="blue").rfp().content


def closed(collections: Collections, reason: str) -> dict[str, Any]:
    """Let an earlier run close the mission; returns what it wrote."""
    mark = {"at": T0 - timedelta(hours=1), "run_id": "closing", "reason": reason}
    collections.rfps.update_one({}, {"$set": {"isActive": False, "_etl.closed": mark}})
    return mark


@pytest.mark.parametrize(
    ("content", "reason", "stays"),
    [
        ("blue", "closed at source", True),
        ("blue", "deleted at source", True),
        # The new mapping reads a later deadline, or no deadline.
        ("blue", "deadline", False),
        ("short", "deadline", False),
        ("past", "deadline", True),
    ],
)
def test_a_newer_mapping_keeps_a_mission_closed(
    collections: Collections, content: str, reason: str, *, stays: bool
) -> None:
    """The source has no newer version, so a mission closed since then stays closed, with the run that closed it."""
    load(collections, Version())
    mark = closed(collections, reason)
    if content == "past":
        entry = Version(content="short", mapping=2).entry("later")
        now = T0 + timedelta(days=1)
    else:
        entry, now = Version(content=content, mapping=2).entry("later"), T0

    loaded = Upsert(collections, run_id="later", now=now, dry_run=False).load([entry])

    assert [outcome.result for outcome in loaded.outcomes] == ["updated"]
    (document,) = collections.rfps.find()
    assert document["isActive"] is not stays
    assert document["_etl"].get("closed") == (mark if stays else None)
    assert [change.field for change in loaded.changes if change.field == "isActive"] == ([] if stays else ["isActive"])


def test_a_newer_version_opens_a_mission_again(collections: Collections) -> None:
    """It says what the source says now; why an older version was closed is gone."""
    load(collections, Version())
    closed(collections, "closed at source")

    assert load(collections, Version(instant=INSTANTS[1], content="blue")) == ["updated"]

    (document,) = collections.rfps.find()
    assert document["isActive"] is True
    assert "closed" not in document["_etl"]


def remade(entry: Entry, content: str) -> Entry:
    """What the same payload gives under other settings."""
    other = Version(entry.job_id, entry.key.instant, content, entry.key.transform_version)
    return replace(other.entry(), raw_id=entry.raw_id, encoded=_with_raw_id(other.entry(), entry.raw_id))


def _with_raw_id(entry: Entry, raw_id: str) -> bytes:
    document = bson.decode(entry.encoded)
    document["_etl"]["raw_id"] = raw_id
    return bson.encode(document)


@pytest.mark.parametrize(("before", "after"), [*permutations(["red", "blue", "short"], 2)])
def test_a_replay_makes_a_payload_again_under_other_settings(collections: Collections, before: str, after: str) -> None:
    """Same payload and mapping, other settings: the new result is stored; another run changes nothing."""
    entry = Version(content=before).entry()
    Upsert(collections, run_id="earlier", now=T0, dry_run=False).load([entry])
    again = remade(entry, after)

    for expected_outcome in ("updated", "unchanged"):
        dry = Upsert(collections, run_id="replay", now=T0, dry_run=True, replay=True).load([again])
        true = Upsert(collections, run_id="replay", now=T0, dry_run=False, replay=True).load([again])
        assert [outcome.result for outcome in true.outcomes] == [expected_outcome]
        assert dry.outcomes == true.outcomes
    assert [document["roleTitle"] for document in collections.rfps.find()] == [CONTENTS[after]["name"]]


def test_two_payloads_of_one_instant_are_replayed_to_the_same_end(collections: Collections) -> None:
    """The one that won goes first, may lose to the other one now, and a second replay changes nothing."""
    winner, loser = sorted((Version(content=one).entry() for one in ("red", "blue")), key=lambda one: one.key)[::-1]
    Upsert(collections, run_id="earlier", now=T0, dry_run=False).load([winner, loser])
    lowest = min((remade(winner, one) for one in CONTENTS), key=lambda one: one.key)
    best = max(lowest, loser, key=lambda one: one.key)

    for chunks in ([[lowest, loser]], [[best], [min(lowest, loser, key=lambda one: one.key)]]):
        for chunk in chunks:
            Upsert(collections, run_id="replay", now=T0, dry_run=False, replay=True).load(chunk)
        (document,) = collections.rfps.find()
        assert document["_etl"]["version"] == best.key.text


def test_changes_list_each_field(collections: Collections, upsert: Upsert) -> None:
    """What a reviewer sees of an update: the field, before, after; nothing of what only the software knows."""
    load(collections, Version())

    loaded = upsert.load([Version(instant=INSTANTS[1], content="blue").entry("later")])

    assert [(change.job_id, change.field, change.before, change.after) for change in loaded.changes] == [
        ("job-1", "roleTitle", "Red", "Blue")
    ]


def between(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], Any], *, times: int = 1) -> None:
    """Let another program act just before the next calls of a method of the collection `RFP`."""
    original, left = getattr(Collection, name), times

    def called(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        nonlocal left
        if self.name == "RFP" and left:
            left -= 1
            with monkeypatch.context() as undone:
                undone.setattr(Collection, name, original)
                act()
        return original(self, *arguments, **options)

    monkeypatch.setattr(Collection, name, called)


NEWER = Version(instant=INSTANTS[2], content="blue")
MINE = Version(instant=INSTANTS[1], content="short")
SAME = Version(instant=INSTANTS[1])


@pytest.mark.parametrize(
    ("there", "mine", "call", "outcome", "title"),
    [
        # Not found at first, then another program inserts a newer or older version: the key exists.
        ([], MINE, "insert_many", "stale", "Blue"),
        # An update was decided, then a newer version is written just before it.
        ([Version()], MINE, "bulk_write", "stale", "Blue"),
        # Only the version was to be updated.
        ([Version()], SAME, "bulk_write", "stale", "Blue"),
    ],
)
def test_a_newer_version_written_meanwhile_wins(
    collections: Collections,
    upsert: Upsert,
    monkeypatch: pytest.MonkeyPatch,
    *,
    there: list[Version],
    mine: Version,
    call: str,
    outcome: str,
    title: str,
) -> None:
    """If the guard does not match, the document is read again, and the newer version is found."""
    if there:
        load(collections, *there)
    between(monkeypatch, call, lambda: load(collections, NEWER))

    assert [outcome.result for outcome in upsert.load([mine.entry("later")]).outcomes] == [outcome]
    assert [document["roleTitle"] for document in collections.rfps.find()] == [title]


@pytest.mark.parametrize("there", [Version(), Version(instant=INSTANTS[1], content="blue")])
def test_the_same_version_written_meanwhile_is_unchanged(
    collections: Collections, upsert: Upsert, monkeypatch: pytest.MonkeyPatch, there: Version
) -> None:
    """Another run wrote just what this one was about to write: this one counts it as unchanged."""
    load(collections, there)
    mine = Version(instant=INSTANTS[2])
    between(monkeypatch, "bulk_write", lambda: load(collections, mine, run_id="other"))

    assert [outcome.result for outcome in upsert.load([mine.entry("later")]).outcomes] == ["unchanged"]
    assert [document["_etl"]["run_id"] for document in collections.rfps.find()] == ["other"]


@pytest.mark.parametrize(
    ("there", "call", "outcome"), [([], "insert_many", "updated"), ([Version()], "bulk_write", "updated")]
)
def test_an_older_version_written_meanwhile_is_replaced(
    collections: Collections,
    upsert: Upsert,
    monkeypatch: pytest.MonkeyPatch,
    *,
    there: list[Version],
    call: str,
    outcome: str,
) -> None:
    """An existing key is not an error."""
    if there:
        load(collections, *there)
    mine = Version(instant=INSTANTS[2], content="short")
    between(monkeypatch, call, lambda: load(collections, Version(instant=INSTANTS[1], content="blue")))

    assert [outcome.result for outcome in upsert.load([mine.entry("later")]).outcomes] == [outcome]
    assert [document["roleTitle"] for document in collections.rfps.find()] == ["Short"]


def test_a_document_changed_between_two_reads_is_read_again(
    collections: Collections, upsert: Upsert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version that was decided upon is the version that must be there when the whole document is read."""
    load(collections, Version())
    looks: list[int] = []

    def on_the_second_look() -> None:
        looks.append(1)
        if len(looks) == 2:
            load(collections, NEWER)

    between(monkeypatch, "find", on_the_second_look, times=2)

    assert [outcome.result for outcome in upsert.load([MINE.entry("later")]).outcomes] == ["stale"]
    assert [document["roleTitle"] for document in collections.rfps.find()] == ["Blue"]


def test_enrichment_written_meanwhile_is_kept(
    collections: Collections, upsert: Upsert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A category written between reading the document and replacing it is not written over."""
    load(collections, Version())
    between(monkeypatch, "bulk_write", lambda: collections.rfps.update_one({}, {"$set": {"RFP_type": "Data"}}))

    assert [outcome.result for outcome in upsert.load([MINE.entry("later")]).outcomes] == ["updated"]
    assert [(document["roleTitle"], document["RFP_type"]) for document in collections.rfps.find()] == [
        ("Short", "Data")
    ]


def test_a_document_deleted_meanwhile_is_inserted_again(
    collections: Collections, upsert: Upsert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collection is emptied while a chunk is loaded."""
    load(collections, Version())
    between(monkeypatch, "bulk_write", lambda: collections.rfps.delete_many({}))

    assert [outcome.result for outcome in upsert.load([MINE.entry("later")]).outcomes] == ["inserted"]


def test_other_documents_of_the_chunk_are_counted_once_if_one_is_retried(
    collections: Collections, upsert: Upsert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were written stay written and are not counted twice."""
    first = Version("job-1"), Version("job-2"), Version("job-3")
    load(collections, *first)
    mine = [Version(one.job, INSTANTS[1], "short") for one in first]
    between(monkeypatch, "bulk_write", lambda: load(collections, NEWER))

    outcomes = {
        outcome.job_id: outcome.result for outcome in upsert.load([outcome.entry("later") for outcome in mine]).outcomes
    }

    assert outcomes == {"job-1": "stale", "job-2": "updated", "job-3": "updated"}


def test_a_document_that_keeps_changing_is_left_to_the_next_run(
    collections: Collections, upsert: Upsert, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 50 rounds; the text says that nothing was lost."""
    load(collections, Version())
    rounds: list[int] = []

    def change() -> None:
        rounds.append(1)
        collections.rfps.update_one({}, {"$set": {"_etl.version": f"{INSTANTS[0]}#{len(rounds)}"}})

    between(monkeypatch, "bulk_write", change, times=-1)

    with pytest.raises(RetryLater, match="Nothing was lost"):
        upsert.load([MINE.entry("later")])
    assert len(rounds) == MAX_ROUNDS
    assert [document["roleTitle"] for document in collections.rfps.find()] == ["Red"]
