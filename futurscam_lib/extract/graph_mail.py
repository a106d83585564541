"""Job posts in the mails of a mailbox, through Microsoft Graph.

A mail is read when the mailbox received it in the window. `receivedDateTime` has whole seconds, so the window's lower
bound is rounded down: otherwise a mail of the same second would be lost.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from futurscam_lib import clock
from futurscam_lib.errors import OperatorMustAct, Refused, RetryLater
from futurscam_lib.extract import mail_text
from futurscam_lib.extract.attachments import TEXT, Mail, Opened
from futurscam_lib.extract.containers import Form, form_of
from futurscam_lib.extract.http import Http, TooLarge
from futurscam_lib.extract.mailbox import Mailbox, MailTally
from futurscam_lib.extract.microsoft import AppToken
from futurscam_lib.extract.paging import each, settled
from futurscam_lib.records import Window

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from futurscam_lib.extract.source import Probe
    from futurscam_lib.settings.sources import SourceSettings

_PAGE: Final = 1000
"""Graph's largest page; a mail's id, subject and instant are short."""

_IMMUTABLE: Final = {"Prefer": 'IdType="ImmutableId"'}
"""Without it a mail's id changes when it is moved to another folder."""

_GONE: Final = 404
_ITEM, _REFERENCE = "#microsoft.graph.itemAttachment", "#microsoft.graph.referenceAttachment"
_NO_MAILBOX: Final = {
    *("ErrorInvalidUser", "ErrorNonExistentMailbox", "ResourceNotFound", "Request_ResourceNotFound"),
    *("MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI"),
}
_WELL_KNOWN: Final = {"inbox", "archive", "deleteditems", "junkemail", "drafts", "sentitems", "msgfolderroot", "outbox"}


class GraphMailSource(Mailbox):
    """One mailbox, or one folder of it."""

    name = "graph_mail"

    def __init__(self, settings: SourceSettings) -> None:
        """Prepare; nothing is requested yet."""
        super().__init__(settings)
        self._token = AppToken(settings, scope=f"{settings.graph_url}/.default")
        self._orders = True

    def probe(self, window: Window, progress: Probe) -> None:
        """Sign in, and count the mails of the window.

        Raises:
            RetryLater, OperatorMustAct: As `read`.
        """
        try:
            self._token()
            progress.signed_in = True
            with self._http() as http, self._remedies():
                place = self._place(http)
                http.get(place, {"$top": 1, "$select": "id"})
                progress.reached = progress.may_read = True
                tally = MailTally(self._rule)
                progress.waiting = sum(1 for _ in self._mails(http, window, tally))
                progress.remark = tally.near_misses()
        except Refused:
            progress.reached = True
            raise

    def _open_mails(self, window: Window, tally: MailTally) -> Generator[Opened | None]:
        with self._http() as http, self._remedies():
            yield from each(partial(self._open, http), self._mails(http, window, tally), name=_name)

    def _http(self) -> Http:
        return Http(
            "Microsoft Graph",
            f"{self._settings.graph_url}/v1.0",
            timeout=self._settings.http_timeout,
            tries=self._settings.http_tries,
            signer=_Bearer(self._token),
            headers=_IMMUTABLE,
        )

    def _mails(self, http: Http, window: Window, tally: MailTally) -> Iterator[Mail]:
        """The mails of the window that the rule for subjects selects, each once.

        All mails are listed, with only their subject and instant: Graph can only filter by the beginning of a subject,
        and would leave out mails that begin with `RE:` or `[EXTERNAL]`.
        """
        place, began = self._place(http), clock.now()
        seconds = Window(max(window.since, clock.EPOCH).replace(microsecond=0), window.until)
        listed = settled(
            lambda: self._pages(http, place, seconds),
            key=lambda mail: mail.id,
            counts=lambda mail: mail.received < began,
        )
        return (mail for mail in listed if tally.selects(mail.subject))

    def _pages(self, http: Http, place: str, window: Window) -> Iterator[list[Mail]]:
        query = {"$filter": _filter(window), "$select": "id,subject,receivedDateTime", "$top": _PAGE}
        if self._orders:
            try:
                yield from _follow(http, place, {**query, "$orderby": "receivedDateTime"})
            except Refused as error:
                if error.code != "InefficientFilter":
                    raise
                self._orders = False
            else:
                return
        # A tenant may refuse the order. It does not matter: the last version of a post wins in any order.
        yield from _follow(http, place, query)

    def _place(self, http: Http) -> str:
        """Path of the messages in the mailbox, or in one folder of it, given as `Inbox/RFP`."""
        mailbox = f"users/{quote(str(self._settings.graph_mailbox), safe='@')}"
        names = [name.strip() for name in (self._settings.graph_folder or "").split("/") if name.strip()]
        if not names:
            return f"{mailbox}/messages"
        first, *others = names
        place = f"{mailbox}/mailFolders"
        folder = first.lower() if first.lower() in _WELL_KNOWN else self._folder(http, place, first)
        for name in others:
            folder = self._folder(http, f"{mailbox}/mailFolders/{folder}/childFolders", name)
        return f"{mailbox}/mailFolders/{folder}/messages"

    def _folder(self, http: Http, place: str, name: str) -> str:
        wanted = name.replace("'", "''")
        folders = http.get(place, {"$filter": f"displayName eq '{wanted}'", "$select": "id,displayName"})["value"]
        if not folders:
            existing = [str(folder.get("displayName")) for folder in http.get(place, {"$top": 50})["value"]]
            raise OperatorMustAct(
                f"The mailbox {self._settings.graph_mailbox} has no folder {name!r} there, but {', '.join(existing)}.\n"
                "Correct FUTURSCAM_GRAPH_FOLDER; folders inside others are written as Inbox/RFP."
            )
        return quote(str(folders[0]["id"]), safe="")

    def _open(self, http: Http, mail: Mail) -> Opened | None:
        """Open a mail; None if it is gone."""
        opened = Opened(self.name, mail)
        path = f"users/{quote(str(self._settings.graph_mailbox), safe='@')}/messages/{quote(mail.id, safe='')}"
        try:
            for page in _lists(http, f"{path}/attachments", {"$select": "id,name,contentType,size,isInline"}):
                for attachment in page:
                    _take(http, path, opened, attachment)
            if opened.wants_text:
                _take_text(http, path, opened)
        except Refused as error:
            if error.status != _GONE or not _is_gone(http, path):
                raise
            return None
        opened.finish()
        return opened

    @contextmanager
    def _remedies(self) -> Iterator[None]:
        """Add to a refusal what to do about it."""
        try:
            yield
        except Refused as error:
            if not error.status:
                raise  # The error of the sign-in already says what to do.
            mailbox = self._settings.graph_mailbox
            if error.code in _NO_MAILBOX:
                remedy = f"Is {mailbox} (FUTURSCAM_GRAPH_MAILBOX) a mailbox of this tenant, with a licence?"
            elif error.status == 403:  # noqa: PLR2004 - HTTP
                remedy = (
                    "Give the app the application permission Mail.Read with admin consent; where it may only read "
                    f"certain mailboxes, {mailbox} must be one of them. docs/SOURCES.md says how."
                )
            else:
                remedy = "docs/SOURCES.md says what the app needs."
            raise Refused(f"{error}\n{remedy}", status=error.status, code=error.code) from None


def open_source(settings: SourceSettings, **_: object) -> GraphMailSource:
    """Return the source for the mailbox in the settings."""
    return GraphMailSource(settings)


class _Bearer:
    """Signs requests with the app's token."""

    def __init__(self, token: AppToken) -> None:
        self._token = token

    def headers(self) -> Mapping[str, str]:
        """Return the header with a token that is valid now."""
        return {"Authorization": f"Bearer {self._token()}"}

    def renew(self, used: Mapping[str, str]) -> bool:
        """Get another token than the refused one; return whether there is one."""
        old = used["Authorization"].removeprefix("Bearer ")
        return self._token.instead_of(old) != old


def _filter(window: Window) -> str:
    terms = [f"receivedDateTime ge {window.since:%Y-%m-%dT%H:%M:%SZ}"]
    if window.until:
        ceiling = (window.until + timedelta(microseconds=999_999)).replace(microsecond=0)
        terms.append(f"receivedDateTime lt {ceiling:%Y-%m-%dT%H:%M:%SZ}")
    return " and ".join(terms)


def _follow(http: Http, place: str, query: Mapping[str, Any]) -> Iterator[list[Mail]]:
    for page in _lists(http, place, query):
        yield [_mail(row) for row in page]


def _lists(http: Http, path: str, query: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """The pages of a list; each page holds the address of the next page, which is used unchanged."""
    page = http.get(path, query)
    while True:
        yield page["value"]
        following = page.get("@odata.nextLink")
        if not following:
            return
        try:
            page = http.get(following)
        except Refused as error:
            if error.status in {401, 403}:
                raise
            raise RetryLater(f"A list of Microsoft Graph could not be read to its end ({error}).") from error


def _mail(row: Mapping[str, Any]) -> Mail:
    return Mail(row["id"], row.get("subject") or "", clock.parse(row["receivedDateTime"]))


def _take(http: Http, path: str, opened: Opened, attachment: Mapping[str, Any]) -> None:
    """Fetch one attachment if it may hold a post."""
    name, size = attachment.get("name") or "", attachment.get("size") or 0
    kind, content_type = attachment.get("@odata.type", ""), attachment.get("contentType") or ""
    form = Form.MAIL if kind == _ITEM else form_of(name, content_type)
    if form is None:
        opened.add_other(name, content_type)
    elif kind == _REFERENCE:
        opened.add_unreadable(name, size, "The mail holds a link to this file, not the file itself.")
    else:
        try:
            content = _content(http, path, attachment, limit=form.limit)
        except TooLarge:
            opened.add_too_large(name, size)
        except Refused as error:
            _check_refusal(http, path, error)
            opened.add_unreadable(name, size, f"The attachment could not be fetched: {error}")
        else:
            opened.add(name, form, content)


def _take_text(http: Http, path: str, opened: Opened) -> None:
    """Fetch the text of a mail; by default Graph returns plain text as HTML, which does no harm."""
    try:
        body = http.get(path, {"$select": "body"}).get("body") or {}
    except Refused as error:
        _check_refusal(http, path, error)
        opened.add_unreadable(TEXT, 0, f"The text could not be fetched: {error}")
        return
    kind = mail_text.HTML if body.get("contentType") == "html" else mail_text.PLAIN
    opened.add_text((body.get("content") or "").encode("utf-8", "surrogatepass"), kind=kind, charset="utf-8")


def _content(http: Http, path: str, attachment: Mapping[str, Any], *, limit: int) -> bytes:
    if inline := attachment.get("contentBytes"):  # Sent although it was not requested.
        return base64.b64decode(inline)
    return http.content(f"{path}/attachments/{quote(attachment['id'], safe='')}/$value", limit=limit)


def _check_refusal(http: Http, path: str, error: Refused) -> None:
    """Ignore the refusal of a part of a mail; raise if the whole mailbox is refused or the mail is gone."""
    if error.status in {401, 403} or (error.status == _GONE and _is_gone(http, path)):
        raise error


def _is_gone(http: Http, path: str) -> bool:
    try:
        http.get(path, {"$select": "id"})
    except Refused as error:
        return error.status == _GONE
    return False


def _name(mail: Mail) -> str:
    return f"the mail of {clock.to_people(mail.received)}"
