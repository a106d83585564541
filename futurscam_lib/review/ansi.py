"""Converts terminal colours to HTML.

nbconvert's own filter fails on truncated escape sequences, and takes quadratic time when there are many.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from futurscam_lib.report.terminal import ESCAPES

if TYPE_CHECKING:
    from collections.abc import Iterator

COLOURS: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_OWN: Final = {str(n): colour for n, colour in enumerate((*COLOURS, *(f"{colour}-intense" for colour in COLOURS)))}
_CODES: Final = {
    "1": ("weight", "ansi-bold"),
    "3": ("slant", "ansi-italic"),
    "4": ("line", "ansi-underline"),
    "22": ("weight", ""),
    "23": ("slant", ""),
    "24": ("line", ""),
    "39": ("fg", ""),
    "49": ("bg", ""),
    **{f"3{n}": ("fg", f"ansi-{colour}-fg") for n, colour in enumerate(COLOURS)},
    **{f"4{n}": ("bg", f"ansi-{colour}-bg") for n, colour in enumerate(COLOURS)},
    **{f"9{n}": ("fg", f"ansi-{colour}-intense-fg") for n, colour in enumerate(COLOURS)},
    **{f"10{n}": ("bg", f"ansi-{colour}-intense-bg") for n, colour in enumerate(COLOURS)},
}
"""For each code: the property that it sets, and the CSS class for it; empty: no class."""


def coloured(text: str) -> str:
    """Convert terminal text to HTML: 16 colours, bold, italic and underlined; other sequences are removed.

    Args:
        text: Any text.
    """
    classes: dict[str, str] = {}
    parts, at = [], 0
    for sequence in ESCAPES.finditer(text):
        parts.append(_around(text[at : sequence.start()], classes))
        at = sequence.end()
        if sequence[2] == "m":
            _set(classes, sequence[1])
    return "".join([*parts, _around(text[at:], classes)])


def _around(text: str, classes: dict[str, str]) -> str:
    names = " ".join(filter(None, classes.values()))
    return f'<span class="{names}">{html.escape(text)}</span>' if names and text else html.escape(text)


def _set(classes: dict[str, str], sequence: str) -> None:
    codes = iter([code.lstrip("0") or "0" for code in sequence.split(";")])
    for code in codes:
        if code == "0":
            classes.clear()
        elif code in {"38", "48"}:
            about = "fg" if code == "38" else "bg"
            classes[about] = _of_many(about, codes)
        elif code in _CODES:
            about, name = _CODES[code]
            classes[about] = name


def _of_many(about: str, codes: Iterator[str]) -> str:
    """The class of one of 256 colours; only the first 16 have one, and RGB colours have none."""
    kind, colour = next(codes, ""), next(codes, "")
    if kind == "2":
        next(codes, "")
        next(codes, "")
    elif kind == "5" and colour in _OWN:
        return f"ansi-{_OWN[colour]}-{about}"
    return ""
