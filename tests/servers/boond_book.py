"""Opportunities as BoondManager keeps and writes them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime

BRUSSELS: Final = ZoneInfo("Europe/Brussels")
OPEN: Final = 0
LOST: Final = 2
TEXTS: Final = ("description", "criteria")
"""Attributes that only the opportunity itself has, not a search."""

_PERSONS: Final = {"mainManager": "resource", "contact": "contact"}
_NAMED: Final = {"company": "company", "agency": "agency", "pole": "pole"}
_RELATED: Final = {
    "mainManager": "Nora Claes",
    "company": "Fictional Rail",
    "contact": "Jan Peeters",
    "agency": "Brussels",
    "pole": None,
}
_DEFAULTS: Final[dict[str, Any]] = {
    "title": "Data Engineer",
    "reference": "",
    "typeOf": 1,
    "mode": 1,
    "state": OPEN,
    "place": "Bruxelles",
    "isVisible": True,
    "startDate": "immediate",
    "endDate": "",
    "closingDate": "",
    "answerDate": "",
    "duration": 120,
    "currency": 0,
    "turnoverEstimatedExcludingTax": 0.0,
    "estimatesExcludingTax": 0.0,
    "expertiseArea": "",
    "activityAreas": [],
    "tools": [],
    "origin": {"typeOf": 4, "detail": ""},
    "numberOfActivePositionings": 0,
    "stateReason": {"typeOf": -1, "detail": ""},
    "description": "",
    "criteria": "",
}


@dataclass(slots=True)
class Opportunity:
    """One opportunity; `related` holds names, and None where there is no such relation."""

    id: int
    attributes: dict[str, Any]
    related: dict[str, str | None]
    created: datetime
    updated: datetime
    visible_from: datetime | None = None

    def shows(self, now: datetime) -> bool:
        """Whether the service shows it already."""
        return self.visible_from is None or self.visible_from <= now

    def day(self, name: str) -> date:
        """The day in Belgium on which it was created or changed."""
        return self.instant(name).astimezone(BRUSSELS).date()

    def instant(self, name: str) -> datetime:
        """`creationDate` or `updateDate`."""
        return self.created if name == "creationDate" else self.updated

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set new values of attributes or relations.

        Raises:
            TypeError: There is nothing of that name.
        """
        for name, value in changes.items():
            if name in self.related:
                self.related[name] = value
            elif name in _DEFAULTS:
                self.attributes[name] = value
            else:
                raise TypeError(f"An opportunity has no {name!r}.")


@dataclass(slots=True)
class Book:
    """All opportunities; the caller holds the server's lock."""

    rows: dict[int, Opportunity] = field(default_factory=dict)
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    next_id: int = 1001

    def add(self, changes: Mapping[str, Any], *, created: datetime, updated: datetime) -> Opportunity:
        """Add an opportunity with default values except for the changes."""
        made = Opportunity(self.next_id, copy.deepcopy(_DEFAULTS), dict(_RELATED), created, updated)
        made.attributes["reference"] = f"AO{made.id}"
        made.change(changes)
        self.rows[made.id] = made
        self.next_id += 1
        return made

    def row(self, found: Opportunity, *, whole: bool) -> dict[str, Any]:
        """An opportunity as JSON:API has it; with its texts where it is `whole`."""
        shown = {name: value for name, value in found.attributes.items() if whole or name not in TEXTS}
        shown |= {"creationDate": written(found.created), "updateDate": written(found.updated)}
        relations = {name: {"data": self._pointer(name, other)} for name, other in found.related.items()}
        return {"id": str(found.id), "type": "opportunity", "attributes": shown, "relationships": relations}

    def included(self, rows: Iterable[Opportunity]) -> list[dict[str, Any]]:
        """The resources that the rows refer to, each once."""
        pairs = dict.fromkeys(pair for row in rows for pair in row.related.items())
        return [
            {**pointer, "attributes": _name(relation, name)}
            for relation, name in pairs
            if name is not None and (pointer := self._pointer(relation, name))
        ]

    def contact(self, identity: str) -> dict[str, Any] | None:
        """A contact of some row, with the attributes of its own page; None if there is no such contact."""
        for (kind, name), known in self.ids.items():
            if (kind, known) == ("contact", identity):
                mail = f"{name.lower().replace(' ', '.')}@example.com"
                attributes = {**_name("contact", name), "email1": mail, "email2": "", "email3": ""}
                return {"id": identity, "type": kind, "attributes": attributes}
        return None

    def _pointer(self, relation: str, name: str | None) -> dict[str, str] | None:
        if name is None:
            return None
        kind = _PERSONS.get(relation) or _NAMED[relation]
        return {"id": self.ids.setdefault((kind, name), str(len(self.ids) + 1)), "type": kind}


def written(instant: datetime) -> str:
    """`2026-03-12T09:24:00+0100`: the time in Belgium, the offset without a colon."""
    return f"{instant.astimezone(BRUSSELS):%Y-%m-%dT%H:%M:%S%z}"


def _name(relation: str, name: str) -> dict[str, str]:
    if relation not in _PERSONS:
        return {"name": name}
    first, _, last = name.partition(" ")
    return {"firstName": first, "lastName": last}
