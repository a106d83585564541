"""The working copies of the notebooks: refreshed unless the analyst changed them, and never used by a scheduled run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from futurscam_lib import settings
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.lab import working_copies
from futurscam_lib.runner.source_notebook import cells_digest

if TYPE_CHECKING:
    from pathlib import Path

    from futurscam_lib.settings import Settings


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    """The settings of a home with its own notebooks, so that a test can change the originals."""
    own = tmp_path / "notebooks"
    own.mkdir()
    for name in ("etl", "review"):
        (own / f"{name}.ipynb").write_bytes((settings.SHIPPED_NOTEBOOKS / f"{name}.ipynb").read_bytes())
    return settings.load({"FUTURSCAM_HOME": str(tmp_path), "FUTURSCAM_KEYRING": "false"})


def edit(path: Path, text: str, *, outputs: bool = False) -> None:
    """Insert a text into the first cell, or an output into the first code cell, in JupyterLab's format."""
    notebook = json.loads(path.read_bytes())
    if outputs:
        cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
        cell |= {"execution_count": 1, "outputs": [{"output_type": "stream", "name": "stdout", "text": text}]}
    else:
        notebook["cells"][0]["source"] = text
    path.write_text(json.dumps(notebook), "utf-8")


def test_a_copy_is_refreshed_unless_its_cells_were_changed(configured: Settings) -> None:
    """Running and saving it is not a change; an edited copy is kept, and a note says how to get the new version."""
    original, copy = (configured.home / folder / "etl.ipynb" for folder in ("notebooks", "lab"))
    assert working_copies.refresh(configured) == []
    assert {path.stem for path in copy.parent.iterdir()} == set(working_copies.NAMES)
    assert cells_digest(copy.read_bytes()) == cells_digest(original.read_bytes())

    edit(copy, "an output", outputs=True)
    edit(original, "# Second version")
    assert working_copies.refresh(configured) == []
    assert cells_digest(copy.read_bytes()) == cells_digest(original.read_bytes())

    edit(copy, "# Mine")
    assert working_copies.refresh(configured) == []  # there is no newer version
    edit(original, "# Third version")
    [note] = working_copies.refresh(configured)
    assert str(copy) in note
    assert "rename or delete your copy, then run `futurscam lab` again" in note
    assert json.loads(copy.read_bytes())["cells"][0]["source"] == "# Mine"

    copy.unlink()
    assert working_copies.refresh(configured) == []
    assert json.loads(copy.read_bytes())["cells"][0]["source"] == "# Third version"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": 1, "metadata": {"futurscam": {"copy_of": "x"}}}'])
def test_a_file_that_is_not_a_copy_is_kept(configured: Settings, text: str) -> None:
    """Whatever its content."""
    copy = configured.home / "lab" / "etl.ipynb"
    copy.parent.mkdir()
    copy.write_text(text, "utf-8")

    assert len(working_copies.refresh(configured)) == 1
    assert copy.read_text("utf-8") == text


def test_a_scheduled_run_uses_no_working_copy(tmp_path: Path) -> None:
    """It uses the shipped notebook, or the home's own notebook in `notebooks`."""
    of_home = settings.load({"FUTURSCAM_HOME": str(tmp_path), "FUTURSCAM_KEYRING": "false"})
    working_copies.refresh(of_home)

    assert of_home.notebook("etl") == settings.SHIPPED_NOTEBOOKS / "etl.ipynb"


def test_a_folder_that_cannot_be_written_is_reported(configured: Settings) -> None:
    """The message names the folder."""
    (configured.home / "lab").write_text("a file", "utf-8")

    with pytest.raises(OperatorMustAct, match=r"could not be written in .*lab"):
        working_copies.refresh(configured)
