"""How a run ended, for alerts and health pings."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from futurscam_lib.errors import ExitCode

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended; also one that never began.

    Attributes:
        run_id: Empty if it ended before it had an id.
        exit_code: What the process ends with.
        error: Why it failed, redacted; empty: it did not.
        sources: Those that it had to read.
        up_to_now: Whether it read up to the present, and not only up to an instant in the past.
        notebook: The executed notebook; None if there is no notebook.
        log: Its log; None where none could be written.
        at: When it ended; aware, UTC.
    """

    run_id: str
    exit_code: ExitCode
    error: str
    sources: tuple[str, ...]
    up_to_now: bool
    notebook: Path | None
    log: Path | None
    at: datetime

    @property
    def well(self) -> bool:
        """Whether it succeeded."""
        return self.exit_code == ExitCode.DONE

    @property
    def meaning(self) -> str:
        """`exit 3: something that it needs did not answer; ...`."""
        return f"exit {int(self.exit_code)}: {self.exit_code.meaning}"


def host() -> str:
    """Return the name of this machine."""
    return platform.node() or "this machine"
