"""Reading the settings: from the environment, then `.env`, then (secrets only) the OS keyring, then the defaults."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_settings import PydanticBaseSettingsSource

from futurscam_lib.errors import UsageError
from futurscam_lib.run_ids import CONFIRMED, SUPERVISED
from futurscam_lib.settings import env_file
from futurscam_lib.settings.home import HOME
from futurscam_lib.settings.settings import MASK, TABLE, Settings, read_by
from futurscam_lib.settings.sources import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic.fields import FieldInfo

KEYRING_SERVICE: Final = "futurscam"

_INTERNAL: Final = {SUPERVISED, CONFIRMED}
_PREFIX: Final = "FUTURSCAM_"
_SHOWN_CHARACTERS: Final = 80
_NAMES: Final = [variable.name for variable in TABLE.values()]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting, its value and where it comes from.

    Attributes:
        name: The variable; an unknown name, or `.env`, where `problem` or `note` is about that.
        value: Its value as text, secrets masked; empty: not set.
        origin: `environment`, `.env`, `keyring` or `default`.
        help: What it is for.
        secret: Whether the value is masked.
        problem: Why nothing can run with it; empty if there is no problem.
        note: A remark that does not stop a run.
    """

    name: str
    value: str
    origin: str
    help: str
    secret: bool = False
    problem: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Partial:
    """Settings that may contain wrong values.

    Attributes:
        rows: As `explain` gives them.
        wrong: Fields whose value is not allowed.
        settings: With the defaults in place of wrong values; None if the home itself is wrong.
    """

    rows: list[SettingRow]
    wrong: frozenset[str]
    settings: Settings | None


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings, and make the home where it is missing.

    Args:
        environ: The environment; `os.environ` when not given.

    Raises:
        UsageError: Something is wrong; the text names each variable, its value and what is allowed.
    """
    partial = load_partly(environ)
    problems = [row.problem for row in partial.rows if row.problem]
    if partial.settings is not None and not problems:
        try:
            partial.settings.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problems = [f"{HOME} is {str(partial.settings.home)!r}, a folder that can't be made: {error.strerror}."]
        else:
            return partial.settings
    raise UsageError("\n".join(["The settings are wrong; nothing has run.", *problems]))


def explain(environ: Mapping[str, str] | None = None) -> list[SettingRow]:
    """Return every setting and where it comes from, also wrong settings with their problem. Read-only."""
    return load_partly(environ).rows


def load_partly(environ: Mapping[str, str] | None = None) -> Partial:
    """Read the valid settings, for commands that must work despite wrong settings. Writes nothing, makes no home."""
    environ = os.environ if environ is None else environ
    home = _value("home", environ)
    file, rows_of_file = _read_env_file(home / ".env") if home else ({}, [])
    places = [_Place("environment", environ), _Place(".env", file), _Keyring("keyring", {})]
    errors: dict[str, str] = {}
    try:
        settings = Settings(places=places)
    except ValidationError as error:
        errors = {str(fault["loc"][0]): str(fault["ctx"]["error"]) for fault in error.errors(include_url=False)}
        right = {name: text for place in reversed(places) for name, text in place.texts.items() if name not in errors}
        settings = Settings(places=[_Place("", right)])
    lacking = {TABLE[field].name: source for source in settings.sources for field in settings.lacking(source)}
    rows = [_row(field, settings, places, errors=errors, lacking=lacking) for field in TABLE]
    wrong = frozenset(field for field, variable in TABLE.items() if variable.name in errors)
    return Partial([*rows, *rows_of_file, *_unknown(environ)], wrong, settings if home else None)


class _Place(PydanticBaseSettingsSource):
    """A place where settings come from; the first one that sets a variable wins.

    Attributes:
        origin: Its name for people.
        texts: What it sets, by variable; an empty text sets nothing.
        notes: What is worth knowing about variables that it does not set.
    """

    def __init__(self, origin: str, texts: Mapping[str, str]) -> None:
        super().__init__(Settings)
        self.origin = origin
        self.texts = {name: text for name in _NAMES if (text := texts.get(name, "").strip())}
        self.notes: dict[str, str] = {}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:  # noqa: ARG002 - its variable is enough
        name = str(field.validation_alias)
        return self.texts.get(name), name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self.texts)


class _Keyring(_Place):
    """The keyring of the system, asked for secrets that no place before it sets."""

    def __call__(self) -> dict[str, Any]:
        known = self.current_state
        # It may take its time to answer, so nothing is asked for sources that have no secrets.
        read = {field for source in _value("sources", known) or () for field in read_by(source)}
        skipped = () if any(TABLE[field].secret for field in read) else SourceSettings.model_fields
        for field, variable in TABLE.items() if _value("use_keyring", known) else ():
            if variable.secret and variable.name not in known and field not in skipped:
                self._ask(variable.name)
        return dict(self.texts)

    def _ask(self, name: str) -> None:
        """Take one secret; if the keyring is missing or fails, note why."""
        try:
            import keyring

            text = (keyring.get_password(KEYRING_SERVICE, name) or "").strip()
        except Exception as error:  # noqa: BLE001 - each system's keyring fails in its own way
            self.notes[name] = f"The keyring could not be asked ({type(error).__name__})."
            return
        if text:
            self.texts[name] = text
        else:
            self.notes[name] = f"Not in the keyring (service {KEYRING_SERVICE}, user {name}) either."


def _value(field: str, texts: Mapping[str, str]) -> Any:
    """Return the value of a field; None if its text is wrong."""
    variable = TABLE[field]
    try:
        return variable.kind.parse(texts.get(variable.name, "").strip() or variable.default)
    except ValueError:
        return None


def _row(
    field: str,
    settings: Settings,
    places: Sequence[_Place],
    *,
    errors: Mapping[str, str],
    lacking: Mapping[str, str],
) -> SettingRow:
    """Return the row of a setting.

    Args:
        field: The setting.
        settings: All valid settings.
        places: Where they come from.
        errors: The problem of each wrong variable.
        lacking: The source that needs a variable which is not set.
    """
    variable = TABLE[field]
    name, problem, note = variable.name, "", ""
    text, origin = next(((p.texts[name], p.origin) for p in places if name in p.texts), (variable.default, "default"))
    if name in errors:
        shown = MASK if variable.secret else text[:_SHOWN_CHARACTERS]
        what = f": {errors[name]}" if errors[name] else ""
        problem = f"{name} is {shown!r} ({origin}){what}; allowed: {variable.kind.allowed}."
    else:
        shown = variable.show(getattr(settings, field), text)
        note = next((place.notes[name] for place in places if name in place.notes), "")
        if name in lacking:
            problem = f"{name} is not set; the source {lacking[name]} needs it (docs/SOURCES.md)."
    return SettingRow(name, shown, origin, variable.help, variable.secret, problem, note)


def _read_env_file(path: Path) -> tuple[dict[str, str], list[SettingRow]]:
    """Return the settings of `.env`, and a row for each of its problems."""
    texts: dict[str, str] = {}
    rows: list[SettingRow] = []

    def report(name: str, problem: str) -> None:
        rows.append(SettingRow(name, MASK if name != ".env" else "", ".env", "", problem=problem))

    try:
        lines = list(env_file.read(path))
    except (OSError, ValueError) as error:
        report(".env", f"{path} can't be read: {error.strerror if isinstance(error, OSError) else error}.")
        return texts, rows
    for line in lines:
        place = f"{path}, line {line.number}"
        if not line.name:
            report(".env", f"{place}: not of the form NAME=value.")
        elif line.value and line.name == HOME:
            what = "it says where this file is, so it can only be set in the environment"
            report(HOME, f"{HOME} is set in {place}; {what}.")
        elif line.value and (meant := _meant(line.name)):
            report(line.name, f"{line.name} ({place}) is not a setting; the nearest one is {meant}.")
        else:
            texts[line.name] = line.value or texts.get(line.name, "")
    return texts, rows


def _unknown(environ: Mapping[str, str]) -> Iterator[SettingRow]:
    for name in environ:
        if meant := _meant(name):
            note = f"Not a setting, so it changes nothing; the nearest one is {meant}."
            yield SettingRow(name, MASK, "environment", "", note=note)


def _meant(name: str) -> str:
    """Return the setting that an unknown name seems to mean; empty if the name is known or has another purpose."""
    if name in _NAMES or name in _INTERNAL:
        return ""
    ours = name.upper().startswith(_PREFIX)
    nearest = difflib.get_close_matches(name.upper(), _NAMES, n=1, cutoff=0 if ours else 0.85)
    return nearest[0] if nearest else ""
