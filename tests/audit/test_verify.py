"""Verification detects every change, removal and insertion in the audit log, and nothing else."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from futurscam_lib import clock
from futurscam_lib.audit import entries, runs_folder
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.audit.lines import read_lines
from futurscam_lib.audit.seal import Seal, head_path, write_head
from futurscam_lib.audit.verify import verify
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.watermark import Watermark
from tests.audit.made_log import KEY, NOW, RUNS, T0, forge, lines, look, reset, rewrite, serious
from tests.made_runs import MadeRuns

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database


def test_an_untouched_log_has_no_finding(log: MadeRuns) -> None:
    """The exit code is 0."""
    verified = look(log)

    assert verified.findings == []
    assert (verified.lines, verified.runs, verified.notebooks, verified.exit_code) == (2 * RUNS, RUNS, RUNS, 0)
    assert verified.size == sum(log.path(name).stat().st_size for name in log.made)
    assert "The audit log is intact." in "\n".join(verified.report())
    assert verified.as_dict()["ok"] is True
    assert "Checked: 10 lines of the ledger, 5 runs, 5 notebooks" in "\n".join(verified.report())


def test_a_home_without_runs_has_no_finding(made: MadeRuns) -> None:
    """An empty audit log is fine."""
    assert look(made).findings == []


def test_a_count_edited_in_the_ledger(log: MadeRuns) -> None:
    """The line is named."""
    before = lines(log)
    end = orjson.loads(before[3])
    end["facts"]["counts"]["inserted"] = 7
    rewrite(log, [*before[:3], orjson.dumps(end, option=orjson.OPT_SORT_KEYS) + b"\n", *before[4:]])

    assert ("ledger.jsonl, line 4", "Its hash does not match its content.") in serious(log)
    assert look(log).exit_code == 4


@pytest.mark.parametrize("gone", range(2 * RUNS - 1))
def test_a_line_removed(log: MadeRuns, gone: int) -> None:
    """The line that is now in its place is named."""
    before = lines(log)
    rewrite(log, [*before[:gone], *before[gone + 1 :]])

    findings = serious(log)
    assert findings[0][0] == f"ledger.jsonl, line {gone + 1}"
    assert findings[0][1].startswith(f"Its number is {gone + 2}, expected {gone + 1}; 1 line(s) before it are gone")


@pytest.mark.parametrize("first", range(2 * RUNS - 1))
def test_two_lines_swapped(log: MadeRuns, first: int) -> None:
    """Both places are named."""
    before = lines(log)
    before[first], before[first + 1] = before[first + 1], before[first]
    rewrite(log, before)

    places = [place for place, _ in serious(log)]
    assert f"ledger.jsonl, line {first + 1}" in places
    assert f"ledger.jsonl, line {first + 2}" in places


def test_a_line_inserted(log: MadeRuns) -> None:
    """One more line, made with a right hash, is named; so is a line that occurs twice."""
    before = lines(log)
    first = entries.read_entry(before[0].strip())
    forged = entries.chained(first, event="end", run_id="x", at=T0, facts={"status": "ok"})
    rewrite(log, [before[0], entries.line_of(forged) + b"\n", *before[1:]])
    assert "ledger.jsonl, line 3" in [place for place, _ in serious(log)]

    rewrite(log, [*before[:3], before[2], *before[3:]])
    assert "ledger.jsonl, line 4" in [place for place, _ in serious(log)]


def test_an_end_without_a_start(log: MadeRuns) -> None:
    """A line that continues the chain, and ends a run that never began, is named; so is a second start."""
    ledger = Ledger.of(log.settings)
    ledger.append("end", at=NOW, run_id="x", facts={"status": "ok"})
    for _ in range(2):
        ledger.append("start", at=NOW, run_id="y", facts={})

    line = 2 * RUNS
    assert serious(log) == [
        (f"ledger.jsonl, line {line + 1}", "X ends, but no line says that it started."),
        (f"ledger.jsonl, line {line + 3}", "Y starts a second time."),
    ]


def test_a_line_doubled_behind_one_that_cannot_be_read(log: MadeRuns) -> None:
    """Both are named, although the line between them is unknown."""
    before = lines(log)
    rewrite(log, [*before[:2], b"{}\n", before[1], *before[4:]])

    assert [place for place, _ in serious(log)][:2] == ["ledger.jsonl, line 3", "ledger.jsonl, line 4"]


@pytest.mark.parametrize("count", range(1, 2 * RUNS + 1))
def test_the_tail_cut_off(log: MadeRuns, count: int) -> None:
    """The head knows how long it was; without the head, unrecorded notebooks and the watermark show it."""
    before = lines(log)
    rewrite(log, before[:-count])

    left = 2 * RUNS - count
    place, what = f"ledger.jsonl, line {left + 1}", f"It ends with line {left}, but line {2 * RUNS} had been written"
    assert any(finding[0] == place and finding[1].startswith(what) for finding in serious(log))

    head_path(log.settings.ledger_file).unlink()
    verified = look(log)
    unknown = [finding for finding in verified.findings if finding.place.endswith(".ipynb")]
    unfinished = [finding for finding in verified.findings if "never ended" in finding.what]
    assert len(unknown) == (count + 1) // 2
    assert len(unfinished) == count % 2
    assert verified.serious


def test_an_old_ledger_put_back_with_all_that_belongs_to_it(log: MadeRuns, database: Database[dict[str, Any]]) -> None:
    """Files alone cannot show that; documents that name a run which the ledger does not know do."""
    kept = {path: path.read_bytes() for path in log.settings.home.rglob("*") if path.is_file()}
    name = log.add(T0 + timedelta(hours=RUNS))
    log.path(name).unlink()
    by_hand = f"interactive-{name}"
    database.RFP.insert_one({"job_id": "a", "_etl": {"run_id": by_hand, "first_run_id": log.made[0]}})
    database.RFP.insert_one({"job_id": "b", "_etl": {"run_id": name, "first_run_id": name}})
    database.RFP.insert_one({"job_id": "c"})
    for path, data in kept.items():
        path.write_bytes(data)

    assert look(log).findings == []
    findings = look(log, documents=True).serious
    assert [finding.place for finding in findings] == ["MongoDB, RFP._etl.first_run_id", "MongoDB, RFP._etl.run_id"]
    assert all(finding.what.startswith(f"{name} is named 1 time(s)") for finding in findings)


def test_the_whole_ledger_deleted(log: MadeRuns) -> None:
    """Every notebook is foreign, and the head has no ledger."""
    log.settings.ledger_file.unlink()

    assert len([place for place, _ in serious(log) if place.endswith(".ipynb")]) == RUNS
    assert (
        "ledger.jsonl, line 1",
        "It ends with line 0, but line 10 had been written: its end was cut off.",
    ) in serious(log)


@pytest.mark.parametrize("strip", [True, False])
@pytest.mark.parametrize("seal", [None, Seal("a key that somebody guessed")])
def test_the_whole_chain_rewritten(sealed: MadeRuns, seal: Seal | None, *, strip: bool) -> None:
    """With a key it is found: without seals, with the old ones, with those of another key; the next run is refused."""
    forge(sealed, seal, strip=strip)

    # The first line says the same as before, and so do its hash and its old seal.
    ((place, what),) = serious(sealed)
    assert place == f"ledger.jsonl, line {1 if seal or strip else 2}"
    assert "not sealed with th" in what
    with pytest.raises(OperatorMustAct, match="FUTURSCAM_LEDGER_KEY"):
        Ledger.of(sealed.settings).append("start", at=NOW, run_id="x", facts={})


def test_a_sealed_ledger_is_right(sealed: MadeRuns) -> None:
    """With its key there is no finding; without it only the chain is checked, which is reported."""
    for hour in range(RUNS, 2 * RUNS):
        Ledger.of(sealed.settings).append("reset", at=T0 + timedelta(hours=hour), run_id="x", facts={})

    verified = look(sealed)
    assert verified.findings == []
    assert verified.sealed == 3 * RUNS
    without = sealed.settings.model_copy(update={"ledger_key": None})
    assert verify(without, now=NOW).findings == []
    assert "FUTURSCAM_LEDGER_KEY is not set" in "\n".join(verify(without, now=NOW).report())
    with pytest.raises(OperatorMustAct, match="it is sealed, and FUTURSCAM_LEDGER_KEY is not set"):
        Ledger.of(without).append("start", at=NOW, run_id="x", facts={})


def test_the_tail_of_a_sealed_ledger_cut_off(sealed: MadeRuns) -> None:
    """Without the key nobody can make a head for the rest."""
    kept = lines(sealed)[:-2]
    rewrite(sealed, kept)
    last = entries.read_entry(kept[-1].strip())
    for name in sealed.made[-1:]:
        sealed.path(name).unlink()
    Watermark(sealed.settings.watermark_file).reset(T0 + timedelta(hours=RUNS - 2, milliseconds=1))

    write_head(sealed.settings.ledger_file, last.seq, last.hash, seal=None)
    assert serious(sealed) == [
        ("ledger.jsonl, line 9", "ledger.head, which names its last line, is not sealed with the key.")
    ]
    head_path(sealed.settings.ledger_file).unlink()
    assert serious(sealed) == [("ledger.jsonl, line 9", "ledger.head, which names its last line, is missing.")]
    with pytest.raises(OperatorMustAct, match="is missing"):
        Ledger.of(sealed.settings).append("start", at=NOW, run_id="x", facts={})


def test_a_head_that_another_program_keeps_open(sealed: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: the line is written without its head, and the next line and verification accept that."""

    def taken(*_: object, **__: object) -> None:
        raise PermissionError(13, "in use")

    ledger = Ledger.of(sealed.settings)
    with monkeypatch.context() as broken:
        broken.setattr("futurscam_lib.audit.seal.write_atomically", taken)
        for _ in range(3):
            ledger.append("reset", at=NOW, run_id="x", facts={})
    assert look(sealed).findings == []

    ledger.append("reset", at=NOW, run_id="x", facts={})
    assert look(sealed).findings == []
    assert look(sealed).lines == 2 * RUNS + 4


def test_a_new_key_is_adopted_once(log: MadeRuns) -> None:
    """A ledger that stands gets its key by an entry that vouches for all before it, and another one when it changes."""
    for number, key in enumerate([KEY, f"another {KEY}"], start=1):
        log.settings = log.settings.model_copy(update={"ledger_key": SecretStr(key)})
        ledger = Ledger.of(log.settings)
        assert "futurscam runs seal" in serious(log)[0][1] or "another key" in serious(log)[0][1]
        with pytest.raises(OperatorMustAct, match="futurscam runs seal"):
            ledger.append("start", at=NOW, run_id="x", facts={})

        ledger.seal(at=NOW, facts={})
        ledger.append("reset", at=NOW, run_id="y", facts={})

        assert serious(log) == []
        (note,) = look(log).findings
        assert note.place == f"ledger.jsonl, line {2 * RUNS + 2 * number - 1}"

    before = lines(log)
    rewrite(log, [before[0].replace(b"root", b"toor"), *before[1:]])
    assert serious(log)[0][0] == "ledger.jsonl, line 1"


def test_runs_that_never_ended_are_reported(log: MadeRuns) -> None:
    """A start without an end is reported with its line, the active run as active; their files are not foreign."""
    name = log.add(T0 + timedelta(hours=RUNS), status="unfinished", notebook=b"")
    log.path(name).with_suffix(".ipynb.part").write_bytes(b"{}")

    verified = look(log)
    assert serious(log) == []
    assert [finding.place for finding in verified.findings] == [
        f"ledger.jsonl, line {2 * RUNS + 1}",
        f"runs/2026-11/{name}.ipynb.part",
    ]
    assert "never ended" in verified.findings[0].what
    assert [one.what for one in look(log, active=name).findings] == [f"{name} is active."]


@pytest.mark.parametrize("place", ["read_lines", "check_folder"])
def test_a_run_that_comes_meanwhile_is_no_finding(log: MadeRuns, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """It adds to the ledger, its head, the notebooks and the watermark just before or after the ledger was read."""
    target = f"futurscam_lib.audit.verify.{place}"
    real = {"read_lines": read_lines, "check_folder": runs_folder.check_folder}[place]

    def meanwhile(*asked: Any, **more: Any) -> Any:
        log.add(T0 + timedelta(hours=RUNS + len(log.made)))
        Watermark(log.settings.watermark_file).reset(log.watermark)
        log.add(T0 + timedelta(hours=RUNS + len(log.made)), status="unfinished", notebook=b"")
        log.path(log.made[-1]).with_suffix(".ipynb.part").write_bytes(b"{}")
        return real(*asked, **more)

    monkeypatch.setattr(target, meanwhile)

    assert look(log).serious == []


def test_a_torn_last_line_is_a_note(log: MadeRuns) -> None:
    """A power cut is not tampering."""
    with log.settings.ledger_file.open("ab") as file:
        file.write(b'{"at":"2026')

    (finding,) = look(log).findings
    assert finding.place == f"ledger.jsonl, line {2 * RUNS + 1}"
    assert not finding.serious


def test_a_gap_in_the_watermark(log: MadeRuns) -> None:
    """A gap is serious until a run has read it."""
    left, log.watermark = log.watermark, log.watermark + timedelta(hours=2)
    log.add(T0 + timedelta(hours=RUNS + 3))
    Watermark(log.settings.watermark_file).reset(log.watermark)

    ((place, what),) = serious(log)
    assert place == f"ledger.jsonl, line {2 * RUNS + 1}"
    assert f"futurscam run --since {clock.to_text(left)}" in what

    window = {"since": clock.to_text(left - timedelta(minutes=10)), "until": None}
    partly = {"since": clock.to_text(left + timedelta(minutes=1)), "until": None}
    for number, (read, more) in enumerate(
        [(partly, {}), (window, {"parameters": {"dry_run": True}}), (window, {"status": "failed"}), (window, {})]
    ):
        assert serious(log) == [(place, what)]
        name = log.add(T0 + timedelta(hours=RUNS + 4 + number), window=read, **more)
        Watermark(log.settings.watermark_file).reset(log.watermark)
    assert serious(log) == []
    assert f"was read later, the last of it by {name}." in look(log).findings[0].what


def test_a_gap_that_was_partly_read(log: MadeRuns) -> None:
    """The remedy begins where the gap is still unread."""
    left, log.watermark = log.watermark, log.watermark + timedelta(hours=2)
    part = clock.to_text(left + timedelta(hours=1))
    log.add(T0 + timedelta(hours=RUNS + 3))
    log.add(T0 + timedelta(hours=RUNS + 4), window={"since": clock.to_text(left), "until": part})
    Watermark(log.settings.watermark_file).reset(log.watermark)
    ((_, what),) = serious(log)
    assert what.endswith(f"futurscam run --since {part}")

    log.add(T0 + timedelta(hours=RUNS + 5), window={"since": part})
    Watermark(log.settings.watermark_file).reset(log.watermark)
    assert serious(log) == []


def test_a_gap_of_a_source_that_is_no_longer_configured(log: MadeRuns) -> None:
    """What cannot be read is a note once the others have read the rest; configured again, it is serious again."""
    both = {"parameters": {"sources": "folder,boond"}}
    log.add(T0 + timedelta(hours=RUNS), **both)
    left, log.watermark = log.watermark, log.watermark + timedelta(hours=2)
    log.add(T0 + timedelta(hours=RUNS + 3), **both)
    Watermark(log.settings.watermark_file).reset(log.watermark)
    assert len(serious(log)) == 1

    log.add(T0 + timedelta(hours=RUNS + 4), window={"since": clock.to_text(left)})
    Watermark(log.settings.watermark_file).reset(log.watermark)
    (finding,) = look(log).findings
    assert not finding.serious
    assert finding.what.endswith("; not all of the time between was read from boond (no longer configured).")

    log.settings = log.settings.model_copy(update={"sources": ("folder", "boond")})
    ((_, what),) = serious(log)
    assert what.endswith(f"futurscam run --since {clock.to_text(left)}")


@pytest.mark.parametrize("further", [timedelta(), timedelta(minutes=5)])
def test_a_gap_that_the_overlap_covers(log: MadeRuns, further: timedelta) -> None:
    """The run that begins late and reads far enough back passes over nothing."""
    left, log.watermark = log.watermark, log.watermark + timedelta(minutes=5)
    log.add(T0 + timedelta(hours=RUNS), window={"since": clock.to_text(left - further), "until": None})
    Watermark(log.settings.watermark_file).reset(log.watermark)

    assert serious(log) == []


def test_a_gap_is_reported_once(log: MadeRuns) -> None:
    """Also where the run that began behind it was killed, and the next one begins where it had begun."""
    log.watermark += timedelta(hours=2)
    log.add(T0 + timedelta(hours=RUNS + 3), status="crashed")
    log.add(T0 + timedelta(hours=RUNS + 4))
    Watermark(log.settings.watermark_file).reset(log.watermark)

    assert [place for place, _ in serious(log)] == [f"ledger.jsonl, line {2 * RUNS + 1}"]


def test_an_overlap_in_the_watermark_is_a_note(log: MadeRuns) -> None:
    """Reading twice doubles nothing."""
    log.watermark -= timedelta(hours=2)
    log.add(T0 + timedelta(hours=RUNS))
    Watermark(log.settings.watermark_file).reset(log.watermark)

    assert serious(log) == []
    assert "read twice" in look(log).findings[0].what


@pytest.mark.parametrize(("moved", "is_serious"), [(timedelta(hours=1), True), (timedelta(hours=-1), False)])
def test_the_file_of_the_watermark_moved_by_hand(log: MadeRuns, moved: timedelta, *, is_serious: bool) -> None:
    """Forward passes over time, back reads it twice; a reset says so in the ledger, and forward is a note at most."""
    to = log.watermark + moved
    Watermark(log.settings.watermark_file).reset(to)
    (finding,) = look(log).findings
    assert (finding.place, finding.serious) == (".last_execution", is_serious)

    facts = {"watermark": {"before": clock.to_text(log.watermark), "after": clock.to_text(to)}}
    Ledger.of(log.settings).append("reset", at=NOW, run_id="reset-x", facts=facts)
    assert serious(log) == []
    assert is_serious or look(log).findings == []


def test_a_watermark_that_cannot_be_read(log: MadeRuns) -> None:
    """It is reported, and everything else is still checked."""
    log.settings.watermark_file.write_text("yesterday")

    ((place, what),) = serious(log)
    assert place == ".last_execution"
    assert "yesterday" in what


def copy_of(made: MadeRuns, folder: Path) -> MadeRuns:
    """The same home in another folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made.settings.home, folder)
    return MadeRuns(made.settings.model_copy(update={"home": folder}), made.watermark, made.made)


@pytest.mark.parametrize("end", [b"", b"\t", b"\r", b" ", b"\r\n", b"\n\n"])
def test_the_head_is_what_was_written_to_the_byte(log: MadeRuns, end: bytes) -> None:
    """Also where it reads the same."""
    path = head_path(log.settings.ledger_file)
    path.write_bytes(path.read_bytes()[:-1] + end)

    assert [what for _, what in serious(log)] == ["ledger.head is not the head of a ledger."]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(1, 255), data=st.data())
def test_any_byte_changed_anywhere_is_detected(
    log: MadeRuns, tmp_path: Path, place: float, byte: int, data: st.DataObject
) -> None:
    """In the ledger, its head or any notebook; the last line's newline alone may be a torn line."""
    made = copy_of(log, tmp_path / "copy")
    runs = made.settings.runs
    files = sorted(path for path in runs.rglob("*") if path.is_file() and path.suffix != ".lock")
    path = data.draw(st.sampled_from(files))
    whole = bytearray(path.read_bytes())
    at = int(place * len(whole))
    whole[at] ^= byte
    path.write_bytes(whole)

    verified = look(made)
    assert verified.findings
    assert verified.serious or (path.suffix == ".jsonl" and at == len(whole) - 1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, 2 * RUNS - 1), max_size=2 * RUNS + 2))
def test_any_other_order_of_lines_is_detected(log: MadeRuns, tmp_path: Path, order: list[int]) -> None:
    """Lines left out, doubled, moved: all but the true order is serious."""
    made = copy_of(log, tmp_path / "copy")
    before = lines(made)
    rewrite(made, [before[number] for number in order])

    assert bool(look(made).serious) == (order != list(range(2 * RUNS)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.binary(max_size=300), line=st.integers(0, 2 * RUNS))
def test_any_ledger_content_is_handled(log: MadeRuns, tmp_path: Path, text: bytes, line: int) -> None:
    """Bytes that are no line are named, not raised."""
    made = copy_of(log, tmp_path / "copy")
    before = lines(made)
    rewrite(made, [*before[:line], text + b"\n", *before[line:]])

    verified = look(made)
    assert any(finding.place.startswith("ledger.jsonl, line ") for finding in verified.serious)
    json.dumps(verified.as_dict())


def test_each_fault_is_named_once(log: MadeRuns) -> None:
    """Three changes are three findings, in the order of the log."""
    before = lines(log)
    rewrite(log, [before[0].replace(b"root", b"toor"), *before[1:5], b"{}\n", *before[6:]])
    log.path(log.made[4]).unlink()

    notes = [one.what for one in look(log).findings if not one.serious]
    assert any("no readable line says how it ended" in what for what in notes)
    assert not any("never ended" in what for what in notes)
    places = [place for place, _ in serious(log)]
    assert places == [
        "ledger.jsonl, line 1",
        "ledger.jsonl, line 6",
        f"runs/2026-11/{log.made[4]}.ipynb",
    ]


def test_a_head_that_was_removed(log: MadeRuns) -> None:
    """Without it nothing shows that the end was cut off, so it is missed; the next run writes one again."""
    head_path(log.settings.ledger_file).unlink()
    what = "ledger.head, which names its last line, is missing."
    assert serious(log) == [(f"ledger.jsonl, line {2 * RUNS + 1}", what)]

    log.add(T0 + timedelta(hours=RUNS))
    Watermark(log.settings.watermark_file).reset(log.watermark)
    assert look(log).findings == []


@pytest.mark.parametrize("kind", ["log", "sealed"])
def test_a_removed_ledger_is_not_replaced(kind: str, request: pytest.FixtureRequest) -> None:
    """Its head shows that there was one: no run starts until a person has moved all of it away."""
    made: MadeRuns = request.getfixturevalue(kind)
    made.settings.ledger_file.unlink()
    ledger = Ledger.of(made.settings)

    with pytest.raises(OperatorMustAct, match=f"line {2 * RUNS} had been written"):
        ledger.append("start", at=NOW, run_id="x", facts={})
    with pytest.raises(OperatorMustAct, match="rename its folder to runs-old"):
        ledger.check()
    assert not made.settings.ledger_file.exists()

    made.settings.runs.rename(made.settings.home / "runs-old")
    made.made.clear()
    made.add(NOW)
    Watermark(made.settings.watermark_file).reset(made.watermark)
    assert serious(made) == []


def test_a_kill_before_the_first_head_is_recoverable(made: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a ledger with a key, whose first line stands without its head; the same after the line that adopts a key."""
    made.settings = made.settings.model_copy(update={"ledger_key": SecretStr(KEY)})
    ledger = Ledger.of(made.settings)
    write = write_head

    def killed(path: Path, seq: int, digest: str, *, seal: Seal | None) -> None:
        if seq == due:
            raise KeyboardInterrupt
        write(path, seq, digest, seal=seal)

    monkeypatch.setattr("futurscam_lib.audit.ledger.write_head", killed)
    due = 1
    with pytest.raises(KeyboardInterrupt):
        ledger.append("reset", at=NOW, run_id="x", facts={})
    assert look(made).serious == []
    ledger.append("reset", at=NOW, run_id="x", facts={})

    made.settings = made.settings.model_copy(update={"ledger_key": SecretStr(f"another {KEY}")})
    ledger, due = Ledger.of(made.settings), 3
    with pytest.raises(KeyboardInterrupt):
        ledger.seal(at=NOW, facts={})
    assert look(made).serious == []
    ledger.append("reset", at=NOW, run_id="x", facts={})
    assert look(made).serious == []
    assert look(made).lines == 4


def test_a_reset_hides_no_gap(log: MadeRuns) -> None:
    """It records the old watermark; unread time before that is still missing."""
    reset(log, log.watermark + timedelta(hours=2), log.watermark + timedelta(hours=1))
    Watermark(log.settings.watermark_file).reset(log.watermark + timedelta(hours=1))

    assert [place for place, _ in serious(log)] == [f"ledger.jsonl, line {2 * RUNS + 1}"]


def test_a_reset_that_was_killed_before_it_wrote_the_file(log: MadeRuns) -> None:
    """The watermark is where it was before: nothing was passed over, neither now nor after the next run."""
    reset(log, log.watermark, log.watermark - timedelta(hours=2))
    assert serious(log) == []

    log.add(T0 + timedelta(hours=RUNS))
    Watermark(log.settings.watermark_file).reset(log.watermark)
    assert serious(log) == []


def test_dry_runs_move_nothing(log: MadeRuns) -> None:
    """A dry run without a watermark may begin anywhere; that neither makes nor hides a gap."""
    standing = log.watermark
    for hours in (-24, 5):
        log.watermark = standing + timedelta(hours=hours)
        log.add(T0 + timedelta(hours=RUNS + hours + 25), parameters={"dry_run": True})
    log.watermark = standing
    assert look(log).findings == []


def test_mongodb_that_does_not_answer_hides_nothing(log: MadeRuns) -> None:
    """Findings in the files are reported; without any the command ends with 3."""
    log.settings = log.settings.model_copy(
        update={"mongo_uri": SecretStr("mongodb://127.0.0.1:9/"), "mongo_timeout": timedelta(seconds=0.1)}
    )
    verified = look(log, documents=True)
    assert verified.exit_code == 3
    assert "MongoDB could not be asked" in "\n".join(verified.report())
    assert verified.as_dict()["ok"] is None

    log.path(log.made[0]).unlink()
    verified = look(log, documents=True)
    assert verified.exit_code == 4
    assert log.made[0] in "\n".join(verified.report())
    assert verified.as_dict()["ok"] is False
    assert "Problems: 1." in verified.report()


def test_a_line_that_is_nested_too_deeply(log: MadeRuns) -> None:
    """It is named like any other that the ledger did not write."""
    deep = (
        b'{"at":"x","event":"x","facts":{"a":'
        + b"[" * 300
        + b"]" * 300
        + b'},"hash":"x","prev":"x","run_id":"x","seq":1}'
    )
    rewrite(log, [deep + b"\n", *lines(log)])

    assert ("ledger.jsonl, line 1", "It is nested too deeply for a ledger.") in serious(log)
