"""Scraps: scrapbook and the runner read what a run has glued."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
import scrapbook
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from futurscam_lib.report import scraps

if TYPE_CHECKING:
    from pathlib import Path

DATA = {
    "counts": {"extracted": 3},
    "failures": {},
    "until": None,
    "rate": 1.5,
    "text": "<script>$x$ é",
    "list": [1, True],
}


def glued(*named: tuple[str, Any]) -> nbformat.NotebookNode:
    """Return a notebook in which each value was glued in a separate cell."""
    InteractiveShell.instance()
    notebook = nbformat.v4.new_notebook()
    for name, data in named:
        with capture_output() as captured:
            scraps.glue(name, data)
        outputs = [
            nbformat.v4.new_output("display_data", data=output.data, metadata=output.metadata)
            for output in captured.outputs
        ]
        notebook.cells.append(nbformat.v4.new_code_cell("glue()", outputs=outputs, execution_count=1))
    return notebook


def test_glued_values_can_be_read_by_scrapbook(tmp_path: Path) -> None:
    """The format is scrapbook's: a reviewer needs nothing of this package to read it."""
    notebook = glued(("summary", DATA), ("parameters", {"watermark": ""}))
    nbformat.write(notebook, tmp_path / "a.ipynb")

    found = scrapbook.read_notebook(str(tmp_path / "a.ipynb")).scraps

    assert found["summary"].data == DATA
    assert found["summary"].encoder == "json"
    assert list(found) == ["summary", "parameters"]


def test_glued_values_can_be_read_without_scrapbook() -> None:
    """The runner reads the same from parsed JSON; the last value of a name counts, as in scrapbook."""
    notebook = glued(("summary", {"a": 1}), ("parameters", []), ("summary", DATA))

    assert scraps.read(json.loads(nbformat.writes(notebook))) == {"summary": DATA, "parameters": []}


@pytest.mark.parametrize(
    "cell",
    [
        {"cell_type": "markdown", "source": "# A heading"},
        {"cell_type": "code", "outputs": []},
        {"cell_type": "code", "outputs": [{"output_type": "stream", "text": "x"}]},
        {"cell_type": "code", "outputs": [{"output_type": "display_data", "data": {"text/html": "x"}}]},
        {"cell_type": "code", "outputs": [{"output_type": "error", "ename": "E", "evalue": "", "traceback": []}]},
    ],
)
def test_a_notebook_without_scraps_has_none(cell: dict[str, Any]) -> None:
    """A run that failed early has glued nothing; reading it is no failure."""
    assert scraps.read({"cells": [cell]}) == {}


def test_a_scrap_is_not_shown() -> None:
    """It is data for programs: nothing of it is HTML or text in the executed notebook."""
    (output,) = glued(("summary", DATA)).cells[0].outputs

    assert list(output.data) == [scraps.MEDIA_TYPE]
