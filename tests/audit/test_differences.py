"""The differences between two runs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from futurscam_lib.audit import executed
from futurscam_lib.audit.differences import CellDifference, Difference, between, notebook_diff
from futurscam_lib.audit.history import History
from futurscam_lib.cli import run_text
from tests.made_runs import PACKAGES, counts
from tests.made_runs import executed as made_notebook

if TYPE_CHECKING:
    from futurscam_lib.audit.differences import Differences
    from tests.made_runs import MadeRuns

T0 = clock.parse("2026-11-02T08:00:00Z")
HOUR = timedelta(hours=1)
SAME = {"watermark": "2026-11-01T00:00:00+00:00", "until": "2026-11-02T00:00:00+00:00"}
SCHEMA: dict[str, Any] = {"fields": {"job_id": "text", "company.city": "text"}, "transform_versions": {"folder": 3}}


def compared(made: MadeRuns, *names: str) -> Differences:
    """Compare two runs, by name; the last two when none are given."""
    history = History.of(made.settings)
    first, second = (history.find(name) for name in names or made.made[-2:])
    return between(first, second, left=(executed.read(first, history), executed.read(second, history)))


def facts_of(differences: Differences) -> set[tuple[str, str, Any, Any]]:
    """Return the facts, without order."""
    return {(one.part, one.name, one.first, one.second) for one in differences.facts}


def test_equal_runs_do_not_differ(made: MadeRuns) -> None:
    """Two runs that differ in nothing but name, hour, length and the text of an output do not differ."""
    for hour in (0, 1):
        notebook = made_notebook("ok", {"summary": {}, "schema": SCHEMA}, text=f"{hour} o'clock")
        made.add(T0 + hour * HOUR, seconds=hour + 1, parameters=SAME, notebook=notebook)

    differences = compared(made)

    assert not differences.any
    assert differences.notes == []
    assert differences.as_dict()["differ"] is False


def test_requests_and_results_are_compared(made: MadeRuns) -> None:
    """Parameters, status, counts per source and closed missions, each with both sides; 0 was counted."""
    one = {"folder": counts(inserted=2, rejected=1), "boond": counts()}
    failures = {"boond": {"error": "RetryLater", "message": "no answer"}}
    made.add(T0, parameters=SAME, sources=one, closed=2, reopened=3)
    made.add(
        T0 + HOUR,
        status="failed",
        parameters={**SAME, "dry_run": True},
        sources={"folder": counts(inserted=2), "boond": counts(stale=4)},
        error_name="SourceFailed",
        error="at 12:00",
        failures=failures,
    )

    assert facts_of(compared(made)) == {
        ("parameters", "dry_run", False, True),
        ("status", "status", "ok", "failed"),
        ("status", "error", None, "SourceFailed"),
        ("status", "failure of boond", None, "RetryLater"),
        ("counts", "folder: extracted", 3, 2),
        ("counts", "folder: rejected", 1, 0),
        ("counts", "boond: extracted", 0, 4),
        ("counts", "boond: stale", 0, 4),
        ("counts", "closed", 2, 0),
        ("counts", "reopened", 3, 0),
    }


def test_a_run_without_counts(made: MadeRuns) -> None:
    """A missing count is shown differently from 0, but does not count as a difference from 0."""
    made.add(T0, parameters=SAME, sources={"folder": counts(inserted=2), "boond": counts()}, closed=1)
    made.add(T0 + HOUR, parameters=SAME, sources={"folder": counts(inserted=2)}, closed=1)
    made.add(T0 + 2 * HOUR, parameters=SAME, status="crashed")

    assert facts_of(compared(made, made.made[0], made.made[1])) == set()
    differences = compared(made, made.made[0], made.made[2])
    assert {fact for fact in facts_of(differences) if fact[0] == "counts"} == {
        ("counts", "folder: extracted", 2, None),
        ("counts", "folder: inserted", 2, None),
        ("counts", "closed", 1, None),
    }
    shown = run_text.differences_text(differences).splitlines()
    assert next(line.split()[-2:] for line in shown if "folder: inserted" in line) == ["2", "-"]


def test_a_schema_with_other_types(made: MadeRuns) -> None:
    """A scrap that somebody's notebook made may hold lists and objects where kinds of fields belong."""
    for hour, kind in enumerate((["text"], {"a": 0})):
        made.add(T0 + hour * HOUR, parameters=SAME, scraps={"schema": {"fields": {"x": kind, "y": hour}}})

    differences = compared(made)

    assert facts_as_text(differences) == {("x", "['text']", "{'a': 0}"), ("y", "0", "1")}
    line = next(line for line in run_text.differences_text(differences).splitlines() if " y " in f" {line} ")
    assert line.split()[-2:] == ["0", "1"]


def facts_as_text(differences: Differences) -> set[tuple[str, str, str]]:
    """The facts, of which some have no hash."""
    return {(one.name, str(one.first), str(one.second)) for one in differences.facts}


def test_software_is_compared(made: MadeRuns) -> None:
    """Schema, versions of the mapping, commit, packages: the changed, the new and the gone."""
    packages = {**PACKAGES, "pymongo": "4.21.0", "nh3": "0.3"}
    del packages["papermill"]
    fields = {"job_id": "text", "company.city": "text or null", "x": "date"}
    newer = {"fields": fields, "transform_versions": {"folder": 4}}
    made.add(T0, parameters=SAME, scraps={"schema": SCHEMA}, git_commit="a")
    made.add(T0 + HOUR, parameters=SAME, scraps={"schema": newer}, git_commit="b", packages=packages)

    assert facts_of(compared(made)) == {
        ("schema", "company.city", "text", "text or null"),
        ("schema", "x", None, "date"),
        ("schema", "transform version of folder", 3, 4),
        ("code", "git commit", "a", "b"),
        ("software", "papermill", "2.7.0", None),
        ("software", "pymongo", "4.20.0", "4.21.0"),
        ("software", "nh3", None, "0.3"),
    }


def test_the_cells(made: MadeRuns) -> None:
    """Code cells are matched by id: changed, added, removed, as a unified diff; papermill's own cell is ignored."""
    first = json.loads(made_notebook("ok", {"schema": SCHEMA}, code="a\nb\nc"))
    second = json.loads(made_notebook("ok", {"schema": SCHEMA}, code="a\nB\nc"))
    for number, notebook in enumerate((first, second)):
        injected = {"cell_type": "code", "id": f"x{number}", "source": f"run_id = {number}", "outputs": []}
        injected |= {"metadata": {"tags": ["injected-parameters"]}, "execution_count": None}
        own = {**injected, "id": f"only-{number}", "metadata": {}}
        notebook["cells"] += [injected, own]
    for number, notebook in enumerate((first, second)):
        made.add(T0 + number * HOUR, parameters=SAME, notebook=json.dumps(notebook).encode())

    differences = compared(made)

    assert differences.facts == []
    assert differences.cells == [
        CellDifference("work", "changed", ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"]),
        CellDifference("only-0", "removed", ["@@ -1 +0,0 @@", "-run_id = 0"]),
        CellDifference("only-1", "added", ["@@ -0,0 +1 @@", "+run_id = 1"]),
    ]


def test_cells_in_another_order(made: MadeRuns) -> None:
    """The same cells in another order are other code."""
    notebook = json.loads(made_notebook("ok", {"schema": SCHEMA}))
    made.add(T0, parameters=SAME, notebook=json.dumps(notebook).encode())
    notebook["cells"].reverse()
    made.add(T0 + HOUR, parameters=SAME, notebook=json.dumps(notebook).encode())

    assert compared(made).facts == [Difference("code", "order of cells", "work, glue", "glue, work")]


def test_what_could_not_be_compared_is_reported(made: MadeRuns) -> None:
    """A notebook that is gone, an older one without a schema, one that was edited, a run that crashed, dirty code."""
    gone = made.add(T0, parameters=SAME, git_commit="a-dirty")
    edited = made.add(T0 + HOUR, status="crashed", parameters=SAME, git_commit="a-dirty")
    made.path(gone).unlink()
    made.path(edited).write_bytes(made.path(edited).read_bytes() + b" ")

    notes = "\n".join(compared(made).notes)

    assert f"The notebook of {gone} could not be compared. It is missing" in notes
    assert f"The run {edited} recorded no schema" in notes
    assert "It is not what the run left" in notes
    assert f"The run {edited} recorded no counts: it is crashed." in notes
    assert "uncommitted changes" in notes


def test_notebooks_line_by_line() -> None:
    """Differences of outputs are shown by cell; ids, times and execution counts are left out, escapes are gone."""
    pair = []
    for number, text in enumerate(("5 rows\nsame\nmore", "6 rows\x1b[2J\nsame\nmore")):
        notebook = json.loads(made_notebook("ok", {"schema": number}, text=text))
        notebook["metadata"]["papermill"] = {"duration": number}
        notebook["cells"][0]["source"] = f"ok in {number} s"
        notebook["cells"][1]["id"] = f"title-{number}"
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["execution_count"] = number
                cell["metadata"]["papermill"] = {"start_time": number}
        pair.append(notebook)

    diff = notebook_diff(*pair, colours=False)

    assert [line for line in diff.splitlines() if line.startswith(("Cell", "+", "-"))] == [
        "Cell work:",
        "-  5 rows",
        "+  6 rows",
    ]
    assert "\x1b" not in diff
    assert "\x1b" in notebook_diff(*pair, colours=True)
    assert notebook_diff(pair[0], pair[0], colours=True) == ""


def test_pieces_of_text_are_one_text() -> None:
    """A notebook keeps texts as lists of lines on disk; an output is compared whole, its HTML not a second time."""
    pair = []
    for text in ("a", "b"):
        notebook = json.loads(made_notebook("ok", {}))
        work = next(cell for cell in notebook["cells"] if cell["id"] == "work")
        work["source"] = ["x\n", "y"]
        work["outputs"][0]["data"] = {"text/plain": ["1\n", f"{text}\n", "2"], "text/html": [f"<p>{text}</p>"]}
        work["outputs"].append({"output_type": "error", "ename": "E", "evalue": text, "traceback": ["t", text]})
        work["outputs"].append({"output_type": "execute_result", "execution_count": 7, "metadata": {}})
        work["outputs"][-1]["data"] = {"text/plain": [text * 90, "\n", text]}
        pair.append(notebook)

    diff = notebook_diff(*pair, colours=False)

    assert "-  a" in diff
    assert "<p>" not in diff
    assert "evalue: b" in diff
    assert "execution_count" not in diff


def test_an_invalid_notebook_is_not_compared() -> None:
    """A file that only looks like a notebook is refused with the reason, without a traceback."""
    good = json.loads(made_notebook("ok", {}))
    bad = json.loads(made_notebook("ok", {}))
    bad["cells"][1]["outputs"] = [{}]

    with pytest.raises(ValueError, match="not a notebook"):
        notebook_diff(good, bad, colours=False)
