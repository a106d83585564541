"""The files in JupyterLab: a folder to work in, and a read-only audit log."""

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

from futurscam_lib.lab.contents import HomeFiles

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
    "lab",
    "etl.ipynb",
    "link",
    "..",
    ".",
    "",
    "a",
)

any_path = st.lists(st.sampled_from(PARTS), max_size=5).map("/".join)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HomeFiles:
    """A home with one executed notebook and one working copy."""
    # Where Jupyter keeps which notebooks are trusted.
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    return made_in(tmp_path)


def made_in(folder: Path) -> HomeFiles:
    """Make such a home in this folder."""
    home = folder / "home"
    for entry in (home / "runs" / "2026-11", home / "lab"):
        entry.mkdir(parents=True)
    (home / RUN).write_text(NOTEBOOK, "utf-8")
    (home / "runs" / "ledger.jsonl").write_text("{}\n", "utf-8")
    (home / "lab" / "etl.ipynb").write_text(NOTEBOOK, "utf-8")
    return files_of(home)


def files_of(root: Path) -> HomeFiles:
    """The files of a home; deleted files are not moved to the user's trash."""
    return HomeFiles(root_dir=str(root), checkpoints_dir=str(root / "tmp" / "checkpoints"), delete_to_trash=False)


def got(request: Coroutine[Any, Any, Any]) -> Any:
    """The result of a request."""
    return asyncio.run(request)


def refused(request: Coroutine[Any, Any, Any]) -> bool:
    """Whether it is refused because it would change the audit log."""
    with pytest.raises(HTTPError) as raised:
        asyncio.run(request)
    return raised.value.status_code == 403 and "audit log" in str(raised.value.log_message)


def fingerprint(folder: Path) -> dict[str, str]:
    """Everything in a folder, with a hash of its content."""
    files_in_folder = {path: path.read_bytes() if path.is_file() else b"folder" for path in folder.rglob("*")}
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(data).hexdigest() for path, data in files_in_folder.items()
    }


def test_only_the_audit_log_is_read_only(files: HomeFiles) -> None:
    """An executed notebook opens and can be copied out of the log, alone or with its folder."""
    assert {entry["path"]: entry["writable"] for entry in got(files.get(""))["content"]} == {"lab": True, "runs": False}
    model = got(files.get(RUN, content=True, type="notebook"))
    assert (model["writable"], model["content"].cells[0].source) == (False, "# One run")

    assert got(files.copy(RUN, "lab"))["path"] == f"lab/{RUN.rpartition('/')[2]}"
    assert got(files.copy("runs/2026-11", "lab"))["path"] == "lab/2026-11"
    assert got(files.copy("runs/ledger.jsonl", "lab"))["path"] == "lab/ledger.jsonl"
    assert got(files.save(MODEL, "lab/2026-11/mine.ipynb"))["writable"]


def test_checkpoints_are_kept_outside_the_audit_log(files: HomeFiles, tmp_path: Path) -> None:
    """A working copy can be restored from one; an executed notebook cannot, not even through a link to the log."""
    home = tmp_path / "home"
    (home / "link").symlink_to(home / "runs", target_is_directory=True)
    before = fingerprint(home / "runs")

    got(files.save(MODEL, "lab/mine.ipynb"))
    (home / "lab" / "mine.ipynb").write_text("{}", "utf-8")
    [checkpoint] = got(files.list_checkpoints("lab/mine.ipynb"))
    got(files.restore_checkpoint(checkpoint["id"], "lab/mine.ipynb"))
    got(files.rename("lab/mine.ipynb", "lab/yours.ipynb"))
    got(files.delete("lab/yours.ipynb"))
    for path in (RUN, RUN.replace("runs", "link", 1)):
        got(files.create_checkpoint(path))
        assert refused(files.restore_checkpoint("checkpoint", path))
        got(files.delete_checkpoint("checkpoint", path))
    with suppress(HTTPError):
        got(files.create_checkpoint("link/.."))

    assert {path.name for path in (home / "lab").iterdir()} == {"etl.ipynb"}
    assert fingerprint(home / "runs") == before


def test_links_do_not_allow_writing_in_the_log(files: HomeFiles, tmp_path: Path) -> None:
    """Links to its folder, to its notebooks and out of it, and a log that is itself a link."""
    home, lab = tmp_path / "home", tmp_path / "home" / "lab"
    (home / "runs").rename(tmp_path / "disk")
    (home / "runs").symlink_to(tmp_path / "disk", target_is_directory=True)
    (lab / "link").symlink_to(tmp_path / "disk", target_is_directory=True)
    (lab / "link.ipynb").symlink_to(home / RUN)
    (tmp_path / "disk" / "out.ipynb").symlink_to(lab / "etl.ipynb")
    before = fingerprint(tmp_path / "disk")
    through = f"lab/link/{RUN.removeprefix('runs/')}"

    assert not got(files.get(through))["writable"]
    assert not got(files.get("lab/link.ipynb"))["writable"]
    for path in (RUN, through, "lab/link.ipynb", "lab/link/new.ipynb", "lab/link/../../runs/x.ipynb", "runs/out.ipynb"):
        assert refused(files.save(MODEL, path)), path
        assert refused(files.delete(path)), path
        assert refused(files.rename("lab/etl.ipynb", path)), path
    assert fingerprint(tmp_path / "disk") == before
    assert (lab / "etl.ipynb").read_text("utf-8") == NOTEBOOK


def test_the_log_of_a_nested_home_is_read_only(files: HomeFiles, tmp_path: Path) -> None:
    """As for the demo: its folder cannot be renamed or deleted, its other files can."""
    assert files
    (tmp_path / "home").rename(tmp_path / "demo")
    outer = files_of(tmp_path)
    before = fingerprint(tmp_path / "demo" / "runs")

    for path in (f"demo/{RUN}", "demo/runs/new.ipynb", "demo/runs"):
        assert refused(outer.save(MODEL, path)), path
        assert refused(outer.delete(path)), path
        assert refused(outer.rename(path, "lab2")), path
    assert refused(outer.rename("demo", "demo2"))
    assert refused(outer.delete("demo"))
    assert fingerprint(tmp_path / "demo" / "runs") == before
    assert got(outer.save(MODEL, "demo/new.ipynb"))["writable"]


def test_case_is_ignored_on_windows(files: HomeFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`RUNS/` is `runs/`, even before it exists."""
    monkeypatch.setattr(os.path, "normcase", ntpath.normcase)
    assert refused(files.save(MODEL, "Runs/new.ipynb"))
    assert not (tmp_path / "home" / "Runs").exists()


def test_reading_a_torn_notebook_repairs_nothing(files: HomeFiles, tmp_path: Path) -> None:
    """By default Jupyter replaces a notebook that does not parse by the temporary file in its folder."""
    torn = tmp_path / "home" / RUN
    torn.write_bytes(b'{"cells": [')
    (torn.parent / f".~{torn.name}").write_text(NOTEBOOK, "utf-8")
    before = fingerprint(tmp_path / "home" / "runs")

    with pytest.raises(HTTPError, match="Unreadable Notebook"):
        got(files.get(RUN))

    assert fingerprint(tmp_path / "home" / "runs") == before


def test_a_folder_is_not_copied_into_itself(files: HomeFiles, tmp_path: Path) -> None:
    """Jupyter alone would copy it endlessly; a copy next to the folder is allowed."""
    (tmp_path / "home" / "lab" / "a").mkdir()

    for place in ("lab", "lab/a", "lab/a/new"):
        with pytest.raises(HTTPError, match="cannot be copied into itself"):
            got(files.copy("lab", place))
    assert got(files.copy("lab", ""))["path"] == "lab-Copy1"


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["save", "upload", "folder", "untitled", "copy", "rename", "delete", "keep", "restore", "forget"]),
    any_path,
    any_path,
)
@pytest.mark.usefixtures("files")  # Its data folder of Jupyter, for all examples.
def test_no_request_changes_the_log(tmp_path: Path, what: str, path: str, other: str) -> None:
    """Any request with any paths leaves the log unchanged, byte by byte."""
    # What one example leaves must not be there for the next.
    here = Path(tempfile.mkdtemp(dir=tmp_path))
    files, home = made_in(here), here / "home"
    log, demo = home / "runs", home / "demo" / "runs"
    demo.mkdir(parents=True)
    (demo / "ledger.jsonl").write_text("{}\n", "utf-8")
    (home / "link").symlink_to(log, target_is_directory=True)
    text = {"type": "file", "format": "text", "content": "x"}
    request = {
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
    before = fingerprint(log), fingerprint(demo)
    with suppress(HTTPError, OSError):  # Refused, or about something that is not there.
        asyncio.run(request[what]())
    assert (fingerprint(log), fingerprint(demo)) == before
