"""Sanitises the HTML of notebooks: removes everything that is not on the list of allowed tags and attributes."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import nh3

from futurscam_lib.report.tables import is_inside
from futurscam_lib.review.ansi import COLOURS

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXT: Final = (
    "a",
    "abbr",
    "b",
    "br",
    "code",
    "del",
    "em",
    "hr",
    "i",
    "kbd",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
)
_MORE_TEXT: Final = ("strong", "sub", "sup", "u", "var", "blockquote", "div", "h1", "h2", "h3", "h4", "h5", "h6", "img")
_LISTS: Final = ("ul", "ol", "li", "dl", "dt", "dd")
_TABLES: Final = ("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td")
_TAGS: Final = {*_TEXT, *_MORE_TEXT, *_LISTS, *_TABLES}
_ATTRIBUTES: Final = {
    "a": {"href"},
    "img": {"src", "alt"},
    "div": {"id"},
    "td": {"style", "colspan", "rowspan", "data-status", "data-value"},
    "th": {"style", "colspan", "rowspan", "scope"},
}
_DROPPED_WHOLE: Final = {"script", "style", "iframe", "object", "embed", "svg", "math", "template", "noscript", "title"}
_CELLS: Final = {"cell", "code_cell", "text_cell", "input", "inner_cell", "input_area", "prompt", "input_prompt"}
_OUTPUTS: Final = {
    "output",
    "output_area",
    "output_prompt",
    "output_text",
    "output_stream",
    "output_stderr",
    "output_error",
}
_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/=\s]+")
_ELSEWHERE: Final = re.compile(r"(?:https?|mailto):[^\s]+")
_RIGHT: Final = "text-align:right"
_WORD: Final = re.compile("[a-z]{1,20}")


def cleaned(html: str, *, own: str, linked: bool = False) -> str:
    """Return the HTML without anything that runs code or loads something.

    Args:
        html: Any text. Cleaning takes quadratic time in the depth of its tags: see `nesting`.
        own: Ids that start with this are kept; the author of the text cannot know it. Empty: all ids are removed.
        linked: Whether links to files in the folder of the page are kept, too.
    """
    # A lone surrogate cannot be written as UTF-8.
    text: str = _cleaner(own, linked=linked).clean(html.encode("utf-8", "replace").decode())
    return text


@lru_cache(maxsize=4)
def _cleaner(own: str, *, linked: bool) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags=_DROPPED_WHOLE,
        attributes=_ATTRIBUTES,
        attribute_filter=_filter(own, linked=linked),
        allowed_classes=_classes(),
        url_schemes={"http", "https", "mailto", "data"},
        strip_comments=True,
        link_rel="noopener noreferrer nofollow",
    )


def _filter(own: str, *, linked: bool) -> Callable[[str, str, str], str | None]:
    def kept(_tag: str, name: str, value: str) -> str | None:
        if name == "href":
            allowed = bool(_ELSEWHERE.fullmatch(value)) or (linked and is_inside(value))
        elif name == "src":
            allowed = bool(_PICTURE.fullmatch(value))
        elif name == "id":
            allowed = bool(own) and value.startswith(own)
        elif name == "style":
            return _RIGHT if _RIGHT in value.replace(" ", "") else None
        else:
            allowed = name != "data-status" or bool(_WORD.fullmatch(value))
        return value if allowed else None

    return kept


def _classes() -> dict[str, set[str]]:
    pygments: Any = import_module("pygments.token")
    ansi = {f"ansi-{colour}-{kind}" for colour in COLOURS for kind in ("fg", "bg", "intense-fg", "intense-bg")}
    code = {name for name in pygments.STANDARD_TYPES.values() if name}
    return {
        "span": {*code, *ansi, "ansi-bold", "ansi-italic", "ansi-underline"},
        "div": {*_CELLS, *_OUTPUTS, "highlight", "scroll"},
        "table": {"calendar"},
        "td": {"number", "stamp", "long"},
    }
