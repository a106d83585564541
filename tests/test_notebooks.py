"""The notebooks: their form, and what executing them by hand does and does not do."""

from __future__ import annotations

import ast
import json
import shutil
import tokenize
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import papermill
import pytest
import scrapbook

import futurscam_lib
from futurscam_lib.records import COUNTED
from futurscam_lib.report import scraps

if TYPE_CHECKING:
    from pymongo.database import Database

    from futurscam_lib.settings import Settings

PROJECT = Path(futurscam_lib.__file__).parent.parent
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
ETL = PROJECT / "notebooks" / "etl.ipynb"
DEMO = Path(futurscam_lib.__file__).parent / "cli" / "demo_inbox"
POST = "jobpost_JobPostModelToSupplierV1_60001.json"
BROKEN = "jobpost_JobPostModelToSupplierV1_60098.json"
NOTHING = dict.fromkeys(COUNTED, 0)
EARLY = "2026-01-01T00:00:00+00:00"

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path: Path) -> list[Any]:
    """The cells of a committed notebook."""
    cells: list[Any] = nbformat.read(path, as_version=4).cells
    return cells


def code_of(path: Path) -> list[Any]:
    """Its code cells."""
    return [cell for cell in cells_of(path) if cell.cell_type == "code"]


@each_notebook
def test_a_committed_notebook_has_no_outputs(path: Path) -> None:
    """No outputs, no execution counts, nothing of the machine it was written on; valid, with stable cell ids."""
    notebook = json.loads(path.read_bytes())

    nbformat.validate(notebook)
    assert {
        cell["outputs"] == [] and cell["execution_count"] is None for cell in notebook["cells"] if "outputs" in cell
    } == {True}
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert all(set(cell["metadata"]) <= {"tags"} for cell in notebook["cells"])
    assert all(cell["id"].replace("-", "").isalnum() for cell in notebook["cells"])
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


@each_notebook
def test_the_parameters_come_first_and_explain_themselves(path: Path) -> None:
    """Each is a literal with its type and a comment, which papermill shows and the runner checks against."""
    first, *others = code_of(path)

    assert first.metadata.get("tags") == ["parameters"]
    assert not any("parameters" in cell.metadata.get("tags", []) for cell in others)
    for statement in ast.parse(first.source).body:
        assert isinstance(statement, ast.AnnAssign)
        assert isinstance(statement.target, ast.Name)
        assert statement.value is not None
        value = ast.literal_eval(statement.value)
        assert type(value).__name__ == ast.unparse(statement.annotation)
    tokens = tokenize.generate_tokens(StringIO(first.source).readline)
    commented = {token.start[0] for token in tokens if token.type == tokenize.COMMENT and len(token.string) > 10}
    assert commented == set(range(1, len(first.source.splitlines()) + 1))


@each_notebook
def test_a_notebook_reads_as_a_story(path: Path) -> None:
    """Before each code cell there is a heading with a sentence on the question that the cell answers."""
    cells = cells_of(path)

    assert cells[0].cell_type == "markdown"
    for before, cell in pairwise(cells):
        if cell.cell_type == "code":
            heading, _, text = before.source.partition("\n\n")
            assert before.cell_type == "markdown"
            assert heading.startswith("#")
            assert text.rstrip().endswith((".", "?", "`"))


@each_notebook
def test_a_cell_is_one_idea(path: Path) -> None:
    """Ten lines of code at most, and no logic: the library does the work, where it is tested."""
    logic = (
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Lambda,
        ast.Try,
        ast.For,
        ast.While,
        ast.With,
        ast.If,
    )

    for cell in code_of(path):
        assert len([line for line in cell.source.splitlines() if line.strip()]) <= 10
        assert not cell.source.endswith("\n")
        found = [type(node).__name__ for node in ast.walk(ast.parse(cell.source)) if isinstance(node, logic)]
        assert found == []


def execute(home: Settings, name: str, **parameters: Any) -> nbformat.NotebookNode:
    """`papermill notebooks/etl.ipynb NAME.ipynb -p ...`, as an analyst does it."""
    out = home.home / f"{name}.ipynb"
    papermill.execute_notebook(ETL, out, parameters=parameters, cwd=home.home, progress_bar=False)
    return nbformat.read(out, as_version=4)


def text_of(notebook: nbformat.NotebookNode, cell_id: str) -> str:
    """What a cell shows, as plain text."""
    (cell,) = (cell for cell in notebook.cells if cell.id == cell_id)
    return "".join(output["data"]["text/plain"] for output in cell.outputs if "data" in output)


def glued(home: Settings, name: str) -> Any:
    """The summary of an executed notebook, as a reviewer reads it."""
    return scrapbook.read_notebook(str(home.home / f"{name}.ipynb")).scraps["summary"].data


def test_opening_and_running_it_changes_nothing(home: Settings, database: Database[dict[str, Any]]) -> None:
    """By default it is a dry run: it counts what it would do, and MongoDB and the home are unchanged."""
    home.inbox.mkdir()
    for name in (POST, BROKEN):
        shutil.copyfile(DEMO / name, home.inbox / name)
    before = {path: path.read_bytes() for path in home.home.rglob("*") if path.is_file()}

    notebook = execute(home, "out")

    summary = glued(home, "out")
    assert summary["dry_run"] is True
    assert summary["run_id"].startswith("interactive-")
    assert summary["counts"] == {
        "extracted": 2,
        "inserted": 1,
        "updated": 0,
        "unchanged": 0,
        "stale": 0,
        "rejected": 1,
        "dropped": 0,
    }
    assert "Dry run" in text_of(notebook, "load")
    assert {name: database[name].count_documents({}) for name in database.list_collection_names()} == {}
    after = {path: path.read_bytes() for path in home.home.rglob("*") if path.is_file() and path.name != "out.ipynb"}
    assert after == before
    assert not home.watermark_file.exists()


def test_a_run_by_hand_loads_under_its_own_name(home: Settings, database: Database[dict[str, Any]]) -> None:
    """Its id always begins with `interactive`; it never moves the watermark; an update shows what changed."""
    home.inbox.mkdir()
    for name in (POST, BROKEN):
        shutil.copyfile(DEMO / name, home.inbox / name)
    home.watermark_file.write_text(f"{EARLY}\n")

    notebook = execute(home, "first", dry_run=False, watermark=EARLY, run_id="20261123T132501Z-3f9a1c")

    summary = glued(home, "first")
    assert summary["run_id"] == "interactive-20261123T132501Z-3f9a1c"
    assert summary["counts"] == {
        "extracted": 2,
        "inserted": 1,
        "updated": 0,
        "unchanged": 0,
        "stale": 0,
        "rejected": 1,
        "dropped": 0,
    }
    assert summary["counts"] == scraps.read(notebook)["summary"]["counts"]
    (document,) = database.RFP.find()
    assert document["_etl"]["run_id"] == document["_etl"]["first_run_id"] == summary["run_id"]
    assert database.RFP_rejects.count_documents({"state": "open", "run_id": summary["run_id"]}) == 1
    assert "JP060001" in text_of(notebook, "inserted")

    post = json.loads((DEMO / POST).read_bytes())
    post["timeStamp"], post["name"] = "2026-11-10T08:00:00.0000001Z", "Principal Data Engineer"
    post["budgetInfo"]["maxDailyRate"] = 900
    (home.inbox / "newer.json").write_text(json.dumps(post))

    notebook = execute(home, "second", dry_run=False)

    summary = glued(home, "second")
    assert summary["counts"] == {
        "extracted": 3,
        "inserted": 0,
        "updated": 1,
        "unchanged": 2,
        "stale": 0,
        "rejected": 0,
        "dropped": 0,
    }
    assert summary["watermark"].startswith("2026-01-01T00:00:00")
    (document,) = database.RFP.find()
    assert document["roleTitle"] == "Principal Data Engineer"
    assert document["_etl"]["run_id"] == summary["run_id"] != document["_etl"]["first_run_id"]
    updated = text_of(notebook, "updated")
    assert updated.split("\n")[1].split() == ["reference", "title", "field", "from", "to"]
    assert "Senior Data Engineer Klinisch Dataplatform" in updated
    assert any(line.split()[-3:] == ["conditions.dailyRate.max", "860", "900"] for line in updated.split("\n"))
    assert home.watermark_file.read_text() == f"{EARLY}\n"
    assert not home.ledger_file.exists()
