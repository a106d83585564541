"""Job posts attached to mails: what both mailboxes make of an attachment.

Names are the sender's: they are shown, and never used as a path.
"""

from __future__ import annotations

import email
import io
from collections import Counter
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.extract import items
from futurscam_lib.extract.items import JsonFile
from futurscam_lib.records import MAX_RECORD_BYTES, Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from futurscam_lib.records import RawRecord

MAX_MESSAGE_BYTES: Final = 64 << 20
"""An attached mail that is larger is not read; most servers take no mail of more than 50 MB."""

_MAX_NAME: Final = 150
_MAX_NAMES: Final = 1000
_JSON_TYPES: Final = {"application/json", "text/json", "application/x-ndjson", "application/jsonl"}
_ENCODED: Final = {"base64", "quoted-printable"}
_MAX_HEADER: Final = 10_000
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its mailbox lists it.

    Attributes:
        id: What tells it from others, also when it has been moved.
        subject: As it is shown.
        received: When the mailbox received it; aware, UTC.
    """

    id: str
    subject: str
    received: datetime


def is_json(name: str, content_type: str) -> bool:
    """Whether an attachment says that it is JSON, by its name or its type."""
    kind = content_type.partition(";")[0].strip().lower()
    return name.strip().lower().endswith(items.ENDINGS) or kind in _JSON_TYPES


@dataclass(slots=True)
class Opened:
    """What one mail held.

    Attributes:
        source: Name of the mailbox's source.
        mail: The mail.
        records: Of its JSON attachments.
        others: Names of its other attachments, which were not fetched.
    """

    source: str
    mail: Mail
    records: list[RawRecord] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    _names: Counter[str] = field(default_factory=Counter)

    def add_json(self, name: str, content: bytes) -> None:
        """Take a JSON attachment: one post, a list of posts, or one a line."""
        if len(content) > MAX_RECORD_BYTES:
            self.add_too_large(name, len(content))
            return
        lines = name.strip().lower().endswith(items.LINES)
        self.records += self._file(name, len(content)).records(io.BytesIO(content), lines=lines)

    def add_too_large(self, name: str, size: int) -> None:
        """Take note of a JSON attachment that holds more than is read."""
        self.records.append(self._file(name, size).too_large())

    def add_unreadable(self, name: str, size: int, reason: str) -> None:
        """Take note of an attachment that may hold a post and cannot be had."""
        self.records.append(self._file(name, size).flawed(Flaw("unreadable", reason)))

    def add_other(self, name: str) -> None:
        """Take note of an attachment that is no JSON."""
        self.others.append(readable(name))

    def add_message(self, name: str, mime: bytes) -> None:
        """Take the attachments of a mail in MIME, and of mails attached to it, however deep."""
        try:
            found = list(_parts(mime))
        except Exception as error:  # noqa: BLE001 - the parser fails in many ways on what is hardly a mail
            self.add_unreadable(name, len(mime), f"The attached mail cannot be read ({type(error).__name__}).")
            return
        if not found and name:
            self.add_other(name)
        for inner, content_type, content in found:
            within = f"{name}/{inner}" if name else inner
            if content_type.startswith("multipart/"):
                self.add_unreadable(within, len(content), "The mail is broken here: its parts cannot be told apart.")
            elif is_json(inner, content_type):
                self.add_json(within, content)
            else:
                self.add_other(inner)

    def _file(self, name: str, size: int) -> JsonFile:
        shown = readable(name)
        self._names[shown] += 1
        again = f" #{self._names[shown]}" if self._names[shown] > 1 else ""
        # Behind the id, where no name can reach: there might be one that ends like this.
        origin = f"{self.mail.received:%Y-%m-%d %H:%M:%S} {shown} ({items.as_text(self.mail.id)}){again}"
        return JsonFile(self.source, origin, self.mail.received, size)


class Tally:
    """What a reviewer should know about the mails of one reading."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._others: Counter[str] = Counter()
        self._without: list[str] = []
        self._mails = self._empty = 0

    def add(self, opened: Opened) -> None:
        """Count one mail."""
        self._mails += 1
        for name in opened.others:
            # A mailbox can hold any number of names; the notes name a few.
            self._others[name if name in self._others or len(self._others) < _MAX_NAMES else "others"] += 1
        if not opened.records:
            self._empty += 1
            if len(self._without) < _NAMED:
                self._without.append(f"{readable(opened.mail.subject)!r} of {opened.mail.received:%Y-%m-%d %H:%M:%S}")

    def notes(self) -> Iterator[str]:
        """A sentence each."""
        if self._mails:
            yield f"{self._mails:,} mail(s) read."
        if self._others:
            named = [f"{name} ({count})" for name, count in self._others.most_common(_NAMED)]
            more = f" and {len(self._others) - _NAMED} more" if len(self._others) > _NAMED else ""
            total = sum(self._others.values())
            yield f"{total:,} attachment(s) that are no JSON were not fetched: {', '.join(named)}{more}."
        if self._empty:
            more = f" and {self._empty - _NAMED} more" if self._empty > _NAMED else ""
            yield f"{self._empty:,} mail(s) without a JSON attachment: {items.some(self._without)}{more}."


def readable(name: str) -> str:
    """A name that a reader can be shown."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in items.as_text(name)).strip()
    return shown if len(shown) <= _MAX_NAME else f"{shown[: _MAX_NAME - 1]}…"


class _Part(Message):
    """A part of a mail. The parser takes an encoded mail for the mail itself; this one is left to be decoded."""

    def set_raw(self, name: str, value: Any) -> None:
        """Take a header as the parser reads it; its parameters take the square of their number to be told apart."""
        if name.lower().startswith("content-") and len(value) > _MAX_HEADER:
            msg = f"{name} is too long"
            raise ValueError(msg)
        super().set_raw(name, value)

    def get_content_maintype(self) -> str:
        """As the parser asks for, to know what to look into."""
        kind = super().get_content_maintype()
        encoding = str(self.get("Content-Transfer-Encoding", "")).strip().lower()
        return "encoded" if kind == "message" and encoding in _ENCODED else kind


def _parts(mime: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Name, type and content of each attachment, and of whatever cannot be taken apart."""
    for part in email.message_from_bytes(mime, _class=_Part).walk():
        if part.is_multipart():
            continue
        found = part.get_payload(decode=True)
        name, content = part_name(part), found if isinstance(found, bytes) else b""
        if part.get_content_maintype() == "encoded":
            yield from _parts(content)
        elif not _is_body(part, name, content):
            yield name or "unnamed", part.get_content_type(), content


def _is_body(part: Message, name: str, content: bytes) -> bool:
    """Whether it is what the mail says, and nothing that was attached to it."""
    if name or is_json("", part.get_content_type()) or part.get_content_disposition() == "attachment":
        return False
    return part.get_content_maintype() == "text" or not content.strip()


def part_name(part: Message) -> str:
    """The name of an attachment, decoded; empty where it has none."""
    name = part.get_filename() or ""
    if "=?" not in name:
        return name
    try:
        return str(make_header(decode_header(name)))
    except (ValueError, LookupError, MessageError):
        return name
