"""Job posts in the mails of one folder of a mailbox, through IMAP; nothing in it is changed.

A mail is read when the server received it in the window: its INTERNALDATE, which has whole seconds.
"""

from __future__ import annotations

import email
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from imap_tools.query import AND

from futurscam_lib import clock
from futurscam_lib.errors import RetryLater
from futurscam_lib.extract.attachments import Mail, Opened, readable
from futurscam_lib.extract.imap_folder import Denied, ImapFolder
from futurscam_lib.extract.mailbox import Mailbox, MailTally
from futurscam_lib.extract.paging import each
from futurscam_lib.extract.source import Probe
from futurscam_lib.records import Flaw, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from futurscam_lib.extract.imap_folder import FetchedItems
    from futurscam_lib.settings.sources import SourceSettings

MAX_MAIL_BYTES: Final = 64 << 20
"""A larger mail is a reject; most servers accept no mail of more than 50 MB."""

_CHUNK: Final = 100
"""How many mails are listed at once; some servers accept no command of more than 8,000 bytes."""

_CHUNK_BYTES: Final = 1 << 20
"""Total size of mails that are fetched at once; a larger mail is fetched alone."""

_MAX_HEADER: Final = 10_000
_LISTING: Final = "INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT MESSAGE-ID)]"
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A mail of the window.

    Attributes:
        uid: Its number in the folder.
        mail: The mail as the server lists it.
        size: Its size in bytes, which some servers only estimate.
        denied: Why the server does not list it.
    """

    uid: int
    mail: Mail
    size: int = 0
    denied: Denied | None = None


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A mail with its content, which is None if it was not requested or the server leaves it out."""

    listed: _Listed
    content: bytes | Denied | None


class ImapMailSource(Mailbox):
    """One folder of one mailbox.

    Args:
        settings: Where it is and how to sign in.
        token: Returns an access token that is valid now, for xoauth2; None: use the token of the settings.
    """

    name = "imap_mail"

    def __init__(self, settings: SourceSettings, *, token: Callable[[], str] | None = None) -> None:
        """Prepare; nothing is requested yet."""
        super().__init__(settings)
        self._token = token

    def probe(self, window: Window, progress: Probe) -> None:
        """Sign in, and count the mails of the window.

        Raises:
            RetryLater, OperatorMustAct: As `read`.
        """
        with ImapFolder(self._settings, self._token, progress) as folder:
            tally = MailTally(self._rule)
            progress.waiting = sum(len(chunk) for chunk in _list(folder, window, tally))
            progress.remark = tally.near_misses()

    def _open_mails(self, window: Window, tally: MailTally) -> Generator[Opened | None]:
        with ImapFolder(self._settings, self._token, Probe()) as folder:
            # No threads: a connection answers one command at a time.
            yield from each(partial(self._open, folder), _fetch(folder, window, tally), name=_name, threads=0)

    def _open(self, folder: ImapFolder, fetched: _Fetched) -> Opened | None:
        """Open a mail; None if it was deleted."""
        listed, content = fetched.listed, fetched.content
        opened = Opened(self.name, listed.mail)
        size = max(listed.size, len(content) if isinstance(content, bytes) else 0)
        if size > MAX_MAIL_BYTES:
            reason = f"The mail has {size:,} bytes; more than {MAX_MAIL_BYTES:,} are not read. Open it by hand."
            opened.add_flawed("mail", size, Flaw("too-large", reason))
        elif isinstance(content, bytes) and content:
            opened.add_message("", content)
        elif folder.holds(listed.uid):
            reason = str(content) if isinstance(content, Denied) else "its content is missing in the answer"
            hint = "if that persists, move the mail to another folder"
            raise RetryLater(f"the server does not return it ({reason}); {hint}")
        else:
            return None
        opened.finish()
        return opened


def open_source(settings: SourceSettings, **_: object) -> ImapMailSource:
    """Return the source for the mailbox in the settings; a token that they lack is requested from Microsoft."""
    from futurscam_lib.extract.microsoft import AppToken

    given = settings.imap_access_token is not None
    return ImapMailSource(settings, token=None if given else AppToken(settings, scope=settings.imap_scope))


def _list(folder: ImapFolder, window: Window, tally: MailTally) -> Iterator[list[_Listed]]:
    """The mails of the window that the rule for subjects selects, in chunks."""
    seconds = Window(window.since.replace(microsecond=0), window.until)
    uids = folder.search(_days(seconds))
    for start in range(0, len(uids), _CHUNK):
        answers = _ask(folder, uids[start : start + _CHUNK], _LISTING)
        chunk = (_listed(folder, seconds, tally, uid=uid, answer=answer) for uid, answer in answers)
        yield [listed for listed in chunk if listed]


def _fetch(folder: ImapFolder, window: Window, tally: MailTally) -> Iterator[_Fetched]:
    """The same mails with their content; small mails are fetched together."""
    for listed in _list(folder, window, tally):
        for chunk in _chunks(listed):
            uids = [mail.uid for mail in chunk if not mail.denied and mail.size <= MAX_MAIL_BYTES]
            # Fetch one byte more than the limit, to detect a mail that is larger than its server estimated.
            answers = dict(_ask(folder, uids, f"BODY.PEEK[]<0.{MAX_MAIL_BYTES + 1}>"))
            for mail in chunk:
                answer = answers.pop(mail.uid, mail.denied)
                yield _Fetched(mail, answer if answer is None or isinstance(answer, Denied) else answer.content)


def _chunks(mails: Sequence[_Listed]) -> Iterator[list[_Listed]]:
    chunk: list[_Listed] = []
    room = _CHUNK_BYTES
    for mail in mails:
        size = mail.size or MAX_MAIL_BYTES
        if chunk and size > room:
            yield chunk
            chunk, room = [], _CHUNK_BYTES
        chunk.append(mail)
        room -= size
    if chunk:
        yield chunk


def _listed(
    folder: ImapFolder, window: Window, tally: MailTally, *, uid: int, answer: FetchedItems | Denied
) -> _Listed | None:
    """Return a mail as listed; None if it is not in the window, or the rule for subjects does not select it.

    Args:
        folder: The folder of the mail.
        window: The window, in whole seconds.
        tally: Applies the rule for subjects.
        uid: The mail's number in the folder.
        answer: The server's answer to `_LISTING`.
    """
    try:
        if isinstance(answer, Denied):
            raise answer
        received = _instant(answer.text("INTERNALDATE"))
    except Denied as denied:
        # The mail may hold a post.
        return _Listed(uid, Mail(f"UID {uid}", "", max(window.since, clock.EPOCH)), denied=denied)
    header = email.message_from_string((answer.content or b"")[:_MAX_HEADER].decode("utf-8", "replace"))
    subject = _decoded(header["Subject"] or "")
    if received not in window or not tally.selects(subject):
        return None
    identity = readable(_plain(header["Message-ID"] or "").strip("<>")) or f"{folder.validity}/{uid}"
    return _Listed(uid, Mail(identity, subject, received), int(answer.text("RFC822.SIZE") or 0))


def _ask(folder: ImapFolder, uids: Sequence[int], items: str) -> Iterator[tuple[int, FetchedItems | Denied]]:
    """The server's answer for each mail; if it refuses some, the others are requested without them."""
    try:
        yield from folder.fetch(uids, items).items()
    except Denied as denied:
        if len(uids) == 1:
            yield uids[0], denied
            return
        middle = len(uids) // 2
        yield from _ask(folder, uids[:middle], items)
        yield from _ask(folder, uids[middle:], items)


def _days(window: Window) -> str:
    """The criterion for all mails of the window and a few more: days are in the server's unknown time zone."""
    days: dict[str, Any] = {}
    if window.since > clock.EPOCH + _DAY:
        days["date_gte"] = (window.since - _DAY).date()
    if window.until and clock.EPOCH < window.until < datetime.max.replace(tzinfo=UTC) - 2 * _DAY:
        days["date_lt"] = (window.until + 2 * _DAY).date()
    return str(AND(**days)) if days else "ALL"


def _instant(date: str) -> datetime:
    try:
        instant = parsedate_to_datetime(date)
        # -0000 also means UTC.
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Denied("no INTERNALDATE") from None


def _decoded(header: str) -> str:
    """Return the text of a header, decoded."""
    try:
        pieces = decode_header(_plain(header))
    except HeaderParseError:
        return _plain(header)
    return _plain("".join(_text(*piece) for piece in pieces))


def _text(piece: str | bytes, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    try:
        return piece.decode(charset or "raw-unicode-escape", "replace")
    except LookupError:
        return piece.decode("utf-8", "replace")


def _plain(text: str) -> str:
    """Return a text in one line, stripped and with single spaces."""
    return re.sub(r"\s+", " ", text).strip()


def _name(fetched: _Fetched) -> str:
    return f"UID {fetched.listed.uid} of {clock.to_people(fetched.listed.mail.received)}"
