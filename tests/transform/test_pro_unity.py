"""Pro Unity posts to documents: what each field is made from, and what is refused."""

from __future__ import annotations

import functools
import operator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from futurscam_lib import clock
from futurscam_lib.errors import Rejected
from futurscam_lib.records import RawRecord, Reject
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import transform

if TYPE_CHECKING:
    from collections.abc import Callable

SEEN_AT = datetime(2026, 12, 23, tzinfo=UTC)


def test_a_time_stamp_orders_by_its_seventh_digit(normalised: Callable[..., Rfp]) -> None:
    """Two changes within one microsecond are two versions, in their order."""
    first = normalised(timeStamp="2026-07-08T07:15:44.9183706Z")
    second = normalised(timeStamp="2026-07-08T07:15:44.9183707Z")

    assert first.key.instant == "2026-07-08T07:15:44.9183706Z"
    assert first.key < second.key


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2025-11-20T23:59:59.997", datetime(2025, 11, 20, 23, 59, 59, 997_000, tzinfo=UTC)),
        ("2025-11-20T23:59:59.997Z", datetime(2025, 11, 20, 23, 59, 59, 997_000, tzinfo=UTC)),
        ("2026-07-31T23:59:59.9979999+02:00", datetime(2026, 7, 31, 21, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-07-31", datetime(2026, 7, 31, 21, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-12-31", datetime(2026, 12, 31, 22, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-07-31T12:00:00", datetime(2026, 7, 31, 12, tzinfo=UTC)),
        ("2026-07-31T12:00:00+02:00", datetime(2026, 7, 31, 10, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("  ", None),
        (None, None),
    ],
)
def test_a_deadline_is_in_utc_and_its_day_is_over_when_it_is_over_in_brussels(
    normalised: Callable[..., Rfp], written: str | None, instant: datetime | None
) -> None:
    """An offset is used; without an offset it is UTC. With and without `Z` the deadline is the same."""
    made = normalised(publicationInfo__applicationDeadline=written)

    assert (made.content["deadlineAt"], made.oddities) == (instant, ())


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2025-10-28T14:07:18.803", datetime(2025, 10, 28, 14, 7, 18, 803_000, tzinfo=UTC)),
        ("2025-10-28T14:07:18.803Z", datetime(2025, 10, 28, 14, 7, 18, 803_000, tzinfo=UTC)),
        ("2026-07-28T14:07:18.8039999+02:00", datetime(2026, 7, 28, 12, 7, 18, 803_000, tzinfo=UTC)),
    ],
)
def test_a_publication_without_an_offset_is_in_utc(
    normalised: Callable[..., Rfp], written: str, instant: datetime
) -> None:
    """Only milliseconds are kept."""
    assert normalised(publicationInfo__publishDate=written).content["publishedAt"] == instant


def test_a_time_stamp_without_an_offset_is_in_utc(normalised: Callable[..., Rfp]) -> None:
    """Like the other instants of the platform."""
    assert normalised(timeStamp="2026-07-08T07:15:44.9183706").key.instant == "2026-07-08T07:15:44.9183706Z"


@pytest.mark.parametrize(
    "written",
    ["2026-01-01T00:00:00", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+02:00", "2026-01-01", "2026-01-01T23:59:59"],
)
def test_a_mission_begins_on_the_day_that_is_written(normalised: Callable[..., Rfp], written: str) -> None:
    """A calendar day does not change with the time zone."""
    conditions = normalised(budgetInfo__startDate=written, budgetInfo__endDate=written).content["conditions"]

    assert conditions["fromAt"] == conditions["toAt"] == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("symbol", "low", "high", "kept"),
    [
        ("€", 680.0, 860.5, {"currency": "EUR", "min": 680.0, "max": 860.5}),
        ("€", None, None, {"currency": "EUR", "min": None, "max": None}),
        (None, 0, 512, {"currency": None, "min": 0.0, "max": 512.0}),
        ("$", 2**63, None, {"currency": "USD", "min": 2.0**63, "max": None}),
    ],
)
def test_a_rate_that_the_post_does_not_give_stays_unknown(
    normalised: Callable[..., Rfp], symbol: str | None, low: float | None, high: float | None, kept: dict[str, Any]
) -> None:
    """Null is null and zero is zero; whole numbers become floats, so that one field has one type."""
    made = normalised(
        budgetInfo__currencyInfo={"symbol": symbol}, budgetInfo__minDailyRate=low, budgetInfo__maxDailyRate=high
    )

    assert made.content["conditions"]["dailyRate"] == kept
    assert all(isinstance(kept[end], float | None) for end in ("min", "max"))


@pytest.mark.parametrize(
    ("low", "high", "kept", "what"),
    [
        (-1.5, 600, (None, 600.0), ("budgetInfo.minDailyRate", "negative")),
        (500, -600, (500.0, None), ("budgetInfo.maxDailyRate", "negative")),
        (600, 500, (None, None), ("budgetInfo.minDailyRate", "above maxDailyRate")),
    ],
)
def test_a_rate_that_cannot_be_is_left_out_and_counted(
    normalised: Callable[..., Rfp], low: float, high: float, kept: tuple[float | None, ...], what: tuple[str, str]
) -> None:
    """If the minimum is above the maximum, neither is kept, because it is unclear which is wrong."""
    made = normalised(budgetInfo__minDailyRate=low, budgetInfo__maxDailyRate=high)

    rate = made.content["conditions"]["dailyRate"]
    assert ((rate["min"], rate["max"]), made.oddities) == (kept, (what,))


@pytest.mark.parametrize(
    ("of_budget", "of_supplier", "kept"), [(7.5, 2.0, 7.5), (0.0, 2.0, 0.0), (None, 2.0, 2.0), (None, None, None)]
)
def test_the_margin_of_the_budget_takes_precedence(
    normalised: Callable[..., Rfp], of_budget: float | None, of_supplier: float | None, kept: float | None
) -> None:
    """Even if it is zero: a zero margin is not an unknown margin."""
    made = normalised(budgetInfo__fixedMargin=of_budget, supplierFixedMargin=of_supplier)

    assert made.content["conditions"]["fixedMargin"] == kept


@pytest.mark.parametrize(
    ("department", "as_main", "kept", "shown"),
    [("IT", False, "IT", False), ("IT", None, "IT", False), ("IT", True, "IT", True), (" ", True, None, False)],
)
def test_the_customer_is_the_customer_whichever_name_the_platform_shows(
    normalised: Callable[..., Rfp], *, department: str, as_main: bool | None, kept: str | None, shown: bool
) -> None:
    """`showDepartmentNameAsMain` is kept as a wish of the platform, and only where there is a department."""
    made = normalised(
        companyInfo__companyName="Zavelberg",
        companyInfo__departmentName=department,
        companyInfo__showDepartmentNameAsMain=as_main,
    )

    company = made.content["company"]
    assert (company["name"], company["department"], company["showDepartment"]) == ("Zavelberg", kept, shown)


def test_title_role_questions_and_last_use_are_kept(normalised: Callable[..., Rfp]) -> None:
    """The post's own title and the platform's role are two things; blank questions are left out."""
    made = normalised(
        name="Pentester (1 of 2)",
        roleInfo__roles=[{"name": "PenTest Analyst"}],
        questionInfo__questions=[{"type": "YesOrNo", "question": " Certified? "}, {"question": " "}, {}],
        skillInfo__skills=[{"name": "OWASP", "lastUsageTime": "LessThanThreeYearsAgo"}],
    )

    assert (made.content["roleTitle"], made.content["role"]) == ("Pentester (1 of 2)", "PenTest Analyst")
    assert made.content["questions"] == ["Certified?"]
    assert made.content["skills"] == [{"name": "OWASP", "seniority": "NS", "lastUsed": "LessThanThreeYearsAgo"}]


@pytest.mark.parametrize(("closed", "active"), [(True, False), (False, True), (None, True)])
def test_a_closed_post_is_not_active(normalised: Callable[..., Rfp], *, closed: bool | None, active: bool) -> None:
    """A post without this field is open."""
    assert normalised(publicationInfo__isClosed=closed).content["isActive"] is active


@pytest.mark.parametrize(
    ("field", "value", "code", "path"),
    [
        ("id", None, "missing", "id"),
        ("id", " \u0000 ", "missing", "id"),
        ("id", 1.5, "wrong-type", "id"),
        ("id", "x\ud800", "wrong-value", "id"),
        ("id", {"$ne": None}, "wrong-type", "id"),
        ("id", "x" * 201, "wrong-type", "job_id"),
        ("name", "", "missing", "name"),
        ("timeStamp", None, "missing", "timeStamp"),
        ("timeStamp", "yesterday", "wrong-value", "timeStamp"),
        ("timeStamp", "2026-13-01T00:00:00Z", "wrong-value", "timeStamp"),
        ("timeStamp", "2026-11-24T13:25:00.0000001Z", "in-future", "timeStamp"),
        ("timeStamp", "0001-01-01T00:00:00", "missing", "timeStamp"),
        ("timeStamp", 1_767_222_000, "wrong-type", "timeStamp"),
        ("name", {"nl": "x"}, "wrong-type", "name"),
    ],
)
def test_id_title_and_time_stamp_of_a_post_are_required(
    normalised: Callable[..., Rfp], field: str, value: Any, code: str, path: str
) -> None:
    """The reject says which field is wrong, in a word to count by and a sentence to read."""
    with pytest.raises(Rejected) as caught:
        normalised(**{field: value})

    assert (caught.value.code, caught.value.path) == (code, path)
    assert caught.value.message.startswith(path)
    assert caught.value.message.endswith(".")


Odd = tuple[str, Any, str, Any, tuple[str, ...]]
"""A field of the post, its value, a field of the document, the value kept there, and what is counted."""

ODD: list[Odd] = [
    ("description", ["<p>a</p>"], "job_desc", "<p>a</p>", ("a list read as text",)),
    ("description", {}, "job_desc", "", ("an object, not text",)),
    ("skillInfo", "SQL", "skills", [], ("text, not an object",)),
    ("number__sequenceNumber", "60501", "reference", "JP060501", ()),
    ("number", 7, "reference", "", ("a number, not an object",)),
    ("budgetInfo__minDailyRate", "\u20ac 450,50", "conditions.dailyRate.min", 450.5, ("text read as a number",)),
    ("budgetInfo__maxDailyRate", True, "conditions.dailyRate.max", None, ("true or false, not a number",)),
    ("budgetInfo__canStartImmediately", "yes", "conditions.startImmediately", True, ("text read as true or false",)),
    ("budgetInfo__startDate", 1_767_222_000, "conditions.fromAt", None, ("a number, not a date",)),
    ("budgetInfo__endDate", "0001-01-01T00:00:00", "conditions.toAt", None, ()),
    ("publicationInfo__applicationDeadline", "2026-W48", "deadlineAt", None, ("text, not a date",)),
    ("publicationInfo__isClosed", "false", "isActive", True, ("text read as true or false",)),
    ("publicationInfo__isClosed", 1, "isActive", False, ("a number read as true or false",)),
    ("locationInfo__mainLocation__zipCode", 2480, "company.zipcode", "2480", ("a number read as text",)),
    ("locationInfo__mainLocation", "Gent", "company.city", None, ("text, not an object",)),
    ("locationInfo__mainLocation", [{"city": "Gent"}], "company.city", "Ghent", ("a list read as an object",)),
    ("roleInfo__roles", ["Architect"], "role", "Architect", ("text read as an object",)),
    (
        "questionInfo__questions",
        "Certified?",
        "questions",
        ["Certified?"],
        ("text read as a list", "text read as an object"),
    ),
    ("name", "x" * 3_000_000, "roleTitle", "x" * 500, ("cut to 500 characters",)),
    ("name", "A\ud800B", "roleTitle", "A\ufffdB", ("a lone surrogate, replaced",)),
    ("id", 50327, "job_id", "50327", ()),
    ("jobUrl", "https://a.example/" + "x" * 2_000, "job_url", "", ("cut to 2,001 characters",)),
]


@pytest.mark.parametrize("case", ODD)
def test_an_unknown_value_loses_only_its_field(normalised: Callable[..., Rfp], case: Odd) -> None:
    """It is read if its meaning is clear, and counted with its path either way."""
    field, value, path, kept, counted = case
    made = normalised(**{field: value})

    assert functools.reduce(operator.getitem, path.split("."), made.content) == kept  # type: ignore[arg-type]
    assert len(made.oddities) == len(counted)
    assert all(place == field.replace("__", ".") for place, _ in made.oddities)
    assert tuple(what for _, what in made.oddities) == counted


@pytest.mark.parametrize(
    ("skills", "names"),
    [
        (["Java", "SQL"], ["Java", "SQL"]),
        ("Java", ["Java"]),
        ({"name": "Java"}, ["Java"]),
        ([{"name": "Java"}, 7, None, ["x", "y"], {"name": {}}], ["Java", "7"]),
        (
            [{"name": "\u2022\tSalesforce AI Associate"}, {"name": "- Jira"}, {"name": "-"}, {"name": ".NET"}],
            ["Salesforce AI Associate", "Jira", "-", ".NET"],
        ),
    ],
)
def test_skills_are_read_in_every_form(normalised: Callable[..., Rfp], skills: Any, names: list[str]) -> None:
    """Names instead of objects, one object instead of a list; a copied bullet is removed from the name."""
    assert [skill["name"] for skill in normalised(skillInfo__skills=skills).content["skills"]] == names


@pytest.mark.parametrize(
    ("groups", "languages"),
    [
        (["Dutch"], [("Dutch", "NS")]),
        ([{"languages": "n\u00e9erlandais", "languageLevel": "Smals_Native"}], [("Dutch", "NativeOrBilingual")]),
        ([{"languages": ["Vlaams", 7, "DE"]}], [("Dutch", "NS"), ("German", "NS")]),
    ],
)
def test_languages_are_read_in_every_form(
    normalised: Callable[..., Rfp], groups: Any, languages: list[tuple[str, str]]
) -> None:
    """By their French, Dutch, English and German names, and by their codes."""
    made = normalised(languageInfo__languageGroups=groups)

    assert [(one["language"], one["level"]) for one in made.content["languages"]] == languages


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ({"city": "Bruxelles", "zipCode": "1000", "country": "Belgium"}, ("Brussels", "1000", "Brussels", "Belgium")),
        ({"city": "BRUSSEL ", "zipCode": 1000, "country": "Belgi\u00eb"}, ("Brussels", "1000", "Brussels", "Belgium")),
        (
            {"city": "Dessel", "zipCode": "2480", "country": "BE", "region": "limburg"},
            ("Dessel", "2480", "Limburg", "Belgium"),
        ),
        ({"city": "Remote", "zipCode": "0000", "country": "Belgium"}, (None, None, None, "Belgium")),
        ({"city": "Lille", "zipCode": "5900", "country": "France"}, ("Lille", "5900", None, "France")),
        ({"city": "Bergen", "zipCode": "5003", "country": "Noorwegen"}, ("Bergen", "5003", None, "Norway")),
        ({"city": "Bergen", "zipCode": "7000", "country": "Belgique"}, ("Mons", "7000", "Hainaut", "Belgium")),
    ],
)
def test_a_place_has_one_spelling_and_a_region(
    normalised: Callable[..., Rfp], place: dict[str, Any], kept: tuple[str | None, ...]
) -> None:
    """The source's region takes precedence over that of a Belgian zip code."""
    company = normalised(locationInfo__mainLocation=place).content["company"]

    assert (company["city"], company["zipcode"], company["region"], company["country"]) == kept


def test_a_time_stamp_may_be_as_far_ahead_as_clocks_differ(normalised: Callable[..., Rfp]) -> None:
    """One day ahead may be a wrong clock; a later date would block all correct versions until then."""
    assert normalised(timeStamp="2026-11-24T13:25:00.0000000Z").key.instant == "2026-11-24T13:25:00.0000000Z"


def test_a_link_that_is_not_a_web_address_is_left_out_and_counted(normalised: Callable[..., Rfp]) -> None:
    """A reader may click on `job_url`, so it can only be http or https."""
    made = normalised(jobUrl="JavaScript:alert(1)")

    assert made.content["job_url"] == ""
    assert made.oddities == (("jobUrl", "not a web address"),)


def test_a_reject_names_its_post(post: dict[str, Any], seen_at: datetime) -> None:
    """A post with an id and a time stamp is tied to its document even when another field is wrong."""
    post["name"] = None
    raw = RawRecord.of(orjson.dumps(post), source="folder", origin="a.json", instant=seen_at, line=1, column=1)

    made = transform(raw, seen_at=seen_at)

    assert isinstance(made, Reject)
    assert (made.job_id, made.instant) == (post["id"], "2026-07-08T07:15:44.9183706Z")
    assert made.item == f"folder#{post['id']}"
    assert made.raw is raw


def test_an_unreadable_reject_is_identified_by_its_origin(seen_at: datetime) -> None:
    """Broken bytes are identified by their origin, with the instant of their source."""
    raw = RawRecord.of(b"{", source="folder", origin="b.jsonl:7", instant=seen_at, line=7, column=1)

    made = transform(raw, seen_at=seen_at)

    assert isinstance(made, Reject)
    assert (made.item, made.line, made.code) == ("folder:b.jsonl:7", 7, "broken-json")
    assert made.instant == "2026-11-23T13:25:00.0000000Z"


@pytest.mark.parametrize("stamp", ["yesterday", None])
def test_a_reject_without_a_time_stamp_is_ordered_by_its_source(stamp: str | None) -> None:
    """The reject has the job_id, and the instant of its source."""
    made = reject_of({"id": "job-1", "name": "Tester", "timeStamp": stamp})

    assert (made.job_id, made.path) == ("job-1", "timeStamp")
    assert made.instant == clock.to_sortable(SEEN_AT)


def test_a_post_from_the_future_keeps_its_own_time_stamp() -> None:
    """A later run loads it once its time stamp is no longer ahead."""
    made = reject_of({"id": "job-1", "name": "Tester", "timeStamp": "2999-01-01T00:00:00.1234567Z"})

    assert (made.job_id, made.code, made.path) == ("job-1", "in-future", "timeStamp")
    assert made.instant == "2999-01-01T00:00:00.1234567Z"


def reject_of(post: dict[str, Any]) -> Reject:
    """The reject of a post that cannot become a document."""
    made = transform(
        RawRecord.of(orjson.dumps(post), source="folder", origin="a.json", instant=SEEN_AT), seen_at=SEEN_AT
    )
    assert isinstance(made, Reject)
    return made


def test_a_payload_with_half_a_character_or_no_number_becomes_a_document(
    post: dict[str, Any], seen_at: datetime
) -> None:
    """Escaped lone surrogates and NaN, which JSON does not allow, only lose their own fields."""
    payload = orjson.dumps(post).replace(b'"name":"Senior', b'"name":"\\ud800 Senior').replace(b"680.0", b"NaN")
    made = transform(RawRecord.of(payload, source="folder", origin="a.json", instant=seen_at), seen_at=seen_at)

    assert isinstance(made, Rfp)
    assert made.content["roleTitle"].startswith("\ufffd Senior")
    assert made.content["conditions"]["dailyRate"] == {"currency": "EUR", "min": None, "max": 860.5}
    assert dict(made.oddities) == {
        "name": "a lone surrogate, replaced",
        "budgetInfo.minDailyRate": "NaN or infinity, not a number",
    }
