"""What the ledger records about the software and the machine, and the names of runs."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from futurscam_lib import run_ids
from futurscam_lib.runner import run_start, source_notebook
from futurscam_lib.settings import SHIPPED_NOTEBOOKS

if TYPE_CHECKING:
    from pathlib import Path

T0 = datetime(2026, 11, 23, 13, 25, 1, 223_456, tzinfo=UTC)


def git(folder: Path, *arguments: str) -> str:
    """Git, as somebody who has no settings of their own."""
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *who, *arguments], capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.strip()


def test_the_commit_that_is_checked_out(tmp_path: Path) -> None:
    """Forty digits whatever tags there are, `-dirty` where a file differs, None without git or before a commit."""
    assert run_start.git_commit(tmp_path) is None
    git(tmp_path, "init")
    assert run_start.git_commit(tmp_path) is None
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "tag", "-a", "v1", "-m", "v1")
    commit = git(tmp_path, "rev-parse", "HEAD")

    assert run_start.git_commit(tmp_path) == commit
    (tmp_path / "file").write_text("2")
    assert run_start.git_commit(tmp_path) == f"{commit}-dirty"


def test_without_the_git_program_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run does not fail for want of it."""
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", "")

    assert run_start.git_commit(tmp_path) is None


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there has its version."""
    monkeypatch.setattr(run_start, "_PACKAGES", ("pymongo", "no-such-package"))

    facts = run_start.RunStart(SHIPPED_NOTEBOOKS / "etl.ipynb", {"dry_run": True}, watermark=T0).facts()

    assert list(facts["packages"]) == ["pymongo"]
    assert facts["code"]["shipped"] is True
    assert facts["watermark"] == {"before": "2026-11-23T13:25:01.223456+00:00"}


def test_another_notebook_than_the_shipped_one_is_recorded(tmp_path: Path) -> None:
    """One cell more, or another parameter, makes it another; outputs and metadata do not."""
    shipped = (SHIPPED_NOTEBOOKS / "etl.ipynb").read_bytes()
    notebook = tmp_path / "etl.ipynb"
    for data, same in (
        (shipped, True),
        (shipped.replace(b'"outputs": []', b'"outputs": [ ]'), True),
        (shipped.replace(b"dry_run: bool = True", b"dry_run: bool = False"), False),
        (b"{}", False),
    ):
        notebook.write_bytes(data)
        facts = source_notebook.code_facts(notebook)
        assert facts["shipped"] is same
        assert facts["notebook_sha256"] == hashlib.sha256(data).hexdigest()


def test_uncommitted_code_is_recorded(tmp_path: Path) -> None:
    """A changed module, a new one, and a changed notebook; not what lies elsewhere; None without git."""
    assert source_notebook.has_uncommitted_code(tmp_path) is None
    git(tmp_path, "init")
    for folder in ("futurscam_lib", "notebooks", "docs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("committed", "utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "All")
    (tmp_path / "docs" / "file").write_text("changed", "utf-8")
    assert source_notebook.has_uncommitted_code(tmp_path) is False

    for path in ("futurscam_lib/new.py", "notebooks/file"):
        (tmp_path / path).write_text("changed", "utf-8")
        assert source_notebook.has_uncommitted_code(tmp_path) is True
        git(tmp_path, "stash", "-u")


def test_run_ids_sort_by_time_and_are_unique() -> None:
    """Two runs of one second get different names; a later run sorts behind."""
    first, second, later = (run_ids.new_run_id(T0 + timedelta(seconds=late)) for late in (0, 0, 1))

    assert first != second
    assert max(first, second) < later
    assert first.startswith("20261123T132501Z-")
    assert len(first) == len("20261123T132501Z-3f9a1c")


@pytest.mark.parametrize("given", ["20261123T132501Z-3f9a1c", "interactive-20261123T132501Z-3f9a1c"])
def test_a_run_by_hand_is_named_so_once(given: str) -> None:
    """Whatever it was called, and it is never taken for a supervised one."""
    assert run_ids.by_hand(given, now=T0) == "interactive-20261123T132501Z-3f9a1c"
    assert run_ids.by_hand("", now=T0).startswith("interactive-20261123T132501Z-")


def test_started_by_works_without_a_user_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account may have no name."""

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nobody)

    assert run_ids.started_by().startswith("somebody on ")
