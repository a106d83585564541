"""The whole catalogue in a sound and in a broken home; it shows no secrets and writes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from futurscam_lib.diagnostics import catalogue
from futurscam_lib.diagnostics.checks import CheckResult
from futurscam_lib.errors import ExitCode
from tests.diagnostics.conftest import files, named

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.settings import Settings

SECRET = "hunter2-hunter2"  # noqa: S105 - tests look for it


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in its own process."""
    command = [sys.executable, "-X", "utf8", "-m", "futurscam_lib", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)


def test_a_sound_home(sound: Settings, database: Database[dict[str, Any]]) -> None:
    """Exit code 0, plain ASCII, nothing written in the home or the database."""
    before, collections = files(sound.home), sorted(database.list_collection_names())

    done = doctor()

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("0 problems") or done.stdout.endswith("No problems.\n")
    groups = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")][:-1]
    assert groups == ["Python", "Kernels", "Settings", "Files", "Runs", "Schedule", "MongoDB", "Sources"]
    assert files(sound.home) == before
    assert sorted(database.list_collection_names()) == collections


def test_json(sound: Settings) -> None:
    """One list of results, each with all its parts."""
    items = catalogue.examine(os.environ, now=clock.now()).as_list()

    assert {frozenset(item) for item in items} == {
        frozenset({"group", "name", "state", "what", "remedy", "no_answer"}),
    }
    (watermark,) = (item for item in items if item["name"] == "watermark")
    assert (watermark["group"], watermark["state"]) == ("Runs", "ok")
    assert all(item["remedy"] for item in items if item["state"] != "ok")
    assert str(sound.home) in {item["what"] for item in items}


def test_a_broken_home(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong settings stop only the checks that need them; each remedy is shown, no secret is."""
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
    for text in (
        "FUTURSCAM_OVERLAP_MINUTES is 'ten'",
        "FUTURSCAM_BOOND_USER_TOKEN is not set",
        "futurscam config show",
        "FUTURSCAM_OVERLAPP_MINUTES is set in the environment",
        "the nearest one is FUTURSCAM_OVERLAP_MINUTES",
        "futurscam reset --to INSTANT",
        "MongoDB did not answer",
        "the host in MONGO_URI is right",
        f"mv {home.runs} {home.runs}.old",
        "Set FUTURSCAM_ALERT_URLS",
        "Not checked, because of wrong settings: boond.",
    ):
        assert text in done.stdout, text
    assert "fault of the doctor" not in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert files(home.home) == before


def test_a_wrong_database_setting_skips_mongodb(sound: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local server is not checked in its place."""
    monkeypatch.setenv("MONGO_URI", f"mongodb://an:{SECRET}@@/")

    diagnosis = catalogue.examine(os.environ, now=clock.now())

    assert diagnosis.exit_code == ExitCode.OPERATOR_MUST_ACT
    assert "MongoDB" in named(diagnosis.results, "left out").what
    assert "local server" not in {result.name for result in diagnosis.results}
    assert named(diagnosis.results, "watermark").state == "ok"
    assert named(diagnosis.results, "folder").state == "ok"
    assert SECRET not in json.dumps(diagnosis.as_list())
    assert sound.home.is_dir()


@pytest.mark.usefixtures("home")
def test_a_home_that_is_a_file_or_does_not_exist(tmp_path: Path) -> None:
    """If it is a file, Python and the settings are still checked; if it is missing, it is not created."""
    missing = tmp_path / "not" / "yet"
    diagnosis = catalogue.examine({**os.environ, "FUTURSCAM_HOME": str(missing)}, now=clock.now())
    assert diagnosis.exit_code == 0
    assert not missing.parent.exists()

    (tmp_path / "file").write_text("")
    diagnosis = catalogue.examine({**os.environ, "FUTURSCAM_HOME": str(tmp_path / "file")}, now=clock.now())
    assert [group.title for group in diagnosis.groups] == ["Python", "Kernels", "Settings"]
    assert diagnosis.exit_code == ExitCode.OPERATOR_MUST_ACT


def test_exit_code_3_if_only_an_answer_is_missing(sound: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry may help: exit code 3."""
    monkeypatch.setenv("MONGO_URI", "mongodb://127.0.0.1:9/")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.2")

    diagnosis = catalogue.examine(os.environ, now=clock.now())

    assert diagnosis.exit_code == ExitCode.RETRY_LATER
    assert named(diagnosis.results, "watermark").state == "ok"
    assert sound.home.is_dir()


def test_text_from_outside_stays_on_its_line() -> None:
    """Reasons and file names cannot control the terminal or imitate lines of the output."""
    hostile = CheckResult("x", "problem", "a\x1b[2Jb\nNo problems.", "c\r\nd")
    shown = catalogue.Diagnosis((catalogue.Group("G", (catalogue.cleaned(hostile, str),)),))

    lines = list(shown.lines(colours=False))

    assert lines == ["G", "  problem  x: a?[2Jb No problems.", "           -> c d", "", "1 problem, 0 warnings."]
    assert "\x1b[31mproblem\x1b[0m" in list(shown.lines(colours=True))[1]
