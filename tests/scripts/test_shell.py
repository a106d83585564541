"""The shell scripts, run for real on copies of the project whose Python, uv and pip are stand-ins."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from futurscam_lib import settings

if TYPE_CHECKING:
    from pathlib import Path

PROJECT: Final = settings.PROJECT
SCRIPTS: Final = ("run_etl.sh", "scripts/environment.sh")
HARD: Final = [
    *("--since", "2026-11-20", "a b", "", 'say "hi"', "it's", "$HOME", "`id`", "100%", "a\\b\\", "*", "café", "!"),
]
_RECORDER: Final = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["RECORD"], "a", encoding="utf-8") as record:
    record.write(json.dumps({{"arguments": sys.argv[1:], "cwd": os.getcwd()}}) + "\\n")
sys.exit(int(os.environ.get("CODE", "0")))
"""
_UV: Final = """#!/bin/sh
echo "uv $*" >>"$RECORD"
case "$1" in
venv)
    echo 'printed on stdout'
    [ "$UV_FAILS" ] && exit 1
    mkdir -p .venv/bin
    ;;
pip)
    cp "$STAND_IN" .venv/bin/python
    cp "$STAND_IN" .venv/bin/futurscam
    ;;
esac
"""
_PYTHON: Final = """#!/bin/sh
echo "python $*" >>"$RECORD"
case "$*" in
-c*) exit "${SUITABLE:-0}" ;;
'-m venv .venv') mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
'-m pip install --quiet -c constraints.txt -e'*)
    [ "$PIP_FAILS" ] && exit 1
    cp "$STAND_IN" .venv/bin/python
    cp "$STAND_IN" .venv/bin/futurscam
    ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the project's scripts.

    Attributes:
        folder: Its path; the name has spaces and accents.
        programs: The folder of programs on PATH, in addition to the system's tools.
        record: What the stand-ins were called with.
    """

    folder: Path
    programs: Path
    record: Path

    def program(self, path: Path, text: str) -> None:
        """Put a program there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o755)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Call `run_etl.sh` by a relative path from the folder beside the copy."""
        return subprocess.run(
            [f"{self.folder.name}/run_etl.sh", *arguments],
            cwd=self.folder.parent,
            env={
                "PATH": str(self.programs),
                "CDPATH": str(self.folder.parent.parent),
                "RECORD": str(self.record),
                "STAND_IN": str(self.programs.parent / "stand-in"),
                **environment,
            },
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def recorded(self) -> list[str]:
        """What the stand-ins were called with, a line each."""
        return self.record.read_text("utf-8").splitlines() if self.record.exists() else []


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy without an environment, on a machine with neither Python nor uv."""
    folder = tmp_path / "Équipe Données" / "FuturScam (copie)"
    for name in SCRIPTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    made = Copy(folder, tmp_path / "bin", tmp_path / "record")
    made.program(tmp_path / "stand-in", _RECORDER)
    for tool in ("sh", "dirname", "mkdir", "cp"):
        path = shutil.which(tool)
        assert path
        made.programs.mkdir(exist_ok=True)
        (made.programs / tool).symlink_to(path)
    return made


@pytest.fixture
def ready(copy: Copy) -> Copy:
    """A copy with its environment."""
    for name in ("python", "futurscam"):
        copy.program(copy.folder / ".venv" / "bin" / name, _RECORDER)
    return copy


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_is_posix_shell(name: str) -> None:
    """A plain POSIX shell parses it; line ends are those of Unix."""
    subprocess.run([shutil.which("dash") or "/bin/sh", "-n", PROJECT / name], check=True)
    assert b"\r" not in (PROJECT / name).read_bytes()
    assert (PROJECT / name).read_bytes().startswith(b"#!/bin/sh\n")


@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_finds_nothing(name: str) -> None:
    """No quoting or portability fault that shellcheck knows."""
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not installed")
    subprocess.run([program, "--shell", "sh", PROJECT / name], check=True)


def test_it_can_be_started() -> None:
    """It is executable."""
    assert os.access(PROJECT / "run_etl.sh", os.X_OK)


def test_arguments_and_folder(ready: Copy) -> None:
    """Each argument arrives unchanged, in the project's own folder, and no others."""
    done = ready.run(*HARD)

    (call,) = map(json.loads, ready.recorded())
    assert call == {"arguments": ["-X", "utf8", "-m", "futurscam_lib", "run", *HARD], "cwd": str(ready.folder)}
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("code", [0, 1, 3, 5])
def test_the_exit_code_is_that_of_the_program(ready: Copy, code: int) -> None:
    """A scheduler gets the program's exit code."""
    assert ready.run(CODE=str(code)).returncode == code


def test_neither_python_nor_uv(copy: Copy) -> None:
    """It prints what is missing and where to get it, and ends with 2."""
    done = copy.run()

    assert (done.returncode, done.stdout) == (2, "")
    assert "needs uv, or Python 3.11, 3.12 or 3.13 (64 bit), and found neither." in done.stderr
    assert "https://docs.astral.sh/uv/" in done.stderr
    assert "https://www.python.org/downloads/" in done.stderr
    assert copy.recorded() == []


def test_an_unsuitable_python_is_ignored(copy: Copy) -> None:
    """Too old, too new or with 32 bits."""
    copy.program(copy.programs / "python3", _PYTHON)

    done = copy.run(SUITABLE="1")

    assert done.returncode == 2
    assert "found neither" in done.stderr


def test_uv_sets_the_environment_up(copy: Copy) -> None:
    """The first run has uv do it, without what only developers need; the second does not ask uv."""
    copy.program(copy.programs / "uv", _UV)

    first, second = copy.run("--dry-run", CODE="3"), copy.run(CODE="0")

    assert (first.returncode, second.returncode) == (3, 0)
    assert copy.recorded()[:3] == [
        "uv --version",
        "uv venv --quiet --allow-existing .venv",
        "uv pip install --quiet --python .venv -c constraints.txt -e .[alerts,export,local-server]",
    ]
    calls = [json.loads(line)["arguments"] for line in copy.recorded()[3:]]
    assert [call[4:] for call in calls] == [["run", "--dry-run"], ["run"]]
    assert first.stdout == ""
    assert "Setting up .venv, once." in first.stderr
    assert second.stderr == ""


def test_python_sets_the_environment_up_where_uv_is_not(copy: Copy) -> None:
    """A virtual environment and the packages, in the versions that were tested."""
    copy.program(copy.programs / "python3.12", _PYTHON)

    assert copy.run().returncode == 0

    assert copy.recorded()[1:3] == [
        "python -m venv .venv",
        "python -m pip install --quiet -c constraints.txt -e .[alerts,export,local-server]",
    ]


@pytest.mark.parametrize(("program", "text", "fails"), [("uv", _UV, "UV_FAILS"), ("python3.13", _PYTHON, "PIP_FAILS")])
def test_a_failed_set_up_is_repeated(copy: Copy, program: str, text: str, fails: str) -> None:
    """It prints the failure, ends with 2 and has run nothing; the next start finishes it."""
    copy.program(copy.programs / program, text)

    failed = copy.run(**{fails: "1"})
    again = copy.run(CODE="5")

    assert failed.returncode == 2
    assert "Setting up .venv failed" in failed.stderr
    assert "Nothing has run." in failed.stderr
    assert again.returncode == 5


def test_a_failed_set_up_removes_nothing(copy: Copy) -> None:
    """What an environment held before is still there."""
    copy.program(copy.programs / "uv", _UV)
    kept = copy.folder / ".venv" / "lib" / "kept.txt"
    kept.parent.mkdir(parents=True)
    kept.touch()

    assert copy.run(UV_FAILS="1").returncode == 2
    assert kept.exists()


@pytest.mark.parametrize(
    ("version", "bits", "suits"),
    [((3, 10), 63, False), ((3, 11), 63, True), ((3, 13), 63, True), ((3, 14), 63, False), ((3, 12), 31, False)],
)
def test_which_python_suits(version: tuple[int, int], bits: int, *, suits: bool) -> None:
    """All three environment scripts use the same check, which matches pyproject.toml."""
    question = "import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13) and sys.maxsize > 2**32))"
    for suffix in ("sh", "ps1", "bat"):
        assert question in (PROJECT / "scripts" / f"environment.{suffix}").read_text("ascii")
    assert 'requires-python = ">=3.11,<3.14"' in (PROJECT / "pyproject.toml").read_text("utf-8")
    pretend = f"import sys; sys.version_info = {(*version, 0)}; sys.maxsize = 2**{bits} - 1; {question}"

    assert (subprocess.run([sys.executable, "-c", pretend], check=False).returncode == 0) is suits
