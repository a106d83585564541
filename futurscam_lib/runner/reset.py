"""The operator's reset of the watermark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from futurscam_lib import clock
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.run_ids import new_run_id, started_by
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.settings import Settings


def reset(configured: Settings, to: datetime, *, now: datetime) -> str:
    """Set the watermark, and note it in the ledger.

    Returns:
        What the next run will read, as text.

    Raises:
        UsageError: The instant lies in the future.
        AlreadyRunning: A run is active, and would overwrite it.
    """
    if to > now:
        raise UsageError(f"{clock.to_people(to)} lies in the future: what comes until then would never be read.")
    reset_id = new_run_id(now)
    watermark = Watermark(configured.watermark_file)
    with RunLock(configured.lock_file).held(run_id=f"reset-{reset_id}", now=now):
        try:
            standing = watermark.read(now=now)
        except OperatorMustAct:
            standing = None  # A reset also repairs an unreadable watermark.
        before = clock.to_text(standing) if standing else None
        Ledger.of(configured).append(
            "reset",
            at=now,
            run_id=f"reset-{reset_id}",
            facts={"watermark": {"before": before, "after": clock.to_text(to)}, "started_by": started_by()},
        )
        try:
            watermark.reset(to)
        except OSError as error:
            raise OperatorMustAct(
                f"{configured.watermark_file} could not be written ({error.strerror or error}), so the watermark stays "
                f"{before or 'as it was'}. Make room, or give the right to write it; then reset again."
            ) from error
    minutes = configured.overlap.total_seconds() / 60
    return (
        f"The watermark was {before or 'missing or unreadable'} and is now {clock.to_text(to)}.\n"
        f"The next run reads all that the sources changed since then, and {minutes:g} minutes before it; "
        "what is loaded already stays as it is."
    )
