"""The wheel: built from this clone, installed into a separate environment, used in an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from futurscam_lib import settings
from futurscam_lib.cli import demo

if TYPE_CHECKING:
    from collections.abc import Sequence

BIN = "Scripts" if sys.platform == "win32" else "bin"


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, without the settings of this process and the variables of `uv run`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FUTURSCAM_", "MONGO_", "UV"))}
    return subprocess.run(
        command, cwd=folder, env=kept, capture_output=True, encoding="utf-8", timeout=200, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this clone; its build tool is already installed, so no registry is needed."""
    folder = tmp_path_factory.mktemp("dist")
    built = run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], settings.PROJECT)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that holds the wheel, and sees the packages of this one."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=True, symlinks=sys.platform != "win32")
    python = environment / BIN / "python"
    done = run([python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel], environment)
    assert done.returncode == 0, done.stderr
    own = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], environment).stdout.strip()
    # What a .pth file names comes after the environment's own packages, and this clone's .pth is not followed.
    (Path(own) / "packages.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return environment / BIN


def test_the_wheel_contains_all_files_of_a_run(wheel: Path) -> None:
    """Notebooks, the demo's inbox, `py.typed` and the licence; no tests and no folders of a home."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    assert {f"futurscam_lib/notebooks/{name}.ipynb" for name in ("etl", "explore", "review")} <= names
    assert "futurscam_lib/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert sum(name.startswith("futurscam_lib/cli/demo_inbox/") for name in names) > 30
    assert {name.split("/")[0].split("-")[0] for name in names} == {"futurscam_lib", "futurscam_etl"}


def test_the_wheel_runs_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    """The demo and a run work; the current folder is the home, and nothing is written where packages are installed."""
    program = installed / "futurscam"
    before = {path for path in installed.parent.rglob("*") if "__pycache__" not in path.parts}

    shown = run([program, "demo"], tmp_path)
    (tmp_path / "inbox").mkdir()
    shutil.copy(demo.INBOX / "jobpost_JobPostModelToSupplierV1_60001.json", tmp_path / "inbox")
    try:
        ran = run([program, "run", "--since", "2020-01-01"], tmp_path)
    finally:
        run([program, "db", "stop"], tmp_path)

    assert shown.returncode == 0, shown.stderr
    assert f"--home {tmp_path / 'demo'} runs open last" in shown.stdout.replace('"', "")
    assert ran.returncode == 0, ran.stderr
    assert str(tmp_path / "runs") in ran.stdout
    assert (tmp_path / ".last_execution").is_file()
    after = {path for path in installed.parent.rglob("*") if "__pycache__" not in path.parts}
    assert after == before


def test_the_version(installed: Path, tmp_path: Path) -> None:
    """`--version` prints the version in pyproject.toml and nothing else."""
    done = run([installed / "futurscam", "--version"], tmp_path)

    assert f'version = "{done.stdout.split()[1]}"' in (settings.PROJECT / "pyproject.toml").read_text("utf-8")
    assert done.stdout.startswith("futurscam ")
