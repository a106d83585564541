"""The notebooks in other tools: a script, a page, and text for reviews."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import jupytext
import nbformat
import pytest
from nbconvert import HTMLExporter, PythonExporter

from futurscam_lib.settings import SHIPPED_NOTEBOOKS

if TYPE_CHECKING:
    from pathlib import Path

each_notebook = pytest.mark.parametrize(
    "path", sorted(SHIPPED_NOTEBOOKS.glob("*.ipynb")), ids=lambda path: str(path.stem)
)


@each_notebook
def test_nbconvert_makes_a_script_and_a_page(path: Path) -> None:
    """`jupyter nbconvert --to script` gives valid Python with all code; `--to html` shows every heading."""
    notebook = nbformat.read(path, as_version=4)

    script, resources = PythonExporter().from_filename(str(path))
    page, _ = HTMLExporter().from_filename(str(path))

    assert resources["output_extension"] == ".py"
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert ast.dump(ast.parse(script)) == ast.dump(ast.parse("\n".join(code)))
    headings = [cell.source.splitlines()[0].lstrip("# ") for cell in notebook.cells if cell.cell_type == "markdown"]
    assert [heading for heading in headings if heading not in page] == []


@each_notebook
def test_jupytext_round_trip_keeps_the_cells(path: Path) -> None:
    """Kinds, sources and tags survive `py:percent`, so that papermill still finds the parameters."""
    notebook = nbformat.read(path, as_version=4)

    text = jupytext.writes(notebook, fmt="py:percent")
    back = jupytext.reads(text, fmt="py:percent")

    ast.parse(text)
    kept = [(cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in back.cells]
    assert kept == [(cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in notebook.cells]
