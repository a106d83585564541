"""JSON:API: a row of a list with its detail over it, and the resources that they refer to."""

from __future__ import annotations

from dataclasses import dataclass

from futurscam_lib.transform.fields import Fields  # noqa: TC001 - dataclass fields are read at run time by tools


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, of which a list gave `data`, and a second request, where there was one, `detail`.

    Attributes:
        record: `{"data": ..., "detail": ..., "included": [...]}`.
        attributes: Those of the row; where the detail has one, it wins. Blank texts read as null.
        relationships: The same of the relationships.
    """

    record: Fields
    attributes: Fields
    relationships: Fields

    @classmethod
    def of(cls, record: Fields) -> Resource:
        """Lay the detail over the row."""
        row, detail = record.child("data"), record.child("detail")
        attributes, relationships = (
            row.child(name).filled().under(detail.child(name).filled()) for name in ("attributes", "relationships")
        )
        return cls(record, attributes, relationships)

    def related(self, name: str) -> list[Fields]:
        """Attributes of the resource that a relationship names: once for each time that it is included, or never."""
        wanted = _key(self.relationships.child(name).child("data"))
        if not all(wanted):
            return []
        return [
            included.child("attributes") for included in self.record.children("included") if _key(included) == wanted
        ]


def _key(resource: Fields) -> tuple[str | None, str | None]:
    return resource.text("type"), resource.identifier("id")
