"""The batch files, checked for known traps of cmd; tests/windows runs them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import pytest

from futurscam_lib import settings

PROJECT: Final = settings.PROJECT
STARTERS: Final = ("run_etl.bat", "run_etl_continuous.bat")
SCRIPTS: Final = (*STARTERS, "scripts/environment.bat")
_OPENING: Final = [
    "@echo off",
    "setlocal EnableExtensions DisableDelayedExpansion",
]
_HOME: Final = ['cd /d "%~dp0"', "if errorlevel 1 exit /b 2"]
_PROGRAM: Final = r".venv\Scripts\python.exe -X utf8 -m futurscam_lib "
_WAY_OUT: Final = "exit /b %ERRORLEVEL%"


def faults_of(name: str, script: bytes) -> list[str]:
    """Return everything that cmd would get wrong, a few words each."""
    faults = [] if script.isascii() else ["not ASCII"]
    if script.count(b"\r\n") != script.count(b"\n") or not script.endswith(b"\n"):
        faults.append("a line end that is not CRLF")
    lines = [line for line in script.decode(errors="replace").splitlines() if line and not line.startswith("rem ")]
    if lines[:2] != _OPENING:
        faults.append("does not open as it should")
    faults += _stale(lines)
    faults += [f"no such label: {label}" for label in _jumps(lines) - _labels(lines)]
    faults += [f"runs on into {line}" for before, line in _neighbours(lines) if line[0] == ":" and not _leaves(before)]
    if name in STARTERS:
        faults += _starter_faults(lines)
    if not lines[-1].startswith("exit /b "):
        faults.append(f"ends in `{lines[-1]}`")
    return faults


def _stale(lines: list[str]) -> list[str]:
    """Find `%ERRORLEVEL%` that is expanded before its command has run."""
    depth, faults = 0, []
    for line in lines:
        bare = re.sub(r'"[^"]*"', '""', line)
        depth += bare.count("(")
        after_program = re.search(r"[&|].*%errorlevel%", bare, re.IGNORECASE)
        if after_program or (depth and re.search(r"%errorlevel%", bare, re.IGNORECASE)):
            faults.append(f"stale: {line}")
        depth -= bare.count(")")
    return faults


def _jumps(lines: list[str]) -> set[str]:
    return set(re.findall(r"\b(?:goto |call :)(\w+)", "\n".join(lines)))


def _labels(lines: list[str]) -> set[str]:
    return {line[1:] for line in lines if line.startswith(":")}


def _neighbours(lines: list[str]) -> list[tuple[str, str]]:
    return list(pairwise(lines))


def _leaves(line: str) -> bool:
    return line.startswith(("exit /b ", "goto "))


def _starter_faults(lines: list[str]) -> list[str]:
    pairs = _neighbours(lines)
    faults = [f"its exit code is lost: {line}" for line, after in pairs if _PROGRAM in line and after != _WAY_OUT]
    moved = [number for number, pair in enumerate(pairs) if list(pair) == _HOME]
    started = [number for number, line in enumerate(lines) if _PROGRAM in line]
    if not moved or moved[0] > started[0]:
        faults.append("does not change to its own folder first")
    return faults


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_batch_file_is_right(name: str) -> None:
    """It has the line ends of Windows, finds its folder, and passes the exit code on."""
    assert faults_of(name, (PROJECT / name).read_bytes()) == []


def test_all_batch_files_are_read() -> None:
    """None is left out."""
    scripts = [*PROJECT.glob("*.bat"), *PROJECT.glob("scripts/*.bat")]

    assert {path.relative_to(PROJECT).as_posix() for path in scripts} == set(SCRIPTS)


@pytest.mark.parametrize(
    ("whole", "broken", "fault"),
    [
        ("@echo off\r\n", "@echo on\r\n", "does not open as it should"),
        ("setlocal ", "setlocal EnableDelayedExpansion ", "does not open as it should"),
        ("rem One run", "rem Une ex\u00e9cution", "not ASCII"),
        ("@echo off\r\n", "@echo off\n", "a line end that is not CRLF"),
        ('cd /d "%~dp0"\r\n', "", "does not change to its own folder first"),
        ('cd /d "%~dp0"\r\n', "cd /d C:\\FuturScam\r\n", "does not change to its own folder first"),
        ("call scripts", "goto nowhere\r\ncall scripts", "no such label: nowhere"),
        ("call scripts", ":again\r\ncall scripts", "runs on into :again"),
        (
            "call scripts",
            "if 1==1 (\r\nexit /b %ERRORLEVEL%\r\n)\r\ncall scripts",
            "stale: exit /b %ERRORLEVEL%",
        ),
        (
            "call scripts",
            "call x.bat & exit /b %errorlevel%\r\ncall scripts",
            "stale: call x.bat & exit /b %errorlevel%",
        ),
        ("run %*\r\n", "run %*\r\nver\r\n", "its exit code is lost: " + _PROGRAM + "run %*"),
        ("exit /b %ERRORLEVEL%\r\n", "exit /b %ERRORLEVEL%\r\npause\r\n", "ends in `pause`"),
    ],
)
def test_each_fault_is_detected(whole: str, broken: str, fault: str) -> None:
    """Each check, and no other, fails on a copy that breaks it."""
    script = (PROJECT / "run_etl.bat").read_bytes()
    assert whole.encode() in script

    assert faults_of("run_etl.bat", script.replace(whole.encode(), broken.encode(), 1)) == [fault]
