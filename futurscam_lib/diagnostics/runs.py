"""What the runs left: the watermark, the last results, and whether anybody would hear of a failure."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from futurscam_lib import clock
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.diagnostics.finding import Finding, State, attempt
from futurscam_lib.errors import ExitCode, OperatorMustAct, exit_code_of
from futurscam_lib.report.text import duration
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from futurscam_lib.audit.entries import LedgerEntry
    from futurscam_lib.settings import Settings

LATE, FAR_TOO_LATE = timedelta(hours=2), timedelta(hours=24)
_LOOKED_AT: Final = 500
_SHOWN: Final = 300
_CRASHED: Final = "it was killed, or the machine went down"


class _Run(NamedTuple):
    """How a run ended."""

    entry: LedgerEntry
    status: str
    why: str

    @property
    def no_answer(self) -> bool:
        """Whether nothing worse happened than that something did not answer."""
        facts = self.entry.facts
        code = facts.get("exit_code", exit_code_of(str(facts.get("error_name", ""))))
        return self.entry.event == "end" and code == ExitCode.RETRY_LATER


def look(settings: Settings, *, now: datetime) -> Iterator[Finding]:
    """All checks of what runs left."""
    yield from attempt("watermark", partial(watermark, settings, now=now))
    ledger = attempt("ledger", partial(tail, settings))
    yield from ledger
    if not any(found.state == "problem" for found in ledger):
        yield from attempt("last run", partial(last_run, settings))
        yield from attempt("unfinished", partial(unfinished, settings))
    yield from attempt("alerts", partial(alerts, settings))


def watermark(settings: Settings, *, now: datetime) -> Finding:
    """Whether `.last_execution` can be read, and how old it is.

    Raises:
        OperatorMustAct: It cannot, or lies in the future.
    """
    instant = Watermark(settings.watermark_file).read(now=now)
    if instant is None:
        return Finding("watermark", "ok", "none yet: the next run is a first run")
    age = max(now - instant, timedelta())
    if age > LATE:
        # One that was set back on purpose is old without anything being wrong.
        age = now - max(instant, _set_at(settings) or instant)
    said = f"{clock.to_people(instant)}, {duration(age)} ago"
    if age <= LATE:
        return Finding("watermark", "ok", said)
    state: State = "problem" if age > FAR_TOO_LATE else "warning"
    what = f"Nothing was loaded completely for {duration(age)}: the watermark is {clock.to_people(instant)}."
    return Finding("watermark", state, what, "Have one run now, which reads all since then: futurscam run")


def last_run(settings: Settings) -> Finding:
    """Whether the last run ended well; if not, how many did not in a row, and why.

    Raises:
        OperatorMustAct: The ledger was changed.
    """
    results = list(islice(_results(Ledger(settings.ledger_file)), _LOOKED_AT))
    if not results:
        return Finding("last run", "ok", "none yet")
    last, bad = results[0], list(takewhile(lambda run: run.status != "ok", results))
    if not bad:
        return Finding("last run", "ok", f"{last.entry.run_id}, ok")
    row = f" The last {len(bad)} all did not end well, since {bad[-1].entry.at[:16]} UTC." if len(bad) > 1 else ""
    what = f"The last run ({last.entry.run_id}) {_ended(last.status)}: {last.why}.{row}"
    notebook = settings.runs / str(last.entry.facts.get("notebook", ""))
    remedy = f"Put right what it says, look into {notebook} where that is not enough, then: futurscam run"
    return Finding("last run", "problem", what, remedy, no_answer=all(run.no_answer for run in bad))


def unfinished(settings: Settings) -> Finding:
    """Whether a run began and never ended, though none is active.

    Raises:
        OperatorMustAct: The ledger was changed.
    """
    holder = RunLock(settings.lock_file).holder() if settings.lock_file.exists() else None
    if holder:
        return Finding("unfinished", "ok", f"{holder} is active")
    left = Ledger(settings.ledger_file).unfinished()
    if not left:
        return Finding("unfinished", "ok", "none")
    names = ", ".join(entry.run_id for entry in left[-3:])
    what = f"{_count(len(left), 'run')} began and never ended ({names}): {_CRASHED}."
    return Finding("unfinished", "warning", what, "The next run notes that and reads the same window: futurscam run")


def tail(settings: Settings) -> Finding:
    """Whether the ledger's newest lines are whole and fit each other.

    Raises:
        OperatorMustAct: They were changed.
    """
    ledger = Ledger.of(settings)
    ledger.check()
    try:
        with settings.ledger_file.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 1))
            torn = file.read(1) not in {b"", b"\n"}
    except FileNotFoundError:
        if settings.watermark_file.exists():
            what = f"{settings.watermark_file.name} is there, and the ledger that says how it got there is not."
            return Finding(
                "ledger",
                "problem",
                what,
                f"Restore {settings.runs} from a backup; without one the next run begins anew.",
            )
        return Finding("ledger", "ok", "none yet")
    seen = sum(1 for _ in islice(ledger.backwards(), _LOOKED_AT))
    if torn:
        what = "The ledger's last line is cut off, as a power cut or a full disk leaves it."
        return Finding("ledger", "warning", what, "The next run keeps what is left of it and goes on: futurscam run")
    return Finding("ledger", "ok", f"its last {_count(seen, 'entry', 'entries')} fit each other")


def alerts(settings: Settings) -> Finding:
    """Whether anybody is told."""
    if settings.alert_urls or settings.healthcheck_url:
        return Finding("alerts", "ok", "somebody is told when runs fail")
    remedy = "Set FUTURSCAM_ALERT_URLS or FUTURSCAM_HEALTHCHECK_URL in .env; `futurscam config show` explains them."
    return Finding("alerts", "warning", "Nobody is told when runs fail.", remedy)


def _set_at(settings: Settings) -> datetime | None:
    """When the watermark was set by hand or by a first run, if no run has ended well since."""
    with suppress(OperatorMustAct, OSError):  # Another finding says that the ledger can't be read.
        for entry in islice(Ledger(settings.ledger_file).backwards(), _LOOKED_AT):
            if entry.event in {"reset", "first-run"}:
                return clock.parse(entry.at)
            if entry.event == "end" and entry.facts.get("status") == "ok":
                break
    return None


def _results(ledger: Ledger) -> Iterator[_Run]:
    for entry in ledger.backwards():
        if entry.event == "crashed":
            yield _Run(entry, "crashed", _CRASHED)
        elif entry.event == "end":
            why = str(entry.facts.get("error") or "no reason is known").partition("\n")[0][:_SHOWN]
            yield _Run(entry, str(entry.facts.get("status")), why.rstrip("."))


def _ended(status: str) -> str:
    return {"crashed": "crashed", "timed out": "was timed out"}.get(status, "failed")


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
