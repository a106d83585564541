"""Reading fields: types are checked, places are named, null reads as absent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from futurscam_lib.errors import Rejected
from futurscam_lib.transform.fields import Fields, as_identifier


@pytest.mark.parametrize("read", ["raw_text", "text", "identifier", "flag", "number", "whole", "instant"])
@pytest.mark.parametrize("data", [{}, {"a": None}])
def test_null_and_absent_are_the_same(data: dict[str, Any], read: str) -> None:
    """A source that writes null and one that writes nothing say the same."""
    assert getattr(Fields(data), read)("a") is None
    assert list(Fields(data).items("a")) == []
    assert Fields(data).child("a").text("b") is None


@pytest.mark.parametrize(
    ("read", "value"),
    [
        ("raw_text", 1),
        ("text", []),
        ("text", {"a": 1}),
        ("required_text", False),
        ("identifier", True),
        ("identifier", 1.0),
        ("required_identifier", []),
        ("whole", True),
        ("whole", 1.0),
        ("whole", "1"),
        ("flag", 1),
        ("flag", "true"),
        ("number", "1"),
        ("number", True),
        ("number", [1]),
        ("instant", 0),
        ("sortable", 1.5),
        ("child", "x"),
        ("child", []),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_place(read: str, value: Any) -> None:
    """The error names the field from the top of the record, and both types, but never the value."""
    with pytest.raises(Rejected, match=r"^top\[3\]\.a is .+, not .+\.$") as caught:
        getattr(Fields({"a": value}, "top[3]"), read)("a")

    assert (caught.value.code, caught.value.path) == ("wrong-type", "top[3].a")


def test_what_is_no_object_at_all_is_refused() -> None:
    """A record that is a list or a number has no fields."""
    with pytest.raises(Rejected, match=r"^The record is a list, not an object") as caught:
        Fields.of([])

    assert caught.value.path == ""


def test_elements_know_their_place() -> None:
    """Each object and each text of a list is named by its index."""
    fields = Fields({"a": [{"b": 1}, None], "c": [" x ", None, "", "y"], "d": ["x", 2]}, "top")

    assert [child.path for child in fields.children("a")] == ["top.a[0]", "top.a[1]"]
    assert list(fields.texts("c")) == ["x", "y"]
    with pytest.raises(Rejected, match=r"^top\.d\[1\] is a number, not text"):
        list(fields.texts("d"))
    with pytest.raises(Rejected, match=r"^top\.a\[0\]\.b is a number, not an object"):
        next(fields.children("a")).child("b")


@pytest.mark.parametrize("value", [None, "", " \t\x00"])
def test_a_required_text_is_missing_where_nothing_can_be_read(value: str | None) -> None:
    """Blank is as good as absent."""
    with pytest.raises(Rejected, match=r"^a is missing or empty") as caught:
        Fields({"a": value}).required_text("a")

    assert caught.value.code == "missing"
    with pytest.raises(Rejected, match=r"^a is missing or empty"):
        Fields({"a": value}).required_identifier("a")


def test_an_instant_is_cut_to_what_mongodb_keeps() -> None:
    """Whole milliseconds, so that what is compared is what was stored."""
    instant = Fields({"a": "2026-11-23T12:00:00.9999999Z"}).instant("a")

    assert instant == datetime(2026, 11, 23, 12, 0, 0, 999_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["today", "2026-02-30", "9999-12-31T23:59:59-01:00", "0001-01-01", "2026-11-23T25:00Z"]
)
def test_a_text_that_is_no_instant_is_quoted(value: str) -> None:
    """Somebody has to find it: the field and the text are in the message."""
    with pytest.raises(Rejected, match=f"^a.b: '{value}'") as caught:
        Fields({"b": value}, "a").instant("b")

    assert (caught.value.code, caught.value.path) == ("wrong-value", "a.b")


def test_a_number_is_a_float_whatever_it_was() -> None:
    """One field, one type: 1 and 1.0 are the same content."""
    assert repr(Fields({"a": 1}).number("a")) == "1.0"


@pytest.mark.parametrize(
    ("value", "kept"), [(" 12 ", "12"), (12, "12"), (-1, "-1"), (2**63, str(2**63)), ("AO/1", "AO/1")]
)
def test_an_id_is_the_same_as_text_and_as_a_number(value: str | int, kept: str) -> None:
    """Sources write their ids one way or the other, some of them both ways."""
    assert Fields({"a": value}).identifier("a") == kept
    assert Fields({"a": value}).required_identifier("a") == kept


def test_an_element_that_is_no_id_is_refused_by_its_place() -> None:
    """An element of a list stands in no field: it is told by its index."""
    assert as_identifier(7, "a[2]") == "7"
    with pytest.raises(Rejected, match=r"^a\[2\] is a list, not text or a whole number\.$") as caught:
        as_identifier([], "a[2]")

    assert caught.value.path == "a[2]"


def test_a_blank_text_can_be_read_as_nothing_whatever_the_type() -> None:
    """A source that writes an empty text where it has no number, object or list says nothing by it."""
    filled = Fields({"a": "", "b": " \t", "c": "x", "d": 0, "e": False, "f": []}, "top").filled()

    assert filled.whole("a") is None
    assert filled.child("b").path == "top.b"
    assert (filled.text("c"), filled.whole("d"), filled.flag("e"), list(filled.items("f"))) == ("x", 0, False, [])
    with pytest.raises(Rejected, match=r"^top\.c is text, not a whole number"):
        filled.whole("c")


def test_of_two_objects_the_upper_one_wins_and_each_field_tells_where_it_stands() -> None:
    """Also where the upper one has null: it says so; an error still names the object that holds the wrong value."""
    both = Fields({"a": 1, "b": 2, "c": 3}, "low").under(Fields({"b": "x", "c": None, "d": 4}, "high"))

    assert (both.whole("a"), both.text("b"), both.whole("c"), both.whole("d")) == (1, "x", None, 4)
    with pytest.raises(Rejected, match=r"^low\.a is a number, not text"):
        both.text("a")
    with pytest.raises(Rejected, match=r"^high\.b is text, not a whole number"):
        both.whole("b")


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-07-31", datetime(2026, 7, 31, 21, 59, 59, 999_000, tzinfo=UTC)),
        (" 2026-12-31 ", datetime(2026, 12, 31, 22, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-03-29", datetime(2026, 3, 29, 21, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-10-25", datetime(2026, 10, 25, 22, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-07-31T12:00:00", datetime(2026, 7, 31, 10, tzinfo=UTC)),
        ("2026-07-31T00:00:00+0200", datetime(2026, 7, 30, 22, tzinfo=UTC)),
        ("", None),
    ],
)
def test_a_date_can_mean_the_end_of_that_day(value: str, instant: datetime | None) -> None:
    """A deadline's day counts whole, also one of 23 or 25 hours; a time that is given is believed."""
    assert Fields({"a": value}).instant("a", end_of_day=True) == instant


@pytest.mark.parametrize("value", ["2026-02-30", "2026-1-1-1-", "today"])
def test_a_day_that_does_not_exist_has_no_end(value: str) -> None:
    """The error quotes what the source wrote."""
    with pytest.raises(Rejected, match=f"^a: '{value}'"):
        Fields({"a": value}).instant("a", end_of_day=True)


def test_a_last_change_may_be_as_far_ahead_as_clocks_differ() -> None:
    """A day ahead is a clock that goes wrong; more would shut out every true version until then."""
    seen_at = datetime(2026, 11, 23, 13, 25, tzinfo=UTC)
    fields = Fields({"a": "2026-11-24T13:25:00Z", "b": "2026-11-24T13:25:00.0000001Z"}, "top")

    assert fields.last_change("a", seen_at=seen_at) == "2026-11-24T13:25:00.0000000Z"
    with pytest.raises(Rejected, match=r"^top\.b 2026-11-24T13:25:00\.0000001Z lies in the future\.$") as caught:
        fields.last_change("b", seen_at=seen_at)

    assert (caught.value.code, caught.value.path) == ("wrong-value", "top.b")
