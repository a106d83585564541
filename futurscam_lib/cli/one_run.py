"""One run as a command does it: watched, ended politely, and its errors told as JSON where that was asked for."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NoReturn

from futurscam_lib.cli.output import print_json, redacted, tell
from futurscam_lib.errors import AlreadyRunning, FuturscamError, UsageError
from futurscam_lib.runner import logs

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from futurscam_lib.runner.request import Request
    from futurscam_lib.runner.result import Result


def do(request: Request, *, as_json: bool, quiet: bool) -> tuple[Result, Path | None]:
    """Do it; give how it ended, and its log where one could be written.

    Raises:
        FuturscamError: See `runner.run`; with `as_json` it was told on stdout, too.
    """
    from futurscam_lib.runner import reported_run

    for polite in ("SIGTERM", "SIGBREAK"):  # The second one is Windows', where a loop asks its run so.
        if hasattr(signal, polite):
            signal.signal(getattr(signal, polite), _interrupt)
    one = reported_run.ReportedRun(request, on_terminal=logs.on_terminal())
    try:
        return one.run(progress=logs.on_terminal() and not as_json and not quiet), one.log
    except FuturscamError as error:
        if as_json:
            # A script that reads stdout finds an object there, however the run ended.
            ran = "not started" if isinstance(error, UsageError | AlreadyRunning) else "failed"
            told = {"status": ran, "error": redacted(str(error)), "exit_code": int(error.exit_code)}
            print_json({**told, "log": str(one.log) if one.log else None})
        elif one.log and not quiet:
            tell(f"Log: {one.log}")
        raise


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Treat a polite request to end as Ctrl+C: the run writes its ledger before it goes."""
    raise KeyboardInterrupt
