"""Reads opportunities from BoondManager's answers, whose form is not trusted.

They are JSON:API documents: objects with `id`, `type`, `attributes` and `relationships`; `included` holds the related
resources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from futurscam_lib import clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_RELATED: Final = ("company", "contact", "mainManager", "agency", "pole")


@dataclass(frozen=True, slots=True)
class Row:
    """One opportunity as the list shows it; `changed` and `state` are None if they cannot be read."""

    id: str
    changed: datetime | None
    state: int | None
    data: dict[str, Any]
    included: list[dict[str, Any]]

    @property
    def key(self) -> str:
        """Identifies this version of the row: the id and the date of the last change."""
        return f"{self.id}@{self.data['attributes'].get('updateDate')}"


def rows_of(answer: Mapping[str, Any]) -> list[Row]:
    """The rows of one page of the list; values that are not objects are left out."""
    included = _objects(answer.get("included"))
    rows = []
    for number, data in enumerate(_objects(answer.get("data"))):
        attributes = data.get("attributes")
        known = attributes if isinstance(attributes, dict) else {}
        identity = str(data.get("id") or f"without id, row {number}")
        rows.append(Row(identity, _instant(known), state_of(data), {**data, "attributes": known}, included))
    return rows


def total_of(answer: Mapping[str, Any]) -> int | None:
    """How many rows the whole list has; None if the answer does not say it."""
    match answer:
        case {"meta": {"totals": {"rows": int(rows)}}}:
            return rows
    return None


def state_of(data: Any) -> int | None:
    """The state of a row or an opportunity; None if it has none."""
    match data:
        case {"attributes": {"state": state}}:
            return _whole(state)
    return None


def contact_of(row: Row, detail: Mapping[str, Any]) -> str | None:
    """The id of an opportunity's contact; the detail takes precedence over the row."""
    key = _contact_key(row, detail)
    return key[1] if key else None


def origin_of(row: Row, detail: Mapping[str, Any]) -> int | None:
    """The number of an opportunity's origin; the detail takes precedence over the row."""
    for data in (detail.get("data"), row.data):
        match data:
            case {"attributes": {"origin": {"typeOf": number}}} if _whole(number) is not None:
                return _whole(number)
    return None


def payload_of(
    row: Row,
    detail: Mapping[str, Any],
    *,
    contact: Mapping[str, Any] | None = None,
    origin: str | None = None,
) -> bytes:
    """Combine all answers about this opportunity; equal content gives equal bytes.

    Args:
        row: The opportunity as the list shows it.
        detail: The answer of its own tab, or of its profile.
        contact: More attributes of its contact; they fill in what the list and the tab leave out.
        origin: Name of its origin in the instance's dictionary; None if it has none.
    """
    data = detail.get("data")
    related = {
        (str(resource.get("type")), str(resource.get("id"))): resource
        for resource in [*row.included, *_objects(detail.get("included"))]
    }
    wanted = {(kind, identity) for source in (row.data, data) for _, kind, identity in _relations(source)}
    if contact and (key := _contact_key(row, detail)):
        related[key] = _filled(related.get(key, {"type": key[0], "id": key[1]}), contact)
    whole: dict[str, Any] = {
        "data": row.data,
        "detail": data if isinstance(data, dict) else None,
        "included": [related[key] for key in sorted(wanted & related.keys())],
    }
    if origin is not None:
        whole["labels"] = {"origin": origin}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


def _contact_key(row: Row, detail: Mapping[str, Any]) -> tuple[str, str] | None:
    """Type and id of the contact."""
    keys = (
        (kind, identity)
        for data in (detail.get("data"), row.data)
        for name, kind, identity in _relations(data)
        if name == "contact"
    )
    return next(keys, None)


def _filled(resource: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource with its missing or empty attributes filled in."""
    attributes = resource.get("attributes")
    known = attributes if isinstance(attributes, dict) else {}
    return {**resource, "attributes": {**known, **{name: value for name, value in more.items() if not known.get(name)}}}


def _relations(data: Any) -> Iterator[tuple[str, str, str]]:
    """Name, type and id of each resource that an opportunity refers to."""
    relationships = data.get("relationships") if isinstance(data, dict) else None
    for name in _RELATED:
        match relationships.get(name) if isinstance(relationships, dict) else None:
            case {"data": {"type": kind, "id": identity}}:
                yield name, str(kind), str(identity)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


def _whole(value: Any) -> int | None:
    """A whole number from 0, which may be written as text."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip().isdecimal():
        return None
    return int(value)


def _instant(attributes: Mapping[str, Any]) -> datetime | None:
    try:
        return clock.parse(str(attributes["updateDate"]), naive=clock.BRUSSELS)
    except (KeyError, ValueError):
        return None
