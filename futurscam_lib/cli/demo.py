"""`futurscam demo`: its own home, a packaged inbox, a local server; it does not touch the configured home."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from futurscam_lib import clock, settings
from futurscam_lib.cli.output import Json, absolute, command, print_json, redacted, typed_program, work_in
from futurscam_lib.cli.run import print_result
from futurscam_lib.runner import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from futurscam_lib.runner.result import Result
    from futurscam_lib.settings import Settings

INBOX: Final = Path(__file__).resolve().parent / "demo_inbox"
HOME: Final = settings.DEFAULT_HOME / "demo"
DATABASE: Final = "FuturScam_demo"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: futurscam demo")(demo)


def demo(
    context: typer.Context,
    *,
    home: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The same as --home before the command.")] = None,
    as_json: Json = False,
) -> None:
    """Try the program on a packaged inbox.

    It uses its own home and local MongoDB (demo/, or the folder of --home), and leaves the configured home alone.
    """
    named: Path | None = home or context.find_root().params["home"]
    folder, quiet = absolute(named) if named else HOME, bool(context.obj)
    with logs.log_file(folder / "logs", started=clock.now(), redact=redacted) as log:
        result = run_demo(folder, progress=logs.on_terminal() and not as_json and not quiet)
    if as_json:
        print_json({**result.as_dict(), "log": str(log) if log else None})
    else:
        print_result(result, log=log, quiet=quiet)
        work_in(folder)
        typer.echo(f"Open it:    {command('runs open last', program=typed_program())}")
    raise typer.Exit(int(result.exit_code))


def run_demo(home: Path, *, progress: bool = False) -> Result:
    """Load the packaged inbox in `home`; can be repeated.

    Raises:
        UsageError: There is no `mongod` to start.
    """
    from futurscam_lib.runner import runner
    from futurscam_lib.runner.request import Request

    environ = _environ(home)
    configured = settings.load({**_without_settings(), **environ})
    shutil.copytree(INBOX, configured.inbox, dirs_exist_ok=True)
    _keep_settings(configured.home / ".env")
    with _server(configured):
        return runner.run(configured, Request(since=clock.EPOCH), kernel_env=environ, progress=progress)


def _keep_settings(path: Path) -> None:
    """Let every other command work in the demo's home, too: `futurscam --home demo lab explore`."""
    with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
        file.write(f"FUTURSCAM_DB={DATABASE}\nFUTURSCAM_KEYRING=false\n")


def _environ(home: Path) -> dict[str, str]:
    """Return the demo's settings; every other setting is empty, which counts as not set."""
    emptied = dict.fromkeys((variable.name for variable in settings.TABLE.values()), "")
    own = {settings.HOME: str(home), "FUTURSCAM_DB": DATABASE, "FUTURSCAM_KEYRING": "false"}
    return {**emptied, **own}


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FUTURSCAM_")}


@contextmanager
def _server(configured: Settings) -> Iterator[None]:
    """Run the local server of the demo's home; end it again if the demo started it."""
    from futurscam_lib.load import local_server

    was_running = local_server.find(configured) is not None
    local_server.ensure_running(configured)
    try:
        yield
    finally:
        if not was_running:
            local_server.stop(configured)
