"""The folder of the runs: whether each notebook is what its run left, and what is there besides."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from futurscam_lib.audit.notebooks import is_no_file
from futurscam_lib.files import retry_while_in_use
from futurscam_lib.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.audit.entry import Entry

HTML: Final = "html"
REVIEW: Final = "review.html"
_OWN: Final = {"ledger.jsonl", "ledger.jsonl.lock", "ledger.head", REVIEW, ".gitkeep"}
_OF_THE_SYSTEM: Final = {"desktop.ini", "thumbs.db", ".ds_store"}
_TEMPORARY: Final = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
_PART: Final = ".part"
_CHECKPOINTS: Final = ".ipynb_checkpoints"
_THREADS: Final = os.cpu_count() or 1
_AT_ONCE: Final = 50
"""Handing a file to a thread takes as long as hashing a small one."""
_BLOCK: Final = 1 << 20
_DEEPEST: Final = 8
"""Folders in folders; what runs, Jupyter and people leave is not as deep."""


@dataclass(frozen=True, slots=True)
class Promised:
    """A notebook of which the ledger tells.

    Attributes:
        run_id: Its run.
        line: The ledger's line that says what it is.
        sha256: What it must be; empty where the run could say nothing of it.
        pruned: It was removed because of its age.
        ended: The run has an end.
    """

    run_id: str
    line: int
    sha256: str = ""
    pruned: bool = False
    ended: bool = False


@dataclass(slots=True)
class Left:
    """The notebooks that runs left, by their path below the folder, as a ledger tells."""

    notebooks: dict[str, Promised] = field(default_factory=dict)

    def see(self, entry: Entry) -> None:
        """Look at one entry, oldest first."""
        path = entry.facts.get("notebook")
        if entry.event == "pruned" and isinstance(removed := entry.facts.get("notebooks"), dict):
            for name, digest in removed.items():
                known = self.notebooks.get(name)
                self.notebooks[name] = Promised(known.run_id if known else "", entry.seq, str(digest), pruned=True)
        elif entry.event in {"start", "end", "crashed"} and isinstance(path, str):
            digest = str(entry.facts.get("notebook_sha256") or "")
            self.notebooks[path] = Promised(entry.run_id, entry.seq, digest, ended=entry.event != "start")

    def explains(self, file: File) -> bool:
        """Whether it is there because of a run, as notebook, part of one or page; or is gone because it was pruned."""
        if file.is_missing:
            return self.notebooks[file.name].pruned if file.name in self.notebooks else False
        if file.name in self.notebooks or self.goes_on(file.name):
            return True
        return file.name in {f"{HTML}/{one.run_id}.html" for one in self.notebooks.values()}

    def goes_on(self, name: str) -> bool:
        """Whether a file is what a notebook is kept in while its run goes on, or after a run without a proper end."""
        one = self.notebooks.get(name.removesuffix(_PART)) if name.endswith(_PART) else None
        return one is not None and not (one.ended and one.sha256)


@dataclass(frozen=True, slots=True)
class File:
    """One file that was looked at, or that is missing.

    Attributes:
        name: Its path below the folder of the runs, with `/`.
        problem: What is the matter with it; empty: nothing.
        serious: Whether that means that the audit log was changed.
        size: Bytes that were looked at.
        is_notebook: Whether it is a notebook that the ledger tells of.
        is_foreign: Whether no run is known to have left it.
        is_missing: Whether it is not there.
    """

    name: str
    problem: str = ""
    serious: bool = False
    size: int = 0
    is_notebook: bool = False
    is_foreign: bool = False
    is_missing: bool = False


def look(runs: Path, left: Left, *, active: str) -> Iterator[File]:
    """Compare the folder with what the ledger says; notebooks are hashed by as many threads as there are processors."""
    there = dict(_files(runs))
    promised = {name: one for name, one in left.notebooks.items() if one.run_id != active or one.ended}
    links = {name for name, one in there.items() if one.is_symlink()}
    known = promised.keys() & there.keys()
    for name in sorted(promised.keys() - known):
        if problem := _missing(promised[name], has_part=name + _PART in there):
            yield File(name, problem, serious=bool(promised[name].sha256), is_missing=True)
    names = sorted(known)
    batches = (names[begin : begin + _AT_ONCE] for begin in range(0, len(names), _AT_ONCE))
    for files in prefetch(
        lambda some: [_compared(runs, name, promised[name], is_link=name in links) for name in some],
        batches,
        threads=_THREADS,
    ):
        yield from (file for file in files if file.problem or not file.is_missing)
    pages = {f"{HTML}/{one.run_id}.html" for one in left.notebooks.values()}
    for name in sorted(there.keys() - left.notebooks.keys() - pages):
        yield from _besides(name, left, active)


def _files(runs: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files, by their path with `/`, and folders that are too deep; what a link leads to is not entered."""
    waiting: list[tuple[str, int]] = [("", 0)]
    while waiting:
        below, depth = waiting.pop()
        try:
            found = list(os.scandir(runs / below))
        except FileNotFoundError:
            continue
        for one in found:
            name = f"{below}{one.name}"
            if depth < _DEEPEST and one.is_dir(follow_symlinks=False):
                waiting.append((f"{name}/", depth + 1))
            else:
                yield name, one


def _compared(runs: Path, name: str, promised: Promised, *, is_link: bool) -> File:
    if is_link:
        return File(name, "It is a link, which no run leaves.", serious=True, is_notebook=True)
    try:
        digest, size = _digest(runs / name)
    except FileNotFoundError:  # Removed since the folder was read.
        return File(name, _missing(promised, has_part=False), serious=bool(promised.sha256), is_missing=True)
    except OSError as error:
        return File(name, f"It cannot be read ({error.strerror or error}).", serious=True, is_notebook=True)
    problem, serious = "", False
    if promised.sha256 and digest != promised.sha256:
        serious = True
        problem = (
            f"It was changed after its run: its SHA-256 is {digest}, line {promised.line} of the ledger says "
            f"{promised.sha256}."
        )
    elif promised.pruned:
        problem = f"Line {promised.line} of the ledger says that it was removed because of its age; it is still there."
    elif promised.ended and not promised.sha256:
        problem, serious = f"The run kept no notebook (line {promised.line} of the ledger); it was put there.", True
    elif not promised.sha256:
        problem = f"The ledger (line {promised.line}) does not say what it is: its run came to no proper end."
    return File(name, problem, serious=serious, size=size, is_notebook=True)


def _digest(path: Path) -> tuple[str, int]:
    try:
        return _hash(path)
    except PermissionError:
        return _patiently(path)


def _hash(path: Path) -> tuple[str, int]:
    if is_no_file(path):
        raise OSError(errno.EINVAL, "it is no file")
    # Without a buffer of Python's: in that, two threads are slower than one.
    with path.open("rb", buffering=0) as file:
        hashed, size = hashlib.sha256(), 0
        while block := file.read(_BLOCK):
            hashed.update(block)
            size += len(block)
        return hashed.hexdigest(), size


# Not around every file: it takes as long as hashing a small one.
_patiently: Final = retry_while_in_use(_hash)


def _missing(promised: Promised, *, has_part: bool) -> str:
    if promised.pruned or not promised.ended:
        return ""
    if promised.sha256:
        return f"It is missing; line {promised.line} of the ledger says what the run had left."
    return "" if has_part else f"The run could keep no notebook (line {promised.line} of the ledger)."


def _besides(name: str, left: Left, active: str) -> Iterator[File]:
    """A file that the ledger does not tell of."""
    folder, _, file = name.rpartition("/")
    whole = left.notebooks.get(name.removesuffix(_PART))
    if (not folder and file in _OWN) or file.lower() in _OF_THE_SYSTEM:
        return
    if _CHECKPOINTS in folder.split("/"):
        yield File(name, "A checkpoint that Jupyter made of an opened notebook; it can be removed.")
    elif _TEMPORARY.fullmatch(file):
        yield File(name, "What a kill left of a file that was being written; it can be removed.")
    elif whole is not None and left.goes_on(name):
        if whole.run_id != active:
            yield File(name, f"What {whole.run_id}, which came to no proper end, had saved until then.")
    else:
        yield File(name, "No run left this; it was put there.", serious=True, is_foreign=True)
