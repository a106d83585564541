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
"""A larger mail is a reject; most servers take no mail of more than 50 MB."""

_CHUNK: Final = 100
"""Mails that are listed at once; some servers take no command of more than 8,000 bytes."""

_CHUNK_BYTES: Final = 1 << 20
"""Mails that are fetched at once have no more bytes than this in total, or it is one mail."""

_MAX_HEADER: Final = 10_000
_LISTING: Final = "INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT MESSAGE-ID)]"
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A mail of the window.

    Attributes:
        uid: Its number in the folder.
        mail: What the server says about it.
        size: Its bytes, which some servers only estimate.
        denied: Why the server says nothing about it.
    """

    uid: int
    mail: Mail
    size: int = 0
    denied: Denied | None = None


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A mail with its content: None where it was not asked for, or where the server leaves it out."""

    listed: _Listed
    content: bytes | Denied | None


class ImapMailSource(Mailbox):
    """One folder of one mailbox.

    Args:
        settings: Where it is and how to sign in.
        token: Returns an access token that is valid now, for xoauth2; None: use the one of the settings.
    """

    name = "imap_mail"

    def __init__(self, settings: SourceSettings, *, token: Callable[[], str] | None = None) -> None:
        """Prepare; nothing is asked yet."""
        super().__init__(settings)
        self._token = token

    def probe(self, window: Window, found: Probe) -> None:
        """Sign in, and count the mails of the window.

        Raises:
            RetryLater, OperatorMustAct: As `read`.
        """
        with ImapFolder(self._settings, self._token, found) as folder:
            tally = MailTally(self._rule)
            found.waiting = sum(len(chunk) for chunk in _list(folder, window, tally))
            found.remark = tally.near_misses()

    def _open_mails(self, window: Window, tally: MailTally) -> Generator[Opened | None]:
        with ImapFolder(self._settings, self._token, Probe()) as folder:
            # No threads: one connection answers one question after the other.
            yield from each(partial(self._open, folder), _fetch(folder, window, tally), name=_name, threads=0)

    def _open(self, folder: ImapFolder, fetched: _Fetched) -> Opened | None:
        """What a mail holds; None where it was deleted."""
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
    """The mailbox of the settings; a token that they do not hold is requested from Microsoft."""
    from futurscam_lib.extract.microsoft import AppToken

    given = settings.imap_access_token is not None
    return ImapMailSource(settings, token=None if given else AppToken(settings, scope=settings.imap_scope))


def _list(folder: ImapFolder, window: Window, tally: MailTally) -> Iterator[list[_Listed]]:
    """The mails of the window that the rule for subjects selects, some at a time."""
    seconds = Window(window.since.replace(microsecond=0), window.until)
    uids = folder.search(_days(seconds))
    for start in range(0, len(uids), _CHUNK):
        answers = _ask(folder, uids[start : start + _CHUNK], _LISTING)
        chunk = (_listed(folder, seconds, tally, uid=uid, answer=answer) for uid, answer in answers)
        yield [listed for listed in chunk if listed]


def _fetch(folder: ImapFolder, window: Window, tally: MailTally) -> Iterator[_Fetched]:
    """These mails with their content; small ones are fetched together."""
    for listed in _list(folder, window, tally):
        for chunk in _chunks(listed):
            uids = [mail.uid for mail in chunk if not mail.denied and mail.size <= MAX_MAIL_BYTES]
            # One byte too many shows that a mail is larger than its server estimated.
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
    """A mail as it was listed; None if it is not in the window, or the rule for subjects does not select it.

    Args:
        folder: Where it is.
        window: Of whole seconds.
        tally: Knows the rule.
        uid: Its number.
        answer: To `_LISTING`.
    """
    try:
        if isinstance(answer, Denied):
            raise answer
        received = _instant(answer.text("INTERNALDATE"))
    except Denied as denied:
        # It may carry a post.
        return _Listed(uid, Mail(f"UID {uid}", "", max(window.since, clock.EPOCH)), denied=denied)
    header = email.message_from_string((answer.content or b"")[:_MAX_HEADER].decode("utf-8", "replace"))
    subject = _decoded(header["Subject"] or "")
    if received not in window or not tally.selects(subject):
        return None
    known_as = readable(_plain(header["Message-ID"] or "").strip("<>")) or f"{folder.validity}/{uid}"
    return _Listed(uid, Mail(known_as, subject, received), int(answer.text("RFC822.SIZE") or 0))


def _ask(folder: ImapFolder, uids: Sequence[int], items: str) -> Iterator[tuple[int, FetchedItems | Denied]]:
    """What the server says about each mail; where it refuses some, the others are asked for without these."""
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
    """All mails of the window, and some more: days are those of the server, whatever its zone is at the time."""
    days: dict[str, Any] = {}
    if window.since > clock.EPOCH + _DAY:
        days["date_gte"] = (window.since - _DAY).date()
    if window.until and clock.EPOCH < window.until < datetime.max.replace(tzinfo=UTC) - 2 * _DAY:
        days["date_lt"] = (window.until + 2 * _DAY).date()
    return str(AND(**days)) if days else "ALL"


def _instant(date: str) -> datetime:
    try:
        found = parsedate_to_datetime(date)
        # -0000 is UTC, too.
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Denied("no INTERNALDATE") from None


def _decoded(header: str) -> str:
    """A header's text as it is shown."""
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
    """A text in one line, without spaces around it, and with one where there were several."""
    return re.sub(r"\s+", " ", text).strip()


def _name(fetched: _Fetched) -> str:
    return f"UID {fetched.listed.uid} of {clock.to_people(fetched.listed.mail.received)}"
