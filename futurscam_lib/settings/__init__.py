"""Every setting: from the environment, then `.env`, then (secrets only) the OS keyring, then its default.

The fields of `Settings` are the one table of variables: name, default, what is allowed, what it is for. `load`,
`explain` and `.env.example` follow it.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import getproxies

from pydantic import SecretStr

from futurscam_lib.errors import UsageError
from futurscam_lib.run_ids import CONFIRMED, SUPERVISED
from futurscam_lib.settings import alert_urls, env_file, mongo_uri
from futurscam_lib.settings.home import DEFAULT_HOME, HOME, IS_CLONE, PROJECT, SHIPPED_NOTEBOOKS, URI, HomeSettings
from futurscam_lib.settings.kinds import Variable
from futurscam_lib.settings.mongo_uri import MASK
from futurscam_lib.settings.operation import OperationSettings
from futurscam_lib.settings.redaction import Redactor
from futurscam_lib.settings.sources import KNOWN_SOURCES, SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "DEFAULT_HOME",
    "HOME",
    "IS_CLONE",
    "MASK",
    "PROJECT",
    "SHIPPED_NOTEBOOKS",
    "TABLE",
    "Partial",
    "SettingRow",
    "Settings",
    "explain",
    "load",
    "load_partly",
]

KEYRING_SERVICE: Final = "futurscam"

_INTERNAL = {SUPERVISED, CONFIRMED}
_PREFIX = "FUTURSCAM_"
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class SettingRow:
    """What one setting is and where it comes from, to be shown.

    Attributes:
        name: The variable; a name that is no setting, or `.env`, where `problem` or `note` is about that.
        value: Its value as text, secrets masked; empty: not set.
        origin: `environment`, `.env`, `keyring` or `default`.
        help: What it is for.
        secret: Whether the value is masked.
        problem: Why nothing can run with it; empty: it is fine.
        note: What else is worth knowing, without stopping anything.
    """

    name: str
    value: str
    origin: str
    help: str
    secret: bool = False
    problem: str = ""
    note: str = ""


class Settings(OperationSettings, SourceSettings, HomeSettings):
    """All settings of one home, checked; made by `load`."""

    @property
    def watermark_file(self) -> Path:
        """Where the watermark stands."""
        return self.home / ".last_execution"

    @property
    def runs(self) -> Path:
        """Folder of the executed notebooks."""
        return self.home / "runs"

    @property
    def ledger_file(self) -> Path:
        """The ledger of all runs."""
        return self.runs / "ledger.jsonl"

    @property
    def logs(self) -> Path:
        """Folder of the logs."""
        return self.home / "logs"

    @property
    def lock_file(self) -> Path:
        """What a run locks, so that there is one at a time."""
        return self.home / ".futurscam.lock"

    @property
    def local_server_folder(self) -> Path:
        """Folder of the local MongoDB."""
        return self.home / "mongodb"

    @property
    def scratch(self) -> Path:
        """Folder for what nobody keeps."""
        return self.home / "tmp"

    def notebook(self, name: str) -> Path:
        """The notebook `name`: the home's own where it has a folder of notebooks, else the shipped one."""
        own = self.home / "notebooks"
        return (own if own.is_dir() else SHIPPED_NOTEBOOKS) / f"{name}.ipynb"

    def require(self, sources: Iterable[str]) -> None:
        """Make sure that sources are known and can be asked.

        Raises:
            UsageError: One is unknown, or something that it needs is not set.
        """
        sources = tuple(sources)
        self.require_known(sources)
        for source in sources:
            if lacking := self.lacking(source):
                names = ", ".join(TABLE[field].name for field in lacking)
                raise UsageError(f"The source {source} needs {names}; nothing has run. docs/SOURCES.md says how.")

    def require_known(self, sources: Iterable[str]) -> None:
        """Make sure that sources are known, whether they are configured or not.

        Raises:
            UsageError: One is not.
        """
        for source in sources:
            if source not in KNOWN_SOURCES:
                raise UsageError(f"There is no source {source}; allowed: {', '.join(KNOWN_SOURCES)}.")

    def lacking(self, source: str) -> list[str]:
        """Fields that a source needs and that are not set."""
        return [field for field in self.needed_by(source) if getattr(self, field) is None]

    def redactor(self) -> Redactor:
        """What takes every secret, and the secret parts of addresses and of proxies, out of a text."""
        return Redactor(self._secrets())

    def _secrets(self) -> Iterator[str]:
        for _, value in self:
            if isinstance(value, SecretStr):
                yield value.get_secret_value()
        for proxy in getproxies().values():
            # It may come without a scheme, and need not be an address at all.
            user = proxy.rpartition("@")[0].removeprefix("http://").removeprefix("https://")
            yield user.partition(":")[2]
        if self.mongo_uri is not None:
            yield from mongo_uri.secrets_inside(self.mongo_uri.get_secret_value())
        if self.alert_urls is not None:
            yield from alert_urls.secrets_inside(self.alert_urls.get_secret_value())


TABLE: Final[dict[str, Variable]] = {
    field: next(item for item in info.metadata if isinstance(item, Variable))
    for field, info in Settings.model_fields.items()
}
"""The variable of each field."""

_OF_SOURCES: Final = {TABLE[field].name for field in SourceSettings.model_fields}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings, and make the home where it is missing.

    Args:
        environ: The environment; `os.environ` when not given.

    Raises:
        UsageError: Something is wrong; the text names each variable, its value and what is allowed.
    """
    reading = _Reading(os.environ if environ is None else environ)
    problems = [row.problem for row in reading.rows if row.problem]
    settings = reading.settings
    if settings is not None and not problems:
        try:
            settings.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problems = [f"{HOME} is {str(settings.home)!r}, a folder that can't be made: {error.strerror}."]
        else:
            return settings
    raise UsageError("\n".join(["The settings are wrong; nothing has run.", *problems]))


@dataclass(frozen=True, slots=True)
class Partial:
    """Settings some of which may be wrong.

    Attributes:
        rows: As `explain` tells them.
        wrong: Fields whose value is not allowed.
        settings: With the defaults in place of those; None where the home itself is wrong.
    """

    rows: list[SettingRow]
    wrong: frozenset[str]
    settings: Settings | None


def load_partly(environ: Mapping[str, str] | None = None) -> Partial:
    """Read what is right, for what has to work while something is wrong. Writes nothing, and makes no home."""
    reading = _Reading(os.environ if environ is None else environ)
    wrong = frozenset(TABLE.keys() - reading.values.keys())
    if "home" in wrong:
        return Partial(reading.rows, wrong, None)
    defaults = {field: TABLE[field].kind.parse(text) if (text := TABLE[field].default) else None for field in wrong}
    if "inbox" in defaults:
        defaults["inbox"] = reading.values["home"] / defaults["inbox"]
    return Partial(reading.rows, wrong, Settings(**reading.values, **defaults))


def explain(environ: Mapping[str, str] | None = None) -> list[SettingRow]:
    """Tell what every setting is and where it comes from; wrong ones too, with their problem. Writes nothing."""
    return _Reading(os.environ if environ is None else environ).rows


class _Reading:
    """One reading of all settings.

    Attributes:
        values: By field, those that are right.
        settings: Made of them; None where one is wrong.
        rows: One per variable, in the order of the table, then what else was found.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.values: dict[str, Any] = {}
        self._environ = environ
        self._file: dict[str, str] = {}
        found = {"home": self._row("home")}
        more = list(self._read_env_file(self.values["home"] / ".env")) if "home" in self.values else []
        # Secrets last: whether the keyring is asked is a setting itself.
        for field in sorted(TABLE.keys() - found.keys(), key=lambda field: TABLE[field].secret):
            found[field] = self._row(field)
        self.settings = Settings(**self.values) if self.values.keys() == TABLE.keys() else None
        for field, source in self._lacking():
            problem = f"{TABLE[field].name} is not set; the source {source} needs it (docs/SOURCES.md)."
            found[field] = replace(found[field], problem=problem)
        self.rows = [*(found[field] for field in TABLE), *more, *self._unknown()]

    def _lacking(self) -> Iterator[tuple[str, str]]:
        if self.settings is not None:
            for source in self.settings.sources:
                yield from ((field, source) for field in self.settings.lacking(source))

    def _row(self, field: str) -> SettingRow:
        variable = TABLE[field]
        text, origin, note = self._find(variable)
        shown, problem = "", ""
        try:
            value = variable.kind.parse(text) if text else None
        except ValueError as error:
            shown = MASK if variable.secret else text[:_SHOWN_CHARACTERS]
            what = f": {error}" if str(error) else ""
            problem = f"{variable.name} is {shown!r} ({origin}){what}; allowed: {variable.kind.allowed}."
        else:
            if field == "inbox":
                value = self.values.get("home", DEFAULT_HOME) / value
            self.values[field] = value
            shown = _shown(variable, value, text)
        return SettingRow(variable.name, shown, origin, variable.help, variable.secret, problem, note)

    def _find(self, variable: Variable) -> tuple[str, str, str]:
        """Text, origin and note; an empty text is as good as none, everywhere."""
        for origin, place in (("environment", self._environ), (".env", self._file)):
            if text := place.get(variable.name, "").strip():
                return text, origin, ""
        note = ""
        # What only sources need that nobody collects from is not asked for: a keyring may take its time to answer.
        of_use = variable.name not in _OF_SOURCES or set(self.values.get("sources", ())) - {"folder"}
        if variable.secret and of_use and self.values.get("use_keyring"):
            text, note = _from_keyring(variable.name)
            if text:
                return text, "keyring", ""
        return variable.default, "default", note

    def _read_env_file(self, path: Path) -> Iterator[SettingRow]:
        """Take what `.env` sets; gives a row for each thing in it that is wrong."""

        def wrong(name: str, problem: str) -> SettingRow:
            return SettingRow(name, MASK if name != ".env" else "", ".env", "", problem=problem)

        try:
            lines = list(env_file.read(path))
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) else error
            yield wrong(".env", f"{path} can't be read: {what}.")
            return
        for line in lines:
            if not line.name:
                yield wrong(".env", f"{path}, line {line.number}: not of the form NAME=value.")
            elif not line.value:
                continue
            elif line.name == HOME:
                what = "it says where this file is, so it can only be set in the environment"
                yield wrong(HOME, f"{HOME} stands in {path}, line {line.number}; {what}.")
            elif meant := _meant(line.name):
                yield wrong(
                    line.name,
                    f"{line.name} ({path}, line {line.number}) is not a setting; the nearest one is {meant}.",
                )
            else:
                self._file[line.name] = line.value

    def _unknown(self) -> Iterator[SettingRow]:
        for name in self._environ:
            if meant := _meant(name):
                note = f"Not a setting, so it changes nothing; the nearest one is {meant}."
                yield SettingRow(name, MASK, "environment", "", note=note)


def _shown(variable: Variable, value: Any, text: str) -> str:
    if variable.name == URI and text:
        return mongo_uri.mask(text)
    if variable.secret:
        return MASK if text else ""
    return str(value) if isinstance(value, Path) else text


def _meant(name: str) -> str:
    """The setting that an unknown name seems to mean; empty where the name is known, or is not about this software."""
    known = [variable.name for variable in TABLE.values()]
    if name in known or name in _INTERNAL:
        return ""
    ours = name.upper().startswith(_PREFIX)
    nearest = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0 if ours else 0.85)
    return nearest[0] if nearest else ""


def _from_keyring(name: str) -> tuple[str, str]:
    """The secret and a note; a keyring that is missing or fails holds no secret, which the note explains."""
    try:
        import keyring

        text = keyring.get_password(KEYRING_SERVICE, name) or ""
    except Exception as error:  # noqa: BLE001 - each system's keyring fails in its own way
        return "", f"The keyring could not be asked ({type(error).__name__})."
    return text.strip(), "" if text else f"Not in the keyring (service {KEYRING_SERVICE}, user {name}) either."
