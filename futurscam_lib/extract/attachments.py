"""Job posts in mails: what every mailbox makes of an attachment, and of a mail that holds none.

Names are the sender's: they are shown, and never used as a path.
"""

from __future__ import annotations

import email
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.extract import containers, json_items, mail_text, smime, tnef
from futurscam_lib.extract.containers import Form, Room, Unopened, form_of
from futurscam_lib.extract.json_items import JsonFile
from futurscam_lib.records import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from futurscam_lib.extract.containers import Inner
    from futurscam_lib.records import RawRecord

_MAX_NAME: Final = 150
_ENCODED: Final = {"base64", "quoted-printable"}
_MAX_HEADER: Final = 10_000
_MAX_LINES: Final = 2_000_000
"""Of a mail: one of 64 MB in base64 has 900,000."""

_LISTED: Final = 10
_IN_MAIL: Final = re.compile(r"^(.{19}) .* (\(.*\))(?: #\d+)?(?:\[\d+\]|:\d+)?$", re.DOTALL)
TEXT: Final = "text of the mail"
"""What a post in the text of a mail is called, in place of a file's name."""

NO_POST: Final = "no-post"
"""Code of the reject of a mail that should hold a post."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its mailbox lists it.

    Attributes:
        id: Identifies it, also after it was moved.
        subject: As it is shown.
        received: When the mailbox received it; aware, UTC.
    """

    id: str
    subject: str
    received: datetime

    def origin(self, within: str = "") -> str:
        """Where it stands, readable, or something in it."""
        return f"{self.received:%Y-%m-%d %H:%M:%S}{within} ({json_items.as_text(self.id)})"


@dataclass(slots=True)
class Opened:
    """What one mail held.

    Attributes:
        source: Name of the mailbox's source.
        mail: The mail.
        records: Of its posts, and of what may hold a post and cannot be read.
        others: Names of its other attachments, which were not read.
    """

    source: str
    mail: Mail
    records: list[RawRecord] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    _kinds: list[str] = field(default_factory=list)
    _texts: list[tuple[bytes, str, str]] = field(default_factory=list)
    _names: Counter[str] = field(default_factory=Counter)
    _room: Room = field(default_factory=Room)

    def add(self, name: str, form: Form, content: bytes, *, depth: int = 0) -> None:
        """Take an attachment that may hold posts, and what lies in it.

        Args:
            name: As it is shown, behind the names of what it lies in.
            form: What it is.
            content: Its bytes.
            depth: In how many containers it lies.
        """
        if form in {Form.JSON, Form.LINES}:
            self._add_json(name, content, lines=form is Form.LINES)
        elif depth >= containers.MAX_DEPTH:
            reason = f"It is nested in more than {containers.MAX_DEPTH} containers; nothing deeper is read."
            self.add_flawed(name, len(content), Flaw("too-large", reason))
        elif form is Form.MAIL:
            self.add_message(name, content, depth=depth)
        else:
            self._unpack(name, form, content, depth)

    def add_too_large(self, name: str, size: int) -> None:
        """Take note of an attachment that may hold posts and is larger than is read."""
        self.records.append(self._file(name, size).too_large())

    def add_flawed(self, name: str, size: int, flaw: Flaw) -> None:
        """Take note of something that may hold a post and cannot be read."""
        self.records.append(self._file(name, size).flawed(flaw))

    def add_unreadable(self, name: str, size: int, reason: str) -> None:
        """Note an attachment that may hold a post and could not be fetched."""
        self.add_flawed(name, size, Flaw("unreadable", reason))

    def add_other(self, name: str, kind: str = "") -> None:
        """Take note of an attachment that can hold no post."""
        shown, kind = readable(name), readable(kind.partition(";")[0].strip().lower())
        self.others.append(shown)
        self._kinds.append(f"{shown} ({kind})" if kind else shown)

    def add_text(self, content: bytes, *, kind: str, charset: str) -> None:
        """Take a text of the mail, which is looked into where no attachment gives a post."""
        if content.strip():
            self._texts.append((content, kind, charset))

    def add_message(self, name: str, mime: bytes, *, depth: int = 0) -> None:
        """Take the attachments of a mail in MIME, and of mails attached to it, however deep.

        Args:
            name: Of the attachment that the mail is; empty: it is the mail of the mailbox.
            mime: Its bytes.
            depth: In how many containers it lies.
        """
        try:
            found = list(_parts(mime, _Part if name else _WholeMail))
        except Exception as error:  # noqa: BLE001 - the parser fails in many ways on what is hardly a mail
            self.add_unreadable(name or "mail", len(mime), f"The mail cannot be read ({type(error).__name__}).")
            return
        if name and all(part.is_text for part in found):
            self.add_other(name)
        for part in found:
            self._add_part(f"{name}/{part.name}" if name else part.name, part, depth)

    def _add_part(self, name: str, part: _Found, depth: int) -> None:
        if part.is_text:
            self.add_text(part.content, kind=part.kind, charset=part.charset)
        elif part.kind.startswith("multipart/"):
            self.add_unreadable(name, len(part.content), "The mail is broken here: its parts cannot be separated.")
        elif form := form_of(part.name, part.kind):
            self.add(name, form, part.content, depth=depth + 1)
        else:
            self.add_other(part.name, part.kind)

    @property
    def wants_text(self) -> bool:
        """Whether no attachment gave a post, so that the text of the mail may be one."""
        return all(record.flaw for record in self.records)

    def finish(self) -> None:
        """Once all has been taken: look into the texts; a mail without anything becomes a reject."""
        if self.wants_text:
            self._read_texts()
        if not self.records:
            held = f"It contains {json_items.some(self._kinds, _LISTED)}." if self._kinds else "It has no attachment."
            reason = (
                "The subject of this mail announces a job post, but neither its attachments nor its text contain one. "
                f"{held} Open the mail: if a post is missing, ask the sender for a JSON file, else dismiss the reject."
            )
            self.add_flawed(f"mail: {self.mail.subject}", 0, Flaw(NO_POST, reason))

    @property
    def is_empty(self) -> bool:
        """Whether it held no post, nor anything that may have been one."""
        return any(record.flaw and record.flaw.code == NO_POST for record in self.records)

    def _add_json(self, name: str, content: bytes, *, lines: bool = False) -> None:
        """Take one post, a list of posts, or one a line."""
        self.records += self._file(name, len(content)).records(io.BytesIO(content), lines=lines)

    def _unpack(self, name: str, form: Form, content: bytes, depth: int) -> None:
        held = False
        try:
            for inner in self._inside(name, form, content):
                held = True
                self._add_inner(f"{name}/{inner.name}" if inner.name else name, inner, depth + 1)
        except Unopened as error:
            self.add_flawed(name, len(content), error.flaw)
        else:
            if not held:
                self.add_other(name)

    def _inside(self, name: str, form: Form, content: bytes) -> Iterator[Inner]:
        if form is Form.ZIP:
            return containers.unzip(content, self._room)
        if form is Form.GZIP:
            return containers.gunzip(name, content, self._room)
        return (tnef.attachments if form is Form.TNEF else smime.mails)(content, self._room)

    def _add_inner(self, name: str, inner: Inner, depth: int) -> None:
        if inner.flaw:
            self.add_flawed(name, inner.size, inner.flaw)
        elif inner.form:
            self.add(name, inner.form, inner.content, depth=depth)
        elif inner.name:
            self.add_other(name, inner.kind)
        else:
            self.add_text(inner.content, kind=inner.kind, charset="utf-8")

    def _read_texts(self) -> None:
        """Take the posts in the texts; two forms of the same text hold the same."""
        known: set[bytes] = set()
        for content, kind, charset in self._texts:
            post = mail_text.posts(content, kind=kind, charset=charset)
            if post and (same := b"".join(post.split())) not in known:
                known.add(same)
                self._add_json(TEXT, post)

    def _file(self, name: str, size: int) -> JsonFile:
        shown = readable(name)
        self._names[shown] += 1
        again = f" #{self._names[shown]}" if self._names[shown] > 1 else ""
        # Behind the id, where no name can reach: there might be one that ends like this.
        origin = f"{self.mail.origin(f' {shown}')}{again}"
        return JsonFile(self.source, origin, self.mail.received, size)


def mail_of(origin: str) -> str:
    """The origin of the mail that something stands in, by its own origin."""
    return _IN_MAIL.sub(r"\1 \2", origin)


def readable(name: str) -> str:
    """A name that a reader can be shown."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in json_items.as_text(name)).strip()
    return shown if len(shown) <= _MAX_NAME else f"{shown[: _MAX_NAME - 1]}…"


class _Part(Message):
    """A part of a mail. The parser takes an encoded mail for the mail itself; this one is left to be decoded."""

    def set_raw(self, name: str, value: Any) -> None:
        """Take a header as the parser reads it; splitting its parameters takes the square of their number."""
        super().set_raw(name, value[:_MAX_HEADER] if name.lower().startswith("content-") else value)

    def get_content_maintype(self) -> str:
        """As the parser asks for, to know what to look into."""
        kind = super().get_content_maintype()
        return "encoded" if kind == "message" and self._is_closed() else kind

    def _is_closed(self) -> bool:
        return str(self.get("Content-Transfer-Encoding", "")).strip().lower() in _ENCODED


class _WholeMail(_Part):
    """A part of the mail of a mailbox, which leaves attached mails closed: they are attachments with names."""

    def _is_closed(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _Found:
    """An attachment of a mail, a text of it, or what cannot be taken apart."""

    name: str
    kind: str
    content: bytes
    is_text: bool
    charset: str


def _parts(mime: bytes, kind: type[_Part]) -> Iterator[_Found]:
    if max(mime.count(b"\n"), mime.count(b"\r")) > _MAX_LINES:
        # The parser holds each line as an object of its own.
        raise ValueError(len(mime))
    for part in email.message_from_bytes(mime, _class=kind).walk():
        if part.is_multipart():
            continue
        found = part.get_payload(decode=True)
        name, content = part_name(part), found if isinstance(found, bytes) else b""
        if part.get_content_maintype() == "encoded" and kind is _Part:
            yield from _parts(content, kind)
        else:
            is_text = _is_text(part, name, content)
            charset = part_charset(part) if is_text else ""
            yield _Found(name or _name(part, is_text), part.get_content_type(), content, is_text, charset)


def _name(part: Message, is_text: bool) -> str:  # noqa: FBT001
    return "" if is_text else "mail" if form_of("", part.get_content_type()) is Form.MAIL else "unnamed"


def _is_text(part: Message, name: str, content: bytes) -> bool:
    """Whether it is what the mail says, and nothing that was attached to it."""
    if name or form_of("", part.get_content_type()) or part.get_content_disposition() == "attachment":
        return False
    return part.get_content_maintype() == "text" or not content.strip()


def part_charset(part: Message) -> str:
    """The encoding of a text; empty where the mail does not say it."""
    try:
        return part.get_content_charset() or ""
    except (ValueError, LookupError, MessageError):
        return ""


def part_name(part: Message) -> str:
    """The name of an attachment, decoded; empty where it has none."""
    name = part.get_filename() or ""
    if "=?" not in name:
        return name
    try:
        return str(make_header(decode_header(name)))
    except (ValueError, LookupError, MessageError):
        return name
