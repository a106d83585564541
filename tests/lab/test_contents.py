"""The files that JupyterLab shows: a folder to work in, and an audit log that nothing there can change."""

from __future__ import annotations

import asyncio
import hashlib
import ntpath
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tornado.web import HTTPError

from futurscam_lib.lab.contents import DeskFiles

if TYPE_CHECKING:
    from collections.abc import Coroutine

RUN = "runs/2026-11/20261123T132501Z-3f9a1c.ipynb"
NOTEBOOK = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# One run", id="title")]))
MODEL = {"type": "notebook", "content": nbformat.reads(NOTEBOOK, as_version=4)}
PARTS = (
    "runs",
    "RUNS",
    "demo",
    "2026-11",
    "20261123T132501Z-3f9a1c.ipynb",
    "notebooks",
    "etl.ipynb",
    "link",
    "..",
    ".",
    "",
    "a",
)

any_path = st.lists(st.sampled_from(PARTS), max_size=5).map("/".join)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeskFiles:
    """A project, and a home elsewhere with one executed notebook."""
    # Where Jupyter keeps which notebooks are trusted.
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    return made_in(tmp_path)


def made_in(folder: Path) -> DeskFiles:
    """The same below any folder."""
    log, notebooks = folder / "home" / "runs", folder / "project" / "notebooks"
    for one in (log / "2026-11", notebooks, folder / "project" / "runs"):
        one.mkdir(parents=True)
    (log / RUN.removeprefix("runs/")).write_text(NOTEBOOK, "utf-8")
    (log / "ledger.jsonl").write_text("{}\n", "utf-8")
    (notebooks / "etl.ipynb").write_text(NOTEBOOK, "utf-8")
    return files_of(folder / "project", log)


def files_of(root: Path, log: Path) -> DeskFiles:
    """Nothing goes to the trash of whoever tests."""
    return DeskFiles(root_dir=str(root), runs=str(log), delete_to_trash=False)


def got(asked: Coroutine[Any, Any, Any]) -> Any:
    """The answer."""
    return asyncio.run(asked)


def refused(asked: Coroutine[Any, Any, Any]) -> bool:
    """Whether it is refused because it would change the audit log."""
    with pytest.raises(HTTPError) as raised:
        asyncio.run(asked)
    return raised.value.status_code == 403 and "audit log" in str(raised.value.log_message)


def fingerprint(folder: Path) -> dict[str, str]:
    """Everything in a folder, by what it holds."""
    found = {path: path.read_bytes() if path.is_file() else b"folder" for path in folder.rglob("*")}
    return {path.relative_to(folder).as_posix(): hashlib.sha256(data).hexdigest() for path, data in found.items()}


def test_the_runs_of_a_home_elsewhere_are_shown_as_runs(files: DeskFiles) -> None:
    """The folder beside the notebooks is the home's, not the one that lies there; its notebooks open."""
    listed = {one["path"]: one["writable"] for one in got(files.get(""))["content"]}
    assert listed == {"notebooks": True, "runs": False}

    runs = got(files.get("/runs"))
    assert (runs["name"], runs["path"], runs["type"]) == ("runs", "runs", "directory")
    assert {one["path"] for one in runs["content"]} == {"runs/2026-11", "runs/ledger.jsonl"}
    model = got(files.get(RUN, content=True, type="notebook"))
    assert (model["path"], model["writable"]) == (RUN, False)
    assert model["content"].cells[0].source == "# One run"
    assert (got(files.file_exists(RUN)), got(files.dir_exists("runs/2026-11")), files.exists(RUN)) == (True, True, True)
    assert not got(files.is_hidden(RUN))
    assert got(files.list_checkpoints(RUN)) == []


def test_a_copy_of_the_log_can_be_taken(files: DeskFiles) -> None:
    """A notebook or a folder of it, to work on."""
    assert got(files.copy(RUN, "notebooks"))["path"] == f"notebooks/{RUN.rpartition('/')[2]}"
    assert got(files.copy("runs/2026-11", "notebooks"))["path"] == "notebooks/2026-11"
    assert got(files.save(MODEL, "notebooks/2026-11/mine.ipynb"))["writable"]


def test_the_copy_is_checkpointed_and_restored(files: DeskFiles) -> None:
    """Outside of the log all is as ever."""
    got(files.save(MODEL, "notebooks/mine.ipynb"))
    [checkpoint] = got(files.list_checkpoints("notebooks/mine.ipynb"))
    got(files.restore_checkpoint(checkpoint["id"], "notebooks/mine.ipynb"))
    got(files.delete_checkpoint(checkpoint["id"], "notebooks/mine.ipynb"))
    got(files.create_checkpoint("notebooks/mine.ipynb"))
    got(files.rename("notebooks/mine.ipynb", "notebooks/yours.ipynb"))
    got(files.delete("notebooks/yours.ipynb"))
    assert {one["name"] for one in got(files.get("notebooks"))["content"]} == {"etl.ipynb"}
    assert got(files.copy("notebooks/etl.ipynb", ""))["path"] == "etl.ipynb"
    assert got(files.get(""))["writable"]


def test_links_into_the_log_do_not_help(files: DeskFiles, tmp_path: Path) -> None:
    """Neither a link to its folder nor one to a notebook; what is read through them is shown as read-only."""
    notebooks, log = tmp_path / "project" / "notebooks", tmp_path / "home" / "runs"
    (notebooks / "link").symlink_to(log, target_is_directory=True)
    (notebooks / "link.ipynb").symlink_to(log / RUN.removeprefix("runs/"))
    before = fingerprint(log)
    through = f"notebooks/link/{RUN.removeprefix('runs/')}"

    assert not got(files.get(through))["writable"]
    assert not got(files.get("notebooks/link.ipynb"))["writable"]
    for path in (through, "notebooks/link.ipynb", "notebooks/link/new.ipynb", "notebooks/link/../../runs/x.ipynb"):
        assert refused(files.save(MODEL, path)), path
        assert refused(files.delete(path)), path
        assert refused(files.create_checkpoint(path)), path
        assert refused(files.rename("notebooks/etl.ipynb", path)), path
    assert fingerprint(log) == before


def test_links_out_of_the_log_do_not_help(files: DeskFiles, tmp_path: Path) -> None:
    """What is called `runs/...` is not written, wherever it leads."""
    target = tmp_path / "project" / "notebooks" / "etl.ipynb"
    (tmp_path / "home" / "runs" / "out.ipynb").symlink_to(target)
    assert refused(files.save(MODEL, "runs/out.ipynb"))
    assert target.read_text("utf-8") == NOTEBOOK


def test_a_log_that_is_a_link_itself_is_protected_where_it_lies(files: DeskFiles, tmp_path: Path) -> None:
    """As where `runs` was moved to a larger disk."""
    assert files
    (tmp_path / "disk").symlink_to(tmp_path / "home" / "runs", target_is_directory=True)
    (tmp_path / "project" / "notebooks" / "link").symlink_to(tmp_path / "home" / "runs", target_is_directory=True)
    moved = files_of(tmp_path / "project", tmp_path / "disk")
    assert refused(moved.save(MODEL, "notebooks/link/new.ipynb"))
    assert refused(moved.save(MODEL, "runs/new.ipynb"))


def test_a_folder_above_the_log_is_not_moved(tmp_path: Path, files: DeskFiles) -> None:
    """A home inside of the project takes its log along when it is renamed or deleted."""
    assert files
    inside = files_of(tmp_path, tmp_path / "home" / "runs")
    assert refused(inside.rename("home", "gone"))
    assert refused(inside.delete("home"))
    assert refused(inside.save(MODEL, "home/runs/new.ipynb"))
    assert got(inside.save(MODEL, "home/new.ipynb"))["path"] == "home/new.ipynb"


def test_any_folder_that_holds_a_ledger_is_a_log(files: DeskFiles, tmp_path: Path) -> None:
    """The demo's home lies inside the project, and so may others; its files besides the log are as ever."""
    log = tmp_path / "project" / "demo" / "runs"
    (log / "2026-11").mkdir(parents=True)
    (log / "2026-11" / "x.ipynb").write_text(NOTEBOOK, "utf-8")
    (log / "2026-11" / "torn.ipynb").write_bytes(b'{"cells": [')
    (log / "2026-11" / ".~torn.ipynb").write_text(NOTEBOOK, "utf-8")
    (log / "ledger.jsonl").write_text("{}\n", "utf-8")
    (tmp_path / "project" / "notebooks" / "link").symlink_to(log, target_is_directory=True)
    before = fingerprint(log)

    assert {one["writable"] for one in got(files.get("demo/runs"))["content"]} == {False}
    assert got(files.get("demo"))["writable"]
    assert not got(files.get("demo/runs/2026-11/x.ipynb"))["writable"]
    with pytest.raises(HTTPError, match="Unreadable Notebook"):
        got(files.get("demo/runs/2026-11/torn.ipynb"))
    for path in ("demo/runs/2026-11/x.ipynb", "demo/runs/new.ipynb", "demo/runs", "notebooks/link/2026-11/x.ipynb"):
        assert refused(files.save(MODEL, path)), path
        assert refused(files.delete(path)), path
        assert refused(files.rename(path, "notebooks/r2")), path
    assert refused(files.rename("demo", "demo2"))
    assert refused(files.delete("demo"))
    assert fingerprint(log) == before
    assert got(files.copy("demo/runs/2026-11/x.ipynb", "notebooks"))["path"] == "notebooks/x.ipynb"
    assert got(files.save(MODEL, "demo/new.ipynb"))["writable"]


def test_no_folder_is_made_a_log_by_mistake(files: DeskFiles, tmp_path: Path) -> None:
    """A ledger that is copied beside notebooks would lock them; one in the folder of the desk itself locks nothing."""
    text = {"type": "file", "format": "text", "content": "x"}
    for asked in (
        files.copy("runs/ledger.jsonl", "notebooks"),
        files.copy("notebooks/etl.ipynb", "notebooks/ledger.jsonl"),
        files.save(text, "notebooks/ledger.jsonl"),
        files.rename("notebooks/etl.ipynb", "notebooks/ledger.jsonl"),
    ):
        with pytest.raises(HTTPError, match="would make its folder an audit log"):
            got(asked)
    assert got(files.copy("runs/ledger.jsonl", "notebooks/copy.jsonl"))["path"] == "notebooks/copy.jsonl"

    (tmp_path / "project" / "ledger.jsonl").touch()
    (tmp_path / "ledger.jsonl").touch()
    assert got(files.save(MODEL, "notebooks/new.ipynb"))["writable"]


def test_letters_of_another_case_are_the_same_folder_on_windows(
    files: DeskFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`RUNS/` there is `runs/`, to be read and not to be written."""
    assert not files.exists(RUN.replace("runs", "RUNS"))
    monkeypatch.setattr(os.path, "normcase", ntpath.normcase)
    assert got(files.get(RUN.replace("runs", "RUNS")))["path"] == RUN
    assert refused(files.save(MODEL, "Runs/new.ipynb"))


def test_reading_a_torn_notebook_mends_nothing(files: DeskFiles, tmp_path: Path) -> None:
    """Jupyter puts a notebook's temporary file in its place when that one does not parse; in the log it stays torn."""
    log = tmp_path / "home" / "runs"
    torn = log / RUN.removeprefix("runs/")
    torn.write_bytes(b'{"cells": [')
    (torn.parent / f".~{torn.name}").write_text(NOTEBOOK, "utf-8")
    before = fingerprint(log)

    with pytest.raises(HTTPError, match="Unreadable Notebook"):
        got(files.get(RUN))

    assert fingerprint(log) == before


def test_a_folder_is_not_copied_into_itself(files: DeskFiles, tmp_path: Path) -> None:
    """Jupyter would go on until no path can be longer; a copy beside it is one."""
    (tmp_path / "project" / "notebooks" / "a").mkdir()

    for place in ("notebooks", "notebooks/a", "notebooks/a/new"):
        with pytest.raises(HTTPError, match="cannot be copied into itself"):
            got(files.copy("notebooks", place))
    assert got(files.copy("notebooks", ""))["path"] == "notebooks-Copy1"


def test_nothing_is_kept_beside_what_a_link_leads_to(files: DeskFiles, tmp_path: Path) -> None:
    """`link/..` is the folder above the log, and its checkpoint would lie in the log."""
    (tmp_path / "project" / "link").symlink_to(tmp_path / "home" / "runs", target_is_directory=True)

    assert refused(files.create_checkpoint("link/.."))
    assert sorted(one.name for one in (tmp_path / "home" / "runs").iterdir()) == ["2026-11", "ledger.jsonl"]


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["save", "upload", "folder", "untitled", "copy", "rename", "delete", "keep", "restore", "forget"]),
    any_path,
    any_path,
)
@pytest.mark.usefixtures("files")  # Its data folder of Jupyter, for all examples.
def test_whatever_is_asked_the_log_stays(tmp_path: Path, what: str, path: str, other: str) -> None:
    """Any request about any paths leaves the log as it was, byte by byte."""
    # What one example leaves must not be there for the next.
    here = Path(tempfile.mkdtemp(dir=tmp_path))
    files, project = made_in(here), here / "project"
    log, hidden, demo = here / "home" / "runs", project / "runs", project / "demo" / "runs"
    demo.mkdir(parents=True)
    (demo / "ledger.jsonl").write_text("{}\n", "utf-8")
    (project / "link").symlink_to(log, target_is_directory=True)
    text = {"type": "file", "format": "text", "content": "x"}
    asked = {
        "save": lambda: files.save(MODEL, path),
        "upload": lambda: files.save({**text, "chunk": -1}, path),
        "folder": lambda: files.save({"type": "directory"}, path),
        "untitled": lambda: files.new_untitled(path, type="notebook"),
        "copy": lambda: files.copy(path, other),
        "rename": lambda: files.rename(path, other),
        "delete": lambda: files.delete(path),
        "keep": lambda: files.create_checkpoint(path),
        "restore": lambda: files.restore_checkpoint("checkpoint", path),
        "forget": lambda: files.delete_checkpoint("checkpoint", path),
    }
    before = fingerprint(log), fingerprint(hidden), fingerprint(demo)
    with suppress(HTTPError, OSError):  # Refused, or about something that is not there.
        asyncio.run(asked[what]())
    assert (fingerprint(log), fingerprint(hidden), fingerprint(demo)) == before
