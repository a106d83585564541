"""Shared by tests of whole runs: a home, notebooks, and access to everything that a run leaves."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import nbformat
import psutil
import pytest

from futurscam_lib import settings as settings_module
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.pipeline.opening import open_run
from futurscam_lib.runner import runner
from futurscam_lib.runner.request import Request
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from pymongo.database import Database

    from futurscam_lib.audit.entries import LedgerEntry
    from futurscam_lib.runner.result import Result
    from futurscam_lib.settings import Settings

PARAMETERS: Final = (
    'run_id: str = ""\nwatermark: str = ""\nuntil: str = ""\nsources: str = ""\n'
    "dry_run: bool = True\noverlap_minutes: float = -1.0"
)
SUMMARY: Final = """
from futurscam_lib import glue
counts = dict.fromkeys(["extracted", "inserted", "updated", "unchanged", "stale", "rejected"], 0)
summary = {"run_id": run_id, "counts": counts, "sources": {"folder": dict(counts)}, "failures": {}}
"""
GLUE: Final = 'glue("summary", summary)'
WAITS: Final = """
import os, time
open("waits", "w").close()
while not os.path.exists("go"):
    time.sleep(0.02)
"""
"""A cell that says by a file that its run has begun, and waits for another one."""
_OF_THE_RUN: Final = ("run_id", "first_run_id", "first_seen_at", "changed_at", "closed")


def post(job_id: str, *, at: str = "2026-11-20T10:00:00Z", name: str = "Data engineer", **more: Any) -> dict[str, Any]:
    """A small job post."""
    return {"id": job_id, "name": name, "timeStamp": at, **more}


def soon(happened: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not (result := happened()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return result


def headline(notebook: nbformat.NotebookNode) -> str:
    """Return the text of the status cell."""
    assert notebook.cells[0].metadata.tags == ["futurscam-status"]
    return html.unescape(re.sub(r"<[^>]*>", "", notebook.cells[0].source))


@dataclass
class Workshop:
    """One home: its inputs, its runs and its results."""

    home: Path
    database: Database[dict[str, Any]]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The settings of the current environment."""
        return settings_module.load()

    @property
    def watermark_file(self) -> Path:
        """The file itself; a test compares its bytes."""
        return self.home / ".last_execution"

    @property
    def watermark(self) -> datetime | None:
        """Return the stored watermark."""
        return Watermark(self.watermark_file)._current()

    def set_watermark(self, instant: datetime) -> bytes:
        """Write the watermark; return the bytes of the file."""
        Watermark(self.watermark_file).reset(instant)
        return self.watermark_file.read_bytes()

    def receive(self, name: str, *lines: dict[str, Any] | str) -> Path:
        """Put a file of posts, one a line, into the inbox."""
        inbox = self.home / "inbox"
        inbox.mkdir(exist_ok=True)
        path = inbox / name
        path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), "utf-8")
        return path

    def notebook(self, *cells: str, parameters: str = PARAMETERS) -> None:
        """Have the home run these cells instead of the project's notebook."""
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (parameters, *cells)])
        made.cells[0].metadata["tags"] = ["parameters"]
        self._write(made)

    def project_notebook(
        self,
        *,
        before: Mapping[str, str] | None = None,
        after: Mapping[str, str] | None = None,
        without: Collection[str] = (),
    ) -> None:
        """Have the home run the project's notebook, its pictures left out, with other cells.

        Args:
            before: Cells to add, each before the cell of this id.
            after: The same, after it.
            without: Ids of cells to leave out.
        """
        made = nbformat.read(settings_module.PROJECT / "notebooks" / "etl.ipynb", as_version=4)
        cells = [cell for cell in made.cells if cell.id not in {"timeline", "rates", "skills", *without}]
        for beside, offset in ((before or {}, 0), (after or {}, 1)):
            for cell_id, source in beside.items():
                place = next(index for index, cell in enumerate(cells) if cell.id == cell_id)
                cells.insert(place + offset, nbformat.v4.new_code_cell(source))
        made.cells = cells
        self._write(made)

    def run(self, **request: Any) -> Result:
        """One run, supervised by this process."""
        return runner.run(self.settings, Request(**request))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command, in another process; ended with the test at the latest."""
        return self._python("-m", "futurscam_lib", *arguments)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def script(self, code: str) -> int:
        """Run a Python program to its end; return its exit code."""
        process = self._python("-c", code)
        process.communicate(timeout=120)
        return process.returncode

    def entries(self, *events: str) -> list[LedgerEntry]:
        """Return the ledger's checked entries; only those of the given events, if any are given."""
        return [
            entry
            for entry in Ledger(self.home / "runs" / "ledger.jsonl").entries()
            if not events or entry.event in events
        ]

    @property
    def last(self) -> LedgerEntry:
        """The ledger's last entry."""
        return self.entries()[-1]

    def notebooks(self) -> dict[str, nbformat.NotebookNode]:
        """Executed notebooks by run, each of which must be a valid one."""
        read = {}
        for path in sorted((self.home / "runs").glob("*/*.ipynb")):
            read[path.stem] = nbformat.read(path, as_version=4)
            nbformat.validate(read[path.stem])
        return read

    def files(self) -> dict[str, bytes]:
        """All files of the home but MongoDB's, by path."""
        paths = (path for path in self.home.rglob("*") if path.is_file() and "mongodb" not in path.parts)
        return {path.relative_to(self.home).as_posix(): path.read_bytes() for path in paths}

    def kernels(self) -> list[psutil.Process]:
        """Processes that work in the home: its kernels."""
        return [
            process
            for process in psutil.process_iter(["cwd", "status"])
            if process.info["cwd"] == str(self.home) and process.info["status"] != psutil.STATUS_ZOMBIE
        ]

    def load_by_hand(self) -> None:
        """Load the inbox in this process; only MongoDB changes."""
        run = open_run("", watermark="2000-01-01", dry_run=False)
        run.extract()
        run.transform()
        run.load()
        run.close_ended()
        run.reconcile()

    def loaded(self) -> dict[str, Any]:
        """Return the content of MongoDB without run ids and times of runs."""
        rfps = list(self.database.RFP.find({}, {"_id": 0}))
        for document in rfps:
            for name in _OF_THE_RUN:
                document["_etl"].pop(name, None)
        return {
            "RFP": sorted(rfps, key=lambda document: document["job_id"]),
            "rejects": sorted((r["_id"], r["state"], r["code"]) for r in self.database.RFP_rejects.find()),
            "raw": sorted(raw["_id"] for raw in self.database.RFP_raw.find({}, {"_id": 1})),
            "outcomes": sorted(outcome["_id"] for outcome in self.database.RFP_outcomes.find({}, {"_id": 1})),
            "unfinished": [run["_id"] for run in self.database.RFP_runs.find() if "sources" in run],
        }

    def _python(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=settings_module.PROJECT,
            env=os.environ.copy(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def _write(self, notebook: nbformat.NotebookNode) -> None:
        folder = self.home / "notebooks"
        folder.mkdir(exist_ok=True)
        nbformat.write(notebook, folder / "etl.ipynb")


@pytest.fixture
def workshop(home: Settings, database: Database[dict[str, Any]]) -> Iterator[Workshop]:
    """A fresh home; processes that a test left running are ended."""
    made = Workshop(home.home, database)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()
    for kernel in made.kernels():
        kernel.kill()
