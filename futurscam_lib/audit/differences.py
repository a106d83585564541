"""Compares two runs: parameters, results, code and software (times and names are ignored), and their notebooks."""

from __future__ import annotations

import difflib
import importlib
import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.audit.executed import INJECTED, code_cells, is_added, tags
from futurscam_lib.records import COUNTED
from futurscam_lib.report.scraps import MEDIA_TYPE
from futurscam_lib.report.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from futurscam_lib.audit.executed import Executed
    from futurscam_lib.audit.history import RunRecord

_DIRTY: Final = "-dirty"
_ALWAYS: Final = {"run_id"}
"""Parameters that are different in every run."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two runs.

    Attributes:
        part: `parameters`, `status`, `counts`, `schema`, `code` or `software`.
        name: Its name in that part.
        first, second: Its value in each run; None if the run has none.
    """

    part: str
    name: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class CellDifference:
    """A code cell that differs between two runs.

    Attributes:
        cell_id: Its id in the notebook.
        change: `changed`, `added` or `removed`, from the first run to the second.
        diff: The lines of `diff -u`, without file names.
    """

    cell_id: str
    change: str
    diff: Sequence[str]


@dataclass(frozen=True, slots=True)
class Differences:
    """All differences between two runs.

    Attributes:
        first, second: The run_ids.
        facts: Differences in parameters, results and software.
        cells: Differences in code.
        notes: Sentences on what could not be compared completely.
    """

    first: str
    second: str
    facts: Sequence[Difference]
    cells: Sequence[CellDifference]
    notes: Sequence[str]

    @property
    def any(self) -> bool:
        """Whether there are differences."""
        return bool(self.facts or self.cells)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"differ": self.any, **asdict(self)}


def between(first: RunRecord, second: RunRecord, *, left: tuple[Executed, Executed]) -> Differences:
    """Compare two runs.

    Args:
        first: The first run.
        second: The run to compare it with.
        left: Their executed notebooks, in this order.
    """
    facts = [*_parameters(first, second), *_status(first, second), *_counts(first, second)]
    facts += [*_schema(left), *_code(first, second, left), *_software(first, second)]
    return Differences(first.run_id, second.run_id, facts, list(_cells(left)), list(_notes((first, second), left)))


def _differing(
    part: str, first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = ""
) -> Iterator[Difference]:
    for name in {**first, **second}:
        before, after = first.get(name), second.get(name)
        if before != after:
            yield Difference(part, f"{prefix}{name}", before, after)


def _parameters(first: RunRecord, second: RunRecord) -> Iterator[Difference]:
    parameters = [{k: v for k, v in run.parameters.items() if k not in _ALWAYS} for run in (first, second)]
    yield from _differing("parameters", parameters[0], parameters[1])


def _status(first: RunRecord, second: RunRecord) -> Iterator[Difference]:
    # Not the text of the error, which contains instants and run_ids.
    ended = [{"status": run.status, "error": run.error_name or None} for run in (first, second)]
    yield from _differing("status", ended[0], ended[1])
    failed = [{name: failure.get("error") for name, failure in run.failures.items()} for run in (first, second)]
    yield from _differing("status", failed[0], failed[1], "failure of ")


def _counts(first: RunRecord, second: RunRecord) -> Iterator[Difference]:
    for source in {**first.sources, **second.sources}:
        for name in COUNTED:
            counted = [run.sources[source].get(name, 0) if source in run.sources else None for run in (first, second)]
            yield from _count(f"{source}: {name}", *counted)
    for name in ("closed", "reopened"):
        yield from _count(name, *(getattr(run, name) or (0 if run.sources else None) for run in (first, second)))


def _count(name: str, first: int | None, second: int | None) -> Iterator[Difference]:
    """A run without counts (None) differs from a run that counted something, but not from one that counted 0."""
    if (first or 0) != (second or 0):
        yield Difference("counts", name, first, second)


def _schema(executed: tuple[Executed, Executed]) -> Iterator[Difference]:
    schemas = [notebook.scraps.get("schema") for notebook in executed]
    for name, prefix in (("fields", ""), ("transform_versions", "transform version of ")):
        values = [schema.get(name) if isinstance(schema, dict) else None for schema in schemas]
        if isinstance(values[0], dict) and isinstance(values[1], dict):
            yield from _differing("schema", values[0], values[1], prefix)


def _code(first: RunRecord, second: RunRecord, executed: tuple[Executed, Executed]) -> Iterator[Difference]:
    yield from _differing("code", {"git commit": first.git_commit or None}, {"git commit": second.git_commit or None})
    codes = _codes(executed)
    if codes:
        common = [[cell for cell in code if cell in codes[0] and cell in codes[1]] for code in codes]
        if common[0] != common[1]:
            yield Difference("code", "order of cells", *(", ".join(cells) for cells in common))


def _software(first: RunRecord, second: RunRecord) -> Iterator[Difference]:
    machines = [{"python": run.python, "platform": run.platform, **run.packages} for run in (first, second)]
    yield from _differing("software", machines[0], machines[1])


def _cells(executed: tuple[Executed, Executed]) -> Iterator[CellDifference]:
    codes = _codes(executed)
    if not codes:
        return
    first, second = codes
    for cell_id in {**first, **second}:
        before, after = first.get(cell_id), second.get(cell_id)
        if before != after:
            change = "added" if before is None else "removed" if after is None else "changed"
            lines = difflib.unified_diff((before or "").splitlines(), (after or "").splitlines(), lineterm="")
            yield CellDifference(cell_id, change, list(lines)[2:])


def _codes(executed: tuple[Executed, Executed]) -> tuple[dict[str, str], dict[str, str]] | None:
    first, second = executed[0].notebook, executed[1].notebook
    return None if first is None or second is None else (code_cells(first), code_cells(second))


def _notes(runs: tuple[RunRecord, RunRecord], executed: tuple[Executed, Executed]) -> Iterator[str]:
    for run, notebook in zip(runs, executed, strict=True):
        if notebook.notebook is None:
            yield f"The notebook of {run.run_id} could not be compared. {notebook.state}"
        elif not isinstance(notebook.scraps.get("schema"), dict):
            yield f"The run {run.run_id} recorded no schema of its documents, so schemas were not compared."
        if notebook.notebook is not None and notebook.genuine is False:
            yield f"The notebook of {run.run_id} was compared anyway. {notebook.state}"
        if not run.sources:
            yield f"The run {run.run_id} recorded no counts: it is {run.status}."
    if runs[0].git_commit == runs[1].git_commit and runs[0].git_commit.endswith(_DIRTY):
        yield "Both ran on the same commit with uncommitted changes, which may differ."


def notebook_diff(first: Mapping[str, Any], second: Mapping[str, Any], *, colours: bool) -> str:
    """Compare two executed notebooks with nbdime, line by line; empty if nothing differs.

    Outputs are compared as people see them: without scraps, and without HTML if there is plain text, too.

    Args:
        first: A notebook, parsed; its control characters are removed.
        second: The other notebook, parsed.
        colours: Whether to colour removed and added lines.

    Raises:
        ValueError: One of them is not a valid notebook for nbformat.
    """
    # Takes a second to import, and has no types.
    notebooks = importlib.import_module("nbdime.diffing.notebooks")
    printing = importlib.import_module("nbdime.prettyprint")
    before, after = _comparable(first), _comparable(second)
    shown = {"sources": True, "outputs": True, "attachments": False, "metadata": False, "details": False}
    notebooks.set_notebook_diff_targets(**shown, identifier=False)
    try:
        changes = notebooks.diff_notebooks(before, after)
    finally:
        notebooks.reset_notebook_differ()
    out = io.StringIO()
    # Without git or diff, which may not be installed.
    config = printing.PrettyPrintConfig(out=out, use_git=False, use_diff=False, use_color=colours)
    for name, value in {**shown, "id": False}.items():
        setattr(config, name, value)
    names = [_cell_name(cell) for cell in _run_cells(first)]
    for change in (change for part in changes if part.key == "cells" for change in part.diff):
        if change.op == "patch":
            out.write(f"Cell {names[change.key]}:\n")
        printing.pretty_print_diff(before["cells"], [change], "/cells", config)
    return out.getvalue()


def _comparable(notebook: Mapping[str, Any]) -> Any:
    """A copy for nbdime: each text as one string, and no duplicate content."""
    nodes = importlib.import_module("nbformat.notebooknode")
    files = importlib.import_module("nbformat.v4.rwbase")
    if not importlib.import_module("nbformat.validator").isvalid(nodes.from_dict(dict(notebook))):
        msg = "it is not a notebook as Jupyter defines it"
        raise ValueError(msg)
    cells = [_visible(cell) for cell in _run_cells(notebook)]
    whole = files.rejoin_lines(nodes.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    return nodes.from_dict(_harmless(whole))


def _run_cells(notebook: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The cells that were run, without those that the runner added."""
    return [cell for cell in notebook["cells"] if not is_added(cell)]


def _cell_name(cell: Mapping[str, Any]) -> str:
    """The id of a cell; for the cell that papermill adds, its tag, because its id changes each time."""
    return INJECTED if INJECTED in tags(cell) else plain(str(cell.get("id") or "without a name"))


def _visible(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell as people see it: without id, metadata and scraps, and without HTML if there is plain text, too."""
    outputs = [{**output, "execution_count": None, "metadata": {}} for output in cell.get("outputs") or ()]
    for output in outputs:
        data = output.get("data", {})
        left_out = {MEDIA_TYPE, *(["text/html"] if "text/plain" in data else [])}
        if data:
            output["data"] = {mime: value for mime, value in data.items() if mime not in left_out}
    shown = {"outputs": [output for output in outputs if output.get("data") != {}]} if outputs else {}
    return {**{key: value for key, value in cell.items() if key != "id"}, "metadata": {}, **shown}


def _harmless(value: Any) -> Any:
    match value:
        case str():
            return plain(value)
        case list():
            return [_harmless(item) for item in value]
        case dict():
            return {plain(name): _harmless(item) for name, item in value.items()}
    return value
