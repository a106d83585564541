"""Makes text from outside safe for a terminal; keeps several lines.

For one line in a table, see `tables.as_text`.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Final

ESCAPES: Final = re.compile(r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""The escape sequences of a terminal; for a colour, the groups hold its codes and the letter `m`."""

_ENDS: Final = re.compile(r"\r\n?")


def without_escapes(text: str) -> str:
    """Remove colours and other escape sequences from a text."""
    return ESCAPES.sub("", text)


def plain(text: str) -> str:
    """Remove escape sequences and replace other unprintable characters by `\ufffd`; line ends are kept."""
    lines = _ENDS.sub("\n", without_escapes(text)).split("\n")
    return "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line.expandtabs(4)) for line in lines)


def in_colour() -> bool:
    """Whether stdout supports colours and the user has not disabled them (https://no-color.org)."""
    try:
        watched = sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False
    return watched and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
