"""A real post or opportunity with any values in its optional fields still becomes a document."""

from __future__ import annotations

import copy
import functools
import json
import math
import operator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from futurscam_lib.records import RawRecord
from futurscam_lib.rfp import Rfp, RfpContent
from futurscam_lib.transform import transform
from futurscam_lib.transform.text import tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOLDEN = Path(__file__).parent.parent / "golden"
SEEN_AT = datetime(2026, 12, 23, tzinfo=UTC)
LARGEST_DOCUMENT = 16 * 1024 * 1024
ABSENT = object()
Way = tuple[Any, ...]

POST: dict[str, Any] = json.loads((GOLDEN / "pro_unity" / "complete" / "raw.json").read_bytes())
OPPORTUNITY: dict[str, Any] = json.loads((GOLDEN / "boond" / "complete" / "raw.json").read_bytes())
MADE_FROM: dict[str, set[str]] = {
    "jobUrl": {"job_url"},
    "number": {"reference"},
    "supplierFixedMargin": {"conditions"},
    "contractingPartyName": {"serviceProvider"},
    "managedServiceProviderName": {"serviceProvider"},
    "publicationInfo": {"isActive", "publishedAt", "deadlineAt"},
    "budgetInfo": {"conditions"},
    "description": {"job_desc"},
    "companyInfo": {"company"},
    "locationInfo": {"company", "remoteOption"},
    "roleInfo": {"role", "seniority"},
    "skillInfo": {"skills"},
    "languageInfo": {"languages"},
    "questionInfo": {"questions"},
}
"""Which fields of a document may change with a part of a post."""

MADE_FROM_ATTRIBUTE: dict[str, set[str]] = {
    "reference": {"reference"},
    "description": {"job_desc"},
    "criteria": {"job_desc"},
    "state": {"isActive"},
    "place": {"company"},
    "startDate": {"conditions"},
    "endDate": {"conditions"},
    "currency": {"conditions"},
    "tools": {"skills"},
    "creationDate": {"publishedAt"},
    "answerDate": {"deadlineAt"},
    "origin": {"serviceProvider"},
}
"""The same for the attributes of an opportunity, in its row and in its detail."""

SOUND_POST = {("id",), ("name",), ("timeStamp",)}
# The title and the last change of the detail, where they are missing, are those of the row.
SOUND_OPPORTUNITY = {
    ("data",),
    ("data", "id"),
    ("data", "attributes"),
    ("data", "attributes", "title"),
    ("data", "attributes", "updateDate"),
    ("detail", "attributes", "title"),
}
MEANS_NOTHING = {"0001-01-01T00:00:00", "Remote"}
"""What is understood, and means that nothing is given: a date that was never set, no place."""

TEXTS = st.text(max_size=20) | st.text(st.characters(categories=("Cs", "Cc", "Lu", "Nd")), max_size=5)
ODD = st.sampled_from(
    [
        *(ABSENT, "", " ", "\x00", "\ud800", "\udfff\ud800", "x" * 300_000, "<p>" * 100_000, "<div " * 2_000),
        *(
            "450",
            "450,50",
            "\u20ac 450",
            "-1",
            "1e999",
            "NaN",
            "9" * 400,
            "true",
            "no",
            "None",
            "Remote",
            "0000",
            "1000",
        ),
        *("0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999-12:00", "0000-00-00", "2026-02-30", "2026-01-01T99:99"),
        *(math.nan, math.inf, -math.inf, 1e308, -0.0, 5e-324, 10**30, -(10**30), 10**400, 2**63, 2**64 - 1, 0, 1, -1),
        *([], {}, [[]], [{}], [None], ["Java"], {"name": "Java"}, [["Java"]], ["x"] * 2_000, [{"name": 7}] * 600),
        functools.reduce(lambda inner, _: [inner], range(300), "deep"),  # type: ignore[return-value]
        functools.reduce(lambda inner, _: {"name": inner}, range(300), "deep"),  # type: ignore[return-value]
    ]
)
VALUES = ODD | st.recursive(
    ODD | TEXTS | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, way: Way = ()) -> Iterator[Way]:
    """The path to every value inside a payload."""
    if way:
        yield way
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*way, key))


def changes(payload: dict[str, Any], sound: set[Way]) -> st.SearchStrategy[list[tuple[Way, Any]]]:
    """Some places, without those that must be sound, and what is put there."""
    free = [way for way in places(payload) if way not in sound]
    return st.lists(st.tuples(st.sampled_from(free), VALUES), min_size=1, max_size=4)


def changed(payload: dict[str, Any], put: list[tuple[Way, Any]]) -> bytes:
    """The payload with values in other places, as a source would send it; lone surrogates are escaped."""
    payload = copy.deepcopy(payload)
    for way, value in put:
        # A change before may have taken the place away.
        with suppress(KeyError, IndexError, TypeError):
            place = functools.reduce(operator.getitem, way[:-1], payload)
            if value is ABSENT:
                del place[way[-1]]
            elif isinstance(place, dict) or way[-1] in range(len(place)):
                place[way[-1]] = copy.deepcopy(value)
    return json.dumps(payload, default=lambda _: None).encode()


def document_of(source: str, payload: bytes) -> Rfp:
    """The document of a payload, which MongoDB can hold."""
    made = transform(RawRecord.of(payload, source=source, origin="a.json", instant=SEEN_AT), seen_at=SEEN_AT)
    assert isinstance(made, Rfp), made
    assert len(bson.encode(dict(made.content))) < LARGEST_DOCUMENT // 2
    return made


def of_post(way: Way) -> set[str]:
    """The fields of the document that may change with a place of a post."""
    return MADE_FROM.get(way[0], set())


def of_opportunity(way: Way) -> set[str]:
    """The fields of the document that may change with a place of an opportunity."""
    if way[1:2] == ("attributes",) and len(way) > 2:
        return MADE_FROM_ATTRIBUTE.get(way[2], set())
    if way in {("detail",), ("detail", "attributes")}:
        return set(RfpContent.__annotations__) - {"job_id"}
    if way[0] == "labels":
        return {"serviceProvider"}
    return {"company", "metadata"} if way[0] == "included" or way[1:2] == ("relationships",) else set()


def check(
    source: str, payload: dict[str, Any], put: list[tuple[Way, Any]], made_from: Callable[[Way], set[str]]
) -> None:
    """A document in every case, whose other fields are as before; what was not understood is counted, in few words."""
    before = document_of_whole(source).content
    made = document_of(source, changed(payload, put))

    touched = set().union(*(made_from(way) for way, _ in put))
    assert {field for field, value in made.content.items() if value != before[field]} <= touched  # type: ignore[literal-required]
    assert all(len(what) <= 60 for _, what in made.oddities)


def check_counted(source: str, payload: dict[str, Any], way: Way, value: Any) -> None:
    """A value that the document lacks as if it were absent is counted where it stands, unless it means nothing."""
    before = document_of_whole(source).content
    absent = document_of(source, changed(payload, [(way, ABSENT)])).content
    made = document_of(source, changed(payload, [(way, value)]))

    at_place = functools.reduce(operator.getitem, way, payload)
    # An object may have other fields than the expected ones, and a link may lead to what is not included.
    is_element = isinstance(way[-1], int)
    as_expected = isinstance(value, dict | list) and (is_element or isinstance(at_place, dict | list))
    as_expected = as_expected or way[-1] in {"id", "type"}
    if made.content == absent != before and not as_expected and not is_blank(value):
        place = ".".join(step for step in way if isinstance(step, str))
        assert any(path in place or place in path for path, _ in made.oddities)


def is_blank(value: Any) -> bool:
    """Whether a value gives nothing: null, a text or a list without content, or one that means so."""
    if isinstance(value, str):
        return value in MEANS_NOTHING or not tidy(value).strip("0")
    if isinstance(value, dict | list):
        return all(is_blank(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return value is None or value is ABSENT


@functools.cache
def document_of_whole(source: str) -> Rfp:
    """The document of the payload in which nothing is changed."""
    return document_of(source, json.dumps(OPPORTUNITY if source == "boond" else POST).encode())


FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FUZZ
@given(put=changes(POST, SOUND_POST))
@example(put=[(("skillInfo", "skills"), [{"name": "x" * 1_000, "seniority": "y" * 1_000}] * 1_000)])
@example(put=[(("languageInfo", "languageGroups"), [{"languages": ["nl"] * 500, "languageLevel": "y" * 100}] * 500)])
@example(put=[(("budgetInfo", "minDailyRate"), math.nan), (("companyInfo", "companyName"), "\ud800")])
def test_an_odd_value_in_a_post_affects_only_its_part_of_the_document(put: list[tuple[Way, Any]]) -> None:
    """Wrong types, odd values, missing and nested junk."""
    check("folder", POST, put, of_post)
    check_counted("folder", POST, *put[0])


@FUZZ
@given(put=changes(OPPORTUNITY, SOUND_OPPORTUNITY))
def test_an_odd_value_in_an_opportunity_affects_only_its_part_of_the_document(put: list[tuple[Way, Any]]) -> None:
    """In the row, in its detail and in the included resources."""
    check("boond", OPPORTUNITY, put, of_opportunity)
    check_counted("boond", OPPORTUNITY, *put[0])


@pytest.mark.parametrize("way", [way for way in places(POST) if way not in SOUND_POST], ids=repr)
def test_any_one_place_of_a_post_may_hold_anything(way: Way) -> None:
    """Each place is tested once with a value of each type."""
    for value in (ABSENT, None, True, 0, -1.5, math.inf, "", "x", "\ud800", [], ["x"], {}, {"x": 1}, [[{}]]):
        document_of("folder", changed(POST, [(way, value)]))
