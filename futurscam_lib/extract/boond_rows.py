"""What BoondManager's answers say of opportunities, taken apart without trusting them.

They are JSON:API documents: objects with `id`, `type`, `attributes` and `relationships`, and in `included` what the
relationships name.
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
    """One opportunity as the list shows it; `changed` None where it cannot be read."""

    id: str
    changed: datetime | None
    data: dict[str, Any]
    included: list[dict[str, Any]]

    @property
    def key(self) -> str:
        """What tells it from other rows, and from itself before a change."""
        return f"{self.id}@{self.data['attributes'].get('updateDate')}"


def rows_of(answer: Mapping[str, Any]) -> list[Row]:
    """The rows of one page of the list; what is no object is none."""
    included = _objects(answer.get("included"))
    rows = []
    for number, data in enumerate(_objects(answer.get("data"))):
        attributes = data.get("attributes")
        known = attributes if isinstance(attributes, dict) else {}
        identity = str(data.get("id") or f"without id, row {number}")
        rows.append(Row(identity, _instant(known), {**data, "attributes": known}, included))
    return rows


def total_of(answer: Mapping[str, Any]) -> int | None:
    """How many rows the whole list has; None where that is not said."""
    match answer:
        case {"meta": {"totals": {"rows": int(rows)}}}:
            return rows
    return None


def payload_of(row: Row, detail: dict[str, Any]) -> bytes:
    """Both answers without what is not about this opportunity, the same bytes as long as they say the same."""
    data = detail.get("data")
    related = {
        (str(found.get("type")), str(found.get("id"))): found
        for found in [*row.included, *_objects(detail.get("included"))]
    }
    wanted = {key for one in (row.data, data) for key in _relations(one)}
    included = [related[key] for key in sorted(wanted & related.keys())]
    whole = {"data": row.data, "detail": data if isinstance(data, dict) else None, "included": included}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


def _relations(data: Any) -> Iterator[tuple[str, str]]:
    relationships = data.get("relationships") if isinstance(data, dict) else None
    for name in _RELATED:
        match relationships.get(name) if isinstance(relationships, dict) else None:
            case {"data": {"type": kind, "id": identity}}:
                yield str(kind), str(identity)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _instant(attributes: Mapping[str, Any]) -> datetime | None:
    try:
        return clock.parse(str(attributes["updateDate"]), naive=clock.BRUSSELS)
    except (KeyError, ValueError):
        return None
