"""The files of the desk: a folder to work in, and the audit log in `runs/`, which nobody changes while looking.

Any other folder that holds a ledger is one, too, like that of the demo's home inside the project.

Jupyter saves a notebook where it opened it, by itself every two minutes. An executed notebook that was opened to be
read would then no longer fit its hash in the ledger, so whatever would write there is refused. A shell can still do it;
then `futurscam runs verify` tells.
"""

# The base class has no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jupyter_server.files.handlers import FilesHandler
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError
from traitlets import Unicode, default

from futurscam_lib.lab.places import RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator


LEDGER: Final = "ledger.jsonl"
REFUSED: Final = (
    "This is the audit log: what runs left in {path} stays as it is. To work on a notebook of it, save it under "
    "another name and elsewhere: File > Save Notebook As..., for instance notebooks/copy.ipynb."
)
NO_LEDGER: Final = (
    "A file of the name {name} would make its folder an audit log, in which nothing can be changed. "
    "Give it another name."
)


class AuditLog(AsyncLargeFileManager):
    """A folder of runs, to be read."""

    # Else reading a torn notebook would put another file in its place.
    use_atomic_writing = False

    def is_writable(self, path: str) -> bool:  # noqa: ARG002 - one answer to all paths
        """No; JupyterLab then shows a notebook as read-only and saves nothing by itself."""
        return False


class DeskFiles(AsyncLargeFileManager):
    """All that JupyterLab shows: `runs/` is the audit log, wherever it is; all else are the files under `root_dir`.

    Attributes:
        runs: Folder of the runs, absolute. It need not lie under `root_dir`: a home may be anywhere, also on another
            drive, while its notebooks are those of the project.
    """

    runs = Unicode(config=True)

    def __init__(self, **traits: Any) -> None:
        """Take the traits of Jupyter."""
        super().__init__(**traits)
        self._log = AuditLog(root_dir=self.runs, parent=self, log=self.log)
        self._log_elsewhere = AuditLog(root_dir=self.root_dir, parent=self, log=self.log)
        # What the desk itself lies in is none, whatever is found there.
        self._outside = set(_upwards(self.root_dir))

    @default("files_handler_class")
    def _downloads(self) -> type[FilesHandler]:
        # Asks here; the usual one takes the files under `root_dir` as they lie there.
        return FilesHandler

    # What is asked for.

    async def get(self, path: str, *asked: Any, **also: Any) -> dict[str, Any]:
        """A file or a folder, as Jupyter models it."""
        inside = _in_runs(path)
        if inside is None:
            get = self._log_elsewhere.get if self._is_in_the_log(path) else super().get
            found: dict[str, Any] = await get(path, *asked, **also)
            return found
        model: dict[str, Any] = await self._log.get(inside, *asked, **also)
        for one in _with_children(model):
            one["path"] = f"{RUNS}/{one['path']}".rstrip("/")
        return {**model, "name": model["name"] or RUNS}

    async def is_hidden(self, path: str) -> bool:
        """Whether it is hidden, or in a hidden folder."""
        inside = _in_runs(path)
        return bool(await (super().is_hidden(path) if inside is None else self._log.is_hidden(inside)))

    def is_writable(self, path: str) -> bool:
        """Whether it may be saved; not what a link leads to in the audit log."""
        return not self._is_in_the_log(path) and bool(super().is_writable(path))

    def _get_os_path(self, path: str) -> str:
        inside = _in_runs(path)
        return str(super()._get_os_path(path) if inside is None else self._log._get_os_path(inside))  # noqa: SLF001 - its twin

    # What would write.

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Save a file, a part of one, or a new folder; Jupyter's uploads and new files come here, too."""
        self._refuse_the_log(path)
        self._refuse_a_ledger(path)
        saved: dict[str, Any] = await super().save(model, path)
        return saved

    async def copy(self, from_path: str, to_path: str | None = None) -> dict[str, Any]:
        """Copy a file or a folder, from the audit log, too, but not into it."""
        above, _, name = from_path.strip("/").rpartition("/")
        target = above if to_path is None else to_path
        self._refuse_the_log(target)
        self._refuse_a_ledger(f"{target}/{name}" if await self.dir_exists(target) else target)
        if to_path is not None and self._is_inside(to_path, from_path):
            raise HTTPError(400, f"{from_path} cannot be copied into itself", reason="A folder into itself")
        copied: dict[str, Any] = await super().copy(from_path, to_path)
        return copied

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """Rename or move."""
        self._refuse_the_log(old_path, new_path, and_above=True)
        self._refuse_a_ledger(new_path)
        await super().rename_file(old_path, new_path)

    async def delete_file(self, path: str) -> None:
        """Delete a file or a folder."""
        self._refuse_the_log(path, and_above=True)
        await super().delete_file(path)

    async def create_checkpoint(self, path: str) -> dict[str, Any]:
        """Keep a copy beside it."""
        self._refuse_the_log(path, _folder_of(path))
        made: dict[str, Any] = await super().create_checkpoint(path)
        return made

    async def restore_checkpoint(self, checkpoint_id: str, path: str) -> None:
        """Put the copy in its place."""
        self._refuse_the_log(path, _folder_of(path))
        await super().restore_checkpoint(checkpoint_id, path)

    async def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        """Remove the copy."""
        self._refuse_the_log(path, _folder_of(path))
        await super().delete_checkpoint(checkpoint_id, path)

    async def list_checkpoints(self, path: str) -> list[dict[str, Any]]:
        """The copies that are kept beside it; none in the audit log."""
        kept: list[dict[str, Any]] = [] if self._is_in_the_log(path) else await super().list_checkpoints(path)
        return kept

    def _is_inside(self, path: str, folder: str) -> bool:
        """Whether it leads into that folder: Jupyter copies one into itself until no path can be longer."""
        outer = Path(os.path.realpath(self._get_os_path(folder)))
        return outer.is_dir() and Path(os.path.realpath(self._get_os_path(path))).is_relative_to(outer)

    def _refuse_the_log(self, *paths: str, and_above: bool = False) -> None:
        for path in paths:
            if self._is_in_the_log(path) or (and_above and self._is_above_the_log(path)):
                raise HTTPError(403, REFUSED.format(path=path), reason="This is the audit log")

    def _refuse_a_ledger(self, path: str) -> None:
        name = path.rstrip("/").rpartition("/")[2]
        if os.path.normcase(name) == LEDGER:
            raise HTTPError(403, NO_LEDGER.format(name=name), reason="This is the name of a ledger")

    def _is_in_the_log(self, path: str) -> bool:
        """Whether a path leads there: as it is written, through links and `..`, by another name of the same folder."""
        return any(
            any(_same(one, log) for log in self._logs()) or (one not in self._outside and os.path.exists(one / LEDGER))  # noqa: PTH110 - never raises
            for one in _upwards(self._get_os_path(path))
        )

    def _is_above_the_log(self, path: str) -> bool:
        place = Path(self._get_os_path(path))
        known = any(_same(place, folder) for log in self._logs() for folder in log.parents)
        return known or any(LEDGER in files for _, _, files in os.walk(place))

    def _logs(self) -> tuple[Path, Path]:
        # What `runs/` hides beside the notebooks may be the log of another home.
        return Path(self.runs), Path(self.root_dir) / RUNS


def _in_runs(path: str) -> str | None:
    """What of a path of Jupyter's comes below `runs`; None where it begins with something else."""
    first, _, rest = path.strip("/").partition("/")
    # As the file system takes the name: on Windows `RUNS` is the same folder.
    return rest if os.path.normcase(first) == RUNS else None


def _folder_of(path: str) -> str:
    """Where Jupyter writes beside a path, as it is written: beside `link/..` that is where the link leads."""
    return path.strip("/").rpartition("/")[0]


def _upwards(place: str) -> Iterator[Path]:
    """A path and all folders above it, as it is written and as its links lead; what is not there yet, too."""
    for path in (Path(os.path.abspath(place)), Path(os.path.realpath(place))):  # noqa: PTH100 - `..` goes as it is written
        yield from (path, *path.parents)


def _same(one: Path, other: Path) -> bool:
    # The system's own answer: it knows short names, trailing dots and the case of letters.
    with suppress(OSError):
        return one.samefile(other)
    return one == other


def _with_children(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield model
    if model["type"] == "directory":
        yield from model["content"] or ()
