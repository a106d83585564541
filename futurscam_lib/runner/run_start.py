"""The start of a run in the ledger: its request, the machine, the software."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.run_ids import started_by
from futurscam_lib.runner.source_notebook import code_facts
from futurscam_lib.settings import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

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


@dataclass(frozen=True, slots=True)
class RunStart:
    """The start of a run.

    Attributes:
        notebook: The notebook that is executed.
        parameters: The notebook's parameters.
        watermark: The watermark before the run.
        rerun_of: The run whose window it reads again; empty: none.
        confirmed: Whether it may close and reopen any number of missions.
    """

    notebook: Path
    parameters: Mapping[str, Any]
    watermark: datetime
    rerun_of: str = ""
    confirmed: bool = False

    def facts(self) -> dict[str, Any]:
        """Return the facts of the ledger's start entry."""
        facts = {
            "parameters": dict(self.parameters),
            "watermark": {"before": clock.to_text(self.watermark)},
            "started_by": started_by(),
            "pid": os.getpid(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "packages": {name: version for name in _PACKAGES if (version := _version(name))},
            "git_commit": git_commit(PROJECT),
            "code": code_facts(self.notebook),
        }
        if self.rerun_of:
            facts["rerun_of"] = self.rerun_of
        if self.confirmed:
            facts["confirmed"] = True
        return facts


def requirements() -> list[str]:
    """Return `name==version` of every installed package, sorted; rebuilds this environment, except this project.

    Read from the names of folders: reading the metadata of 200 packages takes a third of a second.
    """
    folders = {path.name for place in sys.path if Path(place).is_dir() for path in Path(place).glob("*.dist-info")}
    pairs = {name.removesuffix(".dist-info").partition("-")[::2] for name in folders}
    return sorted(f"{name.replace('_', '-')}=={version}" for name, version in pairs if name != "futurscam_etl")


def git_commit(folder: Path) -> str | None:
    """Return the commit that is checked out in `folder`, with `-dirty` where files differ from it; None without git."""
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
