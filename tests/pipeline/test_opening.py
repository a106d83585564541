"""Opening a run by hand: which arguments are valid, and that invalid ones are refused before anything happens."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from futurscam_lib.errors import UsageError
from futurscam_lib.pipeline.opening import open_run

if TYPE_CHECKING:
    from pymongo.database import Database

EARLY = "2000-01-01"
INSTANT = "ISO 8601 text such as 2026-11-23T13:25:01Z"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("odd", [None, 0, 1, "", "True", "False", [], np.False_])
def test_only_false_starts_a_real_run(database: Database[dict[str, Any]], odd: Any) -> None:
    """Other false values, such as from `-p dry_run None`, don't open a run that writes."""
    with pytest.raises(UsageError, match="dry_run takes True or False, not "):
        open_run(watermark=EARLY, dry_run=odd)

    assert database.list_collection_names() == []


@pytest.mark.parametrize(
    ("name", "odd", "takes"),
    [
        ("run_id", 7, "text"),
        ("watermark", date(2026, 11, 20), INSTANT),
        ("until", date(2026, 11, 20), INSTANT),
        ("until", 0, INSTANT),
        ("sources", ["folder"], "names separated by commas"),
        ("overlap_minutes", "10", "a number"),
        ("overlap_minutes", None, "a number"),
        ("overlap_minutes", float("nan"), "a number"),
    ],
)
@pytest.mark.usefixtures("home")
def test_an_argument_of_another_type_is_refused(name: str, odd: Any, takes: str) -> None:
    """The error has its name, what it takes, and the given value."""
    with pytest.raises(UsageError) as told:
        open_run(**{"watermark": EARLY, name: odd})

    assert str(told.value) == f"{name} takes {takes}, not {odd!r}."


@pytest.mark.usefixtures("home")
def test_a_text_that_is_none_counts_as_empty() -> None:
    """So does what papermill makes of `-p until None`."""
    run = open_run(None, watermark=None, until=None, sources=None)

    assert run.run_id.startswith("interactive-")
    assert run.window.until is None
    assert run.dry_run


@pytest.mark.parametrize("endless", [float("inf"), 1e300])
@pytest.mark.usefixtures("home")
def test_an_endless_overlap_reads_everything(endless: float) -> None:
    """The window then begins in the year 1."""
    assert open_run(watermark=EARLY, overlap_minutes=endless).window.since.year == 1
