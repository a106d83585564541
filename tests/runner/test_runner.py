"""One headless run: its window, its checks, its results, its watermark."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import signal
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from futurscam_lib import clock
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.runner import cell_states, engine, notebook_file, runner
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.runner.request import Request
from tests.runner.conftest import GLUE, SUMMARY, headline, post, soon

if TYPE_CHECKING:
    from tests.runner.conftest import Workshop

SECRET = "Zwiebel77kuchen"  # noqa: S105 - of nobody
T0 = datetime(2026, 11, 20, 12, 5, 1, 223_456, tzinfo=UTC)
HOUR, MINUTE, MILLISECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(milliseconds=1)
SHOW_START = "import json\nprint('start', json.load(open('.futurscam.lock.json'))['since'])"
FAILURES = "summary['failures'] = {'folder': {'error': %r, 'message': 'The mailbox was shut.'}}\n" + GLUE


def start_of(workshop: Workshop, run_id: str) -> datetime:
    """When the run took the lock, as a cell printed it."""
    outputs = [output for cell in workshop.notebooks()[run_id].cells for output in cell.get("outputs", [])]
    text = next(output.text for output in outputs if output.output_type == "stream")
    return clock.parse(text.split()[1])


def test_a_first_run_writes_its_watermark_at_once(workshop: Workshop) -> None:
    """The hour before its start; when it fails, the next one begins there and not later, and success moves on."""
    workshop.notebook(SHOW_START, "print(open('.last_execution').read())\nraise ValueError('no')")
    failed = workshop.run()
    first = workshop.watermark_file.read_bytes()

    started = start_of(workshop, failed.run_id)
    assert failed.exit_code == 1
    assert workshop.watermark == started - HOUR
    assert str(first.strip(), "ascii") in str(workshop.notebooks()[failed.run_id].cells)
    assert [entry.event for entry in workshop.entries()] == ["first-run", "start", "end"]
    assert workshop.entries()[0].facts["watermark"] == failed.watermark["before"] == failed.watermark["after"]

    workshop.notebook(SUMMARY, SHOW_START, GLUE)
    good = workshop.run()

    assert workshop.entries("start")[1].facts["parameters"]["watermark"] == clock.to_text(started - HOUR)
    assert workshop.watermark == start_of(workshop, good.run_id) + MILLISECOND
    assert good.watermark == {"before": first.decode().strip(), "after": workshop.watermark_file.read_text().strip()}
    assert len(good.watermark["after"]) == len("2026-11-23T12:05:01.223000+00:00")


@pytest.mark.parametrize(("known", "earlier"), [(T0, True), (clock.now() - 5 * MINUTE, False)])
def test_a_missing_watermark_starts_at_the_last_known_watermark(
    workshop: Workshop, known: datetime, *, earlier: bool
) -> None:
    """An operator removed the file, or a long pause: the ledger's last watermark if that is earlier than an hour."""
    facts = {"watermark": {"before": None, "after": clock.to_text(known)}}
    Ledger(workshop.settings.ledger_file).append("reset", at=T0, run_id="reset-1", facts=facts)
    workshop.notebook("1 / 0")

    result = workshop.run()

    began = workshop.watermark
    assert began is not None
    assert (began == known) is earlier
    assert began <= clock.now() - HOUR
    assert result.window["since"] == clock.to_text(began)


@pytest.mark.parametrize("data", [b"", b"\0" * 32, b"yesterday", b"2999-01-01T00:00:00+00:00\n"])
def test_an_invalid_watermark_stops_the_run(workshop: Workshop, data: bytes) -> None:
    """Unreadable or in the future: exit code 4, the file as it was, nothing run, nothing in the ledger."""
    workshop.notebook(SUMMARY, GLUE)
    workshop.watermark_file.write_bytes(data)

    with pytest.raises(OperatorMustAct, match="futurscam reset --to"):
        workshop.run()

    assert workshop.watermark_file.read_bytes() == data
    assert not (workshop.home / "runs").exists()


@pytest.mark.parametrize(("asked", "moves"), [({"since": T0 - HOUR}, True), ({"until": T0 + HOUR}, False)], ids=str)
def test_a_successful_run_moves_the_watermark_unless_it_leaves_a_gap(
    workshop: Workshop, asked: dict[str, Any], *, moves: bool
) -> None:
    """To its own start plus 1 ms; test_request has all that leaves a gap."""
    before = workshop.set_watermark(T0)
    workshop.notebook(SUMMARY, SHOW_START, GLUE)

    result = workshop.run(**asked)

    assert (result.status, result.exit_code) == ("ok", 0)
    assert workshop.last.facts["watermark"] == result.watermark
    assert result.watermark["before"] == clock.to_text(T0)
    if moves:
        assert workshop.watermark == start_of(workshop, result.run_id) + MILLISECOND
    else:
        assert workshop.watermark_file.read_bytes() == before
        assert result.watermark["after"] == clock.to_text(T0)


def test_a_watermark_that_cannot_be_written(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator is told; the file is as it was, so the next run reads the same window again."""
    before = workshop.set_watermark(T0)
    workshop.notebook(SUMMARY, SHOW_START, GLUE)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("futurscam_lib.watermark.write_atomically", full)
    with pytest.raises(OperatorMustAct, match="No space left"):
        runner.run(workshop.settings, Request())

    assert workshop.watermark_file.read_bytes() == before


def test_the_watermark_never_goes_back(workshop: Workshop) -> None:
    """A clock that was set back by some seconds: the run succeeds, the later watermark stays."""
    ahead = workshop.set_watermark(clock.now() + timedelta(seconds=4))
    workshop.notebook(SUMMARY, GLUE)

    result = workshop.run()

    assert result.exit_code == 0
    assert result.watermark["after"] == result.watermark["before"]
    assert workshop.watermark_file.read_bytes() == ahead


def test_a_dry_run_leaves_mongodb_and_the_watermark_alone(workshop: Workshop) -> None:
    """Not even a collection is made, no first watermark is written; the notebook and the ledger are kept."""
    workshop.receive("new.jsonl", post("a"), "{broken")

    result = workshop.run(dry_run=True)

    assert (result.status, result.dry_run) == ("ok", True)
    assert (result.counts["inserted"], result.counts["rejected"]) == (1, 1)
    assert workshop.database.list_collection_names() == []
    assert not workshop.watermark_file.exists()
    assert [entry.event for entry in workshop.entries()] == ["start", "end"]
    assert "Dry run" in headline(workshop.notebooks()[result.run_id])


@pytest.mark.parametrize(
    ("cells", "exit_code", "name", "reason"),
    [
        (["import sys\nsys.exit(0)"], 1, "SystemExit", ""),
        (["import os\nos._exit(0)"], 1, "DeadKernelError", "exit code 0"),
        (["1 / 0"], 1, "ZeroDivisionError", "division by zero"),
        ([GLUE, "from futurscam_lib.errors import *\nraise RetryLater('later')"], 3, "RetryLater", "later"),
        (["pass"], 1, "UntrueSummary", "without gluing its summary"),
        (["summary['counts']['stale'] = 3", GLUE], 1, "UntrueSummary", "sum for total is off"),
        ([FAILURES % "RetryLater"], 3, "SourceFailed", "folder: The mailbox was shut."),
    ],
)
def test_a_run_that_fails(workshop: Workshop, cells: list[str], exit_code: int, name: str, reason: str) -> None:
    """For each kind of failure: the exit code fits, ledger and notebook hold the reason, the watermark stays."""
    before = workshop.set_watermark(T0)
    workshop.notebook(SUMMARY, *cells)

    result = workshop.run()

    assert (result.status, result.exit_code) == ("failed", exit_code)
    assert reason in result.error
    assert workshop.watermark_file.read_bytes() == before
    facts = workshop.last.facts
    assert (facts["status"], facts["error_name"], facts["exit_code"]) == ("failed", name, exit_code)
    assert facts["error"] == result.error
    (notebook,) = workshop.notebooks().values()
    assert notebook.metadata.futurscam.status == "failed"
    assert headline(notebook).startswith("Failed in ")
    assert "The watermark stays at" in headline(notebook)
    assert workshop.kernels() == []


def test_items_before_a_source_failure_are_loaded(workshop: Workshop) -> None:
    """What came before the failure is loaded, the watermark stays, the next run will read the window again."""
    before = workshop.set_watermark(T0)
    workshop.receive("a.json", post("a"))
    workshop.project_notebook(
        before={
            "run": """
from futurscam_lib.errors import RetryLater
from futurscam_lib.extract.folder import FolderSource
whole = FolderSource.read
def read(self, window):
    yield from whole(self, window)
    raise RetryLater("The share went away.")
FolderSource.read = read
"""
        }
    )

    result = workshop.run()

    assert (result.status, result.exit_code) == ("failed", 3)
    assert "folder: The share went away." in result.error
    assert result.counts["inserted"] == workshop.database.RFP.count_documents({}) == 1
    assert workshop.watermark_file.read_bytes() == before
    assert workshop.last.facts["failures"] == {"folder": {"error": "RetryLater", "message": "The share went away."}}


def test_notes_of_sources_are_reported_everywhere(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Console, JSON, log, ledger and `status`; warnings are on stderr even with --quiet; no secret anywhere."""
    monkeypatch.setenv("FUTURSCAM_IMAP_PASSWORD", SECRET)
    noted = f"""
from futurscam_lib.extract.folder import FolderSource
whole = FolderSource.read
def read(self, window):
    yield from whole(self, window)
    self.notes.append("7 files are older; `futurscam run --since` reads them.")
    self.warnings = ["The share {SECRET} is slow."]
FolderSource.read = read
"""
    workshop.project_notebook(before={"run": noted})
    (workshop.home / "inbox").mkdir()

    plain = workshop.command("--home", str(workshop.home), "run")
    quiet = workshop.command("--quiet", "run")
    output = json.loads(workshop.command("run", "--json").stdout)
    status = workshop.command("status").stdout

    assert re.search("Note: +folder: 7 files are older; `futurscam --home .+ run --since` reads them.", plain.stdout)
    assert "Warning: folder: The share *** is slow." in plain.stderr.splitlines()
    assert quiet.stderr == "Warning: folder: The share *** is slow.\n"
    assert "7 files" not in quiet.stdout
    sentences = ["Warning: The share *** is slow.", "7 files are older; `futurscam run --since` reads them."]
    assert output["notes"] == workshop.last.facts["notes"] == {"folder": sentences}
    log = Path(output["log"]).read_text("utf-8")
    assert re.search(r" warning +note source=folder text=.The share \*\*\* is slow\.", log, re.IGNORECASE)
    assert re.search(r" info +note source=folder text=.7 files are older", log, re.IGNORECASE)
    assert "Warning: folder: The share *** is slow." in status
    assert "folder: 7 files are older" in status
    assert json.loads(workshop.command("status", "--json").stdout)["runs"][0]["notes"] == output["notes"]
    assert not [path for path, data in workshop.files().items() if SECRET.encode() in data and "notebooks" not in path]


def test_a_summary_without_notes_is_accepted(workshop: Workshop) -> None:
    """A home may have a notebook of its own, made before sources' notes were kept."""
    workshop.notebook(SUMMARY + GLUE)

    assert workshop.run().status == "ok"
    assert workshop.last.facts["notes"] == {}


def test_a_used_up_time_budget(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is ended, says `timed out`, and leaves the watermark."""
    monkeypatch.setenv("FUTURSCAM_RUN_BUDGET_MINUTES", "0.05")
    before = workshop.set_watermark(T0)
    workshop.notebook("import time\ntime.sleep(300)")

    result = workshop.run()

    assert (result.status, result.exit_code, workshop.last.facts["status"]) == ("timed out", 1, "timed out")
    assert workshop.watermark_file.read_bytes() == before
    assert headline(workshop.notebooks()[result.run_id]).startswith("Timed out in ")
    assert workshop.kernels() == []


def test_the_time_budget_counts_from_the_start_of_the_run(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run spends before its notebook starts is taken off what the notebook gets."""
    workshop.set_watermark(T0)
    workshop.notebook(SUMMARY, GLUE)
    budgets: list[timedelta] = []

    def keep(*_: object, budget: timedelta, **__: object) -> None:
        budgets.append(budget)
        raise ZeroDivisionError

    monkeypatch.setattr(engine, "execute", keep)
    with pytest.raises(ZeroDivisionError):
        workshop.run()

    assert timedelta(0) < workshop.settings.run_budget - budgets[0] < MINUTE


def test_a_notebook_that_lacks_a_parameter_is_not_run(workshop: Workshop) -> None:
    """It would run with its own value instead of the one asked for: refused before anything is written."""
    workshop.notebook(SUMMARY, GLUE, parameters='run_id: str = ""\nwatermark: str = ""')

    with pytest.raises(UsageError, match=r"does not declare until, sources, dry_run, overlap_minutes"):
        workshop.run()

    assert set(workshop.files()) <= {"notebooks/etl.ipynb", ".futurscam.lock"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"sources": ("fax",)}, "There is no source fax"), ({"since": T0, "until": T0}, "window would be empty")],
)
def test_an_invalid_request_is_not_run(workshop: Workshop, asked: dict[str, Any], message: str) -> None:
    """It is refused before anything is written."""
    with pytest.raises(UsageError, match=message):
        workshop.run(**asked)

    assert set(workshop.files()) <= {".futurscam.lock"}


def test_what_a_successful_run_leaves(workshop: Workshop) -> None:
    """Loaded documents, the executed notebook under its name, and complete ledger entries."""
    workshop.receive("new.jsonl", post("a"), post("b"), "{broken")
    began = clock.now()

    done = workshop.command("run", "--json")

    output = json.loads(done.stdout)
    assert (done.returncode, output["status"], output["error"]) == (0, "ok", "")
    assert workshop.database.RFP.distinct("job_id") == ["a", "b"]
    first_run, start, end = workshop.entries()
    run_id = output["run_id"]
    path = workshop.home / "runs" / f"{began:%Y-%m}" / f"{run_id}.ipynb"
    assert output["notebook"] == str(path)
    assert {first_run.run_id, start.run_id, end.run_id} == {run_id}
    assert clock.to_stamp(began) <= run_id <= clock.to_stamp(clock.now() + MINUTE)

    assert start.facts["notebook"] == end.facts["notebook"] == path.relative_to(workshop.home / "runs").as_posix()
    assert start.facts["packages"].keys() >= {"futurscam-etl", "papermill", "pymongo", "ipykernel"}
    assert start.facts["python"].startswith("3.")
    assert start.facts["git_commit"] is None or len(start.facts["git_commit"].removesuffix("-dirty")) == 40
    assert start.facts["watermark"]["before"] == first_run.facts["watermark"] == output["watermark"]["before"]
    assert start.facts["parameters"]["run_id"] == run_id

    counts = {"extracted": 3, "inserted": 2, "updated": 0, "unchanged": 0, "stale": 0, "rejected": 1, "dropped": 0}
    assert end.facts["counts"] == output["counts"] == end.facts["sources"]["folder"] == counts
    assert end.facts["notebook_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert end.facts["watermark"] == output["watermark"]
    assert output["watermark"]["after"] == clock.to_text(workshop.watermark or T0)
    since = clock.parse(output["watermark"]["before"]) - 10 * MINUTE
    assert end.facts["window"] == output["window"] == {"since": clock.to_text(since), "until": None}
    assert (end.facts["status"], end.facts["seconds"] > 0) == ("ok", True)
    assert sum(end.facts["reject_reasons"].values()) == 1

    notebook = workshop.notebooks()[run_id]
    assert headline(notebook).startswith("Done in ")
    assert "3 extracted, 2 inserted" in headline(notebook)
    assert notebook.metadata.futurscam.status == "ok"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert not RunLock(workshop.settings.lock_file).holder()


def test_a_tampered_ledger_stops_the_run(workshop: Workshop) -> None:
    """One byte of the last run's entry: exit code 4 before anything runs; the ledger is left as it was found."""
    ledger = Ledger(workshop.settings.ledger_file)
    for event in ("start", "end"):
        ledger.append(event, at=T0, run_id="r1", facts={"status": "failed"})
    workshop.notebook(SUMMARY, GLUE)
    workshop.set_watermark(T0)
    path = workshop.settings.ledger_file
    changed = path.read_bytes()[::-1].replace(b'"deliaf"', b'"KO"', 1)[::-1]
    path.write_bytes(changed)
    before = workshop.files()

    done = workshop.command("run")

    assert done.returncode == 4
    assert "was changed after it was written" in done.stderr
    after = workshop.files()
    assert {name: after[name] for name in before} == before
    new = {name for name in set(after) - set(before) if not name.startswith("logs/")}
    assert new <= {".futurscam.lock", "runs/ledger.jsonl.lock"}


def test_a_torn_ledger_is_healed_and_the_repair_recorded(workshop: Workshop) -> None:
    """A power cut left half a line: the run goes on, a separate entry keeps the half line as text."""
    ledger = Ledger(workshop.settings.ledger_file)
    ledger.append("end", at=T0, run_id="r1", facts={})
    with workshop.settings.ledger_file.open("ab") as file:
        file.write(b'{"at":"2026-11-')
    workshop.notebook(SUMMARY, GLUE)

    assert workshop.run().exit_code == 0
    assert [entry.event for entry in workshop.entries()] == ["end", "healed", "first-run", "start", "end"]
    assert workshop.entries("healed")[0].facts["text"] == '{"at":"2026-11-'


@pytest.mark.parametrize(("place", "saves"), [(cell_states, 0), (cell_states, 4), (notebook_file, 0)])
def test_a_full_disk_is_recorded_as_a_failure(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, place: Any, saves: int
) -> None:
    """No room for the notebook, first, later or when it is closed: the ledger says failed, the watermark stays."""
    before = workshop.set_watermark(T0)
    workshop.notebook(SUMMARY, GLUE)
    write, left = place.write_atomically, iter(range(saves))

    def full(path: Path, data: bytes) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(place, "write_atomically", full)

    with pytest.raises((OperatorMustAct, OSError), match="No space left on device"):
        workshop.run()

    assert workshop.watermark_file.read_bytes() == before
    assert [entry.event for entry in workshop.entries()] == ["start", "end"]
    assert workshop.last.facts["status"] == "failed"
    assert "No space left on device" in workshop.last.facts["error"]
    assert workshop.kernels() == []
    for notebook in workshop.notebooks().values():
        assert headline(notebook).startswith("Failed")

    monkeypatch.undo()
    assert Ledger(workshop.settings.ledger_file).unfinished() == []


@pytest.mark.parametrize("fails", [False, True], ids=["a good run", "a full disk"])
def test_a_notebook_forged_while_its_run_goes_on_is_not_sealed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """A part that is overwritten on disk during the run does not get into the audit log."""
    workshop.set_watermark(T0)
    workshop.notebook("print('genuine')", SUMMARY, GLUE)
    tell, write, left = runner.run_events.log_retries, cell_states.write_atomically, iter(range(8 if fails else 100))  # type: ignore[attr-defined]

    def forge() -> None:
        (part,) = workshop.settings.runs.glob("*/*.part")
        part.write_bytes(part.read_bytes().replace(b"genuine", b"FORGED_"))

    def forging(notebook: Any) -> None:
        forge()
        tell(notebook)

    def full(path: Path, data: bytes) -> None:
        if next(left, None) is None:
            forge()
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(runner.run_events, "log_retries", forging)  # type: ignore[attr-defined]
    monkeypatch.setattr(cell_states, "write_atomically", full)
    with pytest.raises(OperatorMustAct) if fails else nullcontext():
        workshop.run()

    (path,) = workshop.settings.runs.glob("*/*.ipynb")
    assert "genuine" in path.read_text("utf-8")
    assert "FORGED" not in path.read_text("utf-8")
    assert workshop.last.facts["notebook_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_foreign_file_at_the_notebooks_path_is_not_adopted(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the run goes on: the run fails, the ledger has no hash of it, both files stay."""
    workshop.set_watermark(T0)
    workshop.notebook(SUMMARY, GLUE)

    def put(_notebook: Any) -> None:
        (part,) = workshop.settings.runs.glob("*/*.part")
        part.with_suffix("").write_text("another's")

    monkeypatch.setattr(runner.run_events, "log_retries", put)  # type: ignore[attr-defined]
    with pytest.raises(FileExistsError):
        workshop.run()

    assert (workshop.last.event, workshop.last.facts["status"]) == ("end", "failed")
    assert "notebook_sha256" not in workshop.last.facts
    assert [path.read_text() for path in workshop.settings.runs.glob("*/*.ipynb")] == ["another's"]
    assert len(list(workshop.settings.runs.glob("*/*.part"))) == 1


def test_an_interrupt_just_after_the_notebook_was_closed(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger calls the run failed, and so does its notebook, whose hash the ledger has."""
    workshop.set_watermark(T0)
    workshop.notebook(SUMMARY, GLUE)
    move, times = notebook_file.move_if_absent, iter(range(1))  # type: ignore[attr-defined]

    def interrupted(old: Path, new: Path) -> None:
        move(old, new)
        if next(times, None) is not None:
            raise KeyboardInterrupt

    monkeypatch.setattr(notebook_file, "move_if_absent", interrupted)
    with pytest.raises(KeyboardInterrupt):
        workshop.run(dry_run=True)

    (path,) = workshop.settings.runs.glob("*/*.ipynb")
    assert workshop.last.facts["notebook_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert workshop.last.facts["dry_run"] is True
    assert headline(workshop.notebooks()[path.stem]).startswith("Failed")


def test_a_watermark_removed_before_any_run_succeeded(workshop: Workshop) -> None:
    """The next run starts where the failed run started, not an hour ago."""
    workshop.set_watermark(T0)
    workshop.notebook("1 / 0")
    workshop.run()
    workshop.watermark_file.unlink()
    workshop.notebook(SUMMARY, GLUE)

    assert workshop.run().watermark["before"] == clock.to_text(T0)


@pytest.mark.parametrize("asked", [{}, {"since": T0}])
def test_the_log_of_a_first_run_shows_one_start(workshop: Workshop, asked: dict[str, Any]) -> None:
    """The start that it logs without a watermark is the start of its window."""
    workshop.notebook(SUMMARY, GLUE)

    with capture_logs() as logged:
        workshop.run(**asked)

    events = {event["event"]: event for event in logged}
    reading_from = clock.parse(events["run started"]["watermark"])
    assert events["no watermark"]["reading_from"] == clock.to_people(reading_from)
    assert events["no watermark"]["because"] == ("asked for" if asked else "a first run")


def test_sigterm_ends_a_run_cleanly(workshop: Workshop) -> None:
    """SIGTERM, as a service manager sends it: ledger and notebook are closed, the kernel is gone, exit code 1."""
    before = workshop.set_watermark(T0)
    workshop.notebook("import time\nprint('waiting', flush=True)\nopen('waits', 'w').close()\ntime.sleep(300)")

    process = workshop.start("run")
    soon((workshop.home / "waits").exists)
    (kernel,) = workshop.kernels()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "interrupted from outside" in stderr
    assert not kernel.is_running()
    assert (workshop.last.event, workshop.last.facts["status"]) == ("end", "failed")
    assert workshop.last.facts["error_name"] == "KeyboardInterrupt"
    assert workshop.last.facts["error"] == "The run was interrupted from outside."
    (notebook,) = workshop.notebooks().values()
    assert "waiting" in str(notebook)
    assert workshop.watermark_file.read_bytes() == before
    assert RunLock(workshop.settings.lock_file).holder() is None
