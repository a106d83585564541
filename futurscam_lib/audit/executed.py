"""What the executed notebook of a run tells, whatever state the file is in."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from futurscam_lib import clock
from futurscam_lib.audit.runs_folder import check_notebook, notebook_path
from futurscam_lib.report import scraps as gluing
from futurscam_lib.report.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from futurscam_lib.audit.history import History, RunRecord

_MARKERS: Final = {"futurscam-status", "papermill-error-cell-tag"}
"""Tags of markdown cells that the runner puts in: they are no part of what was run."""

INJECTED: Final = "injected-parameters"
"""Tag of the cell in which papermill puts the parameters of a run."""

_GROWING: Final = "The run has no end yet; this is what was saved until now."
_GENUINE: Final = {"verifies": True, "changed": False, "missing": False}
_SAYS: Final[Mapping[str, str]] = {
    "verifies": "It is what the run left: its SHA-256 is the one in the ledger.",
    "changed": "It is not what the run left: its SHA-256 is {seen.sha256}, the ledger says {run.notebook_sha256}.",
    "unproven": "The ledger holds no hash of it, so nothing proves that it is what the run left.",
    "missing": "It is missing, although the run left one; `futurscam runs verify` looks at all of them.",
    "crashed": (
        "It is what the next run found at {found}: its SHA-256 is the one in the ledger. Nothing proves what was done "
        "to it between the crash and then."
    ),
    "pruned": "It was removed because of its age; the ledger keeps what the run did.",
    "none": "The run left none.",
    "elsewhere": "{seen.problem}",
    "unreadable": "It could not be read ({seen.problem}).",
}


@dataclass(frozen=True, slots=True)
class FailedCell:
    """The cell at which a run stopped; plain text without terminal colours.

    Attributes:
        heading: That of the markdown before it.
        cell_id: Its id in the notebook.
        source: Its code.
        error_name, error: What was raised.
        traceback: As the kernel told it.
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
        state: A sentence: whether it is there, can be read, and is what the run left.
        path: Where it is, or was; None where the ledger names no place for it, or the run left none.
        genuine: Whether it is what the run left; None where nothing tells.
        notebook: Parsed, as nbformat 4 has it; None where it could not be read.
        scraps: What the run glued.
        failed: The cell at which it stopped; None: it did not stop at a cell.
    """

    state: str
    path: Path | None = None
    genuine: bool | None = None
    notebook: Mapping[str, Any] | None = None
    scraps: Mapping[str, Any] = field(default_factory=dict)
    failed: FailedCell | None = None

    def listed(self, name: str) -> tuple[int, list[Mapping[str, Any]]] | None:
        """How many a scrap (`new`, `changes`, `rejects`) counts, and those that it lists; None: there is none."""
        match self.scraps.get(name):
            case {"total": int(total), "listed": list(listed)}:
                return total, [one for one in listed if isinstance(one, dict)]
        return None

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it, without the notebook itself."""
        return {
            "path": str(self.path) if self.path else None,
            "state": self.state,
            "genuine": self.genuine,
            "failed_cell": asdict(self.failed) if self.failed else None,
            **{name: self.scraps.get(name) for name in ("new", "changes", "rejects")},
        }


def read(run: RunRecord, history: History) -> Executed:
    """Read the notebook of a run; what is wrong with it is told in `state`, never raised."""
    seen, part = history.look(run), ""
    if seen.state == "none" and run.ended is None and run.notebook:
        part = ".part"
        seen = check_notebook(history.runs, f"{run.notebook}{part}", "", pruned=False)
    path = None
    if run.notebook and seen.state not in {"elsewhere", "none"}:
        path = notebook_path(history.runs, f"{run.notebook}{part}")
    how = "crashed" if seen.state == "verifies" and run.status == "crashed" else seen.state
    found = clock.to_people(run.ended) if run.ended else ""
    state = _GROWING if part and seen.data is not None else _SAYS[how].format(run=run, seen=seen, found=found)
    genuine = _GENUINE.get(how)
    if seen.data is None:
        return Executed(state, path, genuine)
    notebook = _notebook(seen.data)
    if notebook is None:
        return Executed(f"It is torn, or no notebook at all. {state}", path, genuine)
    return Executed(state, path, genuine, notebook, gluing.read(notebook), _failed(notebook["cells"]))


def code_cells(notebook: Mapping[str, Any]) -> dict[str, str]:
    """The code that was run, by the id of its cell; without the parameters that papermill put in.

    A cell without an id, as older notebooks have them, goes by its place among the code cells.
    """
    cells = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    ours = [cell for cell in cells if INJECTED not in tags(cell)]
    return {str(cell.get("id") or f"code cell {place}"): _joined(cell) for place, cell in enumerate(ours, start=1)}


def scraps_in(data: bytes) -> dict[str, Any]:
    """What a run glued, from the bytes of its notebook; nothing where they are no notebook."""
    notebook = _notebook(data)
    return gluing.read(notebook) if notebook else {}


def is_added(cell: Mapping[str, Any]) -> bool:
    """Whether the runner put a cell in, to say how the run ended or where it stopped."""
    return not _MARKERS.isdisjoint(tags(cell))


def tags(cell: Mapping[str, Any]) -> set[str]:
    """The tags of a cell; none where its metadata are not what they should be."""
    match cell.get("metadata"):
        case {"tags": list(found)}:
            return {tag for tag in found if isinstance(tag, str)}
    return set()


def _notebook(data: bytes) -> dict[str, Any] | None:
    """Parse a notebook; None where its parts are not of the kinds that this module relies on."""
    try:
        found = orjson.loads(data)
    except ValueError:
        return None
    match found:
        case {"cells": [*cells]} if all(_is_cell(cell) for cell in cells):
            whole: dict[str, Any] = found
            return whole
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
    return isinstance(data, dict) and _is_scrap(data.get(gluing.MEDIA_TYPE))


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
    found = next((line for line in markdown.splitlines() if line.startswith("#")), "")
    return plain(found.lstrip("#").strip())


def _joined(cell: Mapping[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(map(str, source))
