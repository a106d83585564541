"""The page of a run: made on request, and always for the current notebook."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from futurscam_lib import clock
from futurscam_lib import settings as settings_module
from futurscam_lib.audit.history import History
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.errors import UsageError
from futurscam_lib.review import layout, run_page
from futurscam_lib.review.run_page import ensure
from tests.made_runs import executed
from tests.review import hostile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.made_runs import MadeRuns

T0 = clock.parse("2026-11-02T08:05:00Z")
HOUR = timedelta(hours=1)


def page_of(made: MadeRuns, name: str = "last") -> Path:
    """Make the page of a run."""
    return ensure(made.settings, History.of(made.settings).find(name))


def test_a_page_is_made_once(made: MadeRuns) -> None:
    """A second request returns the unchanged file, and no other file is left in the folder."""
    name = made.add(T0)

    path = page_of(made)
    first = path.stat()

    assert path == made.settings.runs / "html" / f"{name}.html"
    assert page_of(made).stat().st_mtime_ns == first.st_mtime_ns
    assert [file.name for file in path.parent.iterdir()] == [f"{name}.html"]
    text = path.read_text("utf-8")
    assert "It is what the run left" in text
    assert "5 rows" in text
    assert '<a href="../review.html">' in text


@pytest.mark.parametrize("key", [None, "a key of more than sixteen letters"])
@pytest.mark.parametrize(
    ("old", "new"), [("5 rows", "999 rows"), ("</body>", "<script>alert(1)</script></body>"), ("default-src", "x")]
)
def test_a_changed_page_is_made_again(made: MadeRuns, key: str | None, old: str, new: str) -> None:
    """Insertions are gone, and a page of another run under this name is replaced."""
    made.settings = made.settings.model_copy(update={"ledger_key": SecretStr(key) if key else None})
    name = made.add(T0)
    path = page_of(made)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(old.encode(), new.encode()))
    assert path.read_bytes() != whole

    assert page_of(made).read_bytes() == whole

    made.add(T0 + HOUR, notebook=executed("ok", {}, text="another"))
    path.write_bytes(page_of(made).read_bytes())
    assert page_of(made, name).read_bytes() == whole


def test_a_page_made_without_the_key_is_made_again(made: MadeRuns) -> None:
    """With a ledger key, only a page whose MAC was made with the key is accepted."""
    made.settings = made.settings.model_copy(update={"ledger_key": SecretStr("a key of more than sixteen letters")})
    made.add(T0)
    right = page_of(made).read_bytes()
    run = History.of(made.settings).find("last")
    ensure(made.settings.model_copy(update={"ledger_key": None}), run)
    path = made.settings.runs / "html" / f"{run.run_id}.html"
    assert path.read_bytes() != right

    assert page_of(made).read_bytes() == right


def test_commands_are_marked(made: MadeRuns) -> None:
    """The text of a page has no backticks."""
    name = made.add(T0)
    made.path(name).unlink()

    text = page_of(made).read_text("utf-8")

    assert "<code>futurscam runs verify</code>" in text
    assert "`" not in text.partition("<header>")[2]


def test_a_changed_notebook_gets_a_new_page(made: MadeRuns) -> None:
    """The page shows the current file, and that it was changed after the run."""
    name = made.add(T0)
    page_of(made)
    made.path(name).write_bytes(made.path(name).read_bytes().replace(b"5 rows", b"9 rows"))

    text = page_of(made).read_text("utf-8")

    assert "9 rows" in text
    assert "It is not what the run left" in text


def test_a_changed_style_sheet_makes_new_pages(made: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update of the style sheet, older pages are made again."""
    made.add(T0)
    page_of(made)
    for module in (layout, run_page):
        monkeypatch.setattr(module, "part", lambda name: f"/* the new {name} */")

    assert "/* the new page.css */" in page_of(made).read_text("utf-8")


def test_a_run_marked_as_crashed_gets_a_new_page(made: MadeRuns) -> None:
    """The status in the ledger is part of the page."""
    name = made.add(T0, status="unfinished")
    assert 'data-status="unfinished"' in page_of(made).read_text("utf-8")

    Ledger(made.settings.ledger_file).append("crashed", at=T0 + HOUR, run_id=name, facts={})

    text = page_of(made).read_text("utf-8")
    assert 'data-status="failed">crashed' in text


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"cells": 3}', b"\xff\xfe", b'{"cells":[{"cell_type":"code"}]}'])
def test_a_torn_notebook_has_a_page(made: MadeRuns, data: bytes) -> None:
    """It shows the problem and the data from the ledger."""
    name = made.add(T0, status="failed", error="It broke.")
    made.path(name).write_bytes(data)

    text = page_of(made).read_text("utf-8")

    assert "There is no notebook to show." in text
    assert 'data-status="failed"' in text
    assert "It broke." in text


def test_a_missing_notebook_has_a_page(made: MadeRuns) -> None:
    """Also a notebook that was never kept."""
    name = made.add(T0)
    made.path(name).unlink()
    assert "It is missing" in page_of(made).read_text("utf-8")

    made.add(T0 + HOUR, notebook=b"")
    assert "There is no notebook to show." in page_of(made).read_text("utf-8")


def test_the_link_to_the_failed_cell(made: MadeRuns) -> None:
    """A link leads to the failed cell; without a failed cell there is no link."""
    made.add(T0, notebook=executed("failed", {}, text="It broke here."), status="failed")
    text = page_of(made).read_text("utf-8")
    target = text.partition('<a href="#cell-id=')[2].partition('"')[0]
    assert text.count(f'id="cell-id={target}"') == 1

    made.add(T0 + HOUR)
    assert "To the failed cell" not in page_of(made).read_text("utf-8")


def test_a_name_outside_the_folder_makes_no_page(made: MadeRuns) -> None:
    """A forged ledger cannot cause a file outside the folder of pages."""
    ledger = Ledger(made.settings.ledger_file)
    ledger.append("start", at=T0, run_id="../../x", facts={"notebook": "x.ipynb", "parameters": {}})
    before = sorted(made.settings.home.rglob("*"))

    with pytest.raises(UsageError, match="not the name of a run"):
        page_of(made)

    assert sorted(made.settings.home.rglob("*")) == before


def test_the_policy_of_a_page(made: MadeRuns) -> None:
    """The policy comes first in the page, so that even HTML that was not cleaned cannot run."""
    made.add(T0, notebook=hostile.file(), status="failed", error="<script>alert(1)</script>")

    head, _, rest = page_of(made).read_text("utf-8").partition("Content-Security-Policy")

    assert "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'" in rest[:120]
    assert head.count("<") == 5
    assert "script-src" not in rest[:300]
    assert "<script" not in rest


def test_no_secret_is_in_a_page(made: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets in a notebook of another home and in an error in the ledger are redacted."""
    made.add(T0, notebook=executed("failed", {}, text="pw hunter22"), status="failed", error="pw hunter22")
    monkeypatch.setenv("MONGO_URI", "mongodb://anna:hunter22@127.0.0.1:1/")
    settings = settings_module.load()

    path = ensure(settings, History.of(settings).find("last"))

    assert "hunter22" not in path.read_text("utf-8")
    assert "pw ***" in path.read_text("utf-8")
