"""The query of a list of mails: `$filter`, `$orderby`, `$select`, `$top`, and what Graph refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tests.servers.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tests.servers.graph_mailbox import Mail
    from tests.servers.messages import Request

MAX_TOP: Final = 1000
_DEFAULT_TOP: Final = 10
_OPTIONS: Final = {"$filter", "$orderby", "$select", "$top", "$skip", "$count", "$skiptoken"}
_INSTANT: Final = r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?(?:Z|[+-]\d\d:\d\d))?"
_CONDITION: Final = re.compile(
    rf"receivedDateTime (?P<operator>ge|lt) (?P<instant>{_INSTANT})"
    r"|startswith\( *subject *, *'(?P<prefix>(?:[^']|'')*)' *\)"
)
_ORDER: Final = re.compile(r"(?P<property>receivedDateTime|subject)(?: (?P<direction>asc|desc))?")


@dataclass(frozen=True, slots=True)
class Condition:
    """One part of a filter."""

    property: str
    holds: Callable[[Mail], bool]


@dataclass(frozen=True, slots=True)
class Query:
    """Which mails, in which order (property, descending), the first position and the number."""

    conditions: tuple[Condition, ...]
    order: tuple[tuple[str, bool], ...]
    top: int
    skip: int
    count: bool

    @classmethod
    def of(cls, request: Request) -> Query:
        """Read a request.

        Raises:
            Refused: Graph would not take it.
        """
        check_options(request, _OPTIONS)
        return cls(
            tuple(_conditions(request.first("$filter"))),
            tuple(_order(request.first("$orderby"))),
            top_of(request, _DEFAULT_TOP),
            number_of(request, "$skip", 0),
            request.first("$count") == "true",
        )

    def check_efficient(self) -> None:
        """Refuse an order if the filter does not begin with its property."""
        filtered = list(dict.fromkeys(condition.property for condition in self.conditions))
        ordered = [name for name, _ in self.order]
        if ordered and filtered and filtered[: len(ordered)] != ordered:
            raise inefficient()

    def rows(self, mails: Iterable[Mail]) -> list[Mail]:
        """The matching mails in order; newest first by default."""
        found = [mail for mail in mails if all(condition.holds(mail) for condition in self.conditions)]
        for name, descending in reversed(self.order or (("receivedDateTime", True),)):
            found.sort(key=_KEYS[name], reverse=descending)
        return found


_KEYS: Final[dict[str, Callable[[Mail], str]]] = {
    "receivedDateTime": lambda mail: mail.received.isoformat(),
    "subject": lambda mail: mail.subject.lower(),
}


def inefficient() -> Refused:
    """Graph's error for an order that it does not support."""
    return Refused(400, "InefficientFilter", "The restriction or sort order is too complex for this operation.")


def check_options(request: Request, known: Collection[str]) -> None:
    """Refuse unknown options that begin with a dollar."""
    for name in request.query:
        if name.startswith("$") and name not in known:
            raise Refused(400, "RequestBroker--ParseUri", f"Query option '{name}' is not allowed.")


def number_of(request: Request, name: str, default: int) -> int:
    """A whole number from the query."""
    text = request.first(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise Refused(400, "BadRequest", f"Invalid value '{text}' for {name} query option found.")
    return int(text)


def top_of(request: Request, default: int) -> int:
    """How many rows a page may have."""
    top = number_of(request, "$top", default)
    if not 1 <= top <= MAX_TOP:
        text = f"The limit of '{MAX_TOP}' for Top query has been exceeded. The value from the incoming request is"
        raise Refused(400, "BadRequest", f"{text} '{top}'.")
    return top


def _conditions(text: str | None) -> Iterable[Condition]:
    position = 0
    while text is not None:
        found = _CONDITION.match(text, position)
        if not found:
            raise _clause(text)
        yield _condition(found)
        position = found.end()
        if position == len(text):
            return
        if not text.startswith(" and ", position):
            raise _clause(text)
        position += len(" and ")


def _condition(found: re.Match[str]) -> Condition:
    if found["operator"]:
        bound = _instant(found["instant"])
        if found["operator"] == "ge":
            return Condition("receivedDateTime", lambda mail: mail.received >= bound)
        return Condition("receivedDateTime", lambda mail: mail.received < bound)
    # Exchange compares without regard to case.
    prefix = found["prefix"].replace("''", "'").lower()
    return Condition("subject", lambda mail: mail.subject.lower().startswith(prefix))


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise _clause(text) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _clause(text: str) -> Refused:
    return Refused(400, "BadRequest", f"Invalid filter clause: '{text}'.")


def _order(text: str | None) -> Iterable[tuple[str, bool]]:
    for part in text.split(",") if text is not None else ():
        found = _ORDER.fullmatch(part.strip())
        if not found:
            raise Refused(400, "BadRequest", f"Invalid orderby clause: '{text}'.")
        yield found["property"], found["direction"] == "desc"
