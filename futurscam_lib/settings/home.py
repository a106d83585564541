"""The settings of a home: where it is, how its runs go, where they load."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from futurscam_lib.settings import kinds
from futurscam_lib.settings.kinds import Kind, setting
from futurscam_lib.settings.sources import KNOWN_SOURCES

PACKAGE: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = PACKAGE.parent
"""The folder that holds the package: a clone of the project, or where packages are installed."""
IS_CLONE: Final = not (PACKAGE / "notebooks").is_dir()
SHIPPED_NOTEBOOKS: Final = (PROJECT if IS_CLONE else PACKAGE) / "notebooks"
"""The shipped notebooks: an installed package holds them, in a clone they stand beside it."""
DEFAULT_HOME: Final = PROJECT if IS_CLONE else Path.cwd()
"""The home where FUTURSCAM_HOME is not set: the clone; nothing is written where packages are installed."""
HOME: Final = "FUTURSCAM_HOME"
KEYRING: Final = "FUTURSCAM_KEYRING"
SOURCES: Final = "FUTURSCAM_SOURCES"
URI: Final = "MONGO_URI"

_MONGO_URI: Final = Kind(
    kinds.uri_of_mongodb,
    "mongodb://[user:password@]host[:port][/?options] or mongodb+srv://..., "
    "with : / ? # [ ] @ % percent-encoded inside user and password (@ is %40)",
)
_DATABASE: Final = Kind(
    kinds.database_name, 'at most 63 bytes without space and / \\ . " $ * < > : | ?; not admin, local or config'
)


class HomeSettings(BaseSettings, defer_build=True):
    """The settings of a home."""

    mongo_uri: Annotated[SecretStr | None, _MONGO_URI] = setting(
        URI, "", "The MongoDB to load into; where it is not set, a local server in the folder mongodb is started."
    )
    database: Annotated[str, _DATABASE] = setting("FUTURSCAM_DB", "FuturScam", "Name of the database.")
    home: Annotated[Path, Kind(kinds.home, "a folder")] = setting(
        HOME,
        str(DEFAULT_HOME),
        "Folder of all that is kept: .last_execution, .env, inbox, runs, logs, the local database.",
    )
    sources: Annotated[tuple[str, ...], kinds.some_of(KNOWN_SOURCES)] = setting(
        SOURCES, "folder", "Where RFPs are collected from."
    )
    inbox: Annotated[Path, Kind(kinds.folder, "a folder")] = setting(
        "FUTURSCAM_INBOX", "inbox", "Folder that the source `folder` reads; a relative one is under FUTURSCAM_HOME."
    )
    overlap: Annotated[timedelta, kinds.span("minutes", 0, 1440)] = setting(
        "FUTURSCAM_OVERLAP_MINUTES", "10", "How far behind the watermark a run reads again."
    )
    first_run: Annotated[timedelta, kinds.span("minutes", 1, 525600)] = setting(
        "FUTURSCAM_FIRST_RUN_MINUTES", "60", "How far back a first run reads, when there is no .last_execution."
    )
    run_budget: Annotated[timedelta, kinds.span("minutes", 0, 1440, above=True)] = setting(
        "FUTURSCAM_RUN_BUDGET_MINUTES", "55", "How long a run may take before it is ended."
    )
    mongo_timeout: Annotated[timedelta, kinds.span("seconds", 0.1, 300)] = setting(
        "FUTURSCAM_MONGO_TIMEOUT_SECONDS", "10", "How long MongoDB may take to be reached."
    )
    use_keyring: kinds.Switch = setting(
        KEYRING,
        "true",
        "Whether secrets that are not set elsewhere are looked up in the OS keyring, service futurscam.",
    )

    @field_validator("inbox")
    @classmethod
    def _under_home(cls, inbox: Path, info: ValidationInfo) -> Path:
        return Path(info.data.get("home", DEFAULT_HOME), inbox)
