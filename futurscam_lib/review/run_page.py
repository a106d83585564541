"""The page of one run: its executed notebook as HTML, made when it is asked for."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from html import escape
from typing import TYPE_CHECKING, Final

from futurscam_lib.audit import executed
from futurscam_lib.audit.history import UNFINISHED, History
from futurscam_lib.audit.hours import page_of
from futurscam_lib.audit.period import kind_of
from futurscam_lib.errors import UsageError
from futurscam_lib.files import read_bytes, write_atomically
from futurscam_lib.records import shown_counts
from futurscam_lib.report.text import duration, instant
from futurscam_lib.review.layout import page, part
from futurscam_lib.review.rendering import rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from futurscam_lib.audit.executed import Executed
    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.settings import Settings

_VERSION: Final = 2
"""Raised when pages that are there have to be made again."""

_KEY: Final = "futurscam-page"
_NOTEBOOK: Final = "futurscam-notebook"
_WHOLE: Final = "futurscam-whole"
"""HMAC of the page, with the ledger's key where there is one."""
_UNKNOWN: Final = "0" * 64
_MAC: Final = re.compile(rb'<meta name="futurscam-whole" content="([0-9a-f]{64})">')
_COMMAND: Final = re.compile("`([^`<>]+)`")


def ensure(settings: Settings, run: RunRecord) -> Path:
    """The page of a run, made where it is missing, is not as it was made, or shows another run or notebook than it is.

    Without a ledger's key, who knows how pages are made can still make one that passes: pages prove nothing.

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
    digest = history.look(run).sha256
    key, ledger_key = _key(run, digest), settings.ledger_key
    secret = ledger_key.get_secret_value() if ledger_key else ""
    # What a run without an end has left grows while it is active.
    if run.status == UNFINISHED or not _is_current(target, key, secret):
        target.parent.mkdir(parents=True, exist_ok=True)
        found = executed.read(run, history)
        notes = {_KEY: key, _NOTEBOOK: digest, _WHOLE: _UNKNOWN}
        made = _page(run, found, redact=settings.redactor(), notes=notes)
        write_atomically(target, made.replace(_whole(_UNKNOWN), _whole(_mac(made, secret)), 1))
    return target


def _key(run: RunRecord, digest: str) -> str:
    """Of all that a page is made from."""
    made_from = [_VERSION, part("page.css"), run.as_dict(), digest]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True, default=str).encode()).hexdigest()


def _is_current(target: Path, key: str, secret: str) -> bool:
    try:
        made = read_bytes(target) if target.is_file() else b""
    except OSError:
        return False
    whole = _MAC.search(made)
    if whole is None or f'<meta name="{_KEY}" content="{key}">'.encode() not in made:
        return False
    blank = made.replace(whole[0], _whole(_UNKNOWN), 1)
    return hmac.compare_digest(whole[1], _mac(blank, secret).encode())


def _mac(page: bytes, secret: str) -> str:
    """Of a page in which it is not yet known."""
    return hmac.new(secret.encode(), page, hashlib.sha256).hexdigest()


def _whole(mac: str) -> bytes:
    return f'<meta name="{_WHOLE}" content="{mac}">'.encode()


def _page(run: RunRecord, found: Executed, *, redact: Callable[[str], str], notes: dict[str, str]) -> bytes:
    body, failed = "<p>There is no notebook to show.</p>", ""
    if found.notebook is not None:
        # Whoever wrote the notebook cannot have known its hash, so none of its ids is one of the page's.
        made = rendered(found.notebook, redact=redact, own=hashlib.sha256(notes[_KEY].encode()).hexdigest()[:16])
        body, failed = made.html, made.failed
    return page(f"Run {run.run_id}", header=_header(run, found, failed, redact), main=body, notes=notes)


def _header(run: RunRecord, found: Executed, failed: str, redact: Callable[[str], str]) -> str:
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd{_status(status)}>{_with_commands(escape(redact(text)))}</dd></div>"
        for name, text, status in _facts(run, found)
    )
    error = f'<pre class="error">{escape(redact(run.error))}</pre>' if run.error else ""
    jump = f' <a href="#{failed}">To the failed cell</a>' if failed else ""
    return (
        f'<nav aria-label="Review"><a href="../review.html">All runs</a>{jump}</nav>\n'
        f'<h1>Run {escape(run.run_id)}</h1>\n<dl class="facts">{facts}</dl>{error}'
    )


def _with_commands(text: str) -> str:
    return _COMMAND.sub(r"<code>\1</code>", text)


def _status(word: str) -> str:
    return f' data-status="{word}"' if word else ""


def _facts(run: RunRecord, found: Executed) -> Iterator[tuple[str, str, str]]:
    yield "Status", f"{run.status}, dry run" if run.dry_run else run.status, kind_of(run)
    yield "Record", found.state, {True: "ok", False: "failed", None: "missing"}[found.genuine]
    took = f", took {duration(run.seconds)}" if run.seconds is not None else ""
    yield "Started", f"{instant(run.started)}{took}", ""
    if run.replay:
        yield "Replay", run.replay, ""
    elif run.window:
        yield "Window", f"{run.window.get('since')} until {run.window.get('until') or 'open'}", ""
    if run.watermark:
        yield "Watermark", f"{run.watermark.get('before')} to {run.watermark.get('after') or 'unknown'}", ""
    if run.counts:
        yield "Records", ", ".join(f"{run.counts.get(name)} {name}" for name in shown_counts([run.counts])), ""
    if run.rerun_of:
        yield "Rerun of", run.rerun_of, ""
    yield "By", run.started_by or "unknown", ""
    marks = f", {', '.join(run.code_marks)}" if run.code_marks else ""
    yield "Code", f"{run.git_commit[:12] or 'unknown'}{marks}", "failed" if marks else ""
    yield "Notebook", run.notebook or "none", ""
