"""Sources: each gives its items untouched. The reader of a source is the module of its name."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from futurscam_lib.settings.sources import KNOWN_SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from futurscam_lib.extract.folder_memory import UnreadFiles
    from futurscam_lib.extract.source import Source
    from futurscam_lib.settings import Settings


def open_sources(
    settings: Settings, names: Iterable[str], *, has_read: Callable[[str], bool], dry_run: bool = True
) -> list[Source]:
    """Make the sources of these names; nothing is requested yet.

    Args:
        settings: The settings.
        names: Of the sources; the settings have checked them.
        has_read: Whether a run of this home has read a source; called if the home has no memory of it.
        dry_run: Keep nothing of what the sources show.
    """
    return [_reader(name).open_source(settings, has_history=partial(has_read, name), dry_run=dry_run) for name in names]


def unread(
    settings: Settings, names: Iterable[str], *, has_read: Callable[[str], bool], since: datetime
) -> Iterator[UnreadFiles]:
    """What lies in sources, is older than what the next run reads, and was read by none. No source is looked at.

    Args:
        settings: The settings.
        names: Of the sources.
        has_read: As for `open_sources`.
        since: From when on the next run reads.
    """
    for name in names:
        if KNOWN_SOURCES[name].has_backlog:
            found = _reader(name).unread(settings, has_history=partial(has_read, name), since=since)
            yield from filter(None, [found])


def _reader(name: str) -> Any:
    # A run that reads a folder need not wait for HTTP and IMAP to be imported.
    return import_module(f"{__name__}.{name}")
