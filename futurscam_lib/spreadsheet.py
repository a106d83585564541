"""Cells that a spreadsheet shows as they are, instead of calculating them."""

from __future__ import annotations

import unicodedata
from typing import Final, TypeVar

_T = TypeVar("_T")

_BEGINS_A_FORMULA: Final = frozenset("=+-@\N{MINUS SIGN}")
_SKIPPED: Final = frozenset("\t\r\n")
"""A spreadsheet passes over these and reads a formula behind them, or begins a cell of its own there."""


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
