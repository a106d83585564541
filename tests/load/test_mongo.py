"""The client, and the errors that failures of a real MongoDB are translated to."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dns.resolver
import pytest
from pymongo import InsertOne, MongoClient
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, OperationFailure

from futurscam_lib import settings as settings_module
from futurscam_lib.errors import FuturscamError, OperatorMustAct, RetryLater
from futurscam_lib.load import local_server, mongo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.settings import Settings

PASSWORD = "s3cr3t-Pa55"  # noqa: S105 - of a server that lives for some tests


def settings_for(home: Path, uri: str, *, timeout: str = "0.5") -> Settings:
    """Settings that lead to `uri`, with little patience."""
    places = {"MONGO_URI": uri, "FUTURSCAM_MONGO_TIMEOUT_SECONDS": timeout, "FUTURSCAM_KEYRING": "false"}
    return settings_module.load({"FUTURSCAM_HOME": str(home), **places})


def error_of(settings: Settings) -> FuturscamError:
    """Return the error of a failed connection; it must not contain the password."""
    with pytest.raises(FuturscamError) as raised:
        mongo.connect(settings)
    error: BaseException | None = raised.value
    while error is not None:
        assert PASSWORD not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return raised.value


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a mongod that asks for passwords, and fails on demand.

    Its users are `admin`, who may do everything, and `reader`; both have the same password.
    """
    folder = tmp_path_factory.mktemp("guarded")
    port = local_server._free_port()
    server = subprocess.Popen(
        [
            *(local_server.mongod_binary(), "--auth", "--dbpath", folder, "--port", str(port)),
            *("--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25", "--setParameter", "enableTestCommands=1"),
            *(["--nounixsocket"] if os.name == "posix" else []),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        with MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
            client.admin.command("createUser", "admin", pwd=PASSWORD, roles=["root"])
        with MongoClient[dict[str, Any]](f"mongodb://admin:{PASSWORD}@127.0.0.1:{port}/") as client:
            client.admin.command("createUser", "reader", pwd=PASSWORD, roles=["readAnyDatabase"])
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


@pytest.fixture
def client(guarded: str, tmp_path: Path) -> Iterator[MongoClient[dict[str, Any]]]:
    """The project's client, as a user who may do everything; failures that a test ordered end with it."""
    # After a server has announced its shutdown, the client soon tries again.
    uri = f"mongodb://admin:{PASSWORD}@{guarded}/?heartbeatFrequencyMS=500"
    with mongo.connect(settings_for(tmp_path, uri, timeout="5")) as client:
        yield client
        client.admin.command("configureFailPoint", "failCommand", mode="off")
        client.drop_database("test_mongo")


def fail(client: MongoClient[dict[str, Any]], command: str, **how: Any) -> None:
    """Make the server fail this command each time."""
    data = {"failCommands": [command], **how}
    client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=data)


def test_the_client_is_durable_and_reads_times_as_utc(home: Settings) -> None:
    """Writes count once a majority has them; dates come back aware."""
    with mongo.connect(home) as client:
        things = client[home.database].things
        things.insert_one({"at": datetime(2026, 11, 23, tzinfo=UTC)})

        assert client.write_concern.document == {"w": "majority", "wtimeout": 120_000}
        assert things.find_one({}, {"_id": 0}) == {"at": datetime(2026, 11, 23, tzinfo=UTC)}
        assert client.options.pool_options.appname == "futurscam"
        assert client.options.server_selection_timeout == 10


def test_options_of_the_uri_do_not_reduce_durability(home: Settings, mongod_uri: str, tmp_path: Path) -> None:
    """A URI copied from elsewhere may ask for no acknowledgement at all."""
    with mongo.connect(settings_for(tmp_path, f"{mongod_uri}&w=0&journal=false&retryWrites=false")) as client:
        assert client.write_concern.document["w"] == "majority"
        assert home.database not in client.list_database_names()


def test_without_a_uri_the_local_server_is_started(tmp_path: Path) -> None:
    """An empty home works at once."""
    settings = settings_module.load({"FUTURSCAM_HOME": str(tmp_path / "home"), "FUTURSCAM_KEYRING": "false"})
    try:
        with mongo.connect(settings) as client:
            assert client.admin.command("ping")["ok"] == 1
        assert local_server.find(settings) is not None
    finally:
        local_server.stop(settings)
        shutil.rmtree(settings.home)


def test_an_unreachable_server_raises_retry_later(tmp_path: Path) -> None:
    """Nobody listens: the next run tries again, and the message names the host and no password."""
    port = local_server._free_port()
    before = time.monotonic()

    error = error_of(settings_for(tmp_path, f"mongodb://loader:{PASSWORD}@127.0.0.1:{port}/"))

    assert time.monotonic() - before < 3
    assert isinstance(error, RetryLater)
    assert f"MongoDB did not answer (127.0.0.1:{port}: " in str(error)
    assert "Topology" not in str(error)


def test_a_silent_server_raises_retry_later(tmp_path: Path) -> None:
    """The server accepts the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        uri = f"mongodb://loader:{PASSWORD}@127.0.0.1:{mute.getsockname()[1]}/?directConnection=true"
        assert isinstance(error_of(settings_for(tmp_path, uri)), RetryLater)


@pytest.mark.parametrize("user", ["admin:wrong", "nobody:wrong", f"admin:{PASSWORD}x"])
def test_refused_credentials_raise_operator_must_act(guarded: str, tmp_path: Path, user: str) -> None:
    """The next run would be refused too."""
    error = error_of(settings_for(tmp_path, f"mongodb://{user}@{guarded}/", timeout="5"))

    assert isinstance(error, OperatorMustAct)
    assert "MongoDB refused the user of MONGO_URI (Authentication failed)" in str(error)


def test_missing_rights_raise_operator_must_act(guarded: str, tmp_path: Path) -> None:
    """A read-only user cannot load; without a user name even reading fails."""
    with mongo.connect(settings_for(tmp_path, f"mongodb://reader:{PASSWORD}@{guarded}/", timeout="5")) as client:
        with pytest.raises(OperatorMustAct, match="not authorized on test_mongo"), mongo.mongo_errors():
            client.test_mongo.things.insert_one({})
        with pytest.raises(OperatorMustAct, match="not authorized on test_mongo"), mongo.mongo_errors():
            client.test_mongo.things.bulk_write([InsertOne({})])
    with (
        mongo.connect(settings_for(tmp_path, f"mongodb://{guarded}/", timeout="5")) as client,
        pytest.raises(OperatorMustAct, match="requires authentication"),
        mongo.mongo_errors(),
    ):
        client.test_mongo.things.find_one()


@pytest.mark.parametrize(
    "how",
    [
        {"closeConnection": True},
        {"errorCode": 10107},  # not primary
        {"errorCode": 11600},  # shutting down
        {"errorCode": 91, "errorLabels": []},
        {
            "writeConcernError": {
                "code": 64,
                "errmsg": "waiting for replication timed out",
                "errInfo": {"wtimeout": True},
            }
        },
    ],
)
def test_a_server_that_stops_or_lags_raises_retry_later(
    client: MongoClient[dict[str, Any]], how: dict[str, Any]
) -> None:
    """In the middle of writing, one document or many."""
    fail(client, "insert", **how)

    with pytest.raises(RetryLater), mongo.mongo_errors():
        client.test_mongo.things.insert_one({})
    with pytest.raises(RetryLater, match="Nothing was lost"), mongo.mongo_errors():
        client.test_mongo.things.bulk_write([InsertOne({}), InsertOne({})])


def test_an_operation_over_its_time_limit_raises_retry_later(client: MongoClient[dict[str, Any]]) -> None:
    """The server gives up by itself."""
    fail(client, "find", errorCode=50)

    with pytest.raises(RetryLater, match="took too long"), mongo.mongo_errors():
        client.test_mongo.things.find_one()


def test_a_refusal_by_atlas_raises_operator_must_act(client: MongoClient[dict[str, Any]]) -> None:
    """Atlas has its own code for refusals."""
    fail(client, "find", errorCode=8000)

    with pytest.raises(OperatorMustAct), mongo.mongo_errors():
        client.test_mongo.things.find_one()


def test_other_failures_are_not_translated(client: MongoClient[dict[str, Any]]) -> None:
    """Loading has its own answers to a duplicate key or a bad operation; so has Python to any other error."""
    client.test_mongo.things.insert_one({"_id": 1, "author": "an author"})

    with pytest.raises(DuplicateKeyError), mongo.mongo_errors():
        client.test_mongo.things.insert_one({"_id": 1})
    with pytest.raises(BulkWriteError), mongo.mongo_errors():
        client.test_mongo.things.bulk_write([InsertOne({"_id": 1})])
    with pytest.raises(OperationFailure, match="author"), mongo.mongo_errors():
        client.test_mongo.things.find_one({"$author": 1})
    with pytest.raises(ZeroDivisionError), mongo.mongo_errors():
        _ = 1 / 0


def test_a_bulk_that_failed_and_lags_is_a_failure(client: MongoClient[dict[str, Any]]) -> None:
    """That a majority is late does not hide that a document was refused."""
    client.test_mongo.things.insert_one({"_id": 1})
    fail(client, "insert", writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"})

    with pytest.raises(BulkWriteError), mongo.mongo_errors():
        client.test_mongo.things.bulk_write([InsertOne({"_id": 1})])


def test_the_error_keeps_its_cause() -> None:
    """The cause holds pymongo's message."""
    with pytest.raises(RetryLater) as raised, mongo.mongo_errors():
        raise AutoReconnect("db.example.com:27017: connection closed (configured timeouts: connectTimeoutMS: 1.0ms)")

    assert isinstance(raised.value.__cause__, AutoReconnect)
    assert str(raised.value).startswith("MongoDB did not answer (db.example.com:27017: connection closed).\n")


def test_a_host_unknown_to_the_dns_raises_operator_must_act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS that answers, but not with this host."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        threading.Thread(target=say_no, args=[server], daemon=True).start()
        ask_dns_at(server.getsockname()[1], monkeypatch)
        error = error_of(settings_for(tmp_path, f"mongodb+srv://loader:{PASSWORD}@cluster.example.com/"))

    assert isinstance(error, OperatorMustAct)
    assert "cluster.example.com" in str(error)


def test_a_dns_that_does_not_answer_raises_retry_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop without network: nothing is wrong with MONGO_URI."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        ask_dns_at(mute.getsockname()[1], monkeypatch)
        error = error_of(settings_for(tmp_path, f"mongodb+srv://loader:{PASSWORD}@cluster.example.com/"))

    assert isinstance(error, RetryLater)
    assert "could not be looked up" in str(error)


def ask_dns_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the DNS on this loopback port for the machine's."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    monkeypatch.setattr(dns.resolver, "default_resolver", resolver)


def say_no(server: socket.socket) -> None:
    """Answer every question that there is no such name, until the socket is closed."""
    try:
        while True:
            question, client = server.recvfrom(512)
            server.sendto(question[:2] + b"\x81\x83" + question[4:], client)
    except OSError:
        return
