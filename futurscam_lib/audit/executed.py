"""Reads the executed notebook of a run, even if it is damaged: its scraps, and the cell that failed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import orjson

from futurscam_lib import clock
from futurscam_lib.audit.runs_folder import check_notebook, notebook_path
from futurscam_lib.report import scraps
from futurscam_lib.report.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from futurscam_lib.audit.history import History, RunRecord

_MARKERS: Final = {"futurscam-status", "papermill-error-cell-tag"}
"""Tags of the markdown cells that the runner adds; they are not part of the executed code."""

INJECTED: Final = "injected-parameters"
"""Tag of the cell that papermill adds with the parameters of a run."""

_GROWING: Final = "The run has no end yet; this is what was saved so far."
_GENUINE: Final = {"verifies": True, "changed": False, "missing": False}
_STATES: Final[Mapping[str, str]] = {
    "verifies": "It is what the run left: its SHA-256 is the one in the ledger.",
    "changed": "It is not what the run left: its SHA-256 is {check.sha256}, the ledger says {run.notebook_sha256}.",
    "unproven": "The ledger has no hash of it, so nothing proves that it is what the run left.",
    "missing": "It is missing, although the run left a notebook; `futurscam runs verify` checks all of them.",
    "crashed": (
        "It is what the next run found at {found}: its SHA-256 is the one in the ledger. Nothing proves that nobody "
        "changed it between the crash and then."
    ),
    "pruned": "It was removed because of its age; the ledger keeps what the run did.",
    "none": "The run left no notebook.",
    "elsewhere": "{check.problem}",
    "unreadable": "It could not be read ({check.problem}).",
}


@dataclass(frozen=True, slots=True)
class FailedCell:
    """The cell at which a run stopped; plain text without terminal colours.

    Attributes:
        heading: The heading of the markdown before it.
        cell_id: Its id in the notebook.
        source: Its code.
        error_name, error: What was raised.
        traceback: As the kernel sent it.
    """

    heading: str
    cell_id: str
    source: str
    error_name: str
    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Executed:
    """The executed notebook of a run.

    Attributes:
        state: Sentences: whether it exists, can be read, and is unchanged since the run.
        path: Where it is, or was; None if the ledger has no path, or the run kept no notebook.
        genuine: Whether it is unchanged since the run; None if unknown.
        notebook: Parsed, as nbformat 4; None if it could not be read.
        scraps: What the run glued.
        failed: The cell at which it stopped; None if it did not stop at a cell.
    """

    state: str
    path: Path | None = None
    genuine: bool | None = None
    notebook: Mapping[str, Any] | None = None
    scraps: Mapping[str, Any] = field(default_factory=dict)
    failed: FailedCell | None = None

    @property
    def requirements(self) -> list[str]:
        """`name==version` of each package in the run's environment; empty if the notebook does not record them."""
        match (self.notebook or {}).get("metadata"):
            case {"futurscam": {"requirements": list(lines)}}:
                return [plain(line) for line in lines if isinstance(line, str)]
        return []

    def listed(self, name: str) -> tuple[int, list[Mapping[str, Any]]] | None:
        """The total of a scrap (`new`, `changes`, `rejects`) and the items that it lists; None if there is none."""
        match self.scraps.get(name):
            case {"total": int(total), "listed": list(listed)}:
                return total, [item for item in listed if isinstance(item, dict)]
        return None

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the notebook itself."""
        return {
            "path": str(self.path) if self.path else None,
            "state": self.state,
            "genuine": self.genuine,
            "failed_cell": asdict(self.failed) if self.failed else None,
            **{name: self.scraps.get(name) for name in ("new", "changes", "rejects")},
        }


def read(run: RunRecord, history: History) -> Executed:
    """Read the notebook of a run; problems with it are described in `state`, never raised."""
    check, part = history.look(run), ""
    if check.state == "none" and run.ended is None and run.notebook:
        part = ".part"
        check = check_notebook(history.runs, f"{run.notebook}{part}", "", pruned=False)
    path = None
    if run.notebook and check.state not in {"elsewhere", "none"}:
        path = notebook_path(history.runs, f"{run.notebook}{part}")
    how = "crashed" if check.state == "verifies" and run.status == "crashed" else check.state
    found_at = clock.to_people(run.ended) if run.ended else ""
    state = _GROWING if part and check.data is not None else _STATES[how].format(run=run, check=check, found=found_at)
    genuine = _GENUINE.get(how)
    if check.data is None:
        return Executed(state, path, genuine)
    notebook = _notebook(check.data)
    if notebook is None:
        return Executed(f"It is torn, or not a notebook. {state}", path, genuine)
    try:
        glued = _scraps_of(notebook)
    except Exception:  # noqa: BLE001 - scrapbook and jsonschema fail in many ways; all mean the same here.
        glued, state = {}, f"Its scraps cannot be read. {state}"
    return Executed(state, path, genuine, notebook, glued, _failed(notebook["cells"]))


def _scraps_of(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The scraps, read through scrapbook."""
    payloads = [
        payload
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        # Only JSON: scrapbook would decode a pandas scrap, and a changed notebook can contain anything.
        if (payload := output.get("data", {}).get(scraps.MEDIA_TYPE)) and payload.get("encoder", "json") == "json"
    ]
    if not payloads:
        return {}
    # Slow to import, and without types.
    models: Any = import_module("scrapbook.models")
    node = import_module("nbformat").NotebookNode
    cells = [{"outputs": [{"data": {scraps.MEDIA_TYPE: payload}}]} for payload in payloads]
    return {name: scrap.data for name, scrap in models.Notebook(node(cells=cells)).scraps.items()}


def code_cells(notebook: Mapping[str, Any]) -> dict[str, str]:
    """The executed code by cell id, without the parameters that papermill added.

    A cell without an id, as in older notebooks, is named by its place among the code cells.
    """
    cells = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    ours = [cell for cell in cells if INJECTED not in tags(cell)]
    return {str(cell.get("id") or f"code cell {place}"): _joined(cell) for place, cell in enumerate(ours, start=1)}


def scraps_in(data: bytes) -> dict[str, Any]:
    """The scraps in the bytes of a notebook; empty if they are not a notebook.

    Not read through scrapbook: importing it takes longer than all the rest of `futurscam why`.
    """
    notebook = _notebook(data)
    return scraps.read(notebook) if notebook else {}


def is_added(cell: Mapping[str, Any]) -> bool:
    """Whether the runner added the cell, which shows how the run ended or where it stopped."""
    return not _MARKERS.isdisjoint(tags(cell))


def tags(cell: Mapping[str, Any]) -> set[str]:
    """The tags of a cell; none if its metadata has the wrong form."""
    match cell.get("metadata"):
        case {"tags": list(listed)}:
            return {tag for tag in listed if isinstance(tag, str)}
    return set()


def _notebook(data: bytes) -> dict[str, Any] | None:
    """Parse a notebook; None if its parts do not have the types that this module relies on."""
    try:
        content = orjson.loads(data)
    except ValueError:
        return None
    match content:
        case {"cells": [*cells]} if all(_is_cell(cell) for cell in cells):
            notebook: dict[str, Any] = content
            return notebook
    return None


def _is_cell(cell: Any) -> bool:
    match cell:
        case {"cell_type": str(), "source": str() | list(), "outputs": [*outputs]}:
            return all(_is_output(output) for output in outputs)
        case {"cell_type": str(), "source": str() | list(), **more}:
            return "outputs" not in more
    return False


def _is_output(output: Any) -> bool:
    if not isinstance(output, dict):
        return False
    data = output.get("data", {})
    return isinstance(data, dict) and _is_scrap(data.get(scraps.MEDIA_TYPE))


def _is_scrap(payload: Any) -> bool:
    return not payload or (isinstance(payload, dict) and "data" in payload and isinstance(payload.get("name"), str))


def _failed(cells: Sequence[Mapping[str, Any]]) -> FailedCell | None:
    heading = ""
    for cell in cells:
        if cell["cell_type"] == "markdown" and not is_added(cell):
            heading = _heading(_joined(cell)) or heading
        for output in _errors(cell):
            frames = output.get("traceback")
            return FailedCell(
                heading=heading,
                cell_id=str(cell.get("id") or ""),
                source=plain(_joined(cell)),
                error_name=plain(str(output.get("ename") or "")),
                error=plain(str(output.get("evalue") or "")),
                traceback=plain("\n".join(map(str, frames)) if isinstance(frames, list) else ""),
            )
    return None


def _errors(cell: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (output for output in cell.get("outputs") or () if output.get("output_type") == "error")


def _heading(markdown: str) -> str:
    heading = next((line for line in markdown.splitlines() if line.startswith("#")), "")
    return plain(heading.lstrip("#").strip())


def _joined(cell: Mapping[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(map(str, source))
