"""The command line as its users call it: real processes, real kernels, a real mongod."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from futurscam_lib import clock, run_ids, settings
from futurscam_lib.cli import demo
from futurscam_lib.cli.output import source_names
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.database import Database

    from futurscam_lib.settings import Settings

NOTHING_SET = {"FUTURSCAM_DB": "", "MONGO_URI": ""}
COUNTS = {"extracted", "inserted", "updated", "unchanged", "stale", "rejected", "dropped"}


def futurscam(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "futurscam_lib", *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **(env or {})},
        timeout=120,
        check=False,
    )


@pytest.fixture
def filled(home: Settings) -> Settings:
    """A home whose inbox holds one good post and one broken file."""
    home.inbox.mkdir()
    shutil.copy(demo.INBOX / "jobpost_JobPostModelToSupplierV1_60001.json", home.inbox)
    shutil.copy(demo.INBOX / "jobpost_JobPostModelToSupplierV1_60098.json", home.inbox / "broken.json")
    return home


def test_a_run_from_the_command_line(filled: Settings, database: Database[dict[str, Any]]) -> None:
    """With --json stdout holds one complete object; the next run finds everything unchanged."""
    done = futurscam("run", "--since", "2020-01-01", "--json")

    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)
    assert output["status"] == "ok"
    assert output["counts"] == {
        "extracted": 2,
        "inserted": 1,
        "updated": 0,
        "unchanged": 0,
        "stale": 0,
        "rejected": 1,
        "dropped": 0,
    }
    assert output["sources"] == {"folder": output["counts"]}
    assert output["window"] == {"since": "2019-12-31T23:50:00.000000+00:00", "until": None}
    assert set(output["watermark"]) == {"before", "after"}
    assert output["watermark"]["after"] == filled.watermark_file.read_text("ascii").strip()
    assert (output["closed"], output["reopened"]) == (0, 0)
    assert output["seconds"] > 0
    assert output["run_id"] in (filled.home / "logs" / output["log"]).read_text("utf-8")
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", output["run_id"])
    month = output["run_id"][:4] + "-" + output["run_id"][4:6]
    assert output["notebook"] == str(filled.runs / month / f"{output['run_id']}.ipynb")
    assert database["RFP"].count_documents({}) == 1

    shown = futurscam("runs", "show", "last", "--requirements").stdout.splitlines()
    assert shown[0].startswith("# Python 3.")
    assert {f"pymongo=={version('pymongo')}", f"jupyter-client=={version('jupyter-client')}"} < set(shown)
    assert shown[1:] == sorted(shown[1:])
    assert [str(Requirement(line)) for line in shown[1:]] == shown[1:]

    again = json.loads(futurscam("run", "--since", "2020-01-01", "--json").stdout)
    assert again["counts"]["unchanged"] == again["counts"]["extracted"] == 2


def test_rejects_from_the_command_line(filled: Settings, database: Database[dict[str, Any]]) -> None:
    """The quarantine is listed and shown; a corrected item stays rejected until its payload can be read."""
    futurscam("run", "--since", "2020-01-01")

    (entry,) = json.loads(futurscam("rejects", "list", "--json").stdout)
    assert entry["_id"] == "folder:broken.json"
    assert entry["code"] == "broken-json"
    assert entry["line"] > 1
    assert "broken.json" in futurscam("rejects").stdout

    shown = futurscam("rejects", "show", "folder:broken.json")
    assert shown.returncode == 0
    assert '"timeStamp"' in shown.stdout
    unknown = futurscam("rejects", "show", "folder:nothing.json")
    assert unknown.returncode == 2
    assert "folder:nothing.json" in unknown.stderr

    retried = json.loads(futurscam("rejects", "retry", "--json").stdout)
    assert retried["counts"]["rejected"] == 1
    assert retried["run_id"].startswith("interactive-")
    assert database["RFP_rejects"].find_one({"_id": "folder:broken.json"})["attempts"] == 2  # type: ignore[index]

    # What a mended mapping would do: the landed payload can be read now.
    good = (demo.INBOX / "jobpost_JobPostModelToSupplierV1_60002.json").read_bytes()
    database["RFP_raw"].update_one({"_id": entry["raw_id"]}, {"$set": {"payload": good}})
    (filled.inbox / "broken.json").unlink()
    mended = json.loads(futurscam("rejects", "retry", "folder:broken.json", "--json").stdout)
    assert mended["counts"]["inserted"] == 1
    assert json.loads(futurscam("rejects", "list", "--json").stdout) == []
    (resolved,) = json.loads(futurscam("rejects", "list", "--all", "--json").stdout)
    assert resolved["state"] == "resolved"


def test_dismissing_rejects(filled: Settings, database: Database[dict[str, Any]]) -> None:
    """It is no longer listed, counted or retried; who, when and why is shown; a retry by name opens it again."""
    shutil.copy(filled.inbox / "broken.json", filled.inbox / "again.json")
    (filled.inbox / "again.json").write_bytes((filled.inbox / "broken.json").read_bytes()[:-9])
    futurscam("run", "--since", "2020-01-01")
    both = ("folder:broken.json", "folder:again.json")
    because = ("--because", " A test\nof ours. ")
    before = list(database["RFP_rejects"].find())

    tried = futurscam("rejects", "dismiss", *both, *because, "--dry-run")
    assert tried.returncode == 0
    assert tried.stdout.count("Would be dismissed: folder:") == 2
    assert list(database["RFP_rejects"].find()) == before

    done = futurscam("rejects", "dismiss", both[0], *because)
    assert done.returncode == 0
    assert "Dismissed: folder:broken.json" in done.stdout
    assert [one["_id"] for one in json.loads(futurscam("rejects", "list", "--json").stdout)] == ["folder:again.json"]
    assert json.loads(futurscam("status", "--json").stdout)["rejects_open"] == 1
    assert "Open rejects: 1," in futurscam("doctor").stdout
    listed = futurscam("rejects", "list", "--all").stdout
    assert f"by {run_ids.started_by()}: A test of ours." in listed
    assert "A test of ours." in futurscam("rejects", "show", both[0]).stdout

    (second,) = json.loads(futurscam("rejects", "dismiss", both[1], *because, "--json").stdout)
    assert (second["state"], second["dismissed_because"]) == ("dismissed", "A test of ours.")
    assert json.loads(futurscam("rejects", "retry", "--json").stdout)["counts"]["extracted"] == 0
    assert json.loads(futurscam("rejects", "retry", both[0], "--json").stdout)["counts"]["rejected"] == 1
    states = {reject["_id"]: reject for reject in database["RFP_rejects"].find()}
    assert (states[both[0]]["state"], states[both[1]]["state"]) == ("open", "dismissed")
    assert states[both[0]]["opened_at"] == states[both[0]]["at"]
    assert not [name for name in states[both[0]] if name.startswith("dismissed")]

    wrong = futurscam("rejects", "retry", both[0], "folder:x.json", "folder:y.json")
    assert wrong.returncode == 2
    assert "quarantine: 'folder:x.json', 'folder:y.json'. Nothing was retried." in wrong.stderr


@pytest.mark.usefixtures("filled")
def test_what_cannot_be_dismissed(database: Database[dict[str, Any]]) -> None:
    """Exit code 2 and a sentence for each; of several items none is dismissed then."""
    futurscam("run", "--since", "2020-01-01")
    item = "folder:broken.json"
    for arguments, words in (
        ((item, "--because", " \n"), "--because is empty"),
        ((item, "--because", "x" * 1001), "--because has more than 1,000 characters"),
        ((item,), "--because"),
        (("--because", "Ours."), "Missing argument"),
        ((item, "folder:nothing.json", "--because", "Ours."), "no entry 'folder:nothing.json'"),
    ):
        wrong = futurscam("rejects", "dismiss", *arguments)
        assert (wrong.returncode, words in wrong.stderr) == (2, True), wrong.stderr
    assert database["RFP_rejects"].distinct("state") == ["open"]

    futurscam("rejects", "dismiss", item, "--because", "Ours.")
    again = futurscam("rejects", "dismiss", item, "--because", "Another reason.")
    assert again.returncode == 2
    assert f"'{item}' is dismissed already" in again.stderr
    assert "Ours." in again.stderr
    database["RFP_rejects"].update_many({}, {"$set": {"state": "resolved"}})
    resolved = futurscam("rejects", "dismiss", item, "--because", "Ours.")
    assert (resolved.returncode, "is resolved" in resolved.stderr) == (2, True)


def test_a_wrong_setting_stops_before_anything_runs(home: Settings) -> None:
    """Exit 2; the variable, its value and what is allowed are named; nothing is written."""
    done = futurscam("run", env={"FUTURSCAM_OVERLAP_MINUTES": "ten"})

    assert done.returncode == 2
    assert "FUTURSCAM_OVERLAP_MINUTES" in done.stderr
    assert "'ten'" in done.stderr
    assert "0 to 1440" in done.stderr
    assert not home.watermark_file.exists()
    assert not home.runs.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--since", "yesterday"), "yesterday"),
        (("run", "--overlap", "-1"), "--overlap"),
        (("run", "--source", "nowhere"), "nowhere"),
        (("run", "--source", "folder, nowhere"), "no source nowhere"),
        (("run", "--source", ","), "names no source"),
        (("check", "--source", "folder,nowhere"), "no source nowhere"),
        (("loop", "--source", "folder,nowhere"), "no source nowhere"),
        (("loop", "--source", ""), "names no source"),
        (("run", "--since", "2026-01-02", "--until", "2026-01-01"), "--until"),
        (("reset",), "--everything"),
        (("reset", "--to", "2026-01-01", "--everything"), "--everything"),
        (("reset", "--to", "2999-01-01"), "future"),
        (("fly",), "fly"),
    ],
)
def test_wrong_usage(home: Settings, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2, and the message names what was wrong; nothing is written."""
    done = futurscam(*arguments)

    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
    assert not home.watermark_file.exists()


@pytest.mark.parametrize(
    "given", [["folder,imap_mail"], ["folder", "imap_mail"], [" folder,, imap_mail ,folder", "imap_mail,"]]
)
def test_several_sources_are_named_in_a_list_or_one_by_one(given: list[str]) -> None:
    """`--source` takes what FUTURSCAM_SOURCES takes, beside the repeated option; each source counts once."""
    assert source_names(given) == ("folder", "imap_mail")


def test_check_takes_a_list_of_sources(home: Settings) -> None:
    """A source that is named twice is tried once."""
    checked = json.loads(futurscam("check", "--source", "folder, folder", "--json").stdout)

    assert [one["name"] for one in checked].count("folder") == 1
    assert not home.runs.exists()


def test_status(home: Settings) -> None:
    """The status names watermark, database and what is missing, as JSON and for people, and writes nothing."""
    output = json.loads(futurscam("status", "--json").stdout)
    assert output["watermark"] is None
    assert output["mongodb_answers"] is True
    assert output["documents"] == output["rejects_open"] == 0
    assert output["running"] is None
    assert output["runs"] == []
    assert not home.runs.exists()

    Watermark(home.watermark_file).reset(clock.now())
    assert " ago)" in futurscam("status").stdout


def test_reset(home: Settings) -> None:
    """The watermark is set, and the next window is printed."""
    done = futurscam("reset", "--to", "2026-01-02T03:04:05Z")

    assert done.returncode == 0
    assert "2026-01-02T03:04:05.000000+00:00" in done.stdout
    assert Watermark(home.watermark_file).read(now=clock.now()) == clock.parse("2026-01-02T03:04:05Z")

    futurscam("reset", "--everything")
    assert Watermark(home.watermark_file).read(now=clock.now()) == clock.EPOCH


def test_config(home: Settings) -> None:
    """Every setting is shown with its origin, without secrets; `check` names a wrong setting and ends with 2."""
    secret = "hunter2-hunter2"  # noqa: S105 - the test looks for it
    env = {"MONGO_URI": f"mongodb://somebody:{secret}@localhost/", "FUTURSCAM_RUN_BUDGET_MINUTES": "0"}

    rows = {row["name"]: row for row in json.loads(futurscam("config", "show", "--json", env=env).stdout)}
    assert set(rows) >= {variable.name for variable in settings.TABLE.values()}
    assert rows["MONGO_URI"]["origin"] == "environment"
    assert rows["FUTURSCAM_DB"]["value"] == home.database
    assert rows["FUTURSCAM_RUN_BUDGET_MINUTES"]["problem"]
    shown = futurscam("config", env=env)
    checked = futurscam("config", "check", env=env)
    assert checked.returncode == 2
    assert "FUTURSCAM_RUN_BUDGET_MINUTES" in checked.stderr
    assert futurscam("config", "check").returncode == 0
    assert secret not in shown.stdout + shown.stderr + checked.stdout + checked.stderr + json.dumps(rows)


def test_the_check_names_a_wrong_alert_address_by_its_place(home: Settings) -> None:
    """Addresses hold secrets, so none is quoted; runs go on all the same."""
    assert home
    secret = "hunter2-hunter2"  # noqa: S105 - the test looks for it
    checked = futurscam(
        "config", "check", env={"FUTURSCAM_ALERT_URLS": f"json://u:{secret}@host, nonsense://{secret} json://host"}
    )

    assert checked.returncode == 2
    assert "FUTURSCAM_ALERT_URLS" in checked.stderr
    assert "number 2 of 3" in checked.stderr
    assert secret not in checked.stdout + checked.stderr
    assert futurscam("config", "check", env={"FUTURSCAM_ALERT_URLS": f"json://u:{secret}@host"}).returncode == 0


def test_the_home_can_be_named(home: Settings, tmp_path: Path) -> None:
    """`--home` goes before what the environment says, and may be a relative path."""
    shown = futurscam("--home", os.path.relpath(tmp_path / "other"), "config", "show", "--json")

    rows = {row["name"]: row for row in json.loads(shown.stdout)}
    shown_home = Path(rows["FUTURSCAM_HOME"]["value"])
    assert shown_home.is_absolute()
    assert shown_home.resolve() == (tmp_path / "other").resolve() != home.home.resolve()


def test_how_much_a_run_prints(filled: Settings) -> None:
    """Events on stderr and a table with what is around it; with --quiet the table alone; with --verbose more."""
    done = futurscam("run", "--since", "2020-01-01")
    quiet = futurscam("--quiet", "run", "--since", "2020-01-01")
    verbose = futurscam("-v", "run", "--since", "2020-01-01")

    (log,) = re.findall(r"^Log: +(.+)$", done.stdout, re.MULTILINE)
    assert log.startswith(str(filled.home / "logs" / "etl_"))
    events = (filled.home / "logs" / log).read_text("utf-8")
    assert "source name=folder extracted=2 inserted=1" in events
    assert "rejects reason=broken-json number=1" in events
    assert re.search(r"^\d\d:\d\d:\d\d run started run_id=", done.stderr, re.MULTILINE)
    assert "\x1b" not in done.stderr
    assert quiet.stderr == ""
    assert [line.split()[0] for line in quiet.stdout.splitlines()] == ["source", "folder", "total"]
    assert " versions python=" in verbose.stderr
    assert " versions python=" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell that closes streams")
def test_a_run_without_any_stream(filled: Settings) -> None:
    """As a service or pythonw runs it: stdout and stderr are closed, the log is there."""
    command = f'"{sys.executable}" -m futurscam_lib run --since 2020-01-01 >&- 2>&-'
    done = subprocess.run(["sh", "-c", command], check=False, stdin=subprocess.DEVNULL, timeout=120)  # noqa: S607

    assert done.returncode == 0
    (log,) = (filled.home / "logs").glob("etl_*.log")
    assert "run ended" in log.read_text("utf-8")


def test_a_run_whose_logs_cannot_be_written(filled: Settings) -> None:
    """The run goes on, and says that there is no log."""
    (filled.home / "logs").write_text("")

    done = futurscam("run", "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["log"] is None
    assert "warning: no log file" in done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "cp437"])
def test_an_old_code_page(home: Settings, encoding: str) -> None:
    """JSON keeps every letter, escaped where the console lacks it; text shows what it can."""
    home.inbox.mkdir()
    (home.inbox / "Zoë ✓.json").write_text("{", "utf-8")
    assert futurscam("run", "--since", "2020-01-01").returncode == 0

    (entry,) = json.loads(_printed(encoding, "rejects", "list", "--json"))
    assert entry["_id"] == "folder:Zoë ✓.json"
    assert "folder:Zoë ?.json" in _printed(encoding, "rejects", "list")


def _printed(encoding: str, *arguments: str) -> str:
    """Return what a command prints to a console of that encoding."""
    command = [sys.executable, "-m", "futurscam_lib", *arguments]
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command, stdout=subprocess.PIPE, env=env, check=True, timeout=120).stdout.decode(encoding)


def test_the_local_server(home: Settings) -> None:
    """Without MONGO_URI the local server is started, named and stopped; asking for it does not start it."""
    env = {"MONGO_URI": ""}

    assert futurscam("db", "uri", env=env).returncode == 3
    output = json.loads(futurscam("status", "--json", env=env).stdout)
    assert output["mongodb_answers"] is False
    started = futurscam("db", "start", env=env)
    try:
        assert started.returncode == 0, started.stderr
        assert futurscam("db", "uri", env=env).stdout == started.stdout
        assert started.stdout.startswith("mongodb://127.0.0.1:")
    finally:
        stopped = futurscam("db", "stop", env=env)
    assert stopped.stdout.strip() == "Stopped."
    assert futurscam("db", "stop", env=env).stdout.strip() == "It was not running."
    assert (home.home / "mongodb").is_dir()


def test_the_demo_touches_nothing_that_is_configured(
    home: Settings, database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    """The demo lives in its own home on its own server: run twice it loads once, and the real ones stay empty."""
    own = tmp_path / "dé mo {x}"

    first = futurscam("demo", "--home", str(own), "--json")
    assert first.returncode == 0, first.stderr
    output = json.loads(first.stdout)
    assert output["counts"]["inserted"] >= 30
    assert output["counts"]["rejected"] == 2
    assert output["counts"]["stale"] == 2

    again = futurscam("--home", str(own), "demo")
    assert again.returncode == 0, again.stderr
    notebook = re.search(r"^Notebook: +(.+)$", again.stdout, re.MULTILINE)
    assert notebook is not None
    assert json.loads((own / notebook[1]).read_text("utf-8"))["metadata"]["futurscam"]["status"] == "ok"
    assert "dé mo {x}" in again.stdout.rpartition("runs open last")[0].rpartition("--home")[2]
    (shown,) = json.loads(
        futurscam("--home", str(own), "runs", "list", "--limit", "1", "--json", env=NOTHING_SET).stdout
    )
    assert shown["counts"]["unchanged"] == 41
    rows = json.loads(futurscam("--home", str(own), "config", "show", "--json", env=NOTHING_SET).stdout)
    assert {row["name"]: row["value"] for row in rows}["FUTURSCAM_DB"] == demo.DATABASE
    (total,) = [line.split()[1:] for line in again.stdout.splitlines() if line.startswith("total")]
    assert dict(zip(sorted(COUNTS - {"dropped"}, key=list(output["counts"]).index), total, strict=True)) == {
        "extracted": "41",
        "inserted": "0",
        "updated": "0",
        "unchanged": "41",
        "stale": "0",
        "rejected": "0",
    }

    assert database.list_collection_names() == []
    assert list(home.home.iterdir()) == []
    assert output["notebook"].startswith(str(own))


def test_every_verb_shows_an_example() -> None:
    """The help of each command says what it is for, and how it is called."""
    verbs: list[tuple[str, ...]] = [("run",), ("demo",), ("status",), ("reset",)]
    verbs += [("rejects", verb) for verb in ("list", "show", "retry")]
    verbs += [("db", verb) for verb in ("start", "stop", "uri")] + [("config", verb) for verb in ("show", "check")]
    for verb in verbs:
        shown = futurscam(*verb, "--help")
        assert shown.returncode == 0
        assert f"Example: futurscam {' '.join(verb)}" in shown.stdout


def test_commands_in_messages_can_be_typed(tmp_path: Path) -> None:
    """With the home that was named on the command line, and without where none was."""
    named = tmp_path / "a b"

    with_home = futurscam("--home", str(named), "runs", "show", "x")
    without = futurscam("runs", "show", "x", env={"FUTURSCAM_HOME": str(named)})

    quoted = f'"{named}"' if sys.platform == "win32" else f"'{named}'"
    assert f"`futurscam --home {quoted} runs list`" in with_home.stderr
    assert "`futurscam runs list`" in without.stderr


def test_an_interruption_while_all_is_loaded(tmp_path: Path) -> None:
    """Ctrl+C in the first second prints the same as later, without a traceback."""
    program = (
        "import runpy, sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'futurscam_lib.cli.app':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "runpy.run_module('futurscam_lib', run_name='__main__')\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Interrupted.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Only Linux has a device that is always full.")
@pytest.mark.parametrize("arguments", [("runs", "list"), ("runs", "list", "--csv"), ("status", "--json")])
def test_a_full_disk_is_reported_in_a_line(home: Settings, arguments: tuple[str, ...]) -> None:
    """Output that cannot be written to stdout ends with a message and an exit code."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "futurscam_lib", *arguments], stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert done.stderr.decode().splitlines() == [
        "No space is left to write the output. Make room, then give the command again."
    ]
    assert done.returncode == 4
    assert not home.runs.exists()


def test_an_unknown_user_in_home(tmp_path: Path) -> None:
    """The home of an unknown user is a wrong argument."""
    done = futurscam("--home", "~nobody-of-that-name/x", "runs", "list", env={"FUTURSCAM_HOME": str(tmp_path)})

    assert (done.returncode, done.stderr) == (
        2,
        "--home ~nobody-of-that-name/x: there is no such user here. Nothing has run.\n",
    )


@pytest.mark.parametrize("said", ["timed out", "timed-out"])
def test_a_status_is_typed_as_it_is_shown(home: Settings, said: str) -> None:
    """With a space as in the table, or with a hyphen; an unknown status is refused with the list."""
    assert (
        futurscam("runs", "list", "--status", said).stdout
        == "No run matches; `futurscam runs list` lists the newest.\n"
    )

    wrong = futurscam("runs", "list", "--status", "late")

    assert wrong.returncode == 2
    assert "'late' is not a status; allowed: ok, failed, timed out, crashed, unfinished." in wrong.stderr
    assert not home.runs.exists()


@pytest.mark.skipif(
    sys.platform == "win32", reason="Sends a signal of POSIX; on Windows Ctrl+C reaches a whole console."
)
@pytest.mark.usefixtures("home")
def test_an_interrupted_command_prints_a_line() -> None:
    """One line and no traceback, wherever it is interrupted."""
    program = (
        "import os, signal, sys, threading\n"
        "from futurscam_lib.audit.history import History\n"
        "History.newest = lambda self: os.kill(os.getpid(), signal.SIGINT) or iter(())\n"
        "sys.argv = ['futurscam', 'runs', 'list']\n"
        "from futurscam_lib.__main__ import main\n"
        "main()\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Interrupted.\n")


@pytest.mark.usefixtures("home")
def test_a_read_only_command_mentions_no_run() -> None:
    """If MongoDB does not answer, its error does not mention a run."""
    nowhere = {"MONGO_URI": "mongodb://127.0.0.1:1/", "FUTURSCAM_MONGO_TIMEOUT_SECONDS": "1"}

    done = futurscam("why", "JP050458", env=nowhere)

    assert done.returncode == 3
    assert "Nothing was lost" not in done.stderr
    assert "`futurscam check` shows what is wrong; then give the command again." in done.stderr


def test_status_shows_what_stops_the_next_run(filled: Settings) -> None:
    """A missing key and a changed ledger are shown in full, with the remedy."""
    key = {"FUTURSCAM_LEDGER_KEY": "0123456789abcdef"}
    assert futurscam("run", "--since", "2020-01-01", env=key).returncode == 0

    without = futurscam("status")
    ledger = filled.ledger_file
    ledger.write_bytes(ledger.read_bytes().replace(b'"inserted":1', b'"inserted":2', 1))
    changed = futurscam("status", env=key)

    assert "is sealed, and FUTURSCAM_LEDGER_KEY is not set" in without.stdout
    assert "last runs: unknown, see below." in changed.stdout
    assert "rename its folder to runs-old" in changed.stdout


def test_files_before_the_first_window_are_counted_with_the_command_that_reads_them(home: Settings) -> None:
    """By `check` before the first run, by `status` after it, for people and as JSON, until a run has read them."""
    home.inbox.mkdir()
    shutil.copy(demo.INBOX / "jobpost_JobPostModelToSupplierV1_60001.json", home.inbox / "old.json")
    os.utime(home.inbox / "old.json", (1_700_000_000, 1_700_000_000))
    place = ("--home", str(home.home))
    command = f"futurscam --home {home.home} run --since 2023-11-14T22:13:20Z --source folder"
    if sys.platform == "win32":
        command = command.replace(str(home.home), f'"{home.home}"')

    assert command in futurscam(*place, "check").stdout
    assert json.loads(futurscam(*place, "check", "--json").stdout)[0]["remark"].startswith("1 file(s) are older")
    assert json.loads(futurscam(*place, "run", "--json").stdout)["counts"]["extracted"] == 0
    assert command in futurscam(*place, "status").stdout
    output = json.loads(futurscam(*place, "status", "--json").stdout)
    assert (output["unread_files"], len(output["remarks"])) == (1, 1)

    read = futurscam(*place, "run", "--since", "2023-11-14T22:13:20Z", "--source", "folder", "--json")
    assert json.loads(read.stdout)["counts"]["inserted"] == 1
    assert json.loads(futurscam(*place, "status", "--json").stdout)["unread_files"] == 0
