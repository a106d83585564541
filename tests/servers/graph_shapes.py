"""Mails, folders and attachments as Graph writes them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from tests.servers.graph_mailbox import WELL_KNOWN, File, Item
from tests.servers.refusal import Refused

if TYPE_CHECKING:
    from datetime import datetime

    from tests.servers.graph_mailbox import Attachment, Folder, Mail

BODY: Final = "<html><body><p>Attached is a new job post.</p></body></html>"
_SENDER: Final = {"emailAddress": {"name": "Exports", "address": "noreply@platform.example.com"}}
_FILE_ONLY: Final = ("contentId", "contentLocation", "contentBytes")
_OVERHEAD_BYTES: Final = 186
"""Graph counts what Exchange keeps beside an attachment too: `size` is more than the length of the content."""


def instant(at: datetime) -> str:
    """Whole seconds, always."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def message(mail: Mail, folder: Folder, *, mailbox: str, immutable: bool) -> dict[str, Any]:
    """All properties of a mail."""
    at, own = instant(mail.received), mail.immutable_id if immutable else mail.mutable_id
    return {
        "id": own,
        "createdDateTime": at,
        "lastModifiedDateTime": at,
        "changeKey": f"CQAAABYAAAC{mail.number:08d}{mail.moves:04d}",
        "categories": [],
        "receivedDateTime": at,
        "sentDateTime": at,
        # What is shown inside the text does not count.
        "hasAttachments": any(not (isinstance(one, File) and one.inline) for one in mail.attachments),
        "internetMessageId": f"<{mail.number:08d}@platform.example.com>",
        "subject": mail.subject,
        "bodyPreview": "Attached is a new job post.",
        "importance": "normal",
        "parentFolderId": folder.id,
        "conversationId": f"AAQkADQ0NWE3YzQ5{mail.number:08d}=",
        "isRead": False,
        "isDraft": False,
        "webLink": f"https://outlook.example.com/owa/?ItemID={own}",
        "inferenceClassification": "focused",
        "body": {"contentType": mail.body[0], "content": mail.body[1]},
        "sender": _SENDER,
        "from": _SENDER,
        "toRecipients": [{"emailAddress": {"name": "RFP", "address": mailbox}}],
        "ccRecipients": [],
        "bccRecipients": [],
        "replyTo": [],
        "flag": {"flagStatus": "notFlagged"},
    }


def mail_folder(folder: Folder, *, children: int, mails: int) -> dict[str, Any]:
    """All properties of a folder."""
    return {
        "id": folder.id,
        "displayName": folder.name,
        "parentFolderId": folder.parent,
        "childFolderCount": children,
        "unreadItemCount": mails,
        "totalItemCount": mails,
        "sizeInBytes": 0,
        "isHidden": folder.name not in WELL_KNOWN.values() and folder.name.startswith("."),
    }


def attachment(found: Attachment, own: str, *, at: datetime) -> dict[str, Any]:
    """All properties of an attachment."""
    shown: dict[str, Any] = {
        "@odata.type": f"#microsoft.graph.{_kind(found)}",
        "id": own,
        "lastModifiedDateTime": instant(at),
        "name": found.name,
        "contentType": found.content_type if isinstance(found, File) else None,
        "size": len(content(found)) + _OVERHEAD_BYTES,
        "isInline": isinstance(found, File) and found.inline,
    }
    if isinstance(found, File):
        shown["contentId"] = f"{own[-12:-1]}@example.com" if found.inline else None
        shown["contentLocation"] = None
        shown["contentBytes"] = base64.b64encode(found.data).decode()
    return shown


def content(found: Attachment) -> bytes:
    """The raw bytes; a reference has none."""
    return found.data if isinstance(found, File) else found.mime if isinstance(found, Item) else b""


def selected(shown: dict[str, Any], select: str | None, *, kind: str) -> dict[str, Any]:
    """What `$select` leaves of it; id and annotations stay.

    Raises:
        Refused: It names what the type does not have.
    """
    if select is None:
        return shown
    names = {_property(name.strip(), shown, kind) for name in select.split(",")}
    return {name: value for name, value in shown.items() if name == "id" or name[0] == "@" or name in names}


def _property(name: str, shown: dict[str, Any], kind: str) -> str:
    """The property that a name in `$select` stands for; what only files have is asked for by the full name."""
    if kind == "attachment":
        derived = name.removeprefix("microsoft.graph.fileAttachment/")
        if derived != name and derived in _FILE_ONLY:
            return derived
        known = name in shown and name not in _FILE_ONLY
    else:
        known = name in shown
    if not known:
        text = f"Could not find a property named '{name}' on type 'microsoft.graph.{kind}'."
        raise Refused(400, "RequestBroker--ParseUri", text)
    return name


def _kind(found: Attachment) -> str:
    if isinstance(found, File):
        return "fileAttachment"
    return "itemAttachment" if isinstance(found, Item) else "referenceAttachment"
