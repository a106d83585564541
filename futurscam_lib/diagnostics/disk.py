"""The home on its disk: free space, permissions, synchronised folders, network drives, long paths."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Final

import psutil

from futurscam_lib.diagnostics.checks import Check, CheckResult
from futurscam_lib.settings import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path, PurePath

    from futurscam_lib.settings import Settings

GIGABYTE: Final = 10**9
SCARCE, TOO_LITTLE = 2 * GIGABYTE, GIGABYTE // 5
_PROBE: Final = ".futurscam.doctor."
_WINDOWS: Final = sys.platform == "win32"
LONG: Final = 150
"""In characters. An executed notebook adds about 60, its temporary file more, and Windows allows 260."""

_VARIABLES: Final = ("OneDrive", "OneDriveCommercial", "OneDriveConsumer")
_PARTS: Final = {
    "OneDrive": re.compile(r"onedrive( - .+)?", re.IGNORECASE),
    "Dropbox": re.compile(r"dropbox( \(.+\))?", re.IGNORECASE),
    "Google Drive": re.compile(r"google ?drive|googledrive-.+|my drive", re.IGNORECASE),
    "iCloud": re.compile(r"icloud ?drive|com~apple~clouddocs", re.IGNORECASE),
    "Nextcloud": re.compile(r"(next|own)cloud", re.IGNORECASE),
}
_OF_NETWORKS: Final = {"nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "afpfs", "webdav", "davfs", "fuse.sshfs", "9p"}
_EXAMPLE: Final = r"C:\FuturScam" if _WINDOWS else "~/futurscam"
_MOVE: Final = (
    f"While no run is active, move its content to a folder such as {_EXAMPLE} and set FUTURSCAM_HOME to that "
    "(then: futurscam doctor)."
)


def space(folder: Path, *, scarce: int = SCARCE, too_little: int = TOO_LITTLE) -> CheckResult:
    """Whether the disk has free space.

    Args:
        folder: The home; it need not exist yet.
        scarce: Bytes below which it is a warning.
        too_little: Bytes below which it is a problem.
    """
    free = shutil.disk_usage(_existing(folder)).free
    shown = f"{free / GIGABYTE:,.1f} GB are free"
    if free >= scarce:
        return CheckResult("disk", "ok", shown)
    what = f"Only {shown} on the disk of {folder}."
    remedy = f"Free some space; notebooks of old runs in {folder / 'runs'} may be moved elsewhere, month by month."
    return CheckResult("disk", "problem" if free < too_little else "warning", what, remedy)


def rights(settings: Settings, *, access: Callable[[Path, int], bool] = os.access) -> list[CheckResult]:
    """Whether a run can write all its files; one result for each that it cannot write."""
    results = [
        _folder(settings.home, access=access, probe=True),
        _folder(settings.runs, access=access, probe=True),
        _folder(settings.logs, access=access, probe=False),
        # Elsewhere a file that is read-only can be replaced all the same, which is how the watermark is written.
        _file(settings.watermark_file, os.R_OK | os.W_OK if _WINDOWS else os.R_OK, access=access),
        _file(settings.ledger_file, os.R_OK | os.W_OK, access=access),
    ]
    return [result for result in results if result] or [
        CheckResult("rights", "ok", "a run may write everything that it needs")
    ]


def _folder(folder: Path, *, access: Callable[[Path, int], bool], probe: bool) -> CheckResult | None:
    there = _existing(folder)
    if not there.is_dir():
        remedy = f"Move it away; the next run makes the folder: {_rename(there)}"
        return CheckResult("rights", "problem", f"{there} is a file where a folder has to be.", remedy)
    reason = "" if access(there, os.W_OK | os.X_OK) else "permission denied"
    if not reason and probe and there == folder:
        reason = _refusal(folder)
    if not reason:
        return None
    return CheckResult("rights", "problem", f"Nothing can be written into {there}: {reason}.", _grant(there))


def _file(file: Path, wanted: int, *, access: Callable[[Path, int], bool]) -> CheckResult | None:
    if not file.exists():
        return None
    if not file.is_file():
        remedy = f"Move it away: {_rename(file)}"
        return CheckResult("rights", "problem", f"{file} is a folder where a file has to be.", remedy)
    if access(file, wanted):
        return None
    how = "written" if wanted & os.W_OK else "read"
    return CheckResult(
        "rights", "problem", f"{file} can't be {how}: it is read-only or belongs to another user.", _grant(file)
    )


def _refusal(folder: Path) -> str:
    """Why no file can be created in a folder; tries it, because a disk may also be full or read-only."""
    try:
        with tempfile.NamedTemporaryFile(prefix=_PROBE, dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next((place for place in (path, *path.parents) if place.exists()), path)


def _grant(path: Path) -> str:
    if _WINDOWS:
        below = "(OI)(CI)" if path.is_dir() else ""
        return f'Give yourself permission: attrib -r "{path}" and icacls "{path}" /grant "%USERNAME%:{below}M"'
    return f'Give yourself permission, as the user that runs it: sudo chown -R "$USER" {shlex.quote(str(path))}'


def _rename(path: Path) -> str:
    old = f"{path}.old"
    return f'move "{path}" "{old}"' if _WINDOWS else shlex.join(("mv", str(path), old))


def synchronised(name: str, folder: PurePath, *, environ: Mapping[str, str]) -> CheckResult:
    """Whether a program such as OneDrive synchronises the folder.

    Args:
        name: What the folder is: `home` or `project`.
        folder: Its path.
        environ: Variables in which OneDrive names its folders.
    """
    program = _synchroniser(folder, environ)
    if not program:
        return CheckResult(name, "ok", str(folder))
    what = (
        f"The {name} {folder} is synchronised by {program}, which keeps files open while they are replaced and "
        "may restore an older .last_execution or ledger."
    )
    move = "Move the project elsewhere, and make its environment there: python -m uv sync"
    return CheckResult(name, "warning", what, _MOVE if name == "home" else move)


def path_length(home: PurePath) -> CheckResult:
    """Whether Windows allows the paths that a run writes."""
    characters = len(str(home))
    if characters > LONG:
        what = f"The path of the home has {characters} characters; with what runs add, Windows may refuse it."
        return CheckResult("path", "warning", what, _MOVE)
    return CheckResult("path", "ok", f"{characters} characters")


def mounts() -> list[tuple[str, str, str]]:
    """Every drive: where it is mounted, its file system, its options."""
    return [(disk.mountpoint, disk.fstype, disk.opts) for disk in psutil.disk_partitions(all=True)]


def drive(home: PurePath, mounted: Iterable[tuple[str, str, str]]) -> CheckResult:
    """Whether the home is on another machine, where locks and renames are unreliable."""
    above = [mount for mount in mounted if home.is_relative_to(mount[0])]
    _, kind, options = max(above, key=lambda mount: len(mount[0]), default=("", "", ""))
    remote = kind.lower() in _OF_NETWORKS or "remote" in options.split(",") or str(home).startswith("\\\\")
    if not remote:
        return CheckResult("drive", "ok", "on this machine")
    what = f"The home {home} is on a network drive, where locks and renames are unreliable."
    return CheckResult("drive", "warning", what, _MOVE)


def _synchroniser(folder: PurePath, environ: Mapping[str, str]) -> str:
    for variable in _VARIABLES:
        if (own := environ.get(variable)) and folder.is_relative_to(type(folder)(own)):
            return "OneDrive"
    names = (
        program for part in folder.parts for program, pattern in _PARTS.items() if pattern.fullmatch(part.strip("/\\"))
    )
    return next(names, "")


CHECKS: Final = (
    Check("disk", lambda subject: space(subject.settings.home)),
    Check("rights", lambda subject: rights(subject.settings)),
    Check("home", lambda subject: synchronised("home", subject.settings.home, environ=subject.environ)),
    Check("project", lambda subject: synchronised("project", PROJECT, environ=subject.environ)),
    Check("path", lambda subject: path_length(subject.settings.home) if _WINDOWS else ()),
    Check("drive", lambda subject: drive(subject.settings.home, mounts())),
)
