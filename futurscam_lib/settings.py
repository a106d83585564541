"""Every setting: from the environment, then `.env`, then (secrets only) the OS keyring, then its default.

The fields of `Settings` are the one table of variables: name, default, what is allowed, what it is for. `load`,
`explain` and `.env.example` follow it.
"""

from __future__ import annotations

import codecs
import difflib
import io
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import unquote, unquote_plus

from dotenv.parser import parse_stream
from pydantic import BaseModel, SecretStr

from futurscam_lib.errors import UsageError
from futurscam_lib.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROJECT: Final = Path(__file__).resolve().parent.parent
KNOWN_SOURCES: Final = ("folder",)
KEYRING_SERVICE: Final = "futurscam"
MASK: Final = "***"

_INTERNAL = {"FUTURSCAM_SUPERVISED_RUN"}
_PREFIX = "FUTURSCAM_"
HOME: Final = "FUTURSCAM_HOME"
_KEYRING, _URI = "FUTURSCAM_KEYRING", "MONGO_URI"
_SHOWN_CHARACTERS = 80
_CREDENTIAL_OPTIONS = {"authmechanismproperties", "tlscertificatekeyfilepassword", "proxypassword"}
_URI_SHAPE = re.compile(
    r"(?P<scheme>mongodb(?:\+srv)?://)(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<hosts>[^@/?#]+)(?P<path>/[^@?#]*)?(?:\?(?P<query>[^@#]*))?",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """How the text of a variable becomes a value.

    Attributes:
        parse: Takes the text; raises `ValueError` where it is not allowed, with a text that is safe to show or none.
        allowed: What is allowed, to end a sentence with.
    """

    parse: Callable[[str], Any]
    allowed: str


@dataclass(frozen=True, slots=True)
class Variable:
    """One line of the table.

    Attributes:
        name: The variable.
        default: Its text where nobody sets it; empty: it is `None` then.
        kind: What it may hold.
        help: What it is for, one sentence.
        secret: Whether it is masked wherever it is shown, and looked up in the keyring.
    """

    name: str
    default: str
    kind: Kind
    help: str
    secret: bool = False


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


def _database_name(text: str) -> str:
    own_of_mongodb = text.lower() in {"admin", "local", "config"}
    if own_of_mongodb or not text.isprintable() or set(text) & set('/\\."$*<>:|? ') or len(text.encode()) > 63:  # noqa: PLR2004 - MongoDB's limit
        raise ValueError
    return text


def _folder(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def _home(text: str) -> Path:
    home = _folder(text).absolute()
    try:
        nearest = next((folder for folder in (home, *home.parents) if folder.exists()), None)
    except OSError as error:
        raise ValueError(error.strerror) from error
    if nearest is None or not nearest.is_dir():
        raise ValueError(f"{str(nearest)!r} is a file" if nearest else "there is no such drive")
    return home


def _sources(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    if not names or not set(names) <= set(KNOWN_SOURCES):
        raise ValueError
    return names


def _switch(text: str) -> bool:
    word = text.lower()
    if word not in {"true", "yes", "on", "1", "false", "no", "off", "0"}:
        raise ValueError
    return word in {"true", "yes", "on", "1"}


def _span(unit: str, low: float, high: float) -> Kind:
    def parse(text: str) -> timedelta:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not low <= float(text) <= high:
            raise ValueError
        return timedelta(**{unit: float(text)})

    return Kind(parse, f"a number of {unit} from {low:g} to {high:g}")


def _positive(kind: Kind, allowed: str) -> Kind:
    def parse(text: str) -> Any:
        if not (value := kind.parse(text)):
            raise ValueError
        return value

    return Kind(parse, allowed)


def _mongo_uri(text: str) -> SecretStr:
    if not text.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError
    if problem := _uri_problem(text):
        raise ValueError(problem)
    return SecretStr(text)


class Settings(BaseModel, frozen=True):
    """All settings of one home, checked; made by `load`."""

    mongo_uri: Annotated[
        SecretStr | None,
        Variable(
            _URI,
            "",
            Kind(
                _mongo_uri,
                "mongodb://[user:password@]host[:port][/?options] or mongodb+srv://..., "
                "with : / ? # [ ] @ % percent-encoded inside user and password (@ is %40)",
            ),
            "The MongoDB to load into; where it is not set, a local server in the folder mongodb is started.",
            secret=True,
        ),
    ]
    database: Annotated[
        str,
        Variable(
            "FUTURSCAM_DB",
            "FuturScam",
            Kind(
                _database_name,
                'at most 63 bytes without space and / \\ . " $ * < > : | ?; not admin, local or config',
            ),
            "Name of the database.",
        ),
    ]
    home: Annotated[
        Path,
        Variable(
            HOME,
            str(PROJECT),
            Kind(_home, "a folder, or a name for one"),
            "Folder of all that is kept: .last_execution, .env, inbox, runs, logs, the local database.",
        ),
    ]
    sources: Annotated[
        tuple[str, ...],
        Variable(
            "FUTURSCAM_SOURCES",
            "folder",
            Kind(_sources, f"one or more of {', '.join(KNOWN_SOURCES)}, separated by commas"),
            "Where RFPs are collected from.",
        ),
    ]
    inbox: Annotated[
        Path,
        Variable(
            "FUTURSCAM_INBOX",
            "inbox",
            Kind(_folder, "a folder"),
            "Folder that the source `folder` reads; a relative one is under FUTURSCAM_HOME.",
        ),
    ]
    overlap: Annotated[
        timedelta,
        Variable(
            "FUTURSCAM_OVERLAP_MINUTES",
            "10",
            _span("minutes", 0, 1440),
            "How far behind the watermark a run reads again.",
        ),
    ]
    first_run: Annotated[
        timedelta,
        Variable(
            "FUTURSCAM_FIRST_RUN_MINUTES",
            "60",
            _span("minutes", 1, 525600),
            "How far back a first run reads, when there is no .last_execution.",
        ),
    ]
    run_budget: Annotated[
        timedelta,
        Variable(
            "FUTURSCAM_RUN_BUDGET_MINUTES",
            "55",
            _positive(_span("minutes", 0, 1440), "a number of minutes above 0, at most 1440"),
            "How long a run may take before it is ended.",
        ),
    ]
    mongo_timeout: Annotated[
        timedelta,
        Variable(
            "FUTURSCAM_MONGO_TIMEOUT_SECONDS",
            "10",
            _span("seconds", 0.1, 300),
            "How long MongoDB may take to be reached.",
        ),
    ]
    use_keyring: Annotated[
        bool,
        Variable(
            _KEYRING,
            "true",
            Kind(_switch, "true or false"),
            "Whether secrets that are not set elsewhere are looked up in the OS keyring, service futurscam.",
        ),
    ]

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
        """The notebook `name`: the home's own where it has a folder of notebooks, else the project's."""
        own = self.home / "notebooks"
        return (own if own.is_dir() else PROJECT / "notebooks") / f"{name}.ipynb"

    def redactor(self) -> Redactor:
        """What takes every secret, and the secret parts of `MONGO_URI`, out of a text."""
        return Redactor(self._secrets())

    def _secrets(self) -> Iterator[str]:
        for _, value in self:
            if isinstance(value, SecretStr):
                yield value.get_secret_value()
        if self.mongo_uri is not None:
            yield from _secrets_inside(self.mongo_uri.get_secret_value())


TABLE: Final[dict[str, Variable]] = {
    field: next(item for item in info.metadata if isinstance(item, Variable))
    for field, info in Settings.model_fields.items()
}
"""The variable of each field."""


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings, and make the home where it is missing.

    Args:
        environ: The environment; `os.environ` when not given.

    Raises:
        UsageError: Something is wrong; the text names each variable, its value and what is allowed.
    """
    reading = _Reading(os.environ if environ is None else environ)
    problems = [row.problem for row in reading.rows if row.problem]
    if not problems:
        settings = Settings(**reading.values)
        try:
            settings.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problems = [f"{HOME} is {str(settings.home)!r}, a folder that can't be made: {error.strerror}."]
        else:
            return settings
    raise UsageError("\n".join(["The settings are wrong; nothing has run.", *problems]))


def explain(environ: Mapping[str, str] | None = None) -> list[SettingRow]:
    """Tell what every setting is and where it comes from; wrong ones too, with their problem. Writes nothing."""
    return _Reading(os.environ if environ is None else environ).rows


class _Reading:
    """One reading of all settings.

    Attributes:
        values: By field, those that are right.
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
        self.rows = [*(found[field] for field in TABLE), *more, *self._unknown()]

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
                value = self.values.get("home", PROJECT) / value
            self.values[field] = value
            shown = _shown(variable, value, text)
        return SettingRow(variable.name, shown, origin, variable.help, variable.secret, problem, note)

    def _find(self, variable: Variable) -> tuple[str, str, str]:
        """Text, origin and note; an empty text is as good as none, everywhere."""
        for origin, place in (("environment", self._environ), (".env", self._file)):
            if text := place.get(variable.name, "").strip():
                return text, origin, ""
        note = ""
        if variable.secret and self.values.get("use_keyring"):
            text, note = _from_keyring(variable.name)
            if text:
                return text, "keyring", ""
        return variable.default, "default", note

    def _read_env_file(self, path: Path) -> Iterator[SettingRow]:
        """Take what `.env` sets; gives a row for each thing in it that is wrong."""

        def wrong(name: str, problem: str) -> SettingRow:
            return SettingRow(name, MASK if name != ".env" else "", ".env", "", problem=problem)

        try:
            text = _decode(path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) else error
            yield wrong(".env", f"{path} can't be read: {what}.")
            return
        for binding in parse_stream(io.StringIO(text)):
            leading = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
            line = binding.original.line + binding.original.string[:leading].count("\n")
            if binding.error:
                yield wrong(".env", f"{path}, line {line}: not of the form NAME=value.")
            elif not binding.key or not (value := (binding.value or "").strip()):
                continue
            elif binding.key == HOME:
                what = "it says where this file is, so it can only be set in the environment"
                yield wrong(HOME, f"{HOME} stands in {path}, line {line}; {what}.")
            elif meant := _meant(binding.key):
                yield wrong(
                    binding.key,
                    f"{binding.key} ({path}, line {line}) is not a setting; the nearest one is {meant}.",
                )
            else:
                self._file[binding.key] = value

    def _unknown(self) -> Iterator[SettingRow]:
        for name in self._environ:
            if meant := _meant(name):
                note = f"Not a setting, so it changes nothing; the nearest one is {meant}."
                yield SettingRow(name, MASK, "environment", "", note=note)


def _shown(variable: Variable, value: Any, text: str) -> str:
    if variable.name == _URI and text:
        return mask_uri(text)
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


def _decode(data: bytes) -> str:
    """Text of a file as Windows and others write it: UTF-8 with or without BOM, or UTF-16 with one."""
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        # Not from the error: it carries the bytes of the whole file, secrets too.
        raise ValueError(f"line {line} is not {'UTF-16' if utf_16 else 'UTF-8'}, save it as UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds NUL characters, save it as UTF-8")
    return text


def _from_keyring(name: str) -> tuple[str, str]:
    """The secret and a note; a keyring that is missing or fails holds no secret, which the note explains."""
    try:
        import keyring  # noqa: PLC0415 - takes as long to import as all else here, and is seldom needed

        text = keyring.get_password(KEYRING_SERVICE, name) or ""
    except Exception as error:  # noqa: BLE001 - each system's keyring fails in its own way
        return "", f"The keyring could not be asked ({type(error).__name__})."
    return text.strip(), "" if text else f"Not in the keyring (service {KEYRING_SERVICE}, user {name}) either."


def mask_uri(uri: str) -> str:
    """A MongoDB URI without its secrets; only `***` where it is not clear what is one."""
    found = _shape(uri)
    if found is None:
        return MASK
    user = "" if found["user"] is None else f"{found['user']}{'' if found['password'] is None else f':{MASK}'}@"
    options = [
        f"{name}={MASK}" if name.lower() in _CREDENTIAL_OPTIONS else f"{name}{equals}{value}"
        for name, equals, value in _options(found["query"])
    ]
    query = f"?{'&'.join(options)}" if options else ""
    return f"{found['scheme']}{user}{found['hosts']}{found['path'] or ''}{query}"


def _shape(uri: str) -> re.Match[str] | None:
    found = _URI_SHAPE.fullmatch(uri)
    # Behind +srv there is no port, so what looks like one is a password whose @ is missing.
    return None if found and "+srv" in found["scheme"] and ":" in found["hosts"] else found


def _options(query: str | None) -> list[tuple[str, str, str]]:
    return [option.partition("=") for option in re.split("[&;]", query or "") if option]


def _secrets_inside(uri: str) -> Iterator[str]:
    """Password and credential options, as they stand in the URI and decoded."""
    found = _shape(uri)
    rest = uri.partition("://")[2]
    raw = [found["password"] or ""] if found else [(rest.rpartition("@")[0] or rest).partition(":")[2]]
    for name, _, value in _options(found["query"] if found else uri.partition("?")[2]):
        if name.lower() in _CREDENTIAL_OPTIONS:
            raw.append(value)
            raw += [item.partition(":")[2] for item in unquote(value).split(",") if "TOKEN" in item.upper()]
    for text in filter(None, raw):
        yield from dict.fromkeys((text, unquote(text), unquote_plus(text)))


def _uri_problem(uri: str) -> str:
    """What is wrong with a URI, without quoting what may be a piece of its password.

    pymongo's own texts do quote such pieces: an unencoded `/` or `?` in a password moves the rest of it to where
    hosts, database or options stand.
    """
    if _shape(uri) is None:
        return "its user, password, hosts or database can't be read"
    # What stands behind +srv is only known after asking the DNS, which is for the moment of connecting.
    if uri.startswith("mongodb+srv:") or _parses(uri):
        return ""
    base, _, query = uri.partition("?")
    if not _parses(base):
        return "its user, password, hosts or database can't be read"
    wrong = [name for name, equals, value in _options(query) if not _parses(f"{base}?{name}{equals}{value}")]
    return f"its options are wrong{': ' if wrong else ''}{', '.join(wrong)}"


def _parses(uri: str) -> bool:
    from pymongo.errors import PyMongoError  # noqa: PLC0415 - slow to import, needed only where MONGO_URI is set
    from pymongo.uri_parser import parse_uri  # noqa: PLC0415

    try:
        parse_uri(uri)
    except (PyMongoError, ValueError, TypeError, OSError):
        return False
    return True
