"""Job posts in the text of a mail."""

from __future__ import annotations

import json
import re
from typing import Any

import nh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.extract.mail_text import HTML, MAX_TEXT_BYTES, PLAIN, posts
from futurscam_lib.nesting import too_deep

POST = '{"id": "a", "name": "Développeur"}'


def found(text: str | bytes, kind: str = PLAIN, charset: str = "utf-8") -> object:
    """The values that are found in a text."""
    content = posts(text.encode(charset) if isinstance(text, str) else text, kind=kind, charset=charset)
    return None if content is None else json.loads(content)


@pytest.mark.parametrize(
    "text",
    [
        POST,
        f"\ufeff\r\n  {POST}\r\n-- \r\nThe sender\r\n",
        f"Dear all, [see] below {{1}}.\n\n{POST}\n\nThis mail is confidential.",
        f"[JOB EXPORT]\n{POST}",
        POST.replace(" ", "\xa0"),
        json.dumps(json.loads(POST), indent=4).replace("\n", "\r\n"),
    ],
)
def test_an_object_that_begins_a_line_is_a_post(text: str) -> None:
    """The object is found alone or with words around it."""
    assert found(text) == json.loads(POST)


def test_a_list_of_objects_is_a_list_of_posts() -> None:
    """Each object is a post."""
    assert found(f"[{POST}, {POST}]") == [json.loads(POST)] * 2


@pytest.mark.parametrize("end", ["\n", " \n", " \r\n"])
def test_long_lines_may_have_been_broken(end: str) -> None:
    """Mail programs break lines at spaces, even inside a JSON text."""
    assert found(f'{{"id": "a",{end}"description": "one{end}two"}}') == {"id": "a", "description": "one two"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Please find attached.",
        "[1]",
        "[]",
        "{}",
        "[{}, 1]",
        "{not json}",
        '{"a": 1',
        "x" + POST,
        '"{"',
        "[" * 10_000,
        "{" * 1000,
    ],
)
def test_another_text_holds_no_post(text: str) -> None:
    """For example, a word in brackets is not a post."""
    assert found(text) is None


@pytest.mark.parametrize(
    "text",
    [
        f"<html><head><title>[1]</title><style>p {{a: b}}</style></head><body>{POST}</body></html>",
        "<p>Hello,</p><div>{&quot;id&quot;:&nbsp;&quot;a&quot;,<br>\n&quot;name&quot;: &quot;D&eacute;veloppeur&quot;}",
        f"<pre>{POST}</pre><p>Confidential.</p>",
        f"<table><tr><td>Caution</td></tr></table><div class=x><span>{POST[:9]}</span>{POST[9:]}</div><!-- -->",
    ],
)
def test_html_is_read_as_it_is_shown(text: str) -> None:
    """The tags are removed."""
    assert found(text, HTML) == json.loads(POST)


def test_markup_inside_a_post_is_kept() -> None:
    """It is escaped in the HTML of the mail, and unescaped in the post."""
    assert found('{"id": "a", "description": "&lt;p&gt;A &amp;amp; B&lt;/p&gt;"}', HTML) == {
        "id": "a",
        "description": "<p>A &amp; B</p>",
    }


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252", "utf-16"])
def test_any_encoding_is_read(charset: str) -> None:
    """The text is decoded as the mail says."""
    assert found(POST, charset=charset) == json.loads(POST)


@pytest.mark.parametrize("charset", ["", "nope", "us-ascii", "idna", "punycode", "hex"])
def test_a_wrong_encoding_is_tolerated(charset: str) -> None:
    """UTF-8 is tried next, then the encoding of Windows."""
    for encoded in (POST.encode(), POST.encode("cp1252")):
        content = posts(encoded, kind=PLAIN, charset=charset)
        assert content is not None
        assert json.loads(content) == json.loads(POST)


@pytest.mark.parametrize("blanks", [" ", " \t\r"])
def test_long_blanks_are_handled_without_a_pattern(blanks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A regular expression for blanks before a line end would take hours on a text of blanks."""

    def refuse(*_arguments: Any, **_options: Any) -> str:
        pytest.fail("a pattern was given the whole text")

    with monkeypatch.context() as patched:
        patched.setattr(re, "sub", refuse)
        read = found("{" + blanks * (MAX_TEXT_BYTES // 4))

    assert read is None


@pytest.mark.parametrize("tag", ["<div>", "<b>", "<p><span>", "<!-- ", "<table><tr><td>"])
def test_deeply_nested_html_is_not_parsed(tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsing would take minutes; the post in it is still read."""
    clean = nh3.clean

    def check(text: str, **options: Any) -> str:
        assert not too_deep(text)
        return clean(text, **options)

    monkeypatch.setattr(nh3, "clean", check)

    assert found(f"{tag * 50_000}\n{POST}", HTML) == json.loads(POST)


def test_an_endless_character_number_is_tolerated() -> None:
    """Python refuses to read so many digits."""
    text = "<div>" * 1000 + f"&#{'9' * 3000}<b>{'9' * 3000};" + POST

    assert found(text, HTML) is None
    assert found(text.replace(POST, f"<p>{POST}"), HTML) == json.loads(POST)


def test_long_texts_and_other_types_are_not_searched() -> None:
    """For example a calendar entry, or a text of megabytes."""
    assert posts(POST.encode(), kind="text/calendar", charset="") is None
    assert posts(POST.encode().ljust(MAX_TEXT_BYTES + 1), kind=PLAIN, charset="") is None


@given(content=st.binary(max_size=200), kind=st.sampled_from([PLAIN, HTML]), charset=st.text(max_size=10))
def test_any_text_is_read(content: bytes, kind: str, charset: str) -> None:
    """Any text from a sender is read without an error."""
    posts(content, kind=kind, charset=charset)
