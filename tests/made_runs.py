"""Made-up runs: a ledger and executed notebooks as real runs write them, for tests and benchmarks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import nbformat

from futurscam_lib import clock
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.records import COUNTED
from futurscam_lib.report.scraps import MEDIA_TYPE
from futurscam_lib.runner.notebook_file import place_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.audit.ledger import JsonValue
    from futurscam_lib.settings import Settings

COMMIT = "1f7239c708d4074f0f53fb7d059b5a5ccc13848c"
PACKAGES = {"futurscam-etl": "0.1.0", "papermill": "2.7.0", "pymongo": "4.20.0"}


def counts(**some: int) -> dict[str, int]:
    """All counts; counts that are not given are 0, and `extracted` is their sum."""
    return {**dict.fromkeys(COUNTED, 0), **some, "extracted": sum(some.values())}


@dataclass(slots=True)
class MadeRuns:
    """Adds runs to a home, one after the other; the watermark in the ledger follows, `.last_execution` does not.

    Attributes:
        settings: Of the home.
        watermark: Where it stands after the last run.
        made: Their names, oldest first.
    """

    settings: Settings
    watermark: datetime
    made: list[str] = field(default_factory=list)

    def add(
        self,
        started: datetime,
        *,
        status: str = "ok",
        seconds: float = 4.2,
        sources: Mapping[str, Mapping[str, int]] | None = None,
        notebook: bytes | None = None,
        started_by: str = "root on vm",
        git_commit: str = COMMIT,
        packages: Mapping[str, str] = PACKAGES,
        parameters: Mapping[str, Any] | None = None,
        scraps: Mapping[str, Any] | None = None,
        code: Mapping[str, Any] | None = None,
        **facts: JsonValue,
    ) -> str:
        """One run; gives its run_id.

        Args:
            started: When; aware, UTC.
            status: `ok`, `failed`, `timed out`, `crashed` (found an hour later) or `unfinished` (no end).
            seconds: How long it took.
            sources: Counts per source, see `counts`; nothing of `folder` when not given.
            notebook: Bytes of the executed notebook; a small one when not given, none where they are empty.
            started_by: As in the start line.
            git_commit: The same.
            packages: The same.
            parameters: Besides, or instead of, what the runner gives.
            scraps: What the notebook glued besides `summary` and `parameters`.
            code: As in the start line; none when not given, as in ledgers of earlier versions.
            facts: Besides, or instead of, those of the end line: `error`, `reject_reasons`, `oddities`, `notes`...
        """
        ended = started + timedelta(seconds=seconds)
        name = f"{clock.to_stamp(started)}-{hashlib.sha256(f'{len(self.made)}{started}'.encode()).hexdigest()[:6]}"
        path = f"{started:%Y-%m}/{name}.ipynb"
        before = clock.to_text(self.watermark)
        asked: dict[str, Any] = {"run_id": name, "watermark": before, "until": "", "sources": "folder"}
        asked |= {"dry_run": False, "overlap_minutes": 10.0, **(parameters or {})}
        start = {
            "notebook": path,
            "parameters": asked,
            "watermark": {"before": before},
            "started_by": started_by,
            "git_commit": git_commit,
            "packages": packages,
            "python": "3.11.7",
            "platform": "Linux",
            "pid": 1,
            **({"code": code} if code else {}),
        }
        ledger = Ledger.of(self.settings)
        ledger.append("start", at=started, run_id=name, facts=start)
        self.made.append(name)
        by_source = sources or {"folder": counts()}
        total = {column: sum(one[column] for one in by_source.values()) for column in COUNTED}
        summary: dict[str, Any] = {
            "run_id": name,
            "dry_run": asked["dry_run"],
            "watermark": before,
            "closed": 0,
            "failures": {},
            "window": {"since": before, "until": asked["until"] or None},
            "reject_reasons": {},
            "oddities": {},
            "notes": {},
            "counts": total,
            "sources": {source: dict(one) for source, one in by_source.items()},
        }
        told: dict[str, Any] = {}
        if notebook != b"":
            data = notebook or executed(status, {"summary": summary, "parameters": asked, **(scraps or {})})
            told["notebook_sha256"] = self._write(path, data)
        if status == "unfinished":
            return name
        if status == "ok" and not asked["dry_run"] and not asked["until"]:
            self.watermark = started + timedelta(milliseconds=1)
        end = {key: value for key, value in summary.items() if key not in {"run_id", "watermark"}}
        end |= {"status": status, "seconds": seconds, "error": "", "error_name": "", "exit_code": int(status != "ok")}
        end |= {"notebook": path, "watermark": {"before": before, "after": clock.to_text(self.watermark)}, **told}
        if status == "crashed":
            end, ended = {"notebook": path, "found_by": "x", **told}, started + timedelta(hours=1)
        ledger.append("crashed" if status == "crashed" else "end", at=ended, run_id=name, facts={**end, **facts})
        return name

    def path(self, run_id: str) -> Path:
        """The path of a run's notebook."""
        return self.settings.runs / f"{run_id[:4]}-{run_id[4:6]}" / f"{run_id}.ipynb"

    def _write(self, path: str, data: bytes) -> str:
        target = self.settings.runs / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return hashlib.sha256(data).hexdigest()


def executed(status: str, scraps: Mapping[str, Any], *, code: str = "run.reconcile()", text: str = "5 rows") -> bytes:
    """A small executed notebook: a cell that shows `text` or failed, and one with scraps."""
    v4 = nbformat.v4
    glued = [
        v4.new_output("display_data", {MEDIA_TYPE: {"name": name, "data": data, "encoder": "json", "version": 1}})
        for name, data in scraps.items()
    ]
    failed = status != "ok"
    shown = v4.new_output("error", ename="RetryLater", evalue=text, traceback=[f"RetryLater: {text}"])
    if not failed:
        shown = v4.new_output("execute_result", {"text/plain": text}, execution_count=1)
    state = {"status": "failed" if failed else "completed", "exception": failed}
    work = v4.new_code_cell(code, id="work", outputs=[shown], metadata={"papermill": state, "tags": []})
    last = v4.new_code_cell("glue()", id="glue", outputs=glued, metadata={"papermill": {"status": "completed"}})
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# One run", id="title"), work, last])
    notebook.metadata["futurscam"] = {"status": status}
    place_status(notebook, status)
    return json.dumps(notebook, indent=1).encode()
