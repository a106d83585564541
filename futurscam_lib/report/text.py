"""Formats durations, sizes and instants for people, the same everywhere in the program."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from futurscam_lib import clock

_MINUTE: Final = 60
_THOUSAND: Final = 1000
_CHARACTERS: Final = {"minutes": 16, "seconds": 19, "microseconds": 26}


ZONE: Final = "UTC"
"""The name of the zone in which `in_zone` shows instants; headings name it."""


def in_zone(moment: datetime) -> datetime:
    """Return an instant in the time zone for display. Only this function and `ZONE` decide which zone that is."""
    return moment.astimezone(UTC)


def duration(length: float | timedelta) -> str:
    """Format a duration in its two largest units: `4.2 s`, `12 min 5 s`, `2 h`, `3 d 4 h`; a number is seconds."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < _MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    first = next(place for place, (number, _) in enumerate(units) if number)
    return " ".join(f"{number:,} {unit}" for number, unit in units[first : first + 2] if number)


def size(number: int) -> str:
    """Format a number of bytes: `512 bytes`, `12.3 kB`, `4.0 MB`; a kB is 1,000 bytes."""
    if number < _THOUSAND:
        return f"{number} bytes"
    if number < _THOUSAND**2:
        return f"{number / _THOUSAND:,.1f} kB"
    return f"{number / _THOUSAND**2:,.1f} MB"


def instant(moment: datetime | str, *, to: Literal["minutes", "seconds", "microseconds"] = "seconds") -> str:
    """Format an instant in UTC: `2026-11-23 13:25:01 UTC`.

    Args:
        moment: Aware, or ISO 8601 text; any other text is returned unchanged.
        to: The smallest unit to show.
    """
    if isinstance(moment, str):
        try:
            return instant(clock.parse(moment), to=to)
        except ValueError:
            return moment
    return f"{bare_instant(moment, to=to)} {ZONE}"


def bare_instant(moment: datetime, *, to: Literal["minutes", "seconds", "microseconds"] = "minutes") -> str:
    """Format an instant without the zone, for use under a heading that names it: `2026-11-23 13:25`."""
    return in_zone(moment).isoformat(" ", "microseconds")[: _CHARACTERS[to]]


def span(since: datetime | str, until: datetime | str) -> str:
    """Format two instants: `2026-11-22 13:25 until 2026-11-23 13:25 UTC`."""
    return f"{instant(since, to='minutes').removesuffix(f' {ZONE}')} until {instant(until, to='minutes')}"
