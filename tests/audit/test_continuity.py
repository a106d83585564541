"""The watermark's history: what passed over time, what was read later, what a reset did and did not do."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from futurscam_lib import clock
from futurscam_lib.audit.continuity import Continuity, Jump
from futurscam_lib.audit.entry import Entry

T0 = clock.parse("2026-11-02T08:00:00Z")
BOTH = "folder,boond"


def hour(number: float | None) -> str | None:
    """An instant as the ledger has it."""
    return None if number is None else clock.to_text(T0 + timedelta(hours=number))


class Told(Continuity):
    """A history that is told of in hours."""

    def __init__(self) -> None:
        """Begin."""
        super().__init__()
        self._lines = count(1)

    def add(self, event: str, run_id: str = "", **facts: Any) -> None:
        """One line."""
        self.see(Entry(next(self._lines), event, run_id, "", facts, "", ""))

    def run(self, before: float, after: float, *, sources: str = BOTH, name: str = "x", **facts: Any) -> None:
        """A run's two lines; it reads from `before` on."""
        self.add("start", name, parameters={"sources": sources}, watermark={"before": hour(before)})
        told = {"status": "ok", "window": {"since": hour(before), "until": None}, **facts}
        self.add("end", name, watermark={"before": hour(before), "after": hour(after)}, **told)

    def reset(self, before: float | None, after: float) -> None:
        """A reset."""
        self.add("reset", watermark={"before": hour(before), "after": hour(after)})

    def moved(self, jumps: list[Jump]) -> list[tuple[int, float, float, str]]:
        """Jumps as line, hours and who read them."""
        hours = timedelta(hours=1)
        return [(one.line, (one.before - T0) / hours, (one.after - T0) / hours, one.read_by) for one in jumps]


@pytest.fixture
def history() -> Told:
    """One after a run over both sources that left the watermark at the first hour."""
    made = Told()
    made.run(0, 1)
    return made


@pytest.mark.parametrize(("at", "jumps"), [(2, [(3, 1, 2, "")]), (1, []), (0, [])])
def test_a_first_run_that_begins_later_passes_time_over(history: Told, at: float, jumps: list[Any]) -> None:
    """Somebody removed the file; earlier than it was left is where a first run may well begin, so that is no jump."""
    history.add("first-run", watermark=hour(at))

    assert history.moved(history.jumps) == jumps

    history.run(at, 3)
    assert history.moved(history.jumps) == jumps


@pytest.mark.parametrize("seen_at", ["reset", "first-run", "start"])
@pytest.mark.parametrize(("sources", "reader"), [("folder", ""), (BOTH, "x"), (f"{BOTH},mailbox", "x")])
def test_a_gap_is_read_only_by_a_run_of_all_sources(history: Told, seen_at: str, sources: str, reader: str) -> None:
    """Of those that were read before it, wherever it shows: also at a reset, a first run and a run of one source."""
    if seen_at == "reset":
        history.reset(3, 3)
    elif seen_at == "first-run":
        history.add("first-run", watermark=hour(3))
    else:
        history.run(3, 3, sources="folder", status="failed")
    assert history.moved(history.jumps) == [(3, 1, 3, "")]

    history.run(3, 3, sources=sources, window={"since": hour(1), "until": None})

    assert history.moved(history.jumps) == [(3, 1, 3, reader)]


@pytest.mark.parametrize(
    ("since", "until", "reader"),
    [(1, 3, "x"), (0.9, 3.1, "x"), (1, 2.9, ""), (1.1, 3, "")],
    ids=["exactly", "with more", "ends early", "begins late"],
)
def test_a_gap_is_read_only_by_a_window_that_holds_all_of_it(
    history: Told, since: float, until: float, reader: str
) -> None:
    """Up to where the watermark was found: what changed at that very instant the run that began there has read."""
    history.run(3, 4)
    history.run(4, 4, window={"since": hour(since), "until": hour(until)})

    assert history.moved(history.jumps) == [(3, 1, 3, reader)]


def test_a_gap_was_read_by_the_first_run_that_read_it_to_its_end(history: Told) -> None:
    """One that failed has read nothing, and one that read it once more changes nothing."""
    window = {"since": hour(1), "until": None}
    history.run(3, 3, window=window, name="failed", status="failed")
    assert history.moved(history.jumps) == [(3, 1, 3, "")]

    history.run(3, 4, window=window, name="first")
    history.run(4, 5, window=window, name="second")

    assert history.moved(history.jumps) == [(3, 1, 3, "first")]


def test_what_was_read_twice_needs_no_reader(history: Told) -> None:
    """A watermark that was set back passes nothing over."""
    history.run(0, 2)

    assert history.moved(history.jumps) == [(3, 1, 0, "")]


def test_a_run_of_one_source_that_moves_nothing_leaves_the_others_to_be_read(history: Told) -> None:
    """Such a run by hand is no sign that the others are given up."""
    history.run(1, 1, sources="folder")
    history.run(3, 3, sources="folder", status="failed")
    history.run(3, 3, sources="folder", window={"since": hour(1), "until": None})

    assert history.moved(history.jumps) == [(5, 1, 3, "")]


def test_before_any_run_moved_the_watermark_the_first_one_says_which_sources_there_are() -> None:
    """It failed, but it was asked for both."""
    history = Told()
    history.run(0, 0, status="failed")
    history.run(2, 3, sources="folder", window={"since": hour(0), "until": None})

    assert history.moved(history.jumps) == [(3, 0, 2, "")]


def test_a_source_that_begins_at_a_gap_is_missed_in_it(history: Told) -> None:
    """The run that shows the gap reads one more, and what that one had before is not read either."""
    history.run(3, 3, sources=f"{BOTH},mailbox", status="failed")
    history.run(3, 3, window={"since": hour(1), "until": None})

    assert history.moved(history.jumps) == [(3, 1, 3, "")]


def test_a_source_that_is_no_longer_read_is_not_missed(history: Told) -> None:
    """Once a run without it has moved the watermark, which only a run over all sources does."""
    history.run(1, 2, sources="folder")
    history.run(4, 5, sources="folder", window={"since": hour(2), "until": None})

    assert history.moved(history.jumps) == [(5, 2, 4, "x")]


@pytest.mark.parametrize("found", [1, None])
def test_a_reset_forward_is_noted(history: Told, found: float | None) -> None:
    """Also one over a file that could not be read, until a run has read what it passed over."""
    history.reset(found, 3)

    assert history.jumps == []
    ((line, what),) = history.notes()
    assert line == 3
    assert "from 2026-11-02 09:00:00.000000 UTC forward to 2026-11-02 11:00:00.000000 UTC" in what
    assert what.endswith("read by no run.")

    history.run(3, 4, window={"since": hour(1), "until": None})
    ((line, what),) = history.notes()
    assert (line, what.endswith("read by x.")) == (3, True)


def test_a_reset_to_where_it_was_is_not_noted(history: Told) -> None:
    """It passes nothing over."""
    history.reset(1, 1)

    assert list(history.notes()) == []


def test_a_first_run_after_a_reset_settles_it(history: Told) -> None:
    """It wrote the file: that a later run begins where the watermark was before the reset is a jump of its own."""
    history.reset(1, 0)
    history.add("first-run", watermark=hour(0))
    history.run(1, 2)

    assert list(history.notes()) == []
    assert history.moved(history.jumps) == [(5, 0, 1, "")]


@pytest.mark.parametrize("now", [False, True], ids=["at the next run", "now"])
def test_a_reset_that_had_no_effect_is_noted(history: Told, *, now: bool) -> None:
    """It was killed before it wrote the file, or somebody wrote the old watermark back: nothing is read again."""
    history.reset(1, 0)
    assert list(history.notes()) == []

    if now:
        history.find(T0 + timedelta(hours=1))
    else:
        history.run(1, 2)

    assert history.jumps == []
    ((line, what),) = history.notes()
    assert line == 3
    assert "was to be 2026-11-02 08:00:00.000000 UTC, and was found at 2026-11-02 09:00:00.000000 UTC" in what


def test_a_reset_that_had_its_effect_is_not_noted(history: Told) -> None:
    """Back, and the next run began there; that the watermark is where it was before the reset later on is no sign."""
    history.reset(1, 0)
    history.run(0, 0, status="failed")
    history.run(1, 2)

    assert list(history.notes()) == []
    assert history.moved(history.jumps) == [(6, 0, 1, "")]


def test_a_dry_run_moves_nothing_however_it_ends(history: Told) -> None:
    """Also where its end does not say that it was one, as ledgers of earlier versions have it."""
    history.add("start", "dry", parameters={"dry_run": True}, watermark={"before": hour(7)})
    history.add("end", "dry", status="failed", watermark={"before": hour(7), "after": hour(7)})
    history.run(1, 2)

    assert history.jumps == []
