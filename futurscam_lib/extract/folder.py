"""JSON files in a folder: `*.json` (one object or a list) and `*.jsonl`, recursively; never changed.

Files are selected by the instant in `FolderMemory`: when this home first saw the file in its present state. So a file
that arrives with an old modification time is read by the next run.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.errors import OperatorMustAct, RetryLater
from futurscam_lib.extract import folder_memory, json_items
from futurscam_lib.extract.folder_memory import DueFile, FileState, FolderMemory
from futurscam_lib.extract.json_items import JsonFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from futurscam_lib.extract.folder_memory import UnreadFiles
    from futurscam_lib.extract.source import Probe
    from futurscam_lib.records import RawRecord, Window
    from futurscam_lib.settings import Settings

# The default buffer is smaller than one post.
_BUFFER_BYTES: Final = 1 << 16


class FolderSource:
    """The inbox folder."""

    name = "folder"

    def __init__(
        self,
        folder: Path,
        memory: FolderMemory | None = None,
        *,
        now: Callable[[], datetime] = clock.now,
        is_ours: bool = False,
    ) -> None:
        """Read from a folder.

        Args:
            folder: The inbox.
            memory: What the folder showed before; None: remember nothing, and use a file's modification time.
            now: Returns the current time, aware.
            is_ours: Whether `read` creates the folder; else a missing folder is an error.
        """
        self._is_ours = is_ours
        self._folder, self._memory, self._now = folder, memory or FolderMemory(None, folder), now
        self.notes: list[str] = []
        self._failed: list[str] = []
        self._read: tuple[Window, datetime] | None = None

    def read(self, window: Window) -> Iterator[RawRecord]:
        """Stream the items of all files whose instant lies in the window.

        Raises:
            OperatorMustAct: The folder is missing or may not be read, or the memory cannot be written.
            RetryLater: Some files could not be read; all others were yielded before.
        """
        self.notes, self._failed, self._read = [], [], None
        if self._is_ours:
            self._folder.mkdir(exist_ok=True)
        now, walk = self._now(), _Walk(self._folder)
        with self._memory.look(walk.states, window, now=now, unlisted=walk.unlisted) as look:
            self.notes += [note for note in (walk.note, look.note) if note]
            if look.first and look.unread:
                self.notes.append(str(look.unread))
            unreadable = list(walk.unreadable)
            for file in look.files():
                try:
                    yield from self._items(file)
                except FileNotFoundError:  # Moved or deleted since the folder was listed.
                    self._failed.append(file.path)
                except OSError as error:
                    self._failed.append(file.path)
                    unreadable.append(f"{json_items.as_text(file.path)} ({error.strerror})")
        self._read = window, now
        if unreadable:
            raise RetryLater(
                f"{len(unreadable)} file(s) of {self._folder} could not be read: {json_items.some(unreadable)}."
            )

    def read_whole(self, origins: Sequence[str]) -> dict[str, datetime]:
        """For items whose file was completely read by the last `read`: the instant of that file."""
        if self._read is None:
            return {}
        window, now = self._read
        failed = {json_items.as_text(path) for path in self._failed}
        return {
            origin: instant
            for origin, instant in self._memory.instants(origins, now=now).items()
            if instant in window and json_items.file_of(origin) not in failed
        }

    def loaded(self) -> None:
        """Note that all records of the last `read` have been loaded."""
        if self._read is not None:
            self._memory.mark_read(self._read[0], but=self._failed)

    def probe(self, window: Window, progress: Probe) -> None:
        """Count the files of the window.

        Raises:
            OperatorMustAct, RetryLater: As `read`.
        """
        progress.signed_in = None
        if self._is_ours and not self._folder.exists():
            progress.reached = progress.may_read = True
            progress.remark = f"{self._folder} does not exist yet; a run makes it."
            return
        walk = _Walk(self._folder)
        walk.check()
        progress.reached = True
        memory = replace(self._memory, writes=False)
        with memory.look(walk.states, window, now=self._now(), unlisted=walk.unlisted) as look:
            progress.remark = " ".join(str(remark) for remark in (look.note, look.unread) if remark)
            waiting = look.waiting
        if walk.unreadable:
            raise RetryLater(f"Some of {self._folder} could not be read: {json_items.some(walk.unreadable)}.")
        progress.may_read, progress.waiting = True, waiting

    def _items(self, file: DueFile) -> Iterator[RawRecord]:
        path = self._folder / file.path
        with path.open("rb", buffering=_BUFFER_BYTES) as content:
            json_file = JsonFile(self.name, json_items.as_text(file.path), file.instant, file.size)
            yield from json_file.records(content, lines=path.suffix.lower() == json_items.LINES)


def open_source(settings: Settings, *, has_history: Callable[[], bool], dry_run: bool) -> FolderSource:
    """The inbox of a home; a run creates the default inbox, but an inbox named in the settings must exist.

    Args:
        settings: The settings.
        has_history: Whether a run of this home has read the folder; called if the home has no memory of it.
        dry_run: Do not remember what the folder shows.
    """
    memory = _memory(settings, has_history, writes=not dry_run)
    return FolderSource(settings.inbox, memory, is_ours=settings.inbox == settings.home / "inbox")


def unread(settings: Settings, *, has_history: Callable[[], bool], since: datetime) -> UnreadFiles | None:
    """Files that are older than the window of the next run and that no run has read, as the home remembers them.

    Args:
        settings: The settings.
        has_history: As for `open_source`.
        since: Start of the next run's window.
    """
    return _memory(settings, has_history, writes=False).unread(since=since)


def _memory(settings: Settings, has_history: Callable[[], bool], *, writes: bool) -> FolderMemory:
    return FolderMemory(settings.home / folder_memory.FILE, settings.inbox, has_history=has_history, writes=writes)


class _Walk:
    """One walk through a folder.

    Attributes:
        unreadable: Files and folders that could not be read, with the reason.
        unlisted: The paths of the same files and folders.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.unreadable: list[str] = []
        self.unlisted: list[str] = []
        self._outside: list[str] = []

    @property
    def note(self) -> str:
        """Which links were not followed; empty if all were followed."""
        if not self._outside:
            return ""
        names = json_items.some(self._outside)
        return f"{len(self._outside)} link(s) that lead outside the inbox were not followed: {names}."

    def states(self) -> Iterator[FileState]:
        """All JSON files; may be called again.

        Raises:
            OperatorMustAct: The folder is missing or may not be read.
        """
        for paths in (self.unreadable, self.unlisted, self._outside):
            paths.clear()
        for path in self._files():
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            except OSError as error:
                self._failed(path, error)
                continue
            if stat.S_ISREG(status.st_mode):
                yield FileState(self._relative(path), status.st_size, status.st_mtime_ns)

    def check(self) -> None:
        """Check that the inbox is a folder.

        Raises:
            OperatorMustAct: It is missing or may not be read.
        """
        try:
            present = self._folder.is_dir()
        except OSError as error:
            raise OperatorMustAct(f"The inbox {self._folder} may not be read ({error.strerror}).") from error
        if not present:
            raise OperatorMustAct(
                f"The inbox {self._folder} is not a folder. "
                "Create it, or set FUTURSCAM_INBOX to the folder that receives the files."
            )

    def _files(self) -> Iterator[Path]:
        self.check()

        def failed(error: OSError) -> None:
            if Path(error.filename) == self._folder:
                raise OperatorMustAct(f"The inbox {self._folder} may not be read ({error.strerror}).") from error
            self._failed(Path(error.filename), error)

        def leads_inside(path: Path) -> bool:
            try:
                return _leads_inside(path, inside, self._outside)
            except OSError as error:  # A folder that may be listed and not entered, a path that is too long.
                failed(error)
                return False

        inside = self._folder.resolve()
        for folder, folders, names in os.walk(self._folder, onerror=failed):
            # os.walk does not descend into symbolic links; a Windows junction looks like a folder to it.
            folders[:] = [name for name in sorted(folders) if leads_inside(Path(folder, name))]
            for name in sorted(names):
                path = Path(folder, name)
                if path.suffix.lower() in json_items.ENDINGS and leads_inside(path):
                    yield path

    def _failed(self, path: Path, error: OSError) -> None:
        relative = self._relative(path)
        self.unreadable.append(f"{json_items.as_text(relative)} ({error.strerror})")
        self.unlisted.append(relative)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


def _leads_inside(path: Path, inside: Path, outside: list[str]) -> bool:
    """Whether a path is not a link, or a link to a target inside the inbox."""
    junction = hasattr(path, "is_junction") and path.is_junction()
    if not (path.is_symlink() or junction):
        return True
    with suppress(OSError, RuntimeError):
        if path.resolve(strict=True).is_relative_to(inside):
            return not junction
    outside.append(json_items.as_text(path.name))
    return False
