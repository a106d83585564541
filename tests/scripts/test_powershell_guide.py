"""The PowerShell of the documentation: parsed by PowerShell itself, and run if it does not need Windows."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from futurscam_lib import settings
from tests.scripts.conftest import ON_WINDOWS, literal, put_python, put_scripts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripts.conftest import Copy

DOCS: Final = [*settings.PROJECT.glob("*.md"), *settings.PROJECT.glob("docs/*.md")]
BLOCKS: Final = [
    textwrap.dedent(block)
    for path in DOCS
    for block in re.findall(r"^ *```powershell\n(.*?)^ *```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
]
_OF_WINDOWS: Final = re.compile(
    r"ExecutionPolicy Remote|-Scope CurrentUser|WindowsIdentity|schtasks|ScheduledTask|-AppId|-Identity"
)
_PARSE: Final = (
    '$Blocks = [IO.File]::ReadAllText("$pwd/blocks.json") | ConvertFrom-Json',
    "foreach ($Block in $Blocks) {",
    "    $Errors = $null",
    "    $null = [Management.Automation.Language.Parser]::ParseInput($Block, [ref] $null, [ref] $Errors)",
    "    foreach ($One in $Errors) { $One.Message + ' In: ' + $One.Extent.Text }",
    "}",
)


def test_every_block_is_powershell(bare: Copy) -> None:
    """Its own parser reads them all, and detects an inserted error."""
    assert len(BLOCKS) > 12
    (bare.elsewhere / "blocks.json").write_text(json.dumps(BLOCKS), "utf-8")
    assert bare.typed(*_PARSE).stdout == ""

    (bare.elsewhere / "blocks.json").write_text(json.dumps([*BLOCKS, "New-Thing -Id <id>"]), "utf-8")
    assert "'<'" in bare.typed(*_PARSE).stdout


@pytest.mark.skipif(ON_WINDOWS, reason="the drive C: is not made up there")
def test_the_blocks_run_as_they_are_written(bare: Copy, tmp_path: Path) -> None:
    """In a project on a drive C: each works as described, with stand-ins of notepad and futurscam."""
    made = replace(bare, folder=tmp_path / "c" / "FuturScam")
    put_scripts(made.folder)
    put_python(made.folder)
    shutil.copy(settings.PROJECT / ".env.example", made.folder)
    (made.folder / "logs").mkdir()
    for second, text in ((1, "earlier\n"), (2, "first\nlast, \u00e9t\u00e9\n")):
        (made.folder / "logs" / f"etl_20261123_13250{second}.log").write_text(text, "utf-8")
    (made.programs / "powershell").symlink_to(made.engine)
    for name in ("notepad", "futurscam"):
        made.program(
            name,
            "import json, os, sys\n"
            'with open(os.environ["RECORD"], "a") as record:\n'
            f'    print(json.dumps({{"arguments": ["{name}", *sys.argv[1:]], "cwd": os.getcwd(),'
            ' "budget": os.environ.get("FUTURSCAM_RUN_BUDGET_MINUTES")}), file=record)\n',
        )
    blocks = [block for block in BLOCKS if not _OF_WINDOWS.search(block)]

    drive = f"$null = New-PSDrive -Name C -PSProvider FileSystem -Root {literal(str(tmp_path / 'c'))}"
    done = made.typed("$ErrorActionPreference = 'Stop'", drive, *blocks)

    assert done.returncode == 0, done.stderr
    calls = made.calls()
    assert [call["arguments"] for call in calls] == [
        ["run", "--help"],
        ["notepad", ".env"],
        ["loop", "--interval", "30", "--"],
        ["futurscam", "run"],
    ], done.stderr
    assert {call["cwd"] for call in calls} == {str(made.folder)}
    assert calls[-1]["budget"] == "600"
    assert (made.folder / ".env").read_bytes() == (settings.PROJECT / ".env.example").read_bytes()
    assert done.stdout == "first\nlast, \u00e9t\u00e9\n"
