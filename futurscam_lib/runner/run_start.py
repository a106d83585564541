"""What the ledger says about the software and the machine of a run."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.settings import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

_PACKAGES: Final = (
    "futurscam-etl",
    "papermill",
    "nbclient",
    "ipykernel",
    "pymongo",
    "pandas",
    "pydantic",
    "nh3",
    "httpx",
    "msal",
)


def of_start(parameters: Mapping[str, Any], *, watermark: datetime, started_by: str) -> dict[str, Any]:
    """Facts of a run's start entry."""
    return {
        "parameters": dict(parameters),
        "watermark": {"before": clock.to_text(watermark)},
        "started_by": started_by,
        "pid": os.getpid(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "git_commit": git_commit(PROJECT),
    }


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in `folder`, with `-dirty` where files differ from it; None without git."""
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
