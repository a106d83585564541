"""Where the home lies: folders that a program synchronises, drives of other machines, long paths."""

from __future__ import annotations

import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import psutil

from futurscam_lib.diagnostics.finding import Finding, attempt
from futurscam_lib.settings import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path, PurePath

LONG: Final = 150
"""Characters. An executed notebook adds some 60, its temporary file more, and Windows takes 260 in all."""

_VARIABLES: Final = ("OneDrive", "OneDriveCommercial", "OneDriveConsumer")
_PARTS: Final = {
    "OneDrive": re.compile(r"onedrive( - .+)?", re.IGNORECASE),
    "Dropbox": re.compile(r"dropbox( \(.+\))?", re.IGNORECASE),
    "Google Drive": re.compile(r"google ?drive|googledrive-.+|my drive", re.IGNORECASE),
    "iCloud": re.compile(r"icloud ?drive|com~apple~clouddocs", re.IGNORECASE),
    "Nextcloud": re.compile(r"(next|own)cloud", re.IGNORECASE),
}
_OF_NETWORKS: Final = {"nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "afpfs", "webdav", "davfs", "fuse.sshfs", "9p"}
_WINDOWS: Final = sys.platform == "win32"
_EXAMPLE: Final = r"C:\FuturScam" if _WINDOWS else "~/futurscam"
_MOVE: Final = (
    f"While nothing runs, move its content to a folder such as {_EXAMPLE} and set FUTURSCAM_HOME to that "
    "(then: futurscam doctor)."
)


def look(home: Path, *, environ: Mapping[str, str]) -> Iterator[Finding]:
    """All checks of the place."""
    for name, folder in (("home", home), ("project", PROJECT)):
        yield from attempt(name, partial(synchronised, name, folder, environ=environ))
    if _WINDOWS:
        yield from attempt("path", partial(path_length, home))
    yield from attempt("drive", lambda: drive(home, mounts()))


def synchronised(name: str, folder: PurePath, *, environ: Mapping[str, str]) -> Finding:
    """Whether a program copies what lies there, behind the back of whoever writes it.

    Args:
        name: What the folder is: `home` or `project`.
        folder: Its path.
        environ: Where OneDrive says which folders are its own.
    """
    program = _synchroniser(folder, environ)
    if not program:
        return Finding(name, "ok", str(folder))
    what = (
        f"The {name} {folder} is synchronised by {program}, which keeps files open while they are replaced and "
        "may put an older .last_execution or ledger back."
    )
    move = "Have the project somewhere else, and make its environment there: python -m uv sync"
    return Finding(name, "warning", what, _MOVE if name == "home" else move)


def path_length(home: PurePath) -> Finding:
    """Whether Windows can take the paths of what a run writes."""
    characters = len(str(home))
    if characters > LONG:
        what = f"The path of the home has {characters} characters; with what runs add, Windows may refuse it."
        return Finding("path", "warning", what, _MOVE)
    return Finding("path", "ok", f"{characters} characters")


def mounts() -> list[tuple[str, str, str]]:
    """Every drive: where it is mounted, its file system, its options."""
    return [(one.mountpoint, one.fstype, one.opts) for one in psutil.disk_partitions(all=True)]


def drive(home: PurePath, mounted: Iterable[tuple[str, str, str]]) -> Finding:
    """Whether the home lies on another machine, where locks and renames cannot be relied upon."""
    above = [one for one in mounted if home.is_relative_to(one[0])]
    _, kind, options = max(above, key=lambda one: len(one[0]), default=("", "", ""))
    remote = kind.lower() in _OF_NETWORKS or "remote" in options.split(",") or str(home).startswith("\\\\")
    if not remote:
        return Finding("drive", "ok", "of this machine")
    what = f"The home {home} is on a network drive, where neither the lock of a run nor a rename can be relied upon."
    return Finding("drive", "warning", what, _MOVE)


def _synchroniser(folder: PurePath, environ: Mapping[str, str]) -> str:
    for variable in _VARIABLES:
        if (own := environ.get(variable)) and folder.is_relative_to(type(folder)(own)):
            return "OneDrive"
    names = (
        program for part in folder.parts for program, pattern in _PARTS.items() if pattern.fullmatch(part.strip("/\\"))
    )
    return next(names, "")
