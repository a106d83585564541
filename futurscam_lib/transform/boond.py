"""BoondManager opportunity -> RFP.

The payload is what the extractor puts together for one opportunity: `{"data": <the row of the list>, "detail": <its
information or profile, or null>, "included": [<the resources that they refer to>]}`.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - dataclass fields are read at run time by tools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from futurscam_lib import rfp
from futurscam_lib.transform import vocabulary
from futurscam_lib.transform.fields import Fields, as_identifier
from futurscam_lib.transform.jsonapi import Resource
from futurscam_lib.transform.text import as_html, tidy
from futurscam_lib.transform.vocabulary import Speller

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from futurscam_lib.settings import Settings

TRANSFORM_VERSION: Final = 2
"""Raise it with every change of the mapping or its vocabulary: documents are then made again from what is read."""

_IMMEDIATE: Final = "immediate"
_MAILS: Final = ("email1", "email", "email2", "email3")


@dataclass(frozen=True, slots=True)
class Instance:
    """What the numbers of one BoondManager instance mean; from the settings.

    Attributes:
        url: Where people open it, without `/api`.
        open_states: The `state` of an opportunity that can still be answered.
        origins: Name of the intermediary for each `origin.typeOf`.
    """

    url: str = "https://ui.boondmanager.com"
    open_states: frozenset[int] = frozenset({0})
    origins: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, configured: Settings) -> Self:
        """The configured one."""
        return cls(
            url=configured.boond_url.removesuffix("/api"),
            open_states=configured.boond_open_states,
            origins=configured.boond_origins or {},
        )


DEFAULT_INSTANCE: Final = Instance()


def normalise(payload: Any, *, seen_at: datetime, instance: Instance = DEFAULT_INSTANCE) -> rfp.Rfp:
    """Turn one BoondManager opportunity into an RFP document.

    Args:
        payload: The parsed row with its detail and what they refer to.
        seen_at: When this run read it; aware, UTC.
        instance: What the numbers of its instance mean.

    Returns:
        The document. Its daily rates are None: the amounts of an opportunity are totals.

    Raises:
        Rejected: It has no id, title or last change, or a field has a type it cannot have; `.path` names it.
    """
    record = Fields.of(payload)
    job_id, instant = job_id_of(record), last_change_of(record, seen_at=seen_at)
    speller = Speller()
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
        "seniority": vocabulary.NOT_SPECIFIED,
        "remoteOption": vocabulary.NO_REMOTE_OPTION,
        "isActive": _is_active(attributes, speller, instance),
        "RFP_type": None,
        "company": _company(opportunity),
        "conditions": _conditions(attributes, speller),
        "skills": _skills(attributes, speller),
        "languages": [],
        "questions": [],
        "publishedAt": attributes.instant("creationDate"),
        "deadlineAt": attributes.instant("answerDate", end_of_day=True),
        "serviceProvider": _service_provider(attributes, speller, instance),
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
        oddities=tuple(speller.unknown),
    )


def job_id_of(record: Fields) -> str:
    """The opportunity's `job_id`.

    Raises:
        Rejected: Its id is missing or wrong.
    """
    return f"boond-{_id_of(record)}"


def last_change_of(record: Fields, *, seen_at: datetime) -> str:
    """The instant of the opportunity's version, as sortable text: what the row says, or else the detail.

    Raises:
        Rejected: See `Fields.last_change`.
    """
    row, detail = (record.child(name).child("attributes") for name in ("data", "detail"))
    # The detail is read after the row. Where the opportunity changed in between, this is a mixture of two versions:
    # dated as the older one it gives way to the newer, which the list shows the next run.
    said = row if row.text("updateDate") or not detail.text("updateDate") else detail
    return said.last_change("updateDate", seen_at=seen_at)


def _id_of(record: Fields) -> str:
    return record.child("data").required_identifier("id")


def _description(attributes: Fields) -> str:
    # Each part is cleaned by itself: what one leaves open does not swallow the other.
    description, criteria = (as_html(attributes.raw_text(name) or "") for name in ("description", "criteria"))
    if description and criteria:
        return f"{description}\n<h3>Criteria</h3>\n{criteria}"
    return description or criteria


def _is_active(attributes: Fields, speller: Speller, instance: Instance) -> bool:
    state = attributes.whole("state")
    if state is None:
        # An opportunity shown in vain costs a reader a glance, one hidden in vain may cost a mission.
        speller.unknown.append(("attributes.state", "missing"))
        return True
    return state in instance.open_states


def _company(opportunity: Resource) -> rfp.Company:
    city = opportunity.attributes.text("place")
    word = (city or "").lower()
    region, country = vocabulary.REGION.get(word), vocabulary.COUNTRY.get(word)
    if region and country:
        # Luxembourg: the province or the state, the word alone does not say.
        region = country = None
    return {
        "name": _first(company.text("name") for company in opportunity.related("company")),
        "department": None,
        "showDepartment": False,
        "street": None,
        "zipcode": None,
        "city": city,
        "region": region,
        "country": country,
    }


def _conditions(attributes: Fields, speller: Speller) -> rfp.Conditions:
    immediately = (attributes.text("startDate") or "").lower() == _IMMEDIATE
    from_at = None if immediately else attributes.instant("startDate")
    return {
        # The amounts of an opportunity (turnoverEstimatedExcludingTax and the like) are totals, no rates per day.
        "dailyRate": {"currency": _currency(attributes, speller), "min": None, "max": None},
        "fixedMargin": None,
        "fromAt": from_at,
        "toAt": attributes.instant("endDate"),
        "startImmediately": immediately if immediately or from_at else None,
        "occupation": None,
    }


def _currency(attributes: Fields, speller: Speller) -> str | None:
    text = attributes.identifier("currency")
    # A number means another currency in each instance.
    if text is None or _is_number(text):
        return None
    known = vocabulary.CURRENCY.get(text.lower())
    if known is None:
        speller.unknown.append(("attributes.currency", text[: vocabulary.MAX_READABLE]))
    return known


def _skills(attributes: Fields, speller: Speller) -> list[rfp.Skill]:
    skills: list[rfp.Skill] = []
    for path, element in attributes.items("tools"):
        is_object = isinstance(element, dict)
        name = Fields.of(element, path).identifier("tool") if is_object else as_identifier(element, path)
        if name and _is_number(name):
            speller.unknown.append(("attributes.tools", name[: vocabulary.MAX_READABLE]))
        elif name:
            skills.append({"name": name, "seniority": vocabulary.NOT_SPECIFIED, "lastUsed": None})
    return skills


def _service_provider(attributes: Fields, speller: Speller, instance: Instance) -> str | None:
    origin = attributes.child("origin").filled()
    number, detail = origin.whole("typeOf"), origin.text("detail")
    if number is None:
        return detail
    known = instance.origins.get(number)
    if known is None and instance.origins:
        speller.unknown.append(("attributes.origin.typeOf", str(number)))
    return known or detail


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
