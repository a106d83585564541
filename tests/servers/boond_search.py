"""A search for opportunities: which parts of the query BoondManager supports, and their effect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from tests.servers.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tests.servers.boond_book import Opportunity
    from tests.servers.messages import Request

_DEFAULT_ROWS: Final = 30
_SORTS: Final = ("updateDate", "creationDate")
_PERIODS: Final = {"updated": "updateDate", "created": "creationDate"}
_STATES: Final = re.compile(r"opportunityStates\[\d*\]")


@dataclass(frozen=True, slots=True)
class Search:
    """The days and states that match, and the page; days are inclusive, in Belgian time."""

    page: int
    rows: int
    sort: str
    descending: bool
    period: str | None
    since: date
    until: date
    states: frozenset[int]

    @classmethod
    def of(cls, request: Request, *, limit: int, ignored: Collection[str] = ()) -> Search:
        """Read a request; a page that is too large is made smaller, and some filters are ignored, without a word.

        Raises:
            Refused: A value is none of those that exist.
        """
        named = request.first("period") if "period" not in ignored else None
        period = _PERIODS[_one_of(request, "period", tuple(_PERIODS), "")] if named is not None else None
        states = [value for name, values in request.query.items() if _STATES.fullmatch(name) for value in values]
        states = [] if "opportunityStates" in ignored else states
        return cls(
            page=_number(request.first("page", "1"), "page"),
            rows=min(limit, _number(request.first("maxResults", str(_DEFAULT_ROWS)), "maxResults")),
            sort=_one_of(request, "sort", _SORTS, _SORTS[0]) if "sort" not in ignored else "creationDate",
            descending=_one_of(request, "order", ("asc", "desc"), "asc") == "desc" and "sort" not in ignored,
            period=period,
            since=_day(request, "startDate", date.min) if period else date.min,
            until=_day(request, "endDate", date.max) if period else date.max,
            states=frozenset(_number(value, "opportunityStates", least=0) for value in states),
        )

    def found(self, opportunities: Iterable[Opportunity]) -> list[Opportunity]:
        """All matching opportunities in order; changes in the same second are ordered by id."""
        rows = [one for one in opportunities if self._holds(one)]
        return sorted(rows, key=lambda one: (one.instant(self.sort), one.id), reverse=self.descending)

    def cut(self, rows: list[Opportunity]) -> list[Opportunity]:
        """The page, by the current positions."""
        return rows[(self.page - 1) * self.rows : self.page * self.rows]

    def _holds(self, one: Opportunity) -> bool:
        if self.states and one.attributes["state"] not in self.states:
            return False
        return self.period is None or self.since <= one.day(self.period) <= self.until


def _one_of(request: Request, name: str, known: tuple[str, ...], default: str) -> str:
    value = request.first(name, default) or ""
    if value not in known:
        raise _bad(name)
    return value


def _number(text: str | None, name: str, *, least: int = 1) -> int:
    if not re.fullmatch(r"\d{1,9}", text or "", re.ASCII) or int(text or "") < least:
        raise _bad(name)
    return int(text or "")


def _day(request: Request, name: str, default: date) -> date:
    text = request.first(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise _bad(name)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _bad(name) from error


def _bad(name: str) -> Refused:
    return Refused(422, "1002", f"422 - Wrong value of attribute {name}")
