"""Names of runs, and who started them."""

from __future__ import annotations

import getpass
import platform
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock

if TYPE_CHECKING:
    from datetime import datetime

SUPERVISED: Final = "FUTURSCAM_SUPERVISED_RUN"
"""Environment variable that the runner sets to its run_id; any other run is labelled as run by hand."""

CONFIRMED: Final = "FUTURSCAM_CONFIRMED_RUN"
"""Environment variable that the runner sets to its run_id if an operator passed --yes; no other run is confirmed."""

BY_HAND: Final = "interactive-"


def new_run_id(now: datetime) -> str:
    """Return a name that sorts by time: `20261123T132501Z-3f9a1c`."""
    return f"{clock.to_stamp(now)}-{secrets.token_hex(3)}"


def by_hand(run_id: str, *, now: datetime) -> str:
    """Return the name of a run as run by hand; the prefix is added only once."""
    return f"{BY_HAND}{run_id.removeprefix(BY_HAND) or new_run_id(now)}"


def started_by() -> str:
    """Return the user and the machine."""
    user = "somebody"
    with suppress(OSError, KeyError, ImportError):
        user = getpass.getuser()
    return f"{user} on {platform.node() or 'this machine'}"
