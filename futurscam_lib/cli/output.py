"""Shared by all commands: how they read options, and how they print."""

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
from futurscam_lib.runner import logs
from futurscam_lib.settings.sources import KNOWN_SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


GROUP: Final[Any] = {"no_args_is_help": False, "add_completion": False, "rich_markup_mode": None}
"""How a group of commands is made."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAMES", help="Only these sources, separated by commas; may be repeated."),
]


def absolute(home: Path) -> Path:
    """Return the folder that `--home` names.

    Raises:
        UsageError: It names a user who is not known here.
    """
    try:
        return home.expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"--home {home}: there is no such user here. Nothing has run.") from error


def instant(text: str) -> datetime:
    """Read the value of an option that takes an instant.

    Raises:
        BadParameter: It is not an instant.
    """
    try:
        return clock.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def source_names(given: Iterable[str] | None) -> tuple[str, ...]:
    """Return the names given to the option `--source`, each once.

    Args:
        given: The value of each option; it may name several sources, separated by commas.

    Raises:
        UsageError: A value holds no name.
    """
    names: dict[str, None] = {}
    for value in given or ():
        parts = [name for part in value.split(",") if (name := part.strip())]
        if not parts:
            raise UsageError(f"--source {value!r} names no source; allowed: {', '.join(KNOWN_SOURCES)}.")
        names |= dict.fromkeys(parts)
    return tuple(names)


_NAMED: Final[ContextVar[str]] = ContextVar("home that was named on the command line", default="")
_COMMAND: Final = re.compile("(?<=`)futurscam (?=[a-z])|(?<=: )futurscam (?=[a-z])")


def work_in(home: Path | None) -> None:
    """Make the commands in messages name the home of the command line; None: no home was given."""
    _NAMED.set(str(home) if home else "")


def command(words: str, *, program: str = "futurscam") -> str:
    """Return the command to type, with `--home` if it was given.

    Args:
        words: The command and its arguments.
        program: How the program is started.
    """
    home = _NAMED.get()
    quoted = f'"{home}"' if sys.platform == "win32" else shlex.quote(home)
    return f"{program} {f'--home {quoted} ' if home else ''}{words}"


def typed_program() -> str:
    """Return what to type for `futurscam`, as this process was started."""
    if "UV" in os.environ:  # Set by `uv run`, which also puts the program on PATH for this process only.
        return "python -m uv run futurscam"
    if shutil.which("futurscam"):
        return "futurscam"
    started = Path(sys.argv[0])
    return str(started) if started.stem == "futurscam" else f'"{sys.executable}" -m futurscam_lib'


def print_text(text: str) -> None:
    """Print on stdout; commands in it, between backticks or after a colon, are completed so that they can be typed."""
    typer.echo(_to_type(text))


def print_error(text: str) -> None:
    """Print on stderr as `print_text` does, without secrets; nothing if there is no stderr."""
    logs.to_stderr(redacted(_to_type(text)))


def _to_type(text: str) -> str:
    return _COMMAND.sub(lambda _: command(""), text)


def redacted(text: str) -> str:
    """Return the text without secrets."""
    with suppress(FuturscamError):
        return _redactor()(text)
    return text  # Wrong settings: their error names no secret.


def print_json(value: Any) -> None:
    """Print JSON on stdout; letters that stdout cannot print are escaped."""
    whole = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    typer.echo(json.dumps(value, ensure_ascii=not whole, indent=2))


def jsonable(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of MongoDB with its instants as text."""
    return {name: clock.to_text(value) if isinstance(value, datetime) else value for name, value in document.items()}


@cache
def _redactor() -> Callable[[str], str]:
    # Once: a keyring may take its time to answer.
    return settings.load().redactor()
