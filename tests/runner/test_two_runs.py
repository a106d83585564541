"""One run at a time in a home, for every way of starting one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from futurscam_lib.errors import AlreadyRunning
from tests.runner.conftest import GLUE, SUMMARY, WAITS, soon

if TYPE_CHECKING:
    from tests.runner.conftest import Workshop

T0 = datetime(2026, 11, 20, 12, 5, 1, 223_456, tzinfo=UTC)


@pytest.fixture
def patient(workshop: Workshop) -> Workshop:
    """A home whose runs wait for a file `go`."""
    workshop.set_watermark(T0)
    workshop.notebook(WAITS, SUMMARY, GLUE)
    return workshop


def test_of_runs_started_together_one_works(patient: Workshop) -> None:
    """Three at the same moment: two leave with exit code 5 and name the third, which ends well."""
    processes = [patient.start("run", "--json") for _ in range(3)]
    soon(lambda: sum(process.poll() is not None for process in processes) == 2)
    (patient.home / "go").touch()
    worker, *others = sorted(processes, key=lambda process: process.poll() is not None)
    said, _ = worker.communicate(timeout=60)
    output = json.loads(said)
    assert (worker.returncode, output["status"]) == (0, "ok")
    for process in others:
        printed, complaint = process.communicate()
        assert process.returncode == 5
        assert f"Another run is active: run {output['run_id']} (process {worker.pid}), since " in printed + complaint
    assert [entry.event for entry in patient.entries()] == ["start", "end"]
    assert list(patient.notebooks()) == [output["run_id"]]


def test_a_second_run_changes_nothing(patient: Workshop) -> None:
    """Started by the command, or by a program of this project: no file, no document, no entry; the first ends well."""
    first = patient.start("run")
    soon((patient.home / "waits").exists)
    before, documents = patient.files(), patient.database.list_collection_names()

    second = patient.command("run", "--since", "2026-01-01")
    with pytest.raises(AlreadyRunning, match=rf"process {first.pid}\), since"):
        patient.run()

    assert second.returncode == 5
    assert {name: data for name, data in patient.files().items() if not name.startswith("logs/etl_")} == {
        name: data for name, data in before.items() if not name.startswith("logs/etl_")
    }
    assert patient.database.list_collection_names() == documents
    assert f"process {first.pid}" in json.loads(patient.command("status", "--json").stdout)["running"]
    (patient.home / "go").touch()
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert patient.watermark != T0
    assert len(patient.entries("start")) == 1
