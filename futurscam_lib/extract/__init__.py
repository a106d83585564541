"""Sources: each hands over its items untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from futurscam_lib.extract.folder import FolderSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from futurscam_lib.extract.source import Source
    from futurscam_lib.settings import Settings


def open_sources(settings: Settings, names: Iterable[str]) -> list[Source]:
    """Make the sources of these names, which the settings have checked."""
    makers = {"folder": _folder}
    return [makers[name](settings) for name in names]


def _folder(settings: Settings) -> Source:
    if settings.inbox == settings.home / "inbox":
        # The default one is ours to make; a folder that somebody named should have been there.
        settings.inbox.mkdir(exist_ok=True)
    return FolderSource(settings.inbox)
