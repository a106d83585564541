"""The runs as the ledger records them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pytest

from futurscam_lib import clock
from futurscam_lib.audit.history import STATUSES, History
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.errors import OperatorMustAct, UsageError
from tests.made_runs import counts

if TYPE_CHECKING:
    from tests.made_runs import MadeRuns

T0 = clock.parse("2026-11-02T08:00:00Z")


def test_each_start_with_its_end_newest_first(made: MadeRuns) -> None:
    """Every status is shown with its counts, also if a crash was detected after the next run's start."""
    for hour, status in enumerate(STATUSES):
        made.add(T0 + timedelta(hours=hour), status=status, sources={"folder": counts(inserted=hour)})

    runs = list(History.of(made.settings).newest())

    assert [run.status for run in runs] == [*STATUSES][::-1]
    assert [run.run_id for run in runs] == made.made[::-1]
    assert runs[-1].watermark["after"] == clock.to_text(T0 + timedelta(milliseconds=1))
    assert [run.counts.get("inserted") for run in runs] == [None, None, 2, 1, 0]
    assert [bool(run.notebook_sha256) for run in runs] == [False, True, True, True, True]
    assert all(History.of(made.settings).path(run) == made.path(run.run_id) for run in runs)


def test_a_run_is_found_by_its_beginning(made: MadeRuns) -> None:
    """By name, beginning of a name, or `last`; no match or several are refused with a hint."""
    with pytest.raises(UsageError, match="no run yet"):
        History.of(made.settings).find("last")
    names = [made.add(T0 + timedelta(hours=hour)) for hour in range(3)]
    history = History.of(made.settings)

    assert history.find(names[0]).run_id == history.find(names[0][:14]).run_id == names[0]
    assert history.find("last").run_id == names[-1]
    with pytest.raises(UsageError, match=f"3 runs begin with 20261102: {names[2]}"):
        history.find("20261102")
    for nothing in ("", "2025", "../x"):
        with pytest.raises(UsageError, match="runs list"):
            history.find(nothing)


def test_without_runs_the_table_is_empty(made: MadeRuns) -> None:
    """A home without runs gives an empty table with the same columns."""
    empty = History.of(made.settings).frame()
    made.add(T0)
    made.add(T0 + timedelta(hours=1), status="unfinished")

    frame = History.of(made.settings).frame()
    assert len(empty) == 0
    assert list(empty.columns) == list(frame.columns)
    assert [str(kind) for kind in frame[["started", "ended"]].dtypes] == ["datetime64[us, UTC]"] * 2
    assert frame["run_id"].tolist() == made.made
    assert len(History.of(made.settings).frame(since=T0 + timedelta(minutes=1))) == 1


def test_a_removed_notebook_is_marked(made: MadeRuns) -> None:
    """A tombstone marks the runs whose notebooks are gone."""
    old, new = made.add(T0), made.add(T0 + timedelta(hours=1))
    notebook = made.path(old).relative_to(made.settings.runs).as_posix()
    Ledger(made.settings.ledger_file).append("pruned", at=T0, run_id="", facts={"notebooks": {notebook: "0" * 64}})

    assert {run.run_id: run.pruned for run in History.of(made.settings).newest()} == {new: False, old: True}


def test_a_changed_ledger_is_not_read(made: MadeRuns) -> None:
    """Reading stops at an edited count."""
    made.add(T0)
    lines = made.settings.ledger_file.read_bytes().splitlines()
    end = orjson.loads(lines[1])
    end["facts"]["seconds"] = 1
    made.settings.ledger_file.write_bytes(b"\n".join([lines[0], orjson.dumps(end), b""]))

    with pytest.raises(OperatorMustAct, match="line 2"):
        list(History.of(made.settings).newest())


def test_a_notebook_outside_of_the_runs_is_refused(made: MadeRuns) -> None:
    """A path in the ledger cannot lead a reviewer to another file of the machine."""
    facts = {"notebook": "../../.env", "parameters": {}}
    Ledger(made.settings.ledger_file).append("start", at=T0, run_id="x", facts=facts)
    history = History.of(made.settings)

    with pytest.raises(UsageError, match=r"\.\./\.\./\.env"):
        history.path(history.find("x"))
