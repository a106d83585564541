"""Tampering by somebody who knows the format: nothing tampered is shown as proven, and nothing breaks."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pydantic import SecretStr

from futurscam_lib import clock
from futurscam_lib.audit import entries
from futurscam_lib.audit.history import History
from futurscam_lib.audit.prune import prune
from futurscam_lib.audit.seal import Seal, head_path, write_head
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.watermark import Watermark
from tests.audit.made_log import KEY, NOW, RUNS, T0, forge, lines, look, rewrite, serious

if TYPE_CHECKING:
    from pymongo.database import Database

    from tests.made_runs import MadeRuns


def write_anew(made: MadeRuns, number: int, *, seal: Seal | None = None, **changed: Any) -> None:
    """Change a line's facts or its `at`, `event`, `run_id`, and rewrite the chain and the head."""
    last = None
    written = []
    for raw in lines(made):
        content = orjson.loads(raw)
        fields = {name: content[name] for name in ("event", "run_id", "at", "facts")}
        last = entries.chained(last, **{**fields, "at": clock.parse(fields["at"])}, seal=seal)
        if last.seq == number:
            own = {name: changed.pop(name) for name in ("event", "run_id", "at") if name in changed}
            last = signed(entries.LedgerEntry(**{**orjson.loads(entries.line_of(last)), **own}), changed, seal)
        written.append(entries.line_of(last) + b"\n")
    rewrite(made, written)
    assert last is not None
    write_head(made.settings.ledger_file, last.seq, last.hash, seal=seal)


def signed(entry: entries.LedgerEntry, facts: dict[str, Any], seal: Seal | None) -> entries.LedgerEntry:
    """Return the entry with these additional facts and its new hash."""
    content = orjson.loads(entries.line_of(entry)) | {"facts": {**entry.facts, **facts}}
    content["hash"] = entries._hash_of(content)
    return entries.LedgerEntry(**content | {"mac": seal.of_line(content["hash"]) if seal else ""})


@pytest.mark.parametrize("seal", [None, Seal("a key that somebody guessed")])
def test_a_rewritten_chain_is_not_read(sealed: MadeRuns, seal: Seal | None) -> None:
    """With the key in the environment no run is read from it; without it the chain is read as before."""
    assert History.of(sealed.settings).find("last").run_id == sealed.made[-1]
    forge(sealed, seal, strip=seal is None)

    history = History.of(sealed.settings)
    for read in (history.newest, lambda: history.find("last"), history.frame):
        with pytest.raises(OperatorMustAct, match=r"line 10 is .*sealed"):
            read()
    assert len(list(history.readable())) == RUNS

    without = sealed.settings.model_copy(update={"ledger_key": None})
    assert len(list(History.of(without).newest())) == RUNS


@pytest.mark.parametrize("kind", ["log", "sealed"])
def test_a_ledger_with_a_cut_end_is_not_read(kind: str, request: pytest.FixtureRequest) -> None:
    """An earlier run is never shown as the last one."""
    made: MadeRuns = request.getfixturevalue(kind)
    rewrite(made, lines(made)[:-2])

    with pytest.raises(OperatorMustAct, match="its end was cut off"):
        History.of(made.settings).find("last")


def test_a_kill_between_line_and_head_is_not_a_cut_end(sealed: MadeRuns) -> None:
    """What ordinary operation leaves can be read."""
    head = head_path(sealed.settings.ledger_file).read_bytes()
    sealed.add(T0 + timedelta(hours=RUNS), status="unfinished", notebook=b"")
    head_path(sealed.settings.ledger_file).write_bytes(head)
    with sealed.settings.ledger_file.open("ab") as file:
        file.write(b'{"at":"2026')

    assert History.of(sealed.settings).find("last").run_id == sealed.made[-1]


def test_a_watermark_without_a_ledger(log: MadeRuns) -> None:
    """A watermark without a ledger is a finding; a home without both is fine."""
    shutil.rmtree(log.settings.runs)

    ((place, what),) = serious(log)
    assert place == ".last_execution"
    assert "the ledger has no run" in what

    log.settings.watermark_file.unlink()
    assert look(log).findings == []


@pytest.mark.parametrize(
    ("line", "changed", "what"),
    [
        (3, {"at": "yesterday"}, "Its time is 'yesterday'."),
        (3, {"at": "2026-W45-1T08:00:00.000000+00:00"}, "Its time is '2026-W45-1T08:00:00.000000+00:00'."),
        (3, {"parameters": [1]}, "Its parameters is [1], which is the wrong type."),
        (3, {"notebook": 5}, "Its notebook is 5, which is the wrong type."),
        (3, {"watermark": {"before": 5}}, "Its watermark is {'before': 5}, which is the wrong type."),
        (4, {"counts": [1]}, "Its counts is [1], which is the wrong type."),
        (4, {"counts": {"extracted": "x"}}, "Its counts is {'extracted': 'x'}, which is the wrong type."),
        (4, {"sources": {"folder": {"extracted": None}}}, "Its sources is"),
        (4, {"failures": {"folder": 5}}, "Its failures is {'folder': 5}, which is the wrong type."),
        (4, {"seconds": "long"}, "Its seconds is 'long', which is the wrong type."),
        (4, {"status": ["ok"]}, "Its status is ['ok'], which is the wrong type."),
        (4, {"event": "pruned", "notebooks": 5}, "Its notebooks is 5, which is the wrong type."),
    ],
)
def test_facts_that_cannot_be_read(log: MadeRuns, line: int, changed: dict[str, Any], what: str) -> None:
    """Verification and the readers of runs name the line; verification skips its content if lines are wrong."""
    write_anew(log, line, **changed)

    texts = [text for place, text in serious(log) if place == f"ledger.jsonl, line {line}"]
    assert texts
    assert texts[0].startswith(what)
    history = History.of(log.settings)
    with pytest.raises(OperatorMustAct, match=f"line {line}: its "):
        list(history.newest())
    with pytest.raises(OperatorMustAct, match=f"line {line}: its "):
        prune(log.settings, keep=timedelta(days=1), keep_failed=timedelta(days=1), now=NOW, started_by="x")
    assert len(list(history.readable())) >= RUNS - 1


@pytest.mark.parametrize(
    ("line", "changed", "what"),
    [
        (4, {"event": "blessed"}, "Its event is 'blessed', which this version does not know."),
        (4, {"status": "great"}, "Its status is 'great', which no run has."),
        (
            4,
            {"counts": {"extracted": 7, "inserted": 6}},
            "Its status is ok, but its counts do not add up (7 extracted, 6 accounted for)",
        ),
        (3, {"run_id": "../../x"}, "'../../x' is not a valid run_id."),
        *(
            (4, {"notebook": name}, f"It names a notebook {name!r}, which is not inside the folder of the runs.")
            for name in ("../../.env", "/etc/passwd", "a/../../b", "C:/x", "a\\b", "a\0b", ".hidden")
        ),
    ],
)
def test_facts_that_no_run_writes(log: MadeRuns, line: int, changed: dict[str, Any], what: str) -> None:
    """They are readable, but no run can have written them."""
    write_anew(log, line, **changed)

    texts = [text for place, text in serious(log) if place == f"ledger.jsonl, line {line}"]
    assert any(text.startswith(what) for text in texts)
    list(History.of(log.settings).newest())


def test_what_a_notebook_glued_may_be_anything(log: MadeRuns) -> None:
    """The ledger keeps it unchanged: it is not a finding, and breaks no reader."""
    odd = {"window": [1], "reject_reasons": 5, "oddities": "x", "closed": "y", "notes": {"folder": 1, "boond": [2]}}
    write_anew(log, 2 * RUNS, **odd)

    assert look(log).findings == []
    run = History.of(log.settings).find("last")
    assert (run.reject_reasons, run.oddities, run.closed, run.notes) == ({}, {}, 0, {})
    assert run.window["since"] == run.parameters["watermark"]


def test_the_watermark_is_compared_while_a_run_is_active(log: MadeRuns) -> None:
    """A difference is a note while the run may be moving it; after the run it is a finding."""
    Watermark(log.settings.watermark_file).reset(NOW - timedelta(days=1))

    (note,) = look(log, active="x").findings
    assert (note.place, note.serious) == (".last_execution", False)
    assert "not checked while x is active" in note.what
    assert [place for place, _ in serious(log)] == [".last_execution"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a file system with pipes")
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("runs/ledger.jsonl", "ledger.jsonl, line 1"),
        ("runs/ledger.head", f"ledger.jsonl, line {2 * RUNS + 1}"),
        (".last_execution", ".last_execution"),
    ],
)
def test_a_pipe_is_not_waited_for(log: MadeRuns, name: str, place: str) -> None:
    """It is named in place of any file; no runs are read from it."""
    path = log.settings.home / name
    path.unlink()
    os.mkfifo(path)

    assert place in [where for where, _ in serious(log)]
    if path.parent == log.settings.runs:
        with pytest.raises(OperatorMustAct, match=r"ledger\.jsonl: "):
            History.of(log.settings).find("last")


@pytest.mark.parametrize("kind", ["log", "sealed"])
def test_a_ledger_that_was_moved_away(
    kind: str, request: pytest.FixtureRequest, database: Database[dict[str, Any]]
) -> None:
    """Its runs count as known if MongoDB names them; with a key, only sealed runs."""
    made: MadeRuns = request.getfixturevalue(kind)
    database.RFP.insert_one({"job_id": "a", "_etl": {"run_id": made.made[0], "first_run_id": made.made[0]}})
    made.settings.runs.rename(made.settings.home / "runs-old")
    made.add(T0 + timedelta(hours=RUNS))
    Watermark(made.settings.watermark_file).reset(made.watermark)

    (note,) = look(made, documents=True).findings
    assert (note.place, note.serious) == ("runs-old/ledger.jsonl", False)

    made.settings = made.settings.model_copy(update={"ledger_key": SecretStr(f"another {KEY}")})
    missed = [one.what for one in look(made, documents=True).serious if one.place.startswith("MongoDB")]
    assert len(missed) == 2
