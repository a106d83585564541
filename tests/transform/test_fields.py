"""Reading fields: clear values are read, unknown values are counted with their path, null counts as missing."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from futurscam_lib import clock
from futurscam_lib.errors import Rejected
from futurscam_lib.transform.fields import Fields


@pytest.mark.parametrize("read", ["raw_text", "text", "identifier", "flag", "number", "whole", "instant"])
@pytest.mark.parametrize("data", [{}, {"a": None}])
def test_null_and_absent_are_the_same(data: dict[str, Any], read: str) -> None:
    """Null and a missing field mean the same."""
    assert getattr(Fields(data), read)("a") is None
    assert list(Fields(data).items("a")) == []
    assert Fields(data).child("a").text("b") is None


@pytest.mark.parametrize(
    ("read", "value", "found", "what"),
    [
        ("text", 2480, "2480", "a number read as text"),
        ("text", 2480.0, "2480", "a number read as text"),
        ("text", 12.5, "12.5", "a number read as text"),
        ("text", [" a  b "], "a b", "a list read as text"),
        ("text", ["a", "b"], None, "a list, not text"),
        ("text", {"a": 1}, None, "an object, not text"),
        ("text", False, None, "true or false, not text"),
        ("text", 1e300, None, "a number, not text"),
        ("text", math.nan, None, "NaN or infinity, not text"),
        ("text", 10**400, None, "NaN or infinity, not text"),
        ("raw_text", 7, "7", "a number read as text"),
        ("raw_text", ["<p>a</p>"], "<p>a</p>", "a list read as text"),
        ("raw_text", {"html": "a"}, None, "an object, not text"),
        ("identifier", 12.0, "12", "a number read as text"),
        ("identifier", True, None, "true or false, not text"),
        ("number", "450", 450.0, "text read as a number"),
        ("number", "450,50", 450.5, "text read as a number"),
        ("number", "\u20ac 450", 450.0, "text read as a number"),
        ("number", "1\u00a0120,00 EUR", 1120.0, "text read as a number"),
        ("number", "1.120,50", 1120.5, "text read as a number"),
        ("number", "1,120.50", 1120.5, "text read as a number"),
        ("number", "0.125", 0.125, "text read as a number"),
        ("number", "8 %", 8.0, "text read as a number"),
        ("number", "-5", -5.0, "text read as a number"),
        ("number", ["450"], 450.0, "a list read as a number"),
        ("number", "1.120", None, "text, not a number"),
        ("number", "450-500", None, "text, not a number"),
        ("number", "450 per day", None, "text, not a number"),
        ("number", "9" * 400, None, "text, not a number"),
        ("number", "9" * 600, None, "text, not a number"),
        ("number", True, None, "true or false, not a number"),
        ("number", [1, 2], None, "a list, not a number"),
        ("number", math.inf, None, "NaN or infinity, not a number"),
        ("number", 10**400, None, "NaN or infinity, not a number"),
        ("amount", "-5", None, "negative"),
        ("amount", -0.5, None, "negative"),
        ("whole", "3", 3, "text read as a whole number"),
        ("whole", 3.0, 3, "a number read as a whole number"),
        ("whole", 3.5, None, "a number, not a whole number"),
        ("whole", True, None, "true or false, not a whole number"),
        ("whole", "open", None, "text, not a whole number"),
        ("flag", "false", False, "text read as true or false"),
        ("flag", " TRUE ", True, "text read as true or false"),
        ("flag", 0, False, "a number read as true or false"),
        ("flag", 1.0, True, "a number read as true or false"),
        ("flag", "oui", True, "text read as true or false"),
        ("flag", "nee", False, "text read as true or false"),
        ("flag", 2, None, "a number, not true or false"),
        ("flag", "perhaps", None, "text, not true or false"),
        ("flag", {}, None, "an object, not true or false"),
        ("instant", 1_767_222_000, None, "a number, not a date"),
        ("instant", ["2026-01-01"], datetime(2026, 1, 1, tzinfo=UTC), "a list read as a date"),
        ("instant", "today", None, "text, not a date"),
        ("instant", "2026-02-30", None, "text, not a date"),
        ("instant", "9999-12-31T23:59:59-01:00", None, "text, not a date"),
        ("instant", "2026-11-23T25:00Z", None, "text, not a date"),
        ("instant", "1989-12-31T23:59:59Z", None, "a year before 1990 or after 2100"),
        ("deadline", "2101-01-01", None, "a year before 1990 or after 2100"),
        ("day", "1900-01-01", None, "a year before 1990 or after 2100"),
        ("day", "2026-02-30", None, "text, not a date"),
        ("day", "2026-01-010", None, "text, not a date"),
        ("day", "01/02/2026", None, "text, not a date"),
    ],
)
def test_an_odd_value_is_read_if_its_meaning_is_clear(read: str, value: Any, found: Any, what: str) -> None:
    """Else the field is null. Either way it is counted once, with its path and without the value."""
    fields = Fields({"a": value}, "top")

    assert getattr(fields, read)("a") == found
    if read == "amount" and isinstance(value, str):
        assert fields.unknown.pop(0) == ("top.a", "text read as a number")
    assert fields.unknown == [("top.a", what)]


@pytest.mark.parametrize(
    "read", ["text", "identifier", "number", "amount", "whole", "flag", "instant", "deadline", "day"]
)
@pytest.mark.parametrize("value", [None, "", " \t", []])
def test_a_blank_value_of_any_type_reads_as_none(read: str, value: Any) -> None:
    """Some sources write an empty text or list for a missing value: it does not count as unknown."""
    fields = Fields({"a": value})

    assert getattr(fields, read)("a") is None
    assert (fields.items("a"), fields.child("a").text("b"), fields.unknown) == ([], None, [])


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000", "0001-01-01T00:00:00+00:00"]
)
@pytest.mark.parametrize("read", ["instant", "deadline", "day"])
def test_a_date_that_dotnet_never_set_is_not_given(read: str, value: str) -> None:
    """The value is understood, so it is not counted."""
    fields = Fields({"a": value})

    assert getattr(fields, read)("a") is None
    assert fields.unknown == []


def test_a_lone_surrogate_is_replaced_and_counted() -> None:
    """Half a character cannot be stored; the text around it is kept."""
    fields = Fields({"a": "x\ud800y", "b": ["\udfff"], "c": "fine \ufffd \U0001f9d1"})

    assert fields.text("a") == "x\ufffdy"
    assert fields.raw_text("a") == "x\ud800y"  # clean_html replaces it
    assert list(fields.texts("b")) == ["\ufffd"]
    assert fields.text("c") == "fine \ufffd \U0001f9d1"
    assert fields.unknown == [(name, "a lone surrogate, replaced") for name in "ab"]


def test_a_value_that_is_too_long_is_cut_and_counted() -> None:
    """A title of megabytes would fill a table, and a list of millions a document."""
    fields = Fields({"a": "x" * 3_000_000, "b": ["y"] * 600, "c": "x " * 400})

    assert fields.text("a") == "x" * 500
    assert fields.raw_text("a") == "x" * 200_000
    assert list(fields.texts("b")) == ["y"] * 500
    assert fields.text("c", longest=10) == "x x x x x"
    assert fields.unknown == [
        ("a", "cut to 500 characters"),
        ("a", "cut to 200,000 characters"),
        ("b", "cut to 500 elements"),
        ("c", "cut to 10 characters"),
    ]


@pytest.mark.parametrize(
    ("value", "names", "unknown"),
    [
        ([{"name": "Java"}, None, {"name": "SQL"}], ["Java", "SQL"], []),
        (["Java", "SQL"], ["Java", "SQL"], ["text read as an object"] * 2),
        ({"name": "Java"}, ["Java"], ["an object read as a list"]),
        ("Java", ["Java"], ["text read as a list", "text read as an object"]),
        (
            ["Java", ["SQL"], True, " "],
            ["Java"],
            ["text read as an object", "a list, not an object", "true or false, not an object"],
        ),
        (True, [], ["true or false, not a list"]),
    ],
)
def test_a_name_is_read_as_an_object_and_an_object_as_a_list(value: Any, names: list[str], unknown: list[str]) -> None:
    """Elements that cannot be objects are left out; the others are kept."""
    fields = Fields({"a": value}, "top")

    assert [child.text("name") for child in fields.children("a", named="name")] == names
    assert fields.unknown == [("top.a", what) for what in unknown]


def test_a_source_that_mixes_names_and_objects_is_not_odd() -> None:
    """BoondManager writes both names and objects."""
    fields = Fields({"a": ["Java", {"tool": "C"}, 7]})

    assert [child.identifier("tool") for child in fields.children("a", named="tool", mixed=True)] == ["Java", "C", "7"]
    assert fields.unknown == []


@pytest.mark.parametrize(
    ("value", "found", "what"),
    [
        ([{"b": "x"}], "x", "a list read as an object"),
        ("x", None, "text, not an object"),
        ([1, 2], None, "a list, not an object"),
        (0, None, "a number, not an object"),
    ],
)
def test_a_value_that_is_not_an_object_has_no_fields(value: Any, found: str | None, what: str) -> None:
    """The fields of the whole object are null, and one unknown value is counted."""
    fields = Fields({"a": value})

    assert fields.child("a").text("b") == found
    assert fields.unknown == [("a", what)]


def test_a_payload_that_is_not_an_object_is_rejected() -> None:
    """A record that is a list or a number has no fields."""
    with pytest.raises(Rejected, match=r"^The record is a list, not an object") as caught:
        Fields.of([])

    assert caught.value.path == ""


def test_elements_have_the_path_of_their_list() -> None:
    """So the same unknown value in every element is one line of the count."""
    fields = Fields({"a": [{"b": True}, {"b": True}], "c": [" x ", None, "", 2, "y"]}, "top")

    assert [child.text("b") for child in fields.children("a")] == [None, None]
    assert list(fields.texts("c")) == ["x", "2", "y"]
    assert fields.unknown == [
        ("top.a.b", "true or false, not text"),
        ("top.a.b", "true or false, not text"),
        ("top.c", "a number read as text"),
    ]


@pytest.mark.parametrize("value", [None, "", " \t\x00"])
def test_a_blank_required_text_is_missing(value: str | None) -> None:
    """A blank text counts as missing."""
    with pytest.raises(Rejected, match=r"^a is missing or empty") as caught:
        Fields({"a": value}).required_text("a")

    assert caught.value.code == "missing"
    with pytest.raises(Rejected, match=r"^a is missing or empty"):
        Fields({"a": value}).required_identifier("a")


def test_an_instant_is_cut_to_what_mongodb_keeps() -> None:
    """It is cut to whole milliseconds, so that comparisons use the stored value."""
    instant = Fields({"a": "2026-11-23T12:00:00.9999999Z"}).instant("a")

    assert instant == datetime(2026, 11, 23, 12, 0, 0, 999_000, tzinfo=UTC)


def test_each_number_becomes_a_float() -> None:
    """One field, one type: 1 and 1.0 are the same content."""
    assert repr(Fields({"a": 1}).number("a")) == "1.0"


@pytest.mark.parametrize(
    ("value", "kept"), [(" 12 ", "12"), (12, "12"), (-1, "-1"), (2**63, str(2**63)), ("AO/1", "AO/1")]
)
def test_an_id_is_the_same_as_text_and_as_a_number(value: str | int, kept: str) -> None:
    """Sources write ids as text or as numbers, some of them both."""
    assert Fields({"a": value}).identifier("a") == kept
    assert Fields({"a": value}).required_identifier("a") == kept


@pytest.mark.parametrize("value", [True, 1.5, [], ["x"], {"$ne": None}, 10**400])
def test_a_required_id_is_read_strictly(value: Any) -> None:
    """An id is never guessed; the error names the field and both types, but not the value."""
    with pytest.raises(Rejected, match=r"^top\.a is .+, not text or a whole number\.$") as caught:
        Fields({"a": value}, "top").required_identifier("a")

    assert (caught.value.code, caught.value.path) == ("wrong-type", "top.a")


def test_an_id_with_half_a_character_is_refused() -> None:
    """If the characters were replaced, two ids could become equal."""
    with pytest.raises(Rejected, match=r"^a holds half a character"):
        Fields({"a": "x\ud800"}).required_identifier("a")


def test_a_required_text_may_be_odd_but_not_unreadable() -> None:
    """For example, a title may be a number."""
    assert Fields({"a": 2026}).required_text("a") == "2026"
    with pytest.raises(Rejected, match=r"^a is an object, not text"):
        Fields({"a": {}}).required_text("a")


def test_an_unknown_value_that_is_read_twice_is_counted_once() -> None:
    """Several fields of a document may be read through the same object; each element of a list counts."""
    fields = Fields({"a": 1, "b": [{"c": True}], "d": [2, 3]})

    for _ in range(2):
        assert fields.text("a") == "1"
        assert fields.child("b").text("c") is None
    assert list(fields.texts("d")) == ["2", "3"]
    assert fields.unknown == [
        ("a", "a number read as text"),
        ("b", "a list read as an object"),
        ("b.c", "true or false, not text"),
        ("d", "a number read as text"),
        ("d", "a number read as text"),
    ]


def test_a_blank_text_can_override_a_value_with_null() -> None:
    """An empty text in place of a number, object or list means that there is no value."""
    filled = Fields({"a": "", "b": " \t", "c": "x", "d": 0}, "top").filled()
    both = Fields({"a": 1, "b": 2, "c": 3}, "low").under(filled)

    assert (both.whole("a"), both.whole("b"), both.text("c"), both.whole("d")) == (None, None, "x", 0)


def test_the_upper_object_takes_precedence_and_paths_are_kept() -> None:
    """Also if the upper one is null; unknown values are counted with the path of their own object."""
    low = Fields({"a": 1, "b": 2, "c": 3, "e": True}, "low")
    both = low.under(Fields({"b": False, "c": None, "d": 4}, "high"))

    assert (both.whole("a"), both.text("b"), both.whole("c"), both.whole("d"), both.text("e")) == (
        1,
        None,
        None,
        4,
        None,
    )
    assert low.unknown == [("high.b", "true or false, not text"), ("low.e", "true or false, not text")]


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-07-31", datetime(2026, 7, 31, 21, 59, 59, 999_000, tzinfo=UTC)),
        (" 2026-12-31 ", datetime(2026, 12, 31, 22, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-07-31T12:00:00", datetime(2026, 7, 31, 10, tzinfo=UTC)),
        ("2026-07-31T23:59:59.9979999", datetime(2026, 7, 31, 21, 59, 59, 999_000, tzinfo=UTC)),
    ],
)
def test_a_deadline_may_be_meant_in_brussels(value: str, instant: datetime) -> None:
    """A date without time ends with its day; a given time is used in the source's time zone."""
    assert Fields({"a": value}).deadline("a", naive=clock.BRUSSELS) == instant


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "missing"),
        (" ", "missing"),
        ("0001-01-01T00:00:00", "missing"),
        (1.5, "wrong-type"),
        (["2026-01-01T00:00:00Z"], "wrong-type"),
        ("yesterday", "wrong-value"),
    ],
)
def test_a_last_change_is_read_strictly(value: Any, code: str) -> None:
    """It orders the versions of a record, so it is never guessed."""
    with pytest.raises(Rejected, match=r"^top\.a") as caught:
        Fields({"a": value}, "top").last_change("a")

    assert (caught.value.code, caught.value.path) == (code, "top.a")


def test_a_last_change_may_be_as_far_ahead_as_clocks_differ() -> None:
    """One day ahead may be a wrong clock; a later date would block all correct versions until then."""
    seen_at = datetime(2026, 11, 23, 13, 25, tzinfo=UTC)
    fields = Fields({"a": "2026-11-24T13:25:00Z", "b": "2026-11-24T13:25:00.0000001Z"}, "top")

    assert fields.last_change("a", seen_at=seen_at) == "2026-11-24T13:25:00.0000000Z"
    assert fields.last_change("b") == "2026-11-24T13:25:00.0000001Z"
    with pytest.raises(Rejected, match=r"^top\.b 2026-11-24T13:25:00\.0000001Z lies in the future\.$") as caught:
        fields.last_change("b", seen_at=seen_at)

    assert (caught.value.code, caught.value.path) == ("in-future", "top.b")
