"""The whole page: where all is well, where nothing is, and what it never shows or leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from futurscam_lib.diagnostics import page as pages
from futurscam_lib.diagnostics.finding import Finding
from futurscam_lib.errors import ExitCode
from tests.diagnostics.conftest import files, named

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.settings import Settings

SECRET = "hunter2-hunter2"  # noqa: S105 - tests look for it


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    command = [sys.executable, "-X", "utf8", "-m", "futurscam_lib", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)


def test_a_sound_home(sound: Settings, database: Database[dict[str, Any]]) -> None:
    """It ends with 0, in plain ASCII; neither the home nor the database has anything more than before."""
    before, collections = files(sound.home), sorted(database.list_collection_names())

    done = doctor()

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("0 problems") or done.stdout.endswith("All is well.\n")
    groups = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")][:-1]
    assert groups == ["Python", "Kernels", "Settings", "Files", "Runs", "Schedule", "MongoDB", "Sources"]
    assert files(sound.home) == before
    assert sorted(database.list_collection_names()) == collections


def test_json(sound: Settings) -> None:
    """One list, in which each finding has all its parts."""
    done = doctor("--json")

    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert {frozenset(one) for one in told} == {
        frozenset({"group", "name", "state", "what", "remedy", "no_answer"}),
    }
    (watermark,) = (one for one in told if one["name"] == "watermark")
    assert (watermark["group"], watermark["state"]) == ("Runs", "ok")
    assert all(one["remedy"] for one in told if one["state"] != "ok")
    assert str(sound.home) in {one["what"] for one in told}


def test_a_hopeless_home(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong settings keep nothing from being looked at that does not need them; each remedy is there, no secret is."""
    monkeypatch.setenv("FUTURSCAM_OVERLAP_MINUTES", "ten")
    monkeypatch.setenv("FUTURSCAM_OVERLAPP_MINUTES", "10")
    monkeypatch.setenv("FUTURSCAM_SOURCES", "folder,boond")
    monkeypatch.setenv("MONGO_URI", f"mongodb://an:{SECRET}@127.0.0.1:9/")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.2")
    home.watermark_file.write_text("yesterday")
    home.runs.write_text("")
    before = files(home.home)

    done = doctor()

    assert done.returncode == 4, done.stderr
    for told in (
        "FUTURSCAM_OVERLAP_MINUTES is 'ten'",
        "FUTURSCAM_BOOND_USER_TOKEN is not set",
        "futurscam config show",
        "FUTURSCAM_OVERLAPP_MINUTES stands in the environment",
        "the nearest one is FUTURSCAM_OVERLAP_MINUTES",
        "futurscam reset --to INSTANT",
        "MongoDB did not answer",
        "the host in MONGO_URI is right",
        f"mv {home.runs} {home.runs}.old",
        "Set FUTURSCAM_ALERT_URLS",
        "Not looked at, because of wrong settings: boond.",
    ):
        assert told in done.stdout, told
    assert "fault of the doctor" not in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert files(home.home) == before


def test_a_wrong_database_setting_leaves_mongodb_out(sound: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local server, which would be used without any, is not looked at in its place."""
    monkeypatch.setenv("MONGO_URI", f"mongodb://an:{SECRET}@@/")

    found = pages.examine(os.environ, now=clock.now())

    assert found.exit_code == ExitCode.OPERATOR_MUST_ACT
    assert "MongoDB" in named(found.findings, "left out").what
    assert "local server" not in {one.name for one in found.findings}
    assert named(found.findings, "watermark").state == "ok"
    assert named(found.findings, "folder").state == "ok"
    assert SECRET not in json.dumps(found.as_list())
    assert sound.home.is_dir()


@pytest.mark.usefixtures("home")
def test_a_home_that_is_none(tmp_path: Path) -> None:
    """Wrong, it leaves Python and the settings to be looked at; missing, it is not made."""
    missing = tmp_path / "not" / "yet"
    found = pages.examine({**os.environ, "FUTURSCAM_HOME": str(missing)}, now=clock.now())
    assert found.exit_code == 0
    assert not missing.parent.exists()

    (tmp_path / "file").write_text("")
    found = pages.examine({**os.environ, "FUTURSCAM_HOME": str(tmp_path / "file")}, now=clock.now())
    assert [group.title for group in found.groups] == ["Python", "Kernels", "Settings"]
    assert found.exit_code == ExitCode.OPERATOR_MUST_ACT


def test_only_answers_are_missing(sound: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then another try may do: exit 3."""
    monkeypatch.setenv("MONGO_URI", "mongodb://127.0.0.1:9/")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.2")

    found = pages.examine(os.environ, now=clock.now())

    assert found.exit_code == ExitCode.RETRY_LATER
    assert named(found.findings, "watermark").state == "ok"
    assert sound.home.is_dir()


def test_text_from_outside_stays_on_its_line() -> None:
    """Reasons and names of files can't steer the terminal, nor pass for lines of the page."""
    hostile = Finding("x", "problem", "a\x1b[2Jb\nAll is well.", "c\r\nd")
    shown = pages.Page((pages.Group("G", (pages._clean(hostile, str),)),))

    lines = list(shown.lines(colours=False))

    assert lines == ["G", "  problem  x: a?[2Jb All is well.", "           -> c d", "", "1 problem, 0 warnings."]
    assert "\x1b[31mproblem\x1b[0m" in list(shown.lines(colours=True))[1]


def test_a_group_that_breaks_off() -> None:
    """What it had found before stays, and the fault is told."""

    def look() -> Any:
        yield Finding("first", "ok", "fine")
        raise ZeroDivisionError

    first, second = pages._whole("Group", look)

    assert first.name == "first"
    assert (second.name, second.state) == ("Group", "problem")
