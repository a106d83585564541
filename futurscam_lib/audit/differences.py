"""In what two runs differ: what they were asked, what came of it, what they ran on. Times and names do not count."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.audit.executed import code_cells
from futurscam_lib.records import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from futurscam_lib.audit.executed import Executed
    from futurscam_lib.audit.history import RunRecord

_DIRTY: Final = "-dirty"
_ALWAYS: Final = {"run_id"}
"""Parameters that always differ."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two runs differ.

    Attributes:
        part: `parameters`, `status`, `counts`, `schema`, `code` or `software`.
        name: What it is, in that part.
        first, second: How it is in each run; None where it is not there, as a count where the run left none.
    """

    part: str
    name: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class CellDifference:
    """A code cell that two runs do not share.

    Attributes:
        cell_id: Its id in the notebook.
        change: `changed`, `added` or `removed`, seen from the first run.
        diff: The lines, as `diff -u` gives them, without the names of files.
    """

    cell_id: str
    change: str
    diff: Sequence[str]


@dataclass(frozen=True, slots=True)
class Differences:
    """All of them.

    Attributes:
        first, second: The runs' names.
        facts: What differs in what is told of them.
        cells: What differs in their code.
        notes: Sentences on what could not be compared, or only in part.
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
        """As JSON holds it."""
        return {"differ": self.any, **asdict(self)}


def between(first: RunRecord, second: RunRecord, *, left: tuple[Executed, Executed]) -> Differences:
    """Compare two runs.

    Args:
        first: Differences are told from here...
        second: ...to there.
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
    asked = [{k: v for k, v in run.parameters.items() if k not in _ALWAYS} for run in (first, second)]
    yield from _differing("parameters", asked[0], asked[1])


def _status(first: RunRecord, second: RunRecord) -> Iterator[Difference]:
    # Not the error's text, which quotes instants and names of runs.
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
    """None where a run left no counts; that differs from a number, but not from 0: it has counted nothing."""
    if (first or 0) != (second or 0):
        yield Difference("counts", name, first, second)


def _schema(left: tuple[Executed, Executed]) -> Iterator[Difference]:
    schemas = [one.scraps.get("schema") for one in left]
    for name, prefix in (("fields", ""), ("transform_versions", "transform version of ")):
        told = [schema.get(name) if isinstance(schema, dict) else None for schema in schemas]
        if isinstance(told[0], dict) and isinstance(told[1], dict):
            yield from _differing("schema", told[0], told[1], prefix)


def _code(first: RunRecord, second: RunRecord, left: tuple[Executed, Executed]) -> Iterator[Difference]:
    yield from _differing("code", {"git commit": first.git_commit or None}, {"git commit": second.git_commit or None})
    codes = _codes(left)
    if codes:
        common = [[cell for cell in code if cell in codes[0] and cell in codes[1]] for code in codes]
        if common[0] != common[1]:
            yield Difference("code", "order of cells", *(", ".join(cells) for cells in common))


def _software(first: RunRecord, second: RunRecord) -> Iterator[Difference]:
    machines = [{"python": run.python, "platform": run.platform, **run.packages} for run in (first, second)]
    yield from _differing("software", machines[0], machines[1])


def _cells(left: tuple[Executed, Executed]) -> Iterator[CellDifference]:
    codes = _codes(left)
    if not codes:
        return
    first, second = codes
    for cell_id in {**first, **second}:
        before, after = first.get(cell_id), second.get(cell_id)
        if before != after:
            change = "added" if before is None else "removed" if after is None else "changed"
            lines = difflib.unified_diff((before or "").splitlines(), (after or "").splitlines(), lineterm="")
            yield CellDifference(cell_id, change, list(lines)[2:])


def _codes(left: tuple[Executed, Executed]) -> tuple[dict[str, str], dict[str, str]] | None:
    first, second = left[0].notebook, left[1].notebook
    return None if first is None or second is None else (code_cells(first), code_cells(second))


def _notes(runs: tuple[RunRecord, RunRecord], left: tuple[Executed, Executed]) -> Iterator[str]:
    for run, one in zip(runs, left, strict=True):
        if one.notebook is None:
            yield f"The notebook of {run.run_id} could not be compared. {one.state}"
        elif not isinstance(one.scraps.get("schema"), dict):
            yield f"The run {run.run_id} left no schema of its documents, so schemas were not compared."
        if one.notebook is not None and one.genuine is False:
            yield f"The notebook of {run.run_id} was compared all the same. {one.state}"
        if not run.sources:
            yield f"The run {run.run_id} left no counts: it is {run.status}."
    if runs[0].git_commit == runs[1].git_commit and runs[0].git_commit.endswith(_DIRTY):
        yield "Both ran on the same commit with other files than it holds, which may have differed between them."
