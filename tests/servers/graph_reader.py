"""A client of the imitated Graph, for the tests of it."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from tests.servers.graph import GraphServer

T0: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SINCE: Final = "receivedDateTime ge 2026-11-23T12:00:00Z"
EXPORTS: Final = "startswith(subject,'[JOB EXPORT]')"
_IMMUTABLE: Final = {"Prefer": 'IdType="ImmutableId"'}


class Reader:
    """A client that signed in, and knows where the mailbox is."""

    def __init__(self, server: GraphServer) -> None:
        """Get a token."""
        self.server = server
        self.http = httpx.Client(verify=ssl.create_default_context(cafile=server.ca_file))
        self.box = f"{server.url}/v1.0/users/{server.mailbox}"
        self.sign_in()

    def sign_in(self) -> None:
        """Get another token."""
        token = self.token().json()["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def token(self, **changes: str) -> httpx.Response:
        """Ask for a token."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.server.client_id,
            "client_secret": self.server.client_secret,
            "scope": f"{self.server.url}/.default",
        }
        return self.http.post(f"{self.server.authority}/{self.server.tenant}/oauth2/v2.0/token", data=form | changes)

    def get(self, path: str = "/messages", *, immutable: bool = True, **options: str) -> httpx.Response:
        """Ask the mailbox; options are named without their dollar."""
        wanted = {f"${name}": value for name, value in options.items()}
        return self.http.get(self.box + path, params=wanted or None, headers=_IMMUTABLE if immutable else {})

    def rows(self, path: str = "/messages", **options: str) -> list[dict[str, Any]]:
        """All rows, over all pages."""
        page = self.get(path, **options).raise_for_status().json()
        found = page["value"]
        while "@odata.nextLink" in page:
            page = self.http.get(page["@odata.nextLink"], headers=_IMMUTABLE).raise_for_status().json()
            found += page["value"]
        return found

    def subjects(self, path: str = "/messages", **options: str) -> list[str]:
        """The subjects of all rows."""
        return [row["subject"] for row in self.rows(path, **options)]

    def error(self, path: str = "/messages", **options: str) -> tuple[int, str]:
        """Status and code of a refusal."""
        answer = self.get(path, **options)
        return answer.status_code, answer.json()["error"]["code"]


def deliver(server: GraphServer, count: int) -> list[str]:
    """Add this many mails, a minute apart; returns their ids."""
    return [server.deliver(f"mail {number}", received=T0 + timedelta(minutes=number)) for number in range(count)]
