"""Checks of the watermark, the ledger and the last runs; and whether alerts are set up."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.diagnostics.checks import Check, CheckResult, State
from futurscam_lib.errors import ExitCode, OperatorMustAct, exit_code_of
from futurscam_lib.report.text import duration
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.settings import alert_urls
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from futurscam_lib.audit.entries import LedgerEntry
    from futurscam_lib.settings import Settings

LATE, FAR_TOO_LATE = timedelta(hours=2), timedelta(hours=24)
_LOOKED_AT: Final = 500
_SHOWN: Final = 300
_CRASHED: Final = "it was killed, or the machine stopped"


@dataclass(frozen=True, slots=True)
class _End:
    """How a run ended."""

    entry: LedgerEntry
    status: str
    why: str

    @property
    def no_answer(self) -> bool:
        """Whether it failed only because something did not answer."""
        facts = self.entry.facts
        code = facts.get("exit_code", exit_code_of(str(facts.get("error_name", ""))))
        return self.entry.event == "end" and code == ExitCode.RETRY_LATER


def watermark(settings: Settings, *, now: datetime) -> CheckResult:
    """Whether `.last_execution` can be read, and how old it is.

    Raises:
        OperatorMustAct: It cannot be read, or is in the future.
    """
    instant = Watermark(settings.watermark_file).read(now=now)
    if instant is None:
        return CheckResult("watermark", "ok", "none yet: the next run is a first run")
    age = max(now - instant, timedelta())
    if age > LATE:
        # A watermark that a person set back is old although nothing is wrong.
        age = now - max(instant, _set_at(settings) or instant)
    shown = f"{clock.to_people(instant)}, {duration(age)} ago"
    if age <= LATE:
        return CheckResult("watermark", "ok", shown)
    state: State = "problem" if age > FAR_TOO_LATE else "warning"
    what = f"No run has succeeded for {duration(age)}: the watermark is {clock.to_people(instant)}."
    return CheckResult("watermark", state, what, "Start a run, which reads everything since then: futurscam run")


def last_run(settings: Settings) -> CheckResult:
    """Whether the last run succeeded; if not, why, and how many failed in a row.

    Raises:
        OperatorMustAct: The ledger was changed.
    """
    results = list(islice(_results(Ledger(settings.ledger_file)), _LOOKED_AT))
    if not results:
        return CheckResult("last run", "ok", "none yet")
    last, bad = results[0], list(takewhile(lambda run: run.status != "ok", results))
    if not bad:
        return CheckResult("last run", "ok", f"{last.entry.run_id}, ok")
    row = f" The last {len(bad)} runs all failed, since {bad[-1].entry.at[:16]} UTC." if len(bad) > 1 else ""
    what = f"The last run ({last.entry.run_id}) {_ended(last.status)}: {last.why}.{row}"
    notebook = settings.runs / str(last.entry.facts.get("notebook", ""))
    remedy = f"Correct what it reports; for details open {notebook}; then: futurscam run"
    return CheckResult("last run", "problem", what, remedy, no_answer=all(run.no_answer for run in bad))


def unfinished(settings: Settings) -> CheckResult:
    """Whether a run started and never ended, although none is active.

    Raises:
        OperatorMustAct: The ledger was changed.
    """
    holder = RunLock(settings.lock_file).holder() if settings.lock_file.exists() else None
    if holder:
        return CheckResult("unfinished", "ok", f"{holder} is active")
    entries = Ledger(settings.ledger_file).unfinished()
    if not entries:
        return CheckResult("unfinished", "ok", "none")
    names = ", ".join(entry.run_id for entry in entries[-3:])
    what = f"{_count(len(entries), 'run')} started and never ended ({names}): {_CRASHED}."
    return CheckResult(
        "unfinished", "warning", what, "The next run marks that as crashed and reads the same window: futurscam run"
    )


def tail(settings: Settings) -> CheckResult:
    """Whether the newest lines of the ledger are complete and chained.

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
            what = f"{settings.watermark_file.name} exists, but the ledger, which says how it was set, does not."
            return CheckResult(
                "ledger",
                "problem",
                what,
                f"Restore {settings.runs} from a backup; without a backup the next run starts a new ledger.",
            )
        return CheckResult("ledger", "ok", "none yet")
    seen = sum(1 for _ in islice(ledger.backwards(), _LOOKED_AT))
    if torn:
        what = "The ledger's last line is incomplete, as after a power cut or on a full disk."
        return CheckResult("ledger", "warning", what, "The next run repairs it: futurscam run")
    return CheckResult("ledger", "ok", f"its last {_count(seen, 'entry', 'entries')} are intact")


def alerts(settings: Settings) -> CheckResult:
    """Whether alerts are sent, and every address is valid."""
    if wrong := wrong_addresses(settings):
        return CheckResult("alerts", "warning", wrong, "Correct it in .env, then: futurscam config check")
    if settings.alert_urls or settings.healthcheck_url:
        return CheckResult("alerts", "ok", "alerts are sent when runs fail")
    remedy = "Set FUTURSCAM_ALERT_URLS or FUTURSCAM_HEALTHCHECK_URL in .env; `futurscam config show` explains them."
    return CheckResult("alerts", "warning", "No alerts are sent when runs fail.", remedy)


def wrong_addresses(settings: Settings) -> str:
    """A sentence about the invalid addresses in FUTURSCAM_ALERT_URLS; empty if there are none.

    Raises:
        UsageError: Apprise, which reads them, is not installed.
    """
    if settings.alert_urls is None:
        return ""
    addresses = alert_urls.split(settings.alert_urls.get_secret_value())
    wrong = ", ".join(map(str, alert_urls.wrong(addresses))) if addresses else ""
    if not wrong:
        return ""
    return (
        f"FUTURSCAM_ALERT_URLS: Apprise cannot read address number {wrong} of {len(addresses)}. Runs go on, but no "
        "alert is sent there. https://github.com/caronc/apprise/wiki lists the valid forms."
    )


def _set_at(settings: Settings) -> datetime | None:
    """When the watermark was set by hand or by a first run, if no run has succeeded since."""
    with suppress(OperatorMustAct, OSError):  # Another check reports that the ledger can't be read.
        for entry in islice(Ledger(settings.ledger_file).backwards(), _LOOKED_AT):
            if entry.event in {"reset", "first-run"}:
                return clock.parse(entry.at)
            if entry.event == "end" and entry.facts.get("status") == "ok":
                break
    return None


def _results(ledger: Ledger) -> Iterator[_End]:
    for entry in ledger.backwards():
        if entry.event == "crashed":
            yield _End(entry, "crashed", _CRASHED)
        elif entry.event == "end":
            why = str(entry.facts.get("error") or "the reason is unknown").partition("\n")[0][:_SHOWN]
            yield _End(entry, str(entry.facts.get("status")), why.rstrip("."))


def _ended(status: str) -> str:
    return {"crashed": "crashed", "timed out": "timed out"}.get(status, "failed")


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


CHECKS: Final = (
    Check("watermark", lambda subject: watermark(subject.settings, now=subject.now)),
    Check("ledger", lambda subject: tail(subject.settings)),
    Check("last run", lambda subject: last_run(subject.settings), after="ledger"),
    Check("unfinished", lambda subject: unfinished(subject.settings), after="ledger"),
    Check("alerts", lambda subject: alerts(subject.settings)),
)
