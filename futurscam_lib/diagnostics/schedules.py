"""Whether anything starts runs by itself: the loop of this home, or the system's scheduler."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.diagnostics.finding import Finding, State, attempt
from futurscam_lib.errors import ExitCode, OperatorMustAct
from futurscam_lib.settings import IS_CLONE, PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from futurscam_lib.schedule.job import Scheduler, ScheduleStatus
    from futurscam_lib.settings import Settings

_NAME: Final = "schedule"
_INSTALL: Final = "Have the system start them: futurscam schedule install; or keep this going: futurscam loop"
_AGAIN: Final = "See how it stands: futurscam schedule show; to have it as it should be: futurscam schedule install"
_TOLD_ELSEWHERE: Final = {ExitCode.FAILED, ExitCode.RETRY_LATER, ExitCode.OPERATOR_MUST_ACT}
"""A run that ended like that wrote the ledger, or met what other findings are about; it may be mended by now."""

_HARMLESS: Final = {0, ExitCode.ALREADY_RUNNING, 0x41300, 0x41301, 0x41303}
"""Windows' own: ready, running, not yet run."""


def look(settings: Settings) -> Iterator[Finding]:
    """All checks of what starts runs; a loop that runs is enough."""
    loop = attempt("loop", partial(looping, settings))
    yield from loop
    if not loop:
        yield from attempt(_NAME, partial(scheduled, settings))


def looping(settings: Settings) -> list[Finding]:
    """The loop of this home, where there is one."""
    from futurscam_lib.runner.loop.state import LoopFiles

    state = LoopFiles(settings.home).find()
    return [Finding("loop", "ok", str(state))] if state else []


def scheduled(settings: Settings, target: Scheduler | None = None) -> list[Finding]:
    """What the system's scheduler says.

    Args:
        settings: Of the home.
        target: The scheduler; that of this machine when not given.
    """
    from futurscam_lib import schedule

    try:
        standing = (target or schedule.here()).status()
    except OperatorMustAct as error:
        # It may be a container, or cron, of which nobody can ask.
        what, _, remedy = str(error).partition("\n")
        return [Finding(_NAME, "warning", f"Whether anything starts the runs is not known: {what}", remedy or _INSTALL)]
    return judged(standing, settings, unseen=schedule.unseen() if standing.installed else ())


def judged(standing: ScheduleStatus, settings: Settings, *, unseen: Sequence[str]) -> list[Finding]:
    """Whether a schedule is there, starts the runs of this home, and its last start came to something.

    Args:
        standing: What the scheduler says.
        settings: Of the home.
        unseen: Settings that a scheduled run does not get.
    """
    if not standing.installed:
        return [Finding(_NAME, "warning", f"Nothing starts the runs ({standing.scheduler}).", _INSTALL)]
    found = [_result(standing)]
    if not _is_of(standing.command, settings):
        what = f"What is scheduled does not work in this home ({settings.home}) but in another: {standing.command}"
        found.append(Finding(_NAME, "warning", what, _AGAIN))
    if unseen:
        what = f"Only this console knows {', '.join(unseen)}; a scheduled run does not get that."
        found.append(Finding(_NAME, "warning", what, f"Put it into {settings.home / '.env'}, then: futurscam doctor"))
    return found


def _result(standing: ScheduleStatus) -> Finding:
    result, following = standing.last_result, standing.next_run
    said = f"{standing.scheduler}: {standing.state}"
    if result is None or result in _HARMLESS:
        due = f", next run {clock.to_people(following)}" if following else ""
        return Finding(_NAME, "ok", f"{said}{due}")
    state: State = "warning" if result in _TOLD_ELSEWHERE else "problem"
    number = str(result) if 0 <= result <= max(ExitCode) else f"{result:#x}"
    what = f"The last start by the schedule ended with {number}: {standing.meaning or 'unknown'} ({said})."
    return Finding(_NAME, state, what, _AGAIN)


def _is_of(command: str, settings: Settings) -> bool:
    """Whether a command names this home; none is named for that of the project, and some schedulers tell no command."""
    if not command:
        return True
    plain = command.replace('"', "").replace("'", "").replace("\\\\", "\\").replace("%%", "%")
    return "--home" not in plain if IS_CLONE and settings.home == PROJECT else str(settings.home) in plain
