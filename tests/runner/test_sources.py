"""Whole runs over several sources: one failing source does not stop the others, and its error is reported."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Final

import pytest

from futurscam_lib import clock
from tests.extract import made_mails
from tests.runner.conftest import post
from tests.servers import source_settings
from tests.servers.boond import BoondServer
from tests.servers.graph import File, GraphServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.runner.conftest import Workshop
    from tests.servers.messages import Request

T0: Final = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SOURCES: Final = ("graph_mail", "boond", "folder")


@pytest.fixture
def graph(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Iterator[GraphServer]:
    """A mailbox with one mail, which the environment points to."""
    del workshop  # It empties the environment.
    with GraphServer() as server:
        mail = [File("jobpost.json", json.dumps(post("mailed")).encode())]
        server.deliver("[JOB EXPORT] JP1", received=T0, attachments=mail)
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        _set(monkeypatch, source_settings.graph(server))
        yield server


@pytest.fixture
def boond(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Iterator[BoondServer]:
    """BoondManager with one opportunity, which the environment points to."""
    del workshop
    with BoondServer() as server:
        server.publish(title="Architect", updated=T0)
        _set(monkeypatch, source_settings.boond(server))
        yield server


@pytest.fixture
def sources(graph: GraphServer, boond: BoondServer, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A home that collects from three sources, each with one item, since long before T0."""
    del graph, boond
    monkeypatch.setenv("FUTURSCAM_SOURCES", ",".join(SOURCES))
    monkeypatch.setenv("FUTURSCAM_HTTP_TRIES", "1")
    workshop.receive("new.jsonl", post("filed"))
    workshop.project_notebook()
    workshop.set_watermark(T0 - timedelta(days=1))
    return workshop


def _set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def jobs(workshop: Workshop) -> set[str]:
    """What is loaded."""
    return {document["job_id"] for document in workshop.database.RFP.find()}


def text_of(workshop: Workshop, run_id: str) -> str:
    """All that the executed notebook shows."""
    return json.dumps(workshop.notebooks()[run_id], ensure_ascii=False)


def test_all_sources_in_one_run(sources: Workshop) -> None:
    """Each is counted by itself; read again, all is unchanged, and no second mission comes into being."""
    first, second = sources.run(), sources.run()

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert {name: one["inserted"] for name, one in first.sources.items()} == dict.fromkeys(SOURCES, 1)
    assert jobs(sources) == {"mailed", "filed", "boond-1001"}
    assert second.counts["inserted"] == 0
    assert sources.watermark == clock.parse(second.watermark["after"])


FAILING: Final = {
    "graph": (3, "Microsoft Graph did not answer"),
    "boond": (3, "web page"),
    "rights": (4, "admin consent"),
}


@pytest.mark.parametrize("failing", FAILING)
def test_one_failing_source_does_not_stop_the_others(
    sources: Workshop, graph: GraphServer, boond: BoondServer, failing: str
) -> None:
    """What they deliver is loaded, the watermark stays, and notebook, ledger and screen say which failed and why."""
    exit_code, said = FAILING[failing]
    before = sources.watermark_file.read_bytes()
    if failing == "graph":
        graph.fail("/v1.0", status=503, times=1000)
    elif failing == "boond":
        boond.html("/api", times=1000)
    else:
        graph.forbidden = True
    name = "boond" if failing == "boond" else "graph_mail"
    lost = "boond-1001" if failing == "boond" else "mailed"

    done = sources.command("run")

    assert done.returncode == exit_code, done.stderr
    assert jobs(sources) == {"mailed", "filed", "boond-1001"} - {lost}
    assert sources.watermark_file.read_bytes() == before
    facts = sources.last.facts
    assert (facts["status"], facts["exit_code"]) == ("failed", exit_code)
    assert list(facts["failures"]) == [name]
    swept = [request for request in boond.requests if "opportunityStates[]" in request.query]
    assert bool(swept) is (name != "boond"), "a source that has failed is not asked once more"
    for place in (facts["failures"][name]["message"], done.stderr, text_of(sources, sources.last.run_id)):
        assert said in place

    graph.forbidden = False
    graph.mend()
    boond.mend()
    assert sources.run().exit_code == 0
    assert jobs(sources) == {"mailed", "filed", "boond-1001"}


def test_a_fault_of_the_software_in_one_source(sources: Workshop) -> None:
    """An unexpected error fails the run with exit code 1; the other sources are loaded."""
    broken = (
        "from futurscam_lib.extract import graph_mail\n"
        "def no(*_): raise KeyError('unforeseen')\n"
        "graph_mail.GraphMailSource._mails = no"
    )
    sources.project_notebook(before={"run": broken})

    result = sources.run()

    assert result.exit_code == 1
    assert "unforeseen" in result.error
    assert jobs(sources) == {"filed", "boond-1001"}
    assert "Traceback" in text_of(sources, result.run_id)


def test_what_the_numbers_of_an_instance_mean(
    sources: Workshop, boond: BoondServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open states, names of origins and the address that people open come from the settings."""
    other = boond.publish(title="Won", updated=T0, state=7, origin={"typeOf": 9, "detail": ""})
    monkeypatch.setenv("FUTURSCAM_BOOND_OPEN_STATES", "7")
    monkeypatch.setenv("FUTURSCAM_BOOND_ORIGINS", "9=Pro-Unity")

    assert sources.run(sources=("boond",)).exit_code == 0

    documents = {document["job_id"]: document for document in sources.database.RFP.find()}
    assert (documents["boond-1001"]["isActive"], documents[f"boond-{other}"]["isActive"]) == (False, True)
    assert documents[f"boond-{other}"]["serviceProvider"] == "Pro-Unity"
    assert documents[f"boond-{other}"]["job_url"] == f"{boond.url}/opportunities/{other}"


def test_both_kinds_of_failure_at_once(sources: Workshop, graph: GraphServer, boond: BoondServer) -> None:
    """Exit code 4 takes precedence over 3."""
    graph.fail("/v1.0", status=503, times=1000)
    boond.forbidden = True

    result = sources.run()

    assert result.exit_code == 4
    assert set(sources.last.facts["failures"]) == {"graph_mail", "boond"}
    assert jobs(sources) == {"filed"}


def test_missions_that_ended_at_the_source_become_inactive(sources: Workshop, boond: BoondServer) -> None:
    """Deleted, closed without a trace in `updateDate`, and there again; nothing is ever removed."""
    others = [boond.publish(title=title, updated=T0) for title in ("Closed", "Stays", "Back")]
    assert sources.run().exit_code == 0
    boond.delete(1001)
    boond.change(others[0], touch=False, state=2)
    hidden = boond._book.rows.pop(others[2])

    result = sources.run()

    assert (result.exit_code, result.closed) == (0, 3)
    reasons = {
        document["job_id"]: document["_etl"].get("closed", {}).get("reason") for document in sources.database.RFP.find()
    }
    assert reasons["boond-1001"] == "deleted at source"
    assert reasons[f"boond-{others[0]}"] == "closed at source"
    assert reasons[f"boond-{others[1]}"] is None
    active = {document["job_id"] for document in sources.database.RFP.find({"isActive": True})}
    assert active == {"mailed", "filed", f"boond-{others[1]}"}

    boond._book.rows[others[2]] = hidden
    dry, result = sources.run(dry_run=True), sources.run()
    for one in (dry, result):
        assert (one.exit_code, one.closed, one.reopened) == (0, 0, 1)
    assert sources.last.facts["reopened"] == 1
    assert "0 mission(s) were closed, 1 reopened." in sources.command("runs", "show", "last").stdout
    assert "0 mission(s) would be closed, 1 reopened." in sources.command("runs", "show", dry.run_id).stdout
    assert json.loads(sources.command("runs", "show", "last", "--json").stdout)["reopened"] == 1
    back = sources.database.RFP.find_one({"job_id": f"boond-{others[2]}"}) or {}
    assert back["isActive"]
    assert "closed" not in back["_etl"]


def test_a_sweep_that_fails_is_a_failure_of_its_source(sources: Workshop, boond: BoondServer) -> None:
    """What was extracted is loaded, nothing is closed, the watermark stays."""
    assert sources.run().exit_code == 0
    boond.delete(1001)
    before = sources.watermark_file.read_bytes()
    boond.fail("/opportunities/1001", status=503, times=1000)

    result = sources.run()

    assert result.exit_code == 3
    assert "boond" in sources.last.facts["failures"]
    assert sources.watermark_file.read_bytes() == before
    assert sources.database.RFP.count_documents({"isActive": True}) == 3


def missions(boond: BoondServer, count: int) -> list[int]:
    """So many more opportunities."""
    return [boond.publish(title=f"Mission {number}", updated=T0) for number in range(count)]


def test_a_sweep_that_would_close_too_many_needs_a_yes(
    sources: Workshop, boond: BoondServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It closes none, says how many of how many, why that may be and what to type; the watermark stays."""
    others = missions(boond, 19)
    assert sources.run().exit_code == 0
    for mission in others[:11]:
        boond.change(mission, touch=False, state=2)
    before = sources.watermark_file.read_bytes()

    for dry_run in (True, False):
        result = sources.run(dry_run=dry_run)
        assert (result.exit_code, result.closed) == (4, 0)
        for words in ("11 of 20 active", "10 at most", "BOOND_OPEN_STATES=0", "check --source boond", "run --yes"):
            assert words in result.error
    assert sources.last.facts["failures"].keys() == {"boond"}
    assert jobs(sources) >= {"filed", "mailed"}
    assert sources.watermark_file.read_bytes() == before
    assert sources.database.RFP.count_documents({"_etl.source": "boond", "isActive": True}) == 20

    monkeypatch.setenv("FUTURSCAM_CONFIRMED_RUN", sources.last.run_id)
    assert sources.run().exit_code == 4, "what confirmed another run confirms no other"
    result = sources.run(confirmed=True)
    assert (result.exit_code, result.closed) == (0, 11)
    assert sources.entries("start")[-1].facts["confirmed"] is True
    assert sources.watermark_file.read_bytes() != before


def test_a_sweep_that_would_reopen_too_many_needs_a_yes(sources: Workshop, boond: BoondServer) -> None:
    """The same the other way round; so many as are plausible are reopened."""
    others = missions(boond, 12)
    for mission in others:
        boond.change(mission, touch=False, state=2)
    assert sources.run().exit_code == 0
    assert sources.database.RFP.count_documents({"_etl.source": "boond", "isActive": True}) == 1
    for mission in others[:11]:
        boond.change(mission, touch=False, state=0)

    refused = sources.run(sources=("boond",))
    assert refused.exit_code == 4
    assert "11 missions that are closed here are listed as open, and 1 are active" in refused.error

    boond.change(others[0], touch=False, state=2)
    assert sources.run(sources=("boond",)).exit_code == 0
    assert sources.database.RFP.count_documents({"_etl.source": "boond", "isActive": True}) == 11


def test_the_option_yes_allows_the_sweep(
    sources: Workshop, boond: BoondServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`futurscam run --yes`, with a share that allows no more than ten."""
    monkeypatch.setenv("FUTURSCAM_BOOND_SWEEP_SHARE", "0")
    others = missions(boond, 11)
    assert sources.run(sources=("boond",)).exit_code == 0
    for mission in others:
        boond.delete(mission)

    assert sources.command("run", "--source", "boond").returncode == 4
    dry = sources.command("run", "--source", "boond", "--yes", "--dry-run")
    shown = sources.command("runs", "show", "last").stdout
    done = sources.command("run", "--source", "boond", "--yes")

    assert done.returncode == 0, done.stderr
    assert "\n11 mission(s) would be closed, 0 reopened.\n" in dry.stdout
    assert "11 mission(s) would be closed, 0 reopened." in shown
    assert "--yes: any number of missions could be closed and reopened" in shown
    assert "\n11 mission(s) were closed, 0 reopened.\n" in done.stdout
    assert any("closed=11 reopened=0" in log.read_text("utf-8") for log in (sources.home / "logs").iterdir())
    assert sources.database.RFP.count_documents({"_etl.closed.reason": "deleted at source"}) == 11


def test_an_open_opportunity_stays_open_after_its_answer_date(
    sources: Workshop, boond: BoondServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a setting says otherwise; what was closed for its deadline is reopened; posts still close."""
    late = boond.publish(title="Late", updated=T0, answerDate="2026-01-15")
    sources.receive("late.jsonl", post("late-post", publicationInfo={"applicationDeadline": "2026-01-15T12:00:00Z"}))

    def active() -> dict[str, bool]:
        assert sources.run().exit_code == 0
        return {document["job_id"]: document["isActive"] for document in sources.database.RFP.find()}

    monkeypatch.setenv("FUTURSCAM_BOOND_CLOSE_AFTER_ANSWER_DATE", "true")
    states = active()
    assert (states[f"boond-{late}"], states["late-post"]) == (False, False)
    assert active()[f"boond-{late}"] is False
    monkeypatch.delenv("FUTURSCAM_BOOND_CLOSE_AFTER_ANSWER_DATE")
    states = active()
    assert (states[f"boond-{late}"], states["late-post"]) == (True, False)
    kept = sources.database.RFP.find_one({"job_id": f"boond-{late}"}) or {}
    assert kept["deadlineAt"].date().isoformat() == "2026-01-15"
    assert "closed" not in kept["_etl"]


def test_no_secret_is_left_anywhere(sources: Workshop, graph: GraphServer, boond: BoondServer) -> None:
    """Servers echo everything they receive; no secret is in a file, on the screen or in MongoDB."""
    sent: set[str] = set()

    def note(request: Request) -> None:
        sent.update((request.headers["Authorization"] or "").split()[1:])
        sent.update((request.headers[boond.jwt_header] or "").split(".")[1:])

    graph.before = boond.before = note
    runs = [sources.command("run")]
    graph.echoes = boond.echoes = graph.forbidden = boond.forbidden = True
    runs += [sources.command(*words) for words in (("run",), ("check",), ("check", "--json"), ("config", "show"))]
    graph.secret_expired = True
    runs += [sources.command("run"), sources.command("check")]

    assert [done.returncode for done in runs] == [0, 4, 4, 4, 0, 4, 4], [done.stderr for done in runs]
    secrets = {graph.client_secret, boond.user_token, boond.client_token, boond.client_key, *sent}
    assert len(secrets) >= 7
    texts = [text for done in runs for text in (done.stdout, done.stderr)]
    texts += [data.decode("utf-8", "replace") for data in sources.files().values()]
    texts += [str(list(sources.database[name].find())) for name in sources.database.list_collection_names()]
    for secret in secrets:
        assert not any(secret in text for text in texts)


def test_checking_each_source(sources: Workshop, graph: GraphServer, boond: BoondServer) -> None:
    """Reached, signed in, may read, how many wait; nothing is written, and what is wrong comes with its remedy."""
    before = sources.files()
    done = sources.command("check", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}

    assert done.returncode == 0, done.stderr
    assert sources.files() == before
    assert [checks[name]["waiting"] for name in (*SOURCES, "MongoDB")] == [1, 1, 1, 0]
    assert all(checks[name]["reached"] and checks[name]["may_read"] for name in (*SOURCES, "MongoDB"))

    graph.forbidden = True
    boond.fail("/api", status=503, times=1000)
    sources.watermark_file.write_text("soon", "utf-8")
    done = sources.command("check")
    assert done.returncode == 4
    for words in ("admin consent", "BoondManager did not answer", "futurscam reset --to"):
        assert words in done.stderr


def test_checking_lists_the_states(sources: Workshop, boond: BoondServer) -> None:
    """With their names, and a warning where none of the open ones exists; runs work all the same."""
    done = sources.command("check", "--source", "boond")
    assert "boond: States of opportunities: 0 En cours (open), 1 Gagnée, 2 Perdue, 3 Abandonnée." in done.stdout
    assert "Warning" not in done.stderr

    boond.states = {7: "Gagn\x1b[31mée"}
    boond.close(1001)
    done = sources.command("check", "--source", "boond")
    assert done.returncode == 0
    assert "names 0, which this BoondManager does not have. Its states: 7 Gagn[31mée." in done.stderr
    assert "No opportunity is open in BoondManager (FUTURSCAM_BOOND_OPEN_STATES=0)." in done.stderr
    (boond_check,) = (
        check for check in json.loads(sources.command("check", "--json").stdout) if check["name"] == "boond"
    )
    assert ("7 Gagn" in boond_check["remark"], len(boond_check["warnings"])) == (True, 2)


def test_checking_one_source(sources: Workshop, boond: BoondServer) -> None:
    """Others are left alone; one that is not set up says what it needs."""
    done = sources.command("check", "--source", "boond", "--json")
    assert [one["name"] for one in json.loads(done.stdout)] == ["boond", "MongoDB"]
    assert boond.requests

    done = sources.command("check", "--source", "imap_mail")
    assert done.returncode == 2
    assert "FUTURSCAM_IMAP_HOST" in done.stderr


def test_a_mailbox_through_imap(
    sources: Workshop, graph: GraphServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A whole run over a real server; a post that another mailbox has as well is one document, and known."""
    from tests.servers import dovecot

    dovecot.needed()
    mail = EmailMessage()
    mail["Subject"] = "[JOB EXPORT] JP1"
    for name in ("mailed", "only-here"):
        data = json.dumps(post(name)).encode()
        mail.add_attachment(data, maintype="application", subtype="json", filename=f"{name}.json")
    with dovecot.Dovecot() as server:
        trusted = tmp_path / "authorities.pem"
        trusted.write_bytes(graph.ca_file.read_bytes() + server.authority.read_bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        monkeypatch.setenv("FUTURSCAM_SOURCES", "graph_mail,imap_mail")
        _set(monkeypatch, source_settings.dovecot(server, "rfp@example.com"))
        server.deliver("rfp@example.com", mail.as_bytes(), T0)

        checked = {one["name"]: one for one in json.loads(sources.command("check", "--json").stdout)}
        done = sources.run()

    assert checked["imap_mail"]["waiting"] == 1
    assert (done.exit_code, done.sources["graph_mail"]["inserted"], done.sources["imap_mail"]["inserted"]) == (0, 1, 1)
    assert jobs(sources) == {"mailed", "only-here"}
    assert done.sources["imap_mail"]["unchanged"] == 1


def test_a_mail_without_a_post_stays_one_reject(
    sources: Workshop, graph: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the mail in the quarantine; the post in the zip beside it is loaded; ledger and log give no subject."""
    monkeypatch.setenv("FUTURSCAM_SOURCES", "graph_mail")
    zipped = made_mails.zipped({"jobpost.json": json.dumps(post("zipped")).encode()})
    graph.deliver("TR: [JOB  EXPORT] JP2", received=T0, attachments=[File("export.zip", zipped, "application/zip")])
    graph.deliver("[JOB EXPORT] Secret title", received=T0, attachments=[File("cv.pdf", b"%PDF", "application/pdf")])

    first = sources.run()
    sources.set_watermark(T0)
    second = sources.run()

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert jobs(sources) == {"mailed", "zipped"}
    assert first.sources["graph_mail"] == {**first.sources["graph_mail"], "extracted": 3, "inserted": 2, "rejected": 1}
    (reject,) = sources.database.RFP_rejects.find()
    assert reject["origin"].startswith("2026-11-20 10:00:00 mail: [JOB EXPORT] Secret title (")
    assert (reject["code"], reject["state"], reject["attempts"]) == ("no-post", "open", 1)
    assert "cv.pdf (application/pdf)" in reject["reason"]
    assert second.sources["graph_mail"] == {
        **second.sources["graph_mail"],
        "extracted": 3,
        "inserted": 0,
        "rejected": 0,
    }
    kept = [*(sources.home / "runs").glob("ledger*"), *sources.home.glob("logs/*")]
    assert kept
    assert not [path for path in kept if "Secret title" in path.read_text("utf-8")]


def test_a_reject_of_a_mail_is_closed_when_the_mail_gives_its_post(
    sources: Workshop, graph: GraphServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip that Graph refused once: its post has another place than the zip, and closes the zip's reject."""
    monkeypatch.setenv("FUTURSCAM_SOURCES", "graph_mail")
    zipped = made_mails.zipped({"jobpost.json": json.dumps(post("zipped")).encode()})
    graph.deliver("[JOB EXPORT] JP2", received=T0, attachments=[File("export.zip", zipped, "application/zip")])
    graph.deliver("[JOB EXPORT] JP3", received=T0)
    refusal = json.dumps({"error": {"code": "ErrorCorruptData", "message": "Broken."}}).encode()
    graph.fail("$value", status=400, times=2, body=refusal)

    sources.run()
    before = {reject["code"]: reject["state"] for reject in sources.database.RFP_rejects.find()}
    sources.set_watermark(T0)
    sources.run()
    after = {reject["code"]: reject["state"] for reject in sources.database.RFP_rejects.find()}

    assert before == {"unreadable": "open", "no-post": "open"}
    assert after == {"unreadable": "resolved", "no-post": "open"}
    assert jobs(sources) == {"mailed", "zipped"}


def test_a_source_that_lacks_a_setting_stops_before_anything_runs(
    sources: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configured or only asked for: exit 2, the variable is named, no notebook and no line in the ledger."""
    monkeypatch.delenv("FUTURSCAM_BOOND_CLIENT_KEY")
    asked: list[tuple[Any, ...]] = [("run",), ("run", "--source", "boond")]
    for words in asked:
        done = sources.command(*words)
        assert done.returncode == 2
        assert "FUTURSCAM_BOOND_CLIENT_KEY" in done.stderr
        monkeypatch.setenv("FUTURSCAM_SOURCES", "folder")
    assert sources.entries() == []
    assert not list((sources.home / "runs").glob("*/*"))
