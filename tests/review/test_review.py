"""The review of a period: its findings and counts, and that no content of `runs/` makes it fail."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from futurscam_lib import clock
from futurscam_lib import settings as settings_module
from futurscam_lib.audit.entries import numbers
from futurscam_lib.audit.history import RunRecord
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.errors import UsageError
from futurscam_lib.report.transformed import UNKNOWN_VALUES
from futurscam_lib.review import review
from futurscam_lib.review.findings import summary_in
from futurscam_lib.review.overview import Review
from tests.made_runs import counts, executed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymongo.database import Database

    from futurscam_lib.report.tables import Table
    from futurscam_lib.settings import Settings
    from tests.made_runs import MadeRuns

T0 = clock.parse("2026-11-02T08:05:00Z")
HOUR = timedelta(hours=1)


def hourly(made: MadeRuns, hours: Sequence[float], **more: Any) -> list[str]:
    """A run at each of these hours after T0."""
    return [made.add(T0 + hour * HOUR, **more) for hour in hours]


def looked_at(made: MadeRuns, *, now: datetime, days: float = 7, pages: bool = True) -> Review:
    """The review of the made runs, as of `now`."""
    return Review(made.settings, days=days, now=now, pages=pages)


def whats(reviewed: Review) -> list[str]:
    """The kinds of its findings."""
    return [finding.what for finding in reviewed.found]


def column(table: Table, name: str) -> list[str]:
    """One column of a table, as text."""
    place = list(table.columns).index(name)
    return [str(row[place]) for row in table.rows]


def test_a_failed_dry_run_counts_as_dry(made: MadeRuns) -> None:
    """The hour is not marked as failed, but there is a finding, and the page is linked."""
    made.add(T0, status="failed", parameters={"dry_run": True}, error="MongoDB does not answer.")

    reviewed = looked_at(made, now=T0 + HOUR)

    assert (reviewed.counts()["failed"], reviewed.counts()["dry"]) == (0, 1)
    assert [(finding.what, finding.text) for finding in reviewed.found] == [
        ("dry run failed", "MongoDB does not answer.")
    ]
    assert str(reviewed.runs.rows[0][2]) == "failed, dry"
    assert column(reviewed.durations, "ended") == ["dry"]


def test_problems_with_notebooks_are_findings(made: MadeRuns) -> None:
    """Torn, missing, changed by one character or contradicting the ledger: a finding with the run, and no error."""
    names = hourly(made, range(6))
    made.path(names[0]).write_bytes(made.path(names[0]).read_bytes()[:200])
    made.path(names[1]).unlink()
    data = made.path(names[2]).read_bytes()
    made.path(names[2]).write_bytes(data.replace(b"5 rows", b"6 rows"))
    other = executed("ok", {"summary": {"run_id": names[2], "counts": counts(inserted=9)}})
    contradicting = made.add(T0 + 6 * HOUR, notebook=other)
    without = made.add(T0 + 7 * HOUR, notebook=executed("ok", {}))
    none_kept = made.add(T0 + 8 * HOUR, notebook=b"")

    reopening = made.add(T0 + 8.2 * HOUR, reopened=2)

    reviewed = looked_at(made, now=T0 + 8.5 * HOUR)

    assert column(reviewed.runs, "reopened") == ["2", *["0"] * 9]
    kinds = {(finding.what, finding.run.run_id) for finding in reviewed.found if finding.run}
    assert kinds == {
        ("notebook contradicts", reopening),
        ("notebook torn", names[0]),
        ("notebook missing", names[1]),
        ("notebook changed", names[2]),
        ("notebook contradicts", contradicting),
        ("notebook contradicts", without),
        ("notebook not kept", none_kept),
    }
    assert [finding.run.run_id for finding in reviewed.found if finding.run and not finding.serious] == [none_kept]
    text = next(finding.text for finding in reviewed.found if finding.run and finding.run.run_id == contradicting)
    assert "9 inserted" in text
    assert f"that of '{names[2]}'" in text
    torn = next(finding.text for finding in reviewed.found if finding.what == "notebook torn")
    assert "cannot be read as a notebook: it is no JSON (unexpected end of data" in torn
    assert "was changed after the run: its SHA-256 begins with" in torn
    assert len(reviewed.findings.rows) == reviewed.counts()["findings"] == 7


@pytest.mark.parametrize("data", [b'{"cells": 5}', b"[]", b"{}", b'{"cells": [5]}', b'{"cells": [{"outputs": 5}]}'])
def test_json_that_is_not_a_notebook_is_reported(data: bytes) -> None:
    """The message is a sentence, not the error that was raised while reading it."""
    with pytest.raises(ValueError, match=r"^it is JSON, but not as notebooks hold it$"):
        summary_in(data)


def test_a_pruned_notebook_is_not_a_finding(made: MadeRuns) -> None:
    """The ledger records that it was removed."""
    (name,) = hourly(made, [0])
    notebook = made.path(name).relative_to(made.settings.runs).as_posix()
    Ledger(made.settings.ledger_file).append("pruned", at=T0, run_id="", facts={"notebooks": {notebook: "0" * 64}})
    made.path(name).unlink()

    assert whats(looked_at(made, now=T0 + HOUR)) == []


def test_runs_that_did_not_end_well_are_findings(made: MadeRuns) -> None:
    """Each with its reason, newest first; findings about the audit log come before them."""
    made.add(T0, status="failed", error="The mailbox did not answer.")
    made.add(T0 + HOUR, status="timed out", error="Too long.")
    made.add(T0 + 2 * HOUR, status="crashed")
    gone = made.add(T0 + 3 * HOUR)
    made.path(gone).unlink()
    made.add(T0 + 4 * HOUR, status="unfinished")

    reviewed = looked_at(made, now=T0 + 4.5 * HOUR)

    assert whats(reviewed) == ["notebook missing", "unfinished", "crashed", "timed out", "failed"]
    assert column(reviewed.findings, "more")[-1] == "The mailbox did not answer."
    assert reviewed.counts() == {
        "runs": 5,
        "ok": 1,
        "failed": 3,
        "dry": 0,
        "unfinished": 1,
        "missing hours": 0,
        "findings": 5,
    }


def test_another_notebook_and_uncommitted_code_are_findings(made: MadeRuns) -> None:
    """One finding for all runs that used it; no finding if the ledger does not record it."""
    code = {"notebook_sha256": "ab" * 32, "shipped": False, "uncommitted": None}
    made.add(T0)
    made.add(T0 + HOUR, code=code | {"shipped": True, "uncommitted": False})
    for hour in (2, 3):
        made.add(T0 + hour * HOUR, code=code)
    made.add(T0 + 4 * HOUR, code=code | {"shipped": True, "uncommitted": True}, git_commit="1234567890abcdef-dirty")

    texts = {finding.what: finding.text for finding in looked_at(made, now=T0 + 5 * HOUR).found}

    assert texts["other notebook"] == (
        "2 runs, the first at 2026-11-02 10:05 UTC, executed another notebook than the shipped one: "
        "its SHA-256 begins with abababababab."
    )
    assert texts["uncommitted code"] == "This run used code that is not committed: it differs from commit 1234567890ab."


def test_warnings_of_sources_are_findings(made: MadeRuns) -> None:
    """One finding per warning, with the newest numbers; notes are not findings."""
    for hour in range(3):
        made.add(T0 + hour * HOUR, notes={"boond": [f"Warning: {hour} rows do not fit.", "7 rows."]})
    last = made.add(T0 + 3 * HOUR, notes={"folder": ["Warning: The memory was lost."]})

    reviewed = looked_at(made, now=T0 + 3.5 * HOUR)

    assert whats(reviewed) == ["source warning", "source warning"]
    assert column(reviewed.findings, "more") == [
        "folder: The memory was lost.",
        "boond: 2 rows do not fit. 3 runs report this, the first at 2026-11-02 08:05 UTC.",
    ]
    assert reviewed.found[0].run is not None
    assert reviewed.found[0].run.run_id == last


def test_a_changed_ledger_is_a_finding_and_the_rest_is_reviewed(made: MadeRuns) -> None:
    """The finding names the changed line, and all runs with readable lines are reviewed."""
    hourly(made, range(4))
    lines = made.settings.ledger_file.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"20261102T090500Z", b"20261102T090501Z", 1)
    made.settings.ledger_file.write_bytes(b"".join(lines))

    reviewed = looked_at(made, now=T0 + 3.5 * HOUR)

    assert whats(reviewed)[0] == "ledger changed"
    assert "line 3" in reviewed.found[0].text
    assert reviewed.found[0].text.endswith("line by line: futurscam runs verify")
    assert [run.run_id for run in reviewed.period.runs] == [*made.made[:1:-1], made.made[0]]
    assert "ledger changed" in repr(reviewed.findings)


def test_a_ledger_whose_end_was_cut_off_is_a_finding(made: MadeRuns) -> None:
    """The head detects it; the chain of hashes does not."""
    hourly(made, range(3))
    lines = made.settings.ledger_file.read_bytes().splitlines(keepends=True)
    made.settings.ledger_file.write_bytes(b"".join(lines[:-2]))

    reviewed = looked_at(made, now=T0 + 2.5 * HOUR)

    assert whats(reviewed)[0] == "ledger changed"
    assert "its end was cut off" in reviewed.found[0].text
    assert len(reviewed.period.runs) == 2


def test_a_repaired_torn_line_is_a_finding(made: MadeRuns) -> None:
    """A torn line was cut off, and the review reports it."""
    hourly(made, [0])
    with made.settings.ledger_file.open("ab") as file:
        file.write(b'{"at":"2026-')
    Ledger(made.settings.ledger_file).heal(at=T0 + HOUR)

    assert whats(looked_at(made, now=T0 + 2 * HOUR)) == ["ledger healed"]


def test_a_notebook_outside_the_folder_is_not_read(made: MadeRuns) -> None:
    """A forged ledger cannot lead to another file or another page."""
    secret = made.settings.home / "secret.ipynb"
    secret.write_bytes(executed("ok", {"summary": {"run_id": "stolen"}}))
    facts = {"notebook": "../secret.ipynb", "parameters": {}}
    ledger = Ledger(made.settings.ledger_file)
    ledger.append("start", at=T0, run_id="../../x", facts=facts)
    ledger.append("end", at=T0, run_id="../../x", facts={"status": "ok", "notebook_sha256": "0" * 64, **facts})

    reviewed = looked_at(made, now=T0 + HOUR)

    assert whats(reviewed) == ["notebook elsewhere"]
    assert "stolen" not in reviewed.found[0].text
    assert "href" not in reviewed.runs._repr_html_() + reviewed.findings._repr_html_()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["cells", "outputs", "data", "name", "nbformat", "application/scrapbook.scrap.json+json", "encoder"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@hypothesis_settings(deadline=None, max_examples=300)
@given(st.binary(max_size=50) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_notebook_is_read_or_refused(data: bytes) -> None:
    """The result is a summary, None or a ValueError; no other error is raised."""
    with suppress(ValueError):
        summary_in(data)


def test_the_summary_is_found_among_other_scraps() -> None:
    """The last scrap of that name counts, as in scrapbook."""
    assert summary_in(executed("ok", {"parameters": {"a": 1}, "summary": {"run_id": "x"}, "new": []})) == {
        "run_id": "x"
    }
    assert summary_in(executed("ok", {"parameters": {}})) is None


def test_dry_runs_count_no_records(made: MadeRuns) -> None:
    """Their counts are not added to those of other runs."""
    reasons = {"reject_reasons": {"missing id": 2}, "oddities": {"seniority: Guru: 2": 3}}
    finding = {"folder": counts(inserted=5, rejected=2), "boond": counts(updated=1)}
    made.add(T0, sources=finding, **reasons)
    last = made.add(T0 + HOUR, sources={"folder": counts(inserted=1)}, **reasons)
    made.add(T0 + 2 * HOUR, sources=finding, parameters={"dry_run": True}, **reasons)
    made.add(T0 + 3 * HOUR, sources={}, status="failed", failures={"boond": {"error": "RetryLater", "message": "-"}})

    reviewed = looked_at(made, now=T0 + 3.5 * HOUR)

    frame = reviewed.records.to_frame().set_index("source")
    assert frame.loc["folder", ["runs", "inserted", "rejected", "of these failed"]].tolist() == [3, 6, 2, 0]
    assert frame.loc["boond", ["runs", "updated", "of these failed"]].tolist() == [2, 1, 1]
    assert frame.loc["total", ["runs", "extracted", "of these failed"]].tolist() == [3, 9, 1]
    assert reviewed.rejects.to_frame().iloc[0].tolist()[:4] == ["missing id", 4, 2, last]
    assert reviewed.unknown_values.to_frame().iloc[0].tolist()[:5] == ["seniority", "Guru: 2", 6, 2, last]
    assert column(reviewed.records_by_run, "source") == ["folder", "boond", "folder"]
    assert reviewed.records_picture().description.endswith("(UTC). 2026-11-02: 7")


def test_unknown_values_of_every_kind_the_most_frequent_first(made: MadeRuns) -> None:
    """Unknown words, values read leniently and lost values: summed over the runs of the period, by field."""
    made.add(T0 - 30 * HOUR, oddities={"seniority": 1000})
    made.add(T0, oddities={"budgetInfo.minDailyRate: negative": 1, "seniority: Guru": 3})
    last = made.add(T0 + HOUR, oddities={"budgetInfo.minDailyRate: negative": 4, "name: cut to 500 characters": 1})

    table = looked_at(made, now=T0 + 2 * HOUR, days=1).unknown_values

    assert [row[:4] for row in table.rows] == [
        ("budgetInfo.minDailyRate", "negative", 5, 2),
        ("seniority", "Guru", 3, 1),
        ("name", "cut to 500 characters", 1, 1),
    ]
    assert str(table.rows[0][4]) == last
    assert table.notes[0] == UNKNOWN_VALUES
    assert repr(looked_at(made, now=T0 + 2 * HOUR, days=1).unknown_words) == repr(table)


def test_a_run_that_failed_before_any_source_counts_as_failed(made: MadeRuns) -> None:
    """The total of failed runs equals that of the counts, whatever failed and in however many sources."""
    both = {name: {"error": "RetryLater", "message": "-"} for name in ("folder", "boond")}
    made.add(T0)
    made.add(T0 + HOUR, status="failed", failures=both)
    made.add(T0 + 2 * HOUR, status="failed", error="MongoDB did not answer.", sources={}, counts={})
    made.add(T0 + 3 * HOUR, status="crashed")
    made.add(T0 + 4 * HOUR, status="failed", parameters={"dry_run": True})

    reviewed = looked_at(made, now=T0 + 4.5 * HOUR)

    rows = {row[0]: row[1:3] for row in reviewed.records.rows}
    assert rows["total"] == (4, 3)
    assert rows["boond"] == (1, 1)
    assert reviewed.counts()["failed"] == 3


def test_a_silent_source(made: MadeRuns) -> None:
    """The table shows when each source last had records, also before the period; empty if unknown."""
    silent = {name: counts() for name in ("folder", "boond", "imap_mail")}
    made.add(T0 - 30 * HOUR, sources={**silent, "boond": counts(unchanged=1)})
    made.add(T0, sources={**silent, "folder": counts(inserted=1)})
    made.add(T0 + HOUR, sources={**silent, "imap_mail": counts(inserted=1)}, parameters={"dry_run": True})
    made.add(T0 + 2 * HOUR, sources=silent)

    table = looked_at(made, now=T0 + 3 * HOUR, days=1).records

    assert table.columns[-1] == "last records (UTC)"
    assert {row[0]: row[-1] for row in table.rows} == {
        "boond": T0 - 30 * HOUR,
        "folder": T0,
        "imap_mail": None,
        "total": T0,
    }


def test_durations_name_the_longest(made: MadeRuns) -> None:
    """Median, 90th percentile, and the longest with its run."""
    for number in range(1, 11):
        made.add(T0 + number * HOUR, seconds=number * 10)
    made.add(T0 + 11 * HOUR, seconds=1, status="failed")

    reviewed = looked_at(made, now=T0 + 11.5 * HOUR)

    assert [str(cell) for cell in reviewed.durations.rows[0]] == [
        *("ok", "10", "0:00:55", "0:01:30", "0:01:40", made.made[9])
    ]
    assert [str(row[0]) for row in reviewed.durations.rows] == ["ok", "failed"]
    assert reviewed.durations_picture().description.endswith("2026-11-02: 100")


def test_glued_values_that_are_not_numbers_are_ignored() -> None:
    """Values of the wrong type are not counted."""
    for nothing in (None, [], "x", 3, {"a": "b"}, {"a": [1]}):
        assert numbers(nothing) == {}
    assert numbers({"a": 1, "b": None}) == {"a": 1}


def test_the_listed_runs(made: MadeRuns) -> None:
    """The newest two hundred, and all earlier ones that did not end well; each links to its page."""
    bad = [made.add(T0, status="failed"), made.add(T0 + HOUR / 60, status="crashed")]
    hourly(made, [1 + number / 60 for number in range(203)], notebook=b"")

    reviewed = looked_at(made, now=T0 + 9 * HOUR)

    names = column(reviewed.runs, "run")
    assert names == [*made.made[:4:-1], *bad[::-1]]
    assert names == reviewed.as_dict()["listed"]
    assert "202 of 205 shown." in repr(reviewed.runs)
    assert f'href="html/{bad[0]}.html"' in reviewed.runs._repr_html_()
    assert 'data-status="failed"' in reviewed.runs._repr_html_()


def test_the_watermark_moves_from_run_to_run(made: MadeRuns) -> None:
    """Runs that begin where the run before ended are one row; failed runs do not move it."""
    hourly(made, [0, 1])
    made.add(T0 + 2 * HOUR, status="failed")
    last = made.add(T0 + 3 * HOUR)

    table = looked_at(made, now=T0 + 4 * HOUR).watermark

    assert column(table, "what") == ["moved by 3 runs"]
    assert column(table, "who") == [last]
    assert table.notes == []


def test_a_reset_of_the_watermark(made: MadeRuns) -> None:
    """The row names the person; backward means that time is read again, forward that time is skipped."""
    hourly(made, [0, 1])
    reset(made, T0 + 1.5 * HOUR, to=T0 - 24 * HOUR)
    hourly(made, [2])
    reset(made, T0 + 2.5 * HOUR, to=T0 + 2.4 * HOUR)
    hourly(made, [3])

    reviewed = looked_at(made, now=T0 + 4 * HOUR)

    assert column(reviewed.watermark, "what") == ["moved", "reset", "moved", "reset", "moved by 2 runs"]
    assert column(reviewed.watermark, "who")[1] == "anna on desk"
    assert [text.partition(":")[0] for text in column(reviewed.watermark, "more")] == ["", "Forward", "", "Back", ""]
    assert "watermark gap" not in whats(reviewed)


def reset(made: MadeRuns, at: datetime, *, to: datetime) -> None:
    """Write a reset into the ledger, as `futurscam reset` does."""
    facts = {"watermark": {"before": clock.to_text(made.watermark), "after": clock.to_text(to)}}
    ledger = Ledger(made.settings.ledger_file)
    ledger.append("reset", at=at, run_id="reset-x", facts={**facts, "started_by": "anna on desk"})
    made.watermark = to


def test_a_watermark_changed_by_hand_is_shown(made: MadeRuns) -> None:
    """A run that begins later than the run before ended is a gap; one that begins earlier is an overlap."""
    hourly(made, [0, 1])
    made.watermark += 2 * HOUR
    hourly(made, [4])
    made.watermark -= HOUR / 2
    hourly(made, [5])

    reviewed = looked_at(made, now=T0 + 5.5 * HOUR)

    assert column(reviewed.watermark, "what") == ["moved", "overlap", "moved", "gap", "moved by 2 runs"]
    assert "2 place(s)" in reviewed.watermark.notes[0]
    gap = next(finding for finding in reviewed.found if finding.what == "watermark gap")
    assert "2026-11-02 09:05:00.001000+00:00 to 2026-11-02 11:05:00.001000+00:00" in gap.text
    command = "futurscam run --since 2026-11-02T09:05:00.001000+00:00 --until 2026-11-02T11:05:00.001000+00:00"
    assert gap.text.endswith(command)
    assert command in repr(reviewed.watermark)


@pytest.mark.parametrize("later", [False, True], ids=["through its overlap", "as the finding asked for"])
def test_a_gap_that_a_run_read_is_not_a_finding(made: MadeRuns, *, later: bool) -> None:
    """The review names the run that read it, as `runs verify` does."""
    hourly(made, [0, 1])
    window = {"since": clock.to_text(made.watermark), "until": None}
    made.watermark += HOUR / 10
    reader = made.add(T0 + 2 * HOUR, **({} if later else {"window": window}))
    if later:
        assert "watermark gap" in whats(looked_at(made, now=T0 + 3 * HOUR))
        window["until"] = clock.to_text(T0 + 2 * HOUR)
        reader = made.add(T0 + 3 * HOUR, window=window, parameters={"until": window["until"]})

    reviewed = looked_at(made, now=T0 + 4 * HOUR)

    assert column(reviewed.watermark, "what") == ["moved", "gap, read", "moved by 2 runs"]
    assert f"; the time between was read later, the last of it by {reader}." in repr(reviewed.watermark)
    assert "1 place(s)" in reviewed.watermark.notes[0]
    assert "watermark gap" not in whats(reviewed)


def test_time_skipped_by_a_reset_can_be_read_later(made: MadeRuns) -> None:
    """Forward over an unreadable file: the remedy is shown until a run has read that time."""
    hourly(made, [0])
    watermark, to = made.watermark, T0 + 1.5 * HOUR
    facts = {"watermark": {"before": None, "after": clock.to_text(to)}}
    Ledger(made.settings.ledger_file).append("reset", at=to, run_id="reset-x", facts=facts)
    made.watermark = to
    hourly(made, [2])
    text = column(looked_at(made, now=T0 + 3 * HOUR).watermark, "more")[1]
    assert text.startswith("It could not be read before. Forward: what the sources changed in between is not all read.")
    assert text.endswith(f"--since {clock.to_text(watermark)} --until {clock.to_text(to)}")

    reader = made.add(T0 + 3 * HOUR, window={"since": clock.to_text(watermark), "until": None})
    text = column(looked_at(made, now=T0 + 4 * HOUR).watermark, "more")[1]
    assert text == f"It could not be read before. Forward: the time between was read later, the last of it by {reader}."


def test_a_reset_ignores_sources_that_are_not_configured(made: MadeRuns) -> None:
    """The skipped time was read from all sources that can still be read."""
    made.add(T0, parameters={"sources": "folder,boond"})
    watermark = clock.to_text(made.watermark)
    reset(made, T0 + 1.5 * HOUR, to=T0 + HOUR)
    made.add(T0 + 2 * HOUR, window={"since": watermark, "until": None})

    text = column(looked_at(made, now=T0 + 3 * HOUR).watermark, "more")[1]

    assert text == "Forward: not all of the time between was read from boond (no longer configured)."


def test_a_gap_is_a_finding_until_it_is_read(made: MadeRuns) -> None:
    """The finding names the unread part; sources that are no longer configured are ignored."""
    both = {"sources": "folder,boond"}
    made.add(T0, parameters=both)
    watermark, made.watermark = made.watermark, made.watermark + 2 * HOUR
    to, middle = made.watermark, made.watermark - HOUR
    made.add(T0 + 3 * HOUR, parameters=both)
    for number, (since, until) in enumerate([(middle, to), (watermark, middle)]):
        (gap,) = (finding for finding in looked_at(made, now=T0 + 5 * HOUR).found if finding.what == "watermark gap")
        assert gap.text.endswith(
            f"--since {clock.to_text(watermark)} --until {clock.to_text(to if not number else middle)}"
        )
        window = {"since": clock.to_text(since), "until": clock.to_text(until)}
        made.add(T0 + (4 + number / 4) * HOUR, window=window, parameters={"until": window["until"]})

    reviewed = looked_at(made, now=T0 + 5 * HOUR)
    assert "gap, read" in column(reviewed.watermark, "what")
    assert "read from boond (no longer configured)." in repr(reviewed.watermark)
    assert "watermark gap" not in whats(reviewed)

    made.settings = made.settings.model_copy(update={"sources": ("folder", "boond")})
    assert "watermark gap" in whats(looked_at(made, now=T0 + 5 * HOUR))


def test_a_dry_run_does_not_change_the_watermark(made: MadeRuns) -> None:
    """A dry run before the first real run begins an hour back, wherever the watermark will be."""
    standing = made.watermark
    made.watermark = standing + HOUR
    made.add(T0 - HOUR / 2, parameters={"dry_run": True})
    made.watermark = standing
    hourly(made, [0, 1])

    assert column(looked_at(made, now=T0 + 2 * HOUR).watermark, "what") == ["moved by 2 runs"]


def test_a_first_run_that_skipped_time_is_a_gap(made: MadeRuns) -> None:
    """An earlier version skipped time if all runs before had failed."""
    made.add(T0 - 5 * HOUR, status="failed")
    made.watermark += 3 * HOUR
    facts = {"watermark": clock.to_text(made.watermark)}
    Ledger(made.settings.ledger_file).append("first-run", at=T0 - HOUR / 60, run_id="x", facts=facts)
    hourly(made, [0])

    reviewed = looked_at(made, now=T0 + HOUR)

    assert column(reviewed.watermark, "what") == ["moved", "first run", "gap"]
    assert "watermark gap" in whats(reviewed)


def test_the_watermark_before_the_period_counts(made: MadeRuns) -> None:
    """The first run of the period is compared with the last run before it."""
    hourly(made, [0, 1])
    made.watermark += HOUR
    hourly(made, [30])

    assert column(looked_at(made, now=T0 + 31 * HOUR, days=1).watermark, "what") == ["moved", "gap"]


def test_a_window_after_the_watermark_is_a_gap(made: MadeRuns) -> None:
    """A run whose window begins after the watermark, and that moved the watermark, leaves a gap."""
    hourly(made, [0])
    made.add(T0 + HOUR, window={"since": clock.to_text(T0 + HOUR / 2), "until": None})

    assert column(looked_at(made, now=T0 + 2 * HOUR).watermark, "what") == ["moved", "gap", "moved"]


def test_a_first_run_is_shown(made: MadeRuns) -> None:
    """The table shows that `.last_execution` was missing."""
    facts = {"watermark": clock.to_text(made.watermark)}
    Ledger(made.settings.ledger_file).append("first-run", at=T0 - HOUR / 60, run_id="x", facts=facts)
    hourly(made, [0])

    assert column(looked_at(made, now=T0 + HOUR).watermark, "what") == ["moved", "first run"]


def rfp(database: Database[dict[str, Any]], job: str, *, run_id: str, seen: datetime, **more: Any) -> None:
    """A document with the fields that the review reads."""
    about = {"source": "folder", "run_id": run_id, "first_run_id": run_id, "first_seen_at": seen, "changed_at": seen}
    database.RFP.insert_one({"job_id": job, "publishedAt": None, **more, "_etl": {**about, **more.get("_etl", {})}})


def test_from_publication_to_load(made: MadeRuns, database: Database[dict[str, Any]]) -> None:
    """For documents first seen in the period: median, 90th percentile, longest; those without a date are counted."""
    for minutes in range(1, 11):
        seen = T0 + minutes * HOUR / 60
        rfp(database, f"a{minutes}", run_id="x", seen=seen, publishedAt=seen - minutes * HOUR)
    rfp(database, "undated", run_id="x", seen=T0)
    rfp(database, "early", run_id="x", seen=T0 - 8 * 24 * HOUR, publishedAt=T0 - 99 * 24 * HOUR)
    rfp(database, "future", run_id="x", seen=T0, publishedAt=T0 + HOUR, _etl={"source": "boond"})

    table = looked_at(made, now=T0 + HOUR).publication

    assert [row[0] for row in table.rows] == ["boond", "folder"]
    assert table.rows[0][2:] == (-HOUR, -HOUR, -HOUR, 0)
    assert table.rows[1] == ("folder", 11, 5.5 * HOUR, 9 * HOUR, 10 * HOUR, 1)
    assert "-1 h" in repr(table)


def test_loads_by_hand_are_listed(made: MadeRuns, database: Database[dict[str, Any]]) -> None:
    """Per run, with time and number; loads by the runner are not listed."""
    rfp(database, "a", run_id="20261102T080500Z-aaaaaa", seen=T0)
    rfp(database, "b", run_id="interactive-1", seen=T0)
    rfp(database, "c", run_id="interactive-1", seen=T0 + HOUR, _etl={"first_run_id": "other"})
    rfp(database, "d", run_id="interactive-2", seen=T0 - 30 * 24 * HOUR)

    table = looked_at(made, now=T0 + 2 * HOUR).by_hand

    assert table.rows == [(T0, "interactive-1", 2, 1, 0, T0 + HOUR)]


def test_missions_closed_by_hand_are_listed(made: MadeRuns, database: Database[dict[str, Any]]) -> None:
    """Also for a run that loaded nothing, and next to its loads; missions closed by the runner are not listed."""
    run_id = "20261102T080500Z-aaaaaa"
    closed = [("interactive-1", T0), ("interactive-1", T0 + HOUR), ("interactive-2", T0 - HOUR), (run_id, T0)]
    closed.append(("interactive-3", T0 - 30 * 24 * HOUR))
    for number, (by, at) in enumerate(closed):
        about = {"closed": {"run_id": by, "at": at, "reason": "deadline"}}
        rfp(database, f"a{number}", run_id=run_id, seen=T0 - 20 * HOUR, _etl=about)
    rfp(database, "b", run_id="interactive-2", seen=T0)

    table = looked_at(made, now=T0 + 2 * HOUR).by_hand

    assert table.rows == [
        (T0, "interactive-1", 0, 0, 2, T0 + HOUR),
        (T0 - HOUR, "interactive-2", 1, 1, 1, T0),
    ]
    assert "missions closed" in repr(table)


def test_a_database_that_does_not_answer_is_a_finding(made: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """One finding, and two tables show that they are unknown, after one query; the other tables are complete."""
    hourly(made, range(3))
    monkeypatch.setenv("MONGO_URI", "mongodb://127.0.0.1:9/")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.2")

    reviewed = Review(settings_module.load(), days=7, now=T0 + 3 * HOUR)

    for table in (reviewed.publication, reviewed.by_hand):
        assert "Unknown. MongoDB could not be asked: MongoDB did not answer" in repr(table)
        assert "None." not in repr(table)
    assert whats(reviewed) == ["MongoDB not asked"]
    assert reviewed.as_dict()["unanswered"].startswith("MongoDB could not be asked")
    assert len(reviewed.runs.rows) == 3


def test_an_empty_home_is_reviewed(home: Settings) -> None:
    """All counts are 0, and there are no findings."""
    reviewed = Review(home, days=7, now=T0)

    assert set(reviewed.counts().values()) == {0}
    tables = [
        reviewed.findings,
        reviewed.records,
        reviewed.records_by_run,
        reviewed.durations,
        reviewed.rejects,
        reviewed.unknown_values,
    ]
    assert all(
        table.rows == []
        for table in [*tables, reviewed.publication, reviewed.watermark, reviewed.by_hand, reviewed.runs]
    )
    assert reviewed.records_picture().png == reviewed.durations_picture().png == b""
    assert repr(reviewed).startswith("2026-10-26 08:05 until 2026-11-02 08:05 UTC")


@pytest.mark.parametrize("days", [0, -1, 3661, float("nan"), float("inf"), "7", None])
def test_an_invalid_number_of_days_is_refused(home: Settings, days: Any) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match="cannot be reviewed"):
        Review(home, days=days, now=T0)


def test_a_notebook_reviews_the_configured_home(made: MadeRuns) -> None:
    """`review(days, until=...)` reads the home of the settings; an invalid instant is refused."""
    hourly(made, range(3))

    assert len(review(1, until="2026-11-02T10:00:00Z").period.runs) == 2
    assert review(3660).period.runs[0].run_id == made.made[-1]
    for until in ("yesterday", "0001-01-01"):
        with pytest.raises(UsageError, match="until"):
            review(1, until=until)
    assert len(review(60, until="1970-03-02").period.runs) == 0


def test_in_a_notebook_runs_link_to_executed_notebooks(made: MadeRuns) -> None:
    """All links in all tables are relative to `notebooks`; a run without a notebook has no link."""
    odd = {"reject_reasons": {"missing id": 1}, "oddities": {"a: b": 1}, "sources": {"folder": counts(inserted=1)}}
    gone, moved = hourly(made, [0, 1], **odd)
    failed = made.add(T0 + 2 * HOUR, status="failed", seconds=9, **odd)
    made.path(gone).unlink()
    facts = {"notebook": "../x.ipynb", "parameters": {}}
    Ledger(made.settings.ledger_file).append("start", at=T0 + 2.1 * HOUR, run_id="outside", facts=facts)
    (made.settings.home / "x.ipynb").write_bytes(b"{}")
    reviewed = looked_at(made, now=T0 + 3 * HOUR, pages=False)

    names = [name for name in dir(Review) if isinstance(getattr(Review, name), property)]
    shown = {name: getattr(reviewed, name) for name in names}
    leading = {name for name, finding in shown.items() if "href=" in finding._repr_html_()}
    hrefs = {href for finding in shown.values() for href in re.findall('href="([^"]*)"', finding._repr_html_())}

    assert hrefs == {f"../runs/2026-11/{name}.ipynb" for name in (moved, failed)}
    assert leading == set(names) - {"records", "publication", "by_hand"}
    assert column(reviewed.runs, "run") == ["outside", failed, moved, gone]
    assert 'data-status="failed" style' in reviewed.runs._repr_html_()


def test_the_data_of_the_page_is_json(made: MadeRuns) -> None:
    """Counts, findings and the listed runs, as a notebook glues them."""
    made.add(T0, status="failed", error="It broke.")

    data = orjson.loads(orjson.dumps(looked_at(made, now=T0 + HOUR).as_dict()))

    assert data["since"] == "2026-10-26T09:05:00.000000+00:00"
    assert data["unanswered"] == ""
    assert data["counts"]["failed"] == 1
    assert data["findings"][0] == {
        "what": "failed",
        "at": clock.to_text(T0),
        "run_id": made.made[0],
        "text": "It broke.",
        "serious": False,
    }
    assert data["listed"] == made.made


def test_every_table_of_the_review_can_be_shown(made: MadeRuns) -> None:
    """As HTML and as text, with every kind of run, whatever was glued."""
    for number, status in enumerate(("ok", "failed", "timed out", "crashed", "unfinished")):
        made.add(T0 + number * HOUR, status=status, reject_reasons=["<b>"], oddities={"<b>": "<i>"})
    reviewed = looked_at(made, now=T0 + 5 * HOUR)

    names = [name for name in dir(Review) if isinstance(getattr(Review, name), property)]
    shown = [getattr(reviewed, name) for name in names]

    assert len(shown) == 12
    assert all(finding._repr_html_() and repr(finding) for finding in shown)
    assert not any("<b>" in finding._repr_html_() for finding in shown)
    assert isinstance(reviewed.period.runs[0], RunRecord)


def test_replays_count_no_records(made: MadeRuns) -> None:
    """Their payloads were counted when they were read; sources without records are not shown."""
    made.add(T0, sources={"folder": counts(inserted=3)})
    replayed = {"folder": counts(updated=3), "boond": counts()}
    made.add(T0 + HOUR, sources=replayed, parameters={"replay": "all"})

    reviewed = looked_at(made, now=T0 + 1.5 * HOUR)

    assert column(reviewed.records, "source") == ["folder", "total"]
    assert column(reviewed.records, "extracted") == ["3", "3"]
