"""A document that MongoDB refuses becomes a reject; the others load, and no content is quoted."""

from __future__ import annotations

import itertools
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure, WriteError

from futurscam_lib.load import mongo, refusals, upsert
from tests.load.machine import INSTANTS, Shelf, finish, post, record

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

    from futurscam_lib.report.summary import Summary
    from futurscam_lib.settings import Settings
    from tests.load.machine import World

CANARY = "canary-7f3a"
RULES: dict[str, Any] = {"$jsonSchema": {"properties": {"roleTitle": {"not": {"enum": [CANARY]}}}}}


def run(world: World, *payloads: bytes) -> Summary:
    """One run over posts."""
    world.tick(1)
    return finish(world.open(Shelf([record(one, origin=f"{n}.json", at=world.now) for n, one in enumerate(payloads)])))


def numbered(job: str, reference: str, instant: str = INSTANTS[0]) -> bytes:
    """A post with a reference."""
    return post(job, instant, number={"numberFormatted": reference})


def counts(summary: Summary) -> dict[str, int]:
    """The columns that are not zero."""
    return {name: count for name, count in summary.total.as_dict().items() if count}


def test_a_foreign_unique_index_costs_one_document(world: World) -> None:
    """The others load, the sum is right, and the reject names the index; a later version is loaded."""
    world.collections.rfps.create_index("reference", unique=True, name="one of each")
    posts = [numbered(job, code) for job, code in (("a", CANARY), ("b", CANARY), ("c", "C"))]

    summary = run(world, *posts)

    assert counts(summary) == {"extracted": 3, "inserted": 2, "rejected": 1}
    (reject,) = world.collections.rejects.find()
    assert (reject["code"], reject["path"], reject["state"]) == (refusals.CODE, "reference", "open")
    assert "one of each" in reject["reason"]
    assert summary.reject_reasons == {f"{refusals.CODE} reference": 1}
    assert CANARY not in repr(reject) + repr(summary.as_dict())
    assert counts(run(world, *posts)) == {"extracted": 3, "unchanged": 3}

    summary = run(world, numbered(reject["job_id"], "other", INSTANTS[1]))
    assert counts(summary) == {"extracted": 1, "inserted": 1}
    assert [one["state"] for one in world.collections.rejects.find()] == ["resolved"]


def test_a_foreign_unique_index_costs_one_update(world: World) -> None:
    """The document stays as it was; the other updates of the chunk are made."""
    run(world, *(numbered(job, job) for job in "abc"))
    world.collections.rfps.create_index("reference", unique=True)

    summary = run(world, *(numbered(job, code, INSTANTS[1]) for job, code in (("a", "b"), ("c", "d"))))

    assert counts(summary) == {"extracted": 2, "updated": 1, "rejected": 1}
    found = {one["job_id"]: one["reference"] for one in world.collections.rfps.find()}
    assert found == {"a": "a", "b": "b", "c": "d"}
    assert [(one["job_id"], one["state"]) for one in world.collections.rejects.find()] == [("a", "open")]


@pytest.mark.parametrize(
    ("validator", "named"),
    [
        (RULES, "not of roleTitle"),
        ({"roleTitle": {"$ne": CANARY}}, "roleTitle"),
        ({"$expr": {"$ne": ["$roleTitle", CANARY]}}, "$expr"),
    ],
)
def test_a_validator_costs_the_documents_that_it_refuses(world: World, validator: Any, named: str) -> None:
    """New ones, newer ones, and those of which only the version moves; its rule is named."""
    database = world.collections.rfps.database
    run(world, post("a", name="A"), post("c", name=CANARY), post("d", name=CANARY, applicationDeadline="x"))
    database.command("collMod", world.collections.rfps.name, validator=validator)

    summary = run(
        world,
        post("a", INSTANTS[1], name=CANARY),
        post("b", name=CANARY),
        post("c", INSTANTS[1], name=CANARY),
        post("e"),
    )

    assert counts(summary) == {"extracted": 4, "inserted": 1, "rejected": 3}
    rejects = list(world.collections.rejects.find())
    assert {one["job_id"] for one in rejects} == {"a", "b", "c"}
    assert all(named in one["reason"] for one in rejects)
    assert all(one["state"] == "open" for one in rejects)
    assert CANARY not in repr(rejects) + repr(summary.as_dict())


def test_a_validator_that_refuses_an_update_does_not_keep_other_missions_open(world: World) -> None:
    """All deadlines have passed; the run counts the closed missions, and notes the ones it could not close."""
    deadline = {"publicationInfo": {"applicationDeadline": "2026-11-23T12:30:00Z"}}
    run(world, *(post(job, name=job, **deadline) for job in "abc"))
    rule = {"$or": [{"roleTitle": {"$ne": "b"}}, {"isActive": True}]}
    world.collections.rfps.database.command("collMod", world.collections.rfps.name, validator=rule)
    world.tick(60)

    ended = world.open(Shelf())
    ended.extract()
    ended.transform()
    ended.load()
    report = ended.close_ended()

    assert (report.deadline, report.active) == (2, 1)
    assert {one["job_id"] for one in world.collections.rfps.find({"isActive": True})} == {"b"}
    assert "1 mission(s) stay active although their deadline has passed" in repr(report)


def test_the_same_job_in_a_list_of_another_program(world: World) -> None:
    """The unique index counts each entry of a list, so the document is a reject; the others load."""
    world.collections.rfps.insert_one({"job_id": ["a", "z"]})

    assert counts(run(world, post("a"), post("b"))) == {"extracted": 2, "inserted": 1, "rejected": 1}
    assert [(one["job_id"], one["path"]) for one in world.collections.rejects.find()] == [("a", "job_id")]


@pytest.mark.parametrize("code", [1, 8, 13, 46, 189, 11600, 11601, 14031, 999_999])
def test_a_server_failure_rejects_no_document(code: int) -> None:
    """Rights, locks, elections, a full disk, an unknown code: nothing can be concluded about the documents."""
    failures = [{"index": 0, "code": 11000}, {"index": 3, "code": code}]
    with pytest.raises(BulkWriteError):
        refusals.by_index(BulkWriteError({"writeErrors": failures, "writeConcernErrors": []}))
    with pytest.raises(BulkWriteError):
        refusals.by_index(BulkWriteError({"writeErrors": failures[:1], "writeConcernErrors": [{"code": 64}]}))


@pytest.mark.parametrize("chunk", [1, 2, 4])
@pytest.mark.parametrize("there", [False, True])
def test_after_a_refused_version_the_best_accepted_version_is_loaded(world: World, *, chunk: int, there: bool) -> None:
    """For any order and batches: the same document, the same open reject, each record counted once."""
    rules = {"roleTitle": {"$nin": [CANARY, f"{CANARY} too"]}}
    world.collections.rfps.database.create_collection(world.collections.rfps.name, validator=rules)
    names = ("old", "good", CANARY, f"{CANARY} too")
    versions = [post("a", instant, name=name) for instant, name in zip(INSTANTS, names, strict=True)]

    for order in itertools.permutations(versions):
        for collection in (world.collections.rfps, world.collections.rejects, world.collections.outcomes):
            collection.delete_many({})
        if there:
            run(world, versions[0])
        world.tick(1)
        shelf = Shelf([record(one, origin=f"{n}.json", at=world.now) for n, one in enumerate(order)])
        told = counts(finish(world.open(shelf), chunk=chunk))

        assert [one["roleTitle"] for one in world.collections.rfps.find()] == ["good"]
        (reject,) = world.collections.rejects.find()
        assert (reject["state"], reject["raw_id"]) == ("open", record(versions[3]).raw_id)
        assert (told.pop("extracted"), told.pop("rejected")) == (4, 2)
        assert sum(told.values()) == 2


def test_many_refused_versions_of_one_job(world: World) -> None:
    """More than there are rounds for documents that others change: the only one that is taken is loaded."""
    validator = {"roleTitle": {"$ne": CANARY}}
    world.collections.rfps.database.create_collection(world.collections.rfps.name, validator=validator)
    stamps = [f"2026-11-20T11:{minute:02}:00Z" for minute in range(upsert.MAX_ROUNDS + 5)]

    summary = run(world, post("a", name="good"), *(post("a", stamp, name=CANARY) for stamp in stamps))

    assert counts(summary) == {"extracted": len(stamps) + 1, "inserted": 1, "rejected": len(stamps)}


def _parallel(things: Any) -> None:
    things.create_index([("a", 1), ("b", 1)])
    things.insert_many([{"a": [CANARY], "b": [CANARY]}])


def _hashed(things: Any) -> None:
    things.create_index([("a", "hashed")])
    things.insert_many([{"a": [CANARY]}])


def _word(things: Any) -> None:
    things.create_index([("title", "text")])
    things.insert_many([{"title": "x", "language": 7}])


def _place(things: Any) -> None:
    things.create_index([("place", "2dsphere")])
    things.insert_many([{"place": {"type": "Point", "coordinates": CANARY}}])


def _flat(things: Any) -> None:
    things.create_index([("place", "2d")])
    things.insert_many([{"place": [500, 500]}])


def _converted(things: Any) -> None:
    things.database.create_collection(things.name, validator={"$expr": {"$toInt": "$n"}})
    things.insert_many([{"n": CANARY}])


def _divided(things: Any) -> None:
    things.database.create_collection(things.name, validator={"$expr": {"$divide": [1, "$n"]}})
    things.insert_many([{"n": 0}])


def _large(things: Any) -> None:
    things.insert_one({"_id": 1, "n": "x" * 9_000_000})
    things.bulk_write([UpdateOne({"_id": 1}, {"$set": {"m": "x" * 9_000_000}})])


def _geo(things: Any) -> None:
    things.create_index([("place", "2dsphere")])
    things.insert_one({"place": {"type": "Point", "coordinates": CANARY}})


def _language(things: Any) -> None:
    things.create_index([("title", "text")])
    things.insert_many([{"title": "x", "language": CANARY}])


def _shape(things: Any) -> None:
    things.insert_one({"_id": 1, "company": CANARY})
    things.update_one({"_id": 1}, {"$set": {"company.name": "x"}})


def _number(things: Any) -> None:
    things.insert_one({"_id": CANARY, "n": CANARY})
    things.update_many({"_id": CANARY}, {"$inc": {"n": 1}})


def _twice(things: Any) -> None:
    things.insert_many([{"_id": CANARY}, {"_id": CANARY}])


def _invalid(things: Any) -> None:
    things.insert_one({"_id": 1, "roleTitle": CANARY})
    things.database.command("collMod", things.name, validator=RULES)
    things.insert_many([{"roleTitle": CANARY}])


@pytest.mark.parametrize(
    "act", [_twice, _invalid, _parallel, _hashed, _language, _word, _place, _flat, _converted, _divided, _large]
)
def test_errors_about_one_document_are_recognised(
    home: Settings, connected: MongoClient[dict[str, Any]], act: Any
) -> None:
    """Indexes and validators of other programs, and the greatest size: as this server numbers them."""
    with pytest.raises(BulkWriteError) as raised:
        act(connected[home.database].things)

    (failure,) = refusals.by_index(raised.value).values()
    assert CANARY not in refusals.rejected(failure, collection="RFP").message


def test_the_error_of_a_failed_landing_quotes_no_payload(world: World) -> None:
    """A validator on `RFP_raw` fails the run, so that nothing is lost. The error quotes no payload."""
    run(world, post("other"))
    rule = {"$jsonSchema": {"properties": {"payload": {"bsonType": "string"}}}}
    world.collections.raw.database.command("collMod", world.collections.raw.name, validator=rule)

    with pytest.raises(BulkWriteError, match="Document failed validation") as raised:
        run(world, post(name=CANARY))
    assert CANARY not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("act", [_geo, _language, _shape, _number, _twice, _invalid])
def test_an_error_of_mongodb_quotes_no_document(
    home: Settings, connected: MongoClient[dict[str, Any]], act: Any
) -> None:
    """Quoted documents and commands are removed from the error, its cause and its traceback."""
    database: Database[dict[str, Any]] = connected[home.database]
    with pytest.raises(OperationFailure) as bare:
        act(database.plain)
    assert CANARY in repr(bare.value.details)

    with pytest.raises(OperationFailure) as raised, mongo.mongo_errors():
        act(database.guarded)

    error = raised.value
    shown = "".join(traceback.format_exception(error)) + repr(error.details) + repr(error)
    assert CANARY not in shown
    assert type(error) is type(bare.value)
    assert error.code == bare.value.code


def test_missing_rights_quote_no_command() -> None:
    """The server repeats the command, documents and all."""
    text = f'not authorized on x to execute command {{ insert: "RFP", documents: [ {{ title: "{CANARY}" }} ] }}'
    with pytest.raises(Exception, match="not authorized on x to execute command") as raised, mongo.mongo_errors():
        raise OperationFailure(text, 13, {"errmsg": text, "code": 13})
    assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_a_write_error_without_a_message() -> None:
    """A server may leave out what others say."""
    error = refusals.rejected({"code": 11000}, collection="RFP")
    assert "unknown" in error.message
    assert "no rule named" in refusals.rejected({"code": 121}, collection="RFP").message
    refusals.check(WriteError("x", 121))
    with pytest.raises(WriteError):
        refusals.check(WriteError("x", 10107))
