"""The settings: what is wrong with them, and what can be looked at all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from futurscam_lib import settings as configured
from futurscam_lib.diagnostics.finding import Finding
from futurscam_lib.settings import TABLE, Settings, read_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

_NAME: Final = "settings"
_OF_DATABASE: Final = {"mongo_uri", "database"}
_CORRECT: Final = "Correct it in .env or in the environment; this shows all settings: futurscam config show"
_RENAME: Final = "Give it its right name, or take it away; this shows all settings: futurscam config show"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings as far as they can be used.

    Attributes:
        findings: What is wrong with them, or that nothing is.
        settings: Those that are right, defaults in place of the wrong ones; None where the home itself is wrong.
        sources: The sources that can be asked with these.
        database: Whether MongoDB can be asked with these.
    """

    findings: tuple[Finding, ...]
    settings: Settings | None
    sources: tuple[str, ...]
    database: bool


def read(environ: Mapping[str, str]) -> Configuration:
    """Read the settings; writes nothing, and makes no home."""
    found = configured.load_partly(environ)
    findings = tuple(_findings(found.rows)) or (Finding(_NAME, "ok", "all are right"),)
    if found.settings is None:
        return Configuration(findings, None, (), database=False)
    askable = tuple(name for name in found.settings.sources if _can_be_asked(name, found.settings, found.wrong))
    return Configuration(findings, found.settings, askable, database=not found.wrong & _OF_DATABASE)


def _can_be_asked(source: str, settings: Settings, wrong: AbstractSet[str]) -> bool:
    """Whether all is right that a source reads, and nothing is lacking."""
    return not wrong & {"sources", *read_by(source)} and not settings.lacking(source)


def _findings(rows: Iterable[configured.SettingRow]) -> Iterator[Finding]:
    """What is wrong with settings, and names that are none; what a keyring lacks is of no interest by itself."""
    known = {variable.name for variable in TABLE.values()}
    for row in rows:
        if row.problem:
            yield Finding(_NAME, "problem", " ".join(filter(None, (row.problem, row.note))), _CORRECT)
        elif row.note and row.name not in known:
            yield Finding(_NAME, "warning", f"{row.name} stands in the environment. {row.note}", _RENAME)
