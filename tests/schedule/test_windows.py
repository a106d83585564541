"""The task of Windows Task Scheduler: its XML against the published schema, and a `schtasks` that speaks French."""

from __future__ import annotations

import codecs
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
import tree_sitter_powershell
import xmlschema
from tree_sitter import Language, Parser

from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.schedule import results, windows
from futurscam_lib.schedule.timing import Timing
from futurscam_lib.schedule.windows import Windows

if TYPE_CHECKING:
    from futurscam_lib.schedule.job import Job

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("task.xsd"))
NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
SID = "S-1-5-21-1004336348-1177238915-682003330-1001"


def read(task: str | bytes) -> ET.Element:
    """The task, as an XML reader sees it."""
    return ET.fromstring(task)  # noqa: S314 - written by this project


def elements_of(task: str) -> dict[str, str]:
    """Every element that holds text, by its path."""
    texts: dict[str, str] = {}

    def walk(element: ET.Element, path: str) -> None:
        for child in element:
            walk(child, f"{path}/{child.tag.removeprefix(NAMESPACE)}".lstrip("/"))
        if not len(element):
            texts[path] = element.text or ""

    walk(read(task), "")
    return texts


def is_valid(task: str) -> bool:
    """Whether the schema allows it."""
    return bool(SCHEMA.is_valid(read(task)))


def test_the_hourly_task(job: Job, now: datetime) -> None:
    """The schema allows it, and every setting fits the hourly run."""
    task = windows.task_xml(job, user=SID, now=now)

    SCHEMA.validate(read(task))
    assert elements_of(task) == {
        "RegistrationInfo/Description": "Extraction et transformation automatique des RFPs",
        "Triggers/TimeTrigger/Enabled": "true",
        "Triggers/TimeTrigger/StartBoundary": "2026-11-23T14:00:00Z",
        "Triggers/TimeTrigger/Repetition/Interval": "PT1H",
        "Triggers/TimeTrigger/Repetition/StopAtDurationEnd": "false",
        "Settings/AllowStartOnDemand": "true",
        "Settings/RestartOnFailure/Interval": "PT5M",
        "Settings/RestartOnFailure/Count": "3",
        "Settings/MultipleInstancesPolicy": "IgnoreNew",
        "Settings/DisallowStartIfOnBatteries": "false",
        "Settings/StopIfGoingOnBatteries": "false",
        "Settings/AllowHardTerminate": "true",
        "Settings/StartWhenAvailable": "true",
        "Settings/RunOnlyIfNetworkAvailable": "true",
        "Settings/Enabled": "true",
        "Settings/ExecutionTimeLimit": "PT1H",
        "Principals/Principal/UserId": SID,
        "Principals/Principal/LogonType": "InteractiveToken",
        "Principals/Principal/RunLevel": "LeastPrivilege",
        "Actions/Exec/Command": r"C:\Users\Zoé & Cie\l'ETL <1>\.venv\Scripts\python.exe",
        # The backslash before the closing quotation mark is doubled, or Windows would take the mark for a letter.
        "Actions/Exec/Arguments": ('-X utf8 -m futurscam_lib --home "C:\\Données de l\'équipe\\ÉTÉ 100%\\\\" run'),
        "Actions/Exec/WorkingDirectory": r"C:\Users\Zoé & Cie\l'ETL <1>",
    }


def test_the_home_is_named_only_where_it_is_not_the_project(job: Job, now: datetime) -> None:
    """The usual task is `python -X utf8 -m futurscam_lib run` in the project."""
    task = windows.task_xml(replace(job, home=""), user=SID, now=now)

    assert elements_of(task)["Actions/Exec/Arguments"] == "-X utf8 -m futurscam_lib run"


@pytest.mark.parametrize(("every", "interval"), [(1, "PT1M"), (7, "PT7M"), (15, "PT15M"), (90, "PT1H30M")])
def test_other_lengths(job: Job, now: datetime, every: int, interval: str) -> None:
    """Any length repeats for ever, also one that does not divide a day."""
    task = windows.task_xml(replace(job, timing=Timing(every)), user=SID, now=now)

    assert is_valid(task)
    assert elements_of(task)["Triggers/TimeTrigger/Repetition/Interval"] == interval
    assert not any("Duration" in path.split("/") for path in elements_of(task))


def test_a_daily_task_keeps_its_time_of_day_when_the_clocks_change(job: Job) -> None:
    """It starts by the calendar and in local time, and not every 24 hours of UTC."""
    now = datetime(2026, 3, 28, 12, 0, tzinfo=ZoneInfo("Europe/Brussels"))

    task = windows.task_xml(replace(job, timing=Timing(1440, 390)), user=SID, now=now)

    assert is_valid(task)
    texts = elements_of(task)
    assert texts["Triggers/CalendarTrigger/StartBoundary"] == "2026-03-29T06:30:00"
    assert texts["Triggers/CalendarTrigger/ScheduleByDay/DaysInterval"] == "1"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("</Interval>", "</Interval><Duration>P99999999DT23H59M59S</Duration>"),
        ("<Interval>PT1H</Interval>", "<Interval>PT30S</Interval>"),
        ("<Interval>PT1H</Interval>", ""),
        (
            "<Enabled>true</Enabled>\n      <StartBoundary>",
            "<Repetition><Interval>PT1H</Interval></Repetition><StartBoundary>",
        ),
        ("T14:00:00Z", " 14:00"),
        ("IgnoreNew", "Ignore"),
        ("InteractiveToken<", "Interactive<"),
        ("<Count>3<", "<Count>0<"),
        ("<Actions ", "<Action "),
        ('Context="Author"', 'Context="Somebody"'),
        ("PT5M", "5 minutes"),
        ("StartWhenAvailable", "StartWhenAvailible"),
    ],
)
def test_the_schema_refuses_what_windows_refuses(job: Job, now: datetime, old: str, new: str) -> None:
    """Each rule fails on a task that breaks it: the longest duration, a wrong order, wrong words."""
    task = windows.task_xml(job, user=SID, now=now)
    wrong = task.replace(old, new).replace("</Actions>", "</Action>" if "<Action " in new else "</Actions>")

    assert is_valid(task)
    assert wrong != task
    assert not is_valid(wrong)


def test_the_encoding(job: Job, now: datetime) -> None:
    """UTF-16 with its mark and a declaration that says so; lines end as on Windows."""
    data = windows.encode(windows.task_xml(job, user=SID, now=now))

    assert data.startswith(codecs.BOM_UTF16_LE)
    text = data.decode("utf-16")
    assert text.startswith('<?xml version="1.0" encoding="UTF-16"?>\r\n<Task ')
    assert text.count("\n") == text.count("\r\n")
    root = read(data)
    assert root.findtext(f".//{NAMESPACE}WorkingDirectory") == job.project


@pytest.mark.parametrize("part", [r"C:\%TEMP%\etl", r"C:\$(Arg0)\etl"])
def test_what_task_scheduler_would_replace_is_refused(system: Any, job: Job, now: datetime, part: str) -> None:
    """It cannot store such a path; nothing is called."""
    with pytest.raises(UsageError, match="rename"):
        Windows().install(replace(job, project=part), now=now)

    assert system.calls() == []


def test_install_show_remove(system: Any, job: Job, now: datetime) -> None:
    """The life of a task: created from a file that is gone afterwards, replaced, shown, deleted."""
    notes = Windows().install(job, now=now)
    Windows().install(replace(job, timing=Timing(15)), now=now)

    create = system.calls()[0]
    assert create[:5] == ["schtasks", "/create", "/tn", "FuturScam ETL", "/xml"]
    assert create[6:] == ["/f"]
    assert not Path(create[5]).exists()
    assert any("logged on" in note for note in notes)
    kept = (system.state / "task.xml").read_bytes().decode("utf-16").partition("?>")[2]
    assert is_valid(kept)
    assert elements_of(kept)["Principals/Principal/UserId"] == SID
    assert elements_of(kept)["Triggers/TimeTrigger/Repetition/Interval"] == "PT15M"

    past = {
        "state": 3,
        "last": "2026-11-23T13:00:01.0000000Z",
        "result": 0,
        "next": "2026-11-23T14:00:00.0000000Z",
        "missed": 2,
    }
    system.knows("past.json", json.dumps(past))
    shown = Windows().status()
    assert shown.installed
    assert (shown.state, shown.last_result, shown.meaning, shown.missed) == ("ready", 0, "done", 2)
    assert shown.last_run == datetime(2026, 11, 23, 13, 0, 1, tzinfo=UTC)
    assert shown.next_run == datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert "-m futurscam_lib --home" in shown.command
    assert "next run (UTC)" in repr(shown)

    assert "Removed" in Windows().remove()
    assert not Windows().status().installed
    assert "introuvable" in Windows().remove()


def test_the_password_is_asked_for_by_windows(system: Any, job: Job, now: datetime) -> None:
    """`schtasks` asks at the terminal; the task runs with nobody logged on."""
    Windows().install(replace(job, password=True), now=now)

    (create,) = system.calls()
    assert create[-4:] == ["/ru", "POSTE-12\\operateur", "/rp", "*"]
    kept = (system.state / "task.xml").read_bytes().decode("utf-16").partition("?>")[2]
    assert elements_of(kept)["Principals/Principal/LogonType"] == "Password"


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (1, "failed"),
        (2, "config check"),
        (3, "next run"),
        (4, "operator"),
        (5, "another run"),
        (267009, "running"),
        (267011, "not yet run"),
        (0x41306, "time limit"),
        (0x800710E0, "condition"),
        (0x800710E0 - 2**32, "condition"),
        (0x80070002, "Install it again"),
        (0xC000013A, "Ctrl+C"),
    ],
)
def test_results_in_words(result: int, words: str) -> None:
    """Each result is shown with its meaning."""
    assert words in results.meaning(result)


def test_a_task_that_has_not_run_yet(system: Any, job: Job, now: datetime) -> None:
    """Windows' placeholder instant of 1999 is not shown."""
    Windows().install(job, now=now)
    system.knows("past.json", '{"state":3,"last":"1999-11-29T23:00:00.0000000Z","result":267011,"next":"","missed":0}')

    shown = Windows().status()

    assert shown.last_run is None
    assert shown.next_run is None
    assert "0x41303: not yet run" in repr(shown)


@pytest.mark.parametrize("answer", [None, "", "null", "[]", "Get-ScheduledTask : erreur"])
def test_without_powershell_the_task_is_still_shown(system: Any, job: Job, now: datetime, answer: str | None) -> None:
    """If policy blocks PowerShell, the facts of `schtasks` are shown, and the rest as unknown."""
    Windows().install(job, now=now)
    if answer is not None:
        system.knows("past.json", answer)

    shown = Windows().status()

    assert shown.installed
    assert shown.command
    assert shown.last_result is None
    assert "PowerShell did not answer" in shown.notes[0]


def test_access_denied(system: Any, job: Job, now: datetime) -> None:
    """The system's message is quoted in any code page, and the remedy is named."""
    system.knows("denied")

    with pytest.raises(OperatorMustAct, match=r"ERREUR : Acc.s refus") as refused:
        Windows().install(job, now=now)

    assert "Run as administrator" in str(refused.value)
    assert "Nothing has changed" in str(refused.value)


def test_deleting_denied(system: Any, job: Job, now: datetime) -> None:
    """A task that may not be deleted remains, and the error reports it."""
    Windows().install(job, now=now)
    system.knows("denied")

    with pytest.raises(OperatorMustAct, match="Deleting"):
        Windows().remove()

    assert Windows().status().installed


@pytest.mark.parametrize("answer", ["", "root\n", '"POSTE-12\\operateur","inconnu"\n'])
def test_an_unknown_user(system: Any, job: Job, now: datetime, answer: str) -> None:
    """No task is created without a user."""
    system.knows("whoami.txt", answer)

    with pytest.raises(OperatorMustAct, match="whoami"):
        Windows().install(job, now=now)

    assert system.calls() == []


def test_a_machine_without_schtasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Job, now: datetime) -> None:
    """The error names the missing program."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OperatorMustAct, match="no program whoami here"):
        Windows().install(job, now=now)
    assert "no program schtasks here" in Windows().status().notes[0]


def test_the_plan_calls_and_writes_nothing(system: Any, job: Job, now: datetime) -> None:
    """It holds the task and the command; the user is left open."""
    plan = Windows().plan(replace(job, password=True), now=now)

    assert is_valid(plan.files[0].text)
    assert plan.calls == ('schtasks /create /tn "FuturScam ETL" /xml task.xml /f /ru DOMAIN\\user /rp *',)
    assert system.calls() == []
    assert list(system.home.iterdir()) == []


def test_the_powershell_is_powershell() -> None:
    """It has no syntax error and no double quotation mark, which would break the command line."""
    parser = Parser(Language(tree_sitter_powershell.language()))

    assert not parser.parse(windows.PAST_RUNS.encode()).root_node.has_error
    assert parser.parse(windows.PAST_RUNS.replace("}", "", 1).encode()).root_node.has_error
    assert '"' not in windows.PAST_RUNS
    assert windows.PAST_RUNS.isascii()


def test_a_longer_budget_gets_a_longer_limit(job: Job, now: datetime) -> None:
    """The task's limit follows the run's."""
    task = windows.task_xml(replace(job, limit=timedelta(minutes=125)), user=SID, now=now)

    assert elements_of(task)["Settings/ExecutionTimeLimit"] == "PT2H5M"
