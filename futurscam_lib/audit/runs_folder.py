"""Checks the folder of the runs: whether each executed notebook is unchanged, and which other files there are."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from futurscam_lib.errors import UsageError
from futurscam_lib.files import read_bytes, retry_while_in_use
from futurscam_lib.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.audit.entries import LedgerEntry

NotebookState = Literal["verifies", "changed", "unproven", "missing", "pruned", "none", "elsewhere", "unreadable"]
"""`unproven`: it exists, and the ledger has no hash of it. `none`: the run left none. `elsewhere`: the ledger names a
place that no run writes to."""

HTML: Final = "html"
REVIEW: Final = "review.html"
_OWN: Final = {"ledger.jsonl", "ledger.jsonl.lock", "ledger.head", REVIEW, ".gitkeep"}
_OF_THE_SYSTEM: Final = {"desktop.ini", "thumbs.db", ".ds_store"}
_TEMPORARY: Final = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
_PART: Final = ".part"
_CHECKPOINTS: Final = ".ipynb_checkpoints"
_THREADS: Final = os.cpu_count() or 1
_BATCH: Final = 50
"""Passing one file to a thread takes as long as hashing a small one."""
_BLOCK: Final = 1 << 20
_DEEPEST: Final = 8
"""The maximum depth of folders; runs, Jupyter and people do not make deeper ones."""


@dataclass(frozen=True, slots=True)
class NotebookCheck:
    """The result of checking one notebook.

    Attributes:
        state: See `NotebookState`.
        data: Its bytes; None if it could not be read.
        sha256: Their hash, hex; empty without them.
        problem: Why it could not be read, if it exists.
    """

    state: NotebookState
    data: bytes | None = None
    sha256: str = ""
    problem: str = ""


def check_notebook(runs: Path, notebook: str, expected: str, *, pruned: bool) -> NotebookCheck:
    """Check one notebook; problems with it are never raised.

    Args:
        runs: Folder of the executed notebooks.
        notebook: Its path in that folder, from the ledger.
        expected: SHA-256 from the ledger, hex; empty if there is none.
        pruned: Whether the ledger says that it was removed.
    """
    if not notebook:
        return NotebookCheck("none")
    try:
        path = notebook_path(runs, notebook)
        if is_not_a_file(path):
            return NotebookCheck("unreadable", problem="it is not a file")
        data = read_bytes(path)
    except UsageError as error:
        return NotebookCheck("elsewhere", problem=str(error))
    except FileNotFoundError:
        return NotebookCheck("pruned" if pruned else "missing" if expected else "none")
    except OSError as error:
        return NotebookCheck("unreadable", problem=error.strerror or str(error))
    digest = hashlib.sha256(data).hexdigest()
    return NotebookCheck("unproven" if not expected else "verifies" if digest == expected else "changed", data, digest)


def is_not_a_file(path: Path) -> bool:
    """Whether something else exists there: a folder, or a pipe, which a reader would wait for without end."""
    return not path.is_file() and path.exists()


def notebook_path(runs: Path, notebook: str) -> Path:
    """The path of a notebook, even if it does not exist.

    Raises:
        UsageError: The path leads out of the folder of the runs or is invalid: no run wrote it.
    """
    try:
        path = (runs / notebook).resolve()
    except (ValueError, OSError, RuntimeError):  # A NUL in it; links that lead to themselves.
        path = None
    if not notebook or path is None or not path.is_relative_to(runs.resolve()):
        raise UsageError(f"The ledger names a notebook {notebook!r}, which is not inside {runs}.")
    return path


@dataclass(frozen=True, slots=True)
class ExpectedNotebook:
    """A notebook that the ledger names.

    Attributes:
        run_id: Its run.
        line: The ledger's line with its hash.
        sha256: What its hash must be; empty if the run recorded none.
        pruned: It was removed because of its age.
        ended: The run has an end.
    """

    run_id: str
    line: int
    sha256: str = ""
    pruned: bool = False
    ended: bool = False


@dataclass(slots=True)
class ExpectedNotebooks:
    """The notebooks that a ledger names, by their path below the folder of the runs."""

    by_name: dict[str, ExpectedNotebook] = field(default_factory=dict)

    def see(self, entry: LedgerEntry) -> None:
        """Look at the next entry, oldest first."""
        path = entry.facts.get("notebook")
        if entry.event == "pruned" and isinstance(removed := entry.facts.get("notebooks"), dict):
            for name, digest in removed.items():
                known = self.by_name.get(name)
                run_id = known.run_id if known else ""
                self.by_name[name] = ExpectedNotebook(run_id, entry.seq, str(digest), pruned=True)
        elif entry.event in {"start", "end", "crashed"} and isinstance(path, str):
            digest = str(entry.facts.get("notebook_sha256") or "")
            self.by_name[path] = ExpectedNotebook(entry.run_id, entry.seq, digest, ended=entry.event != "start")

    @property
    def pages(self) -> set[str]:
        """The paths of the HTML pages that may exist for these notebooks."""
        return {f"{HTML}/{expected.run_id}.html" for expected in self.by_name.values()}

    def explains(self, file: FolderFile) -> bool:
        """Whether a run wrote the file (a notebook, a partial one or its page), or it is missing because of pruning."""
        if file.is_missing:
            return self.by_name[file.name].pruned if file.name in self.by_name else False
        return file.name in self.by_name or self.is_part(file.name) or file.name in self.pages

    def is_part(self, name: str) -> bool:
        """Whether a file is the partial notebook of a run that is active, or that did not end properly."""
        expected = self.by_name.get(name.removesuffix(_PART)) if name.endswith(_PART) else None
        return expected is not None and not (expected.ended and expected.sha256)


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file in the folder of the runs, or a missing file.

    Attributes:
        name: Its path below the folder, with `/`.
        problem: What is wrong with it; empty if nothing.
        serious: Whether the problem means that the audit log was changed.
        size: Bytes that were read.
        is_notebook: Whether the ledger names it as a notebook.
        is_foreign: Whether no known run wrote it.
        is_missing: Whether it does not exist.
    """

    name: str
    problem: str = ""
    serious: bool = False
    size: int = 0
    is_notebook: bool = False
    is_foreign: bool = False
    is_missing: bool = False


def check_folder(runs: Path, notebooks: ExpectedNotebooks, *, active: str) -> Iterator[FolderFile]:
    """Compare the folder with the ledger; hashes notebooks in as many threads as there are processors.

    Args:
        runs: The folder.
        notebooks: What the ledger names.
        active: The run that is active now; empty if none.
    """
    files = dict(_files(runs))
    expected = {
        name: entry_of_ledger
        for name, entry_of_ledger in notebooks.by_name.items()
        if entry_of_ledger.run_id != active or entry_of_ledger.ended
    }
    links = {name for name, entry in files.items() if entry.is_symlink()}
    names = sorted(expected.keys() & files.keys())
    for name in sorted(expected.keys() - files.keys()):
        if problem := _missing(expected[name], has_part=name + _PART in files):
            yield FolderFile(name, problem, serious=bool(expected[name].sha256), is_missing=True)
    batches = (names[begin : begin + _BATCH] for begin in range(0, len(names), _BATCH))
    for checked in prefetch(
        lambda batch: [_checked(runs, name, expected[name], is_link=name in links) for name in batch],
        batches,
        threads=_THREADS,
    ):
        yield from (file for file in checked if file.problem or not file.is_missing)
    for name in sorted(files.keys() - notebooks.by_name.keys() - notebooks.pages):
        yield from _other_file(name, notebooks, active)


def _files(runs: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files by their path with `/`, and folders that are too deep; does not follow links."""
    waiting: list[tuple[str, int]] = [("", 0)]
    while waiting:
        below, depth = waiting.pop()
        try:
            entries = list(os.scandir(runs / below))
        except FileNotFoundError:
            continue
        for entry in entries:
            name = f"{below}{entry.name}"
            if depth < _DEEPEST and entry.is_dir(follow_symlinks=False):
                waiting.append((f"{name}/", depth + 1))
            else:
                yield name, entry


def _checked(runs: Path, name: str, expected: ExpectedNotebook, *, is_link: bool) -> FolderFile:
    """Compare one notebook that exists with what the ledger says about it."""
    if is_link:
        return FolderFile(name, "It is a link; runs leave no links.", serious=True, is_notebook=True)
    try:
        digest, size = _digest(runs / name)
    except FileNotFoundError:  # Removed since the folder was listed.
        return FolderFile(name, _missing(expected, has_part=False), serious=bool(expected.sha256), is_missing=True)
    except OSError as error:
        return FolderFile(name, f"It cannot be read ({error.strerror or error}).", serious=True, is_notebook=True)
    problem, serious = "", False
    if expected.sha256 and digest != expected.sha256:
        serious = True
        problem = (
            f"It was changed after its run: its SHA-256 is {digest}, line {expected.line} of the ledger says "
            f"{expected.sha256}."
        )
    elif expected.pruned:
        problem = f"Line {expected.line} of the ledger says that it was removed because of its age, but it exists."
    elif expected.ended and not expected.sha256:
        serious = True
        problem = f"The run kept no notebook (line {expected.line} of the ledger), so somebody else put this here."
    elif not expected.sha256:
        problem = f"The ledger (line {expected.line}) has no hash of it: its run did not end properly."
    return FolderFile(name, problem, serious=serious, size=size, is_notebook=True)


def _digest(path: Path) -> tuple[str, int]:
    try:
        return _hash(path)
    except PermissionError:
        return _hash_with_retries(path)


def _hash(path: Path) -> tuple[str, int]:
    if is_not_a_file(path):
        raise OSError(errno.EINVAL, "it is not a file")
    # Unbuffered: with Python's own buffer two threads are slower than one.
    with path.open("rb", buffering=0) as file:
        hashed, size = hashlib.sha256(), 0
        while block := file.read(_BLOCK):
            hashed.update(block)
            size += len(block)
        return hashed.hexdigest(), size


# Not around every file: the retry costs as much as hashing a small one.
_hash_with_retries: Final = retry_while_in_use(_hash)


def _missing(expected: ExpectedNotebook, *, has_part: bool) -> str:
    if expected.pruned or not expected.ended:
        return ""
    if expected.sha256:
        return f"It is missing; line {expected.line} of the ledger has the hash of what the run left."
    return "" if has_part else f"The run could not keep its notebook (line {expected.line} of the ledger)."


def _other_file(name: str, notebooks: ExpectedNotebooks, active: str) -> Iterator[FolderFile]:
    """A file that the ledger does not name."""
    folder, _, file = name.rpartition("/")
    whole = notebooks.by_name.get(name.removesuffix(_PART))
    if (not folder and file in _OWN) or file.lower() in _OF_THE_SYSTEM:
        return
    if _CHECKPOINTS in folder.split("/"):
        yield FolderFile(name, "A checkpoint that Jupyter made of an opened notebook; you can remove it.")
    elif _TEMPORARY.fullmatch(file):
        yield FolderFile(name, "A partly written file, left by a process that was killed; you can remove it.")
    elif whole is not None and notebooks.is_part(name):
        if whole.run_id != active:
            yield FolderFile(name, f"What {whole.run_id}, which did not end properly, had saved until then.")
    else:
        yield FolderFile(name, "No run left this file; somebody else put it here.", serious=True, is_foreign=True)
