"""Sources: each hands over its items untouched."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from futurscam_lib.extract import folder_memory
from futurscam_lib.extract.folder import FolderSource
from futurscam_lib.extract.folder_memory import FolderMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from futurscam_lib.extract.source import Source
    from futurscam_lib.settings import Settings


def open_sources(
    settings: Settings, names: Iterable[str], *, has_history: Callable[[], bool], dry_run: bool = True
) -> list[Source]:
    """Make the sources of these names; none is asked anything yet.

    Args:
        settings: The settings.
        names: Of the sources; the settings have checked them.
        has_history: Whether a run of this home has read the folder; called if the home has no memory of it.
        dry_run: Keep nothing of what the sources show.
    """
    makers: dict[str, Callable[[Settings], Source]] = {
        "folder": partial(_folder, has_history=has_history, dry_run=dry_run),
        "graph_mail": _graph_mail,
        "imap_mail": _imap_mail,
        "boond": _boond,
    }
    return [makers[name](settings) for name in names]


def memory_of(settings: Settings, *, has_history: Callable[[], bool], dry_run: bool = True) -> FolderMemory:
    """What the home remembers of the folder; the arguments are those of `open_sources`."""
    path = settings.home / folder_memory.FILE
    return FolderMemory(path, settings.inbox, has_history=has_history, writes=not dry_run)


def _folder(settings: Settings, *, has_history: Callable[[], bool], dry_run: bool) -> Source:
    if settings.inbox == settings.home / "inbox":
        # The default one is ours to make; a folder that somebody named should have been there.
        settings.inbox.mkdir(exist_ok=True)
    return FolderSource(settings.inbox, memory_of(settings, has_history=has_history, dry_run=dry_run))


# A run that reads a folder need not wait for HTTP and IMAP to be imported.
def _graph_mail(settings: Settings) -> Source:
    from futurscam_lib.extract.graph_mail import GraphMailSource

    return GraphMailSource(settings)


def _imap_mail(settings: Settings) -> Source:
    from futurscam_lib.extract.imap_mail import ImapMailSource
    from futurscam_lib.extract.microsoft import AppToken

    given = settings.imap_access_token is not None
    return ImapMailSource(settings, token=None if given else AppToken(settings, scope=settings.imap_scope))


def _boond(settings: Settings) -> Source:
    from futurscam_lib.extract.boond import BoondSource

    return BoondSource(settings)
