"""The kernel of a headless run: this interpreter, encrypted, without history, ended with the run."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from contextlib import suppress
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from subprocess import Popen

_LOG_TAIL = 2000
_END_SECONDS = 5
_SPEC = KernelSpec(
    argv=[
        sys.executable,
        *("-X", "utf8", "-m", "ipykernel_launcher", "-f", "{connection_file}"),
        "--HistoryManager.enabled=False",
    ],
    display_name="FuturScam",
    language="python",
    metadata={
        "supported_encryption": ["curve"],
        # Otherwise JUPYTER_DEFAULT_PROVISIONER_NAME decides which provisioner starts it.
        "kernel_provisioner": {"provisioner_name": "local-provisioner"},
    },
)


class OwnInterpreter(KernelSpecManager):
    """Knows one kernel, whatever kernels are installed under the same name in the folders that Jupyter looks into."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002 - one answer to all names
        """Return the spec of this interpreter, whatever the name."""
        return _SPEC


class Kernel:
    """One kernel process and what it prints outside of its messages.

    Attributes:
        manager: The jupyter_client manager that a notebook client takes.
    """

    def __init__(self) -> None:
        """Prepare it; nothing is started."""
        self.manager: Any = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=OwnInterpreter(),
            transport_encryption="required",
        )
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `kill`
        self._process: Popen[bytes] | None = None

    async def start(self, *, cwd: Path, env: Mapping[str, str]) -> None:
        """Start the process; its own standard streams go into a temporary file, for `exit_report`."""
        variables = {**os.environ, **env, "PYTHONUTF8": "1"}
        await self.manager.start_kernel(cwd=str(cwd), env=variables, stdout=self._log, stderr=self._log)
        self._process = self.manager.provisioner.process

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell that runs, if one does."""
        with suppress(RuntimeError, OSError):  # It is not running yet, or has ended.
            if self.manager.has_kernel:
                await self.manager.interrupt_kernel()

    def exit_report(self) -> str:
        """Return how the process ended and what it printed last, for an error message; not redacted."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            how = "The kernel did not answer"
        elif code < 0:
            how = f"The kernel was killed by {_signal_name(-code)}"
            how += " (by the system when memory runs out, or by a person)" if code == -9 else ""  # noqa: PLR2004
        else:
            how = f"The kernel ended by itself with exit code {code}"
        printed = self._last_lines()
        return f"{how}. It printed last:\n{printed}" if printed else f"{how}."

    def kill(self) -> None:
        """Make sure that no process is left, also when jupyter_client was interrupted while it ended it."""
        provisioner = self.manager.provisioner
        process = self._process or (provisioner and provisioner.process)
        if process is not None and process.poll() is None:
            process.kill()
            with suppress(TimeoutExpired):
                process.wait(_END_SECONDS)
        self._log.close()

    def _last_lines(self) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _LOG_TAIL))
        return self._log.read().decode(errors="replace").strip()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
