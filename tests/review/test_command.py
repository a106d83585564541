"""`futurscam review` in a real process with a real kernel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import nbformat

from futurscam_lib import clock
from tests.review.conftest import NOTEBOOK

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from futurscam_lib.settings import Settings
    from tests.made_runs import MadeRuns

HOUR = timedelta(hours=1)


def futurscam(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in its own process."""
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "futurscam_lib", *arguments],
        capture_output=True,
        encoding="utf-8",
        env=dict(os.environ),
        timeout=120,
        check=False,
    )


def files(home: Path) -> dict[str, bytes]:
    """All files in a home except its local server and logs."""
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_it_writes_one_page_and_the_pages_of_the_runs(made: MadeRuns) -> None:
    """All other files in the home are unchanged, and no temporary file is left."""
    now = clock.now().replace(minute=5)
    unknown = {"seniority: Guru": 2, "budgetInfo.minDailyRate: text read as a number": 7}
    names = [made.add(now - hour * HOUR, oddities=unknown) for hour in (30, 3, 2, 1)]
    home = made.settings.home
    before = files(home)

    done = futurscam("review", "--days", "1")

    assert done.returncode == 0, done.stderr
    after = files(home)
    new = {"runs/review.html", *(f"runs/html/{name}.html" for name in names[1:])}
    assert after.keys() - before.keys() == new
    assert {name: after[name] for name in before} == before
    page = after["runs/review.html"].decode()
    assert f'href="html/{names[1]}.html"' in page
    assert names[0] not in page
    assert "found.findings" not in page
    section = page[page.index("Unknown values") : page.index("From publication to load")]
    assert re.findall("<td[^>]*>([^<]*)</td>", section)[:4] == [
        *("budgetInfo.minDailyRate", "text read as a number", "21", "3")
    ]
    assert section.index("text read as a number") < section.index("Guru")
    heads, numbers = done.stdout.splitlines()[:2]
    assert heads.split()[:5] == ["runs", "ok", "failed", "dry", "unfinished"]
    assert numbers.split()[:5] == ["3", "3", "0", "0", "0"]
    assert str(home / "runs" / "review.html") in done.stdout
    assert done.stderr == ""
    assert "../runs/" not in page


def test_the_json_output(made: MadeRuns) -> None:
    """With --json stdout has one object: the period, counts, findings and the path of the page."""
    gone = made.add(clock.now() - HOUR)
    made.path(gone).unlink()

    done = futurscam("review", "--json")

    output = json.loads(done.stdout)
    assert (output["counts"]["runs"], output["counts"]["findings"], output["days"]) == (1, 1, 7.0)
    assert output["findings"][0]["what"] == "notebook missing"
    assert output["page"] == str(made.settings.runs / "review.html")


def test_a_database_that_does_not_answer_is_reported(made: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is still written; a line on stderr, a finding and a field name what is missing."""
    monkeypatch.setenv("MONGO_URI", "mongodb://127.0.0.1:9/")
    monkeypatch.setenv("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.2")
    made.add(clock.now() - HOUR)

    done = futurscam("review", "--json")

    output = json.loads(done.stdout)
    assert done.returncode == 0
    assert output["unanswered"].startswith("MongoDB could not be asked: ")
    assert [finding["what"] for finding in output["findings"]] == ["MongoDB not asked"]
    assert done.stderr.splitlines() == [output["unanswered"]]
    page = (made.settings.runs / "review.html").read_text("utf-8")
    assert page.count("Unknown. MongoDB could not be asked: ") == 2


def test_an_invalid_number_of_days_is_a_usage_error(home: Settings) -> None:
    """It is refused before a kernel starts, and nothing is written."""
    done = futurscam("review", "--days", "0")

    assert done.returncode == 2
    assert "0.0 days cannot be reviewed" in done.stderr
    assert "cell" not in done.stderr
    assert not home.runs.exists()


def test_a_failed_notebook_keeps_the_old_page(made: MadeRuns) -> None:
    """A home may have its own notebook; the error of the cell is reported without secrets."""
    own = made.settings.home / "notebooks"
    own.mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells[4].source = "raise RuntimeError('It broke here.')"
    nbformat.write(notebook, own / "review.ipynb")
    made.settings.runs.mkdir(exist_ok=True)
    (made.settings.runs / "review.html").write_text("the old one", "utf-8")

    done = futurscam("review")

    assert done.returncode == 1
    assert "RuntimeError: It broke here." in done.stderr
    assert "review.html was not changed" in done.stderr
    assert (made.settings.runs / "review.html").read_text("utf-8") == "the old one"
    assert not (made.settings.runs / "html").exists()


def test_a_notebook_without_the_scrap_is_reported(home: Settings) -> None:
    """A home's own notebook must end like the project's; the message says so."""
    own = home.home / "notebooks"
    own.mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = notebook.cells[:3]
    nbformat.write(notebook, own / "review.ipynb")

    done = futurscam("review")

    assert done.returncode == 2
    assert "without gluing 'review'" in done.stderr
    assert not (home.runs / "review.html").exists()


def test_a_folder_without_write_access_is_reported(made: MadeRuns) -> None:
    """A file in place of the folder of pages: the message has a remedy, and no traceback."""
    made.add(clock.now() - HOUR)
    (made.settings.runs / "html").write_text("a file", "utf-8")

    done = futurscam("review")

    assert done.returncode == 4
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (made.settings.runs / "review.html").exists()


def test_open_shows_it_in_the_browser(made: MadeRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The address of the page is passed to the system's browser."""
    output = tmp_path / "told"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{output}"\n', "utf-8")
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    made.add(clock.now() - HOUR)

    done = futurscam("review", "--open")

    assert done.returncode == 0, done.stderr
    assert output.read_text("utf-8") == (made.settings.runs / "review.html").as_uri()
