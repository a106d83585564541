"""MongoDB stops: the run fails with exit code 3, the watermark stays, and the next run completes the work."""

from __future__ import annotations

import json
import shutil
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from pymongo import MongoClient

from futurscam_lib import settings as settings_module
from futurscam_lib.load import local_server
from tests.runner.conftest import post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.settings import Settings
    from tests.runner.conftest import Workshop

T0 = datetime(2026, 11, 20, 12, 5, 1, 223_456, tzinfo=UTC)
KILL = "import os, signal\nos.kill({pid}, signal.SIGKILL)"
STOP = """
import psutil, time
server = psutil.Process({pid})
server.terminate()
while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
    time.sleep(0.02)
"""
RESTART = (
    KILL
    + """
from pymongo.errors import PyMongoError
from futurscam_lib import settings
from futurscam_lib.load import local_server
owner = settings.load({{"FUTURSCAM_HOME": {home!r}, "FUTURSCAM_KEYRING": "false"}})
local_server.ensure_running(owner, cache_gb=0.25)
try:
    run._client.admin.command("ping")
except PyMongoError:
    run._client.admin.command("ping")
"""
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Settings]:
    """A MongoDB of its own, which a test may end and start again on the same port."""
    owner = settings_module.load({"FUTURSCAM_HOME": str(tmp_path / "server"), "FUTURSCAM_KEYRING": "false"})
    local_server.ensure_running(owner, cache_gb=0.25)
    try:
        yield owner
    finally:
        local_server.stop(owner)
        shutil.rmtree(owner.home)


@pytest.fixture
def dependent(workshop: Workshop, server: Settings, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A home that loads into it, with little patience and some posts to load."""
    monkeypatch.setenv("MONGO_URI", local_server.ensure_running(server))
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.5")
    workshop.receive("new.jsonl", *(post(f"job-{number}") for number in range(5)), "{broken")
    workshop.set_watermark(T0)
    return workshop


def pid_of(server: Settings) -> int:
    """The process of a local server, which must run."""
    running = local_server.find(server)
    assert running is not None
    return running.pid


def jobs(server: Settings, workshop: Workshop) -> list[str]:
    """What has been loaded."""
    with MongoClient[dict[str, Any]](local_server.ensure_running(server)) as client:
        return sorted(rfp["job_id"] for rfp in client[workshop.database.name].RFP.find())


def check_failed_and_made_good(workshop: Workshop, server: Settings) -> str:
    """Do a run without MongoDB, then one with it; return the output of the first."""
    before = workshop.watermark_file.read_bytes()
    result = workshop.run()
    assert (result.status, result.exit_code) == ("failed", 3)
    assert "Nothing was lost" in result.error or "The watermark stays" in result.error
    assert workshop.watermark_file.read_bytes() == before
    assert (workshop.last.facts["status"], workshop.last.facts["error_name"]) == ("failed", "RetryLater")

    local_server.ensure_running(server, cache_gb=0.25)
    workshop.project_notebook()
    good = workshop.run()

    assert (good.status, good.exit_code) == ("ok", 0)
    assert good.watermark["before"] == result.watermark["before"]
    assert jobs(server, workshop) == [f"job-{number}" for number in range(5)]
    return result.error


@pytest.mark.parametrize(("how", "cell"), [(KILL, "extract"), (STOP, "load"), (KILL, "run")], ids=[1, 2, 3])
def test_mongodb_stops_in_the_middle_of_a_run(dependent: Workshop, server: Settings, how: str, cell: str) -> None:
    """Killed or stopped, before, in the middle or at the end of the work: exit code 3, and the next run is complete."""
    dependent.project_notebook(after={cell: how.format(pid=pid_of(server))})

    check_failed_and_made_good(dependent, server)


def test_mongodb_restarts_in_the_middle_of_a_run(dependent: Workshop, server: Settings) -> None:
    """MongoDB is back before a timeout, and may have lost writes that were not on disk."""
    dependent.project_notebook(after={"transform": RESTART.format(pid=pid_of(server), home=str(server.home))})

    assert "MongoDB was restarted while the run was writing" in check_failed_and_made_good(dependent, server)


def test_mongodb_is_not_there_from_the_start(dependent: Workshop, server: Settings) -> None:
    """The command ends with 3, says which host did not answer and what happens next; `status` says it too."""
    port = local_server.ensure_running(server).split(":")[2].split("/")[0]
    local_server.stop(server)

    done = dependent.command("run")

    assert done.returncode == 3
    assert f"MongoDB did not answer (127.0.0.1:{port}: " in done.stderr
    assert ".last_execution stays where it is, the next run reads the same window again." in done.stderr
    assert "Traceback" not in done.stderr
    assert dependent.watermark == T0
    assert (dependent.last.event, dependent.last.facts["exit_code"]) == ("end", 3)
    status = json.loads(dependent.command("status", "--json").stdout)
    assert (status["mongodb"], status["mongodb_answers"], status["documents"]) == ("does not answer", False, None)
    assert f"127.0.0.1:{port}" in "".join(status["problems"])
    assert [run["status"] for run in status["runs"]] == ["failed"]


def test_the_local_server_stops_in_the_middle_of_a_run(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MONGO_URI the home's own server is used: the next run starts it again and completes."""
    monkeypatch.delenv("MONGO_URI")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.5")
    own = workshop.settings
    workshop.receive("new.jsonl", *(post(f"job-{number}") for number in range(5)), "{broken")
    workshop.set_watermark(T0)
    state = "import json\npid = json.load(open('mongodb/server.json'))['pid']"
    try:
        workshop.project_notebook(after={"extract": f"{state}\nimport os\nos.kill(pid, {int(signal.SIGKILL)})"})
        result = workshop.run()
        assert (result.status, result.exit_code) == ("failed", 3)
        assert workshop.watermark == T0
        assert local_server.find(own) is None
        stopped = json.loads(workshop.command("status", "--json").stdout)
        assert "local server, stopped" in stopped["mongodb"]
        assert local_server.find(own) is None, "asking for the status starts nothing"

        workshop.project_notebook()
        assert workshop.run().exit_code == 0

        assert psutil.pid_exists(pid_of(own))
        assert jobs(own, workshop) == [f"job-{number}" for number in range(5)]
        assert json.loads(workshop.command("status", "--json").stdout)["documents"] == 5
    finally:
        local_server.stop(own)
        shutil.rmtree(own.local_server_folder)
