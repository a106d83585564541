"""The addresses of FUTURSCAM_ALERT_URLS, as Apprise takes them: splitting, checking, finding their secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from futurscam_lib.errors import require_extra

if TYPE_CHECKING:
    from collections.abc import Iterator

# A comma or a space separates addresses only before the beginning of one: ?to=a@x,b@x is one address.
_BETWEEN: Final = re.compile(r"[\s,]+(?=[A-Za-z0-9]{1,20}://)")
_TOKEN: Final = re.compile(r"(?=.*\d).{8,}")
"""A part of an address that may be a key, unlike `webhook` or `example.com`."""


def split(text: str) -> list[str]:
    """All addresses, in their order."""
    return [address for address in _BETWEEN.split(text.strip(" ,")) if address]


def wrong(addresses: list[str]) -> list[int]:
    """Return the positions, from 1, of addresses that Apprise cannot read. They may hold secrets, so none is quoted."""
    require_extra("alerts", "apprise", what="FUTURSCAM_ALERT_URLS")
    import apprise

    return [number for number, address in enumerate(addresses, start=1) if not apprise.Apprise().add(address)]


def secrets_inside(text: str) -> Iterator[str]:
    """Yield each address, and each part that a service's error message might quote alone."""
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
    """Whether it is a host, which an operator wants to see."""
    return bool(re.fullmatch(r"[\d.]+|.*\.[a-z]{2,}", piece))
