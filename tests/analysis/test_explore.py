"""`notebooks/explore.ipynb`: "Run all" works for the demo and for an empty database."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import papermill

import futurscam_lib
from tests.analysis.documents import document

if TYPE_CHECKING:
    from pymongo.database import Database

    from futurscam_lib.settings import Settings

EXPLORE = Path(futurscam_lib.__file__).parent.parent / "notebooks" / "explore.ipynb"
DEMO = Path(futurscam_lib.__file__).parent / "cli" / "demo_inbox"


def run_all(home: Settings, **parameters: Any) -> dict[str, str]:
    """Execute it; returns the output of each cell as plain text."""
    out = home.home / "explore.ipynb"
    papermill.execute_notebook(EXPLORE, out, parameters=parameters, cwd=home.home, progress_bar=False)
    notebook = nbformat.read(out, as_version=4)
    return {cell.id: "".join(map(_plain, cell.outputs)) for cell in notebook.cells if cell.cell_type == "code"}


def _plain(output: Any) -> str:
    assert output.get("name") != "stderr", output["text"]
    return str(output["text"] if output.output_type == "stream" else output["data"]["text/plain"])


def test_it_runs_on_the_demo(home: Settings) -> None:
    """After a run of the demo's inbox each cell shows its result."""
    shutil.copytree(DEMO, home.inbox)
    program = "from futurscam_lib import open_run\nr = open_run(watermark='2000-01-01', dry_run=False)\n"
    program += "r.extract(); r.transform(); r.load()"
    subprocess.run([sys.executable, "-c", program], check=True, env=dict(os.environ), capture_output=True)

    shown = run_all(home, as_of="2026-11-24T12:00:00Z", days=100_000.0)

    assert "folder" in shown["missions"]
    assert "JP0600" in shown["closing"]
    assert "SQL" in shown["open"]
    assert "Medior" in shown["rates"]
    assert "Example Sourcing SA" in shown["lead"]
    assert "Orbitelle" in shown["posters"]
    assert "Databankbeheerder" in shown["search"]
    assert "ServiceNow" in shown["pairs"]
    assert "French" in shown["languages"]
    assert "rate_max" in shown["own"]


def test_it_runs_on_an_empty_database(home: Settings) -> None:
    """Each cell shows that there is nothing, and none fails."""
    shown = run_all(home)

    silent = {name for name, text in shown.items() if "None." not in text and "nothing to draw" not in text}
    assert silent == {"parameters", "own"}


def test_its_parameters_filter_the_missions(home: Settings, database: Database[dict[str, Any]]) -> None:
    """Filters for source, publication and words apply; a skill counts once per mission."""
    database.RFP.insert_many(
        [
            document("a", reference="JP1", __source="boond"),
            document("b", reference="JP2", roleTitle="Tester", __source="boond", skills=[{"name": "SQL"}] * 3),
            document("c", reference="JP3"),
        ]
    )

    shown = run_all(home, source="boond", words="engineer", as_of="2026-11-24T12:00:00Z")

    assert "folder" not in shown["missions"]
    assert "JP1" in shown["search"]
    assert "JP2" not in shown["search"]
    assert "JP2" in shown["recent"]
    assert "JP3" not in shown["recent"]
    assert shown["skills"] == "Skills asked for by most missions. Python: 1, SQL: 2"
