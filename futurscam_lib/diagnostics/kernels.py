"""The kernel that a run uses, and the one that JupyterLab would start."""

from __future__ import annotations

import ast
import asyncio
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.diagnostics.finding import Finding, attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

_NATIVE: Final = "python3"
_THIS_ONE: Final = {"python", "python3", f"python3.{sys.version_info.minor}"}
"""jupyter_client starts its own interpreter where a kernelspec names one of these."""

_READY_WITHIN: Final = timedelta(seconds=60)
_SYNC: Final = "python -m uv sync --reinstall-package ipykernel --reinstall-package jupyter-client"


def look(*, deep: bool) -> Iterator[Finding]:
    """All checks of kernels; only `deep` starts one."""
    yield from attempt("kernel", partial(of_runs, sys.executable))
    yield from attempt("JupyterLab", partial(of_jupyter, sys.executable))
    if deep:
        yield from attempt("started kernel", partial(started, sys.executable))


def of_runs(executable: str) -> Finding:
    """Whether a run's kernel is this interpreter."""
    from futurscam_lib.runner.kernel import Kernel

    kernel = Kernel()
    try:
        program = str(kernel.manager.kernel_spec.argv[0])
    finally:
        kernel.kill()
    return _compared("kernel", program, executable, ok="a run uses this interpreter")


def of_jupyter(executable: str) -> Finding:
    """Whether JupyterLab would open the notebooks in this environment, or a kernelspec of the same name gets ahead."""
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec(_NATIVE)
    program = str(spec.argv[0])
    if program in _THIS_ONE or _same_environment(program, executable):
        return Finding("JupyterLab", "ok", f"its kernel {_NATIVE} is this interpreter")
    what = (
        f"JupyterLab would open the notebooks with another Python ({program}): "
        f"the kernelspec {_NATIVE} in {spec.resource_dir} gets ahead. Runs are not concerned."
    )
    remedy = f"Remove it: python -m uv run jupyter kernelspec remove {_NATIVE}"
    return Finding("JupyterLab", "warning", what, remedy)


def started(executable: str) -> Finding:
    """Start a kernel as a run does, and ask it which interpreter it is."""
    # Not the default loop, which on Windows cannot watch zmq's sockets.
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        program = runner.run(_ask())
    return _compared("started kernel", program, executable, ok="it started and is this interpreter")


def _compared(name: str, program: str, executable: str, *, ok: str) -> Finding:
    if _same_environment(program, executable):
        return Finding(name, "ok", ok)
    what = f"A run's kernel is {program}, another Python than this one ({executable})."
    return Finding(name, "problem", what, f"Mend the environment: {_SYNC}")


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
        asked = {"it": "sys.executable"}
        answer = await client.execute("import sys", user_expressions=asked, reply=True, timeout=seconds)
        return str(ast.literal_eval(answer["content"]["user_expressions"]["it"]["data"]["text/plain"]))
    finally:
        client.stop_channels()
