"""Write files so that a reader, a kill or a power cut never sees half of one."""

from __future__ import annotations

import glob
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import stamina

if TYPE_CHECKING:
    from pathlib import Path

_FOLDERS_CAN_SYNC = os.name == "posix"

retry_while_in_use = stamina.retry(on=PermissionError, attempts=12, timeout=2.5, wait_initial=0.02, wait_max=0.5)
"""Decorator that tries again for 2.5 s: on Windows a virus scanner, OneDrive or an editor may have a file open."""


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: a temporary file beside it, fsync, replace, fsync of the folder.

    Raises:
        OSError: The disk is full, the folder is missing or not writable, or another program kept the file open
            for longer than the retries last. `path` is as it was, and no temporary file is left.
    """
    # Not mkstemp: its files are readable by their owner only, and reviewers are other people.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sweep(path: Path) -> None:
    """Remove temporary files left by killed `write_atomically(path)` calls; only safe if nothing else is writing."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)


@retry_while_in_use
def replace(old: Path, new: Path) -> None:
    """Rename, and overwrite `new`."""
    os.replace(old, new)  # noqa: PTH105 - the operation's name is the point


@retry_while_in_use
def read_bytes(path: Path) -> bytes:
    """Read a whole file."""
    return path.read_bytes()


def move_if_absent(old: Path, new: Path) -> None:
    """Rename without ever overwriting.

    Raises:
        FileExistsError: `new` exists; both are as they were.
    """
    if os.name == "nt":
        old.rename(new)  # Windows itself refuses where `new` exists.
    else:
        try:
            os.link(old, new)  # atomic, and fails where `new` exists; rename would overwrite
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if new.exists():
                raise FileExistsError(new) from None
            old.rename(new)
        else:
            old.unlink()
    sync_folder(new.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, if the system supports it."""
    if not _FOLDERS_CAN_SYNC:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
