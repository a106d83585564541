"""Pro Unity posts to documents: what each field is made from, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from futurscam_lib import clock
from futurscam_lib.errors import Rejected
from futurscam_lib.records import RawRecord, Reject
from futurscam_lib.transform import transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.rfp import Rfp

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
        ("2026-07-31T23:59:59.997", datetime(2026, 7, 31, 21, 59, 59, 997_000, tzinfo=UTC)),
        ("2026-12-31T23:59:59.997", datetime(2026, 12, 31, 22, 59, 59, 997_000, tzinfo=UTC)),
        ("2026-07-31T23:59:59.997Z", datetime(2026, 7, 31, 23, 59, 59, 997_000, tzinfo=UTC)),
        ("2026-07-31T23:59:59.9979999+02:00", datetime(2026, 7, 31, 21, 59, 59, 997_000, tzinfo=UTC)),
        ("2026-07-31", datetime(2026, 7, 30, 22, tzinfo=UTC)),
        ("  ", None),
        (None, None),
    ],
)
def test_a_date_without_an_offset_is_meant_in_brussels(
    normalised: Callable[..., Rfp], written: str | None, instant: datetime | None
) -> None:
    """Summer and winter time are told apart, an offset is believed, and milliseconds are all that is kept."""
    assert normalised(publicationInfo__applicationDeadline=written).content["deadlineAt"] == instant


@pytest.mark.parametrize(
    ("symbol", "low", "high", "kept"),
    [
        ("€", 680.0, 860.5, {"currency": "EUR", "min": 680.0, "max": 860.5}),
        ("€", None, None, {"currency": "EUR", "min": None, "max": None}),
        (None, 512, 0, {"currency": None, "min": 512.0, "max": 0.0}),
        ("$", 2**63, -1.5, {"currency": "USD", "min": 2.0**63, "max": -1.5}),
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
    ("of_budget", "of_supplier", "kept"), [(7.5, 2.0, 7.5), (0.0, 2.0, 0.0), (None, 2.0, 2.0), (None, None, None)]
)
def test_the_margin_of_the_budget_goes_before_that_of_the_supplier(
    normalised: Callable[..., Rfp], of_budget: float | None, of_supplier: float | None, kept: float | None
) -> None:
    """Also where it is zero: no margin is not an unknown margin."""
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
    """A post that does not say is open."""
    assert normalised(publicationInfo__isClosed=closed).content["isActive"] is active


@pytest.mark.parametrize(
    ("field", "value", "code", "path"),
    [
        ("id", None, "missing", "id"),
        ("id", " \u0000 ", "missing", "id"),
        ("id", 12, "wrong-type", "id"),
        ("id", {"$ne": None}, "wrong-type", "id"),
        ("id", "x" * 201, "wrong-type", "job_id"),
        ("name", "", "missing", "name"),
        ("timeStamp", None, "missing", "timeStamp"),
        ("timeStamp", "yesterday", "wrong-value", "timeStamp"),
        ("timeStamp", "2026-13-01T00:00:00Z", "wrong-value", "timeStamp"),
        ("timeStamp", "2026-11-24T13:25:00.0000001Z", "wrong-value", "timeStamp"),
        ("description", ["<p>"], "wrong-type", "description"),
        ("skillInfo", "SQL", "wrong-type", "skillInfo"),
        ("skillInfo__skills", {"name": "SQL"}, "wrong-type", "skillInfo.skills"),
        ("skillInfo__skills", [{"name": "SQL"}, "Python"], "wrong-type", "skillInfo.skills[1]"),
        ("skillInfo__skills", [{"name": 7}], "wrong-type", "skillInfo.skills[0].name"),
        (
            "languageInfo__languageGroups",
            [{"languages": []}, {"languages": ["Dutch", 7]}],
            "wrong-type",
            "languageInfo.languageGroups[1].languages[1]",
        ),
        ("budgetInfo__minDailyRate", "680", "wrong-type", "budgetInfo.minDailyRate"),
        ("budgetInfo__maxDailyRate", True, "wrong-type", "budgetInfo.maxDailyRate"),
        ("budgetInfo__canStartImmediately", "yes", "wrong-type", "budgetInfo.canStartImmediately"),
        ("budgetInfo__startDate", 1_767_222_000, "wrong-type", "budgetInfo.startDate"),
        ("budgetInfo__endDate", "0001-01-01T00:00:00", "wrong-value", "budgetInfo.endDate"),
        ("publicationInfo__applicationDeadline", "2026-W48", "wrong-value", "publicationInfo.applicationDeadline"),
        ("publicationInfo__isClosed", "false", "wrong-type", "publicationInfo.isClosed"),
        ("locationInfo__mainLocation", [], "wrong-type", "locationInfo.mainLocation"),
        ("number__sequenceNumber", "60501", "wrong-type", "number.sequenceNumber"),
    ],
)
def test_a_field_that_cannot_be_what_it_is_names_itself(
    normalised: Callable[..., Rfp], field: str, value: Any, code: str, path: str
) -> None:
    """The reject says which field is wrong, in a word to count by and a sentence to read."""
    with pytest.raises(Rejected) as caught:
        normalised(**{field: value})

    assert (caught.value.code, caught.value.path) == (code, path)
    assert caught.value.message.startswith(path)
    assert caught.value.message.endswith(".")


def test_a_time_stamp_may_be_as_far_ahead_as_clocks_differ(normalised: Callable[..., Rfp]) -> None:
    """A day ahead is a clock that goes wrong; more would shut out every true version until then."""
    assert normalised(timeStamp="2026-11-24T13:25:00.0000000Z").key.instant == "2026-11-24T13:25:00.0000000Z"


def test_a_link_that_is_not_a_web_address_is_left_out_and_counted(normalised: Callable[..., Rfp]) -> None:
    """A reader may click on `job_url`: only http and https stand there."""
    made = normalised(jobUrl="JavaScript:alert(1)")

    assert made.content["job_url"] == ""
    assert made.oddities == (("jobUrl", "JavaScript:alert(1)"),)


def test_a_reject_still_tells_which_post_it_was(post: dict[str, Any], seen_at: datetime) -> None:
    """A post with an id and a time stamp is tied to its document even when another field is wrong."""
    post["budgetInfo"]["minDailyRate"] = "much"
    raw = RawRecord.of(orjson.dumps(post), source="folder", origin="a.json", instant=seen_at, line=1, column=1)

    made = transform(raw, seen_at=seen_at)

    assert isinstance(made, Reject)
    assert (made.job_id, made.instant) == (post["id"], "2026-07-08T07:15:44.9183706Z")
    assert made.item == f"folder#{post['id']}"
    assert made.raw is raw


def test_a_reject_of_which_nothing_can_be_read_is_known_by_its_place(seen_at: datetime) -> None:
    """Broken bytes are named by where they stood, at the instant of their source."""
    raw = RawRecord.of(b"{", source="folder", origin="b.jsonl:7", instant=seen_at, line=7, column=1)

    made = transform(raw, seen_at=seen_at)

    assert isinstance(made, Reject)
    assert (made.item, made.line, made.code) == ("folder:b.jsonl:7", 7, "broken-json")
    assert made.instant == "2026-11-23T13:25:00.0000000Z"


@pytest.mark.parametrize("stamp", ["2999-01-01T00:00:00.0000000Z", "yesterday", None])
def test_a_reject_without_a_true_time_stamp_is_ordered_by_its_source(stamp: str | None) -> None:
    """The job is known, and no false instant from the future keeps a later good version from resolving the reject."""
    payload = orjson.dumps({"id": "job-1", "name": "Tester", "timeStamp": stamp})
    raw = RawRecord.of(payload, source="folder", origin="a.json", instant=SEEN_AT)

    made = transform(raw, seen_at=SEEN_AT)

    assert isinstance(made, Reject)
    assert (made.job_id, made.path) == ("job-1", "timeStamp")
    assert made.instant == clock.to_sortable(SEEN_AT)
