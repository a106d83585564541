"""The contents of a mailbox: folders, mails, attachments, and their ids."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

ROOT: Final = "msgfolderroot"
WELL_KNOWN: Final = {
    "inbox": "Inbox",
    "archive": "Archive",
    "deleteditems": "Deleted Items",
    "drafts": "Drafts",
    "junkemail": "Junk Email",
    "sentitems": "Sent Items",
}
_IMMUTABLE: Final = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A"
_MUTABLE: Final = "AAMkADQ0NWE3YzQ5LTVhMDYtNDQyYi1iMjVm"
_FOLDER: Final = "AQMkADQ0NWE3YzQ5LTVhMDYtNDQyYi1iMjVmLg"


@dataclass(frozen=True, slots=True)
class File:
    """A file, with the name and type that the sender gave it."""

    name: str
    data: bytes
    content_type: str = "application/json"
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A mail that is attached to a mail."""

    name: str
    mime: bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """A link to a file in the cloud; v1.0 does not show its target."""

    name: str
    url: str


Attachment = File | Item | Reference


@dataclass(slots=True)
class Folder:
    """A folder; its id never changes."""

    id: str
    name: str
    parent: str


@dataclass(slots=True)
class Mail:
    """A mail; the service does not show it before `visible_from`. `body` is its type, text or html, and its text."""

    number: int
    subject: str
    received: datetime
    attachments: tuple[Attachment, ...]
    folder: str
    visible_from: datetime | None
    body: tuple[str, str]
    moves: int = 0

    def shows(self, now: datetime) -> bool:
        """Whether the service shows it already."""
        return self.visible_from is None or self.visible_from <= now

    @property
    def immutable_id(self) -> str:
        """The immutable id."""
        return _IMMUTABLE + _twin(f"mail {self.number // 2}", self.number) + "AAA="

    @property
    def mutable_id(self) -> str:
        """The id in its current folder."""
        return _MUTABLE + _twin(f"mail {self.number // 2} at {self.moves}", self.number) + "AAA="

    def attachment_id(self, index: int, *, immutable: bool) -> str:
        """The id of one attachment; it begins with the mail's own."""
        own = self.immutable_id if immutable else self.mutable_id
        return f"{own[:-1]}BEgAQA{_twin(f'attachment {self.number} {index // 2}', index)}="

    def attachment(self, sought: str) -> int | None:
        """The index of the attachment with this id, of either kind."""
        for index in range(len(self.attachments)):
            if sought in {self.attachment_id(index, immutable=kind) for kind in (True, False)}:
                return index
        return None


def is_id(text: str) -> bool:
    """Whether a text has the form of an id."""
    return text.startswith((_IMMUTABLE, _MUTABLE, _FOLDER))


def _twin(what: str, number: int) -> str:
    """Two neighbouring ids differ only in the case of one letter, to detect code that ignores case."""
    return hashlib.sha256(what.encode()).hexdigest()[:24] + ("aA"[number % 2])


class Mailbox:
    """All folders and mails; the caller holds the server's lock."""

    def __init__(self) -> None:
        """Create the folders that every mailbox has."""
        self.folders = {name: Folder(_folder_id(name), shown, ROOT) for name, shown in WELL_KNOWN.items()}
        self.folders[ROOT] = Folder(_folder_id(ROOT), "Top of Information Store", "")
        self._mails: dict[int, Mail] = {}
        self._by_id: dict[str, Mail] = {}
        self._delivered = 0

    def add_folder(self, name: str, parent: str) -> str:
        """A folder of the user's own."""
        key = _folder_id(f"{parent}/{name}")
        self.folders[key] = Folder(key, name, self._known(parent))
        return key

    def folder_key(self, sought: str) -> str | None:
        """The key of the folder with this well-known name or id."""
        if sought.lower() in self.folders:
            return sought.lower()
        return next((key for key, folder in self.folders.items() if folder.id == sought), None)

    def children(self, parent: str) -> list[Folder]:
        """The folders right under one."""
        return [folder for folder in self.folders.values() if folder.parent == parent]

    def deliver(
        self,
        subject: str,
        *,
        received: datetime,
        attachments: tuple[Attachment, ...],
        folder: str,
        visible_from: datetime | None,
        body: tuple[str, str],
    ) -> str:
        """Add a mail to a folder."""
        number, self._delivered = self._delivered, self._delivered + 1
        # The service knows nothing finer than a second.
        at = received.replace(microsecond=0)
        mail = Mail(number, subject, at, attachments, self._known(folder), visible_from, body)
        self._mails[number] = self._by_id[mail.immutable_id] = self._by_id[mail.mutable_id] = mail
        return mail.immutable_id

    def remove(self, sought: str) -> None:
        """Delete a mail permanently."""
        mail = self._by_id[sought]
        del self._by_id[mail.immutable_id], self._by_id[mail.mutable_id], self._mails[mail.number]

    def move(self, sought: str, folder: str) -> None:
        """Move a mail: only its immutable id stays valid."""
        mail = self._by_id[sought]
        key = self._known(folder)
        del self._by_id[mail.mutable_id]
        mail.folder, mail.moves = key, mail.moves + 1
        self._by_id[mail.mutable_id] = mail

    def find(self, sought: str, *, now: datetime) -> Mail | None:
        """The mail with this id, of either kind, if it is already visible."""
        mail = self._by_id.get(sought)
        return mail if mail and mail.shows(now) else None

    def shown(self, *, now: datetime, folder: str | None = None) -> Iterator[Mail]:
        """All mails, or those of one folder."""
        for mail in self._mails.values():
            if mail.shows(now) and folder in {None, mail.folder}:
                yield mail

    def _known(self, folder: str) -> str:
        key = self.folder_key(folder)
        if key is None:
            raise KeyError(folder)
        return key


def _folder_id(what: str) -> str:
    return _FOLDER + hashlib.sha256(what.encode()).hexdigest()[:24] + "AAA="
