"""Durations, sizes and instants as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from futurscam_lib.report import text


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (0, "0 s"),
        (4.25, "4.2 s"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (-90, "-1 min 30 s"),
    ],
)
def test_durations(length: float | timedelta, words: str) -> None:
    """The two largest units; a unit of zero is left out."""
    assert text.duration(length) == words


@pytest.mark.parametrize(("number", "words"), [(0, "0 bytes"), (12_345, "12.3 kB"), (4_000_000, "4.0 MB")])
def test_sizes(number: int, words: str) -> None:
    """A kB is 1,000 bytes."""
    assert text.size(number) == words


@pytest.mark.parametrize(
    ("moment", "more", "words"),
    [
        (datetime(2026, 11, 23, 13, 25, 1, 223000, UTC), {}, "2026-11-23 13:25:01 UTC"),
        ("2026-11-23T14:25:01+01:00", {"to": "minutes"}, "2026-11-23 13:25 UTC"),
        ("2026-11-23T13:25:01Z", {"to": "microseconds"}, "2026-11-23 13:25:01.000000 UTC"),
        ("yesterday", {}, "yesterday"),
    ],
)
def test_instants(moment: datetime | str, more: dict[str, Any], words: str) -> None:
    """UTC; a text that is not an instant is shown as it is."""
    assert text.instant(moment, **more) == words
