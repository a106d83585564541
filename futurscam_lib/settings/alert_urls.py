"""The addresses of FUTURSCAM_ALERT_URLS, as Apprise takes them: read apart, checked, their secrets named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from futurscam_lib.errors import require_extra

if TYPE_CHECKING:
    from collections.abc import Iterator

# A comma or a space before anything but the beginning of an address belongs to the one before, as in ?to=a@x,b@x.
_BETWEEN: Final = re.compile(r"[\s,]+(?=[A-Za-z0-9]{1,20}://)")
_TOKEN: Final = re.compile(r"(?=.*\d).{8,}")
"""What may be a key in an address, unlike `webhook` or `example.com`."""


def split(text: str) -> list[str]:
    """All addresses, in their order."""
    return [one for one in _BETWEEN.split(text.strip(" ,")) if one]


def wrong(addresses: list[str]) -> list[int]:
    """Positions, from 1, of those that Apprise cannot read; which may hold secrets, so they are not quoted."""
    require_extra("alerts", "apprise", what="FUTURSCAM_ALERT_URLS")
    import apprise

    return [number for number, address in enumerate(addresses, start=1) if not apprise.Apprise().add(address)]


def secrets_inside(text: str) -> Iterator[str]:
    """Each address, and the pieces of it that a service's error message might quote alone."""
    for address in split(text):
        yield address
        try:
            parts = urlsplit(address)
            yield parts.password or ""
        except ValueError:
            continue
        pieces = [parts.username or "", parts.hostname or "", *parts.path.split("/")]
        pieces += [value for _, value in parse_qsl(parts.query)]
        yield from (piece for piece in pieces if _TOKEN.fullmatch(piece) and not _is_place(piece))


def _is_place(piece: str) -> bool:
    """Whether it is a host of which an operator wants to read."""
    return bool(re.fullmatch(r"[\d.]+|.*\.[a-z]{2,}", piece))
