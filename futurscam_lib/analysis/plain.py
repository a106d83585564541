"""Convert the HTML of descriptions to plain text."""

from __future__ import annotations

import html
import re
from typing import Final

import nh3

from futurscam_lib.nesting import too_deep, without_tags

_LINES: Final = re.compile(r"<br\b[^<>]*>|</(?:p|div|li|h[1-6]|tr|ul|ol|dt|dd|pre|blockquote)\s*>", re.IGNORECASE)
_ITEM: Final = re.compile(r"<li\b[^<>]*>", re.IGNORECASE)
_CELL: Final = re.compile(r"</t[dh]\s*>", re.IGNORECASE)
_BLANKS: Final = re.compile(r"[^\S\n]+")
_SPACE: Final = re.compile(r" ?\n[ \n]*")


def plain_text(markup: str) -> str:
    """Convert HTML to text: one line per paragraph, list item and row, a dot before each list item, and no tags."""
    marked = _CELL.sub(" \\g<0>", _LINES.sub("\n\\g<0>", _ITEM.sub("\\g<0>• ", markup)))
    # The parser would take minutes for tags that are nested too deeply.
    bare = without_tags(marked) if too_deep(marked) else nh3.clean(marked, tags=set())
    text = html.unescape(bare)
    return _SPACE.sub("\n", _BLANKS.sub(" ", text)).strip()
