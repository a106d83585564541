"""Cells that a spreadsheet shows as they are, instead of calculating them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, TypeVar

_T = TypeVar("_T")

_BEGINS_A_FORMULA: Final = frozenset("=+-@\N{MINUS SIGN}")
_SKIPPED: Final = frozenset("\t\r\n")
"""A spreadsheet passes over these and reads a formula behind them, or begins a cell of its own there."""

# What most texts are; to see that is quicker than to guard them.
_HARMLESS: Final = re.compile(r"[^\W_][^;\t\r\n]*")
_SEPARATED: Final = re.compile("([;\t\r\n]+)([^;\t\r\n]+)")


def guarded(value: _T) -> _T | str:
    """A cell that no spreadsheet reads as a formula.

    Args:
        value: Text from outside gets a leading `'` where it would be calculated; anything else, like a number, stays.

    Source:
        OWASP, "CSV Injection". Full-width forms of the characters count too, and so do they behind spaces.
    """
    if not isinstance(value, str):
        return value
    first = next((char for char in value if char.isprintable() and not char.isspace()), "")
    risky = value[:1] in _SKIPPED or unicodedata.normalize("NFKC", first) in _BEGINS_A_FORMULA
    return f"'{value}" if risky else value


def guarded_in_csv(text: str) -> str:
    """A text that is no formula in a file of CSV, whatever separates its cells.

    A spreadsheet of a country that separates by semicolons begins a cell of its own after each of them, and the quotes
    around what follows are no part of it.
    """
    return text if _HARMLESS.fullmatch(text) else guarded(_SEPARATED.sub(_guarded_behind, text))


def _guarded_behind(found: re.Match[str]) -> str:
    separators, cell = found.groups()
    bare = cell.replace('"', "")
    return found[0] if guarded(bare) == bare else f"{separators}'{cell}"
