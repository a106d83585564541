"""The machine as Python sees it: the interpreter, its environment and packages, the kernel, the time zones."""

from __future__ import annotations

import struct
import sys
import tomllib
from datetime import datetime, timedelta
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from packaging.requirements import Requirement

from futurscam_lib.diagnostics.finding import Finding, attempt
from futurscam_lib.settings import IS_CLONE, PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_OLDEST, _NEWEST = (3, 11), (3, 13)
_BITS: Final = 64
_DISTRIBUTION: Final = "futurscam-etl"
_SYNC: Final = "python -m uv sync" if IS_CLONE else f'"{sys.executable}" -m pip install --upgrade {_DISTRIBUTION}'
_OWN: Final = f"Make and use the project's own: {_SYNC}, then python -m uv run futurscam doctor"


def look() -> Iterator[Finding]:
    """All checks of the machine that need no settings; those of the kernel are in `kernels`."""
    yield from attempt("Python", partial(python, sys.version_info[:3], bits=struct.calcsize("P") * 8))
    yield from attempt("environment", partial(environment, Path(sys.prefix), Path(sys.base_prefix), project=PROJECT))
    yield from attempt("packages", lambda: packages(required(PROJECT)))
    yield from attempt("time zones", time_zones)


def python(version: tuple[int, ...], *, bits: int) -> Finding:
    """Whether this interpreter is one that the software is tested with."""
    said = f"{'.'.join(map(str, version))}, {bits} bit"
    fits = _OLDEST <= version[:2] <= _NEWEST
    if fits and bits == _BITS:
        return Finding("Python", "ok", said)
    what = f"This is Python {said}; 3.11 to 3.13 with 64 bit are needed."
    return Finding("Python", "problem", what, f"Have uv fetch a fitting one: python -m uv sync --python {_newest()}")


def environment(prefix: Path, base: Path, *, project: Path) -> Finding:
    """Whether the interpreter belongs to the virtual environment of the project.

    Args:
        prefix: Folder of the environment in use.
        base: Folder of the Python that it was made from.
        project: Where the project lies.
    """
    own = project / ".venv"
    if prefix == base:
        what = f"{prefix} is no virtual environment: what other programs install there changes this one, too."
        return Finding("environment", "warning", what, _OWN)
    if own.is_dir() and own.resolve() != prefix.resolve():
        what = f"The environment in use is {prefix}, not the project's {own}."
        return Finding("environment", "warning", what, "Call it so: python -m uv run futurscam doctor")
    return Finding("environment", "ok", str(prefix))


def required(project: Path) -> list[str]:
    """What has to be installed: by the project's own file, which is newer than what was installed after a `git pull`.

    Raises:
        PackageNotFoundError: There is no such file, and the project is not installed either.
    """
    file = project / "pyproject.toml"
    if file.is_file():
        return list(tomllib.loads(file.read_text("utf-8"))["project"]["dependencies"])
    return metadata.requires(_DISTRIBUTION) or []


def packages(requirements: Iterable[str], *, version: Callable[[str], str] = metadata.version) -> Finding:
    """Whether what is required is installed, in versions that fit.

    Args:
        requirements: As `pandas>=2.2,<4`.
        version: Gives the installed one.
    """
    parsed = [Requirement(text) for text in requirements]
    needed = [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [said for one in needed if (said := _misfit(one, version))]
    if not wrong:
        return Finding("packages", "ok", f"all {len(needed)} are installed and fit")
    return Finding("packages", "problem", f"These packages are not as needed: {'; '.join(wrong)}.", f"Run: {_SYNC}")


def time_zones(zone: str = "Europe/Brussels") -> Finding:
    """Whether the time zone data is there and knows summer time; deadlines without an offset are meant in that zone."""
    remedy = f"Install the packaged data: {_SYNC} --reinstall-package tzdata"
    try:
        summer = datetime(2026, 7, 1, tzinfo=ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError):
        return Finding("time zones", "problem", f"The time zone {zone} is not known here.", remedy)
    if summer != timedelta(hours=2):
        return Finding("time zones", "problem", f"The time zone data has {zone} at {summer} in summer.", remedy)
    return Finding("time zones", "ok", f"{zone} is known")


def _misfit(needed: Requirement, version: Callable[[str], str]) -> str:
    try:
        found = version(needed.name)
    except metadata.PackageNotFoundError:
        return f"{needed.name} is missing"
    fits = needed.specifier.contains(found, prereleases=True)
    return "" if fits else f"{needed.name} is {found}, needed is {needed.specifier}"


def _newest() -> str:
    return ".".join(map(str, _NEWEST))
