"""The settings of the sources that are asked over a network: mailboxes and BoondManager."""

from __future__ import annotations

from datetime import timedelta  # noqa: TC003 - pydantic reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, SecretStr

from futurscam_lib.settings import kinds
from futurscam_lib.settings.kinds import Kind, Variable

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN_SOURCES: Final = ("folder", "graph_mail", "imap_mail", "boond")

BASIC: Final = "basic"
JWT_HEADERS: Final = ("X-Jwt-Client-BoondManager", "X-Jwt-Client")
PASSWORD, XOAUTH2 = "password", "xoauth2"

_TEXT: Final = Kind(kinds.line, "one line of text")
_TEXTS: Final = Kind(kinds.lines, "one or more texts separated by commas")
_SWITCH: Final = Kind(kinds.switch, "true or false")
_SECRET: Final = Kind(kinds.secret, "one line of text")
_URL: Final = Kind(kinds.url, "https://host[:port][/path], or http:// to this machine (localhost, 127.0.0.1)")


def _text(name: str, default: str, about: str) -> Variable:
    return Variable(name, default, _TEXT, about)


def _texts(name: str, default: str, about: str) -> Variable:
    return Variable(name, default, _TEXTS, about)


def _secret(name: str, about: str) -> Variable:
    return Variable(name, "", _SECRET, about, secret=True)


class SourceSettings(BaseModel, frozen=True):
    """What the sources are told; each is read by one source, or by all that use HTTP."""

    mail_subject: Annotated[
        str,
        _text("FUTURSCAM_MAIL_SUBJECT", "[JOB EXPORT]", "How the subject of a mail with job posts begins."),
    ]
    mail_subjects: Annotated[
        tuple[str, ...] | None,
        _texts("FUTURSCAM_MAIL_SUBJECTS", "", "Several such beginnings, instead of FUTURSCAM_MAIL_SUBJECT."),
    ]
    mail_tags: Annotated[
        tuple[str, ...],
        _texts(
            "FUTURSCAM_MAIL_TAGS",
            "[EXTERNAL],[EXT],[EXTERNE],[EXTERN]",
            "What the mail system puts before the subject of a mail from outside.",
        ),
    ]
    graph_tenant: Annotated[
        str | None,
        Variable(
            "FUTURSCAM_GRAPH_TENANT",
            "",
            Kind(kinds.tenant, "the tenant's id (a GUID) or one of its domains"),
            "Microsoft Entra tenant of the mailbox.",
        ),
    ]
    graph_client_id: Annotated[
        str | None, _text("FUTURSCAM_GRAPH_CLIENT_ID", "", "Application (client) id of the app registration.")
    ]
    graph_client_secret: Annotated[
        SecretStr | None, _secret("FUTURSCAM_GRAPH_CLIENT_SECRET", "Value of that app's client secret.")
    ]
    graph_mailbox: Annotated[
        str | None, _text("FUTURSCAM_GRAPH_MAILBOX", "", "Mailbox that the source `graph_mail` reads: its address.")
    ]
    graph_folder: Annotated[
        str | None,
        _text("FUTURSCAM_GRAPH_FOLDER", "", "Only this folder, as `inbox` or `Inbox/RFP`; empty: the whole mailbox."),
    ]
    graph_url: Annotated[
        str,
        Variable(
            "FUTURSCAM_GRAPH_URL", "https://graph.microsoft.com", _URL, "Microsoft Graph; national clouds differ."
        ),
    ]
    graph_authority: Annotated[
        str,
        Variable(
            "FUTURSCAM_GRAPH_AUTHORITY",
            "https://login.microsoftonline.com",
            _URL,
            "Where the app signs in; national clouds differ.",
        ),
    ]
    imap_host: Annotated[str | None, _text("FUTURSCAM_IMAP_HOST", "", "IMAP server; always over TLS.")]
    imap_port: Annotated[
        int, Variable("FUTURSCAM_IMAP_PORT", "993", kinds.whole(1, 65535), "Its port for TLS from the first byte.")
    ]
    imap_user: Annotated[
        str | None, _text("FUTURSCAM_IMAP_USER", "", "User of the mailbox that the source `imap_mail` reads.")
    ]
    imap_auth: Annotated[
        str,
        Variable(
            "FUTURSCAM_IMAP_AUTH",
            PASSWORD,
            kinds.one_of((PASSWORD, XOAUTH2)),
            "How to sign in. With xoauth2 the token is asked for with the app of FUTURSCAM_GRAPH_*.",
        ),
    ]
    imap_password: Annotated[SecretStr | None, _secret("FUTURSCAM_IMAP_PASSWORD", "Password of that user.")]
    imap_access_token: Annotated[
        SecretStr | None,
        _secret("FUTURSCAM_IMAP_ACCESS_TOKEN", "Token for xoauth2 that something else renews; empty: asked for."),
    ]
    imap_scope: Annotated[
        str,
        _text(
            "FUTURSCAM_IMAP_SCOPE", "https://outlook.office365.com/.default", "Scope of the token that is asked for."
        ),
    ]
    imap_folder: Annotated[str, _text("FUTURSCAM_IMAP_FOLDER", "INBOX", "Folder of the mailbox to read.")]
    boond_url: Annotated[
        str,
        Variable("FUTURSCAM_BOOND_URL", "https://ui.boondmanager.com/api", _URL, "The API of BoondManager."),
    ]
    boond_auth: Annotated[
        str,
        Variable(
            "FUTURSCAM_BOOND_AUTH",
            JWT_HEADERS[0],
            kinds.one_of((*JWT_HEADERS, BASIC)),
            "How to sign in: the header that carries the signed token, or a user and a password.",
        ),
    ]
    boond_user_token: Annotated[
        SecretStr | None, _secret("FUTURSCAM_BOOND_USER_TOKEN", "Token of the user; for the signed token.")
    ]
    boond_client_token: Annotated[
        SecretStr | None, _secret("FUTURSCAM_BOOND_CLIENT_TOKEN", "Token of the client; for the signed token.")
    ]
    boond_client_key: Annotated[
        SecretStr | None, _secret("FUTURSCAM_BOOND_CLIENT_KEY", "Key of the client, which signs the token.")
    ]
    boond_user: Annotated[str | None, _text("FUTURSCAM_BOOND_USER", "", "User; with basic.")]
    boond_password: Annotated[SecretStr | None, _secret("FUTURSCAM_BOOND_PASSWORD", "Password; with basic.")]
    boond_open_states: Annotated[
        frozenset[int],
        Variable(
            "FUTURSCAM_BOOND_OPEN_STATES",
            "0",
            Kind(kinds.numbers, "whole numbers from 0, separated by commas"),
            "States of an opportunity that mean open; `futurscam check --source boond` lists those of the instance.",
        ),
    ]
    boond_close_after_answer_date: Annotated[
        bool,
        Variable(
            "FUTURSCAM_BOOND_CLOSE_AFTER_ANSWER_DATE",
            "false",
            _SWITCH,
            "Whether to close an open opportunity once its answerDate has passed.",
        ),
    ]
    boond_sweep_share: Annotated[
        int,
        Variable(
            "FUTURSCAM_BOOND_SWEEP_SHARE",
            "20",
            kinds.whole(0, 100),
            "Percent of the active missions that one run may close or reopen without --yes; 10 missions are always "
            "allowed.",
        ),
    ]
    boond_origins: Annotated[
        dict[int, str] | None,
        Variable(
            "FUTURSCAM_BOOND_ORIGINS",
            "",
            Kind(kinds.names_by_number, "number=name pairs separated by commas, as 9=Pro-Unity,10=ConnectingExpertise"),
            "Names for the numbers of an opportunity's origin, instead of those of the instance's dictionary; the "
            "name becomes serviceProvider.",
        ),
    ]
    boond_contacts: Annotated[
        bool,
        Variable(
            "FUTURSCAM_BOOND_CONTACTS",
            "true",
            _SWITCH,
            "Whether to read the contact of each opportunity for its mail addresses; lists give only names.",
        ),
    ]
    boond_page_size: Annotated[
        int,
        Variable("FUTURSCAM_BOOND_PAGE_SIZE", "500", kinds.whole(1, 500), "Opportunities asked for in one request."),
    ]
    http_timeout: Annotated[
        timedelta,
        Variable(
            "FUTURSCAM_HTTP_TIMEOUT_SECONDS",
            "30",
            kinds.span("seconds", 0.1, 600),
            "How long a source may take to connect, or to send anything.",
        ),
    ]
    http_tries: Annotated[
        int,
        Variable("FUTURSCAM_HTTP_TRIES", "5", kinds.whole(1, 20), "How often a request is tried before it has failed."),
    ]

    def needed_by(self, source: str) -> Iterator[str]:
        """Fields without which a source cannot be asked."""
        app = ("graph_tenant", "graph_client_id", "graph_client_secret")
        if source == "graph_mail":
            yield from (*app, "graph_mailbox")
        elif source == "imap_mail":
            yield from ("imap_host", "imap_user")
            if self.imap_auth == PASSWORD:
                yield "imap_password"
            elif self.imap_access_token is None:
                yield from app
        elif source == "boond":
            basic = self.boond_auth == BASIC
            token = ("boond_user_token", "boond_client_token", "boond_client_key")
            yield from (("boond_user", "boond_password") if basic else token)
