"""A run fails if its MongoDB server was restarted meanwhile."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from pymongo import MongoClient

from futurscam_lib import settings as settings_module
from futurscam_lib.errors import RetryLater
from futurscam_lib.load import local_server
from futurscam_lib.pipeline.run import Run
from futurscam_lib.records import Window
from tests.load.machine import T0, Shelf, finish, post, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.settings import Settings


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a home with its own server."""
    settings = settings_module.load({"FUTURSCAM_HOME": str(tmp_path / "own"), "FUTURSCAM_KEYRING": "false"})
    local_server.ensure_running(settings, cache_gb=0.25)
    try:
        yield settings
    finally:
        local_server.stop(settings)
        shutil.rmtree(settings.home)


def opened(settings: Settings, *records: Any) -> Run:
    """Open a run over these records."""
    return Run(settings, [Shelf(records)], run_id="run", window=Window(T0), watermark=T0, dry_run=False, now=T0)


def stop(settings: Settings) -> None:
    """Shut the server down properly."""
    local_server.stop(settings)


def kill(settings: Settings) -> None:
    """Kill the server."""
    server = local_server.find(settings)
    assert server is not None
    process = psutil.Process(server.pid)
    process.kill()
    process.wait(10)


@pytest.mark.parametrize("end", [stop, kill])
def test_a_run_fails_if_the_server_was_restarted(own: Settings, end: Any) -> None:
    """The server may have lost its last writes: the watermark stays, and the next run loads the missing documents."""
    run = opened(own, record(post()), record(post("job-2")))
    run.extract()
    run.transform()
    end(own)
    uri = local_server.ensure_running(own, cache_gb=0.25)

    with pytest.raises(RetryLater, match="restarted while the run was writing"):
        run.load()

    assert finish(opened(own, record(post()), record(post("job-2")))).counts["folder"].extracted == 2
    with MongoClient[Any](uri) as client:
        database = client[own.database]
        assert database["RFP"].count_documents({}) == 2
        assert [document["_id"] for document in database["RFP_runs"].find()] == ["durable"]


def test_a_run_passes_if_the_server_was_not_restarted(own: Settings) -> None:
    """The server process is the same at the start and the end of the run."""
    assert finish(opened(own, record(post()))).counts["folder"].inserted == 1
