"""Terminal colours become HTML, whatever sequences a run has printed."""

from __future__ import annotations

from typing import Any

import bs4
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from futurscam_lib.review.ansi import coloured
from futurscam_lib.review.clean import cleaned
from futurscam_lib.review.rendering import rendered

ESC = "\x1b"


def shown(text: str) -> str:
    """The text in the page for this terminal text."""
    return bs4.BeautifulSoup(coloured(text), "html.parser").text


@pytest.mark.parametrize(
    ("codes", "classes"),
    [
        ("31", ["ansi-red-fg"]),
        ("1;4;32", ["ansi-bold", "ansi-underline", "ansi-green-fg"]),
        ("03;0101", ["ansi-italic", "ansi-red-intense-bg"]),
        ("96;40", ["ansi-cyan-intense-fg", "ansi-black-bg"]),
        ("38;5;4", ["ansi-blue-fg"]),
        ("48;5;11;1", ["ansi-yellow-intense-bg", "ansi-bold"]),
        ("38;5;200;4", ["ansi-underline"]),
        ("38;2;1;4;31;1", ["ansi-bold"]),
        ("31;;4", ["ansi-underline"]),
        ("31;39;41;49;1;22;3;23;4;24", []),
        ("31;77;?;9", ["ansi-red-fg"]),
    ],
)
def test_colours(codes: str, classes: list[str]) -> None:
    """Each code has the effect of ECMA-48 if the page has a class for it; otherwise it has no effect."""
    html = coloured(f"a{ESC}[{codes}mb<{ESC}[mc")

    span = bs4.BeautifulSoup(html, "html.parser").span
    assert (span["class"] if span else []) == classes
    assert html.startswith("a")
    assert html.endswith("c")
    assert "b&lt;" in html
    assert cleaned(html, own="") == html


pieces = st.one_of(
    st.text(max_size=3),
    st.sampled_from([ESC, "[", "]", "m", ";", "38", "48", ";5", ";2", ":", "?", "0", "9" * 5000, "\x07", "\\", "<b>"]),
    st.lists(st.integers(-1, 300).map(str), max_size=5).map(lambda codes: f"{ESC}[{';'.join(codes)}m"),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(pieces, max_size=9).map("".join))
@example(f"title {ESC}[38m")
@example(f"{ESC}[38;5m{ESC}[48;2;1m{ESC}[38;{ESC}[")
def test_any_sequence_is_rendered(text: str) -> None:
    """Also truncated or invalid sequences, in a stream, an error and an output; none becomes a tag."""
    assert {tag.name for tag in bs4.BeautifulSoup(coloured(text), "html.parser").find_all()} <= {"span"}
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "text": text},
        {"output_type": "error", "traceback": [text]},
        {"output_type": "display_data", "data": {"text/plain": text}},
    ]

    html = rendered({"cells": [{"cell_type": "code", "source": "x", "outputs": outputs}]}, redact=str, own="0").html

    assert len(bs4.BeautifulSoup(html, "html.parser").find_all(class_="output_area")) == len(outputs)


def test_other_sequences_are_removed() -> None:
    """Cursor moves, titles, links and queries are removed; their text stays."""
    link = f"{ESC}]8;;https://futurscam.example/{ESC}\\here{ESC}]8;;{ESC}\\"

    assert shown(f"{ESC}[2J{ESC}[1;1Ha{ESC}]0;title\x07b {link}{ESC}[?25l{ESC}M.") == "ab here."


def test_many_sequences() -> None:
    """A million sequences are read in linear time; nbconvert's filter would take hours."""
    assert shown(f"{ESC}[31m{ESC}[{'0;' * 1_000_000}m" + f"{ESC}[1mx" * 20_000) == "x" * 20_000
    assert coloured(f"{ESC}[0m" * 1_000_000) == ""
