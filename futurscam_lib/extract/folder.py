"""JSON files in a folder: `*.json` (one object or a list) and `*.jsonl`, recursively; never changed.

The cursor is the file's modification time. A file that arrived lately with an older modification time (copied with
its times kept) lies before the window; it is named in the notes, because no later run would see it either.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.errors import OperatorMustAct, RetryLater
from futurscam_lib.extract import items
from futurscam_lib.extract.items import JsonFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from futurscam_lib.extract.source import Probe
    from futurscam_lib.records import RawRecord, Window

# The default holds less than one post.
_BUFFER_BYTES: Final = 1 << 16


class FolderSource:
    """The inbox folder."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        """Read from `folder`, which `read` expects to exist."""
        self._folder = folder
        self.notes: list[str] = []

    def read(self, window: Window) -> Iterator[RawRecord]:
        """Stream the items of all files that were modified in the window.

        Raises:
            OperatorMustAct: The folder is missing or may not be read.
            RetryLater: Some files could not be read; all others were yielded before.
        """
        self.notes = []
        unreadable: list[str] = []
        late: list[str] = []
        for path in self._files(unreadable):
            try:
                status = path.stat()
                if not stat.S_ISREG(status.st_mode):
                    continue
                instant = clock.from_epoch(status.st_mtime)
                if instant in window:
                    yield from self._items(path, instant, status.st_size)
                elif instant < window.since <= clock.from_epoch(status.st_ctime):
                    late.append(self._relative(path))
            except FileNotFoundError:
                continue  # Moved away since the folder was listed: whoever moved it has it.
            except OSError as error:
                unreadable.append(f"{self._relative(path)} ({error.strerror})")
        if late:
            self.notes.append(
                f"{len(late)} file(s) arrived in this window with an older modification time and were not read: "
                f"{items.some(late)}. Load them with `futurscam run --since` an earlier instant, or touch them."
            )
        if unreadable:
            raise RetryLater(
                f"{len(unreadable)} file(s) of {self._folder} could not be read: {items.some(unreadable)}."
            )

    def probe(self, window: Window, found: Probe) -> None:
        """Count the files of the window.

        Raises:
            OperatorMustAct, RetryLater: As `read`.
        """
        found.signed_in = None
        self._check()
        found.reached = True
        unreadable: list[str] = []
        there = sum(clock.from_epoch(path.stat().st_mtime) in window for path in self._files(unreadable))
        if unreadable:
            raise RetryLater(f"Some of {self._folder} could not be read: {items.some(unreadable)}.")
        found.may_read, found.waiting = True, there

    def _check(self) -> None:
        try:
            present = self._folder.is_dir()
        except OSError as error:
            raise OperatorMustAct(f"The inbox {self._folder} may not be read ({error.strerror}).") from error
        if not present:
            raise OperatorMustAct(
                f"The inbox {self._folder} is not a folder. "
                "Create it, or set FUTURSCAM_INBOX to the folder that receives the files."
            )

    def _files(self, unreadable: list[str]) -> Iterator[Path]:
        self._check()

        def failed(error: OSError) -> None:
            if Path(error.filename) == self._folder:
                raise OperatorMustAct(f"The inbox {self._folder} may not be read ({error.strerror}).") from error
            unreadable.append(f"{self._relative(Path(error.filename))} ({error.strerror})")

        def leads_inside(path: Path) -> bool:
            try:
                return _leads_inside(path, inside, outside)
            except OSError as error:  # A folder that may be listed and not entered, a path that is too long.
                failed(error)
                return False

        inside = self._folder.resolve()
        outside: list[str] = []
        for folder, folders, names in os.walk(self._folder, onerror=failed):
            # os.walk does not descend into symbolic links; a Windows junction looks like a folder to it.
            folders[:] = [name for name in sorted(folders) if leads_inside(Path(folder, name))]
            for name in sorted(names):
                path = Path(folder, name)
                if path.suffix.lower() in items.ENDINGS and leads_inside(path):
                    yield path
        if outside:
            self.notes.append(
                f"{len(outside)} link(s) that lead outside the inbox were not followed: {items.some(outside)}."
            )

    def _items(self, path: Path, instant: datetime, size: int) -> Iterator[RawRecord]:
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            found = JsonFile(self.name, self._relative(path), instant, size)
            yield from found.records(file, lines=path.suffix.lower() == items.LINES)

    def _relative(self, path: Path) -> str:
        return items.as_text(path.relative_to(self._folder).as_posix())


def _leads_inside(path: Path, inside: Path, outside: list[str]) -> bool:
    """Whether a path is no link, or a link to something inside the inbox."""
    junction = hasattr(path, "is_junction") and path.is_junction()
    if not (path.is_symlink() or junction):
        return True
    with suppress(OSError, RuntimeError):
        if path.resolve(strict=True).is_relative_to(inside):
            return not junction
    outside.append(items.as_text(path.name))
    return False
