"""Protects cells from being calculated as formulas by a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, TypeVar

_T = TypeVar("_T")

_BEGINS_A_FORMULA: Final = frozenset("=+-@\N{MINUS SIGN}")
_SKIPPED: Final = frozenset("\t\r\n")
"""A spreadsheet skips these and reads a formula after them, or starts a new cell there."""

# Matches most texts; this check is faster than the full one.
_HARMLESS: Final = re.compile(r"[^\W_][^;\t\r\n]*")
_SEPARATED: Final = re.compile("([;\t\r\n]+)([^;\t\r\n]+)")


def guarded(value: _T) -> _T | str:
    """Return a cell that no spreadsheet reads as a formula.

    Args:
        value: Text from outside gets a leading `'` if it would be calculated; other values are returned unchanged.

    Source:
        OWASP, "CSV Injection". Full-width forms of the characters count too, and so do characters after spaces.
    """
    if not isinstance(value, str):
        return value
    first = next((char for char in value if char.isprintable() and not char.isspace()), "")
    risky = value[:1] in _SKIPPED or unicodedata.normalize("NFKC", first) in _BEGINS_A_FORMULA
    return f"'{value}" if risky else value


def guarded_in_csv(text: str) -> str:
    """Return a text that is not a formula in a CSV file, with any separator.

    In countries that use semicolons as separators, a spreadsheet starts a new cell after each semicolon, and ignores
    quotes around the text after it.
    """
    return text if _HARMLESS.fullmatch(text) else guarded(_SEPARATED.sub(_guarded_behind, text))


def _guarded_behind(match: re.Match[str]) -> str:
    separators, cell = match.groups()
    bare = cell.replace('"', "")
    return match[0] if guarded(bare) == bare else f"{separators}'{cell}"
