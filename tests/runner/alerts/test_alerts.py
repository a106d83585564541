"""Alerts and the healthcheck: which messages are sent after runs, how often, and that they never change a run's end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from futurscam_lib import clock, errors
from futurscam_lib import settings as settings_module
from futurscam_lib.errors import AlreadyRunning, ExitCode, UsageError
from futurscam_lib.load import mongo, quarantine
from futurscam_lib.load.collections import Collections
from futurscam_lib.records import RawRecord, Reject
from futurscam_lib.runner import engine, rejects, reported_run
from futurscam_lib.runner.alerts import alerts, healthcheck, memory
from futurscam_lib.runner.alerts.memory import Memory
from futurscam_lib.runner.alerts.rules import OpenRejects
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.runner.request import Request
from futurscam_lib.runner.run_end import RunEnd
from futurscam_lib.settings import alert_urls
from tests.runner.conftest import GLUE, SUMMARY
from tests.runner.conftest import post as job_post
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.runner.result import Result
    from futurscam_lib.settings import Settings
    from tests.runner.conftest import Workshop
    from tests.servers import messages

SECRET = "Zwiebel77kuchen"  # noqa: S105 - of nobody
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BAD = RunEnd(
    run_id="20261123T120000Z-aaaaaa",
    exit_code=ExitCode.RETRY_LATER,
    error="MongoDB did not answer.\nNothing was lost.",
    sources=("folder",),
    up_to_now=True,
    notebook=None,
    log=None,
    at=NOON,
)
WORSE = replace(BAD, exit_code=ExitCode.OPERATOR_MUST_ACT, error="Wrong password.")
GOOD = replace(BAD, exit_code=ExitCode.DONE, error="", run_id="20261123T150000Z-bbbbbb", at=NOON + timedelta(hours=3))


class Receiver(Loopback):
    """Takes whatever it is sent."""

    def respond(self, request: messages.Request) -> Answer:
        """Answer with success."""
        assert request
        return Answer.json({})

    @property
    def titles(self) -> list[str]:
        """Return the titles of the messages, in order of arrival."""
        return [
            json.loads(request.body)["title"].partition(": ")[2]
            for request in self.requests
            if request.body[:1] == b"{"
        ]

    @property
    def bodies(self) -> list[str]:
        """Return the texts of the messages."""
        return [json.loads(request.body)["message"] for request in self.requests if request.body[:1] == b"{"]

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Method and path of each request."""
        return [(request.method, request.path) for request in self.requests]

    def address(self, name: str) -> str:
        """One for Apprise, with a password inside."""
        return f"{self.url.replace('http', 'json', 1).replace('//', f'//me:{SECRET}@')}/{name}"


@contextmanager
def home_of(tmp_path: Path, **more: str) -> Iterator[Settings]:
    """Settings of a home without a keyring."""
    yield settings_module.load({"FUTURSCAM_HOME": str(tmp_path), "FUTURSCAM_KEYRING": "false", **more})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Where messages come in."""
    with Receiver() as made:
        yield made


@pytest.fixture
def alerted(tmp_path: Path, receiver: Receiver) -> Settings:
    """A home whose alerts go to the receiver."""
    with home_of(tmp_path, FUTURSCAM_ALERT_URLS=receiver.address("a"), FUTURSCAM_ALERT_REJECTS="3") as made:
        return made


def test_runs_that_begin_to_fail_are_reported_once(alerted: Settings, receiver: Receiver) -> None:
    """Ten failures cause one message with everything needed; ten successful runs after them cause another."""
    for hour in range(10):
        alerts.notify(alerted, replace(BAD, at=NOON + timedelta(hours=hour)))

    assert receiver.titles == ["runs fail"]
    (body,) = receiver.bodies
    assert "MongoDB did not answer.\nNothing was lost." in body
    assert f"Run {BAD.run_id} failed, exit 3: something that it needs did not answer" in body
    assert f"Home: {alerted.home}\n" in body
    assert "Watermark: none yet" in body
    assert f'futurscam --home "{alerted.home}" status' in body

    for hour in range(10):
        alerts.notify(alerted, replace(GOOD, at=NOON + timedelta(hours=10 + hour)))
    assert receiver.titles == ["runs fail", "runs work again"]
    assert "10 failed, over 10 h, the first of them 20261123T120000Z-aaaaaa" in receiver.bodies[1]

    alerts.notify(alerted, BAD)
    assert receiver.titles[2:] == ["runs fail"]


def test_successful_runs_send_nothing(alerted: Settings, receiver: Receiver) -> None:
    """Without an earlier failure nothing is sent or written."""
    alerts.notify(alerted, GOOD, rejects=OpenRejects(0, 0))

    assert receiver.requests == []
    assert not (alerted.home / memory.FILE).exists()


def test_another_kind_of_failure_is_reported_once(alerted: Settings, receiver: Receiver) -> None:
    """The change from exit code 3 to 4 is reported; changing back and forth is not."""
    for ending in (BAD, BAD, WORSE, WORSE, BAD, WORSE, BAD):
        alerts.notify(alerted, ending)

    assert receiver.titles == ["runs fail", "runs fail otherwise"]
    assert "exit 4: the operator must act" in receiver.bodies[1]
    assert "Wrong password." in receiver.bodies[1]


def test_only_a_run_over_the_same_sources_ends_the_alarm(alerted: Settings, receiver: Receiver) -> None:
    """A run of another source, or over a past window, does not count as a recovery."""
    alerts.notify(alerted, replace(BAD, sources=("folder", "boond")))
    alerts.notify(alerted, replace(GOOD, up_to_now=False, sources=("folder", "boond")))
    alerts.notify(alerted, replace(GOOD, sources=("folder",)))
    assert receiver.titles == ["runs fail"]

    alerts.notify(alerted, replace(GOOD, sources=("boond",)))
    assert receiver.titles == ["runs fail", "runs work again"]


def test_new_rejects_are_reported_from_the_limit_on(alerted: Settings, receiver: Receiver) -> None:
    """Only new rejects count; an unknown number changes nothing."""
    for total, new in ((2, 2), (3, 3), (4, 1), (5, 2)):
        alerts.notify(alerted, GOOD, rejects=OpenRejects(total, new))
        alerts.notify(alerted, GOOD)
    assert receiver.titles == ["3 new rejects"]
    assert receiver.bodies[0].startswith("3 rejects are open. `futurscam rejects list`")

    alerts.notify(alerted, GOOD, rejects=OpenRejects(9, 4))
    assert receiver.titles == ["3 new rejects", "4 new rejects"]
    assert receiver.bodies[1].startswith("9 rejects are open, 4 of them since the last message about rejects.")


def test_a_message_about_closed_rejects_is_not_sent(alerted: Settings, receiver: Receiver) -> None:
    """The receiver was down until all of them were resolved or dismissed."""
    receiver.fail("/a")
    alerts.notify(alerted, GOOD, rejects=OpenRejects(3, 3))
    alerts.notify(alerted, GOOD, rejects=OpenRejects(0, 0))
    alerts.notify(alerted, GOOD)

    assert len(receiver.requests) == 1


@dataclass
class Rejected:
    """What hourly runs reject, and what is reported of it."""

    settings: Settings
    at: datetime = NOON

    def hour(self, *names: str, payload: str = "{") -> None:
        """A run that rejects these files, whose content begins with `payload`."""
        self.at += timedelta(hours=1)
        rejects = [quarantine.describe(self._reject(name, f"{payload}{name}"), transform_version=1) for name in names]
        with mongo.connect(self.settings) as client:
            collections = Collections.of(client[self.settings.database])
            quarantine.Quarantine(collections, run_id="r", now=self.at, dry_run=False).keep(rejects)
        ended = self.at + timedelta(minutes=1)
        found_open = alerts.open_rejects(self.settings, now=ended)
        alerts.notify(self.settings, replace(GOOD, at=ended), rejects=found_open)

    def dismiss(self, *names: str) -> None:
        """By hand."""
        items = [f"folder:{name}" for name in names]
        rejects.dismiss(self.settings, items, because="A test.", now=self.at, dry_run=False)

    def _reject(self, name: str, payload: str) -> Reject:
        raw = RawRecord.of(payload.encode(), source="folder", origin=name, instant=self.at)
        broken = errors.Rejected("It is cut off.", code="broken-json")
        return Reject.of(raw, broken, job_id=None, instant=clock.to_text(self.at))


@pytest.fixture
def rejected(workshop: Workshop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Rejected:
    """A home with a quarantine, whose alerts go to the receiver."""
    monkeypatch.setenv("FUTURSCAM_ALERT_URLS", receiver.address("a"))
    return Rejected(workshop.settings)


def numbered(first: int, last: int) -> list[str]:
    """Return names of files."""
    return [f"{number}.json" for number in range(first, last)]


def test_old_rejects_never_silence_new_ones(rejected: Rejected, receiver: Receiver) -> None:
    """Twelve are reported once; ten more are reported again, whether the old ones are open or dismissed."""
    rejected.hour(*numbered(0, 12))
    rejected.hour()
    assert receiver.titles == ["12 new rejects"]

    rejected.hour(*numbered(12, 21))
    assert receiver.titles == ["12 new rejects"]
    rejected.hour("21.json")
    assert receiver.titles == ["12 new rejects", "10 new rejects"]
    assert "22 rejects are open, 10 of them since" in receiver.bodies[1]

    rejected.dismiss(*numbered(0, 20))
    rejected.hour(*numbered(22, 31))
    assert len(receiver.titles) == 2
    rejected.hour("31.json")
    assert receiver.titles[2:] == ["10 new rejects"]
    assert "12 rejects are open, 10 of them since" in receiver.bodies[2]


def test_a_repeated_reject_is_not_new(rejected: Rejected, receiver: Receiver) -> None:
    """Read again each hour, even with other bytes, a reject counts from its first rejection."""
    rejected.hour(*numbered(0, 12))
    for hour in range(3):
        rejected.hour(*numbered(0, 12))
        rejected.hour(*numbered(0, 12), payload="{" * hour)

    assert receiver.titles == ["12 new rejects"]


def test_a_dismissed_item_that_is_rejected_again_is_new(rejected: Rejected, receiver: Receiver) -> None:
    """It became open again."""
    rejected.hour(*numbered(0, 12))
    rejected.dismiss(*numbered(0, 12))
    rejected.hour(*numbered(0, 12))
    assert alerts.open_rejects(rejected.settings, now=rejected.at) == OpenRejects(0, 0)

    rejected.hour(*numbered(0, 12), payload="[")
    assert receiver.titles == ["12 new rejects"] * 2


def test_the_memory_of_an_earlier_version_counts_from_its_last_change(rejected: Rejected, receiver: Receiver) -> None:
    """Old memory files hold no instant of the last message; old entries hold only their first rejection."""
    rejected.hour(*numbered(0, 9))
    rejected.hour(*numbered(9, 12), payload="[")
    (rejected.settings.home / memory.FILE).unlink()
    with mongo.connect(rejected.settings) as client:
        client[rejected.settings.database].RFP_rejects.update_many({}, {"$unset": {"opened_at": ""}})
    receiver.requests.clear()
    old = {"failing": None, "rejects_told": True, "pending": {}}
    file = rejected.settings.home / memory.FILE
    file.write_text(json.dumps(old))
    changed = (NOON + timedelta(hours=1.5)).timestamp()
    os.utime(file, (changed, changed))

    assert alerts.open_rejects(rejected.settings, now=rejected.at) == OpenRejects(12, 3)
    rejected.hour(*numbered(12, 18))
    assert receiver.titles == []
    rejected.hour("18.json")
    assert receiver.titles == ["10 new rejects"]
    assert "rejects_told_at" in file.read_text()
    assert '"rejects_told":' not in file.read_text()


def test_a_message_dated_in_the_future_silences_nothing(rejected: Rejected, receiver: Receiver) -> None:
    """The clock was wrong when it was sent."""
    rejected.at += timedelta(days=3650)
    rejected.hour(*numbered(0, 12))
    rejected.at = NOON
    rejected.hour(*numbered(12, 14))

    assert receiver.titles == ["12 new rejects", "14 new rejects"]


def test_a_receiver_that_is_down_gets_the_message_later(alerted: Settings, receiver: Receiver) -> None:
    """Each run tries again until the message is sent."""
    receiver.fail("/a", times=2)
    with structlog.testing.capture_logs() as events:
        alerts.notify(alerted, BAD)
        alerts.notify(alerted, BAD)
    failures = [event for event in events if event["log_level"] == "warning"]
    assert [(event["event"], event["address"], event["outcome"]) for event in failures] == [
        ("alert not sent", 1, "failed")
    ] * 2
    assert SECRET not in str(events)
    assert len(Memory.read(alerted.home).pending) == 1

    for _ in range(3):
        alerts.notify(alerted, BAD)
    assert receiver.titles == ["runs fail"] * 3
    assert Memory.read(alerted.home).pending == {}


def test_outdated_messages_are_not_sent(alerted: Settings, receiver: Receiver) -> None:
    """A receiver that was down during the failures gets only the recovery, with the time of the first failure."""
    receiver.fail("/a")
    alerts.notify(alerted, BAD)
    alerts.notify(alerted, GOOD)

    assert receiver.titles == ["runs fail", "runs work again"]
    assert "From 2026-11-23 12:00:00.000000 UTC on 1 failed, over 3 h" in receiver.bodies[1]


def test_each_address_gets_a_message_once(tmp_path: Path, receiver: Receiver) -> None:
    """Only the address that failed is tried again; an invalid address does not block the others."""
    urls = f"{receiver.address('a')}, nonsense://{SECRET} {receiver.address('b')}?to=x@y.z,v@w.z"
    receiver.fail("/b")
    with home_of(tmp_path, FUTURSCAM_ALERT_URLS=urls) as alerted, structlog.testing.capture_logs() as events:
        assert len(alert_urls.split(urls)) == 3
        assert alert_urls.wrong(alert_urls.split(urls)) == [2]
        alerts.notify(alerted, BAD)
        assert sorted(path for _, path in receiver.asked) == ["/a", "/b"]
        alerts.notify(alerted, BAD)
        alerts.notify(alerted, BAD)

    assert sorted(path for _, path in receiver.asked) == ["/a", "/b", "/b"]
    assert {(event["address"], event["outcome"]) for event in events if "outcome" in event} == {
        (2, "wrong"),
        (3, "failed"),
    }
    assert SECRET not in str(events)


NEVER_ANSWERED = """
import sys
from futurscam_lib import settings
from futurscam_lib.runner.alerts import sender
from futurscam_lib.runner.alerts.memory import Message
sender.SECONDS = 0.2
pending = {"runs": Message(title="t", body="b", kind="failure")}
sender.deliver(settings.load(), pending)
print(pending["runs"].unsent, sys.modules["threading"].active_count())
"""


def test_a_service_that_never_answers_delays_no_run(tmp_path: Path) -> None:
    """The wait is limited, the message stays for the next run, and the process ends though Apprise still waits."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=3600&cto=3600"
        env = {"FUTURSCAM_HOME": str(tmp_path), "FUTURSCAM_KEYRING": "false", "FUTURSCAM_ALERT_URLS": url}
        command = [sys.executable, "-c", NEVER_ANSWERED]
        done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=120, check=True)

    assert "alert not sent" in done.stdout
    assert "outcome='no answer'" in done.stdout
    assert done.stdout.endswith("[1] 2\n")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"failing": 1}', '{"failing": {"since": "x", "run_id": "", "runs": 1, "told": [3]}}'],
)
def test_a_broken_memory_file_is_replaced(alerted: Settings, receiver: Receiver, content: str) -> None:
    """Whatever the file contains, the failure is reported and stored from then on."""
    (alerted.home / memory.FILE).write_text(content)

    alerts.notify(alerted, BAD)
    alerts.notify(alerted, BAD)

    assert receiver.titles == ["runs fail"]


def test_a_home_that_cannot_be_written_is_reported_once_a_day(
    alerted: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a full disk there is still a message, but only one a day."""
    aside = tmp_path / "elsewhere"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(aside))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory, "write_atomically", full)
    for _ in range(3):
        alerts.notify(alerted, replace(BAD, at=datetime.now(UTC)))
    assert receiver.titles == ["runs fail"]

    alerts.notify(alerted, replace(BAD, at=datetime.now(UTC) + timedelta(days=2)))
    assert receiver.titles == ["runs fail"] * 2


def test_addresses_set_later_start_without_memory(alerted: Settings, receiver: Receiver) -> None:
    """Without addresses the memory is removed."""
    alerts.notify(alerted, BAD)
    alerts.notify(alerted.model_copy(update={"alert_urls": None}), BAD)
    assert not (alerted.home / memory.FILE).exists()

    alerts.notify(alerted, BAD)
    assert receiver.titles == ["runs fail"] * 2


def test_no_secret_is_sent_or_stored(tmp_path: Path, receiver: Receiver) -> None:
    """Neither the message nor the file contains a secret that an error quotes."""
    uri = f"mongodb://me:{SECRET}@127.0.0.1:1/"
    with home_of(tmp_path, FUTURSCAM_ALERT_URLS=receiver.address("a"), MONGO_URI=uri) as alerted:
        receiver.fail("/a")
        alerts.notify(alerted, replace(BAD, error=f"no {uri}, no {SECRET}"))
        assert SECRET not in (tmp_path / memory.FILE).read_text("utf-8")
        alerts.notify(alerted, BAD)

    assert len(receiver.bodies) == 2
    assert SECRET not in "".join(receiver.bodies)
    assert "no ***, no ***" in receiver.bodies[0]


def test_addresses_are_split() -> None:
    """Spaces and commas separate; what follows inside an address stays there. The pieces that are keys are secrets."""
    urls = f"  mailto://me:{SECRET}@example.com?to=a@x.org,b@x.org , slack://T1234567/B12345678/{SECRET}a "
    assert alert_urls.split(urls) == [
        f"mailto://me:{SECRET}@example.com?to=a@x.org,b@x.org",
        f"slack://T1234567/B12345678/{SECRET}a",
    ]
    secrets = set(alert_urls.secrets_inside(urls))
    assert {SECRET, f"{SECRET}a", "B12345678"} <= secrets
    assert "example.com" not in secrets


# Whole runs.


@pytest.fixture
def quick(workshop: Workshop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A home with a small notebook; alerts and healthcheck go to the receiver."""
    monkeypatch.setenv("FUTURSCAM_ALERT_URLS", receiver.address("alert"))
    monkeypatch.setenv("FUTURSCAM_HEALTHCHECK_URL", f"{receiver.url}/ping/{SECRET}")
    workshop.notebook(SUMMARY, GLUE)
    return workshop


FAILS = "summary['failures'] = {'folder': {'error': 'RetryLater', 'message': 'It did not answer.'}}\n" + GLUE
PING = f"/ping/{SECRET}"


def reported(**request: Any) -> Result:
    """Do a run with log, alerts and pings, as a scheduler starts it."""
    return reported_run.ReportedRun(Request(**request), on_terminal=False).run(progress=False)


def check_silence(workshop: Workshop, *printed: str) -> None:
    """No secret in what was printed, nor in any file."""
    assert SECRET not in "".join(printed)
    assert [name for name, data in workshop.files().items() if SECRET.encode() in data] == []


def test_a_run_from_its_start_to_its_end(quick: Workshop, receiver: Receiver) -> None:
    """Good, failing, failing, good: each start and end is pinged, failure and recovery are reported once."""
    codes = [reported().exit_code]
    quick.notebook(SUMMARY, FAILS)
    done = quick.command("run")
    codes += [done.returncode, reported().exit_code]
    quick.notebook(SUMMARY, GLUE)
    codes.append(reported().exit_code)

    assert codes == [0, 3, 3, 0]
    assert receiver.asked == [
        *[("GET", f"{PING}/start"), ("GET", PING)],
        *[("GET", f"{PING}/start"), ("POST", f"{PING}/fail"), ("POST", "/alert")],
        *[("GET", f"{PING}/start"), ("POST", f"{PING}/fail")],
        *[("GET", f"{PING}/start"), ("GET", PING), ("POST", "/alert")],
    ]
    said = receiver.requests[3].body.decode()
    assert "exit 3: something that it needs did not answer" in said
    assert "It did not answer." in said
    assert receiver.titles == ["runs fail", "runs work again"]
    assert f"Notebook: {quick.home}" in receiver.bodies[0]
    assert f"Log: {quick.home / 'logs'}" in receiver.bodies[0]
    check_silence(quick, done.stdout, done.stderr)


def test_a_dry_run_sends_nothing(quick: Workshop, receiver: Receiver) -> None:
    """It sends no alert or ping, whether it succeeds or fails; its log is kept."""
    quick.notebook(SUMMARY, FAILS)

    assert reported(dry_run=True).exit_code == ExitCode.RETRY_LATER

    assert receiver.requests == []
    assert len(list((quick.home / "logs").glob("etl_*.log"))) == 1


def test_wrong_settings_are_reported_for_scheduled_runs(
    quick: Workshop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduled run that cannot start uses the valid alert settings. A run by hand only prints the error."""
    monkeypatch.setenv("FUTURSCAM_OVERLAP_MINUTES", "ten")
    by_hand = reported_run.ReportedRun(Request(sources=("folder",)), on_terminal=True)
    with pytest.raises(UsageError):
        by_hand.run(progress=False)
    assert receiver.requests == []
    assert by_hand.log is not None

    done = quick.command("run", "--json")

    assert done.returncode == 2
    assert receiver.asked == [("POST", f"{PING}/fail"), ("POST", "/alert")]
    assert "FUTURSCAM_OVERLAP_MINUTES is 'ten'" in receiver.bodies[0]
    alerted = json.loads(done.stdout)
    assert (alerted["status"], alerted["exit_code"]) == ("not started", 2)
    assert "FUTURSCAM_OVERLAP_MINUTES" in (quick.home / "logs" / alerted["log"]).read_text("utf-8")
    check_silence(quick, done.stdout, done.stderr)


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_scheduled_run_may_have_a_console(
    quick: Workshop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, *, by_hand: bool
) -> None:
    """Windows gives a task a console; only a run with options counts as started by a person."""
    monkeypatch.setenv("FUTURSCAM_OVERLAP_MINUTES", "ten")

    request = Request(sources=("folder",)) if by_hand else Request()
    with pytest.raises(UsageError):
        reported_run.ReportedRun(request, on_terminal=True).run(progress=False)

    assert receiver.titles == ([] if by_hand else ["runs fail"])
    assert quick.home


def test_a_second_run_sends_nothing(quick: Workshop, receiver: Receiver) -> None:
    """Exit code 5 sends no alert; the log records it."""
    second = reported_run.ReportedRun(Request(), on_terminal=False)
    with (
        RunLock(quick.settings.lock_file).held(run_id="first", now=NOON),
        pytest.raises(AlreadyRunning, match="Another run is active"),
    ):
        second.run(progress=False)

    assert receiver.requests == []
    assert second.log is not None
    assert "another run is active kind=AlreadyRunning" in second.log.read_text("utf-8")


def test_an_unreadable_watermark_is_reported(quick: Workshop, receiver: Receiver) -> None:
    """A run that cannot start leaves a log and sends an alert with the remedy."""
    quick.watermark_file.write_text("yesterday")

    done = quick.command("run")

    assert done.returncode == 4
    assert receiver.titles == ["runs fail"]
    assert "futurscam reset --to INSTANT" in receiver.bodies[0]
    assert "Watermark: unreadable" in receiver.bodies[0]
    (log,) = (quick.home / "logs").glob("etl_*.log")
    assert "which is not one instant" in log.read_text("utf-8")
    assert f"Log: {log}" in done.stderr


def test_an_unexpected_error_leaves_its_traceback(
    quick: Workshop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the log, without secrets; the message names it."""

    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError(f"no {receiver.address('alert')}")

    monkeypatch.setattr(engine, "execute", breaks)
    run = reported_run.ReportedRun(Request(), on_terminal=True)

    with pytest.raises(ZeroDivisionError):
        run.run(progress=False)

    assert run.log is not None
    alerted = run.log.read_text("utf-8")
    assert "run ended by an unexpected error" in alerted
    assert "in breaks\\n" in alerted
    assert receiver.titles == ["runs fail"]
    assert "ZeroDivisionError" in alerted
    check_silence(quick)


def test_rejects_of_a_run_are_counted(workshop: Workshop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open rejects are counted after a run and reported from the set number on."""
    monkeypatch.setenv("FUTURSCAM_ALERT_URLS", receiver.address("alert"))
    monkeypatch.setenv("FUTURSCAM_ALERT_REJECTS", "2")
    workshop.receive("a.jsonl", job_post("a"), {"id": None}, {"id": 7})
    workshop.project_notebook()

    result = reported()

    assert result.counts["rejected"] == 2
    assert alerts.open_rejects(workshop.settings, now=clock.now()) == OpenRejects(2, 0)
    assert receiver.titles == ["2 new rejects"]


def test_failing_alerts_and_pings_do_not_change_the_run(quick: Workshop, receiver: Receiver) -> None:
    """If healthcheck and alerts fail or do not answer, the run's result stays the same and the log records it."""
    receiver.fail("/ping", times=99, status=500)
    receiver.break_off("/alert", times=99)

    run = reported_run.ReportedRun(Request(), on_terminal=False)
    assert run.run(progress=False).exit_code == ExitCode.DONE
    quick.notebook(SUMMARY, FAILS)
    assert reported().exit_code == ExitCode.RETRY_LATER

    assert run.log is not None
    assert 'healthcheck not pinged step=/start why="500' in run.log.read_text("utf-8")
    assert receiver.asked[:4] == [("GET", f"{PING}/start")] * 2 + [("GET", PING)] * 2
    check_silence(quick)


def test_an_exception_in_alerts_does_not_change_the_run(quick: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception is logged with its traceback."""

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    for module, name in ((healthcheck, "started"), (healthcheck, "ended"), (alerts, "notify")):
        monkeypatch.setattr(module, name, breaks)
    run = reported_run.ReportedRun(Request(), on_terminal=False)

    assert run.run(progress=False).exit_code == ExitCode.DONE

    assert run.log is not None
    assert run.log.read_text("utf-8").count("RuntimeError: broken") == 3
    assert quick.last.facts["status"] == "ok"


def test_a_run_removes_old_logs(quick: Workshop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs older than FUTURSCAM_LOG_DAYS are removed; the run's own log stays."""
    monkeypatch.setenv("FUTURSCAM_LOG_DAYS", "1")
    folder = quick.home / "logs"
    folder.mkdir()
    old = folder / "etl_20200101_000000.log"
    old.write_text("")
    os.utime(old, (0, 0))

    reported()

    assert receiver.asked
    assert not old.exists()
    assert len(list(folder.glob("etl_*.log"))) == 1


def test_the_log_records_the_run(quick: Workshop) -> None:
    """The log holds start, watermark, source, failure, retries in the notebook and end."""
    retry = "print('2026 [warning] stamina.retry_scheduled  caused_by=_NotYet()')"
    quick.notebook(SUMMARY, retry, FAILS)

    run = reported_run.ReportedRun(Request(), on_terminal=False)
    result = run.run(progress=False)

    assert run.log is not None
    alerted = run.log.read_text("utf-8")
    for words in (
        f"run started run_id={result.run_id}",
        "sources=folder dry_run=false",
        "no watermark file=",
        "versions python=3",
        "source name=folder extracted=0 inserted=0",
        'source failed name=folder kind=RetryLater error="It did not answer."',
        'retry in the notebook said="2026 [warning] stamina.retry_scheduled',
        "watermark stays at=",
        f"run ended run_id={result.run_id} status=failed exit_code=3",
    ):
        assert words in alerted
