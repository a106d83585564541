"""One folder of a mailbox, opened read-only through IMAP; reconnects if the connection is lost."""

from __future__ import annotations

import imaplib
import re
import ssl
from array import array
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import stamina
from imap_tools import MailBox
from imap_tools.errors import ImapToolsError, UnexpectedCommandStatusError

from futurscam_lib.errors import NOTHING_LOST, OperatorMustAct, Refused, RetryLater, UsageError
from futurscam_lib.extract import tls
from futurscam_lib.extract.attachments import readable
from futurscam_lib.extract.json_items import some
from futurscam_lib.settings.redaction import Redactor
from futurscam_lib.settings.sources import PASSWORD, XOAUTH2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from futurscam_lib.extract.source import Probe
    from futurscam_lib.settings.sources import SourceSettings

_REMEDIES: Final = {
    PASSWORD: "Check FUTURSCAM_IMAP_USER and FUTURSCAM_IMAP_PASSWORD. IMAP may have to be enabled for the mailbox; "
    "where people sign in with a second step, an app password is needed; Microsoft 365 takes no password: set "
    "FUTURSCAM_IMAP_AUTH to xoauth2.",
    XOAUTH2: "The access token may have expired (FUTURSCAM_IMAP_ACCESS_TOKEN), be meant for something else "
    "(FUTURSCAM_IMAP_SCOPE), or its app may have no right to this mailbox: Microsoft 365 wants the application "
    "permission IMAP.AccessAsApp with admin consent, and FullAccess to the mailbox for the app's service principal.",
}
_TEMPORARY: Final = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG|THROTTLED)\]|too many|unavailable", re.IGNORECASE)
_NO_TLS: Final = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}
_PATIENCE_SECONDS: Final = 300
_SHOWN_CHARACTERS: Final = 300


class Denied(Exception):
    """The server refuses a command about mails."""


@dataclass(frozen=True, slots=True)
class FetchedItems:
    """The items that a FETCH returned for one mail.

    Attributes:
        line: The names and values, without the content: `1 (UID 7 RFC822.SIZE 44 BODY[] {44})`.
        content: The literal, such as a header or a whole mail.
    """

    line: bytes
    content: bytes | None

    def text(self, name: str) -> str:
        """The value of an item; empty if the server left it out."""
        match = re.search(rb"[ (]" + re.escape(name.encode()) + rb' (?:"([^"]*)"|(\d+))', self.line, re.IGNORECASE)
        return (match[1] or match[2] or b"").decode("ascii", "replace") if match else ""


class _ImapTryAgain(Exception):
    """This try failed, another may succeed."""


class ImapFolder:
    """The folder; a context manager that signs out at the end.

    Args:
        settings: Where it is and how to sign in.
        token: Returns an access token that is valid now; None: use the token of the settings.
        progress: Filled in step by step.

    Attributes:
        validity: The folder's UIDVALIDITY, once it is open.
    """

    def __init__(self, settings: SourceSettings, token: Callable[[], str] | None, progress: Probe) -> None:
        """See the class."""
        self._settings, self._token, self._progress = settings, token, progress
        self._place = f"{settings.imap_host}:{settings.imap_port}"
        self._box: MailBox | None = None
        self._redact = Redactor(())
        self.validity = ""

    def __enter__(self) -> Self:
        """Return the folder; it connects at the first command."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sign out."""
        # After Ctrl+C, do not wait for a server that has not finished its answer.
        self._hang_up(politely=kind is not KeyboardInterrupt)

    def search(self, criterion: str) -> array[int]:
        """UIDs of the mails that match, eight bytes each.

        Raises:
            RetryLater, OperatorMustAct: As `fetch`.
        """
        try:
            # Without a charset: servers need not support one.
            lines = self._ask(lambda client: client.uid("SEARCH", criterion))
        except Denied as denied:
            raise RetryLater(
                f"{self._place} does not search {self._settings.imap_folder!r}: {denied}.\n{NOTHING_LOST}"
            ) from None
        # An answer may come in several lines.
        return array("Q", (int(uid[0]) for line in lines if line for uid in re.finditer(rb"\d+", line)))

    def fetch(self, uids: Sequence[int], items: str) -> dict[int, FetchedItems]:
        """Items of mails by UID, at most one of them a content; a deleted mail is missing from the result.

        Raises:
            Denied: The server refuses some of it.
            RetryLater: It does not answer.
            OperatorMustAct: The connection was lost, and the server refuses a new one.
        """
        fetched: dict[int, FetchedItems] = {}
        if not uids:
            return fetched
        numbers = ",".join(map(str, uids))
        wanted = set(uids)
        for answer in _answers(self._ask(lambda client: client.uid("FETCH", numbers, f"(UID {items})"))):
            uid = int(answer.text("UID") or 0)
            # Servers also report changes by other mail programs; those answers have no content.
            if uid in wanted and (uid not in fetched or answer.content is not None):
                fetched[uid] = answer
        return fetched

    def holds(self, uid: int) -> bool:
        """Whether a mail still exists."""
        try:
            # The server reports deleted mails only in answer to a command such as this.
            self._ask(lambda client: client.noop())
            return uid in self.fetch([uid], "INTERNALDATE")
        except Denied:
            return True

    def _ask(self, question: Callable[[imaplib.IMAP4], tuple[str, list[Any]]]) -> list[Any]:
        """Send a command, again if that may help; it must be safe to repeat."""
        retries = stamina.retry_context(
            on=_ImapTryAgain,
            attempts=self._settings.http_tries,
            timeout=_PATIENCE_SECONDS,
            wait_initial=0.5,
            wait_max=30,
        )
        client = None
        try:
            for attempt in retries:
                client = None
                with attempt, self._breaks():
                    client = self._open().client
                    status, data = question(client)
        except _ImapTryAgain as error:
            if client:
                # The folder opens, but each such command ends the connection: Dovecot refuses in this way.
                raise Denied(str(error)) from None
            raise RetryLater(
                f"The mailbox {self._settings.imap_user} at {self._place} did not answer: {error}.\n{NOTHING_LOST}"
            ) from None
        if status != "OK":
            raise Denied(self._cleaned(_words(data)))
        return data

    @contextmanager
    def _breaks(self) -> Iterator[None]:
        """Separate a lost connection, which is tried again, from a refusal."""
        try:
            yield
        except (OSError, imaplib.IMAP4.abort) as error:
            self._hang_up(politely=False)
            raise _ImapTryAgain(self._cleaned(str(error)) or type(error).__name__) from None
        except imaplib.IMAP4.error as error:
            raise Denied(self._cleaned(str(error))) from None

    def _cleaned(self, said: str) -> str:
        """A server's text, short and without secrets: it may quote what it was sent."""
        return " ".join(self._redact(said).split())[:_SHOWN_CHARACTERS]

    def _open(self) -> MailBox:
        if self._box is None:
            self._box = self._reach()
            try:
                self._sign_in(self._box)
                self._select(self._box)
            except BaseException:
                self._hang_up(politely=True)
                raise
        return self._box

    def _hang_up(self, *, politely: bool) -> None:
        if self._box is None:
            return
        client, self._box = self._box.client, None
        if politely:
            with suppress(OSError, imaplib.IMAP4.error):
                client.logout()
        with suppress(OSError):
            client.shutdown()

    def _reach(self) -> MailBox:
        seconds = self._settings.http_timeout.total_seconds()
        host, port = str(self._settings.imap_host), self._settings.imap_port
        try:
            box = MailBox(host, port, timeout=seconds, ssl_context=tls.context())
        except ssl.SSLCertVerificationError:
            raise OperatorMustAct(f"The certificate of {self._place} is not trusted.\n{tls.UNTRUSTED}") from None
        except ssl.SSLError as error:
            if error.reason not in _NO_TLS:
                raise
            raise OperatorMustAct(
                f"{self._place} does not start with TLS. "
                "Correct FUTURSCAM_IMAP_PORT: 993 is the usual one, 143 another protocol."
            ) from None
        except imaplib.IMAP4.error as error:
            # A busy server sends BYE instead of a greeting.
            raise _ImapTryAgain(self._cleaned(str(error))) from None
        self._progress.reached = True
        return box

    def _sign_in(self, box: MailBox) -> None:
        reason = self._refusal(box)
        if not reason:
            self._progress.signed_in = True
            return
        # If the user could sign in before, the refusal is temporary.
        if self.validity or _TEMPORARY.search(reason):
            raise _ImapTryAgain(f"it does not let the user sign in ({reason})")
        code = re.search(r"\[([A-Z-]+)", reason)
        text = f"{self._place} does not let {self._settings.imap_user} in: {reason}\n{self._remedy}"
        raise Refused(text, code=code[1] if code else "")

    def _refusal(self, box: MailBox) -> str:
        """Sign in; return the server's text if it refuses, else nothing."""
        user, secret = str(self._settings.imap_user), self._secret()
        self._redact = Redactor([secret])
        try:
            if self._settings.imap_auth == XOAUTH2:
                box.xoauth2(user, secret, initial_folder=None)
            elif (user + secret).isascii():
                box.login(user, secret, initial_folder=None)
            else:
                box.login_utf8(user, secret, initial_folder=None)
        except imaplib.IMAP4.abort:
            raise
        except (imaplib.IMAP4.error, ImapToolsError, ValueError) as error:
            return self._cleaned(_said(error)) or "no"
        return ""

    @property
    def _remedy(self) -> str:
        return _REMEDIES[self._settings.imap_auth]

    def _secret(self) -> str:
        xoauth2 = self._settings.imap_auth == XOAUTH2
        if xoauth2 and self._token:
            return self._token()
        given = self._settings.imap_access_token if xoauth2 else self._settings.imap_password
        if given is None:
            raise UsageError(f"FUTURSCAM_IMAP_{'ACCESS_TOKEN' if xoauth2 else 'PASSWORD'} is not set.")
        return given.get_secret_value()

    def _select(self, box: MailBox) -> None:
        """Open the folder with EXAMINE, and check that its UIDs are still valid."""
        try:
            box.folder.set(self._settings.imap_folder, readonly=True)
        except imaplib.IMAP4.abort:
            raise
        except (imaplib.IMAP4.error, ImapToolsError) as error:
            raise self._unopened(box, self._cleaned(_said(error))) from None
        self._progress.may_read = True
        validity = _words(box.client.response("UIDVALIDITY")[1])
        if self.validity not in {"", validity}:
            folder = self._settings.imap_folder
            raise RetryLater(f"The folder {folder!r} was deleted and created again while it was read.\n{NOTHING_LOST}")
        self.validity = validity

    def _unopened(self, box: MailBox, said: str) -> Exception:
        if _TEMPORARY.search(said):
            return _ImapTryAgain(said)
        existing = _folders(box)
        remedy = f"Correct FUTURSCAM_IMAP_FOLDER; there are: {some(existing, 10)}." if existing else self._remedy
        what = f"The folder {self._settings.imap_folder!r} of {self._settings.imap_user} at {self._place}"
        return OperatorMustAct(f"{what} cannot be opened: {said}\n{remedy}")


def _answers(data: Iterable[bytes | tuple[bytes, bytes] | None]) -> Iterator[FetchedItems]:
    """Group what imaplib returns by mail: a line, which is in pieces if it contained literals."""
    line, content = b"", None
    for piece in data:
        if isinstance(piece, tuple):
            line, content = line + piece[0], piece[1]
        elif piece:
            yield FetchedItems(line + piece, content)
            line, content = b"", None


def _folders(box: MailBox) -> list[str]:
    try:
        return [readable(folder.name) for folder in box.folder.list()]
    except (imaplib.IMAP4.error, ImapToolsError, OSError, ValueError):
        return []


def _said(error: Exception) -> str:
    if isinstance(error, UnexpectedCommandStatusError):
        return _words(error.command_result[1])
    return str(error)


def _words(data: Any) -> str:
    lines = [line for line in data or () if isinstance(line, bytes)]
    return b" ".join(lines).decode("utf-8", "replace")
