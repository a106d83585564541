"""The kernel that a run uses, and the one that JupyterLab would start."""

from __future__ import annotations

import ast
import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from futurscam_lib.diagnostics.checks import Check, CheckResult

_NATIVE: Final = "python3"
_THIS_ONE: Final = {"python", "python3", f"python3.{sys.version_info.minor}"}
"""jupyter_client starts its own interpreter where a kernelspec names one of these."""

_READY_WITHIN: Final = timedelta(seconds=60)
_SYNC: Final = "python -m uv sync --reinstall-package ipykernel --reinstall-package jupyter-client"


def of_runs(executable: str) -> CheckResult:
    """Whether a run's kernel is this interpreter."""
    from futurscam_lib.runner.kernel import Kernel

    kernel = Kernel()
    try:
        program = str(kernel.manager.kernel_spec.argv[0])
    finally:
        kernel.kill()
    return _compared("kernel", program, executable, ok="a run uses this interpreter")


def of_jupyter(executable: str) -> CheckResult:
    """Whether JupyterLab would use this environment, or another kernelspec of the same name comes first."""
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec(_NATIVE)
    program = str(spec.argv[0])
    if program in _THIS_ONE or _same_environment(program, executable):
        return CheckResult("JupyterLab", "ok", f"its kernel {_NATIVE} is this interpreter")
    what = (
        f"JupyterLab would open the notebooks with another Python ({program}): "
        f"the kernelspec {_NATIVE} in {spec.resource_dir} comes first. Runs are not affected."
    )
    remedy = f"Remove it: python -m uv run jupyter kernelspec remove {_NATIVE}"
    return CheckResult("JupyterLab", "warning", what, remedy)


def started(executable: str) -> CheckResult:
    """Start a kernel as a run does, and ask for its interpreter."""
    # Not the default loop, which on Windows cannot watch zmq's sockets.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        program = runner.run(_ask())
    return _compared("started kernel", program, executable, ok="it started and is this interpreter")


def _compared(name: str, program: str, executable: str, *, ok: str) -> CheckResult:
    if _same_environment(program, executable):
        return CheckResult(name, "ok", ok)
    what = f"A run's kernel is {program}, another Python than this one ({executable})."
    return CheckResult(name, "problem", what, f"Repair the environment: {_SYNC}")


def _same_environment(program: str, executable: str) -> bool:
    # The files themselves are links to one Python in many environments; their folders tell these apart.
    return Path(program).parent.resolve() == Path(executable).parent.resolve()


async def _ask() -> str:
    from futurscam_lib.runner.kernel import Kernel

    kernel = Kernel()
    try:
        await kernel.start(cwd=Path.cwd(), env={})
        return await _interpreter_of(kernel.manager)
    finally:
        if kernel.manager.has_kernel:
            await kernel.manager.shutdown_kernel(now=True)
        kernel.kill()


async def _interpreter_of(manager: Any) -> str:
    client, seconds = manager.client(), _READY_WITHIN.total_seconds()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=seconds)
        expressions = {"it": "sys.executable"}
        answer = await client.execute("import sys", user_expressions=expressions, reply=True, timeout=seconds)
        return str(ast.literal_eval(answer["content"]["user_expressions"]["it"]["data"]["text/plain"]))
    finally:
        client.stop_channels()


CHECKS: Final = (
    Check("kernel", lambda _: of_runs(sys.executable)),
    Check("JupyterLab", lambda _: of_jupyter(sys.executable)),
    Check("started kernel", lambda subject: started(sys.executable) if subject.deep else ()),
)
