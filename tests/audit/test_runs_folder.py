"""The folder of the runs: each notebook is intact, and other files are named."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.audit import runs_folder
from futurscam_lib.audit.prune import prune
from futurscam_lib.audit.runs_folder import check_notebook, notebook_path
from futurscam_lib.errors import UsageError
from tests.audit.made_log import NOW, RUNS, T0, look, serious
from tests.made_runs import executed

if TYPE_CHECKING:
    from tests.made_runs import MadeRuns


def test_a_notebook_edited_by_one_character(log: MadeRuns) -> None:
    """The notebook is named, with the line that says what it was."""
    path = log.path(log.made[1])
    path.write_bytes(path.read_bytes().replace(b"5 rows", b"6 rows"))

    ((place, what),) = serious(log)
    assert place == f"runs/2026-11/{log.made[1]}.ipynb"
    assert "line 4 of the ledger" in what


def test_a_notebook_deleted(log: MadeRuns) -> None:
    """The notebook is named."""
    log.path(log.made[2]).unlink()

    ((place, what),) = serious(log)
    assert place == f"runs/2026-11/{log.made[2]}.ipynb"
    assert what == "It is missing; line 6 of the ledger has the hash of what the run left."


@pytest.mark.parametrize(
    "name",
    [
        "2026-11/20261102T093000Z-abcdef.ipynb",
        "20261102T093000Z-abcdef.ipynb",
        "x/y.txt",
        "html/x.html",
        "x.part",
    ],
)
def test_a_foreign_file_added(log: MadeRuns, name: str) -> None:
    """It is named, in any folder."""
    (log.settings.runs / name).parent.mkdir(exist_ok=True)
    (log.settings.runs / name).write_bytes(executed("ok", {}))

    assert serious(log) == [(f"runs/{name}", "No run left this file; somebody else put it here.")]


def test_what_belongs_there_is_not_foreign(log: MadeRuns) -> None:
    """Pages of runs, the review, what systems and kills leave."""
    runs = log.settings.runs
    (runs / "html").mkdir()
    for name in ("review.html", f"html/{log.made[0]}.html", "2026-11/Thumbs.db", ".gitkeep", "ledger.jsonl.lock"):
        (runs / name).write_text("")
    assert look(log).findings == []

    (runs / "2026-11" / ".x.ipynb.0123abcd.tmp").write_text("")
    (runs / ".ipynb_checkpoints").mkdir()
    (runs / ".ipynb_checkpoints" / "x-checkpoint.ipynb").write_text("")
    assert [one.serious for one in look(log).findings] == [False, False]


@pytest.mark.parametrize("status", ["failed", "timed out", "crashed"])
def test_a_run_that_could_keep_no_notebook(log: MadeRuns, status: str) -> None:
    """It is reported, and nothing counts as missing."""
    log.add(T0 + timedelta(hours=RUNS), status=status, notebook=b"")

    (finding,) = look(log).findings
    assert not finding.serious
    assert "could not keep its notebook" in finding.what


def test_notebooks_that_are_pruned_meanwhile(log: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are gone, and the ledger has recorded it after it was read."""
    real = runs_folder.check_folder

    def meanwhile(*asked: Any, **more: Any) -> Any:
        prune(log.settings, keep=timedelta(days=1), keep_failed=timedelta(days=1), now=NOW, started_by="x")
        return real(*asked, **more)

    monkeypatch.setattr("futurscam_lib.audit.verify.check_folder", meanwhile)

    assert look(log).findings == []
    assert not log.path(log.made[0]).exists()


def test_a_file_that_another_program_opens_for_a_moment(log: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: it is tried again."""
    taken: set[str] = set()
    opened = Path.open

    def now_and_then(path: Path, *asked: Any, **more: Any) -> Any:
        if path.suffix in {".head", ".ipynb"} and path.name not in taken:
            taken.add(path.name)
            raise PermissionError(13, "in use")
        return opened(path, *asked, **more)

    monkeypatch.setattr(Path, "open", now_and_then)

    assert look(log).findings == []
    assert len(taken) == RUNS + 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a file system with pipes")
def test_a_pipe_in_place_of_a_notebook(log: MadeRuns) -> None:
    """It is named, and nothing waits for its content."""
    log.path(log.made[0]).unlink()
    os.mkfifo(log.path(log.made[0]))

    assert "it is not a file" in serious(log)[0][1]


def test_a_part_beside_a_notebook_that_is_complete(log: MadeRuns) -> None:
    """No run leaves both."""
    path = log.path(log.made[0])
    path.with_name(f"{path.name}.part").write_bytes(b"{}")

    assert [place for place, _ in serious(log)] == [f"runs/2026-11/{path.name}.part"]


def test_a_notebook_put_where_the_run_kept_none(log: MadeRuns) -> None:
    """The ledger records no notebook, so no run left it."""
    name = log.add(T0 + timedelta(hours=RUNS), status="failed", notebook=b"")
    log.path(name).write_bytes(executed("failed", {}))

    line = 2 * RUNS + 2
    assert serious(log) == [
        (
            f"runs/2026-11/{name}.ipynb",
            f"The run kept no notebook (line {line} of the ledger), so somebody else put this here.",
        )
    ]


def test_a_notebook_of_a_run_without_an_end_is_a_note(log: MadeRuns) -> None:
    """A kill between the notebook and the line that tells of it leaves that."""
    log.add(T0 + timedelta(hours=RUNS), status="unfinished")

    assert look(log).serious == []


def test_a_link_in_place_of_a_notebook(log: MadeRuns, tmp_path: Path) -> None:
    """Even with the same bytes: they can be changed at any time."""
    path = log.path(log.made[0])
    path.rename(tmp_path / "moved.ipynb")
    try:
        path.symlink_to(tmp_path / "moved.ipynb")
    except OSError:
        pytest.skip("Windows lets not everybody make links.")

    assert serious(log) == [(f"runs/2026-11/{path.name}", "It is a link; runs leave no links.")]


@pytest.mark.parametrize("pruned", [True, False])
def test_a_notebook_that_goes_while_it_is_looked_at(
    log: MadeRuns, monkeypatch: pytest.MonkeyPatch, *, pruned: bool
) -> None:
    """The folder named it, and it could not be opened any more: as missing as one that the folder did not name."""
    real = runs_folder._files

    def named(runs: Path) -> Any:
        listed = list(real(runs))
        if pruned:
            prune(log.settings, keep=timedelta(days=1), keep_failed=timedelta(days=1), now=NOW, started_by="x")
        else:
            log.path(log.made[0]).unlink()
        return listed

    monkeypatch.setattr(runs_folder, "_files", named)

    assert [what.partition(";")[0] for _, what in serious(log)] == ([] if pruned else ["It is missing"])


def test_folders_in_folders_without_end(log: MadeRuns) -> None:
    """They are named where they are deeper than any that a run leaves, and nothing breaks."""
    deep = log.settings.runs
    for _ in range(100):
        deep /= "d"
    deep.mkdir(parents=True)

    assert serious(log) == [("runs/d/d/d/d/d/d/d/d/d", "No run left this file; somebody else put it here.")]


@pytest.mark.parametrize("name", ["", "..", "../x.ipynb", "/x.ipynb", "x/../../y", "a\0b"])
def test_a_path_where_no_run_writes(tmp_path: Path, name: str) -> None:
    """It is refused even if the ledger names it, and reported when its notebook is read."""
    with pytest.raises(UsageError, match="is not inside"):
        notebook_path(tmp_path, name)
    assert check_notebook(tmp_path, name, "", pruned=False).state == ("elsewhere" if name else "none")


def test_a_link_that_leads_to_itself(tmp_path: Path) -> None:
    """It is reported without an exception."""
    try:
        (tmp_path / "x.ipynb").symlink_to(tmp_path / "x.ipynb")
    except OSError:
        pytest.skip("Windows lets not everybody make links.")

    assert check_notebook(tmp_path, "x.ipynb", "", pruned=False).state in {"elsewhere", "unreadable"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a file system with pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """It can't be read; neither can a folder."""
    os.mkfifo(tmp_path / "x.ipynb")
    (tmp_path / "y.ipynb").mkdir()

    for name in ("x.ipynb", "y.ipynb"):
        seen = check_notebook(tmp_path, name, "", pruned=False)
        assert (seen.state, seen.problem) == ("unreadable", "it is not a file")
