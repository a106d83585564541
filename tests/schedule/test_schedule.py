"""`futurscam schedule`, as its users call it."""

from __future__ import annotations

import json
import os
import plistlib
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import schedule, settings
from futurscam_lib.errors import UsageError
from futurscam_lib.schedule.job import Job
from futurscam_lib.schedule.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="calls what schedules on Linux")


@pytest.fixture
def user(system: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user with fake schedulers, whose FUTURSCAM_HOME is not there yet."""
    for name in [name for name in os.environ if name.startswith(("FUTURSCAM_", "MONGO_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FUTURSCAM_HOME", str(system.home / "etl"))
    home: Path = system.home
    return home


def futurscam(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `futurscam schedule` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "futurscam_lib", "schedule", *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **(env or {})},
        timeout=60,
        check=False,
    )


@linux_only
def test_install_show_remove(user: Path) -> None:
    """Scheduled with the home of this process, shown for people and for scripts, removed."""
    done = futurscam("install", "--every", "2h", "--at", "06:30", env={"FUTURSCAM_DB": "Other"})
    assert done.returncode == 0, done.stderr
    assert "every 2 h, the first of a day at 00:30" in done.stdout
    assert "FUTURSCAM_DB" in done.stderr
    assert "FUTURSCAM_HOME" not in done.stderr
    unit = (user / ".config/systemd/user/futurscam-etl.service").read_text("utf-8")
    assert f'"--home" "{user / "etl"}" "run"' in unit

    shown = json.loads(futurscam("show", "--json").stdout)
    assert shown["installed"] is True
    assert shown["last_run"] is shown["next_run"] is None
    assert shown["meaning"] == "not yet run since login"
    assert "installed" in futurscam().stdout

    assert "Removed" in futurscam("remove").stdout
    assert json.loads(futurscam("show", "--json").stdout)["installed"] is False
    assert "futurscam schedule install" in futurscam("show").stdout


def test_print_writes_and_calls_nothing(system: Any, user: Path) -> None:
    """For every system, on any system: one file goes to stdout as it is, the calls to stderr."""
    printed = {name: futurscam("install", "--print", "--for", name) for name in schedule.PLANNERS}

    assert {done.returncode for done in printed.values()} == {0}
    assert printed["windows"].stdout.startswith("<Task ")
    assert "schtasks /create" in printed["windows"].stderr
    assert plistlib.loads(printed["launchd"].stdout.encode())["Label"] == "com.futurscam.etl"
    assert "[Timer]" in printed["systemd"].stdout
    assert printed["cron"].stdout.startswith("0 * * * * cd ")
    assert printed["cron"].stdout.count("\n") == 1
    assert list(user.iterdir()) == []
    assert system.calls() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("install", "--every", "0m"), "--every is '0m'"),
        (("install", "--print", "--for", "cron", "--every", "7m"), "cron can't start a run every 7 min"),
        (("install", "--print", "--for", "atari"), "windows, systemd, launchd, cron"),
        (("install", "--for", "cron"), "only goes with --print"),
        (("install", "--print", "--for", "systemd", "--password"), "--password is for Windows"),
    ],
)
def test_wrong_usage(system: Any, user: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2, what was wrong, and nothing is called."""
    done = futurscam(*arguments)

    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
    assert system.calls() == []
    assert not (user / ".config").exists()


@linux_only
def test_a_wrong_setting_is_reported_before_scheduling(system: Any, user: Path) -> None:
    """Wrong settings would fail every hour, so nothing is scheduled."""
    done = futurscam("install", env={"FUTURSCAM_OVERLAP_MINUTES": "ten"})

    assert done.returncode == 2
    assert "FUTURSCAM_OVERLAP_MINUTES" in done.stderr
    assert system.calls() == []
    assert not (user / ".config").exists()


@linux_only
def test_without_a_session(system: Any, user: Path) -> None:
    """Exit 4: a person must act."""
    system.knows("no-session")

    done = futurscam("install")

    assert done.returncode == 4
    assert "No medium found" in done.stderr
    assert not (user / ".config").exists()


def test_the_job_of_this_environment(user: Path) -> None:
    """This interpreter, this project, the home where it is another folder, and five minutes more than the budget."""
    rows = settings.explain({"FUTURSCAM_HOME": str(user), "FUTURSCAM_RUN_BUDGET_MINUTES": "90"})

    job = schedule.job(Timing(), rows=rows)

    assert job.command()[0] == sys.executable
    assert job.command()[-3:] == ("--home", str(user), "run")
    assert job.project == str(settings.PROJECT)
    assert job.limit == timedelta(minutes=95)
    assert schedule.job(Timing(), rows=settings.explain({})).command()[-2:] == ("futurscam_lib", "run")


def test_a_path_with_a_line_break_is_refused() -> None:
    """No scheduler can store it; in a unit it would start a new line."""
    with pytest.raises(UsageError, match="rename it"):
        Job("/usr/bin/python3", "/srv/a\nExecStartPre=b", "", Timing(), timedelta(hours=1))


@pytest.mark.parametrize(
    ("platform", "name"), [("win32", "windows"), ("darwin", "launchd"), ("linux", "systemd"), ("freebsd14", "systemd")]
)
def test_each_system_has_its_scheduler(platform: str, name: str) -> None:
    """Each system maps to its scheduler."""
    assert schedule.this_system(platform) == name
