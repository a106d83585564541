"""The plain text of a description."""

from __future__ import annotations

import pytest

from futurscam_lib.analysis.plain import plain_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a <b>b</b>\n</p><p>c</p>", "a b\nc"),
        ("<ul><li class='x'>a</li><LI>b</ul>c<br />d<br>e", "• a\n• b\nc\nd\ne"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></table>", "a b\nc"),
        ("<h2>a</h2>1 &lt; 2 &amp; 3<script>x</script>", "a\n1 < 2 & 3"),
        ("<link>a<brx>b", "ab"),
    ],
)
def test_lines(markup: str, text: str) -> None:
    """One line per paragraph, list item and row."""
    assert plain_text(markup) == text


@pytest.mark.parametrize("piece", ["<li", "<br", "<br ", "</p ", "<td>", "<", "<!--", "\n ", "  "])
def test_a_long_description(piece: str) -> None:
    """Repeated pieces are read in linear time."""
    assert len(plain_text(piece * 400_000)) <= len(piece) * 400_000


def test_a_deeply_nested_description() -> None:
    """It is read without a parser, which would take hours; lines and list items are kept."""
    assert plain_text("<div>" * 500_000 + "<ul><li>a &amp; b</li><li>c</ul><p>d") == "• a & b\n• c\nd"
