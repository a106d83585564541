"""Cleans text for documents: safe HTML, no control characters, tidy white space."""

from __future__ import annotations

import html as markup
import re
import unicodedata
from typing import Final

import nh3

from futurscam_lib.nesting import too_deep, without_tags

# Control characters other than tab and line feed have no meaning for a reader and can control a terminal. Line and
# paragraph separators and bidirectional overrides can make a text look like another text.
_UNWANTED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_BULLET: Final = re.compile(
    r"[\u2022\u2023\u25aa\u25cf\u25e6\u2043\u2219\u00b7\uf0b7*-]\s+|[\u2022\u25aa\u25cf\u00b7\uf0b7]"
)
_LONE: Final = re.compile("[\ud800-\udfff]")
REPLACEMENT: Final = "\ufffd"
"""Replaces a lone surrogate: half a character, which neither UTF-8 nor MongoDB can store."""
# Most texts contain only these characters; checking this is faster than searching for unwanted characters.
_HARMLESS: Final = re.compile("[\t\n -~\xa0-\u024f\u2010-\u2027\u20ac]*")
_TAGS: Final = {
    *("a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5"),
    *("h6", "hr", "i", "ins", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "sup", "table", "tbody"),
    *("td", "tfoot", "th", "thead", "tr", "u", "ul"),
}
# These also identify HTML; other tags do not, because a plain text may contain `List<String>`.
_OTHER_TAGS: Final = {
    *("article", "body", "center", "font", "footer", "form", "head", "header", "html", "iframe", "img", "input"),
    *("link", "main", "meta", "object", "script", "section", "style", "svg", "title", "video"),
}
_MARKUP: Final = re.compile(rf"<(?:/?(?:{'|'.join(sorted(_TAGS | _OTHER_TAGS))})(?=[\s/>])[^<>]*>|!--)", re.IGNORECASE)
_LONG: Final = 20_000
"""In characters; a shorter text is cleaned quickly at any depth of tags."""
_ABSOLUTE: Final = re.compile(r"\s*(https?://|mailto:|tel:)", re.IGNORECASE)


def _attribute(_tag: str, name: str, value: str) -> str | None:
    """Leave out relative links, which would depend on the page that shows the document."""
    return None if name == "href" and not _ABSOLUTE.match(value) else value


# No images and no styles, so that a document never makes a reader's browser request anything.
_CLEANER: Final = nh3.Cleaner(
    tags=_TAGS,
    attributes={"a": {"href", "title"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
    url_schemes={"http", "https", "mailto", "tel"},
    attribute_filter=_attribute,
    link_rel="noopener noreferrer nofollow",
)


def has_lone_surrogate(text: str) -> bool:
    """Whether a text contains half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def tidy(text: str) -> str:
    """Return one line without control characters, stripped and with single spaces (also for no-break spaces)."""
    # Most texts are tidy already: all unwanted characters are unprintable, except for double spaces.
    if "  " not in text and text.isprintable():
        return text.strip()
    # White space first: a carriage return or a line separator separates two words.
    return " ".join(_LONE.sub(REPLACEMENT, _UNWANTED.sub("", " ".join(text.split()))).split())


def without_bullet(line: str) -> str:
    """Return a list entry without a bullet that was copied with it."""
    bullet = _BULLET.match(line)
    return line[bullet.end() :].lstrip() if bullet else line


def fold(text: str) -> str:
    """Return a text for look-ups: lower case, without accents, with straight apostrophes."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text.replace("\u2019", "'").casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def clean_html(html: str) -> str:
    """Return HTML without scripts, images and styles: few tags, and links to http, https, mailto and tel."""
    if not _HARMLESS.fullmatch(html):
        html = _LONE.sub(REPLACEMENT, _UNWANTED.sub("", html))
    if len(html) > _LONG and too_deep(html):
        # Cleaning would take minutes in each run: keep the words without tags.
        html = markup.escape(markup.unescape(without_tags(html, " ")), quote=False)
    return _CLEANER.clean(html).strip()


def as_html(text: str) -> str:
    """Return clean HTML for a text that may be HTML, or plain text with line breaks."""
    if not _MARKUP.search(text):
        text = "<br>".join(markup.escape(text.strip(), quote=False).splitlines())
    return clean_html(text)
