"""When runs start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.errors import UsageError
from futurscam_lib.schedule import timing
from futurscam_lib.schedule.timing import DAY, Timing

BRUSSELS = ZoneInfo("Europe/Brussels")


@pytest.mark.parametrize(
    ("every", "at", "expected"),
    [
        ("1h", None, Timing(60, 0)),
        ("15m", None, Timing(15, 0)),
        ("2h", "06:30", Timing(120, 390)),
        ("24h", "6:05", Timing(1440, 365)),
        ("1h30m", "00:00", Timing(90, 0)),
        ("60m", None, Timing(60, 0)),
        ("1440m", "23:59", Timing(1440, 1439)),
        (" 1H ", None, Timing(60, 0)),
        ("7m", None, Timing(7, 0)),
        ("1m", None, Timing(1, 0)),
    ],
)
def test_lengths_and_times_of_day(every: str, at: str | None, expected: Timing) -> None:
    """Common notations are read."""
    assert timing.parse(every, at) == expected


@pytest.mark.parametrize(
    ("every", "at", "named"),
    [
        ("0m", None, "'0m'"),
        ("25h", None, "'25h'"),
        ("1441m", None, "'1441m'"),
        ("24h1m", None, "'24h1m'"),
        ("60", None, "1m to 24h"),
        ("", None, "''"),
        ("hourly", None, "'hourly'"),
        ("1.5h", None, "'1.5h'"),
        ("-1h", None, "'-1h'"),
        ("30s", None, "'30s'"),
        ("\u0661h", None, "--every"),
        ("1h", "24:00", "'24:00'"),
        ("1h", "6.30", "'6.30'"),
        ("1h", "", "--at is ''"),
        ("1h", "06:60", "06:30"),
        ("7m", "06:30", "does not divide a day"),
    ],
)
def test_impossible_timings_are_refused(every: str, at: str | None, named: str) -> None:
    """The message quotes the value, and names what is allowed."""
    with pytest.raises(UsageError, match=r"(?s).") as refused:
        timing.parse(every, at)

    assert named in str(refused.value)


@given(st.sampled_from([n for n in range(1, DAY + 1) if DAY % n == 0]), st.integers(0, DAY - 1))
def test_patterns_hold_every_start_once(every: int, at: int) -> None:
    """For any divisor of a day: the patterns hold each start once, and `at` is one of them."""
    timing = Timing(every, at)

    starts = sorted(hour * 60 + minute for p in timing.patterns() for hour in p.hours for minute in p.minutes)

    assert starts == list(timing.starts)
    assert at in starts
    assert len(starts) == DAY // every
    assert {(late - early) % DAY for early, late in zip(starts, starts[1:] + starts[:1], strict=True)} == {every % DAY}


@given(st.integers(1, DAY), st.integers(0, DAY - 1), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001 - hypothesis wants them so
def test_the_first_start_comes_after_now_and_within_one_length(every: int, at: int, naive: datetime) -> None:
    """For any length and instant, the first start comes within one interval."""
    now = naive.replace(tzinfo=UTC)

    first = Timing(every, at).first(now)

    assert timedelta(0) < first - now <= timedelta(minutes=every)
    assert DAY % every or first.hour * 60 + first.minute in Timing(every, at).starts


def test_the_first_start_is_in_local_time() -> None:
    """The time of day is that of the machine's zone."""
    noon = datetime(2026, 7, 1, 12, 0, tzinfo=BRUSSELS)

    assert timing.parse("24h", "06:30").first(noon) == datetime(2026, 7, 2, 4, 30, tzinfo=UTC)
    assert timing.parse("1h").first(noon) == datetime(2026, 7, 1, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "at", "words"),
    [
        ("1h", "00:05", "every hour, at minute 05"),
        ("24h", "06:30", "every day at 06:30, local time"),
        ("90m", "06:30", "every 1 h 30 min, the first of a day at 00:30, local time"),
        ("7m", None, "every 7 min, counted from the start of the schedule"),
    ],
)
def test_in_words(every: str, at: str | None, words: str) -> None:
    """The timing in words."""
    assert str(timing.parse(every, at)) == words


@pytest.mark.parametrize(("minutes", "text"), [(1, "PT1M"), (60, "PT1H"), (90, "PT1H30M"), (1445, "PT24H5M")])
def test_durations_of_xml(minutes: int, text: str) -> None:
    """Whole minutes, without what is zero."""
    assert timing.iso_duration(timedelta(minutes=minutes)) == text
