"""The quarantine from the operator's side: look at it, and have its payloads tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from futurscam_lib import clock
from futurscam_lib.errors import UsageError
from futurscam_lib.extract.source import Unasked
from futurscam_lib.load import mongo
from futurscam_lib.load.collections import Collections
from futurscam_lib.load.landing import payloads
from futurscam_lib.load.quarantine import OPEN
from futurscam_lib.naming import by_hand
from futurscam_lib.pipeline import Run
from futurscam_lib.records import Window
from futurscam_lib.source_settings import KNOWN_SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from futurscam_lib.reports import Summary
    from futurscam_lib.settings import Settings


def listed(configured: Settings, *, everything: bool) -> list[dict[str, Any]]:
    """The entries, newest first; those that are open, or all."""
    with mongo.connect(configured) as client, mongo.mongo_errors():
        found = Collections.of(client[configured.database]).rejects.find({} if everything else {"state": OPEN})
        return list(found.sort("at", -1))


def shown(configured: Settings, item: str) -> tuple[dict[str, Any], str]:
    """One entry, and its payload as text that is safe to print.

    Raises:
        UsageError: There is no such entry.
    """
    with mongo.connect(configured) as client, mongo.mongo_errors():
        collections = Collections.of(client[configured.database])
        entry = collections.rejects.find_one({"_id": item})
        if entry is None:
            raise UsageError(f"The quarantine has no entry {item!r}; `futurscam rejects list --all` names them.")
        landed = payloads(collections, [entry["raw_id"]])
    if not landed or not landed[0].payload:
        return entry, "(not kept: the source could not hand it over, or it was too large)"
    text = landed[0].payload.decode("utf-8", "backslashreplace")
    return entry, "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def retry(configured: Settings, items: Sequence[str]) -> Summary:
    """Transform and load the landed payloads of open rejects again.

    Args:
        configured: The settings.
        items: Only these entries; empty: all.

    Raises:
        UsageError: One of the items is not an open entry.
    """
    now = clock.now()
    run = Run(
        configured,
        [Unasked(name) for name in KNOWN_SOURCES],
        run_id=by_hand("", now=now),
        window=Window(now),
        watermark=now,
        dry_run=False,
        now=now,
    )
    run.extract_rejects(items)
    run.transform()
    run.load()
    return run.reconcile()
