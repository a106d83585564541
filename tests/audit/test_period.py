"""The review's data from the ledger and MongoDB, at the edges of its period."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bson import DatetimeMS

from futurscam_lib import clock
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.review.overview import Review

if TYPE_CHECKING:
    from pymongo.database import Database

    from tests.made_runs import MadeRuns

T0 = clock.parse("2026-11-02T08:05:00Z")
HOUR = timedelta(hours=1)


def test_a_reset_just_before_the_period_explains_its_first_run(made: MadeRuns) -> None:
    """The reset is outside of the period, but the first run's start is not a gap."""
    made.add(T0)
    to = made.watermark + 5 * HOUR
    facts: dict[str, Any] = {"watermark": {"before": clock.to_text(made.watermark), "after": clock.to_text(to)}}
    Ledger(made.settings.ledger_file).append("reset", at=T0 + HOUR, run_id="reset-x", facts=facts)
    made.watermark = to
    made.add(T0 + 6 * HOUR)

    review = Review(made.settings, days=2 / 24, now=T0 + 7 * HOUR)

    assert [str(row[1]) for row in review.watermark.rows] == ["moved"]
    assert review.found == []


def test_a_line_healed_before_the_period_is_not_reported(made: MadeRuns) -> None:
    """Only what happened in the period is told."""
    made.add(T0)
    with made.settings.ledger_file.open("ab") as file:
        file.write(b"torn")
    Ledger(made.settings.ledger_file).heal(at=T0 + HOUR)
    made.add(T0 + 6 * HOUR)

    assert [finding.what for finding in Review(made.settings, days=2 / 24, now=T0 + 7 * HOUR).found] == []
    assert [finding.what for finding in Review(made.settings, days=1, now=T0 + 7 * HOUR).found] == ["ledger healed"]


def test_a_cut_ledger_is_one_finding(made: MadeRuns) -> None:
    """Even if several readers detect it."""
    for number in range(3):
        made.add(T0 + number * HOUR)
    lines = made.settings.ledger_file.read_bytes().splitlines(keepends=True)
    made.settings.ledger_file.write_bytes(b"".join(lines[:-2]))

    findings = Review(made.settings, days=1, now=T0 + 4 * HOUR).found

    assert [finding.what for finding in findings if finding.what.startswith("ledger")] == ["ledger changed"]


def test_an_instant_beyond_the_years_of_python_is_no_publication(
    made: MadeRuns, database: Database[dict[str, Any]]
) -> None:
    """Another program may write one; the other documents are still reported."""
    about = {"source": "folder", "first_seen_at": T0, "run_id": "x", "first_run_id": "x"}
    database.RFP.insert_many(
        [
            {"job_id": "a", "publishedAt": DatetimeMS(10**15), "_etl": about},
            {"job_id": "b", "publishedAt": T0 - HOUR, "_etl": about},
        ]
    )

    (row,) = Review(made.settings, days=1, now=T0 + HOUR).publication.rows

    assert row == ("folder", 2, HOUR, HOUR, HOUR, 1)
