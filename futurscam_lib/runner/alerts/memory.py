"""What alerts remember from run to run, so that each is sent once: `.futurscam.alerts.json`."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from pydantic import BaseModel, Field, ValidationError, field_validator

from futurscam_lib import clock
from futurscam_lib.files import sweep, write_atomically

if TYPE_CHECKING:
    from datetime import datetime

_log = structlog.get_logger()

FILE: Final = ".futurscam.alerts.json"
_AGAIN: Final = timedelta(days=1)
_MOST_BYTES: Final = 1_000_000


class Message(BaseModel):
    """A message that waits to be sent.

    Attributes:
        title, body: Without secrets.
        kind: Its type in Apprise: `failure`, `warning`, `success`.
        unsent: Positions of the addresses that have not received it; None: all of them.
    """

    title: str
    body: str
    kind: str
    unsent: list[int] | None = None


class Failing(BaseModel):
    """Runs that fail.

    Attributes:
        since: When the first of them ended, as `clock.to_text` writes it.
        run_id: The first of them; may be empty.
        runs: How many there were.
        told: Exit codes that were reported.
        sources: Sources that failing runs read and that no successful run has read since.
    """

    since: str
    run_id: str
    runs: int
    told: list[int]
    sources: list[str]

    @field_validator("since")
    @classmethod
    def _is_instant(cls, text: str) -> str:
        clock.parse(text)
        return text


class Memory(BaseModel):
    """What alerts remember from run to run.

    Attributes:
        failing: The failures that were reported; None: runs work.
        rejects_told_at: When the last message about rejects was made, as `clock.to_text` writes it; empty: never.
        rejects_told: Whether there was a message about rejects; files of earlier versions have this without the
            instant.
        pending: Messages that wait, by subject; a newer message replaces an older one.
    """

    failing: Failing | None = None
    rejects_told_at: str = ""
    rejects_told: bool = Field(default=False, exclude=True)
    pending: dict[str, Message] = Field(default_factory=dict)

    @field_validator("rejects_told_at")
    @classmethod
    def _is_instant_or_empty(cls, text: str) -> str:
        if text:
            clock.parse(text)
        return text

    @classmethod
    def read(cls, home: Path) -> Memory:
        """Read the memory of a home; an empty one where the file is missing or has the wrong form."""
        try:
            with (home / FILE).open("rb") as file:
                memory = cls.model_validate_json(file.read(_MOST_BYTES))
                if memory.rejects_told and not memory.rejects_told_at:
                    # The message was made before the file was last written, so what became open after that is new.
                    memory.rejects_told_at = clock.to_text(clock.from_epoch(os.fstat(file.fileno()).st_mtime))
                return memory
        except FileNotFoundError:
            return cls()
        except (OSError, ValidationError) as error:
            _log.warning("alerts begin afresh", file=FILE, because=type(error).__name__)
            return cls()

    def write(self, home: Path, *, now: datetime) -> bool:
        """Write the memory of a home.

        Returns:
            Whether messages may be sent. Where the file cannot be written (disk full, read-only), each run would send
            the same again: then one message a day may be sent, or none if even that cannot be stored.
        """
        path = home / FILE
        try:
            sweep(path)
            write_atomically(path, json.dumps(self.model_dump(), indent=1).encode())
        except OSError as error:
            _log.warning("alerts not remembered", file=str(path), why=error.strerror or str(error))
            return _first_today(home, now)
        return True


def forget(home: Path) -> None:
    """Remove the memory, because no addresses are set; addresses that are set later start afresh."""
    try:
        (home / FILE).unlink(missing_ok=True)
    except OSError as error:
        _log.warning("alerts not forgotten", file=FILE, why=error.strerror or str(error))


def _first_today(home: Path, now: datetime) -> bool:
    name = hashlib.sha256(str(home).encode(errors="replace")).hexdigest()[:16]
    mark = Path(tempfile.gettempdir()) / f"futurscam-alert-{name}"
    try:
        if mark.exists() and now - clock.from_epoch(mark.stat().st_mtime) < _AGAIN:
            return False
        mark.touch()
    except OSError:
        return False
    return True
