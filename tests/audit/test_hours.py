"""The hours that had a run, those that should have had one, and the calendar that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.audit.hours import page_of
from futurscam_lib.report.tables import Link
from tests.review.test_review import HOUR, T0, column, hourly, looked_at

if TYPE_CHECKING:
    from datetime import datetime

    from tests.made_runs import MadeRuns

MINUTE = HOUR / 60


def missing(made: MadeRuns, *, now: datetime, days: float = 7) -> list[str]:
    """The missing hours."""
    return [f"{hour:%d %H}" for hour in looked_at(made, now=now, days=days).hours.missing]


def test_an_hour_without_a_run_is_missing(made: MadeRuns) -> None:
    """Where runs come every hour: between two of them and after the last; not before the first, not the present one."""
    hourly(made, [0, 1, 2, 4, 5, 8])

    assert missing(made, now=T0 + 10.5 * HOUR) == ["02 11", "02 14", "02 15", "02 17"]
    assert missing(made, now=T0 + 8.9 * HOUR) == ["02 11", "02 14", "02 15"]
    assert missing(made, now=T0 + 10.5 * HOUR, days=3 / 24) == ["02 17"]
    review = looked_at(made, now=T0 + 10.5 * HOUR)
    texts = [finding.text for finding in review.found if finding.what == "missing hours"]
    assert texts[1] == "2 hours in which a run was due and none started: 2026-11-02 14:00 to 2026-11-02 15:59."
    assert review.counts()["missing hours"] == 4
    row = review.calendar.tables[0].rows[0]
    assert [str(cell) for cell in row[9:20]] == [
        *("ok", "ok", "ok", "none", "ok", "ok", "none", "none", "ok", "none", "")
    ]


def test_a_home_that_runs_every_four_hours_misses_no_other_hours(made: MadeRuns) -> None:
    """The interval is inferred from the runs; a skipped run is still detected."""
    hourly(made, [0, 4, 8, 13, 14, 16, 24, 28])

    assert missing(made, now=T0 + 31 * HOUR) == ["03 04"]
    assert missing(made, now=T0 + 37 * HOUR) == ["03 04", "03 16", "03 20"]
    texts = [finding.text for finding in looked_at(made, now=T0 + 37 * HOUR).found]
    assert texts[0] == "2 hours in which a run was due and none started: 2026-11-03 16:00 to 2026-11-03 20:59."
    assert len(texts) == 2


def test_a_burst_of_runs_does_not_change_the_interval(made: MadeRuns) -> None:
    """Ten runs within ten minutes say nothing about the hours."""
    hourly(made, [minute / 60 for minute in range(10)])
    assert missing(made, now=T0 + 30 * HOUR) == []

    hourly(made, [6, 12, 18, 24])
    assert missing(made, now=T0 + 29 * HOUR) == []


def test_few_runs_give_no_interval(made: MadeRuns) -> None:
    """Two runs do not make a schedule."""
    hourly(made, [0, 1])

    assert missing(made, now=T0 + 99 * HOUR) == []
    assert "Too few runs" in repr(looked_at(made, now=T0 + 99 * HOUR).calendar)


def test_a_run_a_minute_late_leaves_no_hour_missing(made: MadeRuns) -> None:
    """08:59, 09:59 and 11:01 are an hour apart, although none of them started between ten and eleven."""
    hourly(made, [0.9, 1.9, 2.94, 3.94, 4.94])

    assert missing(made, now=T0 + 5 * HOUR) == []


def test_an_hour_in_which_a_run_was_still_going_is_not_missing(made: MadeRuns) -> None:
    """No second one could start."""
    hourly(made, [0, 1, 2])
    hourly(made, [3], seconds=2.5 * 3600)
    hourly(made, [6, 7])

    assert missing(made, now=T0 + 7.5 * HOUR) == []


def test_a_crashed_run_was_not_going_until_it_was_found(made: MadeRuns) -> None:
    """The hour in which the next run noticed it had no run."""
    hourly(made, [0, 1, 2])
    hourly(made, [3], status="crashed")
    hourly(made, [6, 7])

    assert missing(made, now=T0 + 7.5 * HOUR) == ["02 12", "02 13"]


@pytest.mark.parametrize(
    ("minutes", "gone"), [(15, []), (16, ["02 11"])], ids=["at most 15 minutes late", "later than that"]
)
def test_how_late_a_run_may_be(made: MadeRuns, minutes: int, gone: list[str]) -> None:
    """08:55, 09:55, 10:55 and 12:10 leave out the eleventh hour, but none of them failed to come."""
    hourly(made, [50 / 60, 110 / 60, 170 / 60])
    made.add(T0 + 230 * MINUTE + minutes * MINUTE)

    assert missing(made, now=T0 + 5 * HOUR) == gone


@pytest.mark.parametrize(("after", "gone"), [(5, []), (6, ["02 20"])])
def test_a_run_counts_for_the_nearest_due_time(made: MadeRuns, after: int, gone: list[str]) -> None:
    """Where runs come every four hours: five hours after the last one it is late, six after it one is missing."""
    hourly(made, [0, 4, 8, 8 + after, 12 + after, 16 + after, 20 + after])

    assert missing(made, now=T0 + (22 + after) * HOUR) == gone


@pytest.mark.parametrize(("seconds", "gone"), [(3300, []), (3299, ["02 12"])])
def test_a_run_that_ends_on_the_stroke_of_the_hour_went_on_until_then(
    made: MadeRuns, seconds: int, gone: list[str]
) -> None:
    """A second earlier the hour was free, and a run was due in it."""
    hourly(made, [0, 1, 2])
    hourly(made, [3], seconds=seconds)
    hourly(made, [5, 6])

    assert missing(made, now=T0 + 6.5 * HOUR) == gone


def test_a_short_run_beside_a_long_one_does_not_end_it(made: MadeRuns) -> None:
    """The lock is one machine's: where two share a home, the run that began later may well end earlier."""
    hourly(made, [0, 1, 2])
    made.add(T0 + 3 * HOUR, seconds=2.5 * 3600)
    hourly(made, [3.2, 6, 7])

    assert missing(made, now=T0 + 7.5 * HOUR) == []


@pytest.mark.parametrize(
    "extra",
    [
        {"parameters": {"dry_run": True}},
        {"parameters": {"replay": "all"}},
        {"parameters": {"until": "2026-11-01T00:00:00Z"}},
    ],
)
def test_a_run_by_hand_takes_no_place(made: MadeRuns, extra: dict[str, Any]) -> None:
    """Dry runs, reruns and other runs by hand hide no missing hour, unless active when the run was due."""
    hourly(made, [0.1, 1.1, 2.1])
    made.add(T0 + 3.5 * HOUR, seconds=60, **extra)
    made.add(T0 + 4 * HOUR, seconds=1200, **extra)
    hourly(made, [5.1, 6.1])

    assert missing(made, now=T0 + 6.5 * HOUR) == ["02 11"]


@pytest.mark.parametrize(
    ("minutes", "seconds", "gone"),
    [
        (0, 60, []),
        (-5, 300, []),
        (-5, 299, ["02 11"]),
        (1, 60, ["02 11"]),
    ],
    ids=["began then", "ended then", "ended before", "began after"],
)
def test_a_run_by_hand_keeps_another_from_starting_only_while_it_is_active(
    made: MadeRuns, minutes: int, seconds: int, gone: list[str]
) -> None:
    """At eleven minutes past eleven one was due, as at eleven minutes past the hours before."""
    hourly(made, [0.1, 1.1, 2.1])
    made.add(T0 + 3.1 * HOUR + minutes * MINUTE, seconds=seconds, parameters={"dry_run": True})
    hourly(made, [4.1, 5.1])

    assert missing(made, now=T0 + 5.5 * HOUR) == gone


def test_an_hour_says_how_its_runs_ended(made: MadeRuns) -> None:
    """The worst status first, with counts if there are several, and a link to the page of the failed run."""
    hourly(made, [0.1, 0.2])
    failed = made.add(T0 + 0.3 * HOUR, status="failed")
    made.add(T0 + 0.7 * HOUR, parameters={"dry_run": True})
    hourly(made, [1.1, 1.2])
    made.add(T0 + 2 * HOUR, status="unfinished")
    made.add(T0 + 2.95 * HOUR, parameters={"dry_run": True})

    row = looked_at(made, now=T0 + 3 * HOUR).calendar.tables[0].rows[0]

    assert [str(cell) for cell in row[9:13]] == ["1/4 failed", "2 ok", "open", "dry"]
    assert row[9] == Link("1/4 failed", f"html/{failed}.html", "failed")


def test_many_days_are_summed_up_by_week(made: MadeRuns) -> None:
    """The newest 31 days by hour, the others by week; the sums stay exact."""
    hourly(made, range(0, 24 * 60, 24))
    made.add(T0 + 24 * HOUR + HOUR, status="failed")

    review = looked_at(made, now=T0 + 24 * 59.5 * HOUR, days=3660)

    days, weeks = review.calendar.tables
    assert len(days.rows) == 31
    assert sum(int(number) for number in column(weeks, "ok")) + 31 == review.counts()["ok"] == 60
    assert column(weeks, "failed") == ["0", "0", "0", "0", "1"]
    assert column(weeks, "week of (UTC)")[-1] == "2026-11-02"


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", "x.y", "-x", "a" * 101, "C:x", "x\n"])
def test_an_invalid_run_name_makes_no_page(name: str) -> None:
    """Only what cannot lead anywhere becomes a file name."""
    assert page_of(name) == ""
    assert page_of("20261123T132501Z-3f9a1c") == "html/20261123T132501Z-3f9a1c.html"


def test_two_short_runs_by_hand_do_not_block_a_run_between_them(made: MadeRuns) -> None:
    """Neither was active when the run was due."""
    hourly(made, [0.1, 1.1, 2.1])
    for minutes in (-6, 20):
        made.add(T0 + 3.1 * HOUR + minutes * MINUTE, seconds=60, parameters={"dry_run": True})
    hourly(made, [4.1, 5.1])

    assert missing(made, now=T0 + 5.5 * HOUR) == ["02 11"]
