"""Checks of the sources: whether each can be read, and whether its clock agrees with this machine's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.diagnostics import access
from futurscam_lib.diagnostics.checks import Check, CheckResult, run
from futurscam_lib.diagnostics.machine import clock_difference, clock_result
from futurscam_lib.errors import ExitCode, FuturscamError
from futurscam_lib.prefetch import prefetch
from futurscam_lib.settings.sources import KNOWN_SOURCES

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.diagnostics.checks import Subject
    from futurscam_lib.settings import Settings


_AT_MOST: Final = timedelta(seconds=10)
_BYTES: Final = 1 << 16
_AT_ONCE: Final = 4
_TRIES: Final = 2
_NETWORK: Final = "the network, a proxy (HTTPS_PROXY, NO_PROXY) and the address in .env"


def look(subject: Subject) -> list[CheckResult]:
    """Check all sources, several at a time."""
    settings = subject.settings
    # A person is waiting, so it gives up sooner than a run.
    impatient = settings.model_copy(update={"http_tries": min(settings.http_tries, _TRIES)})
    hurried = replace(subject, settings=impatient)
    result_lists = prefetch(partial(_look_at, hurried), subject.sources, threads=_AT_ONCE)
    return [result for results in result_lists for result in results]


def reached(settings: Settings, name: str, *, now: datetime) -> CheckResult:
    """Whether a source can be read; `futurscam check` shows the same.

    Args:
        settings: Of the home.
        name: The source.
        now: The current instant.
    """
    result = access.probe_source(settings, name, now=now)
    if not result.problem and result.warnings:
        remedy = f"Correct the setting that it names, then check it alone: futurscam check --source {name}"
        return CheckResult(name, "warning", " ".join(result.warnings), remedy)
    if not result.problem:
        waiting = result.remark if result.waiting is None else f"may be read; {result.waiting:,} wait for the next run"
        return CheckResult(name, "ok", waiting or "may be read")
    what, _, remedy = result.problem.partition("\n")
    no_answer = result.exit_code == ExitCode.RETRY_LATER
    if no_answer or not remedy:
        subject = _NETWORK if no_answer else "what it reports"
        remedy = f"Check {subject}, then the source alone: futurscam check --source {name}"
    return CheckResult(name, "problem", what, remedy, no_answer=no_answer)


def clock_of(settings: Settings, name: str) -> list[CheckResult]:
    """Whether a source's clock agrees with this machine's; nothing if it has none, or did not answer."""
    from futurscam_lib.extract.http import Http, TooLarge

    place = KNOWN_SOURCES[name].clock
    if place is None:
        return []
    patience = min(settings.http_timeout, _AT_MOST)
    with Http(place.name, getattr(settings, place.field), timeout=patience, tries=1) as http:
        asked_at = clock.now()
        with suppress(FuturscamError, TooLarge):  # A refusal has the date, too; `reached` reports other failures.
            http.ask("GET", place.path, limit=_BYTES, wants_json=False)
        answered = clock.now()
    if http.date is None:
        return []
    difference = clock_difference(http.date, asked=asked_at, answered=answered, step=timedelta(seconds=1))
    return [clock_result(place.name, difference, overlap=settings.overlap)]


def _look_at(subject: Subject, name: str) -> list[CheckResult]:
    checks = (
        Check(name, lambda subject: reached(subject.settings, name, now=subject.now)),
        Check(f"clock of {name}", lambda subject: clock_of(subject.settings, name)),
    )
    return list(run(checks, subject))


CHECKS: Final = (Check("sources", look),)
