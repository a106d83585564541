"""The page: all checks in groups, and how they are shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.diagnostics import configuration, kernels, machine
from futurscam_lib.diagnostics.finding import Finding, State, attempt, exit_code_of
from futurscam_lib.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from futurscam_lib.diagnostics.configuration import Configuration
    from futurscam_lib.errors import ExitCode
    from futurscam_lib.settings import Settings

_AT_ONCE: Final = 8
_SHOWN: Final = 1000
_COLOURS: Final[Mapping[State, str]] = {"ok": "\x1b[32m", "warning": "\x1b[33m", "problem": "\x1b[31m"}
_PLAIN: Final = "\x1b[0m"
_WIDTH: Final = max(map(len, _COLOURS))


@dataclass(frozen=True, slots=True)
class Group:
    """Findings about one thing.

    Attributes:
        title: What they are about.
        findings: In the order of the checks.
    """

    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All that was found; holds no secret."""

    groups: tuple[Group, ...]

    @property
    def findings(self) -> list[Finding]:
        """Those of all groups."""
        return [finding for group in self.groups for finding in group.findings]

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        return exit_code_of(self.findings)

    def as_list(self) -> list[dict[str, Any]]:
        """As JSON holds it."""
        return [{"group": group.title, **asdict(finding)} for group in self.groups for finding in group.findings]

    def lines(self, *, colours: bool) -> Iterator[str]:
        """For a terminal; what is well takes one line."""
        for group in self.groups:
            yield group.title
            for finding in group.findings:
                yield from _lines(finding, colours=colours)
            yield ""
        yield _summary(self.findings)


def examine(environ: Mapping[str, str], *, now: datetime, deep: bool = False) -> Page:
    """Look at everything.

    Args:
        environ: The environment.
        now: The present instant, aware, UTC.
        deep: Start a kernel, too.
    """
    configured = configuration.read(environ)
    looks: dict[str, Callable[[], Iterable[Finding]]] = {
        "Python": machine.look,
        "Kernels": partial(kernels.look, deep=deep),
        "Settings": lambda: configured.findings,
    }
    if configured.settings is not None:
        looks |= _looks(configured, configured.settings, environ, now)
    # Each waits for something else: a disk, a server, an import.
    groups = prefetch(lambda look: Group(look[0], tuple(_whole(*look))), looks.items(), threads=_AT_ONCE)
    redact = configured.settings.redactor() if configured.settings is not None else str
    return Page(tuple(_redacted(group, redact) for group in groups))


def _looks(
    configured: Configuration, settings: Settings, environ: Mapping[str, str], now: datetime
) -> dict[str, Callable[[], Iterable[Finding]]]:
    """The checks that need settings; they load what they need, so that a fault in it costs only its own group."""
    from futurscam_lib.diagnostics import database, files, runs, schedules, sources

    found: dict[str, Callable[[], Iterable[Finding]]] = {
        "Files": partial(files.look, settings, environ=environ),
        "Runs": partial(runs.look, settings, now=now),
        "Schedule": partial(schedules.look, settings),
    }
    if configured.database:
        found["MongoDB"] = partial(database.look, settings)
    if configured.sources:
        found["Sources"] = partial(sources.look, settings, configured.sources, now=now)
    left_out = [*([] if configured.database else ["MongoDB"]), *_without(settings.sources, configured.sources)]
    if left_out:
        what = f"Not looked at, because of wrong settings: {', '.join(left_out)}."
        remedy = "Correct the settings first, then ask again: futurscam doctor"
        found["Left out"] = lambda: [Finding("left out", "warning", what, remedy)]
    return found


def _without(names: Iterable[str], others: Iterable[str]) -> list[str]:
    return [name for name in names if name not in set(others)]


def _whole(title: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """All findings of a group; where it breaks off, what it found before stays."""
    found: list[Finding] = []

    def on() -> list[Finding]:
        found.extend(look())
        return []

    return [*found, *broken] if (broken := attempt(title, on)) else found


def _redacted(group: Group, redact: Callable[[str], str]) -> Group:
    return replace(group, findings=tuple(_clean(finding, redact) for finding in group.findings))


def _clean(finding: Finding, redact: Callable[[str], str]) -> Finding:
    name, what, remedy = (_line(redact(text)) for text in (finding.name, finding.what, finding.remedy))
    return replace(finding, name=name, what=what, remedy=remedy)


def _line(text: str) -> str:
    """Text on one line, without characters that steer a terminal: names of files and reasons come from outside."""
    one = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in one)[:_SHOWN]


def _lines(finding: Finding, *, colours: bool) -> Iterator[str]:
    word = f"{finding.state:<{_WIDTH}}"
    if colours:
        word = f"{_COLOURS[finding.state]}{word}{_PLAIN}"
    yield f"  {word}  {finding.name}: {finding.what}"
    if finding.remedy:
        yield f"  {'':<{_WIDTH}}  -> {finding.remedy}"


def _summary(findings: Iterable[Finding]) -> str:
    states = [finding.state for finding in findings]
    problems, warnings = states.count("problem"), states.count("warning")
    if not problems + warnings:
        return "All is well."
    return f"{problems} problem{'' if problems == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}."
