"""Sources: each returns its items unchanged. A source is read by the module of the same name."""

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
    """Make the sources with these names; nothing is requested yet.

    Args:
        settings: The settings.
        names: Names of the sources, already checked by the settings.
        has_read: Whether a run of this home has read a source; called if the home has no memory of it.
        dry_run: Do not remember what the sources show.
    """
    return [_reader(name).open_source(settings, has_history=partial(has_read, name), dry_run=dry_run) for name in names]


def unread(
    settings: Settings, names: Iterable[str], *, has_read: Callable[[str], bool], since: datetime
) -> Iterator[UnreadFiles]:
    """Files that are older than the window of the next run and that no run has read. No source is accessed.

    Args:
        settings: The settings.
        names: Names of the sources.
        has_read: As for `open_sources`.
        since: Start of the next run's window.
    """
    for name in names:
        if KNOWN_SOURCES[name].has_backlog:
            files = _reader(name).unread(settings, has_history=partial(has_read, name), since=since)
            yield from filter(None, [files])


def _reader(name: str) -> Any:
    # A run that reads a folder need not wait for HTTP and IMAP to be imported.
    return import_module(f"{__name__}.{name}")
