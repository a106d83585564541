"""The page of one run: its executed notebook as HTML, made when it is asked for."""

from __future__ import annotations

import hashlib
import json
from html import escape
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.audit import executed
from futurscam_lib.audit.history import History
from futurscam_lib.audit.reviewing.hours import page_of
from futurscam_lib.audit.reviewing.period import kind_of
from futurscam_lib.counts import COLUMNS
from futurscam_lib.errors import UsageError
from futurscam_lib.files import write_atomically
from futurscam_lib.pages.layout import page, part
from futurscam_lib.pages.rendering import rendered
from futurscam_lib.show import as_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from futurscam_lib.audit.executed import Executed
    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.settings import Settings

_VERSION: Final = 1
"""Raised when pages that are there have to be made again."""

_HEAD: Final = 2000
_KEY: Final = "futurscam-page"
_NOTEBOOK: Final = "futurscam-notebook"


def ensure(settings: Settings, run: RunRecord) -> Path:
    """The page of a run, made where it is missing, or where the run or its notebook is not what it shows.

    Args:
        settings: Of the home.
        run: As the ledger tells it.

    Returns:
        `runs/html/<run_id>.html`.

    Raises:
        UsageError: The run has a name that no file can have.
        OSError: The page could not be written; one that was there stays.
    """
    name = page_of(run.run_id)
    if not name:
        raise UsageError(f"{run.run_id!r:.100} is not the name of a run, so there is no page for it.")
    target = settings.runs / name
    history = History.of(settings)
    digest = _digest(history, run)
    key = _key(run, digest)
    if not _is_current(target, key):
        target.parent.mkdir(parents=True, exist_ok=True)
        found = executed.read(run, history)
        write_atomically(target, _page(run, found, redact=settings.redactor(), notes={_KEY: key, _NOTEBOOK: digest}))
    return target


def _digest(history: History, run: RunRecord) -> str:
    """SHA-256 of the notebook as it is now; empty where there is none to read."""
    try:
        return hashlib.sha256(history.path(run).read_bytes()).hexdigest()
    except (OSError, UsageError):
        return ""


def _key(run: RunRecord, digest: str) -> str:
    """Of all that a page is made from."""
    made_from = [_VERSION, part("page.css"), run.as_dict(), digest]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True, default=str).encode()).hexdigest()


def _is_current(target: Path, key: str) -> bool:
    try:
        with target.open("rb") as file:
            return f'<meta name="{_KEY}" content="{key}">'.encode() in file.read(_HEAD)
    except OSError:
        return False


def _page(run: RunRecord, found: Executed, *, redact: Callable[[str], str], notes: dict[str, str]) -> bytes:
    body, failed = "<p>There is no notebook to show.</p>", ""
    if found.notebook is not None:
        # Whoever wrote the notebook cannot have known its hash, so none of its ids is one of the page's.
        made = rendered(found.notebook, redact=redact, own=hashlib.sha256(notes[_KEY].encode()).hexdigest()[:16])
        body, failed = made.html, made.failed
    return page(f"Run {run.run_id}", header=_header(run, found, failed, redact), main=body, notes=notes)


def _header(run: RunRecord, found: Executed, failed: str, redact: Callable[[str], str]) -> str:
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd{_status(status)}>{escape(redact(text))}</dd></div>"
        for name, text, status in _facts(run, found)
    )
    error = f'<pre class="error">{escape(redact(run.error))}</pre>' if run.error else ""
    jump = f' <a href="#{failed}">To the failed cell</a>' if failed else ""
    return (
        f'<nav aria-label="Review"><a href="../review.html">All runs</a>{jump}</nav>\n'
        f'<h1>Run {escape(run.run_id)}</h1>\n<dl class="facts">{facts}</dl>{error}'
    )


def _status(word: str) -> str:
    return f' data-status="{word}"' if word else ""


def _facts(run: RunRecord, found: Executed) -> Iterator[tuple[str, str, str]]:
    yield "Status", f"{run.status}, dry run" if run.dry_run else run.status, kind_of(run)
    yield "Record", found.state, {True: "ok", False: "failed", None: "missing"}[found.genuine]
    took = f", took {as_duration(run.seconds)}" if run.seconds is not None else ""
    yield "Started", f"{clock.to_people(run.started)[:19]} UTC{took}", ""
    if run.window:
        yield "Window", f"{run.window.get('since')} until {run.window.get('until') or 'open'}", ""
    if run.watermark:
        yield "Watermark", f"{run.watermark.get('before')} to {run.watermark.get('after') or 'unknown'}", ""
    if run.counts:
        yield "Records", ", ".join(f"{run.counts.get(name)} {name}" for name in COLUMNS), ""
    if run.rerun_of:
        yield "Rerun of", run.rerun_of, ""
    yield "By", run.started_by or "unknown", ""
    yield "Code", run.git_commit[:12] or "unknown", ""
    yield "Notebook", run.notebook or "none", ""
