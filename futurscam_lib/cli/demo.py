"""The demo: a home of its own, a packaged inbox, a local server; nothing that is configured is touched."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from futurscam_lib import clock, settings
from futurscam_lib.load import local_server
from futurscam_lib.runner import runner
from futurscam_lib.runner.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from futurscam_lib.runner.result import Result
    from futurscam_lib.settings import Settings

INBOX: Final = Path(__file__).resolve().parent / "demo_inbox"
HOME: Final = settings.DEFAULT_HOME / "demo"
DATABASE: Final = "FuturScam_demo"


def run(home: Path, *, progress: bool = False) -> Result:
    """Load the packaged inbox in `home`, whatever was loaded before.

    Raises:
        UsageError: There is no `mongod` to start.
    """
    environ = _environ(home)
    configured = settings.load({**_without_settings(), **environ})
    shutil.copytree(INBOX, configured.inbox, dirs_exist_ok=True)
    _keep_settings(configured.home / ".env")
    with _server(configured):
        return runner.run(configured, Request(since=clock.EPOCH), kernel_env=environ, progress=progress)


def _keep_settings(path: Path) -> None:
    """So that every other command works in the demo's home, too: `futurscam --home demo lab explore`."""
    with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
        file.write(f"FUTURSCAM_DB={DATABASE}\nFUTURSCAM_KEYRING=false\n")


def _environ(home: Path) -> dict[str, str]:
    """The demo's settings; every other one is emptied, which is as good as none."""
    emptied = dict.fromkeys((variable.name for variable in settings.TABLE.values()), "")
    own = {settings.HOME: str(home), "FUTURSCAM_DB": DATABASE, "FUTURSCAM_KEYRING": "false"}
    return {**emptied, **own}


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FUTURSCAM_")}


@contextmanager
def _server(configured: Settings) -> Iterator[None]:
    """The local server of the demo's home; ended again where the demo started it."""
    was_running = local_server.find(configured) is not None
    local_server.ensure_running(configured)
    try:
        yield
    finally:
        if not was_running:
            local_server.stop(configured)
