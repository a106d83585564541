"""The runs of a period, as far as the ledger can be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from numbers import Real
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.audit.entries import malformed
from futurscam_lib.audit.history import UNFINISHED, History
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.audit.lines import read_lines
from futurscam_lib.errors import OperatorMustAct, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from futurscam_lib.audit.entries import LedgerEntry
    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.settings import Settings

LONGEST: Final = 3660.0
"""Days; ten years."""

_EARLIER: Final = 60
_IN_RUNS: Final = ("start", "end", "crashed")


@dataclass(frozen=True, slots=True)
class Period:
    """The entries of the ledger in `[since, until)`.

    Attributes:
        since, until: Aware, UTC.
        runs: The runs that started in it, newest first.
        earlier: The last runs before it, at most 60, newest first; they also show what is usual.
        others: Other entries of the period, and since the last run before it: resets, first runs, repairs; newest
            first.
        faults: Problems with the ledger, because of which only some lines can be read.
        sources: The sources that are configured now.
    """

    since: datetime
    until: datetime
    runs: tuple[RunRecord, ...] = ()
    earlier: tuple[RunRecord, ...] = ()
    others: tuple[LedgerEntry, ...] = ()
    faults: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def days(self) -> float:
        """The length in days."""
        return (self.until - self.since) / timedelta(days=1)


def read(settings: Settings, *, days: float, now: datetime) -> Period:
    """Read the ledger back to the start of the period, and a little further.

    Args:
        settings: Of the home.
        days: Length of the period, which ends now.
        now: The present instant; aware, UTC.

    Raises:
        UsageError: That number of days cannot be reviewed, or the period begins before 1970.
    """
    check_days(days)
    if now - clock.EPOCH < timedelta(days=days):
        raise UsageError(f"{days:g} days until {clock.to_people(now)} begin before 1970, when there were no runs.")
    since = now - timedelta(days=days)
    faults: list[str] = []
    history = History.of(settings)
    try:
        runs, earlier = _split(history.newest(), since, now)
        others = _others(Ledger(settings.ledger_file).backwards(), _reach(earlier, since), now)
    except OperatorMustAct as error:
        faults.append(str(error))
        # The readable lines are shown anyway: a reviewer needs them most now.
        runs, earlier = _split(history.readable(), since, now)
        lines = [entry for _, entry in read_lines(settings.ledger_file, lambda _: None) if not malformed(entry)]
        others = _others(reversed(lines), _reach(earlier, since), now)
    return Period(since, now, runs, earlier, others, tuple(faults), tuple(settings.sources))


def check_days(days: float) -> None:
    """Refuse a number of days that cannot be reviewed.

    Raises:
        UsageError: It is not a number, not above 0, or above `LONGEST`.
    """
    # A user can set a parameter of a notebook to any value.
    if not isinstance(days, Real) or not 0 < days <= LONGEST:
        raise UsageError(f"{days} days cannot be reviewed; give a number above 0 and at most {LONGEST:g}.")


def _split(
    newest_first: Iterable[RunRecord], since: datetime, now: datetime
) -> tuple[tuple[RunRecord, ...], tuple[RunRecord, ...]]:
    """The runs of the period, and the last runs before it."""
    runs: list[RunRecord] = []
    earlier: list[RunRecord] = []
    for run in newest_first:
        if run.started < since:
            earlier.append(run)
        elif run.started < now:
            runs.append(run)
        if len(earlier) == _EARLIER:
            break
    return tuple(runs), tuple(earlier)


def _reach(earlier: Sequence[RunRecord], since: datetime) -> datetime:
    """The earliest time at which a reset can explain where the first run of the period started."""
    return earlier[0].started if earlier else since


def _others(newest_first: Iterable[LedgerEntry], since: datetime, now: datetime) -> tuple[LedgerEntry, ...]:
    recent = takewhile(lambda entry: clock.parse(entry.at) >= since, newest_first)
    return tuple(entry for entry in recent if entry.event not in _IN_RUNS and clock.parse(entry.at) < now)


def kind_of(run: RunRecord) -> str:
    """The kind of a run: `ok`, `unfinished`, `failed` (in any way), or `dry` (with any status)."""
    if run.status == UNFINISHED:
        return UNFINISHED
    return "dry" if run.dry_run else "ok" if run.status == "ok" else "failed"
