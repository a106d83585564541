"""Calls the system's own programs: with lists of arguments, never a shell, whatever language they answer in."""

from __future__ import annotations

import codecs
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from futurscam_lib import files
from futurscam_lib.errors import OperatorMustAct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from futurscam_lib.schedule.job import File

_SECONDS: Final = 60
_MISSING: Final = 127
_ENVIRONMENT: Final = {"TZ": "UTC", "LC_ALL": "C"}
"""Instants in UTC and words in English, from the programs that respect it; those of Windows do not."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a call: its exit code, and what it wrote to stdout and stderr."""

    code: int
    output: str = ""
    complaint: str = ""

    @property
    def words(self) -> str:
        """All output in one line."""
        return " ".join(f"{self.complaint} {self.output}".split())


class Call(Protocol):
    """Calls a program."""

    def __call__(self, *arguments: str, interactive: bool = False) -> Done:
        """Call the first of the arguments with the others; `interactive`: it asks the person at the terminal."""


def call(*arguments: str, interactive: bool = False) -> Done:
    """Call a program and wait for it; a program that is missing, or does not answer, is a failure."""
    program = _find(arguments[0])
    if program is None:
        return Done(_MISSING, complaint=f"there is no program {arguments[0]} here.")
    pipe = None if interactive else subprocess.PIPE
    try:
        done = subprocess.run(  # noqa: S603 - the system's own program, and a list of arguments
            [program, *arguments[1:]],
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            env={**os.environ, **_ENVIRONMENT},
            timeout=None if interactive else _SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Done(_MISSING, complaint=f"it did not answer within {_SECONDS} s.")
    except OSError as error:
        return Done(_MISSING, complaint=f"it could not be started: {error.strerror}.")
    return Done(done.returncode, _decode(done.stdout), _decode(done.stderr))


def must(done: Done, *, what: str, remedy: str) -> Done:
    """Make sure that a call went well.

    Raises:
        OperatorMustAct: It did not; the text quotes what the program said.
    """
    if done.code != 0:
        said = f": {done.words}" if done.words else "."
        raise OperatorMustAct(f"{what} failed (exit {done.code}){said}\n{remedy}")
    return done


def write(wanted: Iterable[File], *, state: str) -> None:
    """Write files, and the folders that they need.

    Raises:
        OperatorMustAct: One can't be written; the text names it and the current state.
    """
    for file in wanted:
        path = Path(file.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(path, file.text.encode())
        except OSError as error:
            raise OperatorMustAct(f"{path} can't be written ({error.strerror}). {state}") from error


def _find(program: str) -> str | None:
    if os.name != "nt":
        return shutil.which(program)
    # Not from PATH: Git and Cygwin bring a `whoami` of their own.
    system = Path(os.environ.get("SystemRoot", r"C:\Windows"), "System32")  # noqa: SIM112 - what Windows calls it
    places = (system, system / "WindowsPowerShell" / "v1.0")
    return next((str(path) for place in places if (path := place / f"{program}.exe").is_file()), None)


def _decode(data: bytes | None) -> str:
    if not data:
        return ""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    return data.decode("oem" if os.name == "nt" else "utf-8", errors="replace")
