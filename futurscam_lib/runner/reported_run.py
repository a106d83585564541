"""A run with its log, alerts and health pings. None of them changes how it ends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from futurscam_lib import clock, settings
from futurscam_lib.errors import AlreadyRunning, ExitCode, FuturscamError, MissingExtra, UsageError
from futurscam_lib.runner import logs, runner
from futurscam_lib.runner.alerts import alerts, healthcheck
from futurscam_lib.runner.request import Request
from futurscam_lib.runner.run_end import RunEnd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from futurscam_lib.runner.result import Result
    from futurscam_lib.settings import Settings

_log = structlog.get_logger()


class ReportedRun:
    """One run of the home that the environment names. Sends alerts and health pings, except for dry runs and replays.

    Args:
        request: What to do.
        on_terminal: There is a terminal. Wrong usage by a person at a terminal sends no alert.

    Attributes:
        log: Its log, once there is one.
    """

    def __init__(self, request: Request, *, on_terminal: bool) -> None:
        """See the class."""
        self.log: Path | None = None
        # A scheduled run has the default request, and may have a console all the same: Windows gives it one.
        self._request, self._by_person = request, on_terminal and request != Request()
        self._run_id = ""
        self._redact: Callable[[str], str] = str

    @property
    def _is_reported(self) -> bool:
        return not self._request.dry_run and self._request.replay is None

    def run(self, *, progress: bool) -> Result:
        """Do it, and report how it ended.

        Raises:
            UsageError, and all that `runner.run` raises.
        """
        started = clock.now()
        wrong = None
        try:
            configured = settings.load()
        except UsageError as error:
            wrong, partly = error, settings.load_partly().settings
            if partly is None:
                raise  # Without a home there is no place for a log, nor for the memory of alerts.
            configured = partly
        self._redact = configured.redactor()
        with logs.log_file(configured.logs, started=started, redact=self._redact) as self.log:
            try:
                result = self._run(configured, wrong, progress=progress)
            except BaseException as error:
                self._report_error(configured, error)
                raise
            self._report(configured, self._end(configured, result.exit_code, result.error, result=result), result)
            return result

    def _run(self, configured: Settings, wrong: UsageError | None, *, progress: bool) -> Result:
        if wrong is not None:
            raise wrong
        return runner.run(configured, self._request, progress=progress, began=partial(self._began, configured))

    def _began(self, configured: Settings, run_id: str) -> None:
        self._run_id = run_id
        if self._is_reported:
            _guarded(healthcheck.started, configured)

    def _report_error(self, configured: Settings, error: BaseException) -> None:
        code = error.exit_code if isinstance(error, FuturscamError) else ExitCode.FAILED
        _log_error(error, code)
        if isinstance(error, KeyboardInterrupt | AlreadyRunning) or (code == ExitCode.USAGE and self._by_person):
            return
        self._report(configured, self._end(configured, code, str(error) or type(error).__name__))

    def _report(self, configured: Settings, end: RunEnd, result: Result | None = None) -> None:
        """Send pings and alerts, and remove old logs."""
        if self._is_reported:
            _guarded(healthcheck.ended, configured, end)
            count = result is not None and result.sources and configured.alert_urls
            rejects = _guarded(alerts.open_rejects, configured, now=end.at) if count else None
            _guarded(alerts.notify, configured, end, rejects=rejects)
        if self._run_id:
            limits = {"age": configured.log_age, "megabytes": configured.log_megabytes, "keep": self.log}
            _guarded(logs.remove_old, configured.logs, now=end.at, **limits)

    def _end(self, configured: Settings, code: ExitCode, error: str, *, result: Result | None = None) -> RunEnd:
        return RunEnd(
            run_id=self._run_id,
            exit_code=code,
            error=self._redact(error),
            sources=self._request.sources or configured.sources,
            up_to_now=self._request.until is None,
            notebook=result.notebook if result else None,
            log=self.log,
            at=clock.now(),
        )


def _log_error(error: BaseException, code: ExitCode) -> None:
    facts: dict[str, Any] = {"kind": type(error).__name__, "error": str(error), "exit_code": int(code)}
    match error:
        case AlreadyRunning():
            _log.warning("another run is active", **facts, printed=True)
        case FuturscamError():
            _log.error("run ended by an error", **facts, printed=True)
        case KeyboardInterrupt():
            _log.error("run interrupted", **facts, printed=True)
        case _:
            _log.error("run ended by an unexpected error", **facts, exc_info=error, printed=True)


def _guarded(step: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """Do a step that the run does not depend on; log its errors."""
    try:
        return step(*arguments, **more)
    except MissingExtra as error:
        _log.warning("not done", step=f"{step.__module__}.{step.__qualname__}", why=str(error))
        return None
    except Exception as error:  # noqa: BLE001 - a failed step does not change how the run ended
        _log.warning("not done", step=f"{step.__module__}.{step.__qualname__}", exc_info=error)
        return None
