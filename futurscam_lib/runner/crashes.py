"""Marks earlier runs as crashed that started and never ended: in the ledger, and in their notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from futurscam_lib import clock
from futurscam_lib.files import sweep
from futurscam_lib.runner import engine

if TYPE_CHECKING:
    from futurscam_lib.audit.entries import LedgerEntry
    from futurscam_lib.audit.ledger import Ledger
    from futurscam_lib.settings import Settings

_log = structlog.get_logger()

_HEADLINE: Final = "Crashed: the run was killed, or the machine went down; below is what was saved until then."


def mark_crashed(configured: Settings, ledger: Ledger, *, found_by: str) -> None:
    """Mark every run as crashed that has no end in the ledger. Call it under the lock: none of them is active.

    Args:
        configured: The settings of the home.
        ledger: Its ledger.
        found_by: The run that detected the crashes.
    """
    crashed = ledger.unfinished()
    if crashed:
        sweep(configured.watermark_file)
    for entry in crashed:
        facts = {"found_by": found_by, **_close_notebook(configured, entry)}
        ledger.append("crashed", at=clock.now(), run_id=entry.run_id, facts=facts)
        _log.warning("crashed run found", run_id=entry.run_id, started=entry.at)


def _close_notebook(configured: Settings, entry: LedgerEntry) -> dict[str, str]:
    """Give the notebook of a crashed run its final name; return its facts."""
    about = {"notebook": str(entry.facts["notebook"])}
    final = configured.runs / about["notebook"]
    part = engine.part_path(final)
    engine.reopen(part, final)
    try:
        return about | {"notebook_sha256": engine.finish(part, final, status="crashed", headline=_HEADLINE)}
    except (OSError, ValueError) as error:
        return {"notebook_missing": str(error)}
