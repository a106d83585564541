"""When runs start: every so many minutes, on the clock of the machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from futurscam_lib.errors import UsageError
from futurscam_lib.report.text import duration

if TYPE_CHECKING:
    from datetime import datetime

DAY: Final = 24 * 60
_HOUR: Final = 60
_EVERY = re.compile(r"(?:(\d{1,2})h)?(?:(\d{1,4})m)?", re.ASCII)
_AT = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Starts as calendars write them: at each of the minutes of each of the hours."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]

    @property
    def every_hour(self) -> bool:
        """Whether it includes every hour."""
        return len(self.hours) * _HOUR == DAY

    def hours_text(self, form: str = "") -> str:
        """The hours as calendars write them: `0,12`, or `*` for all."""
        return "*" if self.every_hour else ",".join(format(hour, form) for hour in self.hours)

    def minutes_text(self, form: str = "") -> str:
        """The minutes of each hour: `0,30`."""
        return ",".join(format(minute, form) for minute in self.minutes)


@dataclass(frozen=True, slots=True)
class Timing:
    """When runs start.

    Attributes:
        every: Minutes from one start to the next, 1 to 1440.
        at: One of the starts, in minutes after midnight, local time.
    """

    every: int = _HOUR
    at: int = 0

    @property
    def divides_the_day(self) -> bool:
        """Whether the starts are at the same times each day, so that a calendar can hold them."""
        return DAY % self.every == 0

    @property
    def is_daily(self) -> bool:
        """Whether there is one start a day."""
        return self.every == DAY

    @property
    def starts(self) -> tuple[int, ...]:
        """All starts of a day, in minutes after midnight; only where they are the same each day."""
        return tuple(range(self.at % self.every, DAY, self.every))

    def patterns(self) -> tuple[Pattern, ...]:
        """The starts of a day in as few patterns as they need."""
        hours: dict[int, list[int]] = {}
        for start in self.starts:
            hours.setdefault(start % _HOUR, []).append(start // _HOUR)
        minutes: dict[tuple[int, ...], list[int]] = {}
        for minute, group in sorted(hours.items()):
            minutes.setdefault(tuple(group), []).append(minute)
        return tuple(Pattern(hours, tuple(group)) for hours, group in minutes.items())

    def first(self, now: datetime) -> datetime:
        """The first start after `now`, in the zone of `now`, which is taken for the machine's."""
        minute = now.replace(second=0, microsecond=0)
        if not self.divides_the_day:
            return minute + timedelta(minutes=self.every)
        midnight = minute.replace(hour=0, minute=0)
        passed = now.hour * _HOUR + now.minute
        later = next((start for start in self.starts if start > passed), self.starts[0] + DAY)
        return midnight + timedelta(minutes=later)

    def __str__(self) -> str:
        """Return the timing in words."""
        if not self.divides_the_day:
            return f"every {duration(60 * self.every)}, counted from the start of the schedule"
        if self.is_daily:
            return f"every day at {_time(self.at)}, local time"
        if self.every == _HOUR:
            return f"every hour, at minute {self.at % _HOUR:02}"
        return f"every {duration(60 * self.every)}, the first of a day at {_time(self.starts[0])}, local time"


def parse(every: str, at: str | None = None) -> Timing:
    """Read `--every` and `--at`.

    Raises:
        UsageError: One of them can't be read, or they don't fit together.
    """
    timing = Timing(_minutes(every), 0 if at is None else _minute_of_day(at))
    if at is not None and not timing.divides_the_day:
        raise UsageError(
            f"--at {at} can't be kept with --every {every}: that does not divide a day, so the starts move from "
            "day to day. Leave --at out, or take an --every like 15m, 45m, 2h or 24h."
        )
    return timing


def iso_duration(length: timedelta) -> str:
    """Whole minutes as XML schema writes them: `PT1H30M`."""
    hours, minutes = divmod(round(length.total_seconds() / 60), _HOUR)
    return f"PT{f'{hours}H' if hours else ''}{f'{minutes}M' if minutes or not hours else ''}"


def _minutes(text: str) -> int:
    match = _EVERY.fullmatch(text.strip().lower())
    minutes = int(match[1] or 0) * _HOUR + int(match[2] or 0) if match else 0
    if not 1 <= minutes <= DAY:
        raise UsageError(f"--every is {text!r}; allowed: 1m to 24h, like 15m, 1h, 1h30m or 24h. Nothing has changed.")
    return minutes


def _minute_of_day(text: str) -> int:
    match = _AT.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--at is {text!r}; allowed: a time of day like 06:30. Nothing has changed.")
    return int(match[1]) * _HOUR + int(match[2])


def _time(minutes: int) -> str:
    return f"{minutes // _HOUR:02}:{minutes % _HOUR:02}"
