"""Deeply nested HTML is distinguished from HTML that is only long."""

from __future__ import annotations

import re

import nh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from futurscam_lib.nesting import DEEPEST, too_deep

TAGS = (
    *("a", "b", "button", "code", "dd", "div", "dl", "dt", "form", "h1", "li", "math", "object", "ol", "option", "p"),
    *("select", "span", "svg", "table", "tbody", "td", "template", "tr", "th", "ul", "desc", "center", "section"),
)
RAW = ("script", "style", "textarea", "title", "noscript", "xmp", "iframe", "plaintext")
"""Tags inside these are not read as tags."""
ODD = (
    *("<!--", "-->", "--!>", "<!-->", "<![CDATA[", "]]>", "<?x>", "<!>", "x", '<a x="', '">', "<a x='", "'>", "<"),
    *("<div/>", "<p a=1 b='2'>", "</ >", "</div x>", '<div a"b>', "<DIV>", "</DIV >", "<div\x0b>", "<li class='<'>"),
)
CLEANER = nh3.Cleaner(tags=set(TAGS), clean_content_tags=set())
pieces = st.sampled_from([*(f"<{tag}>" for tag in (*TAGS, *RAW)), *(f"</{tag}>" for tag in (*TAGS, *RAW)), *ODD])


def depth(html: str) -> int:
    """Return the depth of nested tags in cleaned HTML."""
    found = deepest = 0
    for end in re.findall("<(/?)[a-zA-Z]", html):
        found += -1 if end else 1
        deepest = max(deepest, found)
    return deepest


@settings(deadline=None, max_examples=200)
@given(st.lists(pieces, max_size=3).map("".join), st.lists(pieces, min_size=1, max_size=6).map("".join))
def test_accepted_html_is_not_deep(before: str, piece: str) -> None:
    """Even with hidden or ignored end tags, a parser builds no deep tree from accepted HTML."""
    html = before + piece * 600

    if not too_deep(html):
        assert depth(CLEANER.clean(html)) <= 2 * DEEPEST


@pytest.mark.parametrize(
    "piece",
    [
        *("<div>", "<DIV >", "<b a='1'>", "<dd><li>", "<div></span>", "<div><!--</div>-->", '<div><a x="</div>">'),
        *('<a x=\'"\' y="></div>"><div>', "<div><script></div></script>", "<span><li><dd></span>", "<div/>"),
        *("<div><textarea></div></textarea>", "<table></div>", '<!--<a x="--><div>">', "<div\xa0x='><div>'>"),
        *("<div></br></div x>", "<tr><li><dd></tr>", "<!x>"),
    ],
)
def test_deep_html_is_detected(piece: str) -> None:
    """Also where ends are written that end nothing; a million characters are read once."""
    assert too_deep(piece * (DEEPEST + 1))
    assert too_deep("<p>x</p>" * 100_000 + piece * (DEEPEST + 1))


@pytest.mark.parametrize(
    "piece",
    [
        *("<div></div>", "<p>a<p>b", "<br>", "<br/>", "<img src=x>", "<li>a", "<ul><li>a<li>b</ul>", "<B></b >", "< b"),
        *("<!-- a -->", "<!-- <b>a</b> -->", '<a href=/x/y title="1">b</a>', "<a\n b = 'c'\n>d</a\n>", "a < 1 -->"),
        *(
            "<dl><dt>a<dt>b</dl>",
            "<table><tr><td>a</td></tr></table>",
            "<style>a > b {}</style>",
            "<td><p>a<p>b</td>",
            "&lt;div&gt;",
        ),
    ],
)
def test_long_html_is_not_deep(piece: str) -> None:
    """Elements in sequence are not nested, even if HTML does not require their end tags."""
    assert not too_deep(piece * 5_000)
    nested = "<div>" * (DEEPEST - 4) + piece * 5_000
    assert not too_deep(nested)
