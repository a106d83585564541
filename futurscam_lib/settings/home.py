"""The settings of a home: where it is, how its runs go, where they load."""

from __future__ import annotations

from datetime import timedelta  # noqa: TC003 - pydantic reads the annotations at run time
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, SecretStr

from futurscam_lib.settings import kinds
from futurscam_lib.settings.kinds import Kind, Variable
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
URI: Final = "MONGO_URI"


class HomeSettings(BaseModel, frozen=True):
    """What a home is, how its runs go and where they load."""

    mongo_uri: Annotated[
        SecretStr | None,
        Variable(
            URI,
            "",
            Kind(
                kinds.mongo_uri,
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
                kinds.database_name,
                'at most 63 bytes without space and / \\ . " $ * < > : | ?; not admin, local or config',
            ),
            "Name of the database.",
        ),
    ]
    home: Annotated[
        Path,
        Variable(
            HOME,
            str(DEFAULT_HOME),
            Kind(kinds.home, "a folder, or a name for one"),
            "Folder of all that is kept: .last_execution, .env, inbox, runs, logs, the local database.",
        ),
    ]
    sources: Annotated[
        tuple[str, ...],
        Variable(
            "FUTURSCAM_SOURCES",
            "folder",
            kinds.some_of(KNOWN_SOURCES),
            "Where RFPs are collected from.",
        ),
    ]
    inbox: Annotated[
        Path,
        Variable(
            "FUTURSCAM_INBOX",
            "inbox",
            Kind(kinds.folder, "a folder"),
            "Folder that the source `folder` reads; a relative one is under FUTURSCAM_HOME.",
        ),
    ]
    overlap: Annotated[
        timedelta,
        Variable(
            "FUTURSCAM_OVERLAP_MINUTES",
            "10",
            kinds.span("minutes", 0, 1440),
            "How far behind the watermark a run reads again.",
        ),
    ]
    first_run: Annotated[
        timedelta,
        Variable(
            "FUTURSCAM_FIRST_RUN_MINUTES",
            "60",
            kinds.span("minutes", 1, 525600),
            "How far back a first run reads, when there is no .last_execution.",
        ),
    ]
    run_budget: Annotated[
        timedelta,
        Variable(
            "FUTURSCAM_RUN_BUDGET_MINUTES",
            "55",
            kinds.positive(kinds.span("minutes", 0, 1440), "a number of minutes above 0, at most 1440"),
            "How long a run may take before it is ended.",
        ),
    ]
    mongo_timeout: Annotated[
        timedelta,
        Variable(
            "FUTURSCAM_MONGO_TIMEOUT_SECONDS",
            "10",
            kinds.span("seconds", 0.1, 300),
            "How long MongoDB may take to be reached.",
        ),
    ]
    use_keyring: Annotated[
        bool,
        Variable(
            KEYRING,
            "true",
            Kind(kinds.switch, "true or false"),
            "Whether secrets that are not set elsewhere are looked up in the OS keyring, service futurscam.",
        ),
    ]
