"""The home on its disk: room, and the rights that a run needs."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Final

from futurscam_lib.diagnostics import places
from futurscam_lib.diagnostics.finding import Finding, attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from futurscam_lib.settings import Settings

GIGABYTE: Final = 10**9
SCARCE, TOO_LITTLE = 2 * GIGABYTE, GIGABYTE // 5
_PROBE: Final = ".futurscam.doctor."
_WINDOWS: Final = sys.platform == "win32"


def look(settings: Settings, *, environ: Mapping[str, str]) -> Iterator[Finding]:
    """All checks of the home's files and of where it lies."""
    yield from attempt("disk", partial(space, settings.home))
    yield from attempt("rights", partial(rights, settings))
    yield from places.look(settings.home, environ=environ)


def space(folder: Path, *, scarce: int = SCARCE, too_little: int = TOO_LITTLE) -> Finding:
    """Whether the disk has room.

    Args:
        folder: The home, which need not exist yet.
        scarce: Bytes below which it is a warning.
        too_little: Bytes below which it is a problem.
    """
    free = shutil.disk_usage(_existing(folder)).free
    said = f"{free / GIGABYTE:,.1f} GB are free"
    if free >= scarce:
        return Finding("disk", "ok", said)
    what = f"Only {said} on the disk of {folder}."
    remedy = f"Make room there; notebooks of old runs in {folder / 'runs'} may be moved elsewhere, month by month."
    return Finding("disk", "problem" if free < too_little else "warning", what, remedy)


def rights(settings: Settings, *, access: Callable[[Path, int], bool] = os.access) -> list[Finding]:
    """Whether a run may write all that it writes; one finding for each thing that it may not."""
    found = [
        _folder(settings.home, access=access, probe=True),
        _folder(settings.runs, access=access, probe=True),
        _folder(settings.logs, access=access, probe=False),
        # Elsewhere a file that is read-only can be replaced all the same, which is how the watermark is written.
        _file(settings.watermark_file, os.R_OK | os.W_OK if _WINDOWS else os.R_OK, access=access),
        _file(settings.ledger_file, os.R_OK | os.W_OK, access=access),
    ]
    return [one for one in found if one] or [Finding("rights", "ok", "a run may write all that it has to")]


def _folder(folder: Path, *, access: Callable[[Path, int], bool], probe: bool) -> Finding | None:
    there = _existing(folder)
    if not there.is_dir():
        remedy = f"Move it away, the next run makes the folder: {_rename(there)}"
        return Finding("rights", "problem", f"{there} is a file where a folder has to be.", remedy)
    reason = "" if access(there, os.W_OK | os.X_OK) else "permission denied"
    if not reason and probe and there == folder:
        reason = _refusal(folder)
    if not reason:
        return None
    return Finding("rights", "problem", f"Nothing can be written into {there}: {reason}.", _grant(there))


def _file(file: Path, wanted: int, *, access: Callable[[Path, int], bool]) -> Finding | None:
    if not file.exists():
        return None
    if not file.is_file():
        remedy = f"Move it away: {_rename(file)}"
        return Finding("rights", "problem", f"{file} is a folder where a file has to be.", remedy)
    if access(file, wanted):
        return None
    how = "written" if wanted & os.W_OK else "read"
    return Finding("rights", "problem", f"{file} can't be {how}: it is read-only or somebody else's.", _grant(file))


def _refusal(folder: Path) -> str:
    """Why no file can be made in a folder; rights alone do not tell: a disk may be full, or mounted read-only."""
    try:
        with tempfile.NamedTemporaryFile(prefix=_PROBE, dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _existing(path: Path) -> Path:
    """The path, or what there is above it."""
    return next((one for one in (path, *path.parents) if one.exists()), path)


def _grant(path: Path) -> str:
    if _WINDOWS:
        below = "(OI)(CI)" if path.is_dir() else ""
        return f'Give yourself the right: attrib -r "{path}" and icacls "{path}" /grant "%USERNAME%:{below}M"'
    return f'Give yourself the right, as the user that the runs have: sudo chown -R "$USER" {shlex.quote(str(path))}'


def _rename(path: Path) -> str:
    old = f"{path}.old"
    return f'move "{path}" "{old}"' if _WINDOWS else shlex.join(("mv", str(path), old))
