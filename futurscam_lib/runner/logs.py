"""Logging: each event is a short line on stderr and a full line in the run's log file.

Modules call `structlog.get_logger().info("watermark moved", to=...)`: an event in a few words, facts as keywords, never
a payload; `printed=True` where the command prints the same itself, so that the console does not repeat it.

Files are `logs/etl_20261123_132501.log` (UTC, the start of the run), UTF-8, one line per event; see `log_lines`. Each
run has its own file and the folder has limits of age and size, which no handler of the standard library supports.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TextIO

import stamina.instrumentation
import structlog
import typer

from futurscam_lib import clock
from futurscam_lib.runner import log_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping
    from datetime import datetime, timedelta
    from pathlib import Path

    from stamina.instrumentation import RetryDetails

_log = structlog.get_logger()

PRINTED: Final = "printed"

_LEVELS: Final = logging.getLevelNamesMapping()
_COLOURS: Final = {"warning": "yellow", "error": "red", "critical": "red"}
_OURS: Final = re.compile(r"(etl|loop)_\d{8}_\d{6}(_\d+)?\.log")
_ON_CONSOLE: Final = 100
_MEGABYTE: Final = 1_000_000


def configure(*, verbose: bool = False, quiet: bool = False, redact: Callable[[str], str] = str) -> None:
    """Print events on stderr, from a level on: debug when `verbose`, warning when `quiet`, else info.

    Args:
        verbose: Print more.
        quiet: Print less; goes before `verbose`.
        redact: Removes secrets from a text.
    """
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    structlog.configure(
        processors=[_Console(level, redact)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        # Not the default one, which cannot be made where there is no stdout.
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    # stamina's own hook logs the arguments of the call, which may hold a payload.
    stamina.instrumentation.set_on_retry_hooks([_log_retry])


@contextmanager
def log_file(
    folder: Path, *, started: datetime, prefix: str = "etl", redact: Callable[[str], str]
) -> Iterator[Path | None]:
    """Write all events of a `with` block, debug ones too, into a new file of `folder` as well.

    Args:
        folder: Made where it is missing.
        started: For the file's name; aware.
        prefix: `etl` or `loop`.
        redact: Removes secrets from a text.

    Yields:
        The file; None where it could not be made, which is logged as a warning.
    """
    path, file = _new_file(folder, f"{prefix}_{started:%Y%m%d_%H%M%S}")
    if file is None:
        yield None
        return
    before = structlog.get_config()["processors"]
    structlog.configure(processors=[_File(file, redact), *before])
    try:
        yield path
    finally:
        structlog.configure(processors=before)
        with suppress(OSError):  # The disk is full: what could be written was written line by line.
            file.close()


def remove_old(folder: Path, *, age: timedelta, megabytes: int, now: datetime, keep: Path | None = None) -> None:
    """Remove logs that are too old, then the oldest ones until the rest is small enough; log what cannot be removed.

    Only files that this software made are removed; `keep` and the newest log of each kind stay.

    Args:
        folder: Where the logs are.
        age: Older logs are removed.
        megabytes: The largest total size.
        now: The present instant, aware.
        keep: The log in use.
    """
    try:
        logs = sorted(_logs_in(folder), key=lambda each: each[0], reverse=True)
    except OSError as error:
        _log.warning("logs not cleared", folder=str(folder), why=error.strerror or str(error))
        return
    newest = {path.name.partition("_")[0]: path for _, _, path in reversed(logs)}
    held = 0
    for changed, size, path in logs:
        held += size
        over = held > megabytes * _MEGABYTE or now - changed > age
        if over and path != keep and path not in newest.values():
            _remove(path)


class _Console:
    """Prints each event on stderr, in one short line; the last processor, so nothing else is printed."""

    def __init__(self, level: int, redact: Callable[[str], str]) -> None:
        self._level, self._redact = level, redact
        self._line = log_lines.renderer(redact, longest=_ON_CONSOLE)

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        level = _level_of(method)
        if _LEVELS[level.upper()] >= self._level and not event.get(PRINTED):
            to_stderr(self._text(level, structlog.processors.format_exc_info(logger, method, dict(event))))
        raise structlog.DropEvent

    def _text(self, level: str, event: MutableMapping[str, Any]) -> str:
        trace = event.pop("exception", "")
        shown = {"level": f"{level}:"} if _LEVELS[level.upper()] > logging.INFO else {}
        line = self._line({"timestamp": f"{clock.now():%H:%M:%S}", **shown, **event})
        if in_colour() and level in _COLOURS:
            line = typer.style(line, fg=_COLOURS[level])
        return f"{line}\n{self._redact(trace)}" if trace and self._level <= logging.DEBUG else line


class _File:
    """Writes each event into a file, and passes it on; a full disk ends the log, not the run."""

    def __init__(self, file: TextIO, redact: Callable[[str], str]) -> None:
        self._file, self._line, self._lock = file, log_lines.renderer(redact), threading.Lock()

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        values = structlog.processors.format_exc_info(logger, method, dict(event))
        values.pop(PRINTED, None)
        if trace := values.pop("exception", ""):
            values["traceback"] = trace
        at = f"{clock.to_text(clock.now())[:23]}Z"
        line = self._line({"timestamp": at, "level": f"{_level_of(method):<5}", **values})
        with self._lock, suppress(OSError, ValueError):
            self._file.write(f"{line}\n")
        return event


def replace_unprintable() -> None:
    """Have stdout and stderr print letters that an old code page lacks as `?`, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr] # not every stream is one of files


def to_stderr(text: str) -> None:
    """Print on stderr, where there is one: pythonw has none, and a terminal may be gone."""
    with suppress(OSError, ValueError):
        typer.echo(text, err=True)


def on_terminal() -> bool:
    """Return whether stderr is a terminal."""
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


def in_colour() -> bool:
    """Return whether stderr shows colours, and no setting refuses them (https://no-color.org)."""
    return on_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _level_of(method: str) -> str:
    return {"exception": "error", "warn": "warning", "fatal": "critical"}.get(method, method)


def _new_file(folder: Path, name: str) -> tuple[Path, TextIO] | tuple[None, None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = folder / (f"{name}.log" if number == 1 else f"{name}_{number}.log")
            # Two runs may start within a second; neither overwrites the other's.
            with suppress(FileExistsError):
                return path, path.open("x", buffering=1, encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        _log.warning("no log file", folder=str(folder), why=error.strerror or str(error))
    return None, None


def _logs_in(folder: Path) -> Iterator[tuple[datetime, int, Path]]:
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            with suppress(FileNotFoundError):  # Another run removes old logs, too.
                about = path.stat()
                yield clock.from_epoch(about.st_mtime), about.st_size, path


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("log not removed", file=path.name, why=error.strerror or str(error))
    else:
        _log.debug("log removed", file=path.name)


def _log_retry(details: RetryDetails) -> None:
    _log.warning(
        "retry",
        of=details.name,
        number=details.retry_num,
        wait_seconds=round(details.wait_for, 2),
        because=f"{type(details.caused_by).__name__}: {details.caused_by}",
    )
