"""The catalogue of all checks, as `futurscam doctor` runs and prints it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import settings
from futurscam_lib.diagnostics.checks import Check, CheckResult, State, Subject, attempt, exit_code_of, run
from futurscam_lib.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from futurscam_lib.errors import ExitCode
    from futurscam_lib.settings import Partial

GROUPS: Final[Mapping[str, str]] = {
    "Python": "machine",
    "Kernels": "kernels",
    "Settings": "",
    "Files": "disk",
    "Runs": "runs",
    "Schedule": "schedules",
    "MongoDB": "database",
    "Sources": "sources",
    "Left out": "",
}
"""By title, the module of this package that lists the checks of the group in `CHECKS`; a module that cannot be
imported costs only its own group. The checks without a module are below."""

_WITHOUT_HOME: Final = ("Python", "Kernels", "Settings")
_AT_ONCE: Final = 8
_LONGEST: Final = 1000
_DATABASE_SETTINGS: Final = {"mongo_uri", "database"}
_CORRECT: Final = "Correct it in .env or in the environment; this shows all settings: futurscam config show"
_RENAME: Final = "Correct its name, or remove it; this shows all settings: futurscam config show"
_COLOURS: Final[Mapping[State, str]] = {"ok": "\x1b[32m", "warning": "\x1b[33m", "problem": "\x1b[31m"}
_NO_COLOUR: Final = "\x1b[0m"
_WIDTH: Final = max(map(len, _COLOURS))


@dataclass(frozen=True, slots=True)
class Group:
    """The results of one group of checks."""

    title: str
    results: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All results; holds no secret."""

    groups: tuple[Group, ...]

    @property
    def results(self) -> list[CheckResult]:
        """The results of all groups."""
        return [result for group in self.groups for result in group.results]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return exit_code_of(self.results)

    def as_list(self) -> list[dict[str, Any]]:
        """For JSON."""
        return [{"group": group.title, **asdict(result)} for group in self.groups for result in group.results]

    def lines(self, *, colours: bool) -> Iterator[str]:
        """For a terminal; an `ok` takes one line."""
        for group in self.groups:
            yield group.title
            for result in group.results:
                yield from _lines(result, colours=colours)
            yield ""
        yield _summary(self.results)


def examine(environ: Mapping[str, str], *, now: datetime, deep: bool = False) -> Diagnosis:
    """Run all checks. Writes nothing, and starts no local server.

    Args:
        environ: The environment.
        now: The current instant, aware, UTC.
        deep: Start a kernel, too.
    """
    read = settings.load_partly(environ)
    usable = read.settings or settings.Settings(places=[])
    askable = [name for name in usable.sources if _can_be_asked(name, read)]
    subject = Subject(usable, environ, now, askable, deep=deep)
    own = {
        "Settings": (
            Check("settings", lambda _: list(_settings(read)) or CheckResult("settings", "ok", "all are right")),
        ),
        "Left out": (Check("left out", lambda subject: list(_left_out(subject, read))),),
    }
    titles = [title for title in GROUPS if read.settings or title in _WITHOUT_HOME]
    if read.wrong & _DATABASE_SETTINGS:
        titles.remove("MongoDB")

    def group(title: str) -> Group:
        def look(subject: Subject) -> Sequence[CheckResult]:
            checks = own.get(title) or import_module(f"{__package__}.{GROUPS[title]}").CHECKS
            return list(run(checks, subject))

        results = attempt(Check(title, look), subject)
        return Group(title, tuple(cleaned(result, redact) for result in results))

    redact = usable.redactor() if read.settings else str
    try:
        # Each waits for something else: a disk, a server, an import.
        groups = tuple(prefetch(group, titles, threads=_AT_ONCE))
    finally:
        subject.close()
    return Diagnosis(tuple(group for group in groups if group.results))


def _settings(read: Partial) -> list[CheckResult]:
    """Wrong settings and unknown names, without notes on known settings."""
    results: list[CheckResult] = []
    known = {variable.name for variable in settings.TABLE.values()}
    for row in read.rows:
        if row.problem:
            what = " ".join(filter(None, (row.problem, row.note)))
            results.append(CheckResult("settings", "problem", what, _CORRECT))
        elif row.note and row.name not in known:
            what = f"{row.name} is set in the environment. {row.note}"
            results.append(CheckResult("settings", "warning", what, _RENAME))
    return results or [CheckResult("settings", "ok", "all are right")]


def _left_out(subject: Subject, read: Partial) -> Sequence[CheckResult]:
    """What is not checked because its settings are wrong."""
    left_out = ["MongoDB"] if read.wrong & _DATABASE_SETTINGS else []
    left_out += [name for name in subject.settings.sources if name not in subject.sources]
    if not left_out:
        return ()
    what = f"Not checked, because of wrong settings: {', '.join(left_out)}."
    return [CheckResult("left out", "warning", what, "Correct the settings first, then check again: futurscam doctor")]


def _can_be_asked(source: str, read: Partial) -> bool:
    """Whether everything that a source reads is right, and nothing is missing."""
    wrong = read.wrong & {"sources", *settings.read_by(source)}
    return read.settings is not None and not wrong and not read.settings.lacking(source)


def cleaned(result: CheckResult, redact: Callable[[str], str]) -> CheckResult:
    """A result without secrets, each of its texts on one line."""
    name, what, remedy = (_line(redact(text)) for text in (result.name, result.what, result.remedy))
    return replace(result, name=name, what=what, remedy=remedy)


def _line(text: str) -> str:
    """Text on one line, without control characters: file names and reasons come from outside."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in line)[:_LONGEST]


def _lines(result: CheckResult, *, colours: bool) -> Iterator[str]:
    word = f"{result.state:<{_WIDTH}}"
    if colours:
        word = f"{_COLOURS[result.state]}{word}{_NO_COLOUR}"
    yield f"  {word}  {result.name}: {result.what}"
    if result.remedy:
        yield f"  {'':<{_WIDTH}}  -> {result.remedy}"


def _summary(results: Iterable[CheckResult]) -> str:
    states = [result.state for result in results]
    problems, warnings = states.count("problem"), states.count("warning")
    if not problems + warnings:
        return "No problems."
    return f"{problems} problem{'' if problems == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}."
