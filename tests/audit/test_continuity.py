"""The watermark's history: gaps, later reads of gaps, and the effect of resets."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib import clock
from futurscam_lib.audit.continuity import Continuity, Jump, UnreadTime
from futurscam_lib.audit.entries import LedgerEntry

T0 = clock.parse("2026-11-02T08:00:00Z")
BOTH = "folder,boond"


def hour(number: float | None) -> str | None:
    """An instant as the ledger has it."""
    return None if number is None else clock.to_text(T0 + timedelta(hours=number))


class WrittenHistory(Continuity):
    """A history that is written in hours."""

    def __init__(self, *sources: str) -> None:
        """Begin; when none are given, all sources are configured."""
        super().__init__(sources or ("folder", "boond", "mailbox"))
        self._lines = count(1)

    def add(self, event: str, run_id: str = "", **facts: Any) -> None:
        """One line."""
        self.see(LedgerEntry(next(self._lines), event, run_id, "", facts, "", ""))

    def run(self, before: float, after: float, *, sources: str = BOTH, name: str = "x", **facts: Any) -> None:
        """A run's two lines; it reads from `before` on."""
        self.add("start", name, parameters={"sources": sources}, watermark={"before": hour(before)})
        end_facts = {"status": "ok", "window": {"since": hour(before), "until": None}, **facts}
        self.add("end", name, watermark={"before": hour(before), "after": hour(after)}, **end_facts)

    def reset(self, before: float | None, after: float) -> None:
        """A reset."""
        self.add("reset", watermark={"before": hour(before), "after": hour(after)})

    def moved(self, jumps: list[Jump]) -> list[tuple[int, float, float, str]]:
        """Jumps as line, hours and who read them."""
        hours = timedelta(hours=1)
        return [(one.line, (one.before - T0) / hours, (one.after - T0) / hours, one.read_by) for one in jumps]


@pytest.fixture
def history() -> WrittenHistory:
    """One after a run over both sources that left the watermark at the first hour."""
    made = WrittenHistory()
    made.run(0, 1)
    return made


@pytest.mark.parametrize(("at", "jumps"), [(2, [(3, 1, 2, "")]), (1, []), (0, [])])
def test_a_first_run_that_begins_later_leaves_a_gap(history: WrittenHistory, at: float, jumps: list[Any]) -> None:
    """The file was removed. A first run that begins earlier than the old watermark leaves no gap."""
    history.add("first-run", watermark=hour(at))

    assert history.moved(history.jumps) == jumps

    history.run(at, 3)
    assert history.moved(history.jumps) == jumps


def test_a_replay_reads_nothing_of_a_gap(history: WrittenHistory) -> None:
    """A replay reads no source, so the gap is still unread."""
    history.reset(1, 3)
    before = history.moved([*history.jumps, *history.forward])

    history.run(3, 3, name="replay", window={"since": None, "until": None}, replay="all")

    assert before
    assert history.moved([*history.jumps, *history.forward]) == before


@pytest.mark.parametrize("seen_at", ["reset", "first-run", "start"])
@pytest.mark.parametrize(("sources", "reader"), [("folder", ""), (BOTH, "x"), (f"{BOTH},mailbox", "x")])
def test_a_run_reads_a_gap_only_from_its_own_sources(
    history: WrittenHistory, seen_at: str, sources: str, reader: str
) -> None:
    """All sources read before the gap must read it, also if a reset, a first run or a run of one source shows it."""
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
def test_a_gap_is_closed_when_all_of_it_was_read(
    history: WrittenHistory, since: float, until: float, reader: str
) -> None:
    """Up to the found watermark, exclusive: the run that began there has read that instant."""
    history.run(3, 4)
    history.run(4, 4, window={"since": hour(since), "until": hour(until)})

    assert history.moved(history.jumps) == [(3, 1, 3, reader)]


def test_the_first_complete_read_closes_a_gap(history: WrittenHistory) -> None:
    """A failed run does not count, and a second read changes nothing."""
    window = {"since": hour(1), "until": None}
    history.run(3, 3, window=window, name="failed", status="failed")
    assert history.moved(history.jumps) == [(3, 1, 3, "")]

    history.run(3, 4, window=window, name="first")
    history.run(4, 5, window=window, name="second")

    assert history.moved(history.jumps) == [(3, 1, 3, "first")]


def test_a_gap_may_be_read_piece_by_piece(history: WrittenHistory) -> None:
    """In any order; the rest is reported, and the run that read the last piece."""
    history.run(7, 7, status="failed")
    for since, until, left in ((3, 5, (1, 7)), (5, 8, (1, 3)), (2, 4, (1, 2))):
        history.run(7, 7, window={"since": hour(since), "until": hour(until)})
        assert history.jumps[0].missing == tuple(T0 + timedelta(hours=one) for one in left)
        assert not history.jumps[0].read_by

    history.run(7, 7, name="last", window={"since": hour(0), "until": hour(2)})
    assert history.jumps[0].missing is None
    assert history.jumps[0].how_read == "the time between was read later, the last of it by last"


def test_a_gap_may_be_read_source_by_source(history: WrittenHistory) -> None:
    """Each run closes the gap of its own sources."""
    window = {"since": hour(1), "until": None}
    history.run(3, 3, status="failed")
    history.run(3, 3, sources="folder", window=window)
    assert history.jumps[0].missing

    history.run(3, 3, sources="boond", name="last", window=window)
    assert history.moved(history.jumps) == [(3, 1, 3, "last")]


@pytest.mark.parametrize("configured", [("folder",), ("folder", "boond")], ids=["dropped", "back"])
def test_unconfigured_sources_are_not_missing(configured: tuple[str, ...]) -> None:
    """A source that is no longer configured is not missing; configured again, it is."""
    history = WrittenHistory(*configured)
    history.run(0, 1)
    history.reset(3, 5)
    for jumps in (history.jumps, history.forward):
        assert jumps[0].missing, "the folder is configured, and has read nothing"

    history.run(5, 6, sources="folder", window={"since": hour(1), "until": None})

    is_back = "boond" in configured
    for jump in (history.jumps[0], history.forward[0]):
        assert (jump.missing is not None) is is_back
        assert not jump.read_by
        assert jump.how_read == "not all of the time between was read from boond (no longer configured)"
    ((_, note),) = history.notes()
    assert note.endswith("the time between was read." if is_back else "read from boond (no longer configured).")


def test_without_recorded_sources_any_run_closes_a_gap() -> None:
    """The ledger does not record the sources, so none stays missing."""
    history = WrittenHistory()
    history.run(0, 1, sources="")
    history.run(3, 3, sources="", status="failed")
    assert history.jumps[0].missing

    history.run(3, 3, sources="folder", window={"since": hour(1), "until": None})
    assert history.moved(history.jumps) == [(3, 1, 3, "x")]


_HOURS = st.integers(0, 12)
_SOURCES = st.sets(st.sampled_from(["folder", "boond", "mailbox"]), min_size=1)


@given(
    st.lists(st.tuples(_HOURS, st.one_of(st.none(), _HOURS), _SOURCES, st.sampled_from(["ok", "failed"])), max_size=9),
    _SOURCES,
)
def test_missing_hours_are_those_that_no_run_read(
    runs: list[tuple[int, int | None, set[str], str]], configured: set[str]
) -> None:
    """For any runs and windows, also empty and inverted windows."""
    history = WrittenHistory(*configured)
    history.run(0, 2)
    history.run(10, 10, status="failed")
    left = {(source, at) for source in ("folder", "boond") for at in range(2, 10)}
    reader = ""
    for number, (since, until, sources, status) in enumerate(runs):
        window = {"since": hour(since), "until": hour(until)}
        history.run(10, 10, sources=",".join(sources), name=str(number), window=window, status=status)
        if left and status == "ok":
            hours = range(since, 10 if until is None else until)
            left -= {(source, at) for source in sources for at in hours}
            reader = "" if left else str(number)

    hours_missed = [at for source, at in left if source in configured]
    expected = (T0 + timedelta(hours=n) for n in (min(hours_missed), max(hours_missed) + 1)) if hours_missed else None
    assert history.jumps[0].missing == (tuple(expected) if expected else None)
    assert history.jumps[0].read_by == reader
    unread = [(part.source, at) for part in history.jumps[0].unread for at in range(2, 10) if _holds(part, at)]
    assert sorted(unread) == sorted(left)


def _holds(part: UnreadTime, at: int) -> bool:
    return part.since <= T0 + timedelta(hours=at) < part.until


def test_an_overlap_is_not_a_gap(history: WrittenHistory) -> None:
    """A watermark that was set back leaves no gap."""
    history.run(0, 2)

    assert history.moved(history.jumps) == [(3, 1, 0, "")]


def test_a_run_of_one_source_leaves_the_others_missing(history: WrittenHistory) -> None:
    """A run by hand over one source does not drop the others."""
    history.run(1, 1, sources="folder")
    history.run(3, 3, sources="folder", status="failed")
    history.run(3, 3, sources="folder", window={"since": hour(1), "until": None})

    assert history.moved(history.jumps) == [(5, 1, 3, "")]


def test_the_first_run_defines_the_sources() -> None:
    """It failed, but its request named both sources."""
    history = WrittenHistory()
    history.run(0, 0, status="failed")
    history.run(2, 3, sources="folder", window={"since": hour(0), "until": None})

    assert history.moved(history.jumps) == [(3, 0, 2, "")]


def test_a_source_that_begins_at_a_gap_is_missed_in_it(history: WrittenHistory) -> None:
    """The run after the gap reads an additional source, whose earlier changes are unread too."""
    history.run(3, 3, sources=f"{BOTH},mailbox", status="failed")
    history.run(3, 3, window={"since": hour(1), "until": None})

    assert history.moved(history.jumps) == [(3, 1, 3, "")]


def test_a_source_that_is_no_longer_read_is_not_missed(history: WrittenHistory) -> None:
    """Once a run without it has moved the watermark, which only a run over all sources does."""
    history.run(1, 2, sources="folder")
    history.run(4, 5, sources="folder", window={"since": hour(2), "until": None})

    assert history.moved(history.jumps) == [(5, 2, 4, "x")]


@pytest.mark.parametrize("found", [1, None])
def test_a_reset_forward_is_noted(history: WrittenHistory, found: float | None) -> None:
    """Also a reset of an unreadable file, until a run has read the skipped time."""
    history.reset(found, 3)

    assert history.jumps == []
    ((line, what),) = history.notes()
    assert line == 3
    assert "from 2026-11-02 09:00:00.000000 UTC forward to 2026-11-02 11:00:00.000000 UTC" in what
    assert what.endswith("; not all of the time between was read.")

    history.run(3, 4, window={"since": hour(1), "until": None})
    ((line, what),) = history.notes()
    assert (line, what.endswith("the last of it by x.")) == (3, True)


def test_a_reset_to_where_it_was_is_not_noted(history: WrittenHistory) -> None:
    """It skips nothing."""
    history.reset(1, 1)

    assert list(history.notes()) == []


def test_a_first_run_after_a_reset_settles_it(history: WrittenHistory) -> None:
    """The first run wrote the file, so a later start at the old watermark is a separate gap."""
    history.reset(1, 0)
    history.add("first-run", watermark=hour(0))
    history.run(1, 2)

    assert list(history.notes()) == []
    assert history.moved(history.jumps) == [(5, 0, 1, "")]


@pytest.mark.parametrize("now", [False, True], ids=["at the next run", "now"])
def test_a_reset_that_had_no_effect_is_noted(history: WrittenHistory, *, now: bool) -> None:
    """It was killed before it wrote the file, or somebody restored the old watermark: nothing is read again."""
    history.reset(1, 0)
    assert list(history.notes()) == []

    if now:
        history.find(T0 + timedelta(hours=1))
    else:
        history.run(1, 2)

    assert history.jumps == []
    ((line, what),) = history.notes()
    assert line == 3
    assert (
        "watermark to 2026-11-02 08:00:00.000000 UTC, but the watermark was still 2026-11-02 09:00:00.000000 UTC"
        in what
    )


def test_a_reset_that_had_its_effect_is_not_noted(history: WrittenHistory) -> None:
    """The next run began at the reset watermark; a later return to the old value does not matter."""
    history.reset(1, 0)
    history.run(0, 0, status="failed")
    history.run(1, 2)

    assert list(history.notes()) == []
    assert history.moved(history.jumps) == [(6, 0, 1, "")]


def test_a_dry_run_moves_nothing_in_any_case(history: WrittenHistory) -> None:
    """Also in ledgers of earlier versions, whose end entry does not mark dry runs."""
    history.add("start", "dry", parameters={"dry_run": True}, watermark={"before": hour(7)})
    history.add("end", "dry", status="failed", watermark={"before": hour(7), "after": hour(7)})
    history.run(1, 2)

    assert history.jumps == []
