"""BoondManager: turns an opportunity into an RFP document.

The payload is what the extractor combines for one opportunity: `{"data": <the row of the list>, "detail": <its
information or profile, or null>, "included": [<the resources that they refer to>], "labels": {"origin": <the name of
its origin in the instance's dictionary>}}`. `labels` is missing in older payloads, and if the dictionary does not name
the origin.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - dataclass fields are read at run time by tools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from futurscam_lib import clock, rfp
from futurscam_lib.transform import places, vocabulary
from futurscam_lib.transform.fields import Fields
from futurscam_lib.transform.jsonapi import Resource
from futurscam_lib.transform.text import as_html, fold, tidy, without_bullet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from futurscam_lib.settings.sources import SourceSettings

TRANSFORM_VERSION: Final = 2
"""Raise it with every change of the mapping or its vocabulary: then documents are made again when they are read."""

_IMMEDIATE: Final = "immediate"
_MAILS: Final = ("email1", "email", "email2", "email3")


@dataclass(frozen=True, slots=True)
class Instance:
    """The meaning of numbers in one BoondManager instance, from the settings.

    Attributes:
        url: Address of the instance for people, without `/api`.
        open_states: The `state` values of opportunities that can still be answered.
        origins: Name of the intermediary for each `origin.typeOf`.
    """

    url: str = "https://ui.boondmanager.com"
    open_states: frozenset[int] = frozenset({0})
    origins: Mapping[int, str] = field(default_factory=dict)


def options(settings: SourceSettings) -> dict[str, Instance]:
    """Return the arguments of `normalise` that depend on the settings."""
    url, origins = settings.boond_url.removesuffix("/api"), settings.boond_origins or {}
    return {"instance": Instance(url, settings.boond_open_states, origins)}


DEFAULT_INSTANCE: Final = Instance()


def normalise(payload: Any, *, seen_at: datetime, instance: Instance = DEFAULT_INSTANCE) -> rfp.Rfp:
    """Turn one BoondManager opportunity into an RFP document.

    Args:
        payload: The parsed row with its detail and the resources that they refer to.
        seen_at: When this run read it; aware, UTC.
        instance: The meaning of the numbers in its instance.

    Returns:
        The document. Its daily rates are None: the amounts of an opportunity are totals.

    Raises:
        Rejected: The id, title or last change is missing or wrong; `.path` names the field. Any other unknown value
            only loses its own field and is counted in `oddities`.
    """
    record = Fields.of(payload)
    job_id, instant = job_id_of(record), last_change_of(record, seen_at=seen_at)
    opportunity = Resource.of(record)
    attributes = opportunity.attributes
    source_id = _id_of(record)
    content: rfp.RfpContent = {
        "job_id": job_id,
        "reference": attributes.text("reference") or "",
        "roleTitle": attributes.required_text("title"),
        "role": None,
        "job_desc": _description(attributes),
        "job_url": f"{instance.url.rstrip('/')}/opportunities/{quote(source_id, safe='')}",
        "seniority": rfp.NOT_SPECIFIED,
        "remoteOption": rfp.NO_REMOTE_OPTION,
        "isActive": _is_active(attributes, instance),
        "RFP_type": None,
        "company": _company(opportunity),
        "conditions": _conditions(attributes),
        "skills": _skills(attributes),
        "languages": [],
        "questions": [],
        "publishedAt": attributes.instant("creationDate", naive=clock.BRUSSELS),
        "deadlineAt": attributes.deadline("answerDate", naive=clock.BRUSSELS),
        "serviceProvider": _service_provider(record, attributes, instance),
        "metadata": [
            *_contact(opportunity, "contact", role="contact"),
            *_contact(opportunity, "mainManager", role="manager"),
        ],
    }
    return rfp.Rfp.of(
        content,
        source_id=source_id,
        instant=instant,
        transform_version=TRANSFORM_VERSION,
        oddities=tuple(record.unknown),
    )


def job_id_of(record: Fields) -> str:
    """Return the opportunity's `job_id`.

    Raises:
        Rejected: Its id is missing or wrong.
    """
    return f"boond-{_id_of(record)}"


def reference_of(record: Fields) -> str:
    """Return the reference by which people know the opportunity; empty if it has none."""
    return Resource.of(record).attributes.text("reference") or ""


def last_change_of(record: Fields, *, seen_at: datetime | None = None) -> str:
    """Return the instant of the opportunity's version as sortable text, from the row or else from the detail.

    Raises:
        Rejected: See `Fields.last_change`.
    """
    row, detail = (record.child(name).child("attributes") for name in ("data", "detail"))
    # The detail is read after the row. If the opportunity changed in between, the payload mixes two versions. It gets
    # the date of the older one, so that the newer one, which the list shows in the next run, replaces it.
    dated = row if row.text("updateDate") or not detail.text("updateDate") else detail
    return dated.last_change("updateDate", seen_at=seen_at, naive=clock.BRUSSELS)


def _id_of(record: Fields) -> str:
    return record.child("data").required_identifier("id")


def _description(attributes: Fields) -> str:
    # Each part is cleaned separately, so that an unclosed tag in the first does not affect the second.
    description, criteria = (as_html(attributes.raw_text(name) or "") for name in ("description", "criteria"))
    if description and criteria:
        return f"{description}\n<h3>Criteria</h3>\n{criteria}"
    return description or criteria


def _is_active(attributes: Fields, instance: Instance) -> bool:
    state = attributes.whole("state")
    if state is None:
        # Showing a closed opportunity does little harm; hiding an open opportunity may cost a mission.
        attributes.unknown.append(("attributes.state", "missing"))
        return True
    return state in instance.open_states


def _company(opportunity: Resource) -> rfp.Company:
    place = opportunity.attributes.text("place")
    word = fold(place or "")
    region, country = vocabulary.REGION.get(word), vocabulary.countries().get(word)
    if region and country:
        # Luxembourg is both a province and a country; the word alone does not show which is meant.
        region = country = None
    return {
        "name": _first(company.text("name") for company in opportunity.related("company")),
        "department": None,
        "showDepartment": False,
        "street": None,
        "zipcode": None,
        "city": places.city(place),
        "region": region,
        "country": country,
    }


def _conditions(attributes: Fields) -> rfp.Conditions:
    immediately = attributes.is_word("startDate", _IMMEDIATE)
    from_at = None if immediately else attributes.day("startDate")
    return {
        # The amounts of an opportunity (turnoverEstimatedExcludingTax and the like) are totals, not daily rates.
        "dailyRate": {"currency": _currency(attributes), "min": None, "max": None},
        "fixedMargin": None,
        "fromAt": from_at,
        "toAt": attributes.day("endDate"),
        "startImmediately": immediately if immediately or from_at else None,
        "occupation": None,
    }


def _currency(attributes: Fields) -> str | None:
    text = attributes.identifier("currency")
    # A number means a different currency in each instance.
    if text is None or _is_number(text):
        return None
    known = vocabulary.currencies().get(fold(text))
    if known is None:
        attributes.unknown.append(("attributes.currency", vocabulary.counted(text)))
    return known


def _skills(attributes: Fields) -> list[rfp.Skill]:
    skills: list[rfp.Skill] = []
    for tool in attributes.children("tools", named="tool", mixed=True):
        name = without_bullet(tool.identifier("tool") or "")
        if _is_number(name):
            attributes.unknown.append(("attributes.tools", vocabulary.counted(name)))
        elif name:
            skills.append({"name": name, "seniority": rfp.NOT_SPECIFIED, "lastUsed": None})
    return skills


def _service_provider(record: Fields, attributes: Fields, instance: Instance) -> str | None:
    """The name of the origin, from the settings or the instance's dictionary; the origin's detail is free text."""
    number = attributes.child("origin").filled().whole("typeOf")
    if number is None:
        return None
    known = instance.origins.get(number) or record.child("labels").text("origin")
    if known is None and instance.origins:
        attributes.unknown.append(("attributes.origin.typeOf", str(number)))
    return known


def _contact(opportunity: Resource, relationship: str, *, role: str) -> list[rfp.Contact]:
    people = opportunity.related(relationship)
    if not people:
        return []
    names = (tidy(f"{person.text('firstName') or ''} {person.text('lastName') or ''}") for person in people)
    mails = (person.text(name) for name in _MAILS for person in people)
    return [{"name": _first(names), "mail": _first(mails), "role": role}]


def _first(texts: Iterable[str | None]) -> str | None:
    return next((text for text in texts if text), None)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
