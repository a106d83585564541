"""A run whose server was restarted under it does not say that all is well."""

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
    """Settings of a home with a server of its own."""
    settings = settings_module.load({"FUTURSCAM_HOME": str(tmp_path / "own"), "FUTURSCAM_KEYRING": "false"})
    local_server.ensure_running(settings, cache_gb=0.25)
    try:
        yield settings
    finally:
        local_server.stop(settings)
        shutil.rmtree(settings.home)


def opened(settings: Settings, *records: Any) -> Run:
    """A run over these."""
    return Run(settings, [Shelf(records)], run_id="run", window=Window(T0), watermark=T0, dry_run=False, now=T0)


def stop(settings: Settings) -> None:
    """End it in good order."""
    local_server.stop(settings)


def kill(settings: Settings) -> None:
    """Pull its plug."""
    server = local_server.find(settings)
    assert server is not None
    process = psutil.Process(server.pid)
    process.kill()
    process.wait(10)


@pytest.mark.parametrize("end", [stop, kill])
def test_a_server_that_was_restarted_under_a_run_makes_it_fail(own: Settings, end: Any) -> None:
    """It may have forgotten its last writes: the watermark must stay, and the next run loads what is missing."""
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
        assert [found["_id"] for found in database["RFP_runs"].find()] == ["durable"]


def test_a_server_that_stayed_is_trusted(own: Settings) -> None:
    """The same process from the start of the run to its end."""
    assert finish(opened(own, record(post()))).counts["folder"].inserted == 1
