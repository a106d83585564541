"""The operator's actions on the quarantine: list, show and dismiss entries, retry their payloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.errors import UsageError
from futurscam_lib.extract.json_items import as_text
from futurscam_lib.extract.source import Unasked
from futurscam_lib.load import mongo, quarantine
from futurscam_lib.load.collections import Collections
from futurscam_lib.load.landing import payloads
from futurscam_lib.load.quarantine import DISMISSED, OPEN, dismissal
from futurscam_lib.pipeline.run import Run
from futurscam_lib.records import Window
from futurscam_lib.report import tables
from futurscam_lib.run_ids import by_hand, started_by
from futurscam_lib.settings.sources import KNOWN_SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.report.summary import Summary
    from futurscam_lib.settings import Settings

LONGEST_REASON: Final = 1000
"""Characters of why an entry was dismissed."""


def listed(configured: Settings, *, everything: bool) -> list[dict[str, Any]]:
    """Return the entries, newest first: the open ones, or all."""
    with mongo.connect(configured) as client, mongo.mongo_errors():
        entries = Collections.of(client[configured.database]).rejects.find({} if everything else {"state": OPEN})
        return list(entries.sort("at", -1))


def shown(configured: Settings, item: str) -> tuple[dict[str, Any], str]:
    """Return one entry, and its payload as text that is safe to print.

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


def dismiss(
    configured: Settings, items: Sequence[str], *, because: str, now: datetime, dry_run: bool
) -> list[dict[str, Any]]:
    """Dismiss open entries: all of them, or none if one cannot be dismissed.

    Args:
        configured: The settings.
        items: The entries, as `_id` names them.
        because: The reason, a sentence for later readers.
        now: The present instant; aware, UTC.
        dry_run: Check, but write nothing.

    Returns:
        The entries as they are afterwards.

    Raises:
        UsageError: There is no reason, or one of the entries is not open.
    """
    why = tables.as_text(because, longest=LONGEST_REASON + 1)
    if not why or len(why) > LONGEST_REASON:
        fault = f"has more than {LONGEST_REASON:,} characters" if why else "is empty"
        raise UsageError(f"--because {fault}. Write in a sentence why this can be ignored. Nothing was dismissed.")
    names = list(dict.fromkeys(map(as_text, items)))  # Normalised like the names that sources give.
    with mongo.connect(configured) as client, mongo.mongo_errors():
        collections = Collections.of(client[configured.database])
        asked = {"_id": {"$in": names}}
        there = {entry["_id"]: entry for entry in collections.rejects.find(asked)}
        problems = [problem for name in names if (problem := _not_open(name, there.get(name)))]
        if problems:
            raise UsageError("\n".join([*problems, "Nothing was dismissed."]))
        if not dry_run:
            why = configured.redactor()(why)
            quarantine.dismiss(collections, names, because=why, by=started_by(), now=now)
        return list(collections.rejects.find(asked).sort("at", -1))


def _not_open(name: str, entry: Mapping[str, Any] | None) -> str:
    """Return in a sentence why an entry cannot be dismissed; empty if it can."""
    if entry is None:
        return f"The quarantine has no entry {name!r}; `futurscam rejects list` shows the open ones."
    if entry["state"] == DISMISSED:
        return f"{name!r} is dismissed already (UTC): {dismissal(entry)}"
    return "" if entry["state"] == OPEN else f"{name!r} is {entry['state']}: a later version of it was loaded."


def retry(configured: Settings, items: Sequence[str]) -> Summary:
    """Transform and load the landed payloads of open rejects again.

    Args:
        configured: The settings.
        items: Only these entries, dismissed ones too; empty: all open ones.

    Raises:
        UsageError: One of the items is neither open nor dismissed.
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
