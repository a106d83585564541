"""The files that JupyterLab shows: those of the home, where the audit log in `runs` is read-only.

JupyterLab saves an open notebook automatically every two minutes. An executed notebook would then no longer match its
hash in the ledger, so all writes there are refused. `futurscam runs verify` detects changes by other programs.

Jupyter's own settings have no read-only folder, and file permissions do not stop a rename or a deletion on Linux and
macOS; hence this class.
"""

# The base class has no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jupyter_server.services.contents.filecheckpoints import AsyncGenericFileCheckpoints
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError
from traitlets import Unicode, default

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS: Final = "runs"
LEDGER: Final = "ledger.jsonl"
REFUSED: Final = (
    "This is the audit log: {path} can be read, not changed. To work on a notebook of it, save it under another name "
    "in another folder: File > Save Notebook As..., for instance lab/copy.ipynb."
)


class HomeFiles(AsyncLargeFileManager):
    """The files below `root_dir`; its folder `runs` and every other folder `runs` with a ledger are read-only.

    Attributes:
        checkpoints_dir: Where Jupyter keeps the last saved state of each notebook. Its default, a folder beside the
            notebook, would lie in the audit log.
    """

    checkpoints_dir = Unicode(config=True)

    def __init__(self, **traits: Any) -> None:
        """Take the traits of Jupyter."""
        super().__init__(**traits)
        # With atomic writing, Jupyter replaces a torn notebook on reading by the temporary file in its folder.
        self._reader = AsyncLargeFileManager(root_dir=self.root_dir, use_atomic_writing=False, parent=self)

    @default("checkpoints_class")
    def _checkpoints_class(self) -> type[AsyncGenericFileCheckpoints]:
        return AsyncGenericFileCheckpoints

    @default("checkpoints_kwargs")
    def _checkpoints_arguments(self) -> dict[str, Any]:
        return {"parent": self, "log": self.log, "root_dir": self.checkpoints_dir}

    def is_writable(self, path: str) -> bool:
        """Whether a file may be saved; JupyterLab shows others as read-only and does not save them automatically."""
        return not self._is_in_log(self._get_os_path(path)) and bool(super().is_writable(path))

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Save a file, a chunk of a file, or a new folder; also for uploads, new files and restored checkpoints."""
        self._refuse_log(path)
        saved: dict[str, Any] = await super().save(model, path)
        return saved

    async def copy(self, from_path: str, to_path: str | None = None) -> dict[str, Any]:
        """Copy a file or a folder; copying out of the audit log is allowed, into it is refused."""
        self._refuse_log(from_path.strip("/").rpartition("/")[0] if to_path is None else to_path)
        if to_path is not None and self._is_inside(to_path, from_path):
            raise HTTPError(400, f"{from_path} cannot be copied into itself", reason="A folder into itself")
        copied: dict[str, Any] = await super().copy(from_path, to_path)
        return copied

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """Rename or move."""
        self._refuse_log(new_path)
        self._refuse_log(old_path, and_above=True)
        await super().rename_file(old_path, new_path)

    async def delete_file(self, path: str) -> None:
        """Delete a file or a folder."""
        self._refuse_log(path, and_above=True)
        await super().delete_file(path)

    async def _read_notebook(self, os_path: str, *arguments: Any, **options: Any) -> Any:
        read = self._reader._read_notebook if self._is_in_log(os_path) else super()._read_notebook  # noqa: SLF001 - the same class
        return await read(os_path, *arguments, **options)

    def _is_inside(self, path: str, folder: str) -> bool:
        """Whether a path is inside a folder; without this check Jupyter copies a folder into itself endlessly."""
        outer = Path(os.path.realpath(self._get_os_path(folder)))
        return outer.is_dir() and Path(os.path.realpath(self._get_os_path(path))).is_relative_to(outer)

    def _refuse_log(self, path: str, *, and_above: bool = False) -> None:
        place = self._get_os_path(path)
        above = and_above and any(self._is_log(Path(folder)) for folder, _, _ in os.walk(place))
        if above or self._is_in_log(place):
            raise HTTPError(403, REFUSED.format(path=path), reason="This is the audit log")

    def _is_in_log(self, place: str) -> bool:
        return any(self._is_log(folder) for folder in _upwards(place))

    def _is_log(self, folder: Path) -> bool:
        if _is_same(folder, Path(self.root_dir) / RUNS):
            return True
        return os.path.normcase(folder.name) == RUNS and os.path.exists(folder / LEDGER)  # noqa: PTH110 - never raises


def _upwards(place: str) -> Iterator[Path]:
    """A path and all folders above it, both as written and with links resolved."""
    for path in (Path(os.path.abspath(place)), Path(os.path.realpath(place))):  # noqa: PTH100 - `..` as it is written
        yield from (path, *path.parents)


def _is_same(first: Path, second: Path) -> bool:
    # The system compares them, because it knows short names, trailing dots and case-insensitive names.
    with suppress(OSError):
        return first.samefile(second)
    return os.path.normcase(first) == os.path.normcase(second)
