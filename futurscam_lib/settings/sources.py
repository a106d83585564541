"""The sources: one registry of what they are, and their settings.

To add a source, add an entry to `KNOWN_SOURCES`, its settings to `SourceSettings`, a reader `extract/<name>.py`, a
mapping `transform/<mapping>.py`, and a section of docs/SOURCES.md. CONTRIBUTING.md has the details.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from pydantic_settings import BaseSettings

from futurscam_lib.settings import kinds
from futurscam_lib.settings.kinds import (
    Address,
    Kind,
    Line,
    Lines,
    OptionalLine,
    OptionalLines,
    Secret,
    Switch,
    setting,
)

BASIC: Final = "basic"
JWT_HEADERS: Final = ("X-Jwt-Client-BoondManager", "X-Jwt-Client")
PASSWORD, XOAUTH2 = "password", "xoauth2"


class SourceSettings(BaseSettings, defer_build=True):
    """The settings of the sources that are asked over a network; the prefix of a field says which ones read it."""

    mail_subject: Line = setting(
        "FUTURSCAM_MAIL_SUBJECT", "[JOB EXPORT]", "How the subject of a mail with job posts begins."
    )
    mail_subjects: OptionalLines = setting(
        "FUTURSCAM_MAIL_SUBJECTS", "", "Several such beginnings, instead of FUTURSCAM_MAIL_SUBJECT."
    )
    mail_tags: Lines = setting(
        "FUTURSCAM_MAIL_TAGS",
        "[EXTERNAL],[EXT],[EXTERNE],[EXTERN]",
        "What the mail system puts before the subject of a mail from outside.",
    )
    graph_tenant: Annotated[str | None, Kind(kinds.tenant, "the tenant's id (a GUID) or one of its domains")] = setting(
        "FUTURSCAM_GRAPH_TENANT", "", "Microsoft Entra tenant of the mailbox."
    )
    graph_client_id: OptionalLine = setting(
        "FUTURSCAM_GRAPH_CLIENT_ID", "", "Application (client) id of the app registration."
    )
    graph_client_secret: Secret = setting("FUTURSCAM_GRAPH_CLIENT_SECRET", "", "Value of that app's client secret.")
    graph_mailbox: OptionalLine = setting(
        "FUTURSCAM_GRAPH_MAILBOX", "", "Mailbox that the source `graph_mail` reads: its address."
    )
    graph_folder: OptionalLine = setting(
        "FUTURSCAM_GRAPH_FOLDER", "", "Only this folder, as `inbox` or `Inbox/RFP`; empty: the whole mailbox."
    )
    graph_url: Address = setting(
        "FUTURSCAM_GRAPH_URL", "https://graph.microsoft.com", "Microsoft Graph; national clouds differ."
    )
    graph_authority: Address = setting(
        "FUTURSCAM_GRAPH_AUTHORITY",
        "https://login.microsoftonline.com",
        "Where the app signs in; national clouds differ.",
    )
    imap_host: OptionalLine = setting("FUTURSCAM_IMAP_HOST", "", "IMAP server; always over TLS.")
    imap_port: Annotated[int, kinds.whole(1, 65535)] = setting(
        "FUTURSCAM_IMAP_PORT", "993", "Its port for TLS from the first byte."
    )
    imap_user: OptionalLine = setting(
        "FUTURSCAM_IMAP_USER", "", "User of the mailbox that the source `imap_mail` reads."
    )
    imap_auth: Annotated[str, kinds.one_of(PASSWORD, XOAUTH2)] = setting(
        "FUTURSCAM_IMAP_AUTH",
        PASSWORD,
        "How to sign in. With xoauth2 the token is requested with the app of FUTURSCAM_GRAPH_*.",
    )
    imap_password: Secret = setting("FUTURSCAM_IMAP_PASSWORD", "", "Password of that user.")
    imap_access_token: Secret = setting(
        "FUTURSCAM_IMAP_ACCESS_TOKEN",
        "",
        "Token for xoauth2 that another program renews; empty: a token is requested.",
    )
    imap_scope: Line = setting(
        "FUTURSCAM_IMAP_SCOPE", "https://outlook.office365.com/.default", "Scope of the token that is requested."
    )
    imap_folder: Line = setting("FUTURSCAM_IMAP_FOLDER", "INBOX", "Folder of the mailbox to read.")
    boond_url: Address = setting("FUTURSCAM_BOOND_URL", "https://ui.boondmanager.com/api", "The API of BoondManager.")
    boond_auth: Annotated[str, kinds.one_of(*JWT_HEADERS, BASIC)] = setting(
        "FUTURSCAM_BOOND_AUTH",
        JWT_HEADERS[0],
        "How to sign in: the header that carries the signed token, or a user and a password.",
    )
    boond_user_token: Secret = setting("FUTURSCAM_BOOND_USER_TOKEN", "", "Token of the user; for the signed token.")
    boond_client_token: Secret = setting(
        "FUTURSCAM_BOOND_CLIENT_TOKEN", "", "Token of the client; for the signed token."
    )
    boond_client_key: Secret = setting("FUTURSCAM_BOOND_CLIENT_KEY", "", "Key of the client, which signs the token.")
    boond_user: OptionalLine = setting("FUTURSCAM_BOOND_USER", "", "User; with basic.")
    boond_password: Secret = setting("FUTURSCAM_BOOND_PASSWORD", "", "Password; with basic.")
    boond_open_states: Annotated[frozenset[int], Kind(kinds.numbers, "whole numbers from 0, separated by commas")] = (
        setting(
            "FUTURSCAM_BOOND_OPEN_STATES",
            "0",
            "States of an opportunity that mean open; `futurscam check --source boond` lists those of the instance.",
        )
    )
    boond_close_after_answer_date: Switch = setting(
        "FUTURSCAM_BOOND_CLOSE_AFTER_ANSWER_DATE",
        "false",
        "Whether to close an open opportunity once its answerDate has passed.",
    )
    boond_sweep_share: Annotated[int, kinds.whole(0, 100)] = setting(
        "FUTURSCAM_BOOND_SWEEP_SHARE",
        "20",
        "Percent of the active missions that one run may close or reopen without --yes; 10 missions are always "
        "allowed.",
    )
    boond_origins: Annotated[
        dict[int, str] | None,
        Kind(kinds.names_by_number, "number=name pairs separated by commas, as 9=Pro-Unity,10=ConnectingExpertise"),
    ] = setting(
        "FUTURSCAM_BOOND_ORIGINS",
        "",
        "Names for the numbers of an opportunity's origin, instead of those of the instance's dictionary; the "
        "name becomes serviceProvider.",
    )
    boond_contacts: Switch = setting(
        "FUTURSCAM_BOOND_CONTACTS",
        "true",
        "Whether to read the contact of each opportunity for its mail addresses; lists give only names.",
    )
    boond_page_size: Annotated[int, kinds.whole(1, 500)] = setting(
        "FUTURSCAM_BOOND_PAGE_SIZE", "500", "Opportunities asked for in one request."
    )
    http_timeout: Annotated[timedelta, kinds.span("seconds", 0.1, 600)] = setting(
        "FUTURSCAM_HTTP_TIMEOUT_SECONDS", "30", "How long a source may take to connect, or to send anything."
    )
    http_tries: Annotated[int, kinds.whole(1, 20)] = setting(
        "FUTURSCAM_HTTP_TRIES", "5", "How often a request is tried before it has failed."
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the clock of a source can be read without signing in.

    Attributes:
        name: What people call the service.
        field: The setting that holds its address.
        path: What to request there; the date of a refusal is good enough.
    """

    name: str
    field: str
    path: str


@dataclass(frozen=True, slots=True)
class SourceType:
    """What the rest of the software knows about a source; its reader is the module `extract/<name>.py`.

    Attributes:
        mapping: The module of `transform/` that turns its payloads into documents.
        docs: The heading of its section in docs/SOURCES.md.
        reads: Prefixes of the settings that it reads.
        needs: Gives the settings without which it cannot be read, as fields.
        has_backlog: Whether its reader has `unread`: items at the source that no run's window has included.
        open_until_closed: Whether a mission that is open there stays open after its deadline.
        clock: Where its clock can be read; None: nowhere.
    """

    mapping: str
    docs: str
    reads: tuple[str, ...] = ()
    needs: Callable[[SourceSettings], Iterator[str]] = lambda _: iter(())
    has_backlog: bool = False
    open_until_closed: Callable[[SourceSettings], bool] = lambda _: False
    clock: Clock | None = None


_APP: Final = ("graph_tenant", "graph_client_id", "graph_client_secret")


def _needs_of_graph_mail(_settings: SourceSettings) -> Iterator[str]:
    yield from (*_APP, "graph_mailbox")


def _needs_of_imap_mail(settings: SourceSettings) -> Iterator[str]:
    yield from ("imap_host", "imap_user")
    if settings.imap_auth == PASSWORD:
        yield "imap_password"
    elif settings.imap_access_token is None:
        yield from _APP


def _needs_of_boond(settings: SourceSettings) -> Iterator[str]:
    if settings.boond_auth == BASIC:
        yield from ("boond_user", "boond_password")
    else:
        yield from ("boond_user_token", "boond_client_token", "boond_client_key")


KNOWN_SOURCES: Final = {
    "folder": SourceType("pro_unity", "The folder: `folder`", reads=("inbox",), has_backlog=True),
    "graph_mail": SourceType(
        "pro_unity",
        "Microsoft 365 (graph_mail)",
        reads=("graph_", "mail_", "http_"),
        needs=_needs_of_graph_mail,
        clock=Clock("Microsoft Graph", "graph_url", "v1.0/users"),
    ),
    "imap_mail": SourceType(
        "pro_unity", "IMAP (imap_mail)", reads=("imap_", "graph_", "mail_", "http_"), needs=_needs_of_imap_mail
    ),
    "boond": SourceType(
        "boond",
        "BoondManager (boond)",
        reads=("boond_", "http_"),
        needs=_needs_of_boond,
        open_until_closed=lambda settings: not settings.boond_close_after_answer_date,
        clock=Clock("BoondManager", "boond_url", "opportunities"),
    ),
}
"""Every source by its name, as used in settings, ledgers and documents."""
