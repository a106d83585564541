"""The README matches the program."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from futurscam_lib import settings
from futurscam_lib.cli import app
from futurscam_lib.settings.sources import SourceSettings

if TYPE_CHECKING:
    import click
    from pymongo.database import Database

    from futurscam_lib.settings import Settings

README = settings.PROJECT / "README.md"
SOURCES = settings.PROJECT / "docs" / "SOURCES.md"
BLOCKS = re.findall(r"^```\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if "uv run" in line]
VERBS = {
    tuple(words.split()) for words in re.findall(r"\bfuturscam ((?:[a-z]+ ?)+)$", "\n".join(COMMANDS), re.MULTILINE)
}
VERBS |= {tuple(words.split()) for words in re.findall(r"`futurscam ((?:[a-z]+ ?)+)", README.read_text("utf-8"))}


def _verbs(command: click.Command, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Every verb of the command line, groups and their members."""
    members: dict[str, click.Command] = getattr(command, "commands", {})
    return {path}.union(*(_verbs(member, (*path, name)) for name, member in members.items()))


def test_the_verbs_exist() -> None:
    """The README names exactly the commands of the program."""
    there = _verbs(typer.main.get_command(app.app))

    assert set(VERBS) <= there
    assert {verb[:1] for verb in there} - {()} == {verb[:1] for verb in VERBS}


def test_the_options_exist() -> None:
    """Each option in the README's table of commands exists."""
    rows = re.findall(r"^\| `futurscam (\w+)(.*?)\|", README.read_text("utf-8"), re.MULTILINE)
    commands: dict[str, click.Command] = vars(typer.main.get_command(app.app))["commands"]
    for verb, rest in rows:
        within = [commands[verb], *getattr(commands[verb], "commands", {}).values()]
        taken = {option for command in within for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= taken, verb


def test_the_settings_are_all_there() -> None:
    """Each setting has one row, with its default: those of the sources in docs/SOURCES.md, all others here."""
    of_sources = {settings.TABLE[field].name for field in SourceSettings.model_fields}
    names = {variable.name for variable in settings.TABLE.values()}
    settings_of = {
        file: re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", file.read_text("utf-8"), re.MULTILINE)
        for file in (README, SOURCES)
    }
    rows = dict(settings_of[README] + settings_of[SOURCES])

    assert sorted(name for name, _ in settings_of[README]) == sorted(names - of_sources)
    assert sorted(name for name, _ in settings_of[SOURCES]) == sorted(of_sources)
    for variable in settings.TABLE.values():
        if variable.name in of_sources:
            assert rows[variable.name] == (f"`{variable.default}`" if variable.default else "none")
        elif variable.default and variable.name != settings.HOME:
            assert rows[variable.name].strip("`") == variable.default


def test_the_links_lead_somewhere() -> None:
    """Files that the README links to are there."""
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text("utf-8"))

    assert targets
    assert [target for target in targets if not (settings.PROJECT / target).exists()] == []


def test_the_papermill_command(home: Settings, database: Database[dict[str, Any]], tmp_path: Path) -> None:
    """A run with papermill by hand works as the README says, and leaves the watermark alone."""
    (command,) = [shlex.split(line) for line in COMMANDS if "papermill" in line]
    arguments = command[command.index("papermill") + 1 :]
    assert arguments[:2] == ["notebooks/etl.ipynb", "out.ipynb"]
    arguments[1] = str(tmp_path / "out.ipynb")

    done = subprocess.run(
        [sys.executable, "-m", "papermill", *arguments],
        cwd=settings.PROJECT,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.ipynb").is_file()
    assert not home.watermark_file.exists()
    assert "RFP" in database.list_collection_names()
