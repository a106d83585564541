"""The PowerShell scripts in a real PowerShell, with a package that records its arguments."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.scripts.conftest import COMMAND, ON_WINDOWS, PYTHON, literal, put_python, put_scripts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripts.conftest import Copy

HARD: Final = [
    *("--since", "2026-11-20", "a b", "", 'say "hi"', "it's", "$x", "`id`", "%PATH%", "a^b&c|d", "*.json", "café", "!"),
    *(
        "C:\\Mes documents\\",
        'a\\"b',
        "\\\\server\\share\\",
        "1.50",
        "@x",
        "{a}",
        "(b)",
        "a;b",
        "-v",
        "-p",
        "--verbose",
    ),
]
STRICT: Final = (
    "Set-StrictMode -Version Latest",
    "$ErrorActionPreference = 'Stop'",
    "$PSNativeCommandUseErrorActionPreference = $true",
)
"""What a careful person has in a profile."""

HOURLY: Final = ["loop", "--interval", "60", "--"]
NAMES: Final = ("a [v2] b", "l'été & co", "x$HOME", "a;b", "@x", "{a}", "sp  two ", "`tick")
"""Folders whose names mean something to PowerShell."""


def arguments(copy: Copy) -> list[list[str]]:
    """Return the arguments of each call of the package."""
    return [call["arguments"] for call in copy.calls()]


def test_arguments_at_a_prompt(ready: Copy) -> None:
    """Each arrives as it was typed, whatever the preferences, in the project's folder and with UTF-8."""
    done = ready.typed(
        *STRICT, f"& $Run {' '.join(map(literal, HARD))}", "& $Run --source folder,boond 1.50 007 -v -p x"
    )

    assert ready.calls() == [
        {"arguments": ["run", *given], "cwd": str(ready.folder), "utf8": 1}
        for given in (HARD, ["--source", "folder,boond", "1.50", "007", "-v", "-p", "x"])
    ]
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "progress\nprogress\n")


def test_arguments_with_file(ready: Copy) -> None:
    """They arrive unchanged, also an option whose value contains colons."""
    instants = ["--since=2026-11-20T10:00:00Z", "--until=2026-11-21", "--dry-run"]

    done = ready.file("run_etl.ps1", *HARD, "folder,boond", *instants)

    assert arguments(ready) == [["run", *HARD, "folder,boond", *instants]]
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "progress\n")


@pytest.mark.skipif(ON_WINDOWS, reason="Windows does not allow all of these names")
def test_folder_names(ready: Copy, tmp_path: Path) -> None:
    """A folder's name may contain characters that are special to PowerShell; the scripts work from any drive."""
    folders = [tmp_path / "names" / name for name in NAMES]
    for folder in folders:
        put_scripts(folder)
        put_python(folder)

    done = ready.typed(
        "Set-Location Env:", *(f"& {literal(str(folder / 'run_etl.ps1'))}; (Get-Location).Path" for folder in folders)
    )

    assert [call["cwd"] for call in ready.calls()] == [str(folder) for folder in folders]
    assert "Env:" in done.stdout
    assert str(tmp_path) not in done.stdout


WAYS: Final = {
    "called": "& $Run",
    "dot-sourced": ". $Run",
    "the loop, called": "& $Loop 30",
    "the loop, dot-sourced": ". $Loop 30",
    "stderr into a file": "& $Run 2>errors.txt",
    "stderr into stdout": "& $Run 2>&1 | Out-Null",
    "all into a file": "& $Run *>all.txt",
    "to a variable": "$Said = & $Run",
}


@pytest.mark.parametrize("code", [0, 5])
def test_the_exit_code_is_that_of_the_program(ready: Copy, code: int) -> None:
    """At a prompt, in each way of calling, with strict preferences; in a job as well."""
    ways = [f"{way}; 'code ' + $LASTEXITCODE" for way in WAYS.values()]
    job = "Start-Job { & $args[0]; 'code ' + $LASTEXITCODE } -ArgumentList $Run 2>$null | Receive-Job -Wait 2>$null"

    done = ready.typed(*STRICT, *ways, "$ErrorActionPreference = 'Continue'", job, CODE=str(code))

    assert done.stdout.split("\n")[:-1] == [f"code {code}"] * (len(WAYS) + 1), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("script", "code"), [("run_etl.ps1", 0), ("run_etl.ps1", 1), ("run_etl_continuous.ps1", 2), ("run_etl.ps1", 5)]
)
def test_the_exit_code_with_file(ready: Copy, script: str, code: int) -> None:
    """A scheduler gets the program's exit code."""
    assert ready.file(script, CODE=str(code)).returncode == code


def test_the_exit_code_with_command(ready: Copy) -> None:
    """PowerShell turns any failure into 1, so the guide uses -File."""
    path = literal(str(ready.folder / "run_etl.ps1"))

    assert ready.powershell("-Command", f"& {path}", environment={"CODE": "5"}).returncode == 1


LOOPS: Final = {
    "": HOURLY,
    "30": ["loop", "--interval", "30", "--"],
    "-IntervalMinutes 30": ["loop", "--interval", "30", "--"],
    "-IntervalMinutes:30": ["loop", "--interval", "30", "--"],
    "-interval 0.05": ["loop", "--interval", "0.05", "--"],
    ".5": ["loop", "--interval", ".5", "--"],
    "1440 --dry-run": ["loop", "--interval", "1440", "--", "--dry-run"],
    "30 -- --dry-run": ["loop", "--interval", "30", "--", "--dry-run"],
    "--source folder,boond -IntervalMinutes 30": ["loop", "--interval", "30", "--", "--source", "folder,boond"],
    "-v -p x --verbose": [*HOURLY, "-v", "-p", "x", "--verbose"],
    "--help": ["loop", "--help"],
    "30 --help": ["loop", "--help"],
}


def test_the_arguments_of_the_loop(ready: Copy) -> None:
    """The minutes come first or by name; all others are for `run`, in their order."""
    ready.typed(*STRICT, *(f"& $Loop {given}" for given in LOOPS))
    assert arguments(ready) == list(LOOPS.values())

    ready.file("run_etl_continuous.ps1", "-IntervalMinutes:30", "--", "--source", "folder,boond")
    assert arguments(ready) == [["loop", "--interval", "30", "--", "--source", "folder,boond"]]


WRONG: Final = {
    "-IntervalMinutes 0,5": "0,5",
    "0,5": "0,5",
    "-IntervalMinutes abc": "abc",
    "abc": "abc",
    "-IntervalMinutes": "",
    "-IntervalMinutes $null": "",
    "''": "",
    "-IntervalMinutes --dry-run": "--dry-run",
    "0.04": "0.04",
    "1441": "1441",
    "1e3": "1e3",
    "NaN": "NaN",
    "-IntervalMinutes 30,60": "30,60",
}


def test_minutes_that_are_not_allowed(bare: Copy) -> None:
    """One sentence names the value and what is allowed, the code is 2, and nothing is set up."""
    bare.program("uv", "import sys; sys.exit('uv was called')")

    done = bare.typed(*STRICT, *(f"& $Loop {given}; 'code ' + $LASTEXITCODE" for given in WRONG))

    assert done.stdout.split("\n")[:-1] == ["code 2"] * len(WRONG)
    assert done.stderr.splitlines() == [
        f"-IntervalMinutes '{named}' is not allowed: give a number of minutes from 0.05 to 1440, such as 30 or 0.5. "
        "Nothing has run."
        for named in WRONG.values()
    ]
    assert not (bare.folder / ".venv").exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("run_etl.ps1", ["Does one run", "--source NAMES", "--help", "-Help, -?"]),
        ("run_etl_continuous.ps1", ["every so many minutes", "-IntervalMinutes MINUTES", "--help", "-Help, -?"]),
    ],
)
def test_help(bare: Copy, script: str, words: list[str]) -> None:
    """`-Help`, `-?` and `Get-Help` explain the script, its arguments, examples and exit codes; nothing is set up."""
    path = literal(str(bare.folder / script))
    shown = bare.typed(
        *STRICT,
        *(
            f"{asked} | Out-String -Width 200; '====='"
            for asked in (f"& {path} -?", f"Get-Help {path}", f"& {path} -Help")
        ),
        f"Get-Help {path} -Full | Out-String -Width 200; '====='",
        f"Get-Help {path} -Examples | Out-String -Width 200",
    )
    question, asked, whole, full, examples = shown.stdout.split("=====\n")

    assert (shown.returncode, shown.stderr) == (0, "")
    for text in (question, asked, whole, full):
        assert [word for word in words if word not in text] == []
    for text in (whole, full):
        assert re.search(r"^ *5  another \w+ is active$", text, re.MULTILINE)
        assert f".\\{script}" in text
    assert f".\\{script}" in examples
    with_file = bare.file(script, "-Help")
    assert (with_file.returncode, "SYNOPSIS" in with_file.stdout) == (0, True)
    assert not (bare.folder / ".venv").exists()


def test_nothing_of_the_caller_changes(ready: Copy) -> None:
    """Location, variables, environment and preferences are what they were, also where the script is dot-sourced."""
    before = ready.files()
    ready.program("uv", _UV)
    setup = f"Remove-Item -LiteralPath {literal(str(ready.folder / COMMAND))}"
    state = (
        "function Get-State { (Get-Location).Path; Get-ChildItem Env: | ForEach-Object { $_.Name + '=' + $_.Value };"
        " Get-Variable -Scope Script | Where-Object { $_.Name -notin 'args', 'State', '?', '^', '$', 'LASTEXITCODE' } |"
        " ForEach-Object { $_.Name + '=' + $_.Value } }"
    )

    done = ready.typed(
        *STRICT,
        state,
        "$State = @{}",
        "$State['before'] = Get-State",
        f"{setup}; . $Run --dry-run; . $Loop 30; . $Loop abc; & $Run -v; & $Loop --help",
        "$State['after'] = Get-State",
        "Compare-Object $State['before'] $State['after'] | Format-List | Out-String",
        "$State['after'].Count",
    )

    compared, count = done.stdout.rstrip().rsplit("\n", 1)
    assert compared.strip() == "", done.stdout
    assert int(count) > 20
    assert ready.files() == before
    assert (ready.folder / COMMAND).exists()


def _split(line: str) -> list[str]:
    """Split a command line as Windows programs do (documented for CommandLineToArgvW)."""
    words, current, quoted, begun, position = [], "", False, False, 0
    while position < len(line):
        slashes = len(re.match(r"\\*", line[position:])[0])  # type: ignore[index]
        position += slashes
        follows = line[position : position + 1]
        if slashes:
            begun = True
            current += "\\" * (slashes // 2 if follows == '"' else slashes)
        if follows == '"' and slashes % 2:
            current += '"'
        elif follows == '"':
            quoted, begun = not quoted, True
        elif follows in {" ", "\t"} and not quoted:
            words += [current] if begun else []
            current, begun = "", False
        elif follows:
            current, begun = current + follows, True
        position += 1
    return [*words, current] if begun else words


def _as_powershell_5_1(argument: str) -> str:
    """Return what 5.1 makes of an argument: quotes around it if it has white space that is not in quotes."""
    bare = re.sub(r'(?<!\\)"[^"]*"', "", argument)
    return f'"{argument}"' if re.search(r"\s", bare) else argument


def test_the_line_that_is_built_for_windows_powershell(ready: Copy) -> None:
    """Any argument arrives whole, and so do later ones, also with backslashes before the last quote."""
    given = ["".join(letters) for length in range(5) for letters in itertools.product('a \\"', repeat=length)]
    given += ["C:\\Mes documents\\", "été \\\\", *HARD]
    source = literal(str(ready.folder / "scripts" / "futurscam.ps1"))
    (ready.elsewhere / "given.json").write_text(json.dumps(given), "utf-8")

    done = ready.typed(
        f"$Tree = [Management.Automation.Language.Parser]::ParseFile({source}, [ref] $null, [ref] $null)",
        "$Is = { $args[0] -is [Management.Automation.Language.FunctionDefinitionAst]"
        " -and $args[0].Name -eq 'ConvertTo-Quoted' }",
        ". ([scriptblock]::Create($Tree.Find($Is, $true).Extent.Text))",
        '$Given = [IO.File]::ReadAllText("$pwd/given.json") | ConvertFrom-Json',
        "$Quoted = @($Given | ForEach-Object { ConvertTo-Quoted $_ $true })",
        '[IO.File]::WriteAllText("$pwd/quoted.json", (ConvertTo-Json $Quoted))',
    )

    assert done.stderr == ""
    quoted = json.loads((ready.elsewhere / "quoted.json").read_text("utf-8-sig"))
    assert dict(zip(given, quoted, strict=True))["C:\\Mes documents\\"] == "C:\\Mes documents\\\\"
    line = " ".join(map(_as_powershell_5_1, quoted))
    assert _split(line) == given


def test_the_line_is_split_as_windows_does() -> None:
    """The examples of its documentation, and what goes wrong without doubled backslashes."""
    assert _split(r'"abc" d e') == ["abc", "d", "e"]
    assert _split(r'a\\\b d"e f"g h') == [r"a\\\b", "de fg", "h"]
    assert _split(r"a\\\"b c d") == [r"a\"b", "c", "d"]
    assert _split(r'a\\\\"b c" d e') == [r"a\\b c", "d", "e"]
    assert _split(r'"C:\Mes documents\" --dry-run') == ['C:\\Mes documents" --dry-run']


def test_arguments_in_an_older_powershell(ready: Copy) -> None:
    """Before 7.3 PowerShell builds the line itself: each argument arrives all the same."""
    script = ready.folder / "scripts" / "futurscam.ps1"
    newer = b"if (Test-Path -Path 'Variable:\\PSNativeCommandArgumentPassing') {"
    assert newer in script.read_bytes()
    script.write_bytes(script.read_bytes().replace(newer, b"if ($false) {"))

    done = ready.typed(
        "$PSNativeCommandArgumentPassing = 'Legacy'",
        f"& $Run {' '.join(map(literal, HARD))} --source folder,boond",
    )

    assert arguments(ready) == [["run", *HARD, "--source", "folder,boond"]], done.stderr


_UV: Final = f"""
import json, os, pathlib, sys
with open(os.environ["RECORD"] + ".uv", "a") as record:
    print(*sys.argv[1:], file=record)
if sys.argv[1] == "pip":
    if os.environ.get("UV_FAILS"):
        sys.exit("no network")
    place = pathlib.Path(".venv/Scripts")
    if not os.environ.get("UV_FORGETS"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "futurscam.exe").touch()
        if not (place / "python.exe").exists():
            (place / "python.exe").symlink_to({sys.executable!r})
"""
_PYTHON: Final = f"""
import os, pathlib, sys
with open(os.environ["RECORD"] + ".python", "a") as record:
    print(pathlib.Path(sys.argv[0]).stem, *(word for word in sys.argv[1:] if "import" not in word), file=record)
if os.environ.get("STORE"):
    sys.exit(9009 % 256)
arguments = sys.argv[1:]
if arguments[0].startswith("-3"):
    if arguments.pop(0) != "-3.12":
        sys.exit(103)
if arguments[0] == "-c":
    sys.exit(int(os.environ.get("UNFIT", "0")))
if os.environ.get("VENV_FAILS"):
    sys.exit("no ensurepip")
place = pathlib.Path(".venv/Scripts")
place.mkdir(parents=True, exist_ok=True)
program = place / "python.exe"
program.write_text("#!" + {sys.executable!r} + '''
import os, sys, pathlib
if sys.argv[1:3] == ["-m", "pip"]:
    with open(os.environ["RECORD"] + ".python", "a") as record:
        print("pip", *sys.argv[3:], file=record)
    if os.environ.get("PIP_FAILS") in sys.argv:
        sys.exit("no network")
    if "-e" in sys.argv:
        pathlib.Path(".venv/Scripts/futurscam.exe").touch()
    sys.exit(0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
''')
program.chmod(0o755)
"""
made_by_stand_ins = pytest.mark.skipif(ON_WINDOWS, reason="a stand-in cannot make a python.exe on Windows")


def lines(copy: Copy, of: str) -> list[str]:
    """Return what a stand-in recorded."""
    path = copy.record.with_suffix(f".{of}")
    return path.read_text("utf-8").splitlines() if path.exists() else []


@made_by_stand_ins
def test_uv_sets_the_environment_up(bare: Copy) -> None:
    """The first run has uv do it, without what only developers need; the second does not ask uv."""
    bare.program("uv", _UV)

    first, second = bare.file("run_etl.ps1", "--dry-run", CODE="3"), bare.file("run_etl.ps1")

    assert (first.returncode, second.returncode) == (3, 0)
    assert lines(bare, "uv") == [
        "--version",
        "venv --quiet --allow-existing .venv",
        "pip install --quiet --python .venv -c constraints.txt -e .[alerts,export,local-server]",
    ]
    assert arguments(bare) == [["run", "--dry-run"], ["run"]]
    assert first.stderr.startswith("Setting up .venv, once.")
    assert second.stderr == "progress\n"


@made_by_stand_ins
@pytest.mark.parametrize(
    ("program", "asked"),
    [
        ("py", ["py -3.13 -c", "py -3.12 -c", "py -3.12 -m venv .venv"]),
        ("python", ["python -c", "python -m venv .venv"]),
        ("python3", ["python3 -c", "python3 -m venv .venv"]),
    ],
)
def test_python_sets_the_environment_up_where_uv_is_not(bare: Copy, program: str, asked: list[str]) -> None:
    """The first Python that fits makes a virtual environment, with the versions that were tested."""
    bare.program(program, _PYTHON)

    done = bare.file("run_etl.ps1", CODE="5")

    assert done.returncode == 5, done.stderr
    assert lines(bare, "python") == [
        *asked,
        "pip install --quiet -c constraints.txt -e .[alerts,export,local-server]",
    ]


@pytest.mark.parametrize("reason", ["", "UNFIT", "STORE"])
def test_neither_uv_nor_a_python_that_fits(bare: Copy, reason: str) -> None:
    """None, a wrong version, or only the Microsoft Store's stub: names what to install; exit code 2."""
    if reason:
        bare.program("python", _PYTHON)

    done = bare.file("run_etl_continuous.ps1", "30", **({reason: "1"} if reason else {}))

    assert (done.returncode, done.stdout) == (2, "")
    assert "needs uv, or Python 3.11, 3.12 or 3.13 (64 bit), and found neither." in done.stderr
    assert "https://docs.astral.sh/uv/" in done.stderr
    assert not (bare.folder / ".venv").exists()


@made_by_stand_ins
@pytest.mark.parametrize(
    ("program", "code", "fails"),
    [
        ("uv", _UV, {"UV_FAILS": "1"}),
        ("python3", _PYTHON, {"VENV_FAILS": "1"}),
        ("python3", _PYTHON, {"PIP_FAILS": "-e"}),
    ],
    ids=["uv", "venv", "pip"],
)
def test_a_failed_set_up_is_repeated(bare: Copy, program: str, code: str, fails: dict[str, str]) -> None:
    """It ends with 2 and nothing has run; the next start finishes it."""
    bare.program(program, code)

    failed = bare.file("run_etl.ps1", **fails)
    assert arguments(bare) == []
    again = bare.file("run_etl.ps1", CODE="5")

    assert failed.returncode == 2
    assert "Setting up .venv failed; the lines above say why. Nothing has run." in failed.stderr
    assert again.returncode == 5


def _without_scripts(copy: Copy) -> None:
    shutil.rmtree(copy.folder / "scripts")


def _without_environment_script(copy: Copy) -> None:
    (copy.folder / "scripts" / "environment.ps1").unlink()


def _of_another_system(copy: Copy) -> None:
    shutil.rmtree(copy.folder / ".venv")
    (copy.folder / ".venv" / "bin").mkdir(parents=True)


def _not_completed(copy: Copy) -> None:
    (copy.folder / PYTHON).unlink()
    copy.program("uv", _UV)


def _no_program(copy: Copy) -> None:
    (copy.folder / PYTHON).unlink()
    (copy.folder / PYTHON).write_bytes(b"not a program")


def _python_gone(copy: Copy) -> None:
    (copy.folder / "futurscam_lib" / "__main__.py").write_text("raise SystemExit(103)", "utf-8")


def _no_folder(copy: Copy) -> None:
    shutil.rmtree(copy.folder / ".venv")
    (copy.folder / ".venv").write_text("a file", "utf-8")
    copy.program("uv", _UV)


@pytest.mark.parametrize(
    ("broken", "problem", "remedy"),
    [
        (_without_scripts, "is incomplete", "Copy the whole project there again."),
        (_without_environment_script, "has no environment.ps1", "Copy the whole project there again."),
        (_of_another_system, "was made for another system", "Delete it and start this again"),
        (_not_completed, "did not complete it", "Delete it and start this again."),
        (_no_program, "The Python in .venv cannot be started", "Delete the folder .venv and start this again"),
        (_python_gone, "The Python in .venv cannot be started", "Delete the folder .venv and start this again"),
        (_no_folder, "The folder .venv cannot be made in", "Give this account the right to write there"),
    ],
)
def test_a_broken_folder(ready: Copy, broken: Callable[[Copy], None], problem: str, remedy: str) -> None:
    """One line says what is wrong, that nothing has run and what to do; the code is 2 and no file has changed."""
    broken(ready)
    before = ready.files()

    script = "run_etl_continuous.ps1" if broken is _without_scripts else "run_etl.ps1"
    done = ready.file(script, "--dry-run", UV_FORGETS="1")

    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("Setting up")]
    assert done.returncode == 2
    assert (problem in line, "Nothing has run." in line, remedy in line) == (True, True, True), line
    assert (done.stdout, arguments(ready)) == ("", [])
    assert ready.files() == before
