"""The machine: the Python interpreter, its environment and packages, the time zones, the clock."""

from __future__ import annotations

import struct
import sys
import tomllib
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from packaging.requirements import Requirement

from futurscam_lib.diagnostics.checks import Check, CheckResult
from futurscam_lib.settings import IS_CLONE, PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_OLDEST, _NEWEST = (3, 11), (3, 13)
_BITS: Final = 64
_DISTRIBUTION: Final = "futurscam-etl"
_SYNC: Final = "python -m uv sync" if IS_CLONE else f'"{sys.executable}" -m pip install --upgrade {_DISTRIBUTION}'
_OWN: Final = f"Make and use the project's own: {_SYNC}, then python -m uv run futurscam doctor"
NOTICED: Final = timedelta(seconds=5)
_SET_CLOCK: Final = {
    "win32": "w32tm /resync (in a terminal of an administrator)",
    "darwin": "sudo sntp -sS time.apple.com",
}


def python(version: tuple[int, ...], *, bits: int) -> CheckResult:
    """Whether the software is tested with this interpreter."""
    this = f"{'.'.join(map(str, version))}, {bits} bit"
    fits = _OLDEST <= version[:2] <= _NEWEST
    if fits and bits == _BITS:
        return CheckResult("Python", "ok", this)
    what = f"This is Python {this}; 3.11 to 3.13 with 64 bit are needed."
    return CheckResult("Python", "problem", what, "Install a suitable version with uv: python -m uv sync --python 3.13")


def environment(prefix: Path, base: Path, *, project: Path) -> CheckResult:
    """Whether the interpreter belongs to the virtual environment of the project.

    Args:
        prefix: Folder of the environment in use.
        base: Folder of the Python that it was made from.
        project: Folder of the project.
    """
    own = project / ".venv"
    if prefix == base:
        what = f"{prefix} is not a virtual environment: what other programs install there changes this program, too."
        return CheckResult("environment", "warning", what, _OWN)
    if own.is_dir() and own.resolve() != prefix.resolve():
        what = f"The environment in use is {prefix}, not the project's {own}."
        return CheckResult("environment", "warning", what, "Use the project's own: python -m uv run futurscam doctor")
    return CheckResult("environment", "ok", str(prefix))


def required(project: Path) -> list[str]:
    """The required packages, from the project's file, which can be newer than the installation after a `git pull`.

    Raises:
        PackageNotFoundError: There is no such file, and the project is not installed either.
    """
    file = project / "pyproject.toml"
    if file.is_file():
        return list(tomllib.loads(file.read_text("utf-8"))["project"]["dependencies"])
    return metadata.requires(_DISTRIBUTION) or []


def packages(requirements: Iterable[str], *, version: Callable[[str], str] = metadata.version) -> CheckResult:
    """Whether the required packages are installed, in suitable versions.

    Args:
        requirements: As `pandas>=2.2,<4`.
        version: Returns the installed version.
    """
    parsed = [Requirement(text) for text in requirements]
    needed = [package for package in parsed if package.marker is None or package.marker.evaluate({"extra": ""})]
    wrong = [misfit for package in needed if (misfit := _misfit(package, version))]
    if not wrong:
        return CheckResult("packages", "ok", f"all {len(needed)} are installed, in suitable versions")
    return CheckResult(
        "packages", "problem", f"These packages are missing or unsuitable: {'; '.join(wrong)}.", f"Run: {_SYNC}"
    )


def time_zones(zone: str = "Europe/Brussels") -> CheckResult:
    """Whether the time zone data is installed and has summer time; deadlines without an offset are in that zone."""
    remedy = f"Install the packaged data: {_SYNC} --reinstall-package tzdata"
    try:
        summer = datetime(2026, 7, 1, tzinfo=ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError):
        return CheckResult("time zones", "problem", f"The time zone {zone} is unknown here.", remedy)
    if summer != timedelta(hours=2):
        return CheckResult("time zones", "problem", f"The time zone data has {zone} at {summer} in summer.", remedy)
    return CheckResult("time zones", "ok", f"{zone} is known")


def _misfit(needed: Requirement, version: Callable[[str], str]) -> str:
    try:
        installed = version(needed.name)
    except metadata.PackageNotFoundError:
        return f"{needed.name} is missing"
    fits = needed.specifier.contains(installed, prereleases=True)
    return "" if fits else f"{needed.name} is {installed}, needed is {needed.specifier}"


def clock_difference(theirs: datetime, *, asked: datetime, answered: datetime, step: timedelta) -> timedelta:
    """How far another clock is ahead, at least; negative if it is behind.

    Args:
        theirs: What it showed, rounded down to `step`.
        asked: This machine's instant before the question.
        answered: This machine's instant after the answer.
        step: The resolution of the other clock.
    """
    if theirs > answered:
        return theirs - answered
    return min(theirs + step - asked, timedelta())


def clock_result(whose: str, ahead: timedelta, *, overlap: timedelta) -> CheckResult:
    """Whether the difference to another clock is a problem.

    Up to half an overlap, no item is missed: the next run reads the time just before the watermark again.

    Args:
        whose: The owner of the other clock.
        ahead: How far it is ahead; negative if it is behind.
        overlap: How far behind the watermark a run reads again.
    """
    seconds = ahead.total_seconds()
    if abs(ahead) < NOTICED:
        return CheckResult("clock", "ok", f"agrees with the clock of {whose}")
    harmful = abs(ahead) >= max(NOTICED, overlap / 2)
    direction = "ahead of" if seconds > 0 else "behind"
    lost = "; the overlap no longer covers that, so a run may miss items" if harmful else ""
    what = f"The clock of {whose} is {abs(seconds):,.0f} s {direction} this machine's{lost}."
    command = _SET_CLOCK.get(sys.platform, "sudo timedatectl set-ntp true")
    return CheckResult("clock", "problem" if harmful else "warning", what, f"Set this machine's clock: {command}")


CHECKS: Final = (
    Check("Python", lambda _: python(sys.version_info[:3], bits=struct.calcsize("P") * 8)),
    Check("environment", lambda _: environment(Path(sys.prefix), Path(sys.base_prefix), project=PROJECT)),
    Check("packages", lambda _: packages(required(PROJECT))),
    Check("time zones", lambda _: time_zones()),
)
