"""`futurscam runs verify`, `seal` and `prune` as their users call them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from futurscam_lib import clock
from futurscam_lib.audit import entries
from futurscam_lib.audit.seal import write_head
from futurscam_lib.cli import app
from futurscam_lib.errors import AlreadyRunning, OperatorMustAct
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from click.testing import Result

    from tests.made_runs import MadeRuns

KEY = "a key of more than sixteen letters"


def futurscam(*arguments: str) -> Result:
    """Call the command in this process; its errors are raised."""
    return CliRunner().invoke(app.app, ["runs", *arguments], catch_exceptions=False)  # type: ignore[return-value]


def printed(*arguments: str) -> Any:
    """Return the object that it prints."""
    return json.loads(futurscam(*arguments, "--json").stdout)


@pytest.fixture
def log(made: MadeRuns) -> MadeRuns:
    """Two runs of a month ago and one of now."""
    now = clock.now()
    for days in (40, 39, 0):
        made.add(now - timedelta(days=days, hours=1))
    Watermark(made.settings.watermark_file).reset(made.watermark)
    return made


def test_verify(log: MadeRuns) -> None:
    """Exit 0 and one sentence without findings; exit 4, the line and the file after a change."""
    right = futurscam("verify")
    assert right.exit_code == 0
    assert "6 lines of the ledger, 3 runs, 3 notebooks" in right.stdout

    path = log.path(log.made[0])
    path.write_bytes(path.read_bytes().replace(b"5 rows", b"6 rows"))
    wrong = futurscam("verify")
    assert wrong.exit_code == 4
    assert f"{path.parent.name}/{path.name}" in wrong.stdout
    output = printed("verify")
    assert not output["ok"]
    assert [finding["serious"] for finding in output["findings"]] == [True]


def test_the_active_run_is_not_reported(log: MadeRuns) -> None:
    """While a run holds the lock its start without an end is as it should be."""
    name = log.add(clock.now(), status="unfinished", notebook=b"")
    with RunLock(log.settings.lock_file).held(run_id=name, now=clock.now()):
        assert [finding["what"] for finding in printed("verify")["findings"]] == [f"{name} is active."]
    assert "never ended" in printed("verify")["findings"][0]["what"]


def test_seal(log: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is adopted if there is no other finding; without a key nothing is sealed."""
    refused = CliRunner().invoke(app.app, ["runs", "seal"])
    assert "FUTURSCAM_LEDGER_KEY is not set" in str(refused.exception)

    monkeypatch.setenv("FUTURSCAM_LEDGER_KEY", KEY)
    assert futurscam("verify").exit_code == 4
    assert "futurscam runs seal" in futurscam("verify").stdout
    foreign = log.settings.runs / "x.ipynb"
    foreign.write_text("{}")
    assert "something else is wrong" in str(CliRunner().invoke(app.app, ["runs", "seal"]).exception)
    foreign.unlink()

    assert "Sealed from line 7 on, together with all lines before, which had no seal." in futurscam("seal").stdout
    assert futurscam("verify").exit_code == 0
    assert KEY not in futurscam("verify").output + log.settings.ledger_file.read_text("utf-8")


def test_seal_waits_for_no_run(log: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run must end with the key it began with: exit code 5, nothing is written."""
    monkeypatch.setenv("FUTURSCAM_LEDGER_KEY", KEY)
    whole = log.settings.ledger_file.read_bytes()
    with RunLock(log.settings.lock_file).held(run_id="theirs", now=clock.now()):
        refused = CliRunner().invoke(app.app, ["runs", "seal"]).exception

    assert isinstance(refused, AlreadyRunning)
    assert "run theirs (process" in str(refused)
    assert "seal when it has ended" in str(refused)
    assert log.settings.ledger_file.read_bytes() == whole
    assert futurscam("seal").exit_code == 0
    assert RunLock(log.settings.lock_file).holder() is None


def test_seal_does_not_take_itself_for_a_run(log: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """During a run the watermark is not checked; while `seal` holds the lock it is."""
    monkeypatch.setenv("FUTURSCAM_LEDGER_KEY", KEY)
    Watermark(log.settings.watermark_file).reset(log.watermark + timedelta(minutes=30))

    refused = CliRunner().invoke(app.app, ["runs", "seal"]).exception

    assert isinstance(refused, OperatorMustAct)
    assert "something else is wrong (.last_execution" in str(refused)


def test_seal_writes_the_head_that_old_ledgers_lack(log: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of before there were heads takes a key; one that was sealed has lost its head to somebody."""
    head = log.settings.ledger_file.with_name("ledger.head")
    head.unlink()
    monkeypatch.setenv("FUTURSCAM_LEDGER_KEY", KEY)
    assert futurscam("verify").exit_code == 4
    assert futurscam("seal").exit_code == 0
    assert futurscam("verify").exit_code == 0

    head.unlink()
    monkeypatch.setenv("FUTURSCAM_LEDGER_KEY", f"another {KEY}")
    refused = CliRunner().invoke(app.app, ["runs", "seal"])
    assert "something else is wrong" in str(refused.exception)
    assert "is missing" in str(refused.exception)


def test_seal_with_the_same_key(log: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written without findings; an unsealed line is not accepted."""
    monkeypatch.setenv("FUTURSCAM_LEDGER_KEY", KEY)
    assert futurscam("seal").exit_code == 0
    whole = log.settings.ledger_file.read_bytes()
    refused = CliRunner().invoke(app.app, ["runs", "seal"])
    assert "sealed with this key already" in str(refused.exception)
    assert log.settings.ledger_file.read_bytes() == whole

    # Somebody without the key goes on where the chain ends, with a seal that looks like one.
    last = entries.read_entry(whole.splitlines()[-1])
    chained = entries.chained(last, event="reset", run_id="x", at=clock.now(), facts={})
    forged = replace(chained, mac="0" * 64)
    log.settings.ledger_file.write_bytes(whole + entries.line_of(forged) + b"\n")
    write_head(log.settings.ledger_file, forged.seq, forged.hash, seal=None)
    refused = CliRunner().invoke(app.app, ["runs", "seal"])
    assert "that key is not new, and line 8: it is sealed with another key" in str(refused.exception)
    assert futurscam("verify").exit_code == 4


def test_prune(log: MadeRuns) -> None:
    """Old notebooks are removed, with --dry-run only listed; verification still passes."""
    assert "2 notebooks" in futurscam("prune", "--keep-days", "30", "--dry-run").stdout.replace("would", "")
    assert log.path(log.made[0]).exists()

    done = printed("prune", "--keep-days", "30")
    assert len(done["notebooks"]) == 2
    assert done["bytes"] > 0
    assert [log.path(name).exists() for name in log.made] == [False, False, True]
    assert futurscam("verify").exit_code == 0
    assert futurscam("prune").exit_code == 2
