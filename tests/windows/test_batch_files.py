"""The batch files in wine's cmd, around a package that tells what it was called with.

A percent sign among arguments can't be tried: wine's cmd loses it on the way into any batch file.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.windows.conftest import as_windows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.windows.conftest import Ended, Project

_TELLS: Final = """
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "cwd": os.getcwd(), "utf8": sys.flags.utf8_mode}))
print("progress", file=sys.stderr)
sys.exit(int(os.environ.get("CODE", "0")))
"""
_HARD: Final = '--since 2026-11-20T10:00:00Z "a b" "x & y" "<|>" "a^b" --overlap=30 a,b;c hey! "" "(p)" "%ACCENTS%"'
_ARRIVES: Final = [
    *("--since", "2026-11-20T10:00:00Z", "a b", "x & y", "<|>", "a^b", "--overlap=30", "a,b;c", "hey!", "", "(p)"),
    "café déjà vu",
]
_HOURLY: Final = ["loop", "--interval", "60", "--"]


@pytest.fixture
def telling(project: Project) -> Project:
    """A project whose package is the stand-in."""
    package = project.folder / "futurscam_lib"
    package.mkdir()
    (package / "__main__.py").write_text(_TELLS, "utf-8")
    project.environment["ACCENTS"] = "café déjà vu"
    return project


def _told(done: Ended) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _programs(project: Project, **texts: str) -> Path:
    """Batch files on PATH that stand in for programs."""
    folder = project.elsewhere / "programs"
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.bat").write_bytes(text.replace("\n", "\r\n").encode("ascii"))
    return folder


def _without_environment(project: Project) -> None:
    shutil.rmtree(project.folder / ".venv")


def test_arguments_and_folder(telling: Project) -> None:
    """Each argument arrives as it was given, in the project's own folder, with UTF-8, and nothing is said besides."""
    done = telling.call(rf'"%ETL%\run_etl.bat" {_HARD}')

    told = _told(done)
    assert told == {"arguments": ["run", *_ARRIVES], "cwd": telling.environment["ETL"], "utf8": 1}
    assert done.stderr == "progress\n"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (r'"%ETL%\run_etl.bat"', 0),
        (r'"%ETL%\run_etl.bat"', 1),
        (r'"%ETL%\run_etl.bat"', 5),
        (r'"%ETL%\run_etl_continuous.bat"', 5),
        (r'"%ETL%\run_etl_continuous.bat" 30', 1),
    ],
)
def test_the_exit_code_is_that_of_the_program(telling: Project, call: str, code: int) -> None:
    """Whoever scheduled it learns how it ended."""
    assert telling.call(call, CODE=str(code)).code == code


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        ("", _HOURLY),
        (_HARD, [*_HOURLY, *_ARRIVES]),
        ("30", ["loop", "--interval", "30", "--"]),
        ('"0.5"', ["loop", "--interval", "0.5", "--"]),
        (f"30 {_HARD}", ["loop", "--interval", "30", "--", *_ARRIVES]),
    ],
)
def test_the_minutes_of_the_loop(telling: Project, given: str, arrives: list[str]) -> None:
    """A first argument that is no option is the minutes, else it is an hour; all others are for `run`."""
    assert _told(telling.call(rf'"%ETL%\run_etl_continuous.bat" {given}'))["arguments"] == arrives


@pytest.mark.parametrize("asked", ["/?", "-h", "--help"])
def test_help(telling: Project, asked: str) -> None:
    """It is shown without an environment, and starts nothing."""
    _without_environment(telling)

    done = telling.call(rf'"%ETL%\run_etl_continuous.bat" {asked}')

    assert done.code == 0
    assert "run_etl_continuous.bat [N]" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("script", ["run_etl.bat", "run_etl_continuous.bat"])
def test_neither_python_nor_uv(telling: Project, script: str) -> None:
    """It says in plain words what is missing and where to get it, and ends with 2."""
    _without_environment(telling)

    done = telling.call(rf'"%ETL%\{script}"')

    assert (done.code, done.stdout) == (2, "")
    assert "needs uv, or Python 3.11, 3.12 or 3.13 (64 bit), and found neither." in done.stderr
    assert "https://docs.astral.sh/uv/" in done.stderr


@pytest.mark.parametrize("fails", [False, True])
def test_uv_sets_the_environment_up(telling: Project, *, fails: bool) -> None:
    """It is asked without what only developers need; where it fails, nothing has run and the code is 2."""
    (telling.folder / ".venv" / "Scripts" / "futurscam.exe").unlink()
    uv = '@echo off\necho uv %*>>"%RECORD%"\nif not "%1"=="pip" exit /b 0\n%DO%\n'
    record = telling.elsewhere / "record"

    done = telling.call(
        r'"%ETL%\run_etl.bat" --dry-run',
        WINEPATH=as_windows(_programs(telling, uv=uv)),
        RECORD=as_windows(record),
        DO="exit /b 1" if fails else r"type nul >.venv\Scripts\futurscam.exe",
    )

    assert _lines(record) == [
        "uv --version",
        "uv venv --quiet --allow-existing .venv",
        'uv pip install --quiet --python .venv -c constraints.txt -e ".[alerts,export,local-server]"',
    ]
    assert "Setting up .venv, once." in done.stderr
    if fails:
        assert (done.code, done.stdout) == (2, "")
        assert "Setting up .venv failed" in done.stderr
    else:
        assert _told(done)["arguments"] == ["run", "--dry-run"]


@pytest.mark.parametrize(
    ("program", "asked"),
    [
        ("py", ['"-3.13" "-c"', '"-3.12" "-c"', '"-3.12" "-m"']),
        ("python", ['"-c" "import', '"-m" "venv"']),
        ("python3", ['"-c" "import', '"-m" "venv"']),
    ],
)
def test_python_sets_the_environment_up_where_uv_is_not(telling: Project, program: str, asked: list[str]) -> None:
    """The first Python that suits is asked to make a virtual environment; as this one makes none, the code is 2."""
    _without_environment(telling)
    python = '@echo off\necho "%~1" "%~2">>"%RECORD%"\nif "%1"=="-3.13" exit /b 103\nexit /b 0\n'
    record = telling.elsewhere / "record"

    done = telling.call(
        r'"%ETL%\run_etl.bat"',
        WINEPATH=as_windows(_programs(telling, **{program: python})),
        RECORD=as_windows(record),
    )

    assert [line[: len(want)] for line, want in zip(_lines(record), asked, strict=True)] == asked
    assert done.code == 2
    assert "Setting up .venv failed" in done.stderr


def _lines(record: Path) -> list[str]:
    return [line.rstrip() for line in record.read_text().splitlines()]
