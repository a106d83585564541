"""All settings of one home, and the table of their variables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from futurscam_lib.errors import UsageError
from futurscam_lib.settings import alert_urls, mongo_uri
from futurscam_lib.settings.home import SHIPPED_NOTEBOOKS, URI, HomeSettings
from futurscam_lib.settings.kinds import Kind
from futurscam_lib.settings.operation import OperationSettings
from futurscam_lib.settings.redaction import Redactor
from futurscam_lib.settings.sources import KNOWN_SOURCES, SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic.fields import FieldInfo
    from pydantic_settings import PydanticBaseSettingsSource

MASK: Final = mongo_uri.MASK


class Settings(OperationSettings, SourceSettings, HomeSettings):
    """All settings of one home, checked; made by `load`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    @classmethod
    def settings_customise_sources(cls, *_: Any, **built_in: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """The places that the argument `places` lists; the first one that sets a variable wins."""
        return tuple(built_in["init_settings"].init_kwargs["places"])

    @property
    def watermark_file(self) -> Path:
        """The file of the watermark."""
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
        """The file that a run locks, so that there is one run at a time."""
        return self.home / ".futurscam.lock"

    @property
    def local_server_folder(self) -> Path:
        """Folder of the local MongoDB."""
        return self.home / "mongodb"

    @property
    def scratch(self) -> Path:
        """Folder of temporary files."""
        return self.home / "tmp"

    @property
    def open_until_closed(self) -> tuple[str, ...]:
        """Sources where a mission that is open stays open after its deadline."""
        return tuple(name for name, source in KNOWN_SOURCES.items() if source.open_until_closed(self))

    def notebook(self, name: str) -> Path:
        """The notebook `name`: the home's own where it has a folder of notebooks, else the shipped one."""
        own = self.home / "notebooks"
        return (own if own.is_dir() else SHIPPED_NOTEBOOKS) / f"{name}.ipynb"

    def require(self, sources: Iterable[str]) -> None:
        """Make sure that sources are known and can be read.

        Raises:
            UsageError: One is unknown, or a setting that it needs is not set.
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
        return [field for field in KNOWN_SOURCES[source].needs(self) if getattr(self, field) is None]

    def redactor(self) -> Redactor:
        """Return what removes every secret, also in addresses and proxies, from a text."""
        return Redactor(self._secrets())

    def _secrets(self) -> Iterator[str]:
        from urllib.request import getproxies  # Takes its time, and is needed for a run only.

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


@dataclass(frozen=True, slots=True)
class Variable:
    """The variable that sets a field.

    Attributes:
        name: Its name.
        default: The text that is used if it is not set; empty: there is no default.
        kind: The values that it allows.
        help: What it is for, one sentence.
        secret: Whether it is masked wherever it is shown, and looked up in the keyring.
    """

    name: str
    default: str
    kind: Kind
    help: str
    secret: bool

    @classmethod
    def of(cls, field: FieldInfo) -> Variable:
        """The variable of a field that `setting` made."""
        kind = next(item for item in field.metadata if isinstance(item, Kind))
        secret = SecretStr in get_args(field.annotation)
        return cls(str(field.validation_alias), field.default or "", kind, field.description or "", secret)

    def show(self, value: Any, text: str) -> str:
        """Its value for people, secrets masked.

        Args:
            value: The value.
            text: The text that it was made from.
        """
        if self.name == URI and text:
            return mongo_uri.mask(text)
        if self.secret:
            return MASK if text else ""
        return str(value) if isinstance(value, Path) else text


TABLE: Final = {name: Variable.of(field) for name, field in Settings.model_fields.items()}
"""The variable of each field."""


def read_by(source: str) -> set[str]:
    """The settings that a source reads."""
    return {field for field in TABLE if field.startswith(KNOWN_SOURCES[source].reads)}
