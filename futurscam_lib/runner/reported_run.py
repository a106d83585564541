"""A run with all that watches over it: its log, alerts, the healthcheck. None of them changes how it ends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from futurscam_lib import clock, settings
from futurscam_lib.errors import AlreadyRunning, ExitCode, FuturscamError, UsageError
from futurscam_lib.runner import logs, runner
from futurscam_lib.runner.alerts import healthcheck, rules
from futurscam_lib.runner.run_end import RunEnd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from futurscam_lib.settings import Settings

_log = structlog.get_logger()


class ReportedRun:
    """One run of the home that the environment names.

    Args:
        request: What to do.
        seen: There is a terminal. Where the request is one that a person makes, nobody else is told of its faults.

    Attributes:
        log: Its log, once there is one.
    """

    def __init__(self, request: runner.Request, *, seen: bool) -> None:
        """See the class."""
        self.log: Path | None = None
        # What a schedule starts asks for nothing special, and may have a console all the same: Windows gives it one.
        self._request, self._seen = request, seen and request != runner.Request()
        self._run_id = ""
        self._clean: Callable[[str], str] = str

    @property
    def _counts(self) -> bool:
        """Whether its end says how the sources are: not of a dry run, nor of a replay, which asks none."""
        return not self._request.dry_run and self._request.replay is None

    def run(self, *, progress: bool) -> runner.Result:
        """Do it, and tell of its end, whatever that is.

        Raises:
            UsageError, and all that `runner.run` raises.
        """
        started = clock.now()
        wrong = None
        try:
            configured = settings.load()
        except UsageError as error:
            wrong, found = error, settings.load_partly().settings
            if found is None:
                raise  # Without a home there is no place for a log, and none to remember alerts in.
            configured = found
        self._clean = configured.redactor()
        with logs.kept(configured.logs, started=started, clean=self._clean) as self.log:
            try:
                result = self._do(configured, wrong, progress=progress)
            except BaseException as error:
                self._failed(configured, error)
                raise
            self._tell(configured, self._ending(configured, result.exit_code, result.error, result=result), result)
            return result

    def _do(self, configured: Settings, wrong: UsageError | None, *, progress: bool) -> runner.Result:
        if wrong is not None:
            raise wrong
        return runner.run(configured, self._request, progress=progress, began=partial(self._began, configured))

    def _began(self, configured: Settings, run_id: str) -> None:
        self._run_id = run_id
        if self._counts:
            _guarded(healthcheck.started, configured)

    def _failed(self, configured: Settings, error: BaseException) -> None:
        code = error.exit_code if isinstance(error, FuturscamError) else ExitCode.FAILED
        _log_end(error, code)
        if isinstance(error, KeyboardInterrupt | AlreadyRunning) or (code == ExitCode.USAGE and self._seen):
            return
        self._tell(configured, self._ending(configured, code, str(error) or type(error).__name__))

    def _tell(self, configured: Settings, ending: RunEnd, result: runner.Result | None = None) -> None:
        """Tell whoever wants to be told, and make room for the logs to come."""
        if self._counts:
            _guarded(healthcheck.ended, configured, ending)
            counts = result is not None and result.sources and configured.alert_urls
            rejects = _guarded(rules.open_rejects, configured, now=ending.at) if counts else None
            _guarded(rules.tell, configured, ending, rejects=rejects)
        if self._run_id:
            kept = {"age": configured.log_age, "megabytes": configured.log_megabytes, "keep": self.log}
            _guarded(logs.rotate, configured.logs, now=ending.at, **kept)

    def _ending(
        self, configured: Settings, code: ExitCode, error: str, *, result: runner.Result | None = None
    ) -> RunEnd:
        return RunEnd(
            run_id=self._run_id,
            exit_code=code,
            error=self._clean(error),
            sources=self._request.sources or configured.sources,
            up_to_now=self._request.until is None,
            notebook=result.notebook if result else None,
            log=self.log,
            at=clock.now(),
        )


def _log_end(error: BaseException, code: ExitCode) -> None:
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
    """Do a step that a run does not depend on; what goes wrong with it is logged."""
    try:
        return step(*arguments, **more)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run's end stands
        _log.warning("not done", step=f"{step.__module__}.{step.__qualname__}", exc_info=error)
        return None
