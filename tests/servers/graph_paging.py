"""Pages by position, and the links between them, which must come back as they were given."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode

from tests.servers.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.servers.messages import Request

_Row = TypeVar("_Row")


class Pages:
    """Creates links and checks them when they are used."""

    def __init__(self, url: str) -> None:
        """Links lead to this server."""
        self._url = url
        self._given: set[str] = set()

    def check(self, request: Request) -> None:
        """Refuse a link that was changed on its way."""
        if "$skiptoken" in request.query and request.target not in self._given:
            raise Refused(400, "BadRequest", "The skip token is malformed.")

    def cut(
        self, request: Request, rows: Sequence[_Row], *, skip: int, size: int
    ) -> tuple[Sequence[_Row], dict[str, str]]:
        """The rows at their current positions, and the link to the next rows."""
        end = skip + size
        if end >= len(rows):
            return rows[skip:], {}
        return rows[skip:end], {"@odata.nextLink": self._url + self._link(request, end)}

    def _link(self, request: Request, position: int) -> str:
        names = {name: values[0] for name, values in request.query.items()}
        names |= {"$skip": str(position), "$skiptoken": secrets.token_urlsafe(16)}
        path = "/".join(quote(segment, safe="@=$") for segment in request.segments)
        target = f"/{path}?{urlencode(names, quote_via=quote, safe='')}"
        self._given.add(target)
        return target
