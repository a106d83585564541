"""Checks what starts the runs: the loop of this home, or the system's scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from futurscam_lib import clock
from futurscam_lib.diagnostics.checks import Check, CheckResult, State
from futurscam_lib.errors import ExitCode, OperatorMustAct
from futurscam_lib.settings import IS_CLONE, PROJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from futurscam_lib.schedule.job import Scheduler, ScheduleStatus
    from futurscam_lib.settings import Settings

_NAME: Final = "schedule"
_INSTALL: Final = "Let the system start them: futurscam schedule install; or leave this running: futurscam loop"
_AGAIN: Final = "See its state: futurscam schedule show; to install it again: futurscam schedule install"
_REPORTED_ELSEWHERE: Final = {ExitCode.FAILED, ExitCode.RETRY_LATER, ExitCode.OPERATOR_MUST_ACT}
"""After these exit codes the run is in the ledger, or other checks report the problem; it may be solved by now."""

_HARMLESS: Final = {0, ExitCode.ALREADY_RUNNING, 0x41300, 0x41301, 0x41303}
"""Codes of Windows: ready, running, not yet run."""


def starter(settings: Settings) -> list[CheckResult]:
    """The loop of this home; the system's scheduler if there is no loop."""
    from futurscam_lib.runner.loop.state import LoopFiles

    loop = LoopFiles(settings.home).find()
    return [CheckResult("loop", "ok", str(loop))] if loop else scheduled(settings)


def scheduled(settings: Settings, target: Scheduler | None = None) -> list[CheckResult]:
    """The state of the system's scheduler.

    Args:
        settings: Of the home.
        target: The scheduler; this machine's if not given.
    """
    from futurscam_lib import schedule

    try:
        standing = (target or schedule.here()).status()
    except OperatorMustAct as error:
        # It may be a container, or cron, which cannot be asked.
        what, _, remedy = str(error).partition("\n")
        return [
            CheckResult(_NAME, "warning", f"It is unknown whether anything starts the runs: {what}", remedy or _INSTALL)
        ]
    return judge(standing, settings, unseen=schedule.unseen() if standing.installed else ())


def judge(standing: ScheduleStatus, settings: Settings, *, unseen: Sequence[str]) -> list[CheckResult]:
    """Whether there is a schedule, for this home, whose last start worked.

    Args:
        standing: The state of the schedule.
        settings: Of the home.
        unseen: Settings that a scheduled run does not see.
    """
    if not standing.installed:
        return [CheckResult(_NAME, "warning", f"Nothing starts the runs ({standing.scheduler}).", _INSTALL)]
    results = [_result(standing)]
    if not _is_of(standing.command, settings):
        what = f"The schedule is not for this home ({settings.home}) but for another: {standing.command}"
        results.append(CheckResult(_NAME, "warning", what, _AGAIN))
    if unseen:
        what = f"Only this console sets {', '.join(unseen)}; a scheduled run does not see that."
        results.append(
            CheckResult(_NAME, "warning", what, f"Put it into {settings.home / '.env'}, then: futurscam doctor")
        )
    return results


def _result(standing: ScheduleStatus) -> CheckResult:
    result, following = standing.last_result, standing.next_run
    shown = f"{standing.scheduler}: {standing.state}"
    if result is None or result in _HARMLESS:
        due = f", next run {clock.to_people(following)}" if following else ""
        return CheckResult(_NAME, "ok", f"{shown}{due}")
    state: State = "warning" if result in _REPORTED_ELSEWHERE else "problem"
    number = str(result) if 0 <= result <= max(ExitCode) else f"{result:#x}"
    what = f"The last start by the schedule ended with {number}: {standing.meaning or 'unknown'} ({shown})."
    return CheckResult(_NAME, state, what, _AGAIN)


def _is_of(command: str, settings: Settings) -> bool:
    """Whether a command is for this home; the project's home is not named, and some schedulers show no command."""
    if not command:
        return True
    plain = command.replace('"', "").replace("'", "").replace("\\\\", "\\").replace("%%", "%")
    return "--home" not in plain if IS_CLONE and settings.home == PROJECT else str(settings.home) in plain


CHECKS: Final = (Check(_NAME, lambda subject: starter(subject.settings)),)
