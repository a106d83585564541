"""Sanitising the HTML of a notebook: what is removed, and what the page shows instead."""

from __future__ import annotations

from typing import Any

import bs4
import pytest

from futurscam_lib import nesting
from futurscam_lib.report.scraps import MEDIA_TYPE
from futurscam_lib.review.clean import cleaned
from futurscam_lib.review.rendering import rendered

OWN = "0123456789abcdef"


def page_of(*cells: Any, **more: Any) -> bs4.BeautifulSoup:
    """Render these cells."""
    return bs4.BeautifulSoup(rendered({"cells": list(cells)}, redact=str, own=OWN, **more).html, "html.parser")


def gave(**data: Any) -> dict[str, Any]:
    """A cell with one output; `_` in argument names stands for characters that Python does not allow."""
    kinds = {"html": "text/html", "text": "text/plain", "scrap": MEDIA_TYPE}
    output = {"output_type": "display_data", "data": {kinds[kind]: value for kind, value in data.items()}}
    return {"cell_type": "code", "source": "x", "outputs": [output]}


@pytest.mark.parametrize("comment", ["<!-- -->", "<!--[if IE]><b>x</b><![endif]-->", "<!-->", "<!x>", "<!-- x"])
def test_comments_are_removed(comment: str) -> None:
    """They are invisible, and some browsers executed them."""
    assert cleaned(f"a{comment}", own="") == "a"


def test_headings_are_lowered() -> None:
    """They are below the headings of the page; h6 stays h6."""
    markdown = {"cell_type": "markdown", "source": "# one\n\n##### five\n\n###### six\n\n<h6>own</h6>"}

    assert [tag.name for tag in page_of(markdown).find_all(["h1", "h2", "h3", "h4", "h5", "h6", "h7"])] == [
        *("h2", "h6", "h6", "h6")
    ]
    assert [tag.name for tag in page_of(markdown, below=4).find_all(["h5", "h6", "h9"])] == ["h5", "h6", "h6", "h6"]


def test_scraps_are_not_shown() -> None:
    """They are for programs; they are hidden even if the output also has text."""
    page = page_of(gave(scrap={"data": 1}, text="hidden"), gave(text="seen"))

    assert "hidden" not in page.text
    assert "seen" in page.text


@pytest.mark.parametrize("piece", ["<div>", "<dd><li>", "<p><b>", "<div><!--</div>-->", "<table><td>"])
def test_deeply_nested_html_is_left_out(piece: str) -> None:
    """A parser would take minutes; the page shows a note instead, and the other outputs."""
    html = piece * 100_000
    markdown = {"cell_type": "markdown", "source": f"{piece * 20_000}\n\nafter"}

    page = page_of(gave(html=html), markdown, gave(html="<p>next</p>"))

    assert f"({len(html):,} characters of HTML, nested more than {nesting.DEEPEST} deep: not shown here)" in page.text
    assert page.text.count("not shown here") == 2
    assert page.find("p", string="next")


def test_long_html_is_shown() -> None:
    """A table of thousands of rows, with a comment and unclosed tags."""
    rows = "".join(f'<tr><td class=x>{n}<td title="a"><span>b</span><br><ul><li>c<li>d</ul>\n' for n in range(2))
    whole = "<tr><td data-x='1'><p>a<p>b</td><td><a href=\"https://futurscam.example/\">c</a></td></tr>" * 3_000
    html = f"<!-- <p>made by hand</p> --><style>\n#a > b {{ }}\n</style><table>{whole}</table><table>{rows}</table>"

    page = page_of(gave(html=html))

    assert len(page.find_all("a")) == 3_000
    assert [tag.text.strip() for tag in page.find_all("li")] == ["c", "d"] * 2
