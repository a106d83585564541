"""Detects HTML whose tags are nested so deeply that a parser would take minutes.

At each tag a parser looks through all open elements, so its time grows with the square of the depth: 100 kB of `<div>`
take seconds, a megabyte takes minutes.
"""

from __future__ import annotations

import re
from typing import Final

DEEPEST: Final = 256
"""HTML of people and programs is some twenty deep; browsers stop at 512."""

_NAME: Final = "[a-zA-Z][a-zA-Z0-9:-]*"
"""A colon is allowed: Word writes `<o:p></o:p>` in every paragraph."""
_SPACE: Final = r"[ \t\n\f\r]"
_ATTRIBUTE: Final = (
    rf"{_SPACE}+[^ \t\n\f\r\"'<>/=]+(?:{_SPACE}*={_SPACE}*(?:\"[^\"<>]*\"|'[^'<>]*'|[^ \t\n\f\r\"'=<>`]+))?"
)
_TOKEN: Final = re.compile(rf"<({_NAME})(?:{_ATTRIBUTE})*+{_SPACE}*/?>|</({_NAME}){_SPACE}*>|<!--|(-->)|<[a-zA-Z/!?]")
_ANY_TAG: Final = re.compile(r"</?[a-z!?][^<>]*>", re.IGNORECASE)
_ENDLESS: Final = re.compile(r"&#[0-9]{4000,};?")
"""A number that Python refuses to read with a ValueError; a browser shows a wrong character."""
_VOID: Final = {"br", "hr", "img", "meta"}
_REPEATED: Final = {"dd", "dt", "li", "option", "p", "td", "th", "tr"}
"""Such a tag ends one of the same name that is open."""
_LISTS: Final = {"div", "dl", "ol", "ul"}
"""Their end tag also ends the last entry in them, as the end of an entry or a cell ends the last paragraph in it."""
_COMMENT: Final = "!"
_UNCLEAR: Final = "?"


def too_deep(html: str) -> bool:
    """Whether more than `DEEPEST` tags may be nested.

    Where it is not clear, the answer is yes: an end tag that does not plainly end the innermost tag (it is another
    tag's, or in a comment, a script or an odd attribute) ends nothing. So a parser finds hardly any more depth.
    """
    if html.count("<") <= DEEPEST:
        return False
    opened: list[str] = []
    for token in _TOKEN.finditer(html):
        begun, ended, comment_ended = token.groups()
        if ended or comment_ended:
            _end(opened, ended.lower() if ended else _COMMENT)
        else:
            _begin(opened, begun.lower() if begun else _COMMENT if token[0] == "<!--" else _UNCLEAR)
        if len(opened) > DEEPEST:
            return True
    return False


def without_tags(html: str, put: str = "") -> str:
    """The text and its entities, found without a parser.

    Args:
        html: The HTML.
        put: Takes the place of each tag.
    """
    return _ENDLESS.sub("\ufffd", _ANY_TAG.sub(put, html))


def _begin(opened: list[str], name: str) -> None:
    if name not in _VOID and not (name in _REPEATED and opened and opened[-1] == name):
        opened.append(name)


def _end(opened: list[str], name: str) -> None:
    ended_too = _REPEATED if name in _LISTS else {"p"} if name in _REPEATED else set()
    at = len(opened) - 1
    while at >= 0 and opened[at] != name and opened[at] in ended_too:
        at -= 1
    if at >= 0 and opened[at] == name:
        del opened[at:]
