"""`futurscam runs`, as it is typed."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import webbrowser
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from typer.testing import CliRunner

from futurscam_lib import clock
from futurscam_lib.audit.history import STATUSES
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.cli.runs import runs
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.report import tables
from tests.made_runs import counts
from tests.made_runs import executed as made_notebook

if TYPE_CHECKING:
    from pathlib import Path

    from futurscam_lib.settings import Settings
    from tests.made_runs import MadeRuns

T0 = clock.parse("2026-11-02T08:00:00Z")
HOUR = timedelta(hours=1)
HOSTILE = "\x1b[2J\x07<script>alert(1)</script>\n=HYPERLINK(1)"


def said(*arguments: str) -> str:
    """What a command of the group prints on stdout; what it raises."""
    result = CliRunner().invoke(runs, arguments, catch_exceptions=False, standalone_mode=False)
    assert result.exit_code == 0
    return result.stdout


def futurscam(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The whole command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "futurscam_lib", *arguments],
        capture_output=True,
        encoding="utf-8",
        env=os.environ.copy(),
        timeout=120,
        check=False,
    )


def listed(*arguments: str) -> list[str]:
    """The names of the runs that `list` gives, newest first."""
    return [run["run_id"] for run in json.loads(said("list", "--json", *arguments))]


def test_the_list(made: MadeRuns) -> None:
    """Newest first, with status, counts, sources and kind; `runs` alone is the same."""
    made.add(T0, sources={"folder": counts(inserted=3), "boond": counts(rejected=1)})
    made.add(T0 + HOUR, status="failed", error=HOSTILE, parameters={"dry_run": True})

    lines = said("list").splitlines()

    assert lines[0].split()[:3] == ["run", "started", "(UTC)"]
    assert lines[1].startswith(f"{made.made[1]}  2026-11-02 09:00  failed")
    assert "dry run  \ufffd[2J\ufffd<script>alert(1)</script> =HYPERLINK(1)" in lines[1]
    assert lines[2].startswith(f"{made.made[0]}  2026-11-02 08:00  ok")
    assert len(lines) == 3
    done = futurscam("runs")
    assert done.stdout == said("list")
    assert done.returncode == 0


def test_another_notebook_and_uncommitted_code_show(made: MadeRuns) -> None:
    """In the list and in one run; nothing where the ledger of an earlier version does not say."""
    code = {"notebook_sha256": "ab" * 32, "shipped": True, "uncommitted": False}
    older = made.add(T0)
    usual = made.add(T0 + HOUR, code=code)
    other = made.add(T0 + 2 * HOUR, code=code | {"shipped": False, "uncommitted": True})

    lines = said("list").splitlines()

    assert "other notebook, uncommitted code" in lines[1]
    assert not any("notebook" in line or "uncommitted" in line for line in lines[2:])
    assert "other notebook, uncommitted code" in said("show", other)
    assert "the shipped notebook" in said("show", usual)
    assert "shipped" not in said("show", older)


def test_filters(made: MadeRuns) -> None:
    """Status, period and source; the source of one that crashed is what it was asked to read."""
    names = [made.add(T0 + hour * HOUR, status=status) for hour, status in enumerate(STATUSES)]
    names.append(made.add(T0 + 5 * HOUR, parameters={"sources": "boond,graph_mail"}))

    assert listed("--status", "failed", "--status", "timed-out") == [names[2], names[1]]
    assert listed("--status", "unfinished") == [names[4]]
    assert listed("--since", "2026-11-02T12:00:00Z") == [names[5], names[4]]
    assert listed("--until", "2026-11-02T10:00:00Z") == [names[1], names[0]]
    assert listed("--source", "graph_mail") == [names[5]]
    assert listed("--source", "folder", "--status", "crashed") == [names[3]]
    assert futurscam("runs", "list", "--status", "fine").returncode == 2


def test_no_more_than_asked_for(made: MadeRuns) -> None:
    """A limit leaves out older ones and says so; `--all` shows all, also those behind the fiftieth."""
    for minute in range(60):
        made.add(T0 + timedelta(minutes=minute), notebook=b"")

    assert listed() == made.made[:39:-1]
    assert listed("--limit", "2") == made.made[:-3:-1]
    assert len(listed("--all")) == 60
    assert "There are older runs" in said("list")
    assert len(said("list", "--all").splitlines()) == 61
    assert "There are older" not in said("list", "--limit", "60")


def test_nothing_to_list(made: MadeRuns) -> None:
    """A home without runs and a filter without matches print a message; JSON is an empty list."""
    assert said("list") == "No run yet.\n"
    made.add(T0)
    assert said("list", "--source", "fax") == (
        "There is no source 'fax'; allowed: folder, graph_mail, imap_mail, boond.\n"
    )
    assert said("list", "--source", "boond").startswith("No run matches")
    assert said("list", "--source", "fax", "--json") == "[]\n"
    assert said("list", "--source", "fax", "--csv").count("\n") == 1
    with pytest.raises(UsageError, match="either"):
        said("list", "--csv", "--json")


def test_the_list_for_a_spreadsheet(made: MadeRuns) -> None:
    """One line a run, numbers as numbers; a text that would be calculated begins with an apostrophe."""
    made.add(T0, sources={"folder": counts(inserted=1234)}, seconds=1234.5)
    made.add(T0 + HOUR, status="failed", error='=cmd|" /C calc"!A0\n\x1b[2J', started_by="@me")

    newest, oldest = csv.DictReader(io.StringIO(said("list", "--csv")))

    assert newest["error"] == '\'=cmd|" /C calc"!A0 \ufffd[2J'
    assert newest["started_by"] == "'@me"
    assert (oldest["inserted"], oldest["seconds"]) == ("1234", "1234.5")
    assert oldest["started"] == "2026-11-02T08:00:00.000000+00:00"
    assert oldest["dry_run"] == "no"


def test_the_list_reads_no_more_than_it_shows(made: MadeRuns) -> None:
    """A ledger whose beginning was tampered with still lists its end: nothing before it was read."""
    for hour in range(40):
        made.add(T0 + hour * HOUR, notebook=b"")
    ledger = made.settings.ledger_file
    # More than one block of the ledger's reading lies between.
    ledger.write_bytes(b"{}\n" + ledger.read_bytes().split(b"\n", 1)[1])

    assert listed("--limit", "2") == made.made[:-3:-1]
    assert listed("--since", "2026-11-03T22:30:00Z") == [made.made[-1]]


def test_the_list_loads_no_more_than_it_needs(made: MadeRuns) -> None:
    """Neither pandas nor the driver of MongoDB nor papermill, each of which takes longer than the listing."""
    made.add(T0)
    env = {name: value for name, value in os.environ.items() if name != "MONGO_URI"}  # Its check loads the driver.
    code = (
        "import sys; from futurscam_lib.cli import app; sys.argv = ['futurscam', 'runs', 'list']\n"
        "try: app.main()\n"
        "finally: print(sorted({'pandas', 'pymongo', 'papermill', 'nbformat', 'nbdime'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, env=env)

    assert made.made[0] in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_invisible_changes_are_left_out(made: MadeRuns) -> None:
    """A run of an earlier version listed an empty list in place of nothing; both are shown as nothing."""
    about = {"job_id": "b", "reference": "S", "title": "T", "before": None}
    listed = [{**about, "field": "questions", "after": []}, {**about, "field": "metadata.seen", "after": False}]
    made.add(T0, scraps={"changes": {"total": 1, "listed": listed}})

    text = said("show", "last")

    assert "questions" not in text
    assert "metadata.seen" in text
    assert "1 changed field(s) are listed." in text


def test_one_run(made: MadeRuns) -> None:
    """Shows its facts, new documents, changes with old and new values, rejects with reasons; as text and JSON."""
    new = {"total": 30, "listed": [{"job_id": "a", "reference": "R", "title": HOSTILE, "company": None}]}
    change = {"job_id": "b", "reference": "S", "title": "T", "field": "company.city", "before": None, "after": "Gent"}
    reject = {"origin": "x.json", "line": 3, "column": None, "path": "id", "reason": "missing", "job_id": None}
    name = made.add(
        T0,
        scraps={
            "new": new,
            "changes": {"total": 1, "listed": [change]},
            "rejects": {"total": 1, "listed": [reject]},
        },
        sources={"folder": counts(inserted=30, updated=1, rejected=1)},
        reject_reasons={"missing id": 1},
        oddities={"seniority: Principal": 2},
        notes={"boond": ["3 rows.", "Warning: Nothing is open."]},
        failures={"boond": {"error": "Refused", "message": "The token was refused."}},
        closed=4,
        reopened=2,
    )

    text = said("show", "last")

    for part in (
        *(
            f"run {name}",
            "00:00:00.000000 UTC -> 2026-11-02 08:00:00.001000 UTC",
            "until open",
            "root on vm",
            "1f7239c",
            "It is what the run left",
        ),
        *("1 of 30 shown.", "\ufffd[2J\ufffd<script>alert(1)</script> =HYPERLINK(1)"),
        *("S          T      company.city        Gent", "x.json  3             id     missing"),
        *("Warning: boond: Nothing is open.\nboond: 3 rows.\n",),
        *(
            "missing id  1",
            "seniority: Principal  2",
            "The token was refused.",
            "4 mission(s) were closed, 2 reopened.",
            "papermill",
        ),
    ):
        assert part in text, part
    assert "\x1b" not in text
    output = json.loads(said("show", name[:12], "--json"))
    assert output["run_id"] == name
    assert output["executed"]["genuine"] is True
    assert output["executed"]["changes"]["listed"] == [change]
    assert output["executed"]["failed_cell"] is None


def test_the_cell_at_which_it_stopped(made: MadeRuns) -> None:
    """Its heading, its code and its error, of a run that failed; nothing in it steers the terminal."""
    notebook = nbformat.reads(made_notebook("failed", {}, code="run.load()", text="gone").decode(), as_version=4)
    work = next(index for index, cell in enumerate(notebook.cells) if cell.id == "work")
    notebook.cells.insert(work, nbformat.v4.new_markdown_cell("## Load\n\nWhat became of them?"))
    notebook.cells[work + 1].outputs[0].traceback = [*(f"frame {n}" for n in range(60)), "\x1b[31mRetryLater\x07: gone"]
    facts = {"error": "gone", "error_name": "RetryLater"}
    made.add(T0, status="failed", notebook=json.dumps(notebook).encode(), **facts)

    text = said("show", "last")

    assert "The cell that failed: Load\n\n    run.load()\n" in text
    assert "    ... 21 more lines\n" in text
    assert text.count("RetryLater") == 2  # The end of the traceback, and the error itself, which it does not hold.
    assert "Error: gone" in text
    assert "It lists no changes" in text
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize(
    ("status", "spoil", "words"),
    [
        ("ok", lambda path: path.unlink(), "It is missing"),
        ("ok", lambda path: path.write_bytes(b"{"), "It is torn"),
        ("ok", lambda path: path.write_bytes(path.read_bytes() + b"\n"), "It is not what the run left"),
        ("crashed", lambda path: path, "killed; detected 2026-11-02 09:00:00"),
        ("unfinished", lambda path: path, "the ledger has no end of it"),
    ],
)
def test_a_broken_notebook_is_explained_in_a_sentence(made: MadeRuns, status: str, spoil: Any, words: str) -> None:
    """`show` prints the ledger's facts whatever happened to the notebook."""
    spoil(made.path(made.add(T0, status=status, scraps={"new": {"total": 0, "listed": []}})))

    text = said("show", "last")

    assert "New documents" not in text
    assert words in text
    assert made.made[0] in text


def test_the_difference(made: MadeRuns) -> None:
    """Only what differs, hostile text as text; the same run does not differ from itself."""
    made.add(T0, parameters={"watermark": "a"}, sources={"folder": counts(inserted=1)})
    other = made_notebook("ok", {}, code=HOSTILE)
    made.add(T0 + HOUR, parameters={"watermark": "b", "sources": HOSTILE}, packages={}, notebook=other)

    text = said("diff", *made.made)

    assert [line.split() for line in text.splitlines()[1:3]] == [
        ["parameters", "sources", "folder", "\ufffd[2J\ufffd<script>alert(1)</script>", "=HYPERLINK(1)"],
        ["parameters", "watermark", "a", "b"],
    ]
    assert "Cell work, changed:\n    @@ -1 +1,2 @@\n    -run.reconcile()\n    +\ufffd<script>" in text
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "seconds" not in text
    output = json.loads(said("diff", *made.made, "--json"))
    assert output["facts"][1] == {"part": "parameters", "name": "watermark", "first": "a", "second": "b"}
    assert said("diff", "last", "last").startswith("Nothing differs between")


def test_the_difference_of_notebooks(made: MadeRuns) -> None:
    """Line by line, without colours where nobody watches; what cannot be compared is refused."""
    made.add(T0, notebook=made_notebook("ok", {}, text="5 rows"))
    made.add(T0 + HOUR, notebook=made_notebook("ok", {}, text="\x1b[31m6 rows"))

    text = said("diff", *made.made, "--notebook")

    assert "-  5 rows\n+  6 rows" in text
    assert "\x1b" not in text
    assert said("diff", "last", "last", "--notebook") == "Their sources and outputs do not differ.\n"
    made.path(made.made[0]).write_text('{"cells": [{"cell_type": "x", "source": ""}]}', "utf-8")
    with pytest.raises(UsageError, match="not a notebook"):
        said("diff", *made.made, "--notebook")
    made.path(made.made[0]).unlink()
    with pytest.raises(UsageError, match="It is missing"):
        said("diff", *made.made, "--notebook")
    with pytest.raises(UsageError, match="either"):
        said("diff", *made.made, "--notebook", "--json")


def test_names_that_do_not_match_one_run(made: MadeRuns) -> None:
    """A name without a run, or with several, ends with exit code 2 and a hint."""
    made.add(T0)
    made.add(T0 + HOUR)

    unknown = futurscam("runs", "show", "2025")
    several = futurscam("runs", "show", "2026")

    assert (unknown.returncode, several.returncode) == (2, 2)
    assert "futurscam runs list" in unknown.stderr
    assert made.made[0] in several.stderr


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What was opened, in place of a JupyterLab and a browser."""
    calls: list[Any] = []
    page = tmp_path / "page.html"

    def ensure(_settings: Settings, run: Any) -> Path:
        calls.append(run.run_id)
        return page

    def open_notebook(_settings: Settings, path: Path, *, browse: bool) -> None:
        calls.append((path, browse))

    for name, function in (("review.run_page", ensure), ("lab.lab", open_notebook)):
        module = ModuleType(f"futurscam_lib.{name}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        package = sys.modules.get(f"futurscam_lib.{name.partition('.')[0]}")
        if package is not None:
            monkeypatch.setattr(package, name.partition(".")[2], module, raising=False)
    monkeypatch.setattr(webbrowser, "open", calls.append)
    return calls


def test_opening(made: MadeRuns, opened: list[Any], tmp_path: Path) -> None:
    """In JupyterLab, or as a page in the browser; where it is is printed in any case."""
    name = made.add(T0)
    page = tmp_path / "page.html"

    assert said("open", "last") == f"{made.path(name)}\n"
    assert said("open", "last", "--html") == f"{page}\n"
    assert opened == [(made.path(name), True), name, page.as_uri()]
    opened.clear()
    assert said("open", "last", "--no-browser") == f"{made.path(name)}\n"
    assert said("open", "last", "--html", "--no-browser") == f"{page}\n"
    assert opened == [name]


@pytest.mark.parametrize("kind", [(), ("--html",)])
def test_what_cannot_be_opened(made: MadeRuns, opened: list[Any], kind: tuple[str, ...]) -> None:
    """A pruned or missing notebook is reported; nothing is opened."""
    old = made.add(T0)
    name = made.path(old).relative_to(made.settings.runs).as_posix()
    Ledger(made.settings.ledger_file).append("pruned", at=T0, run_id="", facts={"notebooks": {name: "0" * 64}})
    made.path(old).unlink()
    missing = made.add(T0 + HOUR)
    made.path(missing).unlink()

    with pytest.raises(UsageError, match="because of its age"):
        said("open", old, *kind)
    with pytest.raises(UsageError, match="It is missing"):
        said("open", missing, *kind)
    assert opened == []


def test_counts_that_are_not_numbers(made: MadeRuns) -> None:
    """A home's own notebook may glue anything as its reasons and odd words."""
    made.add(T0, reject_reasons={"a": "b", "two": 2}, oddities={"x": None, "y": [1]})

    shown = said("show", "last")

    assert "two     2" in shown
    assert "vocabulary" not in shown


def test_a_page_that_cannot_be_written(made: MadeRuns) -> None:
    """A file where the folder of the pages should be: what to do is said."""
    made.add(T0)
    (made.settings.runs / "html").touch()

    with pytest.raises(OperatorMustAct, match=r"could not be written in .* \(File exists\)"):
        said("open", "last", "--html", "--no-browser")


def test_long_errors_end_where_the_terminal_does(made: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a line of the table stays a line."""
    from futurscam_lib.audit.history import History
    from futurscam_lib.cli import run_list

    made.add(T0, status="failed", error="x" * 500)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    text = repr(run_list.table(list(History.of(made.settings).newest())))

    assert max(map(len, text.splitlines())) == 199
    assert text.endswith("x…")
    assert tables.MAX_TEXT > 24


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_narrow_terminal_leaves_columns_out_and_says_so(
    made: MadeRuns, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """What tells a bad run from a good one stays longest, what is empty needs no word; no line is folded."""
    from futurscam_lib.audit.history import History
    from futurscam_lib.cli import run_list

    made.add(T0, sources={"folder": counts(inserted=3, rejected=2)})
    made.add(T0 + HOUR, status="failed", error="The source does not answer. " * 20)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    lines = repr(run_list.table(list(History.of(made.settings).newest()))).splitlines()

    assert max(map(len, lines)) < width
    heads = lines[0].split()
    assert {"run", "status", "extracted", "rejected", "error"} <= set(heads)
    assert "kind" not in heads
    left_out = [name for name in ("started", "inserted", "seconds", "sources") if name not in heads]
    assert all(name in lines[-1] for name in left_out)
    assert (len(lines) == 4) is bool(left_out)
