"""Time: valid and invalid instants, and sortable text."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib import clock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=OFFSETS)  # noqa: DTZ001 - bounds are naive


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-23T12:00:00+00:00", NOON),
        ("2026-11-23T12:00:00Z", NOON),
        ("2026-11-23T12:00:00z", NOON),
        ("2026-11-23 12:00", NOON),
        (" 2026-11-23T12:00:00 \r\n", NOON),
        ("2026-11-23T13:00:00+0100", NOON),
        ("2026-11-23T13:00:00+01", NOON),
        ("2026-11-23T07:00:00-05:00", NOON),
        ("2026-11-23", NOON.replace(hour=0)),
        ("2026-11-23T12:00:00,5Z", NOON.replace(microsecond=500_000)),
        ("2025-11-12T10:01:42.3048406Z", datetime(2025, 11, 12, 10, 1, 42, 304_840, tzinfo=UTC)),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_however_its_offset_and_fraction_are_written(text: str, instant: datetime) -> None:
    """Every form that the sources send gives one aware instant, UTC."""
    parsed = clock.parse(text)

    assert parsed == instant
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "immediate",
        "2026-07-08+02:00",
        "2026-W28-3",
        "20260708T120000Z",
        "12:00:00",
        "2026-02-30",
        "2026-11-23T24:01:00",
        "2026-11-23T12:00:00+25:00",
        "2026-11-23T12:00:00.1234567890Z",
        "2026-11-23T12:00:00Z 2026-11-23T13:00:00Z",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59-02:00",
        "2026-11-23T12:00:00Z\0",
    ],
)
def test_invalid_instants_are_refused_and_quoted(text: str) -> None:
    """Python 3.11 reads a date with an offset as a naive time; this and everything else vague is a ValueError."""
    with pytest.raises(ValueError, match="is not an instant") as caught:
        clock.parse(text)

    assert repr(text[:60]) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        " 2026-01-01T00:00:00 ",
        "2026-01-01T23:59:59+14:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T whenever",
    ],
)
def test_the_written_day_is_read(text: str) -> None:
    """Any time and offset after it are ignored."""
    assert clock.day(text) == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "2026-02-30", "2026-01-010", "2026-01-01Z", "1767225600", "01/01/2026"])
def test_a_text_without_a_day_at_its_start_is_refused(text: str) -> None:
    """Also where the beginning of some other number looks like one."""
    with pytest.raises(ValueError, match=r"is not an instant|does not begin with a day"):
        clock.day(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-11-20T23:59:59.997", datetime(2025, 11, 20, 23, 59, 59, 997_000, tzinfo=UTC)),
        ("2025-11-20T23:59:59.997Z", datetime(2025, 11, 20, 23, 59, 59, 997_000, tzinfo=UTC)),
        ("2026-07-31T23:59+02:00", datetime(2026, 7, 31, 21, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-07-31 23:59:00+14:00", datetime(2026, 7, 31, 21, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-07-31T23:59:00-05:00", datetime(2026, 8, 1, 4, 59, tzinfo=UTC)),
        ("2026-07-31", datetime(2026, 7, 31, 21, 59, 59, 999_000, tzinfo=UTC)),
        (" 2026-12-31 ", datetime(2026, 12, 31, 22, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-03-29", datetime(2026, 3, 29, 21, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-10-25", datetime(2026, 10, 25, 22, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-07-31T22:59:59", datetime(2026, 7, 31, 22, 59, 59, tzinfo=UTC)),
        ("2026-07-31T00:00:00", datetime(2026, 7, 31, tzinfo=UTC)),
    ],
)
def test_a_whole_day_deadline_ends_when_the_day_ends_in_brussels(text: str, instant: datetime) -> None:
    """Or later, where the written instant is later; also on days of 23 and 25 hours. Any other time is believed."""
    assert clock.deadline(text) == instant


@pytest.mark.parametrize(
    ("text", "hour", "minute"),
    [
        ("2026-01-15T12:00:00", 11, 0),
        ("2026-07-15T12:00:00", 10, 0),
        ("2026-03-29T01:59:00", 0, 59),
        ("2026-03-29T02:30:00", 1, 30),
        ("2026-03-29T03:00:00", 1, 0),
        ("2026-10-25T02:30:00", 0, 30),
        ("2026-10-25T03:00:00", 2, 0),
        ("2026-07-15T12:00:00Z", 12, 0),
    ],
)
def test_a_naive_instant_is_taken_in_its_zone(text: str, hour: int, minute: int) -> None:
    """Brussels, winter and summer, the hour that is missing and the one that is twice; `Z` stays UTC."""
    parsed = clock.parse(text, naive=clock.BRUSSELS)

    assert (parsed.hour, parsed.minute) == (hour, minute)


def test_the_first_year_in_a_zone_ahead_of_utc_is_refused() -> None:
    """A placeholder date before what `datetime` can hold is a ValueError, not an OverflowError."""
    with pytest.raises(ValueError, match="is not an instant"):
        clock.parse("0001-01-01T00:00:00", naive=clock.BRUSSELS)


def test_sortable_text_keeps_the_seventh_digit() -> None:
    """Two versions that differ only in the seventh digit sort as they happened."""
    assert clock.sortable("2025-11-12T10:01:42.3048406Z") == "2025-11-12T10:01:42.3048406Z"
    assert clock.sortable("2025-11-12T10:01:42.3048406Z") < clock.sortable("2025-11-12T11:01:42.3048407+01:00")


@given(first=INSTANTS, second=INSTANTS)
def test_sortable_text_sorts_as_time_does(first: datetime, second: datetime) -> None:
    """For all offsets and years, text order is time order, and both functions give the same text."""
    texts = clock.sortable(first.isoformat()), clock.sortable(second.isoformat())

    assert (texts[0] < texts[1]) == (first < second)
    assert texts == (clock.to_sortable(first), clock.to_sortable(second))
    assert {len(text) for text in texts} == {len("2025-11-12T10:01:42.3048406Z")}


@given(instant=INSTANTS)
def test_written_text_is_read_back_unchanged(instant: datetime) -> None:
    """`to_text` keeps the microseconds, and always writes them."""
    text = clock.to_text(instant)

    assert clock.parse(text) == instant
    assert len(text) == len("2026-11-23T13:25:01.223000+00:00")


def test_people_and_names_get_utc() -> None:
    """An instant from another zone is shown in UTC."""
    instant = datetime(2026, 11, 23, 14, 25, 1, 223_000, tzinfo=timezone(timedelta(hours=1)))

    assert clock.to_people(instant) == "2026-11-23 13:25:01.223000 UTC"
    assert clock.to_stamp(instant) == "20261123T132501Z"


@pytest.mark.parametrize(
    ("seconds", "instant"),
    [(0.0, clock.EPOCH), (1.5, clock.EPOCH + timedelta(seconds=1.5)), (-1e30, clock.EPOCH)],
)
def test_a_modification_time_becomes_an_instant(seconds: float, instant: datetime) -> None:
    """A file system's nonsense is clamped, not raised."""
    assert clock.from_epoch(seconds) == instant
    assert clock.from_epoch(1e30).year == 9999


def test_now_is_aware() -> None:
    """The present instant is UTC."""
    assert clock.now().tzinfo is UTC


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_a_day_is_read_as_it_was_written(day: date) -> None:
    """It is stored as midnight UTC or, in earlier documents, as midnight in Brussels."""
    midnight = datetime.combine(day, time.min)

    assert clock.calendar_day(midnight.replace(tzinfo=UTC)) == day
    assert clock.calendar_day(midnight.replace(tzinfo=clock.BRUSSELS).astimezone(UTC)) == day
    assert clock.calendar_day(midnight) == day


def test_the_last_hours_of_the_year_9999_are_a_day() -> None:
    """In Brussels it is the year 10000 by then."""
    assert clock.calendar_day(datetime.max.replace(tzinfo=UTC)) == date.max
