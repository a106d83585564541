"""Sources: each hands over its items untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from futurscam_lib.extract.folder import FolderSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from futurscam_lib.extract.source import Source
    from futurscam_lib.settings import Settings


def open_sources(settings: Settings, names: Iterable[str]) -> list[Source]:
    """Make the sources of these names, which the settings have checked; none is asked anything yet."""
    makers = {"folder": _folder, "graph_mail": _graph_mail, "imap_mail": _imap_mail, "boond": _boond}
    return [makers[name](settings) for name in names]


def _folder(settings: Settings) -> Source:
    if settings.inbox == settings.home / "inbox":
        # The default one is ours to make; a folder that somebody named should have been there.
        settings.inbox.mkdir(exist_ok=True)
    return FolderSource(settings.inbox)


# A run that reads a folder need not wait for HTTP and IMAP to be imported.
def _graph_mail(settings: Settings) -> Source:
    from futurscam_lib.extract.graph_mail import GraphMailSource  # noqa: PLC0415

    return GraphMailSource(settings)


def _imap_mail(settings: Settings) -> Source:
    from futurscam_lib.extract.imap_mail import ImapMailSource  # noqa: PLC0415
    from futurscam_lib.extract.microsoft import AppToken  # noqa: PLC0415

    given = settings.imap_access_token is not None
    return ImapMailSource(settings, token=None if given else AppToken(settings, scope=settings.imap_scope))


def _boond(settings: Settings) -> Source:
    from futurscam_lib.extract.boond import BoondSource  # noqa: PLC0415

    return BoondSource(settings)
