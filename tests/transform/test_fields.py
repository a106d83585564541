"""Reading fields: types are checked, places are named, null reads as absent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from futurscam_lib.errors import Rejected
from futurscam_lib.transform.fields import Fields


@pytest.mark.parametrize("read", ["raw_text", "text", "flag", "number", "instant"])
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
