"""The agent of launchd."""

from __future__ import annotations

import plistlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.schedule import timing
from futurscam_lib.schedule.launchd import Launchd

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.schedule.job import Job

TOLD = """gui/501/com.futurscam.etl = {
\tactive count = 0
\tpath = /Users/zoe/Library/LaunchAgents/com.futurscam.etl.plist
\ttype = LaunchAgent
\tstate = not running

\tprogram = /opt/etl/.venv/bin/python
\truns = 3
\tlast exit code = 3: ESRCH
\tevent triggers = {
\t\tstate = 1
\t}
}
"""


@pytest.fixture
def launchd() -> Launchd:
    """The launchd of the second user of a Mac; the first one is 501."""
    return Launchd(domain="gui/502")


@pytest.mark.parametrize(
    ("every", "at", "starts"),
    [
        ("1h", None, {"StartCalendarInterval": [{"Minute": 0}]}),
        ("30m", "00:05", {"StartCalendarInterval": [{"Minute": 5}, {"Minute": 35}]}),
        ("24h", "06:30", {"StartCalendarInterval": [{"Hour": 6, "Minute": 30}]}),
        ("12h", "06:30", {"StartCalendarInterval": [{"Hour": 6, "Minute": 30}, {"Hour": 18, "Minute": 30}]}),
        ("7m", None, {"StartInterval": 420}),
    ],
)
def test_the_agent(*, launchd: Launchd, job: Job, now: datetime, every: str, at: str | None, starts: Any) -> None:
    """The file reads back as the planned agent, for any characters in the paths."""
    (file,) = launchd.plan(replace(job, timing=timing.parse(every, at)), now=now).files

    assert plistlib.loads(file.text.encode()) == {
        "Label": "com.futurscam.etl",
        "ProgramArguments": list(job.command()),
        "WorkingDirectory": job.project,
        **starts,
    }


@pytest.mark.parametrize("every", ["1m", "45m", "90m"])
def test_every_start_is_in_the_calendar(launchd: Launchd, job: Job, now: datetime, every: str) -> None:
    """One entry for each start of a day, or of an hour where all hours are alike."""
    wanted = timing.parse(every)
    (file,) = launchd.plan(replace(job, timing=wanted), now=now).files
    entries = plistlib.loads(file.text.encode())["StartCalendarInterval"]

    hours = [[entry["Hour"]] if "Hour" in entry else list(range(24)) for entry in entries]
    starts = [hour * 60 + entry["Minute"] for entry, times in zip(entries, hours, strict=True) for hour in times]

    assert sorted(starts) == list(wanted.starts)


def test_install_show_remove(system: Any, launchd: Launchd, job: Job, now: datetime) -> None:
    """The life of an agent: written, loaded, replaced, shown, unloaded, deleted."""
    launchd.install(job, now=now)
    launchd.install(job, now=now)

    file = system.home / "Library" / "LaunchAgents" / "com.futurscam.etl.plist"
    once = [["bootout", "gui/502/com.futurscam.etl"], ["bootstrap", "gui/502", str(file)]]
    assert [call[1:] for call in system.calls()] == once * 2

    system.knows("print.txt", TOLD)
    shown = launchd.status()
    assert shown.installed
    assert (shown.state, shown.last_result) == ("not running", 3)
    assert "next run" in shown.meaning
    assert "futurscam_lib" in shown.command

    assert "Removed" in launchd.remove()
    assert not file.exists()
    assert not launchd.status().installed
    assert "nothing to remove" in launchd.remove()


def test_an_agent_that_has_not_run_yet(system: Any, launchd: Launchd, job: Job, now: datetime) -> None:
    """No result is invented."""
    launchd.install(job, now=now)
    system.knows("print.txt", TOLD.replace("runs = 3", "runs = 0").replace("3: ESRCH", "(never exited)"))

    shown = launchd.status()

    assert (shown.last_result, shown.meaning) == (None, "not yet run since it was loaded")


def test_an_agent_that_launchd_refuses(system: Any, launchd: Launchd, job: Job, now: datetime) -> None:
    """Over ssh: the agent exists but is not loaded, as install and show report."""
    system.knows("no-session")

    with pytest.raises(OperatorMustAct, match="Input/output error") as refused:
        launchd.install(job, now=now)

    assert "is not loaded" in str(refused.value)
    assert "logged in at the screen" in str(refused.value)
    assert "not loaded: install it again" in launchd.status().notes[0]


def test_the_plan_calls_and_writes_nothing(system: Any, job: Job, now: datetime) -> None:
    """It holds the agent and the call."""
    plan = Launchd(domain="gui/502").plan(job, now=now)

    assert plan.calls == (f"launchctl bootstrap gui/502 {plan.files[0].path}",)
    assert Path(plan.files[0].path).parent == system.home / "Library" / "LaunchAgents"
    assert system.calls() == []
    assert list(system.home.iterdir()) == []
