"""Write RFPs to a file that is complete or absent, or to stdout."""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from futurscam_lib import files
from futurscam_lib.analysis.columns import EXPORTED, chosen
from futurscam_lib.analysis.writers import WRITERS
from futurscam_lib.errors import FuturscamError, OperatorMustAct, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa

    from futurscam_lib.analysis.columns import Column

STDOUT: Final = "-"
DEFAULT: Final = "csv"

_KEPT_OF_A_NAME: Final = 50
"""How many characters of the file's name its temporary file keeps; a longer name may exceed the file system's limit."""


@dataclass(frozen=True, slots=True)
class Target:
    """The file of an export and its format.

    Attributes:
        path: The file; None: stdout. Links are resolved.
        format: One of `WRITERS`.
        force: Whether an existing file may be replaced.
    """

    path: Path | None
    format: str
    force: bool = False

    @classmethod
    def of(cls, name: str | None, *, written_as: str | None, force: bool, now: datetime) -> Target:
        """The target for a file name that a user gives.

        Args:
            name: The file; `-`: stdout; None: one in the current folder, named by the time.
            written_as: One of `WRITERS`; None: the format of the file's extension, else CSV.
            force: Whether a file that is there may be replaced.
            now: Aware, UTC.

        Raises:
            UsageError: The extension belongs to another format or is unknown; the file exists, or cannot exist there.
        """
        if name == STDOUT:
            return _checked(cls(None, written_as or DEFAULT))
        if name is None:
            written_as = written_as or DEFAULT
            name = f"rfps-{now:%Y%m%dT%H%MZ}.{written_as}"
        # A link is kept; its target is written.
        try:
            path = Path(name).expanduser()
        except RuntimeError as error:
            raise UsageError(f"{name}: there is no such user here; nothing was written.") from error
        path = Path(os.path.realpath(path)) if os.path.islink(path) else path  # noqa: PTH114 - never raises
        return _checked(cls(path, _format_of(path, written_as), force))

    def write(self, table: pa.Table) -> None:
        """Write the RFPs.

        Raises:
            UsageError: The file cannot be written, or has more rows than Excel holds; an existing file is unchanged.
            OperatorMustAct: The disk is full; an existing file is unchanged.
        """
        if self.path is None:
            self._to_stdout(table)
            return
        temporary = self.path.with_name(f".{self.path.name[:_KEPT_OF_A_NAME]}.{secrets.token_hex(4)}.tmp")
        try:
            with temporary.open("xb") as file:
                WRITERS[self.format](table, file)
                file.flush()
                os.fsync(file.fileno())
            (files.replace if self.force else files.move_if_absent)(temporary, self.path)
        except FileExistsError:
            raise _exists(self.path) from None
        except OSError as error:
            raise _unwritable(self.path, error) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        files.sync_folder(self.path.parent)

    def _to_stdout(self, table: pa.Table) -> None:
        # Writes to memory first: the writers seek, which a pipe does not support.
        whole = io.BytesIO()
        WRITERS[self.format](table, whole)
        try:
            sys.stdout.buffer.write(whole.getbuffer())
            sys.stdout.buffer.flush()
        except OSError as error:
            if not (isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)):
                raise
            # The reader has closed the pipe; Windows calls that an invalid argument.
            # Python would complain at its end about what is still buffered.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def columns(names: Sequence[str], *, descriptions: bool) -> list[Column]:
    """The columns of an export: the requested ones; if none are requested, all but the description.

    Raises:
        UsageError: There is no such column.
    """
    several = list(names or EXPORTED)
    return chosen([*several, "description"] if descriptions else several)


def _format_of(path: Path, written_as: str | None) -> str:
    ending = path.suffix.lower().removeprefix(".")
    if written_as is None and ending not in WRITERS:
        raise UsageError(f"{path} has no known extension; choose a format: --format {', '.join(WRITERS)}.")
    if written_as is not None and ending in WRITERS and ending != written_as:
        raise UsageError(f"{path} would be read as {ending}, but --format says {written_as}; nothing was written.")
    return written_as or ending


def _checked(target: Target) -> Target:
    path = target.path
    if path is None:
        if target.format != DEFAULT and sys.stdout.isatty():
            raise UsageError(f"A terminal cannot show {target.format}; name a file, or pipe it into a program.")
        return target
    try:
        if not path.parent.is_dir():
            raise UsageError(f"There is no folder {path.parent}; nothing was written.")
        there = path.lstat()
    except FileNotFoundError:
        return target
    except OSError as error:
        raise _unwritable(path, error) from error
    if stat.S_ISDIR(there.st_mode):
        raise UsageError(f"{path} is a folder; name a file in it.")
    if not stat.S_ISREG(there.st_mode):
        raise UsageError(f"{path} is a device, a pipe or the like, and no file; for stdout give {STDOUT}.")
    if not target.force:
        raise _exists(path)
    return target


def _unwritable(path: Path, error: OSError) -> FuturscamError:
    if error.errno == errno.ENOSPC:
        return OperatorMustAct(
            f"{path} could not be written ({error.strerror}). Make room, then give the command again."
        )
    why = "; is it open elsewhere?" if isinstance(error, PermissionError) else "."
    return UsageError(f"{path} could not be written ({error.strerror}){why}")


def _exists(path: Path) -> UsageError:
    return UsageError(f"{path} already exists and was not changed; --force replaces it.")
