"""CONTRIBUTING.md and docs/ARCHITECTURE.md: their links work, and they describe every folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from futurscam_lib import settings
from futurscam_lib.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

CONTRIBUTING = settings.PROJECT / "CONTRIBUTING.md"
ARCHITECTURE = settings.PROJECT / "docs" / "ARCHITECTURE.md"


@pytest.mark.parametrize("document", [CONTRIBUTING, ARCHITECTURE], ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Files and folders that are linked to exist."""
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text("utf-8"))

    assert len(targets) > 20
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_each_folder_has_a_line() -> None:
    """The table names each folder of the package."""
    rooms = {path.parent.name for path in (settings.PROJECT / "futurscam_lib").glob("*/__init__.py")}

    assert set(re.findall(r"^\| \[(\w+)/\]", ARCHITECTURE.read_text("utf-8"), re.MULTILINE)) == rooms


def test_each_promise_has_a_test() -> None:
    """All thirteen, in their order."""
    rows = re.findall(r"^\| (\d+) \| .+ \| (.+) \|$", ARCHITECTURE.read_text("utf-8"), re.MULTILINE)

    assert [int(number) for number, _ in rows] == list(range(1, 14))
    assert all("../tests/" in proof for _, proof in rows)


@pytest.mark.parametrize(
    ("document", "row"),
    [("README.md", r"^\| (\d) \| (.+?)(?: \(.+\))? \|$"), ("run_etl.ps1", r"^    (\d)  (.+?)(?:, or .venv.+)?\r?$")],
)
def test_exit_codes_are_listed(document: str, row: str) -> None:
    """Each, with its meaning."""
    text = (settings.PROJECT / document).read_bytes().decode("utf-8")

    listed = [(int(number), meaning) for number, meaning in re.findall(row, text, re.MULTILINE)]

    assert listed == [(int(code), code.meaning) for code in ExitCode]
