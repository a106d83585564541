"""The page of one run: its executed notebook as HTML, made on request."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from futurscam_lib.audit import executed
from futurscam_lib.audit.history import UNFINISHED, History
from futurscam_lib.audit.hours import page_of
from futurscam_lib.audit.period import kind_of
from futurscam_lib.errors import UsageError
from futurscam_lib.files import read_bytes, write_atomically
from futurscam_lib.records import shown_counts
from futurscam_lib.report.text import duration, instant
from futurscam_lib.review.layout import Fact, page, part
from futurscam_lib.review.rendering import Rendered, rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from futurscam_lib.audit.executed import Executed
    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.settings import Settings

_VERSION: Final = 3
"""Increase it when existing pages must be made again."""

_KEY: Final = "futurscam-page"
_NOTEBOOK: Final = "futurscam-notebook"
_WHOLE: Final = "futurscam-whole"
"""HMAC of the page, with the ledger's key if there is one."""
_UNKNOWN: Final = "0" * 64
_MAC: Final = re.compile(rb'<meta name="futurscam-whole" content="([0-9a-f]{64})">')


def ensure(settings: Settings, run: RunRecord) -> Path:
    """Make the page of a run if it is missing, was changed, or shows another run or notebook.

    Pages prove nothing: without a ledger key, anybody can make one that passes this check.

    Args:
        settings: Of the home.
        run: From the ledger.

    Returns:
        `runs/html/<run_id>.html`.

    Raises:
        UsageError: The run's name is not a valid file name.
        OSError: The page could not be written; an existing one stays as it is.
    """
    name = page_of(run.run_id)
    if not name:
        raise UsageError(f"{run.run_id!r:.100} is not the name of a run, so there is no page for it.")
    target = settings.runs / name
    history = History.of(settings)
    digest = history.look(run).sha256
    key, ledger_key = _key(run, digest), settings.ledger_key
    secret = ledger_key.get_secret_value() if ledger_key else ""
    # The notebook of an active run still grows.
    if run.status == UNFINISHED or not _is_current(target, key, secret):
        target.parent.mkdir(parents=True, exist_ok=True)
        notebook = executed.read(run, history)
        notes = {_KEY: key, _NOTEBOOK: digest, _WHOLE: _UNKNOWN}
        made = _page(run, notebook, redact=settings.redactor(), notes=notes)
        write_atomically(target, made.replace(_whole(_UNKNOWN), _whole(_mac(made, secret)), 1))
    return target


def _key(run: RunRecord, digest: str) -> str:
    """The hash of everything that a page is made from."""
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
    """The HMAC of a page that holds `_UNKNOWN` in its place."""
    return hmac.new(secret.encode(), page, hashlib.sha256).hexdigest()


def _whole(mac: str) -> bytes:
    return f'<meta name="{_WHOLE}" content="{mac}">'.encode()


def _page(run: RunRecord, notebook: Executed, *, redact: Callable[[str], str], notes: dict[str, str]) -> bytes:
    """The page of a run.

    Args:
        run: From the ledger.
        notebook: Its executed notebook.
        redact: Removes secrets from a text.
        notes: What the page's `meta` elements hold.
    """
    body = Rendered("<p>There is no notebook to show.</p>")
    if notebook.notebook is not None:
        # The author of the notebook cannot have known its hash, so none of its ids is one of the page's.
        own = hashlib.sha256(notes[_KEY].encode()).hexdigest()[:16]
        body = rendered(notebook.notebook, redact=redact, own=own)
    return page(
        "run.html.j2",
        title=f"Run {run.run_id}",
        facts=[replace(fact, text=redact(fact.text)) for fact in _facts(run, notebook)],
        error=redact(run.error),
        failed=body.failed,
        main=body.html,
        notes=notes,
    )


def _facts(run: RunRecord, notebook: Executed) -> Iterator[Fact]:
    yield Fact("Status", f"{run.status}, dry run" if run.dry_run else run.status, kind_of(run))
    yield Fact("Record", notebook.state, {True: "ok", False: "failed", None: "missing"}[notebook.genuine])
    took = f", took {duration(run.seconds)}" if run.seconds is not None else ""
    yield Fact("Started", f"{instant(run.started)}{took}")
    if run.replay:
        yield Fact("Replay", run.replay)
    elif run.window:
        yield Fact(
            "Window", f"{_instant(run.window.get('since'))} until {_instant(run.window.get('until'), missing='open')}"
        )
    if run.watermark:
        yield Fact("Watermark", f"{_instant(run.watermark.get('before'))} to {_instant(run.watermark.get('after'))}")
    if run.counts:
        yield Fact("Records", ", ".join(f"{run.counts.get(name)} {name}" for name in shown_counts([run.counts])))
    if run.rerun_of:
        yield Fact("Rerun of", run.rerun_of)
    yield Fact("By", run.started_by or "unknown")
    marks = f", {', '.join(run.code_marks)}" if run.code_marks else ""
    yield Fact("Code", f"{run.git_commit[:12] or 'unknown'}{marks}", "failed" if marks else "")
    yield Fact("Notebook", run.notebook or "none")


def _instant(text: str | None, *, missing: str = "unknown") -> str:
    return instant(text, to="microseconds") if text else missing
