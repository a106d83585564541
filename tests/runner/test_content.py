"""Promise 8: no text of a post reaches the ledger, a log or an error; the notebook shows its words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from futurscam_lib.transform.vocabulary import UNKNOWN_WORD
from tests.runner.conftest import post

if TYPE_CHECKING:
    from tests.runner.conftest import Workshop


def word(number: int) -> str:
    """A word that no list knows and that occurs nowhere else."""
    return f"Canary{number:02}word"


IN_LISTS: dict[str, Any] = {
    "locationInfo": {
        "remoteOption": word(1),
        "mainLocation": {"country": word(2), "region": word(3)},
    },
    "budgetInfo": {"currencyInfo": {"symbol": word(4)}, "occupation": word(5)},
    "roleInfo": {"roles": [{"seniority": word(6)}]},
    "skillInfo": {"skills": [{"name": "Java", "seniority": word(7), "lastUsageTime": word(8)}]},
    "languageInfo": {"languageGroups": [{"languages": [word(9)], "languageLevel": word(10)}]},
}
"""Every field that is looked up in a list of words."""
WRONG_TYPED: dict[str, Any] = {
    "jobUrl": word(11),
    "description": {word(12): word(13)},
    "companyInfo": word(14),
    "number": [word(15), word(16)],
    "publicationInfo": {"isClosed": word(17), "publishDate": word(18), "applicationDeadline": word(19)},
    "budgetInfo": {"minDailyRate": word(20), "startDate": word(21)},
    "skillInfo": {"skills": [{word(22): word(23)}]},
}


def test_words_of_posts_are_in_the_notebook_and_in_no_log(workshop: Workshop) -> None:
    """The ledger, the logs and the terminal count them by field and kind."""
    workshop.receive("posts.jsonl", post("1", **IN_LISTS), post("2", **WRONG_TYPED))
    workshop.receive("broken.json", f'{{"id": "3", "name": {word(24)}')

    done = workshop.command("--verbose", "run")

    shown = workshop.command("runs", "show", "last")
    assert (done.returncode, shown.returncode) == (0, 0), (done.stderr, shown.stderr)
    files = workshop.files()
    logs = {name: data for name, data in files.items() if name.endswith((".jsonl", ".log")) and "inbox/" not in name}
    assert "runs/ledger.jsonl" in logs
    printed = {"run": f"{done.stdout}{done.stderr}".encode(), "runs show": f"{shown.stdout}{shown.stderr}".encode()}
    for name, data in (logs | printed).items():
        assert b"Canary" not in data, name

    counted = workshop.last.facts["oddities"]
    assert sum(1 for what in counted if what.endswith(f": {UNKNOWN_WORD}")) == 10
    (notebook,) = workshop.notebooks().values()
    table = json.dumps(next(cell for cell in notebook.cells if cell.id == "transform").outputs)
    assert [number for number in range(1, 11) if f"{UNKNOWN_WORD}: {word(number)}" not in table] == []
