"""A real MongoDB for every test: one server per worker, one database per test, all removed afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from pymongo import MongoClient

from futurscam_lib import clock
from futurscam_lib import settings as settings_module
from futurscam_lib.load import local_server
from tests.made_runs import MadeRuns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.settings import Settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--golden-update` rewrites the golden files from what the mapping makes today."""
    parser.addoption(
        "--golden-update",
        nargs="?",
        const="raised",
        choices=("raised", "same-version"),
        help="Rewrite tests/golden. Where documents changed, TRANSFORM_VERSION must have been raised before; "
        "`--golden-update=same-version` does without, for a version that no database has seen.",
    )


def pytest_configure() -> None:
    """Handle Ctrl+C as usual, even if the suite was started with it ignored, as by `nohup pytest &` in a script.

    Programs inherit an ignored signal, and tests that interrupt theirs would wait in vain. Runs in each worker too.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def mongod_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a mongod for this worker, stopped at the end."""
    folder = tmp_path_factory.mktemp("mongod")
    server = settings_module.load({"FUTURSCAM_HOME": str(folder), "FUTURSCAM_KEYRING": "false"})
    try:
        yield local_server.ensure_running(server, cache_gb=0.25)
    finally:
        local_server.stop(server)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mongo_client(mongod_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """Client of that server, with which tests check the database."""
    with MongoClient[dict[str, Any]](mongod_uri, tz_aware=True) as client:
        yield client


@pytest.fixture
def database(mongo_client: MongoClient[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    """Empty database with a unique name, dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    try:
        yield mongo_client[name]
    finally:
        mongo_client.drop_database(name)


@pytest.fixture
def home(
    tmp_path: Path,
    mongod_uri: str,
    database: Database[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Settings of a fresh home that loads into `database`; also set in the environment, for other processes."""
    for name in list(os.environ):
        if name.startswith("FUTURSCAM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FUTURSCAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FUTURSCAM_DB", database.name)
    monkeypatch.setenv("FUTURSCAM_KEYRING", "false")
    monkeypatch.setenv("MONGO_URI", mongod_uri)
    return settings_module.load()


@pytest.fixture
def made(home: Settings) -> MadeRuns:
    """Adds made-up runs to `home`."""
    return MadeRuns(home, clock.parse("2026-11-01T00:00:00Z"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what a killed worker left running: every mongod on a folder of this session."""
    if hasattr(config, "workerinput") or not hasattr(config, "_tmp_path_factory"):
        return
    session_folder = str(config._tmp_path_factory.getbasetemp())
    for process in psutil.process_iter(["name", "cmdline"]):
        arguments = process.info["cmdline"] or []
        if process.info["name"].startswith("mongod") and any(text.startswith(session_folder) for text in arguments):
            process.kill()
