"""Reads JSON:API: a list's row merged with its detail, and the resources that they refer to."""

from __future__ import annotations

from dataclasses import dataclass

from futurscam_lib.transform.fields import Fields  # noqa: TC001 - dataclass fields are read at run time by tools

Key = tuple[str | None, str | None]
"""Type and id."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: `data` comes from a list, and `detail` from a second request, if there was one.

    Attributes:
        attributes: Attributes of the row; those of the detail take precedence. Blank texts are read as null.
        relationships: The relationships, merged in the same way.
        included: Attributes of the included resources, each with its type and id.
    """

    attributes: Fields
    relationships: Fields
    included: list[tuple[Key, Fields]]

    @classmethod
    def of(cls, record: Fields) -> Resource:
        """Merge the detail into the row of `{"data": ..., "detail": ..., "included": [...]}`."""
        row, detail = record.child("data"), record.child("detail")
        attributes, relationships = (
            row.child(name).filled().under(detail.child(name).filled()) for name in ("attributes", "relationships")
        )
        included = [(_key(resource), resource.child("attributes")) for resource in record.children("included")]
        return cls(attributes, relationships, included)

    def related(self, name: str) -> list[Fields]:
        """Attributes of the resource that a relationship names, once for each time it is included; may be empty."""
        wanted = _key(self.relationships.child(name).child("data"))
        return [attributes for key, attributes in self.included if key == wanted and all(wanted)]


def _key(resource: Fields) -> Key:
    return resource.text("type"), resource.identifier("id")
