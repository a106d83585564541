"""Reading executed notebooks in any state."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
import scrapbook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from futurscam_lib import clock
from futurscam_lib.audit import executed
from futurscam_lib.audit.history import History
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.report.scraps import MEDIA_TYPE
from tests.made_runs import executed as made_notebook

if TYPE_CHECKING:
    from futurscam_lib.audit.executed import Executed
    from tests.made_runs import MadeRuns

NAMELESS = {
    "cells": [{"cell_type": "code", "source": "", "outputs": [{"data": {MEDIA_TYPE: {"name": "summary"}}}]}],
}
T0 = clock.parse("2026-11-02T08:00:00Z")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
outputs = st.fixed_dictionaries(
    {},
    optional={
        "output_type": st.sampled_from(["error", "stream"]) | json_values,
        "data": st.dictionaries(st.just(MEDIA_TYPE), json_values) | json_values,
        **dict.fromkeys(("ename", "evalue", "traceback"), json_values),
    },
)
cells = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown"]), "source": st.just("# x") | st.lists(json_values, max_size=2)},
    optional={"outputs": st.lists(outputs | json_values, max_size=2), "metadata": json_values, "id": json_values},
)
notebooks = st.fixed_dictionaries({"cells": st.lists(cells | json_values, min_size=1, max_size=3)}) | json_values


def of(made: MadeRuns, name: str = "last") -> Executed:
    """Read the notebook of a run."""
    history = History.of(made.settings)
    return executed.read(history.find(name), history)


def test_the_notebook_that_the_run_left(made: MadeRuns) -> None:
    """It verifies, its scraps are read, and no cell failed."""
    made.add(T0, scraps={"new": {"total": 2, "listed": [{"job_id": "a"}, "no object"]}})

    left = of(made)

    assert left.genuine is True
    assert left.failed is None
    assert left.listed("new") == (2, [{"job_id": "a"}])
    assert left.listed("changes") is None
    assert left.scraps["summary"]["run_id"] == made.made[-1]
    assert left.path == made.path(made.made[-1])


def test_scrapbook_reads_the_runs_of_all_months(made: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """`scrapbook.read_notebooks("runs")` in the folder of a home; what Jupyter and active runs leave is not in it."""
    names = [made.add(T0), made.add(T0 + timedelta(days=30), status="failed"), made.add(T0 + timedelta(days=31))]
    checkpoints = made.path(names[0]).parent / ".ipynb_checkpoints"
    checkpoints.mkdir()
    shutil.copy(made.path(names[0]), checkpoints)
    made.path(names[0]).with_name("active.ipynb.part").write_bytes(b"{")
    monkeypatch.chdir(made.settings.home)

    notebooks = scrapbook.read_notebooks("runs")

    assert sorted(notebooks) == sorted(names)
    assert all(notebooks[name].scraps["summary"].data["run_id"] == name for name in names)
    assert [*scrapbook.read_notebooks(str(made.path(names[0]).parent))] == names[:1]


def test_a_scrap_that_scrapbook_refuses(made: MadeRuns) -> None:
    """A changed notebook is shown without its scraps; a scrap with an encoded table is not decoded."""
    path = made.path(made.add(T0))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"version": 1', b'"version": "x"').replace(b'"version":1', b'"version":"x"'))
    assert (of(made).scraps, "Its scraps cannot be read." in of(made).state) == ({}, True)

    path.write_bytes(whole.replace(b'"encoder": "json"', b'"encoder": "pandas"'))
    assert (of(made).scraps, "Its scraps" in of(made).state) == ({}, False)


def test_one_letter_changed(made: MadeRuns) -> None:
    """An edited notebook is still read, and reported as changed."""
    path = made.path(made.add(T0))
    path.write_bytes(path.read_bytes().replace(b"5 rows", b"6 rows"))

    left = of(made)

    assert left.genuine is False
    assert left.notebook is not None
    assert "not what the run left" in left.state


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "torn"),
        (lambda path: path.write_text("[]", "utf-8"), "not a notebook"),
        (lambda path: path.write_text(json.dumps(NAMELESS), "utf-8"), "not a notebook"),
        (lambda path: (path.unlink(), path.mkdir()), "could not be read"),
    ],
)
def test_a_broken_notebook_is_reported(made: MadeRuns, spoil: Any, words: str) -> None:
    """Missing, torn, something else, unreadable: a sentence each, no exception."""
    spoil(made.path(made.add(T0)))

    left = of(made)

    assert words in left.state
    assert left.notebook is None
    assert not left.genuine


def test_a_notebook_that_is_rightly_absent(made: MadeRuns) -> None:
    """A pruned notebook, or one that never existed, is not a problem."""
    old = made.add(T0)
    name = made.path(old).relative_to(made.settings.runs).as_posix()
    Ledger(made.settings.ledger_file).append("pruned", at=T0, run_id="", facts={"notebooks": {name: "0" * 64}})
    made.path(old).unlink()
    none = made.add(T0 + timedelta(hours=1), status="failed", notebook=b"")

    assert (of(made, old).genuine, of(made, none).genuine) == (None, None)
    assert "because of its age" in of(made, old).state
    assert "left no notebook" in of(made, none).state


def test_the_notebook_of_a_killed_run_is_proven_since_its_detection(made: MadeRuns) -> None:
    """Changes before the next run are not detected, changes after it are."""
    path = made.path(made.add(T0, status="crashed"))

    left = of(made)
    assert (left.genuine, left.path) == (None, path)
    assert "It is what the next run found at 2026-11-02 09:00:00" in left.state
    assert "between the crash and then" in left.state

    path.write_bytes(path.read_bytes().replace(b"RetryLater", b"Nothing"))
    assert of(made).genuine is False


@pytest.mark.parametrize("status", ["unfinished", "failed"])
def test_without_a_file_no_path_is_shown(made: MadeRuns, status: str) -> None:
    """As after a run that was killed before its notebook was saved once."""
    made.add(T0, status=status, notebook=b"")

    assert (of(made).path, of(made).state) == (None, "The run left no notebook.")


def test_a_path_outside_of_the_runs_is_not_followed(made: MadeRuns) -> None:
    """A path in the ledger cannot make the program read another file of the machine."""
    facts = {"notebook": "../../.env", "parameters": {}}
    Ledger(made.settings.ledger_file).append("start", at=T0, run_id="x", facts=facts)

    assert "../../.env" in of(made, "x").state
    assert of(made, "x").path is None


def test_a_run_that_has_no_end_yet(made: MadeRuns) -> None:
    """What was saved until now is read, from the file that it grows in."""
    path = made.path(made.add(T0, status="unfinished"))
    part = path.rename(path.with_name(f"{path.name}.part"))

    left = of(made)

    assert left.path == part
    assert left.notebook is not None
    assert "no end yet" in left.state


def test_the_failed_cell(made: MadeRuns) -> None:
    """Its heading is the notebook's, not the runner's; control characters are escaped."""
    notebook = nbformat.reads(made_notebook("failed", {}).decode(), as_version=4)
    marker = nbformat.v4.new_markdown_cell("# Failed here")
    marker.metadata["tags"] = ["papermill-error-cell-tag"]
    work = next(index for index, cell in enumerate(notebook.cells) if cell.id == "work")
    story = nbformat.v4.new_markdown_cell("words\n## Load\n\nWhat became of them?")
    notebook.cells[work:work] = [story, marker]
    notebook.cells[work + 2].source = "run.load()\nx"
    (error,) = notebook.cells[work + 2].outputs
    error.evalue, error.traceback = "\x1b[31mno disk\x1b[0m\x07", ["\x1b[1mTraceback", "RetryLater: no disk"]
    made.add(T0, status="failed", notebook=json.dumps(notebook).encode())

    failed = of(made).failed

    assert failed is not None
    assert (failed.heading, failed.cell_id) == ("Load", "work")
    assert failed.source == "run.load()\nx"
    assert (failed.error_name, failed.error) == ("RetryLater", "no disk\ufffd")
    assert failed.traceback == "Traceback\nRetryLater: no disk"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=notebooks)
def test_any_json_in_place_of_a_notebook(made: MadeRuns, content: Any) -> None:
    """It is read, or reported as not being a notebook."""
    if not made.made:
        made.add(T0)
    made.path(made.made[0]).write_text(json.dumps(content), "utf-8")

    left = of(made)

    assert left.genuine is False
    if left.notebook is not None:
        executed.code_cells(left.notebook)
        json.dumps(left.as_dict())
