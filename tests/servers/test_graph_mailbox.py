"""The imitated Graph gives folders and attachments, and refuses, as the real one does."""

from __future__ import annotations

import base64

import httpx
import pytest

from tests.servers.graph import File, GraphServer, Item, Reference
from tests.servers.graph_reader import SINCE, T0, Reader


def test_all_folders_are_read_unless_one_is_named(graph: GraphServer, reader: Reader) -> None:
    """Deleted mails are among `/messages`; a folder goes by its well-known name or its id."""
    own = graph.add_folder("Jobs d'hiver", parent="inbox")
    for folder in ("inbox", "deleteditems", own):
        graph.deliver(folder[:8], received=T0, folder=folder)

    assert len(reader.subjects()) == 3
    assert reader.subjects("/mailFolders/DeletedItems/messages") == ["deletedi"]
    assert reader.subjects(f"/mailFolders/{own}/messages", filter=SINCE) == [own[:8]]
    assert reader.error("/mailFolders/Jobs/messages") == (400, "ErrorInvalidIdMalformed")


def test_a_folder_is_found_by_its_name(graph: GraphServer, reader: Reader) -> None:
    """Under its parent, with quotes doubled; at the top there are those that every mailbox has."""
    own = graph.add_folder("Jobs d'hiver", parent="inbox")

    inbox = reader.rows("/mailFolders", filter="displayName eq 'Inbox'")[0]
    children = f"/mailFolders/{inbox['id']}/childFolders"
    assert inbox["childFolderCount"] == 1
    assert [row["id"] for row in reader.rows(children, filter="displayName eq 'Jobs d''hiver'")] == [own]
    assert reader.rows(children, filter="displayName eq 'Jobs'") == []
    assert len(reader.rows("/mailFolders", top="2")) == 6
    assert reader.error("/mailFolders", filter="name eq 'x'") == (400, "BadRequest")


def test_attachments_are_listed_with_their_content(graph: GraphServer, reader: Reader) -> None:
    """Files come with their bytes, mails and references without; pages are as small as the server likes."""
    mail = graph.deliver(
        "three",
        received=T0,
        attachments=[
            File("a.json", b"{}"),
            Item("mail", b"Subject: x\r\n\r\n"),
            Reference("b", "https://example.com/b"),
        ],
    )
    graph.attachment_page_limit = 1

    rows = reader.rows(f"/messages/{mail}/attachments")

    assert [row["@odata.type"].rpartition(".")[2] for row in rows] == [
        "fileAttachment",
        "itemAttachment",
        "referenceAttachment",
    ]
    assert [base64.b64decode(row["contentBytes"]) for row in rows if "contentBytes" in row] == [b"{}"]
    assert [row["contentType"] for row in rows] == ["application/json", None, None]
    assert reader.get(f"/messages/{mail}/attachments/{rows[0]['id']}").json() == rows[0]


def test_select_leaves_the_content_out(graph: GraphServer, reader: Reader) -> None:
    """What all attachments have goes by its name, what only files have by the full one."""
    mail = graph.deliver("one", received=T0, attachments=[File("a.json", b"{}", inline=True)])
    path = f"/messages/{mail}/attachments"

    row = reader.rows(path, select="name,size,isInline")[0]
    assert row.keys() == {"@odata.type", "id", "name", "size", "isInline"}
    assert reader.rows(path, select="microsoft.graph.fileAttachment/contentBytes")[0]["contentBytes"] == "e30="
    assert reader.error(path, select="contentBytes") == (400, "RequestBroker--ParseUri")
    assert reader.rows()[0]["hasAttachments"] is False


def test_raw_bytes_are_given_where_there_are_any(graph: GraphServer, reader: Reader) -> None:
    """Of a file its own, of a mail its MIME text, of a reference none: 405."""
    attached = [File("a", b"\x00\xff", "image/png"), Item("mail", b"Subject: x\r\n\r\n"), Reference("b", "https://b")]
    mail = graph.deliver("three", received=T0, attachments=attached)
    path = f"/messages/{mail}/attachments"

    answers = [reader.get(f"{path}/{row['id']}/$value") for row in reader.rows(path)]

    assert [answer.status_code for answer in answers] == [200, 200, 405]
    assert (answers[0].content, answers[0].headers["Content-Type"]) == (b"\x00\xff", "image/png")
    assert answers[1].content == b"Subject: x\r\n\r\n"


def test_a_removed_mail_is_not_found(graph: GraphServer, reader: Reader) -> None:
    """A mail that was removed between its list and its attachments is 404."""
    mail = graph.deliver("one", received=T0, attachments=[File("a", b"")])
    row = reader.rows(f"/messages/{mail}/attachments")[0]
    graph.remove(mail)

    assert reader.error(f"/messages/{mail}/attachments") == (404, "ErrorItemNotFound")
    assert reader.error(f"/messages/{mail}/attachments/{row['id']}/$value") == (404, "ErrorItemNotFound")


def test_another_mailbox_is_not_known(graph: GraphServer, reader: Reader) -> None:
    """404 ErrorInvalidUser; the case of the address does not matter."""
    graph.mailbox = "other@example.com"
    assert reader.error() == (404, "ErrorInvalidUser")
    graph.mailbox = "RFP@Example.com"

    assert reader.get().status_code == 200


def test_without_permission_and_for_writing_access_is_denied(graph: GraphServer, reader: Reader) -> None:
    """403 ErrorAccessDenied: nothing but reading is allowed."""
    assert reader.http.delete(f"{reader.box}/messages/x").status_code == 403
    graph.forbidden = True

    assert reader.error() == (403, "ErrorAccessDenied")


def test_faults_reach_the_client_through_tls(graph: GraphServer, reader: Reader) -> None:
    """Throttled, down, a web page, and a body that ends early."""
    graph.throttle("/messages")
    graph.fail("/messages", status=503)
    graph.html("/messages")
    graph.break_off("/messages", how="truncated")

    assert reader.error() == (429, "ApplicationThrottled")
    assert reader.get().status_code == 503
    assert reader.get().headers["Content-Type"].startswith("text/html")
    with pytest.raises(httpx.TransportError):
        reader.get()
    graph.break_off("/messages", how="reset")
    with pytest.raises(httpx.TransportError):
        reader.get()
    assert reader.get().status_code == 200
