"""The user timer of systemd: its units as systemd itself reads them, and a fake `systemctl` that keeps its state."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.schedule import systemd, timing
from futurscam_lib.schedule.job import Job
from futurscam_lib.schedule.systemd import Systemd
from futurscam_lib.schedule.timing import Timing

ANALYZE = ("systemd-analyze",)
needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze") and "CI" not in os.environ,
    reason="systemd-analyze is not here; on Debian: apt-get install systemd",
)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job on this machine, in a folder with characters that are special to systemd."""
    project = tmp_path / 'l\'étude "A" 100%h $HOME \\n'
    project.mkdir()
    python = project / "python"
    python.symlink_to(sys.executable)
    return Job(str(python), str(project), str(project / "hôme"), Timing(), timedelta(hours=1))


def verify(job: Job, folder: Path) -> str:
    """Let systemd read the units; return what it read."""
    (folder / "run").mkdir()
    for name, text in ((systemd.SERVICE, systemd.service(job)), (systemd.TIMER, systemd.timer(job))):
        (folder / name).write_text(text, "utf-8")
    paths = [str(folder / name) for name in (systemd.SERVICE, systemd.TIMER)]
    # Without the units of this machine, which may have faults of their own.
    for name in ("basic.target", "timers.target", "shutdown.target", "app.slice"):
        (folder / name).write_text("[Unit]\nDescription=Stands for the real one\n")
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder / "run"), "SYSTEMD_UNIT_PATH": str(folder)}
    command = [*ANALYZE, "verify", "--user", "--man=no", *paths]
    read = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (read.returncode, read.stdout + read.stderr) == (0, "")
    debug = {**env, "SYSTEMD_LOG_LEVEL": "debug"}
    return subprocess.run(command, env=debug, capture_output=True, text=True, timeout=60, check=True).stdout


@needs_systemd
def test_systemd_reads_the_units(job: Job, tmp_path: Path) -> None:
    """There are no warnings, and each path is correct."""
    folder = tmp_path / "units"
    folder.mkdir()

    read = verify(job, folder)

    assert f"WorkingDirectory: {job.project}\n" in read
    assert "TimeoutStartSec: 1h\n" in read
    assert "Persistent: yes" in read
    assert "OnCalendar: *-*-* *:00:00" in read
    (line,) = re.findall(r"Command Line: (.*)", read)
    # systemd shows it as a shell would read it; `$$` is one dollar by the time the program is started.
    words = subprocess.run(["/bin/sh", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True)
    assert words.stdout.replace("$$", "$").split("\0")[:-1] == ["/usr/bin/env", *job.command()]


@needs_systemd
@pytest.mark.parametrize("every", ["1m", "7m", "45m", "24h"])
def test_systemd_reads_other_timings(job: Job, tmp_path: Path, every: str) -> None:
    """Calendars and lengths are both understood."""
    folder = tmp_path / "units"
    folder.mkdir()

    read = verify(replace(job, timing=timing.parse(every)), folder)

    assert ("OnUnitActiveSec: 7min" in read) == (every == "7m")
    assert ("OnCalendar" in read) == (every != "7m")


@needs_systemd
@pytest.mark.parametrize(
    ("every", "at"),
    [("1h", None), ("1h", "00:05"), ("15m", "00:05"), ("2h", "06:30"), ("45m", None), ("24h", "06:30"), ("1m", None)],
)
def test_systemd_counts_the_same_starts(job: Job, every: str, at: str | None) -> None:
    """The calendar elapses on one day at exactly the requested starts."""
    wanted = timing.parse(every, at)
    calendars = re.findall(r"OnCalendar=(.*)", systemd.timer(replace(job, timing=wanted)))

    starts = []
    for calendar in calendars:
        output = subprocess.run(
            [*ANALYZE, "calendar", "--iterations=1440", "--base-time=2026-11-22 23:59:59 UTC", calendar],
            env={**os.environ, "TZ": "UTC"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        starts += re.findall(r"2026-11-23 (\d\d):(\d\d):00", output)

    assert sorted(int(hour) * 60 + int(minute) for hour, minute in starts) == list(wanted.starts)


def test_a_plain_path_is_started_directly(job: Job) -> None:
    """The units of a usual project need no quoting."""
    plain = replace(job, python="/opt/etl/.venv/bin/python", project="/opt/etl", home="")

    assert systemd.service(plain) == (
        "[Unit]\nDescription=Extraction et transformation automatique des RFPs\n\n"
        "[Service]\nType=oneshot\nTimeoutStartSec=3600s\nWorkingDirectory=/opt/etl\n"
        'ExecStart="/opt/etl/.venv/bin/python" "-X" "utf8" "-m" "futurscam_lib" "run"\n'
    )
    assert systemd.timer(plain).splitlines()[3:] == [
        "[Timer]",
        "OnCalendar=*-*-* *:00:00",
        "Persistent=true",
        "RandomizedDelaySec=60s",
        "AccuracySec=1s",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]


@pytest.mark.parametrize(("every", "delay"), [(1, 6), (5, 30), (10, 60), (1440, 60)])
def test_the_delay_is_small(job: Job, every: int, delay: int) -> None:
    """At most a tenth of the time between two starts."""
    assert f"RandomizedDelaySec={delay}s\n" in systemd.timer(replace(job, timing=Timing(every)))


def test_install_show_remove(system: Any, job: Job, now: datetime) -> None:
    """The life of a timer: units written, read, enabled, restarted, shown, disabled, deleted."""
    notes = Systemd().install(job, now=now)

    folder = system.home / ".config" / "systemd" / "user"
    assert sorted(path.name for path in folder.iterdir()) == ["futurscam-etl.service", "futurscam-etl.timer"]
    assert system.calls() == [
        ["systemctl", "--user", *call]
        for call in (
            ["daemon-reload"],
            ["daemon-reload"],
            ["enable", "--now", "futurscam-etl.timer"],
            ["restart", "futurscam-etl.timer"],
        )
    ]
    assert any("enable-linger" in note for note in notes)

    units = {
        "futurscam-etl.timer": {
            "ActiveState": "active",
            "LastTriggerUSec": "Mon 2026-11-23 13:00:04 ZONE",
            "NextElapseUSecRealtime": "Mon 2026-11-23 14:00:00 ZONE",
        },
        "futurscam-etl.service": {
            "ActiveState": "failed",
            "Result": "exit-code",
            "ExecMainCode": "1",
            "ExecMainStatus": "4",
            "ExecMainStartTimestamp": "Mon 2026-11-23 13:00:05 ZONE",
        },
    }
    system.knows("units.json", json.dumps(units))
    shown = Systemd().status()
    assert shown.installed
    assert (shown.state, shown.last_result) == ("active", 4)
    assert "operator" in shown.meaning
    assert shown.last_run == datetime(2026, 11, 23, 13, 0, 5, tzinfo=UTC)
    assert shown.next_run == datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert "futurscam_lib" in shown.command

    assert "Removed" in Systemd().remove()
    assert list(folder.iterdir()) == []
    assert not Systemd().status().installed
    assert "nothing to remove" in Systemd().remove()


@pytest.mark.parametrize(
    ("service", "result", "meaning"),
    [
        ({}, None, "not yet run since login"),
        ({"ActiveState": "activating", "ExecMainCode": "0", "ExecMainStatus": "0"}, None, ""),
        ({"ExecMainCode": "2", "ExecMainStatus": "15", "Result": "timeout"}, None, "ended from outside (timeout)"),
        ({"ExecMainCode": "2", "ExecMainStatus": "9", "Result": "signal"}, None, "ended from outside (signal)"),
        ({"ExecMainCode": "1", "ExecMainStatus": "0", "Result": "success"}, 0, "done"),
        ({"ExecMainCode": "1", "ExecMainStatus": "203", "Result": "exit-code"}, 203, ""),
    ],
)
def test_how_the_last_run_ended(
    *, system: Any, job: Job, now: datetime, service: dict[str, str], result: int | None, meaning: str
) -> None:
    """A signal's number is not an exit code, and a running job has no result."""
    Systemd().install(job, now=now)
    started = {"ExecMainStartTimestamp": "Mon 2026-11-23 13:00:05 ZONE"} if service else {}
    system.knows("units.json", json.dumps({"futurscam-etl.service": {**started, **service}}))

    shown = Systemd().status()

    assert (shown.last_result, shown.meaning) == (result, meaning)
    assert (shown.state == "running") == (service.get("ActiveState") == "activating")


def test_without_a_session_nothing_is_written(system: Any, job: Job, now: datetime) -> None:
    """In a container: the error quotes systemd, and names how to get a session and what works without."""
    system.knows("no-session")

    with pytest.raises(OperatorMustAct, match="Failed to connect to bus: No medium found") as refused:
        Systemd().install(job, now=now)

    for remedy in ("Nothing has changed", "enable-linger", "--for cron"):
        assert remedy in str(refused.value)
    assert list(system.home.iterdir()) == []
    with pytest.raises(OperatorMustAct, match="Failed to connect"):
        Systemd().status()


def test_a_machine_without_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Job, now: datetime) -> None:
    """The message names what to do instead."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OperatorMustAct, match="no program systemctl here") as refused:
        Systemd(folder=tmp_path / "units").install(job, now=now)

    assert "cron" in str(refused.value)
    assert not (tmp_path / "units").exists()


def test_a_folder_that_cannot_be_written(system: Any, job: Job, now: datetime) -> None:
    """A file in place of the folder is reported, and nothing is scheduled."""
    (system.home / ".config").write_text("")

    with pytest.raises(OperatorMustAct, match="can't be written"):
        Systemd().install(job, now=now)

    assert [call[2] for call in system.calls()] == ["daemon-reload"]


def test_the_plan_calls_and_writes_nothing(system: Any, job: Job, now: datetime) -> None:
    """It holds both units and every call."""
    plan = Systemd().plan(job, now=now)

    assert [Path(file.path).name for file in plan.files] == ["futurscam-etl.service", "futurscam-etl.timer"]
    assert "systemctl --user enable --now futurscam-etl.timer" in plan.calls
    assert system.calls() == []
    assert list(system.home.iterdir()) == []
