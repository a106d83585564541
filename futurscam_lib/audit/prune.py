"""Removes the notebooks of old runs; the ledger keeps their hashes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.audit.history import UNFINISHED, History
from futurscam_lib.audit.hours import page_of
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.audit.runs_folder import REVIEW
from futurscam_lib.errors import UsageError
from futurscam_lib.report.tables import Shown, Table
from futurscam_lib.report.text import size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from futurscam_lib.audit.entries import JsonValue
    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.settings import Settings

FAILED_LONGER: Final = 4
"""By default, notebooks of runs that did not end well are kept this many times longer."""

_AT_ONCE: Final = 500


@dataclass(slots=True, repr=False)
class Pruned(Shown):
    """The result of `prune`.

    Attributes:
        notebooks: Their paths below the folder of the runs.
        size: Their total size in bytes.
        kept: The notebooks that were old enough but were kept, with the reason.
        dry_run: Whether nothing was removed, only listed.
        linked: Whether there is a review page, which may have links to removed pages.
    """

    dry_run: bool
    notebooks: list[str] = field(default_factory=list)
    size: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    linked: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"dry_run": self.dry_run, "notebooks": self.notebooks, "bytes": self.size, "kept": self.kept}

    def table(self) -> Table:
        """For a terminal."""
        return Table(("kept anyway", "because"), list(self.kept.items()), notes=list(self._notes()))

    def __repr__(self) -> str:
        """The table as text, or only the summary if no old notebook was kept."""
        return repr(self.table()) if self.kept else "\n".join(self._notes())

    def _notes(self) -> Iterator[str]:
        names = self.notebooks
        if not names:
            yield "There is no notebook to remove." if self.dry_run else "No notebook was removed."
            return
        did = "Would be removed" if self.dry_run else "Removed; the ledger keeps their hashes"
        what = f"{len(names):,} notebooks" if len(names) > 1 else "1 notebook"
        between = f"{names[0]} to {names[-1]}" if len(names) > 1 else names[0]
        yield f"{did}: {what} ({size(self.size)}), {between}."
        if self.linked:
            go = "would go" if self.dry_run else "are gone"
            yield f"Their pages {go}, too; `futurscam review` then writes a page without links to them."


def prune(
    settings: Settings,
    *,
    keep: timedelta,
    keep_failed: timedelta,
    now: datetime,
    started_by: str,
    dry_run: bool = False,
) -> Pruned:
    """Remove the notebooks of runs that ended longer ago, and the pages made from them.

    The ledger records each notebook with its hash before it is removed, so that `verify` does not report it as missing.
    A notebook that was changed after its run is evidence, and is kept.

    Args:
        settings: Of the home.
        keep: How long notebooks are kept.
        keep_failed: The same for runs that did not end well; not less than `keep`.
        now: The present instant, aware, UTC.
        started_by: The user, for the ledger.
        dry_run: Only list the notebooks.

    Raises:
        UsageError: Failures would be kept for a shorter time than successes.
        OperatorMustAct: The ledger was changed; nothing was removed.
    """
    if keep_failed < keep:
        raise UsageError("Notebooks of failed runs cannot be kept for a shorter time than those of the others.")
    pruned = Pruned(dry_run, linked=(settings.runs / REVIEW).exists())
    about: dict[str, JsonValue] = {
        "keep_days": _days(keep),
        "keep_failed_days": _days(keep_failed),
        "started_by": started_by,
    }
    ledger = Ledger.of(settings)
    old = dict(_old(settings, keep=keep, keep_failed=keep_failed, now=now, pruned=pruned))
    names = sorted(old)
    for begin in range(0, len(names), _AT_ONCE):
        some = {name: old[name] for name in names[begin : begin + _AT_ONCE]}
        if not dry_run:
            hashes: JsonValue = {name: run.notebook_sha256 for name, (run, _) in some.items()}
            ledger.append("pruned", at=now, run_id="", facts={"notebooks": hashes, **about})
        for name, (run, path) in some.items():
            _remove(run, path, settings.runs, name=name, pruned=pruned)
    return pruned


def _old(
    settings: Settings, *, keep: timedelta, keep_failed: timedelta, now: datetime, pruned: Pruned
) -> Iterator[tuple[str, tuple[RunRecord, Path]]]:
    """The notebooks to remove: by path, their run and the file."""
    history = History.of(settings)
    for run in history.newest():
        longest = keep if run.status == "ok" else keep_failed
        if run.status == UNFINISHED or run.ended is None or run.ended >= now - longest or not run.notebook_sha256:
            continue
        seen = history.look(run)
        if seen.state == "verifies":
            yield run.notebook, (run, history.path(run))
        elif seen.state == "elsewhere":
            pruned.kept[run.notebook] = "it is not in the folder of the runs; see futurscam runs verify"
        elif seen.state == "changed":
            pruned.kept[run.notebook] = "it was changed after its run; see futurscam runs verify"
        elif seen.state == "unreadable":
            pruned.kept[run.notebook] = f"it cannot be read ({seen.problem})"


def _remove(run: RunRecord, path: Path, runs: Path, *, name: str, pruned: Pruned) -> None:
    try:
        size = path.stat().st_size
        if not pruned.dry_run:
            # The page first: if it cannot be removed, the notebook stays, and the next prune tries both again.
            if page := page_of(run.run_id):
                (runs / page).unlink(missing_ok=True)
            path.unlink()
    except FileNotFoundError:
        return  # Another prune has just removed it.
    except OSError as error:
        # Windows does not remove a file that a program has open; the next prune does.
        pruned.kept[name] = f"it could not be removed ({error.strerror or error})"
        return
    if not pruned.dry_run:
        with suppress(OSError):  # It has other notebooks.
            path.parent.rmdir()
    pruned.notebooks.append(name)
    pruned.size += size


def _days(length: timedelta) -> float:
    return round(length.total_seconds() / 86400, 3)
