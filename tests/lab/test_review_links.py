"""The review in JupyterLab: its links open the executed notebooks."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from futurscam_lib import clock, settings
from futurscam_lib.load import local_server
from futurscam_lib.settings import PROJECT
from tests.browser import chromium
from tests.lab.lab_server import Lab, environment
from tests.made_runs import MadeRuns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.settings import Settings


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Settings]:
    """A home with notebooks of its own and without MONGO_URI; its MongoDB is ended."""
    of_home = settings.load(environment(tmp_path, FUTURSCAM_HOME=str(tmp_path / "home"), MONGO_URI=""))
    shutil.copytree(PROJECT / "notebooks", of_home.home / "notebooks")
    yield of_home
    local_server.stop(of_home)


def test_a_run_in_the_review_opens_its_executed_notebook(configured: Settings, tmp_path: Path) -> None:
    """A click on its name shows the notebook that it left, in a tab of its own beside the review."""
    made = MadeRuns(configured, clock.parse("2026-11-23T00:00:00Z"))
    run_id = made.add(clock.parse("2026-11-23T13:25:01Z"))
    path = configured.home / "notebooks" / "review.ipynb"
    lab = Lab.start("review", env=environment(tmp_path, FUTURSCAM_HOME=str(configured.home), MONGO_URI=""))
    try:
        changed = ('until: str = ""', 'until: str = "2026-11-24"')
        outputs = lab.run_cells("notebooks/review.ipynb", replacing=changed)
        notebook = json.loads(path.read_bytes())
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = [{k: v for k, v in one.items() if k != "transient"} for one in outputs[cell["id"]]]
        path.write_text(json.dumps(notebook), "utf-8")

        with chromium() as seen:
            seen.page.set_default_timeout(30_000)
            seen.page.goto(f"{lab.url}/lab/tree/notebooks/review.ipynb?token={lab.token}")
            seen.page.locator(".jp-RenderedHTMLCommon a", has_text=run_id).first.click()
            shown = seen.page.locator(".jp-NotebookPanel:visible h1", has_text="One run")
            shown.wait_for()
            assert seen.page.get_by_role("tab", name=f"{run_id}.ipynb").is_visible()
            assert seen.errors == []
    finally:
        assert lab.stop() == 0
