"""Python, its packages, kernels and clocks: no problem here, and a result for each thing that can be wrong."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from futurscam_lib.diagnostics import kernels, machine
from futurscam_lib.settings import PROJECT
from tests.diagnostics.conftest import named, results_of

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

T0 = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)


def test_this_machine_is_sound(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine of these tests has no problem."""
    monkeypatch.setenv("JUPYTER_PATH", "")
    results = [*results_of(machine.CHECKS, home), *results_of(kernels.CHECKS, home)]

    assert {item.name for item in results} == {
        *("Python", "environment", "packages", "time zones"),
        *("kernel", "JupyterLab"),
    }
    assert (
        named(results, "packages").state == named(results, "kernel").state == named(results, "time zones").state == "ok"
    )


@pytest.mark.parametrize(("version", "bits"), [((3, 10, 4), 64), ((3, 14, 0), 64), ((3, 12, 1), 32)])
def test_an_unsupported_python(version: tuple[int, ...], bits: int) -> None:
    """Too old, too new or 32 bit: the remedy installs another with uv."""
    result = machine.python(version, bits=bits)

    assert result.state == "problem"
    assert "uv sync --python 3.13" in result.remedy
    assert machine.python((3, 12, 1), bits=64).state == "ok"


def test_environments(tmp_path: Path) -> None:
    """The project's own is ok; no environment or another project's is a warning."""
    own, other = tmp_path / ".venv", tmp_path / "other"
    own.mkdir()
    other.mkdir()

    assert machine.environment(own, Path("/usr"), project=tmp_path).state == "ok"
    assert machine.environment(Path("/usr"), Path("/usr"), project=tmp_path).state == "warning"
    assert "futurscam doctor" in machine.environment(other, Path("/usr"), project=tmp_path).remedy
    assert machine.environment(other, Path("/usr"), project=tmp_path / "installed").state == "ok"


def test_missing_and_unsuitable_packages() -> None:
    """Both are named with the required version; requirements for another Python are ignored."""
    wanted = [
        "orjson",
        "pandas>=999",
        "no-such-thing-anywhere",
        'absent-too ; python_version < "3"',
        "x ; extra == 'y'",
    ]

    result = machine.packages(wanted)

    assert result.state == "problem"
    assert "no-such-thing-anywhere is missing" in result.what
    assert "pandas is " in result.what
    assert "needed is >=999" in result.what
    assert "orjson" not in result.what
    assert "absent-too" not in result.what
    assert result.remedy == "Run: python -m uv sync"


def test_requirements_are_read_from_the_project_or_its_installation(tmp_path: Path) -> None:
    """The project's own file comes first: after a `git pull` it is newer than what was installed."""
    assert any(text.startswith("pymongo") for text in machine.required(PROJECT))
    assert any(text.startswith("pymongo") for text in machine.required(tmp_path))
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["pulled>=2"]\n')
    assert machine.required(tmp_path) == ["pulled>=2"]


def test_time_zones() -> None:
    """An unknown zone, and one without summer time."""
    assert machine.time_zones().state == "ok"
    assert machine.time_zones("Europe/Nowhere").state == "problem"
    assert "tzdata" in machine.time_zones("Etc/UTC").remedy


def test_a_decoy_kernelspec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab would use it, which is a warning; a run does not."""
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    (spec / "kernel.json").write_text(json.dumps({"argv": ["/elsewhere/bin/python", "-m", "x"], "display_name": "x"}))

    result = kernels.of_jupyter(sys.executable)
    assert result.state == "warning"
    assert "/elsewhere/bin/python" in result.what
    assert str(spec) in result.what
    assert "jupyter kernelspec remove python3" in result.remedy
    assert kernels.of_runs(sys.executable).state == "ok"

    (spec / "kernel.json").write_text(json.dumps({"argv": ["python", "-m", "x"], "display_name": "x"}))
    assert kernels.of_jupyter(sys.executable).state == "ok"


def test_a_kernel_that_is_another_python() -> None:
    """Detected both with and without starting it."""
    for check in (kernels.of_runs, kernels.started):
        assert check(sys.executable).state == "ok"
        result = check("/elsewhere/bin/python")
        assert result.state == "problem"
        assert sys.executable in result.what


def test_the_clock_difference() -> None:
    """Only the certain part counts: an answer takes time, and a date has whole seconds."""
    second, asked_at, answered = timedelta(seconds=1), T0 + timedelta(seconds=0.7), T0 + timedelta(seconds=2)

    def ahead(seconds: float) -> float:
        theirs = T0 + timedelta(seconds=seconds)
        return machine.clock_difference(theirs, asked=asked_at, answered=answered, step=second).total_seconds()

    assert (ahead(0), ahead(1), ahead(2)) == (0, 0, 0)
    assert ahead(5) == 3
    assert ahead(-4) == pytest.approx(-3.7)


@pytest.mark.parametrize(
    ("seconds", "overlap", "state"),
    [(4, 10, "ok"), (-4, 0, "ok"), (6, 10, "warning"), (-299, 10, "warning"), (300, 10, "problem"), (6, 0, "problem")],
)
def test_when_a_clock_difference_is_a_problem(seconds: int, overlap: int, state: str) -> None:
    """From half an overlap it is a problem, from 5 seconds a warning."""
    result = machine.clock_result("X", timedelta(seconds=seconds), overlap=timedelta(minutes=overlap))

    assert result.state == state
    if state != "ok":
        assert ("behind" if seconds < 0 else "ahead of") in result.what
        assert "Set this machine's clock: " in result.remedy
