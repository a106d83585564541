"""What Windows PowerShell 5.1 would not accept in the scripts, and PowerShell 7 would.

No PowerShell runs here; test_powershell_scripts.py runs them in the one that is installed.
"""

from __future__ import annotations

import re
from inspect import signature
from typing import TYPE_CHECKING, Final, get_type_hints

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Parser

from futurscam_lib import settings
from futurscam_lib.cli.loop import loop
from futurscam_lib.errors import ExitCode
from tests.scripts.conftest import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

PROJECT: Final = settings.PROJECT
CMDLETS: Final = {
    "ForEach-Object": set[str](),
    "Get-Command": {"-Name", "-CommandType", "-ErrorAction"},
    "Get-Help": {"-Name", "-Full"},
    "Get-Location": set[str](),
    "Join-Path": {"-Path", "-ChildPath"},
    "Out-Null": set[str](),
    "Pop-Location": set[str](),
    "Push-Location": {"-LiteralPath", "-ErrorAction"},
    "Select-Object": {"-Skip"},
    "Test-Path": {"-Path", "-LiteralPath"},
}
"""Cmdlets that 5.1 and 7 have, with those of their parameters that both have and that mean the same in both."""

_PARSER: Final = Parser(Language(tree_sitter_powershell.language()))


def faults_of(script: bytes) -> list[str]:
    """Return everything that would not work in 5.1, a few words each."""
    root = _PARSER.parse(script).root_node
    faults = [] if script.isascii() else ["not ASCII"]
    if script.count(b"\r\n") != script.count(b"\n") or not script.endswith(b"\n"):
        faults.append("a line end that is not CRLF")
    faults += _syntax_faults(root)
    functions = {_text(node) for node in _nodes(root) if node.type == "function_name"}
    for command in (node for node in _nodes(root) if node.type == "command"):
        faults += _command_faults(command, functions)
    return faults


def _syntax_faults(root: Node) -> Iterator[str]:
    for node in _nodes(root):
        if node.is_error or node.is_missing:
            yield f"syntax: {_text(node)}"
        elif node.type in {"&&", "||"}:
            yield f"{node.type}, which 5.1 does not know"


def _command_faults(command: Node, functions: set[str]) -> Iterator[str]:
    name_node = command.child_by_field_name("command_name")
    name = _text(name_node) if name_node else ""
    if re.fullmatch(r"[A-Z]\w+-\w+", name) and name not in {*CMDLETS, *functions}:
        yield f"calls {name}"
    elements = command.child_by_field_name("command_elements")
    for element in elements.children if elements else ():
        if name in CMDLETS and element.type == "command_parameter" and _text(element) not in CMDLETS[name]:
            yield f"{name} {_text(element)}"


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _text(node: Node) -> str:
    return (node.text or b"").decode(errors="replace").strip()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_read_by_windows_powershell(name: str) -> None:
    """Syntax, cmdlets and line ends are what 5.1 takes, too."""
    assert faults_of((PROJECT / name).read_bytes()) == []


def test_all_scripts_are_read() -> None:
    """None is left out, here and in the tests that run them."""
    scripts = [*PROJECT.glob("*.ps1"), *PROJECT.glob("scripts/*.ps1")]

    assert {path.relative_to(PROJECT).as_posix() for path in scripts} == set(SCRIPTS)


@pytest.mark.parametrize(
    "broken",
    [
        "$Code = $true ? 1 : 2",
        "$Code = $Given ?? 2",
        "$Code ??= 2",
        "$Code?.ToString()",
        "${Code}?[0]",
    ],
)
def test_syntax_of_7_is_detected(broken: str) -> None:
    """Syntax of PowerShell 7 is reported as wrong for 5.1."""
    assert any(fault.startswith("syntax: ") for fault in faults_of(_with(broken)))


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ("Test-Path -Path 'x' && Pop-Location", "&&, which 5.1 does not know"),
        ("Test-Path -Path 'x' || Pop-Location", "||, which 5.1 does not know"),
        ("Get-Uptime", "calls Get-Uptime"),
        ("Get-Command -Nam uv", "Get-Command -Nam"),
        ("'caf\u00e9'", "not ASCII"),
        ("'a'\n'b'", "a line end that is not CRLF"),
    ],
)
def test_each_fault_is_detected(broken: str, fault: str) -> None:
    """Each check, and no other, fails on a script with one line that breaks it."""
    assert faults_of(_with(broken)) == [fault]


def _with(line: str) -> bytes:
    return f"{line}\r\n".encode() + (PROJECT / "run_etl.ps1").read_bytes()


def test_the_minutes_are_those_of_the_program() -> None:
    """The script refuses wrong minutes before the set-up, with the limits of `futurscam loop`."""
    (interval,) = get_type_hints(loop, include_extras=True)["interval"].__metadata__
    least, most = interval.min, interval.max
    script = (PROJECT / "scripts" / "futurscam.ps1").read_text("ascii")

    assert f"-lt {least} -or [double] $Minutes -gt {most}" in script
    assert f"from {least} to {most}" in script
    assert f"{least} to {most}" in (PROJECT / "run_etl_continuous.ps1").read_text("ascii")
    assert f"$Minutes = '{signature(loop).parameters['interval'].default}'" in script


def test_the_exit_codes_are_those_of_the_program() -> None:
    """The help of run_etl.ps1 lists them all."""
    listed = re.findall(r"^    (\d)  ", (PROJECT / "run_etl.ps1").read_text("ascii"), re.MULTILINE)

    assert [int(code) for code in listed] == [int(code) for code in ExitCode]
