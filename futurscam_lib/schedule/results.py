"""The meaning of a scheduler's last result, and what to do."""

from __future__ import annotations

from typing import Final

from futurscam_lib.errors import ExitCode

NOT_YET_RUN: Final = 0x41303
RUNNING: Final = 0x41301

_OURS: Final = {int(code): "; ".join(filter(None, (code.meaning, code.remedy))) for code in ExitCode}

# learn.microsoft.com, "Task Scheduler error and success constants"; the rest are Win32 errors and NTSTATUS values.
_WINDOWS: Final = {
    0x41300: "ready for its next start",
    RUNNING: "running",
    0x41302: "disabled; enable it in Task Scheduler, or install it again",
    NOT_YET_RUN: "not yet run",
    0x41304: "no more starts are scheduled; install it again",
    0x41305: "not scheduled; install it again",
    0x41306: "ended by a person, or by the task's time limit",
    0x8004130F: "Windows has no password for it; install it again with --password",
    0x8004131F: "it was running already",
    0x80070002: "a file was not found: has the project or its Python moved? Install it again",
    0x80070003: "a folder was not found: has the project moved? Install it again",
    0x80070005: "access was denied; check who may read the project's folder",
    0x8007010B: "the project's folder was not found; install it again",
    0x800704DD: "the user was not logged on; `futurscam schedule install --password` runs without",
    0x8007052E: "Windows' copy of the password is out of date; install it again with --password",
    0x80070569: "the account may not log on as a batch job; an administrator grants that right",
    0x800710E0: "Windows refused the start: a condition did not hold, such as no network, or nobody logged on",
    0x40010004: "ended by Windows, which was shutting down or logging off",
    0xC000013A: "ended by Ctrl+C, or its window was closed",
    0xC0000142: "could not start while Windows was shutting down or logging off",
}


def meaning(result: int) -> str:
    """Return the meaning of a run's exit code or of a Windows task's result; empty if unknown."""
    return _OURS.get(result, _WINDOWS.get(result & 0xFFFFFFFF, ""))
