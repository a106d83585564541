"""Shared by the benchmarks: a temporary home with its own MongoDB, child processes, medians, tables."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil
from pymongo import MongoClient

from futurscam_lib import settings
from futurscam_lib.load import local_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Home", "client", "machine", "median", "peak_memory", "table", "temporary_home"]

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Home:
    """A temporary home.

    Attributes:
        folder: Where it is.
        uri: Its MongoDB.
    """

    folder: Path
    uri: str

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a child process in this home, independent of the benchmark's environment."""
        return {**_clean_environment(self.folder), **more}

    def measure(self, way: str, options: dict[str, Any] | None = None, **more: str) -> Any:
        """Run one of the ways of `ways.py` in a new process; returns its measurements."""
        done = subprocess.run(
            [sys.executable, str(HERE / "ways.py"), way, json.dumps(options or {})],
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            check=True,
        )
        return json.loads(done.stdout)


@contextmanager
def temporary_home(parent: str | None) -> Iterator[Home]:
    """A home in a temporary folder, its MongoDB running; all of it is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="futurscam-benchmark-", dir=parent)).resolve()
    configured = settings.load(_clean_environment(folder))
    try:
        yield Home(folder, local_server.ensure_running(configured))
    finally:
        local_server.stop(configured)
        shutil.rmtree(folder)


def client(uri: str) -> MongoClient[dict[str, Any]]:
    """A client to clean the databases between two measurements."""
    return MongoClient(uri)


def _clean_environment(folder: Path) -> dict[str, str]:
    # Without modules that are compiled once, as everywhere, each start would compile them all again.
    left_out = ("FUTURSCAM_", "MONGO_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, settings.HOME: str(folder), "FUTURSCAM_KEYRING": "false"}


def peak_memory() -> int:
    """The peak resident memory of this process, in bytes."""
    if sys.platform == "linux":
        # Not getrusage, which also remembers the process that started this one.
        status = Path("/proc/self/status").read_text("ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def machine() -> str:
    """One line on where this was measured."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, "
        f"CPython {platform.python_version()}, pymongo {version('pymongo')}, papermill {version('papermill')}"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
