"""How far another clock is from this machine's, and what that means for windows and watermarks."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from futurscam_lib.diagnostics.finding import Finding

if TYPE_CHECKING:
    from datetime import datetime

NOTICED: Final = timedelta(seconds=5)
_NAME: Final = "clock"
_SET: Final = {
    "win32": "w32tm /resync (in a terminal of an administrator)",
    "darwin": "sudo sntp -sS time.apple.com",
}


def skew(theirs: datetime, *, asked: datetime, answered: datetime, step: timedelta) -> timedelta:
    """How far another clock is ahead, at the least; negative where it is behind.

    Args:
        theirs: What it said, rounded down to `step`.
        asked: Our instant before it was asked.
        answered: Our instant after it answered.
        step: Its resolution.
    """
    if theirs > answered:
        return theirs - answered
    return min(theirs + step - asked, timedelta())


def judged(whose: str, ahead: timedelta, *, overlap: timedelta) -> Finding:
    """Say whether a difference does harm.

    Within half an overlap an item that another clock dates is still read: what lies just before the watermark is
    read again by the next run.
    """
    seconds = ahead.total_seconds()
    if abs(ahead) < NOTICED:
        return Finding(_NAME, "ok", f"agrees with that of {whose}")
    harmful = abs(ahead) >= max(NOTICED, overlap / 2)
    direction = "ahead of" if seconds > 0 else "behind"
    lost = "; the overlap no longer covers that, so a run may miss items" if harmful else ""
    what = f"The clock of {whose} is {abs(seconds):,.0f} s {direction} this machine's{lost}."
    return Finding(_NAME, "problem" if harmful else "warning", what, f"Set this machine's clock: {_command()}")


def _command() -> str:
    return _SET.get(sys.platform, "sudo timedatectl set-ntp true")
