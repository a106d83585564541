"""The sources: whether each answers, takes the credentials and shows what it has, and what its clock says."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.diagnostics import check, clocks
from futurscam_lib.diagnostics.finding import Finding, attempt
from futurscam_lib.errors import ExitCode, FuturscamError
from futurscam_lib.prefetch import prefetch
from futurscam_lib.settings.sources import KNOWN_SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from futurscam_lib.settings import Settings


_AT_MOST: Final = timedelta(seconds=10)
_BYTES: Final = 1 << 16
_AT_ONCE: Final = 4
_TRIES: Final = 2
_NETWORK: Final = "the network, a proxy (HTTPS_PROXY, NO_PROXY) and the address in .env"


def look(settings: Settings, names: Sequence[str], *, now: datetime) -> Iterator[Finding]:
    """All checks of these sources, several at a time."""
    # A person waits: what does not answer twice is told so, though a run would try more often.
    impatient = settings.model_copy(update={"http_tries": min(settings.http_tries, _TRIES)})
    for found in prefetch(partial(_look_at, impatient, now), names, threads=_AT_ONCE):
        yield from found


def reached(settings: Settings, name: str, *, now: datetime) -> Finding:
    """Whether a source can be read; what it says is in `futurscam check`, too."""
    (found,) = (one for one in check.find_out(settings, [name], now=now) if one.name == name)
    if not found.problem and found.warnings:
        remedy = f"Correct the setting that it names, then try it alone: futurscam check --source {name}"
        return Finding(name, "warning", " ".join(found.warnings), remedy)
    if not found.problem:
        waiting = found.remark if found.waiting is None else f"may be read; {found.waiting:,} wait for the next run"
        return Finding(name, "ok", waiting or "may be read")
    what, _, remedy = found.problem.partition("\n")
    no_answer = found.exit_code == ExitCode.RETRY_LATER
    if no_answer or not remedy:
        look = _NETWORK if no_answer else "what it says"
        remedy = f"Look at {look}, then try it alone: futurscam check --source {name}"
    return Finding(name, "problem", what, remedy, no_answer=no_answer)


def clock_of(settings: Settings, name: str) -> list[Finding]:
    """Whether a source's clock agrees with this machine's; none where it has none, or did not answer."""
    from futurscam_lib.extract.http import Http, TooLarge

    place = KNOWN_SOURCES[name].clock
    if place is None:
        return []
    patience = min(settings.http_timeout, _AT_MOST)
    with Http(place.name, getattr(settings, place.field), timeout=patience, tries=1) as http:
        asked = clock.now()
        with suppress(FuturscamError, TooLarge):  # What matters came along, or `reached` tells why nothing did.
            http.ask("GET", place.path, limit=_BYTES, wants_json=False)
        answered = clock.now()
    if http.date is None:
        return []
    difference = clocks.skew(http.date, asked=asked, answered=answered, step=timedelta(seconds=1))
    return [clocks.judged(place.name, difference, overlap=settings.overlap)]


def _look_at(settings: Settings, now: datetime, name: str) -> list[Finding]:
    return [
        *attempt(name, partial(reached, settings, name, now=now)),
        *attempt(f"clock of {name}", partial(clock_of, settings, name)),
    ]
