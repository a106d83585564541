"""All time handling: now, parse, format. Everything inside is aware and UTC.

An instant that orders versions is kept as text with seven fraction digits, because Pro Unity's `timeStamp` has
seven and `datetime` cuts the last one.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

BRUSSELS = ZoneInfo("Europe/Brussels")
EARLIEST = datetime.min.replace(tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Excludes forms that `datetime.fromisoformat` reads wrongly or too generously on some Python versions:
# a date with an offset but no time, week dates, times without a date.
_ISO = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2}(?:[.,](?P<fraction>\d{1,9}))?)?)"
    r" ?(?P<offset>Z|z|[+-]\d{2}(?::?[0-5]\d)?)?)?",
    re.ASCII,
)


def now() -> datetime:
    """The present instant, UTC."""
    return datetime.now(UTC)


def parse(text: str, *, naive: ZoneInfo | None = None) -> datetime:
    """Read an ISO 8601 instant.

    Args:
        text: `2026-11-23`, `2026-11-23T13:25:01.2230000Z`, `2026-03-12T09:24:00+0100`; at most nine fraction
            digits, of which six are kept.
        naive: The zone of an instant without an offset; by default UTC.

    Returns:
        The instant, aware, UTC.

    Raises:
        ValueError: The text is not such an instant; the message quotes it.
    """
    return _parse(text, naive)[0]


def sortable(text: str, *, naive: ZoneInfo | None = None) -> str:
    """Read an ISO 8601 instant and return it as text that sorts by time: UTC, seven fraction digits, `Z`.

    Raises:
        ValueError: See `parse`.
    """
    instant, fraction = _parse(text, naive)
    # Not strftime: it does not pad a year before 1000 on every system.
    return f"{instant.isoformat()[:19]}.{fraction[:7]:0<7}Z"


def day(text: str) -> datetime:
    """Read the calendar day at the start of a text, as midnight UTC of that day; ignores the time and offset after it.

    Raises:
        ValueError: The text does not begin with a day like `2026-11-23`; the message quotes it.
    """
    return _day(text.strip()[:11])


def deadline(text: str, *, naive: ZoneInfo | None = None) -> datetime:
    """Read an ISO 8601 instant at which something closes.

    A whole day (a date without a time, or with 23:59) ends when the day ends in Brussels, or at the written instant
    if that is later.

    Args:
        text: See `parse`.
        naive: See `parse`.

    Raises:
        ValueError: See `parse`.
    """
    instant, text = parse(text, naive=naive), text.strip()
    if len(text) > len("2026-11-23") and text[11:16] != "23:59":
        return instant
    return max(instant, _end_in_brussels(_day(text[:11])))


def to_sortable(instant: datetime) -> str:
    """Return an aware `datetime` as the text that `sortable` gives."""
    return f"{to_text(instant)[:26]}0Z"


def to_text(instant: datetime) -> str:
    """ISO 8601, UTC, always with microseconds: `2026-11-23T13:25:01.223000+00:00`."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def to_stamp(instant: datetime) -> str:
    """For names: `20261123T132501Z`."""
    return to_text(instant)[:19].replace("-", "").replace(":", "") + "Z"


def to_people(instant: datetime) -> str:
    """For a message: `2026-11-23 13:25:01.223000 UTC`."""
    return to_text(instant)[:26].replace("T", " ") + " UTC"


def calendar_day(instant: datetime) -> date:
    """Return the calendar day that an instant in a document means.

    A day is kept as midnight UTC. Documents made by an earlier mapping keep it as midnight in Brussels, which is 22:00
    or 23:00 UTC of the day before: any instant that is not midnight UTC counts by the calendar of Brussels.

    Args:
        instant: Aware; one without an offset is UTC.
    """
    utc = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    if utc.time() == time.min:
        return utc.date()
    try:
        return utc.astimezone(BRUSSELS).date()
    except OverflowError:  # The last hours of the year 9999.
        return utc.date()


def to_millisecond(instant: datetime) -> datetime:
    """An instant as MongoDB keeps it."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def from_epoch(seconds: float) -> datetime:
    """Instant of a file's modification time, clamped to what `datetime` can hold."""
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return EPOCH if seconds < 0 else datetime.max.replace(tzinfo=UTC)


def from_microseconds(microseconds: int) -> datetime:
    """Instant of a whole number of microseconds since 1970, clamped to what `datetime` can hold."""
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return EPOCH if microseconds < 0 else datetime.max.replace(tzinfo=UTC)


def to_microseconds(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=4096)
def _day(text: str) -> datetime:
    # A date alone, or with a time behind a T or a space: not the beginning of some other number.
    if text[10:11] not in {"", "T", " "}:
        msg = f"{text!r} does not begin with a day like 2026-11-23"
        raise ValueError(msg)
    return _parse(text[:10], None)[0]


@lru_cache(maxsize=4096)
def _end_in_brussels(day: datetime) -> datetime:
    # Not the start plus 24 hours: two days of the year have 23 and 25 hours.
    return day.replace(hour=23, minute=59, second=59, microsecond=999_000, tzinfo=BRUSSELS).astimezone(UTC)


# Cached: many missions have the same start, end and deadline.
@lru_cache(maxsize=4096)
def _parse(text: str, naive: ZoneInfo | None) -> tuple[datetime, str]:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        msg = f"{text[:60]!r} is not an instant like 2026-11-23T13:25:01.223000+00:00"
        raise ValueError(msg)
    date, time, fraction, offset = match.groups(default="")
    if offset in {"Z", "z"} or not (offset or naive):
        offset = "+00:00"
    micro = f".{fraction[:6]:0<6}" if fraction else ""
    try:
        instant = datetime.fromisoformat(f"{date}T{time[:8] or '00:00'}{micro}{offset}")
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=naive)
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = f"{text[:60]!r} is not an instant: {error}"
        raise ValueError(msg) from error
    return instant, fraction
