"""Text from outside: one tidy line, or HTML without scripts."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.transform.text import as_html, clean_html, tidy

PIECES = st.sampled_from(
    [
        *(
            "<script>",
            "</script>",
            "<svg>",
            "</svg>",
            "<math>",
            "<mtext>",
            "<mglyph>",
            "<style>",
            "</style>",
            "<p ",
            "<a ",
        ),
        *(
            "<img src=x ",
            "<iframe ",
            "<table>",
            "</table>",
            "<noscript>",
            "</noscript>",
            "<title>",
            "<textarea>",
            "<!--",
        ),
        *("-->", "<![CDATA[", "]]>", "onerror=alert(1)", "onclick='alert(1)'", 'href="javascript:alert(1)"', " ", ">"),
        *(
            'href="java&#115;cript:alert(1)"',
            'href="data:text/html,x"',
            "style=x:y",
            "'",
            '"',
            "<",
            "&lt;",
            "&#0;",
            "\x00",
        ),
        *(
            "text",
            "<b>",
            "</b>",
            "</p>",
            "<td",
            "<form",
            "<input ",
            "autofocus onfocus=alert(1)",
            'title="<img src=x>"',
        ),
    ]
)


class Running(HTMLParser):
    """Collects what would run, load or style in a browser."""

    def __init__(self, html: str) -> None:
        """Parse at once."""
        super().__init__()
        self.found: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check one tag."""
        if tag in {
            "script",
            "style",
            "img",
            "iframe",
            "object",
            "embed",
            "svg",
            "math",
            "form",
            "input",
            "link",
            "meta",
        }:
            self.found.append(tag)
        for name, value in attrs:
            allowed = {"href", "title", "rel", "colspan", "rowspan"}
            if name not in allowed or (
                name == "href" and not (value or "").strip().startswith(("http", "mailto", "tel"))
            ):
                self.found.append(f"{tag} {name}={value}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  Senior\u00a0\u00a0Engineer \n", "Senior Engineer"),
        ("one\rtwo\r\nthree\u2028four\x0bfive\x85six", "one two three four five six"),
        ("a\x00b\x07c\x1b[31md\x7f\x9b", "abc[31md"),
        ("a \x00 b", "a b"),
        ("gnp\u202egnp\u202c.\u2066exe\u2069\ufeff", "gnpgnp.exe"),
        ("\x00\u00a0\u202e", ""),
        ("né à l'été 普通话 \U0001f9d1\u200d\U0001f4bb", "né à l'été 普通话 \U0001f9d1\u200d\U0001f4bb"),
    ],
)
def test_a_line_keeps_its_words_and_loses_invisible_characters(text: str, line: str) -> None:
    """White space of every kind separates words; control and direction characters are removed."""
    assert tidy(text) == line


@given(st.text())
def test_tidying_twice_is_tidying_once(text: str) -> None:
    """A tidy line does not change if it is tidied again."""
    once = tidy(text)

    assert tidy(once) == once
    assert "  " not in once
    assert not set(once) & set(map(chr, [*range(32), *range(0x7F, 0xA0), *range(0x202A, 0x202F)]))


def test_the_markup_of_a_mission_survives() -> None:
    """Paragraphs, lists, tables and links are what a description is made of."""
    html = "<h2>A</h2><p>b <strong>c</strong><br>d</p><ul><li>e</li></ul>"
    html += '<table><tbody><tr><td colspan="2">f</td></tr></tbody></table>'

    assert clean_html(f"  {html}\x00\n") == html


@pytest.mark.parametrize(
    "href", ["https://a.example/?b=c", "HTTP://a.example", "mailto:a@b.example", "tel:+3220000000"]
)
def test_a_link_of_an_allowed_scheme_stays(href: str) -> None:
    """Links to the web, a mail or a call are kept, without a referrer."""
    assert clean_html(f'<a href="{href}">x</a>') == f'<a href="{href}" rel="noopener noreferrer nofollow">x</a>'


@pytest.mark.parametrize(
    "href",
    [
        *("javascript:alert(1)", " JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "&#106;avascript:alert(1)", "#top"),
        *(
            "data:text/html;base64,PHNjcmlwdD4=",
            "vbscript:x",
            "file:///etc/passwd",
            "//evil.example",
            "/logout",
            "x.html",
        ),
    ],
)
def test_any_other_link_is_text(href: str) -> None:
    """Links that run code, and relative links, are removed."""
    assert clean_html(f'<a href="{href}">x</a>') == '<a rel="noopener noreferrer nofollow">x</a>'


@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_html_runs_script(html: str) -> None:
    """No mixture of tags, quotes and comments leaves anything that a browser runs or loads."""
    cleaned = clean_html(html)

    assert Running(cleaned).found == []
    # Not the same text: a browser, too, builds `<a><table><a>` in another way when it reads what it has written.
    assert Running(clean_html(cleaned)).found == []


def test_a_flood_of_tags_becomes_words() -> None:
    """Parsing would take hours; all of its text is kept, and no part of it becomes a tag."""
    assert clean_html("<div>" * 500_000 + "a &lt;b&gt; c<br>" * 9) == " ".join(["a &lt;b&gt; c"] * 9)
    assert Running(clean_html("<p " * 300_000 + "<script>x</script>")).found == []


def test_a_long_text_of_word_keeps_its_markup() -> None:
    """Text pasted from Word has many tags, but no deep nesting."""
    paragraph = '<p class="MsoNormal"><span style="color:red"><b>Data</b> engineer<o:p></o:p></span></p>'
    assert clean_html(paragraph * 2000) == "<p><span><b>Data</b> engineer</span></p>" * 2000


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo\r\nthree\rfour", "one<br>two<br>three<br>four"),
        ("one\n\ntwo\n", "one<br><br>two"),
        (" \r\n\t", ""),
        ("R&D, R&amp;D", "R&amp;D, R&amp;amp;D"),
        ("a < b\nb > c", "a &lt; b<br>b &gt; c"),
        ("List<String>\nor <T>", "List&lt;String&gt;<br>or &lt;T&gt;"),
        ("<a href=x", "&lt;a href=x"),
        ("a\u2028b\x00c\u202e", "a<br>bc"),
    ],
)
def test_plain_text_shows_as_it_was_written(text: str, html: str) -> None:
    """Line breaks are kept, and text that only resembles markup stays text."""
    assert as_html(text) == html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<p>one\ntwo</p>\n<p>R&amp;D</p>", "<p>one\ntwo</p>\n<p>R&amp;D</p>"),
        ("one<BR/>two\nthree", "one<br>two\nthree"),
        ("one</div>", "one"),
        ('<font color="red">one</font>', "one"),
        ("one<!-- two -->", "one"),
        ("<script>alert(1)</script>", ""),
    ],
)
def test_html_stays_html(text: str, html: str) -> None:
    """A single HTML tag, even a removed one, means that line breaks are white space and entities are characters."""
    assert as_html(text) == html


@given(st.lists(PIECES, max_size=25).map("".join))
def test_nothing_runs_in_what_was_taken_for_plain_text(text: str) -> None:
    """In both readings, no mixture leaves anything that a browser runs or loads."""
    html = as_html(text)

    assert Running(html).found == []
    assert clean_html(html) == html
