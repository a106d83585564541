"""Retention: old notebooks are removed, failures stay longer, and the audit log still verifies."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from futurscam_lib.audit.history import History
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.audit.prune import prune
from futurscam_lib.audit.verify import verify
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from futurscam_lib.audit.prune import Pruned
    from tests.made_runs import MadeRuns

NOW = clock.parse("2026-11-20T00:00:00Z")
DAY = timedelta(days=1)


def done(made: MadeRuns, **more: Any) -> Pruned:
    """Keep ten days, failures forty."""
    asked = {"keep": 10 * DAY, "keep_failed": 40 * DAY, "now": NOW, "started_by": "root on vm"} | more
    return prune(made.settings, **asked)


def there(made: MadeRuns) -> list[str]:
    """Runs whose notebook is there."""
    return [name for name in made.made if made.path(name).exists()]


@pytest.fixture
def old(made: MadeRuns) -> MadeRuns:
    """Runs of 50, 30 and 9 days ago, of each time one that ended well and one that failed."""
    for days in (50, 30, 9):
        made.add(NOW - days * DAY)
        made.add(NOW - days * DAY + timedelta(hours=1), status="failed")
    Watermark(made.settings.watermark_file).reset(made.watermark)
    return made


def test_old_notebooks_are_removed_and_verification_passes(old: MadeRuns) -> None:
    """Only those that are old enough, with their pages; verification stays green, the ledger whole."""
    page = old.settings.runs / "html" / f"{old.made[0]}.html"
    page.parent.mkdir()
    page.write_text("")

    pruned = done(old)

    assert there(old) == [old.made[3], *old.made[4:]]
    assert sorted(pruned.notebooks) == sorted(f"{n[:4]}-{n[4:6]}/{n}.ipynb" for n in old.made[:3])
    assert not page.exists()
    assert not (old.settings.runs / "2026-10" / "x").exists()
    assert verify(old.settings, now=NOW).findings == []
    history = {run.run_id: run for run in History.of(old.settings).newest()}
    assert [history[name].pruned for name in old.made] == [True, True, True, False, False, False]
    assert history[old.made[0]].counts["extracted"] == 0
    *_, tombstone = Ledger(old.settings.ledger_file).entries()
    assert tombstone.event == "pruned"
    assert (tombstone.facts["keep_days"], tombstone.facts["keep_failed_days"]) == (10, 40)


def test_doing_it_again_does_nothing(old: MadeRuns) -> None:
    """There is no second tombstone."""
    done(old)
    before = old.settings.ledger_file.read_bytes()

    assert done(old).notebooks == []
    assert old.settings.ledger_file.read_bytes() == before


def test_a_dry_run_removes_nothing(old: MadeRuns) -> None:
    """It prints the same result."""
    before = old.settings.ledger_file.read_bytes()
    planned = done(old, dry_run=True)

    assert there(old) == old.made
    assert old.settings.ledger_file.read_bytes() == before
    again = done(old)
    assert (again.notebooks, again.size) == (planned.notebooks, planned.size)


def test_evidence_is_kept(old: MadeRuns) -> None:
    """A notebook that was changed after its run stays, and verification still names it."""
    path = old.path(old.made[0])
    path.write_bytes(path.read_bytes() + b" ")

    assert "it was changed after its run" in repr(done(old))
    assert path.exists()
    assert [one.place for one in verify(old.settings, now=NOW).serious] == [f"runs/{path.parent.name}/{path.name}"]


def test_a_kill_between_tombstone_and_removal(old: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the ledger says is gone and is still there is a note, and goes the next time."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            done(old)
    verified = verify(old.settings, now=NOW)
    assert len(verified.findings) == 3
    assert verified.serious == []

    done(old)
    assert verify(old.settings, now=NOW).findings == []


@pytest.mark.parametrize("open_file", [".ipynb", ".html"])
def test_an_open_file_stays_until_the_next_time(old: MadeRuns, monkeypatch: pytest.MonkeyPatch, open_file: str) -> None:
    """As on Windows, a notebook or its page: it is told, the notebook stays, the others go."""
    page = old.settings.runs / "html" / f"{old.made[0]}.html"
    page.parent.mkdir(exist_ok=True)
    page.touch()

    def taken(path: Path, **more: bool) -> None:
        if path.name == f"{old.made[0]}{open_file}":
            raise PermissionError(13, "in use")
        remove(path, **more)

    remove = Path.unlink
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", taken)
        assert "it could not be removed (in use)" in repr(done(old))
    assert there(old) == [old.made[0], old.made[3], *old.made[4:]]

    done(old)

    assert there(old) == [old.made[3], *old.made[4:]]
    assert not page.exists()


def test_two_prunes_at_once(old: MadeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the other has removed is not an error."""
    append = Ledger.append

    def meanwhile(ledger: Ledger, *asked: Any, **more: Any) -> Any:
        old.path(old.made[0]).unlink()
        return append(ledger, *asked, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "append", meanwhile)
        assert len(done(old).notebooks) == 2
    assert verify(old.settings, now=NOW).findings == []


def test_a_runs_notebook_that_comes_back_must_be_the_same(old: MadeRuns) -> None:
    """Something else under the name of one that was removed is found."""
    done(old)
    path = old.path(old.made[0])
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")

    assert [one.place for one in verify(old.settings, now=NOW).serious] == [f"runs/{path.parent.name}/{path.name}"]


def test_failures_are_kept_at_least_as_long(old: MadeRuns) -> None:
    """Asking for the contrary is refused."""
    with pytest.raises(UsageError, match="shorter"):
        done(old, keep_failed=9 * DAY)
    assert there(old) == old.made


def test_a_changed_ledger_stops_pruning(old: MadeRuns) -> None:
    """Possible evidence stays."""
    raw = old.settings.ledger_file.read_bytes()
    old.settings.ledger_file.write_bytes(raw.replace(b"root", b"toor", 1))

    with pytest.raises(OperatorMustAct, match="line 1"):
        done(old)
    assert there(old) == old.made


def test_removed_notebooks_are_reported_in_a_sentence(old: MadeRuns) -> None:
    """No empty table stands before it, and links to the pages that went are told of, where there may be any."""
    again = "`futurscam review`"
    assert repr(done(old, dry_run=True)).startswith("Would be removed: 3 notebooks (")
    assert again not in repr(done(old, dry_run=True))

    (old.settings.runs / "review.html").write_text("")
    text = repr(done(old))
    assert text.startswith("Removed; the ledger keeps their hashes: 3 notebooks")
    assert again in text
    assert repr(done(old)) == "No notebook was removed."


def test_a_notebook_that_no_run_wrote_is_kept(old: MadeRuns) -> None:
    """A ledger names a notebook outside of the runs: it is reported, and the others are removed."""
    ledger = Ledger.of(old.settings)
    outside = old.settings.home / "x.html"
    outside.write_text("")
    (old.settings.runs / "html").mkdir()
    (old.settings.runs / "y.ipynb").write_text("")
    for notebook in ("../x.ipynb", "y.ipynb"):
        facts = {"status": "ok", "notebook": notebook, "notebook_sha256": hashlib.sha256().hexdigest()}
        for event in ("start", "end"):
            ledger.append(event, at=NOW - 40 * DAY, run_id="../../x", facts=facts)

    pruned = done(old)
    assert pruned.kept == {"../x.ipynb": "it is not in the folder of the runs; see futurscam runs verify"}
    assert len(there(old)) == 3
    assert not (old.settings.runs / "y.ipynb").exists()
    assert outside.exists()
