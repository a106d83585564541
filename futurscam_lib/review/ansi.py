"""Colours of a terminal as HTML.

nbconvert's own filter fails at sequences that are cut short, and its time grows with the square of their number.
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
"""What a code is about, and the class that it sets for that; empty: none."""


def coloured(text: str) -> str:
    """Text of a terminal as HTML: its 16 colours, bold, italic and underlined; other sequences are taken out.

    Args:
        text: Anything.
    """
    classes: dict[str, str] = {}
    parts, at = [], 0
    for found in ESCAPES.finditer(text):
        parts.append(_around(text[at : found.start()], classes))
        at = found.end()
        if found[2] == "m":
            _set(classes, found[1])
    return "".join([*parts, _around(text[at:], classes)])


def _around(text: str, classes: dict[str, str]) -> str:
    told = " ".join(filter(None, classes.values()))
    return f'<span class="{told}">{html.escape(text)}</span>' if told and text else html.escape(text)


def _set(classes: dict[str, str], sequence: str) -> None:
    codes = iter([code.lstrip("0") or "0" for code in sequence.split(";")])
    for code in codes:
        if code == "0":
            classes.clear()
        elif code in {"38", "48"}:
            about = "fg" if code == "38" else "bg"
            classes[about] = _of_many(about, codes)
        elif code in _CODES:
            about, told = _CODES[code]
            classes[about] = told


def _of_many(about: str, codes: Iterator[str]) -> str:
    """Class of one of 256 colours, of which the first 16 are the terminal's own; others, told in full, have none."""
    kind, colour = next(codes, ""), next(codes, "")
    if kind == "2":
        next(codes, "")
        next(codes, "")
    elif kind == "5" and colour in _OWN:
        return f"ansi-{_OWN[colour]}-{about}"
    return ""
