"""Microsoft Graph mail and its login service on loopback.

By hand: `python -m tests.servers.graph`.
"""

from __future__ import annotations

import re
import ssl
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import trustme

from tests.servers import graph_shapes as shapes
from tests.servers.graph_login import Login
from tests.servers.graph_mailbox import ROOT, Attachment, File, Folder, Item, Mail, Mailbox, Reference, is_id
from tests.servers.graph_paging import Pages
from tests.servers.graph_query import MAX_TOP, Query, check_options, inefficient, number_of, top_of
from tests.servers.loopback import HOST  # type: ignore[attr-defined]
from tests.servers.messages import Answer
from tests.servers.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tests.servers.messages import Request

__all__ = ["Attachment", "File", "GraphServer", "Item", "Reference"]

_NAMED: Final = re.compile(r"displayName eq '((?:[^']|'')*)'")
_GONE: Final = "The specified object was not found in the store."


class GraphServer(Login):
    """One mailbox behind Graph, over TLS.

    Attributes:
        ca_file: The certificate to trust, for `SSL_CERT_FILE`; it is gone afterwards unless a folder was passed in.
        mailbox: The address of the one mailbox.
        page_limit: The most mails of a page, whatever `$top` says.
        attachment_page_limit: The most attachments of a page; all where it is None.
        refuses_order: Refuse every `$orderby`, as a tenant may.
        forbidden: The application lacks the permission.
    """

    throttled: ClassVar[Mapping[str, Any]] = {
        "error": {"code": "ApplicationThrottled", "message": "Application is over its MailboxConcurrency limit."}
    }

    def __init__(self, *, port: int = 0, folder: Path | None = None) -> None:
        """Make a certificate and an empty mailbox."""
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST, "localhost").configure_cert(context)
        super().__init__(port=port, context=context)
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="graph-")
        self.ca_file = (folder or Path(str(self._temporary and self._temporary.name))) / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.mailbox = "rfp@example.com"
        self.page_limit = MAX_TOP
        self.attachment_page_limit: int | None = None
        self.refuses_order = False
        self.forbidden = False
        self._box = Mailbox()
        self._pages = Pages(self.url)

    def __exit__(self, *details: object) -> None:
        """Remove the certificate too."""
        super().__exit__(*details)
        if self._temporary:
            self._temporary.cleanup()

    def deliver(
        self,
        subject: str,
        *,
        received: datetime,
        attachments: Sequence[Attachment] = (),
        folder: str = "inbox",
        visible_from: datetime | None = None,
        body: tuple[Literal["text", "html"], str] = ("html", shapes.BODY),
    ) -> str:
        """Put a mail into a folder (well-known name or id); gives its immutable id. `body` is its type and its text.

        With `visible_from` it is not shown before that instant, though it says that it was received earlier.
        """
        with self.lock:
            return self._box.deliver(
                subject,
                received=received,
                attachments=tuple(attachments),
                folder=folder,
                visible_from=visible_from,
                body=body,
            )

    def remove(self, mail: str) -> None:
        """Delete a mail permanently."""
        with self.lock:
            self._box.remove(mail)

    def move(self, mail: str, folder: str) -> None:
        """Move a mail into another folder: its mutable id changes."""
        with self.lock:
            self._box.move(mail, folder)

    def add_folder(self, name: str, *, parent: str = ROOT) -> str:
        """Make a folder; gives its id."""
        with self.lock:
            return self._box.add_folder(name, parent)

    def respond(self, request: Request) -> Answer:
        """Answer as the login service or as Graph."""
        answer = self.login(request)
        if answer:
            return answer
        trace = str(uuid.uuid4())
        try:
            answer = self._graph(request)
        except Refused as refused:
            inner = {"date": shapes.instant(self.clock())[:-1], "request-id": trace}
            error = {"code": refused.code, "message": refused.message, "innerError": inner}
            answer = Answer.json({"error": error}, status=refused.status, headers=refused.headers)
        return Answer(answer.status, answer.body, answer.content_type, {**answer.headers, "request-id": trace})

    def _graph(self, request: Request) -> Answer:
        self.check_token(request)
        if self.forbidden or request.method != "GET":
            # The permission is to read, and nothing else.
            raise Refused(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        self._pages.check(request)
        match request.segments:
            case ["v1.0", "users", mailbox, "messages", *rest]:
                self._check_mailbox(mailbox)
                return self._messages(request, rest)
            case ["v1.0", "users", mailbox, "mailFolders", *rest]:
                self._check_mailbox(mailbox)
                return self._folders(request, rest)
        raise _no_segment(request)

    def _check_mailbox(self, mailbox: str) -> None:
        if mailbox.lower() != self.mailbox.lower():
            raise Refused(404, "ErrorInvalidUser", f"The requested user '{mailbox}' is invalid.")

    def _messages(self, request: Request, rest: list[str]) -> Answer:
        match rest:
            case []:
                return self._list(request, self._box.shown(now=self.clock()))
            case [mail]:
                return Answer.json(self._shown(request, self._mail(mail)))
            case [mail, "attachments"]:
                return self._attachments(request, self._mail(mail))
            case [mail, "attachments", sought]:
                found = self._mail(mail)
                return Answer.json(self._attachment(request, found, self._index(found, sought)))
            case [mail, "attachments", sought, "$value"]:
                found = self._mail(mail)
                return self._value(found.attachments[self._index(found, sought)])
        raise _no_segment(request)

    def _list(self, request: Request, mails: Iterable[Mail]) -> Answer:
        query = Query.of(request)
        if self.refuses_order and query.order:
            raise inefficient()
        query.check_efficient()
        rows = query.rows(mails)
        page, link = self._pages.cut(request, rows, skip=query.skip, size=min(query.top, self.page_limit))
        count = {"@odata.count": len(rows)} if query.count else {}
        return Answer.json({**count, "value": [self._shown(request, mail) for mail in page], **link})

    def _shown(self, request: Request, mail: Mail) -> dict[str, Any]:
        folder = self._box.folders[mail.folder]
        shown = shapes.message(mail, folder, mailbox=self.mailbox, immutable=_wants_immutable(request))
        return shapes.selected(shown, request.first("$select"), kind="message")

    def _mail(self, sought: str) -> Mail:
        found = self._box.find(sought, now=self.clock())
        if not found:
            raise _not_found(sought)
        return found

    def _index(self, mail: Mail, sought: str) -> int:
        found = mail.attachment(sought)
        if found is None:
            raise _not_found(sought)
        return found

    def _attachments(self, request: Request, mail: Mail) -> Answer:
        check_options(request, {"$select", "$top", "$skip", "$skiptoken"})
        size = min(top_of(request, MAX_TOP), self.attachment_page_limit or MAX_TOP)
        rows = range(len(mail.attachments))
        page, link = self._pages.cut(request, rows, skip=number_of(request, "$skip", 0), size=size)
        return Answer.json({"value": [self._attachment(request, mail, index) for index in page], **link})

    def _attachment(self, request: Request, mail: Mail, index: int) -> dict[str, Any]:
        own = mail.attachment_id(index, immutable=_wants_immutable(request))
        shown = shapes.attachment(mail.attachments[index], own, at=mail.received)
        return shapes.selected(shown, request.first("$select"), kind="attachment")

    def _value(self, found: Attachment) -> Answer:
        if isinstance(found, Reference):
            raise Refused(405, "ErrorInvalidOperation", "A reference attachment has no content.")
        kind = found.content_type if isinstance(found, File) else "text/plain"
        return Answer(200, shapes.content(found), kind)

    def _folders(self, request: Request, rest: list[str]) -> Answer:
        if not rest:
            return self._list_folders(request, ROOT)
        key = self._box.folder_key(rest[0])
        if key is None:
            raise _not_found(rest[0])
        match rest[1:]:
            case []:
                return Answer.json(self._folder(self._box.folders[key]))
            case ["childFolders"]:
                return self._list_folders(request, key)
            case ["messages"]:
                return self._list(request, self._box.shown(now=self.clock(), folder=key))
        raise _no_segment(request)

    def _list_folders(self, request: Request, parent: str) -> Answer:
        check_options(request, {"$filter", "$top", "$skip", "$skiptoken", "$select"})
        rows = self._box.children(parent)
        wanted = request.first("$filter")
        if wanted is not None:
            found = _NAMED.fullmatch(wanted)
            if not found:
                raise Refused(400, "BadRequest", f"Invalid filter clause: '{wanted}'.")
            name = found[1].replace("''", "'").lower()
            rows = [folder for folder in rows if folder.name.lower() == name]
        page, link = self._pages.cut(request, rows, skip=number_of(request, "$skip", 0), size=top_of(request, 10))
        shown = [shapes.selected(self._folder(one), request.first("$select"), kind="mailFolder") for one in page]
        return Answer.json({"value": shown, **link})

    def _folder(self, folder: Folder) -> dict[str, Any]:
        key = self._box.folder_key(folder.id) or ""
        mails = sum(1 for _ in self._box.shown(now=self.clock(), folder=key))
        parent = self._box.folders.get(folder.parent)
        shown = shapes.mail_folder(folder, children=len(self._box.children(key)), mails=mails)
        return {**shown, "parentFolderId": parent.id if parent else None}


def _wants_immutable(request: Request) -> bool:
    preferred = " ".join(request.headers.get_all("Prefer", []))
    return re.search(r'IdType\s*=\s*"?ImmutableId"?', preferred, re.IGNORECASE) is not None


def _no_segment(request: Request) -> Refused:
    return Refused(400, "BadRequest", f"Resource not found for the segment '{request.path.rpartition('/')[2]}'.")


def _not_found(sought: str) -> Refused:
    if is_id(sought):
        return Refused(404, "ErrorItemNotFound", _GONE)
    return Refused(400, "ErrorInvalidIdMalformed", "Id is malformed.")


if __name__ == "__main__":
    from tests.servers import by_hand

    by_hand.graph()
