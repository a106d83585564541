"""Job posts in mails: how every mailbox reads attachments, and mails without attachments.

Names come from the sender: they are shown, and never used as a path.
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
"""Most lines of a mail that is read: a mail of 64 MB in base64 has 900,000."""

_LISTED: Final = 10
_IN_MAIL: Final = re.compile(r"^(.{19}) .* (\(.*\))(?: #\d+)?(?:\[\d+\]|:\d+)?$", re.DOTALL)
TEXT: Final = "text of the mail"
"""Name of a post in the text of a mail, in place of a file name."""

NO_POST: Final = "no-post"
"""Code of the reject for a mail that should contain a post and does not."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its mailbox lists it.

    Attributes:
        id: Identifies it, even after it was moved.
        subject: The subject as shown to people.
        received: When the mailbox received it; aware, UTC.
    """

    id: str
    subject: str
    received: datetime

    def origin(self, within: str = "") -> str:
        """Readable origin of the mail, or of the item `within` it."""
        return f"{self.received:%Y-%m-%d %H:%M:%S}{within} ({json_items.as_text(self.id)})"


@dataclass(slots=True)
class Opened:
    """The contents of one mail.

    Attributes:
        source: Name of the mailbox's source.
        mail: The mail.
        records: Records of its posts, and of attachments that may hold a post and cannot be read.
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
        """Add an attachment that may hold posts, and everything inside it.

        Args:
            name: Its name, prefixed with the names of the containers around it.
            form: Its file format.
            content: Its bytes.
            depth: How many containers are around it.
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
        """Add a record for an attachment that may hold posts and is too large to read."""
        self.records.append(self._file(name, size).too_large())

    def add_flawed(self, name: str, size: int, flaw: Flaw) -> None:
        """Add a record for an attachment that may hold a post and cannot be read."""
        self.records.append(self._file(name, size).flawed(flaw))

    def add_unreadable(self, name: str, size: int, reason: str) -> None:
        """Add a record for an attachment that may hold a post and could not be fetched."""
        self.add_flawed(name, size, Flaw("unreadable", reason))

    def add_other(self, name: str, kind: str = "") -> None:
        """Remember an attachment that cannot hold a post."""
        shown, kind = readable(name), readable(kind.partition(";")[0].strip().lower())
        self.others.append(shown)
        self._kinds.append(f"{shown} ({kind})" if kind else shown)

    def add_text(self, content: bytes, *, kind: str, charset: str) -> None:
        """Add a text of the mail; it is searched only if no attachment holds a post."""
        if content.strip():
            self._texts.append((content, kind, charset))

    def add_message(self, name: str, mime: bytes, *, depth: int = 0) -> None:
        """Add the attachments of a mail in MIME, and of mails attached to it, at any depth.

        Args:
            name: Name of the attachment if the mail is one; empty for a mail of the mailbox.
            mime: Its bytes.
            depth: How many containers are around it.
        """
        try:
            parts = list(_parts(mime, _Part if name else _WholeMail))
        except Exception as error:  # noqa: BLE001 - the parser fails in many ways on broken mails
            self.add_unreadable(name or "mail", len(mime), f"The mail cannot be read ({type(error).__name__}).")
            return
        if name and all(part.is_text for part in parts):
            self.add_other(name)
        for part in parts:
            self._add_part(f"{name}/{part.name}" if name else part.name, part, depth)

    def _add_part(self, name: str, part: _MailPart, depth: int) -> None:
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
        """Whether no attachment held a post, so the text of the mail must be searched."""
        return all(record.flaw for record in self.records)

    def finish(self) -> None:
        """After everything was added: search the texts; a mail without any post becomes a reject."""
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
        """Whether it held neither a post nor anything that may hold one."""
        return any(record.flaw and record.flaw.code == NO_POST for record in self.records)

    def _add_json(self, name: str, content: bytes, *, lines: bool = False) -> None:
        """Add one post, a list of posts, or one post per line."""
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
        """Add the posts in the texts; a post that is in both the plain and the HTML text is added once."""
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
        # The number follows the id, because a file name could end in the same way.
        origin = f"{self.mail.origin(f' {shown}')}{again}"
        return JsonFile(self.source, origin, self.mail.received, size)


def mail_of(origin: str) -> str:
    """The origin of the mail that contains the item with this origin."""
    return _IN_MAIL.sub(r"\1 \2", origin)


def readable(name: str) -> str:
    """Return a name that is safe to show to people."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in json_items.as_text(name)).strip()
    return shown if len(shown) <= _MAX_NAME else f"{shown[: _MAX_NAME - 1]}…"


class _Part(Message):
    """A part of a mail. The parser would not decode an encoded attached mail; this class leaves it whole."""

    def set_raw(self, name: str, value: Any) -> None:
        """Store a header, cut to a limit: splitting its parameters takes the square of their number."""
        super().set_raw(name, value[:_MAX_HEADER] if name.lower().startswith("content-") else value)

    def get_content_maintype(self) -> str:
        """Return the main type, by which the parser decides whether to look inside."""
        kind = super().get_content_maintype()
        return "encoded" if kind == "message" and self._is_closed() else kind

    def _is_closed(self) -> bool:
        return str(self.get("Content-Transfer-Encoding", "")).strip().lower() in _ENCODED


class _WholeMail(_Part):
    """A part of the mail of a mailbox, which leaves attached mails closed: they are attachments with names."""

    def _is_closed(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _MailPart:
    """An attachment or a text of a mail, or a part that cannot be separated."""

    name: str
    kind: str
    content: bytes
    is_text: bool
    charset: str


def _parts(mime: bytes, kind: type[_Part]) -> Iterator[_MailPart]:
    if max(mime.count(b"\n"), mime.count(b"\r")) > _MAX_LINES:
        # The parser keeps each line as a separate object.
        raise ValueError(len(mime))
    for part in email.message_from_bytes(mime, _class=kind).walk():
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        name, content = part_name(part), payload if isinstance(payload, bytes) else b""
        if part.get_content_maintype() == "encoded" and kind is _Part:
            yield from _parts(content, kind)
        else:
            is_text = _is_text(part, name, content)
            charset = part_charset(part) if is_text else ""
            yield _MailPart(name or _name(part, is_text), part.get_content_type(), content, is_text, charset)


def _name(part: Message, is_text: bool) -> str:  # noqa: FBT001
    return "" if is_text else "mail" if form_of("", part.get_content_type()) is Form.MAIL else "unnamed"


def _is_text(part: Message, name: str, content: bytes) -> bool:
    """Whether a part is the text of the mail, and not an attachment."""
    if name or form_of("", part.get_content_type()) or part.get_content_disposition() == "attachment":
        return False
    return part.get_content_maintype() == "text" or not content.strip()


def part_charset(part: Message) -> str:
    """The encoding of a text; empty if the mail does not name it."""
    try:
        return part.get_content_charset() or ""
    except (ValueError, LookupError, MessageError):
        return ""


def part_name(part: Message) -> str:
    """The name of an attachment, decoded; empty if it has none."""
    name = part.get_filename() or ""
    if "=?" not in name:
        return name
    try:
        return str(make_header(decode_header(name)))
    except (ValueError, LookupError, MessageError):
        return name
