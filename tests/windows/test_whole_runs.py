"""Whole runs in a Windows Python: papermill, a kernel, and a MongoDB that this machine runs."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

import nbformat
import pytest

from futurscam_lib import settings
from tests.runner.conftest import GLUE, PARAMETERS, SUMMARY, WAITS
from tests.windows.conftest import as_windows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.settings import Settings
    from tests.windows.conftest import Project, Windows

_DONE: Final = (PARAMETERS, SUMMARY, GLUE)


@pytest.fixture
def installed(project: Project, home: Settings, tmp_path: Path) -> Project:
    """A project with the package itself, whose home is another folder and whose database is empty."""
    for name in ("futurscam_lib", "notebooks"):
        shutil.copytree(settings.PROJECT / name, project.folder / name)
    inbox = tmp_path / "Données" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "été.json").write_text(
        json.dumps({"id": "jp-1", "name": "Développeur", "timeStamp": "2026-11-20"}), "utf-8"
    )
    assert home.mongo_uri  # Where it has told the environment of its server and database.
    project.environment |= {name: os.environ[name] for name in ("MONGO_URI", "FUTURSCAM_DB", "FUTURSCAM_KEYRING")}
    project.environment["FUTURSCAM_HOME"] = as_windows(inbox.parent)
    return project


def _home(project: Project) -> Path:
    return project.folder.parent.parent / "Données"


def _write_notebook(project: Project, *cells: str) -> None:
    """A small notebook that the home runs instead of the project's."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook.cells[0].metadata["tags"] = ["parameters"]
    path = _home(project) / "notebooks" / "etl.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook, path)


def _have_the_notebook_wait(project: Project) -> None:
    """The home runs the project's notebook, which waits for a file `go` first; its pictures are left out."""
    notebook = nbformat.read(settings.PROJECT / "notebooks" / "etl.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id not in {"timeline", "rates", "skills"}]
    at = next(number for number, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(WAITS))
    path = _home(project) / "notebooks" / "etl.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook, path)


def _soon(happened: Callable[[], Any], program: Windows) -> None:
    """Look again until it has happened, or the program has ended without it."""
    while not happened():
        assert program.runs, program.finish()
        time.sleep(0.1)


def test_a_run_and_a_second_one_at_once(installed: Project, database: Database[dict[str, Any]]) -> None:
    """The first loads what is in the inbox and ends with 0; the second says who is running and ends with 5."""
    _have_the_notebook_wait(installed)
    first = installed.start(r'"%ETL%\run_etl.bat" --json')
    _soon((_home(installed) / "waits").exists, first)
    second = installed.call(r'"%ETL%\run_etl.bat"')
    (_home(installed) / "go").touch()
    done = first.finish()

    assert done.code == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "ok"
    assert told["counts"]["inserted"] == 1
    assert [document["job_id"] for document in database.RFP.find()] == ["jp-1"]
    assert len(list((_home(installed) / "runs").glob("*/*.ipynb"))) == 1
    assert (_home(installed) / ".last_execution").exists()
    assert second.code == 5
    assert told["run_id"] in second.stderr


def test_a_run_that_fails(installed: Project) -> None:
    """A cell that raises ends the run with 1, and the watermark stays."""
    _write_notebook(installed, PARAMETERS, 'raise ValueError("été")')

    done = installed.call(r'"%ETL%\run_etl.bat"')

    assert done.code == 1
    assert "été" in done.stderr
    (last,) = (_home(installed) / "runs" / "ledger.jsonl").read_text("utf-8").splitlines()[-1:]
    assert json.loads(last)["facts"]["status"] == "failed"


def test_the_loop_until_it_is_stopped(installed: Project) -> None:
    """It runs until `futurscam stop`, lets an active run finish, and ends with 0."""
    _write_notebook(installed, *_DONE)
    loop = installed.start(r'"%ETL%\run_etl_continuous.bat" 30 --dry-run')
    _soon((_home(installed) / ".futurscam.lock.json").exists, loop)

    stopped = installed.call(r'"%ETL%\.venv\Scripts\python.exe" -X utf8 -m futurscam_lib stop')
    done = loop.finish()

    assert stopped.code == 0, stopped.stderr
    assert "has ended" in stopped.stdout
    assert done.code == 0, done.stdout + done.stderr
    assert "Run #1: ok" in done.stdout
