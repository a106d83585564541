"""After a kill at any point the next run completes the work: nothing is lost, doubled or misreported."""

from __future__ import annotations

import hashlib
import random
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from tests.runner.conftest import GLUE, SUMMARY, headline, post, soon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo import MongoClient

    from futurscam_lib.runner.result import Result
    from tests.runner.conftest import Workshop

# Who is killed from inside the kernel. With the runner alone gone, the kernel goes on for a second, as an orphan does.
KILLS = {
    "kernel": "os.kill(os.getpid(), signal.SIGKILL)",
    "runner": "os.kill(os.getppid(), signal.SIGKILL)",
    "both": "os.kill(os.getppid(), signal.SIGKILL); os.kill(os.getpid(), signal.SIGKILL)",
}
AT_THE_NTH_COMMAND = """
import os, signal
from pymongo import monitoring
class Killer(monitoring.CommandListener):
    left = {n}
    def started(self, event):
        Killer.left -= 1
        if Killer.left == 0:
            {kill}
    def succeeded(self, event): pass
    def failed(self, event): pass
monitoring.register(Killer())
"""
HALF_WAY = """
import os, signal
from pymongo.collection import Collection
whole = Collection.{method}
def half(self, items, *more, **options):
    if self.name != "{collection}":
        return whole(self, items, *more, **options)
    whole(self, items[: len(items) // 2], *more, **options) if len(items) > 1 else None
    {kill}
    import time; time.sleep(60)
Collection.{method} = half
"""
KILL_NOW = "import os, signal\n{kill}\nimport time; time.sleep(60)"

DRIVER = """
import os, signal
from futurscam_lib import files, settings, watermark
from futurscam_lib.audit import ledger
from futurscam_lib.runner import notebook_file, runner
from futurscam_lib.runner.request import Request
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def at_entry(event, *, before):
    append = ledger.Ledger.append
    def killed(self, what, **more):
        if what == event and before: die()
        entry = append(self, what, **more)
        if what == event: die()
        return entry
    ledger.Ledger.append = killed
def at_sync(n, *, before):
    sync, left = os.fsync, [n]
    def killed(descriptor):
        left[0] -= 1
        if left[0] == 0 and before: die()
        sync(descriptor)
        if left[0] == 0: die()
    os.fsync = killed
def at_replace(name, *, before):
    replace = files.replace
    def killed(old, new):
        if new.name == name and before: die()
        replace(old, new)
        if new.name == name: die()
    files.replace = killed
def in_the_middle_of_save(n):
    from futurscam_lib.runner import cell_states
    write, left = cell_states.write_atomically, [n]
    def killed(path, data):
        left[0] -= 1
        if left[0] == 0:
            path.with_name(f".{path.name}.00000000.tmp").write_bytes(data[: len(data) // 2])
            die()
        write(path, data)
    cell_states.write_atomically = killed
"""
END = "runner.run(settings.load(), Request())"
SYNCS = sorted(random.Random(2026).sample(range(6, 42), 2))


@pytest.fixture
def inbox(workshop: Workshop) -> None:
    """Posts that an earlier run loaded, and others of every kind: new, changed, only newer, older, twice, broken."""
    workshop.receive("old.jsonl", *(post(name, at="2026-11-10T10:00:00Z") for name in ("changed", "same", "late")))
    workshop.load_by_hand()
    workshop.receive(
        "new.jsonl",
        post("changed", at="2026-11-20T10:00:00Z", name="Data architect"),
        post("same", at="2026-11-20T10:00:00Z"),
        post("late", at="2026-11-01T10:00:00Z", name="Outdated"),
        post("twice", at="2026-11-20T11:00:00Z", name="The later one"),
        post("twice", at="2026-11-20T10:00:00Z", name="The earlier one"),
        post("ended", publicationInfo={"applicationDeadline": "2026-11-01T00:00:00"}),
        *(post(f"new-{number}") for number in range(8)),
        "{broken",
        {"id": "without a name", "timeStamp": "2026-11-20T10:00:00Z"},
    )


@pytest.fixture
def whole(
    workshop: Workshop, inbox: None, mongo_client: MongoClient[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """The content of MongoDB after an undisturbed run over the same inbox."""
    del inbox
    name = f"test_{uuid.uuid4().hex}"
    undisturbed = replace(workshop, database=mongo_client[name])
    with monkeypatch.context() as patch:
        patch.setenv("FUTURSCAM_DB", name)
        undisturbed.load_by_hand()
    try:
        yield undisturbed.loaded()
    finally:
        mongo_client.drop_database(name)


def recover(workshop: Workshop, whole: dict[str, Any], *, status: str, run_id: str = "") -> Result:
    """Do the next run after a kill and check the result; `status` is the killed run's."""
    soon(lambda: not workshop.kernels())
    stands = workshop.watermark
    if stands and stands > clock.now() - timedelta(minutes=30):
        assert workshop.loaded() == whole, "the watermark is ahead of what is loaded"

    result = workshop.run()

    assert (result.status, result.exit_code) == ("ok", 0)
    assert workshop.loaded() == whole
    assert len(whole["RFP"]) == len({document["job_id"] for document in whole["RFP"]}) == 13
    assert workshop.watermark == clock.parse(result.watermark["after"])
    ended = {entry.run_id: entry.facts.get("status", entry.event) for entry in workshop.entries("end", "crashed")}
    assert [ended.pop(result.run_id), *ended.values()] == ["ok", *([status] if status else [])]
    assert {entry.run_id for entry in workshop.entries("start")} == {result.run_id, *ended}
    notebooks = workshop.notebooks()
    assert list((workshop.home / "runs").rglob("*.part")) == []
    for killed in ended:
        assert killed == run_id or not run_id
        if killed in notebooks:
            assert notebooks[killed].metadata.futurscam.status == status
    return result


def is_killed(workshop: Workshop, who: str) -> str:
    """Do a run that is killed from inside its kernel; return its status in the ledger after the next run."""
    if who == "kernel":
        result = workshop.run()
        assert (result.status, result.exit_code) == ("failed", 1)
        assert "SIGKILL" in result.error
        return "failed"
    process = workshop.start("run")
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert [entry.event for entry in workshop.entries()][-1] == "start"
    return "crashed"


@pytest.mark.parametrize(("who", "n"), [("kernel", 3), ("both", 11), ("runner", 18)])
def test_killed_at_the_nth_command_to_mongodb(workshop: Workshop, whole: dict[str, Any], who: str, n: int) -> None:
    """Killed at any command from the first look-up to the last write."""
    workshop.project_notebook(before={"run": AT_THE_NTH_COMMAND.format(n=n, kill=KILLS[who])})
    status = is_killed(workshop, who)
    workshop.project_notebook()

    recover(workshop, whole, status=status)


@pytest.mark.parametrize(
    ("who", "method", "collection"),
    [
        ("both", "insert_many", "RFP_raw"),
        ("both", "insert_many", "RFP"),
        ("kernel", "bulk_write", "RFP"),
        ("both", "insert_many", "RFP_outcomes"),
        ("kernel", "bulk_write", "RFP_rejects"),
    ],
)
def test_killed_in_the_middle_of_a_bulk_write(
    workshop: Workshop, whole: dict[str, Any], who: str, method: str, collection: str
) -> None:
    """Half of the payloads, documents, replacements, outcomes or rejects are written, the other half is not."""
    cell = HALF_WAY.format(method=method, collection=collection, kill=KILLS[who])
    workshop.project_notebook(before={"run": cell})
    status = is_killed(workshop, who)
    workshop.project_notebook()

    recover(workshop, whole, status=status)


@pytest.mark.parametrize(
    ("who", "cell"),
    [("runner", "transform"), ("kernel", "load"), ("both", "glue")],
)
def test_killed_between_two_cells(workshop: Workshop, whole: dict[str, Any], who: str, cell: str) -> None:
    """Landed and not loaded, loaded and not reported."""
    workshop.project_notebook(after={cell: KILL_NOW.format(kill=KILLS[who])})
    status = is_killed(workshop, who)
    workshop.project_notebook()

    result = recover(workshop, whole, status=status)

    if cell in {"load", "glue"}:
        assert result.counts["inserted"] == 0


def test_landed_payloads_are_loaded_though_the_source_lost_them(workshop: Workshop, whole: dict[str, Any]) -> None:
    """Killed between landing and loading, and the files are gone when the next run comes."""
    workshop.project_notebook(after={"extract": KILL_NOW.format(kill=KILLS["both"])})
    status = is_killed(workshop, "both")
    workshop.project_notebook()
    for path in (workshop.home / "inbox").iterdir():
        path.unlink()

    recover(workshop, whole, status=status)


def test_kills_in_a_row(workshop: Workshop, whole: dict[str, Any]) -> None:
    """Three runs are killed, each at another point; the fourth completes everything."""
    for place in ("extract", "transform", "load"):
        workshop.project_notebook(after={place: KILL_NOW.format(kill=KILLS["both"])})
        is_killed(workshop, "both")
    workshop.project_notebook()

    assert workshop.run().exit_code == 0

    assert workshop.loaded() == whole
    assert [entry.event for entry in workshop.entries("crashed")] == ["crashed"] * 3
    assert len(workshop.notebooks()) == 4


@pytest.mark.parametrize(
    ("when", "status"),
    [
        ("at_entry('first-run', before=False)", ""),
        ("at_entry('start', before=True)", ""),
        ("at_entry('start', before=False)", "crashed"),
        ("in_the_middle_of_save(21)", "crashed"),
        *((f"at_sync({n}, before={n % 2 == 0})", "crashed") for n in SYNCS),
        ("at_entry('end', before=True)", "crashed"),
        ("at_entry('end', before=False)", "ok"),
    ],
)
def test_a_runner_killed(workshop: Workshop, whole: dict[str, Any], when: str, status: str) -> None:
    """Around each line of the ledger, while it saves a notebook, and at whatever it was just putting on the disk."""
    workshop.project_notebook()
    assert workshop.script(f"{DRIVER}\n{when}\n{END}") == -9
    began = workshop.watermark

    result = recover(workshop, whole, status=status)

    if began is not None:
        assert result.watermark["before"] == clock.to_text(began), "the killed run must not have moved it"
    crashed = [entry.facts for entry in workshop.entries("crashed")]
    assert all(("notebook_sha256" in facts) != ("notebook_missing" in facts) for facts in crashed)


@pytest.mark.parametrize(
    ("when", "moved"),
    [
        ("at_replace('.last_execution', before=True)", False),
        ("at_replace('.last_execution', before=False)", True),
    ],
)
def test_a_runner_killed_while_it_commits_the_watermark(workshop: Workshop, when: str, *, moved: bool) -> None:
    """The file has the old or the new content, and the run is `ok` in both cases."""
    before = workshop.set_watermark(datetime(2026, 11, 20, tzinfo=UTC))
    workshop.notebook(SUMMARY, GLUE)

    assert workshop.script(f"{DRIVER}\n{when}\n{END}") == -9

    assert (workshop.watermark_file.read_bytes() != before) is moved
    assert workshop.last.facts["status"] == "ok"
    assert (clock.to_text(workshop.watermark or clock.EPOCH) == workshop.last.facts["watermark"]["after"]) is moved
    assert workshop.run().exit_code == 0
    assert workshop.entries("crashed") == []


@pytest.mark.parametrize(
    "when",
    [
        "notebook_file.write_atomically = lambda path, data: die()",
        "notebook_file.move_if_absent = lambda old, new: die()",
        "notebook_file.move_if_absent = lambda old, new: (os.link(old, new), die())",
    ],
    ids=["before it is written", "before it has its name", "while it has two names"],
)
def test_a_runner_killed_while_it_closes_the_notebook(workshop: Workshop, when: str) -> None:
    """The next run gives the notebook its final name and status; the ledger has its hash."""
    before = workshop.set_watermark(datetime(2026, 11, 20, tzinfo=UTC))
    workshop.notebook(SUMMARY, GLUE)
    assert workshop.script(f"{DRIVER}\n{when}\n{END}") == -9
    assert workshop.watermark_file.read_bytes() == before

    assert workshop.run().exit_code == 0

    (crashed,) = workshop.entries("crashed")
    (path,) = (workshop.home / "runs").glob(f"*/{crashed.run_id}.ipynb")
    assert crashed.facts["notebook_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert headline(workshop.notebooks()[crashed.run_id]).startswith("Crashed:")
    assert list((workshop.home / "runs").rglob("*.part")) == []


def test_a_notebook_put_beside_what_a_killed_run_left_is_not_adopted(workshop: Workshop) -> None:
    """A run leaves part and final file only as two names of one file. Here both stay, without a hash in the ledger."""
    workshop.notebook("print('so far')", KILL_NOW.format(kill=KILLS["both"]))
    is_killed(workshop, "both")
    (part,) = workshop.settings.runs.glob("*/*.part")
    final, left = part.with_suffix(""), part.read_bytes()
    final.write_bytes(left.replace(b"so far", b"FORGED"))
    workshop.notebook(SUMMARY, GLUE)

    assert workshop.run().exit_code == 0

    (crashed,) = workshop.entries("crashed")
    assert "notebook_sha256" not in crashed.facts
    assert "not overwritten" in crashed.facts["notebook_missing"]
    assert part.read_bytes() == left
    assert b"FORGED" in final.read_bytes()


def test_a_crashed_run_is_reported_once(workshop: Workshop) -> None:
    """Its notebook shows it at the top and marks the running cell; later runs do not change it."""
    workshop.notebook("print('so far')", KILL_NOW.format(kill=KILLS["both"]))
    is_killed(workshop, "both")
    started = workshop.last
    workshop.notebook(SUMMARY, GLUE)

    results = [workshop.run() for _ in range(2)]

    (crashed,) = workshop.entries("crashed")
    assert (crashed.run_id, crashed.facts["found_by"]) == (started.run_id, results[0].run_id)
    notebook = workshop.notebooks()[crashed.run_id]
    assert headline(notebook).startswith("Crashed:")
    states = [cell.metadata.papermill.status for cell in notebook.cells if cell.cell_type == "code"]
    assert states == ["completed", "completed", "completed", "failed"]
    assert "so far" in str(notebook)
