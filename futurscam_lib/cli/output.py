"""What commands share: how they take instants, and how they print."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from futurscam_lib import clock, settings
from futurscam_lib.errors import FuturscamError, UsageError
from futurscam_lib.extract import source_notes
from futurscam_lib.records import moved, shown_counts
from futurscam_lib.report.tables import Table
from futurscam_lib.report.terminal import plain
from futurscam_lib.runner import logs
from futurscam_lib.settings.sources import KNOWN_SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from futurscam_lib.runner.result import Result

GROUP: Final[Any] = {"no_args_is_help": False, "add_completion": False, "rich_markup_mode": None}
"""How a group of commands is made."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAMES", help="Only these sources, separated by commas; may be repeated."),
]


def instant(text: str) -> datetime:
    """What an option that takes an instant is given.

    Raises:
        BadParameter: It is none.
    """
    try:
        return clock.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def source_names(given: Iterable[str] | None) -> tuple[str, ...]:
    """Return the names of sources that an option `--source` was given, each once.

    Args:
        given: The value of each option; it may name several sources, separated by commas.

    Raises:
        UsageError: A value holds no name.
    """
    names: dict[str, None] = {}
    for value in given or ():
        found = [name for part in value.split(",") if (name := part.strip())]
        if not found:
            raise UsageError(f"--source {value!r} names no source; allowed: {', '.join(KNOWN_SOURCES)}.")
        names |= dict.fromkeys(found)
    return tuple(names)


_NAMED: Final[ContextVar[str]] = ContextVar("home that was named on the command line", default="")
_COMMAND: Final = re.compile("(?<=`)futurscam (?=[a-z])|(?<=: )futurscam (?=[a-z])")


def work_in(home: Path | None) -> None:
    """Have the commands that messages name work for the home that was named on the command line; None: none was."""
    _NAMED.set(str(home) if home else "")


def command(words: str, *, program: str = "futurscam") -> str:
    """What to type for a command, with the home where it was named.

    Args:
        words: The command and its arguments.
        program: How the program is started.
    """
    home = _NAMED.get()
    quoted = f'"{home}"' if sys.platform == "win32" else shlex.quote(home)
    return f"{program} {f'--home {quoted} ' if home else ''}{words}"


def typed_program() -> str:
    """How this process was started: what a person types for `futurscam` where it is not on PATH."""
    if "UV" in os.environ:  # Set by `uv run`, which also puts the program on PATH for this process only.
        return "python -m uv run futurscam"
    if shutil.which("futurscam"):
        return "futurscam"
    started = Path(sys.argv[0])
    return str(started) if started.stem == "futurscam" else f'"{sys.executable}" -m futurscam_lib'


def say(text: str) -> None:
    """Print on stdout; the commands it names, between backticks or after a colon, can be typed as they stand."""
    typer.echo(_to_type(text))


def tell(text: str) -> None:
    """Print on stderr as `say` does, without secrets; where there is no stderr, nothing."""
    logs.to_stderr(redacted(_to_type(text)))


def _to_type(text: str) -> str:
    return _COMMAND.sub(lambda _: command(""), text)


def redacted(text: str) -> str:
    """The text without secrets."""
    with suppress(FuturscamError):
        return _redactor()(text)
    return text  # Wrong settings: their error names no secret.


def print_json(value: Any) -> None:
    """Print it on stdout; letters that stdout cannot take are escaped, not lost."""
    whole = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    typer.echo(json.dumps(value, ensure_ascii=not whole, indent=2))


def print_result(result: Result, *, log: Path | None, quiet: bool) -> None:
    """Print how a run ended; only the table, warnings and errors when `quiet`."""
    names = shown_counts([result.counts])
    sources = {**result.sources, "total": result.counts}
    typer.echo(repr(Table(("source", *names), [(name, *map(one.get, names)) for name, one in sources.items()])))
    if not quiet:
        if result.closed or result.reopened:
            typer.echo(moved(result.closed, result.reopened, dry_run=result.dry_run))
        typer.echo("")
        typer.echo(f"Run:        {result.run_id}, {result.status} in {result.seconds:.1f} s")
        if result.replay:
            typer.echo(f"Replay:     {result.replay}")
        else:
            typer.echo(f"Window:     {result.window['since']} until {result.window['until'] or 'open'}")
        before, after = result.watermark["before"], result.watermark["after"]
        typer.echo(f"Watermark:  {f'stays at {after}' if before == after else f'{before} -> {after}'}")
        typer.echo(f"Notebook:   {result.notebook}")
        typer.echo(f"Log:        {log or 'none could be written'}")
    for note in source_notes.each(result.notes):
        text = plain(str(note))
        if note.warning:
            tell(text)
        elif not quiet:
            say(f"Note:       {text}")
    if result.error:
        tell(f"\n{result.error}")


def jsonable(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of MongoDB as JSON holds it."""
    return {name: clock.to_text(value) if isinstance(value, datetime) else value for name, value in document.items()}


@cache
def _redactor() -> Callable[[str], str]:
    # Once: a keyring may take its time to answer.
    return settings.load().redactor()
