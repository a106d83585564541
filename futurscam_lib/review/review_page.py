"""`runs/review.html`: the executed review notebook as one page, and the pages of the runs that it lists."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.audit.history import UNFINISHED, History
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.files import write_atomically
from futurscam_lib.report import scraps
from futurscam_lib.report.text import instant, span
from futurscam_lib.review import run_page
from futurscam_lib.review.layout import Fact, page, part
from futurscam_lib.review.rendering import rendered

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.settings import Settings

SCRAP: Final = "review"
_NEEDED: Final = {"since", "until", "days", "counts", "listed"}
_NAME: Final = "review.html"
_COLOURS: Final = {"missing hours": "missing", "findings": "warning"}
_COLOURED: Final = ("ok", "failed", "dry", UNFINISHED)

Watched = Callable[[Iterable["RunRecord"]], Iterable["RunRecord"]]


def write(settings: Settings, notebook: Mapping[str, Any], *, now: datetime, watched: Watched = iter) -> Path:
    """Write the page and the missing pages that it links to.

    Args:
        settings: Of the home.
        notebook: The executed review notebook, parsed.
        now: The current instant; aware, UTC.
        watched: Wraps the list of runs to show a progress bar.

    Returns:
        `runs/review.html`.

    Raises:
        UsageError: The notebook did not glue what the page needs.
        OSError: A page could not be written; `review.html` is unchanged.
    """
    glued = glued_by(notebook)
    redact = settings.redactor()
    # The pages of the runs first, so that every link of review.html works.
    for run in watched(_listed(settings, glued["listed"])):
        run_page.ensure(settings, run)
    shown, own = _without_first(notebook), secrets.token_hex(8)
    body = rendered(shown, redact=redact, own=own, code=False, linked=True, below=0)
    data = page(
        "review.html.j2",
        script=part("review.js"),
        title="Review of the runs",
        period=f"{span(glued['since'], glued['until'])}, {glued['days']:g} days.",
        made=instant(now, to="minutes"),
        facts=_facts(glued["counts"]),
        main=body.html,
        notes={"generator": "futurscam review"},
    )
    target = settings.runs / _NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, data)
    return target


def glued_by(notebook: Mapping[str, Any]) -> Mapping[str, Any]:
    """The scrap that the executed notebook glued; see `Review.as_dict`.

    Raises:
        UsageError: There is no such scrap.
    """
    scrap = scraps.read(notebook).get(SCRAP)
    if not isinstance(scrap, dict) or not scrap.keys() >= _NEEDED:
        raise UsageError(
            f"The review notebook ended without gluing {SCRAP!r}, so no page can be made. "
            "A home's own notebooks/review.ipynb must end as the project's does."
        )
    return scrap


def _listed(settings: Settings, names: Iterable[str]) -> list[RunRecord]:
    """The runs of these names."""
    wanted, history = set(names), History.of(settings)
    try:
        return _named(history.newest(), wanted)
    except OperatorMustAct:
        return _named(history.readable(), wanted)  # The review reports what is wrong.


def _named(newest_first: Iterable[RunRecord], wanted: set[str]) -> list[RunRecord]:
    runs: list[RunRecord] = []
    for run in newest_first:
        if len(runs) == len(wanted):
            break
        if run.run_id in wanted:
            runs.append(run)
    return runs


def _without_first(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook without title, parameters and injected cells, which the header replaces."""
    cells = [cell for cell in notebook["cells"] if not _is_technical(cell)]
    return {**notebook, "cells": cells}


def _is_technical(cell: Mapping[str, Any]) -> bool:
    tags = set(cell.get("metadata", {}).get("tags", ()))
    name = str(cell.get("id", ""))
    return bool(tags & {"parameters", "injected-parameters", "futurscam-status"}) or name.removesuffix("-why") in {
        *("title", "parameters", "glance", "glue")
    }


def _facts(counts: Mapping[str, int]) -> list[Fact]:
    colours = {name: _COLOURS.get(name, name if name in _COLOURED else "") for name in counts}
    return [Fact(name, f"{number:,}", colours[name] if number else "") for name, number in counts.items()]
