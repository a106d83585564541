"""What runs left: an old, a set, an unreadable watermark; failures in a row; runs without an end; a torn ledger."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from futurscam_lib import clock
from futurscam_lib import settings as settings_module
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.diagnostics import runs as checks
from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.watermark import Watermark
from tests.diagnostics.conftest import NOBODY, files, named, ran

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

T0 = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_sound_home_and_a_fresh_one(home: Settings, sound: Settings) -> None:
    """Nothing is found in either, but that nobody would be told of failures; nothing is written."""
    before = files(sound.home)
    assert {one.state for one in checks.look(sound, now=clock.now())} == {"ok"}
    assert files(sound.home) == before

    fresh = home.model_copy(update={"home": home.home.parent / "fresh"})
    found = list(checks.look(fresh, now=T0))
    assert {one.name for one in found if one.state != "ok"} == {"alerts"}
    assert not fresh.home.exists()


def test_a_watermark_whose_ledger_is_gone(home: Settings) -> None:
    """Somebody removed what tells how it got there."""
    Watermark(home.watermark_file).reset(T0)

    (found,) = [one for one in checks.look(home, now=T0) if one.name == "ledger"]

    assert found.state == "problem"
    assert ".last_execution is there, and the ledger that says how it got there is not" in found.what


@pytest.mark.parametrize(
    ("hours", "state"), [(0, "ok"), (2, "ok"), (2.1, "warning"), (24, "warning"), (24.1, "problem")]
)
def test_the_age_of_the_watermark(home: Settings, hours: float, state: str) -> None:
    """Two missed runs are worth a warning, a day is a problem."""
    Watermark(home.watermark_file).reset(T0 - hours * HOUR)

    found = checks.watermark(home, now=T0)

    assert found.state == state
    if state != "ok":
        assert "futurscam run" in found.remedy


def test_a_watermark_that_was_set_back_on_purpose(home: Settings) -> None:
    """It is as old as the decision, until that is too long ago, too."""
    Watermark(home.watermark_file).reset(clock.EPOCH)
    Ledger(home.ledger_file).append("reset", at=T0, run_id="", facts={"watermark": clock.to_text(clock.EPOCH)})

    assert checks.watermark(home, now=T0 + HOUR).state == "ok"
    assert checks.watermark(home, now=T0 + 30 * HOUR).state == "problem"
    ran(home, "a", T0 + HOUR, status="ok")
    assert checks.watermark(home, now=T0 + HOUR).state == "problem"


@pytest.mark.parametrize("text", ["yesterday", "", "2026-11-24T00:00:00Z"])
def test_a_watermark_that_no_run_would_take(home: Settings, text: str) -> None:
    """Unreadable, empty, in the future: the command that sets it is named."""
    home.watermark_file.write_text(text)

    found = named(checks.look(home, now=T0), "watermark")

    assert found.state == "problem"
    assert "futurscam reset --to INSTANT" in found.remedy


def test_runs_that_did_not_end_well(home: Settings) -> None:
    """Which was the last, why, and since how many; it is over with the first that ends well."""
    ran(home, "a", T0, status="ok")
    ran(home, "b", T0 + HOUR, status="failed", error="Boom.\nDetails", exit_code=1)
    ran(home, "c", T0 + 2 * HOUR, status="timed out", error="The budget was used up.", notebook="2026-11/c.ipynb")

    found = checks.last_run(home)
    assert found.state == "problem"
    assert "The last run (c) was timed out: The budget was used up." in found.what
    assert "The last 2 all did not end well, since 2026-11-23T14:01" in found.what
    assert str(home.runs / "2026-11/c.ipynb") in found.remedy
    assert not found.no_answer

    ran(home, "d", T0 + 3 * HOUR, status="ok")
    assert checks.last_run(home).state == "ok"


def test_runs_to_which_something_did_not_answer(home: Settings) -> None:
    """As long as that is all, another try may do."""
    ran(home, "a", T0, status="failed", error="MongoDB did not answer.", exit_code=3)
    ran(home, "b", T0, status="failed", error="Graph did not answer.", error_name="RetryLater")
    assert checks.last_run(home).no_answer

    ran(home, "c", T0, status="failed", error="Refused.", error_name="OperatorMustAct")
    assert not checks.last_run(home).no_answer


def test_a_run_that_never_ended(home: Settings) -> None:
    """Not while it is active; afterwards, until the next run says that it crashed, which is then the last result."""
    ledger = Ledger(home.ledger_file)
    with RunLock(home.lock_file).held(run_id="a", now=T0):
        ledger.append("start", at=T0, run_id="a", facts={})
        assert "is active" in checks.unfinished(home).what
    found = checks.unfinished(home)
    assert found.state == "warning"
    assert "1 run began and never ended (a)" in found.what

    ledger.append("crashed", at=T0, run_id="a", facts={"found_by": "b"})
    assert checks.unfinished(home).state == "ok"
    assert "The last run (a) crashed" in checks.last_run(home).what


def test_a_torn_ledger_and_a_changed_one(home: Settings) -> None:
    """A power cut heals by itself; what a hand changed, cut off or did not seal does not, and is told once."""
    ran(home, "a", T0, status="ok")
    whole = home.ledger_file.read_bytes()
    home.ledger_file.write_bytes(whole + b'{"seq":3,"ev')
    found = checks.tail(home)
    assert found.state == "warning"
    assert "futurscam run" in found.remedy
    assert checks.last_run(home).state == "ok"

    home.ledger_file.write_bytes(whole.splitlines(keepends=True)[0])
    with pytest.raises(OperatorMustAct, match="its end was cut off"):
        checks.tail(home)
    home.ledger_file.write_bytes(whole)
    with pytest.raises(OperatorMustAct, match="futurscam runs seal"):
        checks.tail(home.model_copy(update={"ledger_key": SecretStr("a key that is long enough")}))

    home.ledger_file.write_bytes(whole.replace(b'"ok"', b'"failed"'))
    everything = list(checks.look(home, now=T0))
    found = named(everything, "ledger")
    assert found.state == "problem"
    assert "last run" not in {one.name for one in everything}
    assert "Restore it from a backup" in found.remedy
    with pytest.raises(OperatorMustAct):
        checks.last_run(home)


@pytest.mark.parametrize("name", ["FUTURSCAM_ALERT_URLS", "FUTURSCAM_HEALTHCHECK_URL"])
def test_alerts(home: Settings, name: str) -> None:
    """Either is enough; without both nobody is told."""
    address = NOBODY if "ALERT" in name else "https://example.com/ping"
    assert checks.alerts(settings_module.load({**os.environ, name: address})).state == "ok"
    found = checks.alerts(home)
    assert found.state == "warning"
    assert name in found.remedy
