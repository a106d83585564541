"""Text from outside on a terminal: several lines of it, and none that steers the terminal.

One line in a table is `show.as_text`.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Final

ESCAPES: Final = re.compile(r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""The escape sequences of a terminal; of one that colours text, the groups hold its codes and the letter `m`."""

_ENDS: Final = re.compile(r"\r\n?")


def without_escapes(text: str) -> str:
    """The text without colours and other escape sequences; all else stays."""
    return ESCAPES.sub("", text)


def plain(text: str) -> str:
    """The text without colours and other escape sequences; what else is no letter becomes `\ufffd`, lines stay."""
    lines = _ENDS.sub("\n", without_escapes(text)).split("\n")
    return "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line.expandtabs(4)) for line in lines)


def in_colour() -> bool:
    """Whether stdout takes colours, and nobody asked for none (https://no-color.org)."""
    try:
        watched = sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False
    return watched and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
