"""Finds job posts in the text of a mail instead of an attachment."""

from __future__ import annotations

import html
import json
import re
from typing import Final

import nh3

from futurscam_lib.nesting import too_deep, without_tags

MAX_TEXT_BYTES: Final = 1 << 20
"""A longer text is not searched; a post has about 10 kB."""

PLAIN, HTML = "text/plain", "text/html"
_LINES: Final = {"br", "div", "li", "p", "pre", "table", "td", "tr"}
_LINE_TAG: Final = re.compile("<[^<>]*>")
_OPENS: Final = re.compile(r"^[ \t]*(?=[\[{])", re.MULTILINE)
_TRIES: Final = 20
_DECODER: Final = json.JSONDecoder()
_SLOW: Final = {"idna", "punycode"}
"""Decoding these takes time that grows with the square of the length; no mail uses them."""


def posts(content: bytes, *, kind: str, charset: str) -> bytes | None:
    """The JSON in the text of a mail, in UTF-8: an object, or a list of objects, that begins a line.

    Words around it, such as a greeting or a disclaimer, are left out.

    Args:
        content: The text as it was sent.
        kind: Its type; only text/plain and text/html are searched.
        charset: Its encoding if the mail names one.
    """
    if kind not in {PLAIN, HTML} or len(content) > MAX_TEXT_BYTES:
        return None
    text = _decoded(content, charset)
    if kind == HTML:
        text = _as_plain(text)
    text = text.replace("\xa0", " ").replace("\ufeff", "")
    for number, opening in enumerate(_OPENS.finditer(text)):
        if number == _TRIES:
            break
        if value := _json(text[opening.end() :]):
            return value.encode("utf-8", "surrogatepass")
    return None


def _decoded(content: bytes, charset: str) -> str:
    known = charset if charset.lower() not in _SLOW else ""
    for encoding in (known or "utf-8", "utf-8"):
        try:
            return content.decode(encoding)
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


def _as_plain(text: str) -> str:
    if too_deep(text):
        # The parser would take minutes.
        return html.unescape(without_tags(text, "\n"))
    bare = nh3.clean(text, tags=_LINES, attributes={}, clean_content_tags={"script", "style", "title"})
    return html.unescape(_LINE_TAG.sub("\n", bare))


def _json(text: str) -> str | None:
    """The JSON value at the beginning of a text, unchanged; mail programs may have broken long lines."""
    for candidate in (text, _unbroken(text)):
        try:
            value, end = _DECODER.raw_decode(candidate)
        except (ValueError, RecursionError):
            continue
        rows = value if isinstance(value, list) else [value]
        if rows and all(isinstance(row, dict) and row for row in rows):
            return candidate[:end]
    return None


def _unbroken(text: str) -> str:
    """Join a text into one line, with one space for each line end and the spaces before it.

    A regular expression would start again at each space, which takes the square of their number.
    """
    *broken, last = text.split("\n")
    return " ".join([*(line.removesuffix("\r").rstrip(" \t") for line in broken), last])
