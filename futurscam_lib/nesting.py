"""Detects HTML whose tags are nested so deeply that a parser would take minutes.

A parser looks through all open elements at each tag, so its time grows with the square of the depth: 100 kB of `<div>`
take seconds, a megabyte takes minutes.
"""

from __future__ import annotations

import re
from typing import Final

DEEPEST: Final = 256
"""Normal HTML is about twenty levels deep; browsers stop at 512."""

_NAME: Final = "[a-zA-Z][a-zA-Z0-9:-]*"
"""A colon is allowed: Word writes `<o:p></o:p>` in every paragraph."""
_SPACE: Final = r"[ \t\n\f\r]"
_ATTRIBUTE: Final = (
    rf"{_SPACE}+[^ \t\n\f\r\"'<>/=]+(?:{_SPACE}*={_SPACE}*(?:\"[^\"<>]*\"|'[^'<>]*'|[^ \t\n\f\r\"'=<>`]+))?"
)
_TOKEN: Final = re.compile(rf"<({_NAME})(?:{_ATTRIBUTE})*+{_SPACE}*/?>|</({_NAME}){_SPACE}*>|<!--|(-->)|<[a-zA-Z/!?]")
_ANY_TAG: Final = re.compile(r"</?[a-z!?][^<>]*>", re.IGNORECASE)
_ENDLESS: Final = re.compile(r"&#[0-9]{4000,};?")
"""Python raises a ValueError for such a number; a browser shows a replacement character."""
_VOID: Final = {"br", "hr", "img", "meta"}
_REPEATED: Final = {"dd", "dt", "li", "option", "p", "td", "th", "tr"}
"""Such a tag ends an open tag of the same name."""
_LISTS: Final = {"div", "dl", "ol", "ul"}
"""Their end tag also ends the last entry in them. In the same way, the end of an entry or cell ends its last `<p>`."""
_COMMENT: Final = "!"
_UNCLEAR: Final = "?"


def too_deep(html: str) -> bool:
    """Whether more than `DEEPEST` tags may be nested.

    The answer is yes if that is unclear: an end tag counts only if it clearly ends the innermost tag. An end tag of
    another tag, or inside a comment, a script or an odd attribute, is ignored. So a parser finds hardly any more depth.
    """
    if html.count("<") <= DEEPEST:
        return False
    opened: list[str] = []
    for token in _TOKEN.finditer(html):
        start_tag, end_tag, comment_ended = token.groups()
        if end_tag or comment_ended:
            _end(opened, end_tag.lower() if end_tag else _COMMENT)
        else:
            _begin(opened, start_tag.lower() if start_tag else _COMMENT if token[0] == "<!--" else _UNCLEAR)
        if len(opened) > DEEPEST:
            return True
    return False


def without_tags(html: str, put: str = "") -> str:
    """Return the text and its entities, without using a parser.

    Args:
        html: The HTML.
        put: Replaces each tag.
    """
    return _ENDLESS.sub("\ufffd", _ANY_TAG.sub(put, html))


def _begin(opened: list[str], name: str) -> None:
    if name not in _VOID and not (name in _REPEATED and opened and opened[-1] == name):
        opened.append(name)


def _end(opened: list[str], name: str) -> None:
    also_ended = _REPEATED if name in _LISTS else {"p"} if name in _REPEATED else set()
    at = len(opened) - 1
    while at >= 0 and opened[at] != name and opened[at] in also_ended:
        at -= 1
    if at >= 0 and opened[at] == name:
        del opened[at:]
