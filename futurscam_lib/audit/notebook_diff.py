"""Two executed notebooks beside each other, by nbdime: sources and outputs, as text."""

from __future__ import annotations

import importlib
import io
from typing import TYPE_CHECKING, Any

from futurscam_lib.audit.executed import INJECTED, is_added, tags
from futurscam_lib.report.scraps import MEDIA_TYPE
from futurscam_lib.report.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Mapping


def notebook_diff(first: Mapping[str, Any], second: Mapping[str, Any], *, colours: bool) -> str:
    """What differs, line by line; empty: nothing.

    Outputs are compared as people see them: without scraps, and without HTML where there is plain text, too.

    Args:
        first: A notebook, parsed; what steers a terminal in it is made harmless.
        second: The other one.
        colours: Colour the lines that went and those that came.

    Raises:
        ValueError: One of them is not a notebook as nbformat defines it.
    """
    # A second to import, and without types.
    notebooks = importlib.import_module("nbdime.diffing.notebooks")
    printing = importlib.import_module("nbdime.prettyprint")
    before, after = _comparable(first), _comparable(second)
    shown = {"sources": True, "outputs": True, "attachments": False, "metadata": False, "details": False}
    notebooks.set_notebook_diff_targets(**shown, identifier=False)
    try:
        found = notebooks.diff_notebooks(before, after)
    finally:
        notebooks.reset_notebook_differ()
    out = io.StringIO()
    # Not through git or diff, which would be started, and are not on every machine.
    config = printing.PrettyPrintConfig(out=out, use_git=False, use_diff=False, use_color=colours)
    for name, value in {**shown, "id": False}.items():
        setattr(config, name, value)
    names = [_name(cell) for cell in _cells(first)]
    for change in (one for part in found if part.key == "cells" for one in part.diff):
        if change.op == "patch":
            out.write(f"Cell {names[change.key]}:\n")
        printing.pretty_print_diff(before["cells"], [change], "/cells", config)
    return out.getvalue()


def _comparable(notebook: Mapping[str, Any]) -> Any:
    """A copy as nbdime wants it: texts whole, and nothing in it that says what else in it says, too."""
    nodes = importlib.import_module("nbformat.notebooknode")
    files = importlib.import_module("nbformat.v4.rwbase")
    if not importlib.import_module("nbformat.validator").isvalid(nodes.from_dict(dict(notebook))):
        msg = "it is not a notebook as Jupyter defines it"
        raise ValueError(msg)
    cells = [_told_once(cell) for cell in _cells(notebook)]
    whole = files.rejoin_lines(nodes.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    return nodes.from_dict(_harmless(whole))


def _cells(notebook: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of the notebook that was run."""
    return [cell for cell in notebook["cells"] if not is_added(cell)]


def _name(cell: Mapping[str, Any]) -> str:
    """Its id, but of the cell to which papermill gives another one each time."""
    return INJECTED if INJECTED in tags(cell) else plain(str(cell.get("id") or "without a name"))


def _told_once(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell as people see it: without id, metadata and scraps, and without HTML that is there as plain text, too."""
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
