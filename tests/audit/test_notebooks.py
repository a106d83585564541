"""One notebook, and whether it is what its run left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from futurscam_lib.audit import notebooks
from futurscam_lib.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["", "..", "../x.ipynb", "/x.ipynb", "x/../../y", "a\0b"])
def test_a_place_where_no_run_writes(tmp_path: Path, name: str) -> None:
    """It is refused, whatever the ledger names, and told where a notebook is looked at."""
    with pytest.raises(UsageError, match="is not inside"):
        notebooks.place(tmp_path, name)
    assert notebooks.look(tmp_path, name, "", pruned=False).state == ("elsewhere" if name else "none")


def test_a_link_that_leads_to_itself(tmp_path: Path) -> None:
    """It is told, not raised."""
    try:
        (tmp_path / "x.ipynb").symlink_to(tmp_path / "x.ipynb")
    except OSError:
        pytest.skip("Windows lets not everybody make links.")

    assert notebooks.look(tmp_path, "x.ipynb", "", pruned=False).state in {"elsewhere", "unreadable"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a file system with pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """It can't be read; neither can a folder."""
    os.mkfifo(tmp_path / "x.ipynb")
    (tmp_path / "y.ipynb").mkdir()

    for name in ("x.ipynb", "y.ipynb"):
        seen = notebooks.look(tmp_path, name, "", pruned=False)
        assert (seen.state, seen.problem) == ("unreadable", "it is no file")
