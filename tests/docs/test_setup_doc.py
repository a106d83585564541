"""docs/ETL_SETUP.md matches the program."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
import typer.main

from futurscam_lib import clock, settings
from futurscam_lib.cli import app
from futurscam_lib.errors import ExitCode
from futurscam_lib.schedule import launchd, results, systemd, timing, windows
from futurscam_lib.schedule.cron import Cron
from futurscam_lib.schedule.job import Job
from futurscam_lib.settings import alert_urls
from futurscam_lib.settings.operation import OperationSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOC: Final = settings.PROJECT / "docs" / "ETL_SETUP.md"
TEXT: Final = DOC.read_text("utf-8")
BLOCKS: Final = re.findall(r"^ *```\w*\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)
SPANS: Final = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", TEXT, flags=re.MULTILINE | re.DOTALL))
CODE: Final = [line for block in BLOCKS for line in block.splitlines()] + SPANS

# Not what follows `keyring set`, which names the same service.
CALL: Final = re.compile(r"(?<!keyring set )(?:\bfuturscam|-m futurscam_lib)((?: [^\s|>();&]+)+)")
SCRIPT: Final = re.compile(r"run_etl\w*\.(?:ps1|bat|sh)((?: [^\s|>();&]+)*)")
CALLS: Final = [tuple(words.split()) for line in CODE for words in CALL.findall(line)]

TRAPS: Final = (
    "-RepetitionDuration ([TimeSpan]::MaxValue)",
    "-User $env:USERNAME",
    "/sc hourly",
    "Stop-Process -Name python -Force",
    "Get-Process | Where CommandLine",
    ">> log 2>&1",
    "*>&1 | Tee-Object",
    "Remove-Item .last_execution",
    "timeout /t %MINUTES%00",
    "%ERRORLEVEL%",
    "> .last_execution",
    "Set-Content .last_execution",
    "&&",
    "cmd /c",
    "cd",
)
"""What people know from the old guide and from the web, and what fails."""

WORDS: Final = {
    ExitCode.DONE: "terminé",
    ExitCode.FAILED: "échoué",
    ExitCode.USAGE: "réglage ou option incorrect",
    ExitCode.RETRY_LATER: "n'a pas répondu",
    ExitCode.OPERATOR_MUST_ACT: "il faut agir",
    ExitCode.ALREADY_RUNNING: "une autre exécution est active",
}


def section(title: str) -> str:
    """Return the text under a heading, up to the next heading of the same depth."""
    match = re.search(rf"^(#+) {re.escape(title)}.*?\n(.*?)(?=^#{{2,}} |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match, title
    return match[2]


def rows(text: str) -> list[list[str]]:
    """Return the cells of the tables in a text, without headers."""
    lines = [
        [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    rulers = [number for number, cells in enumerate(lines) if set("".join(cells)) == {"-"}]
    return [cells for number, cells in enumerate(lines) if number not in rulers and number + 1 not in rulers]


def job(python: str, project: str) -> Job:
    """Return the default job of a project."""
    return Job(python=python, project=project, home="", timing=timing.parse("1h"), limit=timedelta(hours=1))


def program() -> Any:
    """Return the whole command `futurscam`."""
    return typer.main.get_command(app.app)


def members(command: Any) -> dict[str, Any]:
    """Return the verbs of a group; empty for a command."""
    commands: dict[str, Any] = getattr(command, "commands", {})
    return commands


def options(command: Any) -> dict[str, bool]:
    """Return the options of a command, and whether a value follows."""
    return {name: not getattr(one, "is_flag", False) for one in command.params for name in one.opts} | {"--help": False}


def faults(words: tuple[str, ...]) -> Iterator[str]:
    """Return the faults of a call of `futurscam`: unknown verbs, and options that the verb does not take."""
    command, rest = program(), list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            command = members(program())["run"]
        elif word.startswith("-"):
            if word not in options(command):
                yield f"{word} in {words}"
            elif options(command)[word] and rest:
                rest.pop(0)
        elif members(command):
            if word not in members(command):
                yield f"{word} in {words}"
                return
            command = members(command)[word]


def test_the_commands_exist() -> None:
    """Each verb and its options exist."""
    assert len(CALLS) > 50
    assert [fault for words in CALLS for fault in faults(words)] == []


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("runn", "runn"),
        ("run --sinse 2026-11-20", "--sinse"),
        ("schedule instal", "instal"),
        ("reset --dry-run", "--dry-run"),
        ("loop --interval 30 -- --interval", "--interval"),
        ("--hom x status", "--hom"),
    ],
)
def test_a_wrong_command_is_detected(call: str, fault: str) -> None:
    """The check above fails on a call with one mistake in it."""
    assert next(faults(tuple(call.split()))).startswith(f"{fault} in ")


def test_every_verb_is_documented() -> None:
    """No verb of the program is left out."""
    named = {word for words in CALLS for word in words}

    assert members(program()).keys() - named <= {"db"}
    assert members(members(program())["schedule"]).keys() <= named


def test_every_option_of_a_run_is_explained() -> None:
    """The table of options is that of `futurscam run`."""
    documented = {cells[0].strip("`").split()[0] for cells in rows(section("3. Lancer à la main")) if "--" in cells[0]}

    assert documented == options(members(program())["run"]).keys() - {"--help"}


def test_the_scripts_exist() -> None:
    """The guide names all scripts, and their arguments are options of `futurscam run`."""
    root = settings.PROJECT
    named = set(re.findall(r"run_etl\w*\.(?:ps1|bat|sh)", TEXT))

    assert named == {path.name for path in root.glob("run_etl*")}
    assert list(root.glob("scripts/*.ps1"))
    for given in (words for line in CODE for words in SCRIPT.findall(line)):
        wanted = {word for word in given.split() if word.startswith("--")}
        assert wanted <= options(members(program())["run"]).keys(), given
    minutes = "-IntervalMinutes"
    assert minutes in TEXT
    assert minutes.strip("-") in (root / "run_etl_continuous.ps1").read_text("ascii")


def test_the_settings_exist() -> None:
    """Each variable is a setting, and those of logs, alerts and the healthcheck are all there."""
    known = {variable.name: variable.default for variable in settings.TABLE.values()}
    named = set(re.findall(r"\b(?:FUTURSCAM_[A-Z_]+|MONGO_URI)\b", TEXT))

    assert named <= known.keys()
    assert {settings.TABLE[field].name for field in OperationSettings.model_fields} <= named
    defaults = re.findall(r"`(FUTURSCAM_\w+)`(?:(?: \w+)? \(|, )(\d+)(?:\)| minutes\))", TEXT)
    assert len(defaults) > 5
    assert [(name, known[name]) for name, _ in defaults] == defaults


def test_the_links_lead_somewhere() -> None:
    """Files that are linked to are there, and so are the headings, here and in the other files."""
    links = re.findall(r"\]\((?!https://)([^)]+)\)", TEXT)

    assert len(links) > 11
    for link in links:
        file, _, anchor = link.partition("#")
        there = (DOC.parent / file).resolve() if file else DOC
        assert there.is_file(), link
        headings = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, link


def test_the_exit_codes_are_those_of_the_program() -> None:
    """One row for each, in their order, as the program numbers them and as Task Scheduler shows them."""
    documented = rows(section("Codes de retour"))

    assert [int(cells[0]) for cells in documented] == [int(code) for code in ExitCode]
    for code, (number, shown, meaning, remedy) in zip(ExitCode, documented, strict=True):
        assert shown == f"`{int(number):#x}`"
        assert WORDS[code] in meaning
        assert remedy


@pytest.mark.parametrize("trap", TRAPS)
def test_each_trap_of_the_old_guide_is_named(trap: str) -> None:
    """A row of the last table has the old command, the new one and the reason."""
    documented = rows(section("11. Ce qui a changé"))
    (row,) = [cells for cells in documented if re.search(rf"(?<![\w&]){re.escape(trap)}", cells[0])]

    assert len(row) == 3
    assert all(row)


def test_the_windows_task_is_the_one_that_is_installed() -> None:
    """Name, description, program, arguments, folder and limit are what `schedule install` writes."""
    folder = r"C:\FuturScam"
    wanted = job(rf"{folder}\.venv\Scripts\python.exe", folder)
    (task,) = windows.Windows().plan(wanted, now=clock.now().astimezone()).files
    fields = {cells[1]: cells[2].strip("`") for cells in rows(section("b) À la souris")) if len(cells) == 3}
    element = dict(re.findall(r"<(\w+)>([^<]+)</\1>", task.text))

    assert fields["Nom"] == windows.NAME
    assert fields["Description"] == element["Description"]
    assert fields["Programme/script"] == element["Command"]
    assert fields["Ajouter des arguments (facultatif)"] == element["Arguments"]
    assert fields["Commencer dans (facultatif)"].partition("`")[0] == element["WorkingDirectory"]
    assert (fields["Arrêter la tâche si elle s'exécute plus de"], element["ExecutionTimeLimit"]) == ("1 heure", "PT1H")
    # What the guide has PowerShell replace is what the printed task holds.
    assert f"-replace '{element['UserId']}', $sid" in TEXT


def test_the_results_of_windows_are_known() -> None:
    """Each result that the guide explains is one that `schedule show` can explain, too."""
    text = section("c) En ligne de commande") + section("Que vous soyez") + section("10. Dépannage")
    named = set(re.findall(r"0x[0-9a-f]+", text))

    assert len(named) > 7
    assert [name for name in named if not results.meaning(int(name, 16))] == []


def test_the_schedules_of_other_systems_are_those_that_are_installed() -> None:
    """Names of units and agents, and the line for cron."""
    linux = job("/opt/futurscam/.venv/bin/python", "/opt/futurscam")
    (crontab,) = Cron().plan(linux, now=clock.now()).files

    assert {systemd.TIMER, systemd.SERVICE, launchd.LABEL} <= {word.strip("`") for word in re.split(r"[\s/]", TEXT)}
    assert crontab.text in BLOCKS


def test_the_addresses_are_taken(tmp_path: Path) -> None:
    """The examples of alerts and of the healthcheck are valid."""
    examples = re.findall(r"^(FUTURSCAM_(?:ALERT_URLS|HEALTHCHECK_URL))=(\S+)$", TEXT, re.MULTILINE)
    alone = {"FUTURSCAM_HOME": str(tmp_path), "FUTURSCAM_KEYRING": "false"}

    assert len(examples) == 3
    for name, value in examples:
        urls = settings.load({**alone, name: value}).alert_urls
        assert urls is None or alert_urls.wrong(alert_urls.split(urls.get_secret_value())) == []


def test_the_example_of_the_watermark_is_valid() -> None:
    """The example is what `.last_execution` holds, to the microsecond."""
    (example,) = re.findall(r"^(\S+\+00:00)$", section("Le repère"), re.MULTILINE)

    assert clock.to_text(clock.parse(example)) == example
