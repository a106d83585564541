"""Missions that have ended: `isActive` becomes false, nothing is ever deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.load.collections import Collections


def close_past_deadline(collections: Collections, *, run_id: str, now: datetime, dry_run: bool) -> int:
    """Close the open missions whose deadline has passed.

    `content_hash` stays what the source said, so that reading the same version again changes nothing; a newer version
    replaces the document and opens the mission again if its deadline lies ahead.

    Returns:
        How many were closed; with `dry_run` how many would be.
    """
    past = {"isActive": True, "deadlineAt": {"$lt": now, "$type": "date"}}
    if dry_run:
        return collections.rfps.count_documents(past)
    closed = {"isActive": False, "_etl.closed": {"at": now, "run_id": run_id, "reason": "deadline"}}
    return collections.rfps.update_many(past, {"$set": closed}).modified_count
