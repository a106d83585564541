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
from futurscam_lib.extract import bodystructure, mail_text
from futurscam_lib.extract.attachments import Mail, Opened, part_charset, part_name, readable
from futurscam_lib.extract.containers import MAX_CONTAINER_BYTES, Form, form_of
from futurscam_lib.extract.imap_folder import Denied, ImapFolder
from futurscam_lib.extract.mail_tally import Tally
from futurscam_lib.extract.paging import each
from futurscam_lib.extract.source import Probe
from futurscam_lib.extract.subjects import SubjectRule
from futurscam_lib.records import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from futurscam_lib.extract.bodystructure import Items, Part
    from futurscam_lib.records import RawRecord
    from futurscam_lib.settings.sources import SourceSettings

_CHUNK: Final = 100
"""Mails that are asked for at once; some servers take no command of more than 8,000 bytes."""

_BATCH: Final = 20
_SMALL_BYTES: Final = 1 << 16
"""A JSON attachment up to this size comes along with the headers; a post has some 10 kB."""

_MAX_HEADER: Final = 10_000
_LISTING: Final = "INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT MESSAGE-ID)]"
_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class _Found:
    """A mail of the window.

    Attributes:
        uid: Its number in the folder.
        mail: What is told of it.
        size: Its bytes.
        parts: What it consists of; None where the server does not say it so that it can be understood.
        denied: Why the server says nothing about it.
    """

    uid: int
    mail: Mail
    size: int = 0
    parts: list[Part] | None = None
    denied: Denied | None = None


class ImapMailSource:
    """One folder of one mailbox.

    Args:
        settings: Where it is and how to sign in.
        token: Gives an access token that is valid now, for xoauth2; None: the one of the settings is used.
    """

    name = "imap_mail"

    def __init__(self, settings: SourceSettings, *, token: Callable[[], str] | None = None) -> None:
        """Prepare; nothing is asked yet."""
        self._settings, self._token = settings, token
        self._rule = SubjectRule.of(settings)
        self._tally = Tally(self._rule)
        self.notes: list[str] = []

    def read(self, window: Window) -> Iterator[RawRecord]:
        """Stream the posts in the mails that were received in the window and that the rule for subjects selects.

        Raises:
            RetryLater: The server did not answer, or not for some mails; all others were yielded before.
            OperatorMustAct: It refuses the user or the folder, or it is not to be trusted.
        """
        self.notes, self._tally = [], Tally(self._rule)
        tally = self._tally
        try:
            with ImapFolder(self._settings, self._token, Probe()) as folder:
                # One connection answers one question after the other.
                mails = self._described(folder, window, tally)
                for opened in each(partial(self._open, folder), mails, name=_told, threads=0):
                    if opened:
                        tally.add(opened)
                        yield from opened.records
                        tally.remember(opened)
        finally:
            self.notes = list(tally.notes())

    def read_whole(self, origins: Sequence[str]) -> dict[str, datetime]:
        """For rejects of mails that the last `read` gave whole, without what was rejected: an instant after them."""
        return self._tally.read_whole(origins)

    def loaded(self) -> None:
        """Take note that all of the last `read` has been loaded: nothing depends on it."""

    def probe(self, window: Window, found: Probe) -> None:
        """Sign in, and count the mails of the window.

        Raises:
            RetryLater, OperatorMustAct: As `read`.
        """
        with ImapFolder(self._settings, self._token, found) as folder:
            tally = Tally(self._rule)
            found.waiting = sum(len(chunk) for chunk in self._mails(folder, window, tally))
            found.remark = tally.near_misses()

    def _described(self, folder: ImapFolder, window: Window, tally: Tally) -> Iterator[_Found]:
        """The mails of the window with their parts."""
        for chunk in self._mails(folder, window, tally):
            structures = dict(_ask(folder, [found.uid for found in chunk if not found.denied], "BODYSTRUCTURE"))
            for found in chunk:
                found.parts = _parts(structures.get(found.uid))
                yield found

    def _mails(self, folder: ImapFolder, window: Window, tally: Tally) -> Iterator[list[_Found]]:
        """The mails of the window, some at a time."""
        seconds = Window(window.since.replace(microsecond=0), window.until)
        uids = folder.search(_days(seconds))
        for start in range(0, len(uids), _CHUNK):
            answers = _ask(folder, uids[start : start + _CHUNK], _LISTING)
            chunk = (_found(folder, seconds, tally, uid=uid, answer=answer) for uid, answer in answers)
            yield [found for found in chunk if found]

    def _open(self, folder: ImapFolder, found: _Found) -> Opened | None:
        """What a mail holds; None where it is gone."""
        opened = Opened(self.name, found.mail)
        try:
            if found.denied:
                raise found.denied
            if found.parts is None:
                _take_whole(folder, opened, found)
            attached = [part for part in found.parts or () if not part.is_body]
            for start in range(0, len(attached), _BATCH):
                _take(folder, opened, found.uid, attached[start : start + _BATCH])
            if not opened.records and not folder.holds(found.uid):
                # Of a mail that is gone Dovecot says that it has nothing in it.
                return None
            if opened.wants_text:
                _take_texts(folder, opened, found.uid, [part for part in found.parts or () if part.is_body])
        except Denied as denied:
            if folder.holds(found.uid):
                hint = "where that stays so, move the mail to another folder"
                raise RetryLater(f"the server does not hand it over ({denied}); {hint}") from None
            return None
        opened.finish()
        return opened


def open_source(settings: SourceSettings, **_: object) -> ImapMailSource:
    """The mailbox of the settings; a token that they do not hold is requested from Microsoft."""
    from futurscam_lib.extract.microsoft import AppToken

    given = settings.imap_access_token is not None
    return ImapMailSource(settings, token=None if given else AppToken(settings, scope=settings.imap_scope))


def _found(folder: ImapFolder, window: Window, tally: Tally, *, uid: int, answer: Items | Denied) -> _Found | None:
    """A mail as it was listed; None if the rule for subjects does not select it."""
    try:
        if isinstance(answer, Denied):
            raise answer
        received = _instant(answer.get("INTERNALDATE"))
    except Denied as denied:
        # It may be one of ours.
        return _Found(uid, Mail(f"UID {uid}", "", max(window.since, clock.EPOCH)), denied=denied)
    header = email.message_from_string(_header(answer))
    subject = _decoded(header["Subject"] or "")
    if received not in window or not tally.selects(subject):
        return None
    known_as = readable(_plain(header["Message-ID"] or "").strip("<>")) or f"{folder.validity}/{uid}"
    return _Found(uid, Mail(known_as, subject, received), int(answer.get("RFC822.SIZE") or 0))


def _ask(folder: ImapFolder, uids: Sequence[int], items: str) -> Iterator[tuple[int, Items | Denied]]:
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


def _take(folder: ImapFolder, opened: Opened, uid: int, parts: list[Part]) -> None:
    """Fetch the headers of some attachments, and those that may hold a post."""
    headers = dict.fromkeys(section for part in parts for section in (part.header, part.outer) if section)
    small = [part.section for part in parts if form_of(part.name, part.kind) and part.size < _SMALL_BYTES]
    had = folder.sections(uid, {**dict.fromkeys(headers, _MAX_HEADER), **dict.fromkeys(small, _SMALL_BYTES)})
    for part in parts:
        name = _name(had.get(part.header)) or part.name or "unnamed"
        within = f"{_name(had.get(part.outer)) or 'mail'}/{name}" if part.outer else name
        form = Form.MAIL if part.opaque else form_of(name, part.kind)
        if form is None:
            opened.add_other(name, part.kind)
        elif part.size > part.room(form.limit):
            opened.add_too_large(within, part.at_least())
        else:
            body = had.get(part.section, b"")
            # Some servers only guess sizes: there may be more of it.
            if not 0 < len(body) < _SMALL_BYTES:
                body = _body(folder, uid, part, form.limit)
            opened.add(within, form, part.decoded(body))


def _take_texts(folder: ImapFolder, opened: Opened, uid: int, parts: list[Part]) -> None:
    """Fetch the texts of a mail, as far as they are short enough to be looked into."""
    for part in parts:
        if part.kind in {mail_text.PLAIN, mail_text.HTML} and 0 < part.size <= part.room(mail_text.MAX_TEXT_BYTES):
            had = folder.sections(uid, {part.header: _MAX_HEADER, part.section: part.room(mail_text.MAX_TEXT_BYTES)})
            charset = part_charset(email.message_from_bytes(had.get(part.header, b"")))
            opened.add_text(part.decoded(had.get(part.section, b"")), kind=part.kind, charset=charset)


def _body(folder: ImapFolder, uid: int, part: Part, limit: int) -> bytes:
    # One byte too many is enough to be found too large.
    body = folder.sections(uid, {part.section: part.room(limit + 1)}).get(part.section, b"")
    if part.size and not body:
        raise Denied(f"part {part.section} is left out")
    return body


def _take_whole(folder: ImapFolder, opened: Opened, found: _Found) -> None:
    """Fetch a mail of which the parts are not known."""
    mime = None
    if found.size <= MAX_CONTAINER_BYTES:
        mime = folder.sections(found.uid, {"": MAX_CONTAINER_BYTES + 1}).get("")
        if mime is None:
            raise Denied("it is left out")
    if mime is None or len(mime) > MAX_CONTAINER_BYTES:
        reason = "The server does not say what the mail consists of, and the mail is too large to be looked into."
        opened.add_unreadable("mail", found.size, reason)
    else:
        opened.add_message("", mime)


def _days(window: Window) -> str:
    """All mails of the window, and some more: days are those of the server, whatever its zone is at the time."""
    days: dict[str, Any] = {}
    if window.since > clock.EPOCH + _DAY:
        days["date_gte"] = (window.since - _DAY).date()
    if window.until and clock.EPOCH < window.until < datetime.max.replace(tzinfo=UTC) - 2 * _DAY:
        days["date_lt"] = (window.until + 2 * _DAY).date()
    return str(AND(**days)) if days else "ALL"


def _parts(answer: Items | Denied | None) -> list[Part] | None:
    try:
        return bodystructure.parts(answer["BODYSTRUCTURE"]) if isinstance(answer, dict) else None
    except (KeyError, ValueError):
        return None


def _instant(date: bytes | None) -> datetime:
    try:
        found = parsedate_to_datetime((date or b"").decode("ascii"))
        # -0000 is UTC, too.
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Denied("no INTERNALDATE") from None


def _header(answer: Items) -> str:
    found = next((value for name, value in answer.items() if name.startswith("BODY[HEADER")), None)
    return (found or b"")[:_MAX_HEADER].decode("utf-8", "replace")


def _name(header: bytes | None) -> str:
    """The name of an attachment by its header; a long one takes the square of its length to be read."""
    return part_name(email.message_from_bytes(header)) if header and len(header) < _MAX_HEADER else ""


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


def _told(found: _Found) -> str:
    return f"UID {found.uid} of {clock.to_people(found.mail.received)}"
