"""Cells that a spreadsheet shows as they are."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.report.spreadsheet import guarded, guarded_in_csv


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "\u200b=1", "\uff1d1", "\uff20x", "\u22121"],
)
def test_a_formula_is_text(text: str) -> None:
    """A formula gets an apostrophe before it and is otherwise unchanged."""
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "Data engineer", "a=b", "JP050458", "'=1", -1, 2.5, True, None])
def test_other_values_are_unchanged(value: object) -> None:
    """Harmless text, numbers and empty cells are given back as they are."""
    assert guarded(value) is value


@given(st.text())
def test_no_cell_begins_like_a_formula(text: str) -> None:
    """For any text, the first visible character does not begin a formula, and nothing is lost."""
    cell = guarded(text)

    first = next((char for char in cell if char.isprintable() and not char.isspace()), "")
    assert unicodedata.normalize("NFKC", first) not in set("=+-@")
    assert cell in {text, f"'{text}"}


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a;=1+1;b", "a;'=1+1;b"),
        ('a;"=1', "a;'\"=1"),
        ("a\n=1", "a\n'=1"),
        ("-1;\t+1", "'-1;\t'+1"),
        ("a;b - c", "a;b - c"),
        ("a;\t", "a;\t"),
    ],
)
def test_text_after_a_separator_is_guarded(text: str, safe: str) -> None:
    """Semicolons, tabs and line ends separate the cells of some country's spreadsheet."""
    assert guarded_in_csv(text) == safe
