"""The watermark in `.last_execution`: everything the sources changed before it has been loaded."""

from __future__ import annotations

import codecs
import errno
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.files import retry_while_in_use, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

_CLOCK_STEP: Final = timedelta(seconds=5)
"""How far ahead of now a watermark may be. A time server may set the clock back by a second or so between two runs,
which is harmless; with a watermark further ahead, changes until then would be skipped silently."""

_MOST_BYTES: Final = 1024
"""An instant has about 30 bytes; a longer file is refused without reading it."""

_SHOWN: Final = 60


def after(started: datetime) -> datetime:
    """Return the watermark after a successful run: its start plus 1 ms, with its microseconds."""
    return started + timedelta(milliseconds=1)


class Watermark:
    """The watermark in one file.

    Args:
        path: The file; its folder exists, the file need not.
    """

    def __init__(self, path: Path) -> None:
        """See the class."""
        self._path = path

    def read(self, *, now: datetime) -> datetime | None:
        """Read the file, in any of the encodings that a person or a shell may have used.

        Args:
            now: The present instant, aware; a watermark after it is refused.

        Returns:
            The watermark, aware, UTC; None where the file is missing.

        Raises:
            OperatorMustAct: The file cannot be read, holds anything but one instant, or the instant is in the future.
        """
        instant = self._current()
        if instant is not None and instant > now + _CLOCK_STEP:
            problem = f"{clock.to_people(instant)}, which is in the future (it is {clock.to_people(now)})"
            raise self._refused(f"holds {problem}")
        return instant

    def commit(self, instant: datetime) -> None:
        """Move the watermark forward to `instant`, atomically and durably; a later watermark is left unchanged.

        If the file has become unreadable since this run read it, it is overwritten.

        Raises:
            OSError: See `files.write_atomically`; the file is as it was.
        """
        try:
            current = self._current()
        except OperatorMustAct:
            current = None
        if current is None or current < instant:
            self.reset(instant)

    def reset(self, instant: datetime) -> None:
        """Set the watermark to `instant`, backwards too, atomically and durably.

        Raises:
            OSError: See `files.write_atomically`; the file is as it was.
        """
        write_atomically(self._path, f"{clock.to_text(instant)}\n".encode())

    def _current(self) -> datetime | None:
        try:
            data = _first_bytes(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(f"cannot be read ({error.strerror or error})") from error
        if not data:
            raise self._refused("is empty")
        if not data.strip(b"\0"):
            raise self._refused("holds only NUL bytes, which a power cut leaves")
        try:
            return _instant(data)
        except ValueError as error:
            raise self._refused(f"holds {_shown(data)}, which is not one instant") from error

    def _refused(self, what: str) -> OperatorMustAct:
        return OperatorMustAct(
            f"The watermark file {self._path} {what}.\n"
            "It was left as it is. Set the instant from which to read again, for example 2026-11-23T13:25:01Z, with:\n"
            "  futurscam reset --to INSTANT"
        )


@retry_while_in_use
def _first_bytes(path: Path) -> bytes:
    if not path.is_file() and path.exists():
        raise OSError(errno.EINVAL, "it is no file")  # Reading a pipe would wait for ever.
    with path.open("rb") as file:
        return file.read(_MOST_BYTES + 1)


def _instant(data: bytes) -> datetime:
    if len(data) > _MOST_BYTES:
        msg = "too long"
        raise ValueError(msg)
    text = data.decode(_encoding(data)).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    # `clock.parse` allows white space inside an instant and any Unicode digit in its fraction.
    if len(text.splitlines()) != 1 or not text.isascii():
        msg = "more than one line, or characters that no instant has"
        raise ValueError(msg)
    return clock.parse(text)


def _encoding(data: bytes) -> str:
    """UTF-16 if there is its byte order mark, as from Windows PowerShell's `>`; else UTF-8, which covers ANSI."""
    return "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _shown(data: bytes) -> str:
    try:
        return repr(data.decode(_encoding(data))[:_SHOWN])
    except UnicodeDecodeError:
        return repr(data[:_SHOWN])
