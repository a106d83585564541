"""JSON:API: a row of a list with its detail over it, and the resources that they refer to."""

from __future__ import annotations

from dataclasses import dataclass

from futurscam_lib.transform.fields import Fields  # noqa: TC001 - dataclass fields are read at run time by tools

Key = tuple[str | None, str | None]
"""Type and id."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, of which a list gave `data`, and a second request, where there was one, `detail`.

    Attributes:
        attributes: Those of the row; where the detail has one, it wins. Blank texts read as null.
        relationships: The same of the relationships.
        included: Attributes of the resources that came with it, each with its type and id.
    """

    attributes: Fields
    relationships: Fields
    included: list[tuple[Key, Fields]]

    @classmethod
    def of(cls, record: Fields) -> Resource:
        """Lay the detail over the row of `{"data": ..., "detail": ..., "included": [...]}`."""
        row, detail = record.child("data"), record.child("detail")
        attributes, relationships = (
            row.child(name).filled().under(detail.child(name).filled()) for name in ("attributes", "relationships")
        )
        included = [(_key(resource), resource.child("attributes")) for resource in record.children("included")]
        return cls(attributes, relationships, included)

    def related(self, name: str) -> list[Fields]:
        """Attributes of the resource that a relationship names: once for each time that it is included, or never."""
        wanted = _key(self.relationships.child(name).child("data"))
        return [attributes for key, attributes in self.included if key == wanted and all(wanted)]


def _key(resource: Fields) -> Key:
    return resource.text("type"), resource.identifier("id")
