"""BoondManager opportunities to documents: what each field is made from, and what is refused."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from futurscam_lib.errors import Rejected
from futurscam_lib.records import RawRecord, Reject
from futurscam_lib.rfp import Rfp
from futurscam_lib.settings.sources import SourceSettings
from futurscam_lib.transform import boond, transform
from futurscam_lib.transform.boond import Instance

if TYPE_CHECKING:
    from collections.abc import Callable

COMPLETE = Path(__file__).parent.parent / "golden" / "boond" / "complete" / "raw.json"
ABSENT = object()
SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def opportunity() -> dict[str, Any]:
    """A complete opportunity; each test can change its own copy."""
    found: dict[str, Any] = json.loads(COMPLETE.read_bytes())
    return found


def put(opportunity: dict[str, Any], changes: dict[str, Any]) -> None:
    """Change some dotted fields; `ABSENT` removes a field."""
    for dotted, value in changes.items():
        *way, name = dotted.split("__")
        place: Any = opportunity
        for step in way:
            place = place[int(step) if isinstance(place, list) else step]
        if value is ABSENT:
            place.pop(name, None)
        else:
            place[int(name) if isinstance(place, list) else name] = value


@pytest.fixture
def made(opportunity: dict[str, Any], seen_at: datetime) -> Callable[..., Rfp]:
    """Gives the document of the opportunity with some dotted fields changed: `data__attributes__state=3`."""

    def normalise(instance: Instance = boond.DEFAULT_INSTANCE, **changes: Any) -> Rfp:
        put(opportunity, changes)
        return boond.normalise(opportunity, seen_at=seen_at, instance=instance)

    return normalise


@pytest.fixture
def of_attributes(made: Callable[..., Rfp]) -> Callable[..., Rfp]:
    """Gives the document of the opportunity with some attributes of its row changed."""

    def normalise(instance: Instance = boond.DEFAULT_INSTANCE, **changes: Any) -> Rfp:
        return made(instance, **{f"data__attributes__{name}": value for name, value in changes.items()})

    return normalise


@pytest.mark.parametrize("number", ["4711", 4711, " 4711\n"])
def test_an_id_as_text_or_number_gives_the_same_job(made: Callable[..., Rfp], number: str | int) -> None:
    """An id as text or as a number gives the same `job_id`, so the same document."""
    document = made(data__id=number)

    assert (document.source_id, document.content["job_id"]) == ("4711", "boond-4711")


@pytest.mark.parametrize(
    ("url", "number", "link"),
    [
        ("https://ui.boondmanager.com", 12, "https://ui.boondmanager.com/opportunities/12"),
        ("https://b.example.com/", "../a b?c#d", "https://b.example.com/opportunities/..%2Fa%20b%3Fc%23d"),
    ],
)
def test_the_link_opens_the_opportunity_of_the_instance(
    made: Callable[..., Rfp], url: str, number: str | int, link: str
) -> None:
    """Any id stays one part of the path below the instance's address."""
    assert made(Instance(url=url), data__id=number).content["job_url"] == link


def test_a_field_of_the_detail_takes_precedence_over_the_row(made: Callable[..., Rfp]) -> None:
    """Even if it is null or empty, because the detail is the later answer."""
    document = made(
        Instance(origins={10: "Agrega.io"}),
        detail__attributes__reference="",
        detail__attributes__origin="",
        detail__attributes__endDate=None,
        detail__attributes__place="Gent",
    )

    assert (document.content["reference"], document.content["serviceProvider"]) == ("", None)
    assert document.content["company"]["city"] == "Ghent"
    assert document.content["conditions"]["fromAt"] == SEPTEMBER
    assert document.content["conditions"]["toAt"] is None


def test_a_relationship_of_the_detail_takes_precedence_over_the_row(made: Callable[..., Rfp]) -> None:
    """Relationships are merged like attributes."""
    document = made(detail__relationships__company={"data": None})

    assert document.content["company"]["name"] is None
    assert [contact["role"] for contact in document.content["metadata"]] == ["contact", "manager"]


@pytest.mark.parametrize(
    ("row", "detail", "instant"),
    [
        ("2026-07-08T09:15:44+0200", "2026-07-08T09:21:03+0200", "2026-07-08T07:15:44.0000000Z"),
        ("2026-07-08T09:15:44+0200", "yesterday", "2026-07-08T07:15:44.0000000Z"),
        ("2026-10-25T02:30:00+0100", None, "2026-10-25T01:30:00.0000000Z"),
        ("2026-07-08T09:15:44+0200", " ", "2026-07-08T07:15:44.0000000Z"),
        ("2026-07-08T09:15:44+0200", ABSENT, "2026-07-08T07:15:44.0000000Z"),
        (None, "2026-07-08T09:21:03+0200", "2026-07-08T07:21:03.0000000Z"),
        ("2026-07-08T09:15:44", None, "2026-07-08T07:15:44.0000000Z"),
    ],
)
def test_the_version_is_the_instant_of_the_row_or_else_of_the_detail(
    made: Callable[..., Rfp], row: Any, detail: Any, instant: str
) -> None:
    """If it changed between two requests, the older date is used, so the newer version replaces it later."""
    document = made(data__attributes__updateDate=row, detail__attributes__updateDate=detail)

    assert document.key.instant == instant


@pytest.mark.parametrize(
    ("description", "criteria", "html"),
    [
        ("<p>a</p>", "<p>b</p>", "<p>a</p>\n<h3>Criteria</h3>\n<p>b</p>"),
        ("a\nb", "c & d", "a<br>b\n<h3>Criteria</h3>\nc &amp; d"),
        ("<p>a", "<b>b", "<p>a</p>\n<h3>Criteria</h3>\n<b>b</b>"),
        ("<p>a</p><!--", "b", "<p>a</p>\n<h3>Criteria</h3>\nb"),
        (" \n", "b", "b"),
        ("a", None, "a"),
        ("a", "<script>x</script>", "a"),
        (None, "", ""),
    ],
)
def test_description_and_criteria_are_separated(
    made: Callable[..., Rfp], description: str | None, criteria: str | None, html: str
) -> None:
    """A heading separates them if there are both, and an unclosed tag in one does not affect the other."""
    document = made(detail__attributes__description=description, detail__attributes__criteria=criteria)

    assert document.content["job_desc"] == html


@pytest.mark.parametrize(
    ("state", "active", "oddities"),
    [
        (0, True, ()),
        (5, True, ()),
        (3, False, ()),
        (-1, False, ()),
        (None, True, (("attributes.state", "missing"),)),
        ("", True, (("attributes.state", "missing"),)),
        (ABSENT, True, (("attributes.state", "missing"),)),
    ],
)
def test_the_settings_name_the_open_states(
    of_attributes: Callable[..., Rfp], *, state: Any, active: bool, oddities: tuple[tuple[str, str], ...]
) -> None:
    """An opportunity without a state is kept active, and counted."""
    document = of_attributes(Instance(open_states=frozenset({0, 5})), state=state)

    assert (document.content["isActive"], document.oddities) == (active, oddities)


@pytest.mark.parametrize(
    ("place", "city", "region", "country"),
    [
        (" Bruxelles\u00a0", "Brussels", "Brussels", None),
        ("NAMUR", "Namur", "Namur", None),
        ("Belgique", "Belgique", None, "Belgium"),
        ("Gent", "Ghent", None, None),
        ("Remote", None, None, None),
        ("Nederland", "Nederland", None, "Netherlands"),
        ("Luxembourg", "Luxembourg", None, None),
        ("", None, None, None),
        (None, None, None, None),
    ],
)
def test_a_place_is_a_known_city_region_or_country(
    of_attributes: Callable[..., Rfp], place: str | None, city: str | None, region: str | None, country: str | None
) -> None:
    """A known region or country is kept; a word that may be either is left out. Neither counts as unknown."""
    document = of_attributes(place=place)

    company = document.content["company"]
    assert (company["city"], company["region"], company["country"]) == (city, region, country)
    assert document.oddities == ()


def test_the_address_of_a_company_is_not_the_place_of_work(made: Callable[..., Rfp]) -> None:
    """The included company's address is not used."""
    assert made(data__attributes__place=None).content["company"] == {
        "name": "Hôpital du Zavelberg",
        "showDepartment": False,
        **dict.fromkeys(("department", "street", "zipcode", "city", "region", "country")),
    }


@pytest.mark.parametrize(
    ("start", "from_at", "immediately"),
    [
        ("2026-09-01", SEPTEMBER, False),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC), False),
        ("2026-09-01T00:30:00+0200", SEPTEMBER, False),
        ("immediate", None, True),
        (" IMMEDIATE ", None, True),
        ("", None, None),
        (None, None, None),
        (ABSENT, None, None),
    ],
)
def test_a_mission_starts_on_a_day_or_at_once_or_unknown(
    of_attributes: Callable[..., Rfp], *, start: Any, from_at: datetime | None, immediately: bool | None
) -> None:
    """The day is kept as written; a missing value is unknown, not false."""
    conditions = of_attributes(startDate=start).content["conditions"]

    assert (conditions["fromAt"], conditions["startImmediately"]) == (from_at, immediately)


@pytest.mark.parametrize(
    ("answer", "deadline"),
    [
        ("2026-07-31", datetime(2026, 7, 31, 21, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-07-31T12:00:00+0200", datetime(2026, 7, 31, 10, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_the_day_of_the_answer_counts_whole_and_the_closing_date_is_none(
    of_attributes: Callable[..., Rfp], answer: str | None, deadline: datetime | None
) -> None:
    """`closingDate` is the expected date of the deal, so without an answer date there is no deadline."""
    assert of_attributes(answerDate=answer, closingDate="2026-07-01").content["deadlineAt"] == deadline


@pytest.mark.parametrize(
    ("currency", "kept", "oddities"),
    [
        ("EUR", "EUR", ()),
        (" € ", "EUR", ()),
        (1, None, ()),
        ("1", None, ()),
        ("", None, ()),
        (None, None, ()),
        ("kr", None, (("attributes.currency", "unknown word: kr"),)),
    ],
)
def test_totals_are_not_daily_rates_and_a_number_is_not_a_currency(
    of_attributes: Callable[..., Rfp], currency: Any, kept: str | None, oddities: tuple[tuple[str, str], ...]
) -> None:
    """Only a word in the vocabulary becomes a currency, and no amount becomes a rate."""
    document = of_attributes(currency=currency, turnoverEstimatedExcludingTax=500, estimatesExcludingTax=600)

    assert document.content["conditions"]["dailyRate"] == {"currency": kept, "min": None, "max": None}
    assert document.oddities == oddities


def test_a_tool_with_a_name_is_a_skill(of_attributes: Callable[..., Rfp]) -> None:
    """A number has a meaning only in its instance: it is left out and counted. Its level is not specified."""
    document = of_attributes(
        tools=["Java", {"tool": " C ", "level": 5}, {"tool": "C++"}, "12", {"tool": 7}, 8, None, {}]
    )

    assert document.content["skills"] == [
        {"name": name, "seniority": "NS", "lastUsed": None} for name in ("Java", "C", "C++")
    ]
    assert document.oddities == tuple(("attributes.tools", f"unknown word: {number}") for number in ("12", "7", "8"))


@pytest.mark.parametrize(
    ("origin", "origins", "label", "provider", "oddities"),
    [
        ({"typeOf": 9, "detail": "x"}, {9: "Pro-Unity"}, None, "Pro-Unity", ()),
        ({"typeOf": 9, "detail": "x"}, {9: "Pro-Unity"}, "Pro Unity", "Pro-Unity", ()),
        ({"typeOf": 9, "detail": "x"}, {}, " Pro  Unity ", "Pro Unity", ()),
        ({"typeOf": 3, "detail": "x"}, {9: "Pro-Unity"}, "Réseau", "Réseau", ()),
        ({"typeOf": 3, "detail": " x "}, {9: "Pro-Unity"}, None, None, (("attributes.origin.typeOf", "3"),)),
        ({"typeOf": 3, "detail": ""}, {9: "Pro-Unity"}, None, None, (("attributes.origin.typeOf", "3"),)),
        ({"typeOf": 3, "detail": "x"}, {}, None, None, ()),
        ({"typeOf": "", "detail": "x"}, {9: "Pro-Unity"}, "Pro Unity", None, ()),
        ({}, {9: "Pro-Unity"}, None, None, ()),
        ("", {9: "Pro-Unity"}, None, None, ()),
        (None, {9: "Pro-Unity"}, None, None, ()),
    ],
)
def test_the_instance_names_the_intermediary(
    made: Callable[..., Rfp],
    *,
    origin: Any,
    origins: dict[int, str],
    label: str | None,
    provider: str | None,
    oddities: tuple[tuple[str, str], ...],
) -> None:
    """First the settings, then the dictionary, never the detail, which is free text. Old payloads have no label."""
    labels = {"origin": label} if label else ABSENT
    document = made(Instance(origins=origins), data__attributes__origin=origin, labels=labels)

    assert (document.content["serviceProvider"], document.oddities) == (provider, oddities)


@pytest.mark.parametrize(
    ("attributes", "name", "mail"),
    [
        ({"firstName": "Ayla", "lastName": "Demir", "email1": "a@example.com", "email": "b@example.com"}, 2, "a"),
        ({"firstName": "Ayla", "lastName": "", "email1": "", "email": "b@example.com"}, 1, "b"),
        ({"firstName": None, "email1": " ", "email2": "", "email3": "c@example.com"}, 0, "c"),
        ({}, 0, None),
    ],
)
def test_a_contact_is_named_as_far_as_the_source_names_it(
    made: Callable[..., Rfp], attributes: dict[str, Any], name: int, mail: str | None
) -> None:
    """The first mail address that is not empty counts; what is missing is null."""
    document = made(included__3__attributes=attributes)

    assert document.content["metadata"][0] == {
        "name": (None, "Ayla", "Ayla Demir")[name],
        "mail": mail and f"{mail}@example.com",
        "role": "contact",
    }


@pytest.mark.parametrize(
    "link", [None, {}, {"data": None}, {"data": {"id": "9", "type": "contact"}}, {"data": {"id": "99"}}]
)
def test_a_contact_that_is_not_included_is_left_out(made: Callable[..., Rfp], link: Any) -> None:
    """A broken link, or a resource of another type with the same id, gives no contact."""
    document = made(data__relationships__contact=link, detail__relationships=None)

    assert [contact["role"] for contact in document.content["metadata"]] == ["manager"]


def test_a_link_without_a_type_is_ignored(made: Callable[..., Rfp]) -> None:
    """Even if a resource with this id has no type either, because an id alone does not identify a person."""
    document = made(data__relationships__contact={"data": {"id": "99"}}, detail=None, included__3__type=None)

    assert [contact["role"] for contact in document.content["metadata"]] == ["manager"]


def test_a_resource_that_is_included_twice_is_merged(made: Callable[..., Rfp], opportunity: dict[str, Any]) -> None:
    """The list includes only a name, the detail everything: the second fills in what the first lacks."""
    opportunity["included"].insert(
        0, {"id": 99, "type": "contact", "attributes": {"firstName": "A.", "lastName": "Demir"}}
    )

    assert made().content["metadata"][0] == {"name": "A. Demir", "mail": "ayla.demir@example.com", "role": "contact"}


@pytest.mark.parametrize(
    ("field", "value", "code", "path"),
    [
        ("data__id", None, "missing", "data.id"),
        ("data__id", " \x00", "missing", "data.id"),
        ("data__id", 1.5, "wrong-type", "data.id"),
        ("data__id", True, "wrong-type", "data.id"),
        ("data__id", {"$ne": None}, "wrong-type", "data.id"),
        ("data__id", "9" * 200, "wrong-type", "job_id"),
        ("data", [], "missing", "data.id"),
        ("data", None, "missing", "data.id"),
        ("detail__attributes__title", None, "missing", "detail.attributes.title"),
        ("detail__attributes__title", {}, "wrong-type", "detail.attributes.title"),
        ("data__attributes__updateDate", "yesterday", "wrong-value", "data.attributes.updateDate"),
        ("data__attributes__updateDate", "2026-11-24T14:25:00.001+0100", "in-future", "data.attributes.updateDate"),
        ("data__attributes__updateDate", "2999-01-01", "in-future", "data.attributes.updateDate"),
        ("data__attributes__updateDate", 1, "wrong-type", "data.attributes.updateDate"),
    ],
)
def test_id_title_and_last_change_of_an_opportunity_are_required(
    made: Callable[..., Rfp], field: str, value: Any, code: str, path: str
) -> None:
    """The reject says which field is wrong, and whether the row or the detail holds it."""
    with pytest.raises(Rejected) as caught:
        made(**{field: value})

    assert (caught.value.code, caught.value.path) == (code, path)
    assert caught.value.message.startswith(path)
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize(
    ("field", "value", "counted"),
    [
        ("data__attributes", "x", ["data.attributes: text, not an object", "attributes.state: missing"]),
        ("detail", [1, 2], ["detail: a list, not an object"]),
        ("detail__attributes__title", 7, ["detail.attributes.title: a number read as text"]),
        ("detail__attributes__description", {}, ["detail.attributes.description: an object, not text"]),
        ("data__attributes__place", {}, ["data.attributes.place: an object, not text"]),
        ("data__attributes__startDate", "soon", ["data.attributes.startDate: text, not a date"]),
        ("data__attributes__endDate", "immediate", ["data.attributes.endDate: text, not a date"]),
        ("data__attributes__answerDate", "2026-02-30", ["data.attributes.answerDate: text, not a date"]),
        ("data__attributes__tools", {"tool": "C"}, ["data.attributes.tools: an object read as a list"]),
        ("data__attributes__tools", ["C", ["C"]], ["data.attributes.tools: a list, not an object"]),
        ("data__attributes__tools", [{"tool": 1.5}], ["data.attributes.tools.tool: a number read as text"]),
        ("data__relationships", [1], ["data.relationships: a list, not an object"]),
        ("detail__relationships__company", "88", ["detail.relationships.company: text, not an object"]),
        ("included", {}, ["included: an object read as a list"]),
        ("included__1", 5, ["included: a number, not an object"]),
        ("included__2__attributes__name", 5, ["included.attributes.name: a number read as text"]),
    ],
)
def test_an_unknown_value_loses_only_its_field(
    made: Callable[..., Rfp], field: str, value: Any, counted: list[str]
) -> None:
    """It is counted once, with its path in the row or in the detail."""
    assert [f"{path}: {what}" for path, what in made(**{field: value}).oddities] == counted


def test_an_opportunity_without_a_last_change_is_rejected(made: Callable[..., Rfp]) -> None:
    """Without it, its versions could not be ordered."""
    with pytest.raises(Rejected, match=r"^data\.attributes\.updateDate is missing or empty") as caught:
        made(data__attributes__updateDate="", detail__attributes__updateDate=ABSENT)

    assert caught.value.code == "missing"


def test_without_a_detail_the_reject_names_the_row(made: Callable[..., Rfp]) -> None:
    """If there is no detail, the path of the reject is in the row."""
    with pytest.raises(Rejected, match=r"^data\.attributes\.title is an object, not text"):
        made(data__attributes__title={}, detail=None)


def test_a_reject_names_its_opportunity(opportunity: dict[str, Any], seen_at: datetime) -> None:
    """An opportunity with an id and a last change is tied to its document even when another field is wrong."""
    opportunity["detail"]["attributes"]["title"] = ""
    raw = RawRecord.of(orjson.dumps(opportunity), source="boond", origin="opportunities/4711", instant=seen_at)

    made = transform(raw, seen_at=seen_at)

    assert isinstance(made, Reject)
    assert (made.item, made.job_id, made.instant) == ("boond#boond-4711", "boond-4711", "2026-07-08T07:15:44.0000000Z")
    assert made.path == "detail.attributes.title"


@pytest.mark.parametrize("payload", [b"[]", b"null", b'{"data":{"id":[]}}', b'{"data":{"id":"%s"}}' % (b"9" * 200)])
def test_a_reject_without_a_valid_id_is_identified_by_its_origin(payload: bytes, seen_at: datetime) -> None:
    """A payload that is not an opportunity, or has an invalid id, is identified by its origin."""
    raw = RawRecord.of(payload, source="boond", origin="opportunities?page=2", instant=seen_at)

    made = transform(raw, seen_at=seen_at)

    assert isinstance(made, Reject)
    assert (made.item, made.instant) == ("boond:opportunities?page=2", "2026-11-23T13:25:00.0000000Z")


def test_the_instance_reaches_the_mapping(opportunity: dict[str, Any], seen_at: datetime) -> None:
    """The settings of the instance decide; by default state 0 is open."""
    raw = RawRecord.of(orjson.dumps(opportunity), source="boond", origin="opportunities/4711", instant=seen_at)

    by_default = transform(raw, seen_at=seen_at)
    instance = {"boond_open_states": frozenset({3}), "boond_origins": {10: "Agrega.io"}}
    settings = SourceSettings.model_construct(boond_url="https://b.example.com/api", **instance)
    told = transform(raw, seen_at=seen_at, settings=settings)

    assert isinstance(by_default, Rfp)
    assert isinstance(told, Rfp)
    assert [made.content["isActive"] for made in (by_default, told)] == [True, False]
    assert [made.content["serviceProvider"] for made in (by_default, told)] == [None, "Agrega.io"]
    assert told.content["job_url"] == "https://b.example.com/opportunities/4711"


def test_an_instance_can_be_sent_to_another_process() -> None:
    """A backfill uses several processes, which all need the meaning of the numbers."""
    for instance in (Instance(), Instance(origins={9: "Pro-Unity"})):
        assert pickle.loads(pickle.dumps(instance)) == instance  # noqa: S301 - just written
