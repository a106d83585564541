"""Checks of the runs: age of the watermark, failures in a row, runs without an end, a torn ledger, alerts."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from futurscam_lib import clock
from futurscam_lib import settings as settings_module
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.diagnostics import runs
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.watermark import Watermark
from tests.diagnostics.conftest import NOBODY, files, named, ran, results_of

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

T0 = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_sound_home_and_a_fresh_one(home: Settings, sound: Settings) -> None:
    """No problem in either; the fresh one has no alerts set up; nothing is written."""
    before = files(sound.home)
    assert {item.state for item in results_of(runs.CHECKS, sound)} == {"ok"}
    assert files(sound.home) == before

    fresh = home.model_copy(update={"home": home.home.parent / "fresh"})
    results = results_of(runs.CHECKS, fresh, now=T0)
    assert {item.name for item in results if item.state != "ok"} == {"alerts"}
    assert not fresh.home.exists()


def test_a_watermark_without_a_ledger(home: Settings) -> None:
    """The ledger is missing, which is a problem."""
    Watermark(home.watermark_file).reset(T0)

    (result,) = [item for item in results_of(runs.CHECKS, home, now=T0) if item.name == "ledger"]

    assert result.state == "problem"
    assert ".last_execution exists, but the ledger, which says how it was set, does not" in result.what


@pytest.mark.parametrize(
    ("hours", "state"), [(0, "ok"), (2, "ok"), (2.1, "warning"), (24, "warning"), (24.1, "problem")]
)
def test_the_age_of_the_watermark(home: Settings, hours: float, state: str) -> None:
    """Two missed runs are worth a warning, a day is a problem."""
    Watermark(home.watermark_file).reset(T0 - hours * HOUR)

    result = runs.watermark(home, now=T0)

    assert result.state == state
    if state != "ok":
        assert "futurscam run" in result.remedy


def test_a_watermark_that_was_set_back(home: Settings) -> None:
    """Its age counts from the moment when it was set."""
    Watermark(home.watermark_file).reset(clock.EPOCH)
    Ledger(home.ledger_file).append("reset", at=T0, run_id="", facts={"watermark": clock.to_text(clock.EPOCH)})

    assert runs.watermark(home, now=T0 + HOUR).state == "ok"
    assert runs.watermark(home, now=T0 + 30 * HOUR).state == "problem"
    ran(home, "a", T0 + HOUR, status="ok")
    assert runs.watermark(home, now=T0 + HOUR).state == "problem"


@pytest.mark.parametrize("text", ["yesterday", "", "2026-11-24T00:00:00Z"])
def test_a_watermark_that_a_run_refuses(home: Settings, text: str) -> None:
    """Unreadable, empty or in the future: the remedy names the command that sets it."""
    home.watermark_file.write_text(text)

    result = named(results_of(runs.CHECKS, home, now=T0), "watermark")

    assert result.state == "problem"
    assert "futurscam reset --to INSTANT" in result.remedy


def test_failed_runs(home: Settings) -> None:
    """The last failed run, its error and the number of failures; ok again after a success."""
    ran(home, "a", T0, status="ok")
    ran(home, "b", T0 + HOUR, status="failed", error="Boom.\nDetails", exit_code=1)
    ran(home, "c", T0 + 2 * HOUR, status="timed out", error="The budget was used up.", notebook="2026-11/c.ipynb")

    result = runs.last_run(home)
    assert result.state == "problem"
    assert "The last run (c) timed out: The budget was used up." in result.what
    assert "The last 2 runs all failed, since 2026-11-23T14:01" in result.what
    assert str(home.runs / "2026-11/c.ipynb") in result.remedy
    assert not result.no_answer

    ran(home, "d", T0 + 3 * HOUR, status="ok")
    assert runs.last_run(home).state == "ok"


def test_runs_that_failed_because_something_did_not_answer(home: Settings) -> None:
    """As long as that is the only reason, a retry may help."""
    ran(home, "a", T0, status="failed", error="MongoDB did not answer.", exit_code=3)
    ran(home, "b", T0, status="failed", error="Graph did not answer.", error_name="RetryLater")
    assert runs.last_run(home).no_answer

    ran(home, "c", T0, status="failed", error="Refused.", error_name="OperatorMustAct")
    assert not runs.last_run(home).no_answer


def test_a_run_that_never_ended(home: Settings) -> None:
    """A warning once it is no longer active, until the next run marks it as crashed."""
    ledger = Ledger(home.ledger_file)
    with RunLock(home.lock_file).held(run_id="a", now=T0):
        ledger.append("start", at=T0, run_id="a", facts={})
        assert "is active" in runs.unfinished(home).what
    result = runs.unfinished(home)
    assert result.state == "warning"
    assert "1 run started and never ended (a)" in result.what

    ledger.append("crashed", at=T0, run_id="a", facts={"found_by": "b"})
    assert runs.unfinished(home).state == "ok"
    assert "The last run (a) crashed" in runs.last_run(home).what


def test_a_torn_ledger_and_a_changed_one(home: Settings) -> None:
    """A torn line is repaired by the next run; a changed, shortened or unsealed ledger is a problem, shown once."""
    ran(home, "a", T0, status="ok")
    whole = home.ledger_file.read_bytes()
    home.ledger_file.write_bytes(whole + b'{"seq":3,"ev')
    result = runs.tail(home)
    assert result.state == "warning"
    assert "futurscam run" in result.remedy
    assert runs.last_run(home).state == "ok"

    home.ledger_file.write_bytes(whole.splitlines(keepends=True)[0])
    with pytest.raises(OperatorMustAct, match="its end was cut off"):
        runs.tail(home)
    home.ledger_file.write_bytes(whole)
    with pytest.raises(OperatorMustAct, match="futurscam runs seal"):
        runs.tail(home.model_copy(update={"ledger_key": SecretStr("a key that is long enough")}))

    home.ledger_file.write_bytes(whole.replace(b'"ok"', b'"failed"'))
    everything = results_of(runs.CHECKS, home, now=T0)
    result = named(everything, "ledger")
    assert result.state == "problem"
    assert "last run" not in {item.name for item in everything}
    assert "Restore it from a backup" in result.remedy
    with pytest.raises(OperatorMustAct):
        runs.last_run(home)


@pytest.mark.parametrize("name", ["FUTURSCAM_ALERT_URLS", "FUTURSCAM_HEALTHCHECK_URL"])
def test_alerts(home: Settings, name: str) -> None:
    """Either setting is enough; an invalid address is a warning, with the words of `config check`."""
    address = NOBODY if "ALERT" in name else "https://example.com/ping"
    assert runs.alerts(settings_module.load({**os.environ, name: address})).state == "ok"
    wrong = runs.alerts(settings_module.load({**os.environ, "FUTURSCAM_ALERT_URLS": "nothing://x"}))
    assert wrong.state == "warning"
    assert "address number 1 of 1" in wrong.what
    result = runs.alerts(home)
    assert result.state == "warning"
    assert name in result.remedy
