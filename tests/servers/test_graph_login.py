"""The imitated login service grants, refuses and ends tokens like the real one."""

from __future__ import annotations

import ssl
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import msal
import pytest

from tests.servers.graph import GraphServer
from tests.servers.graph_reader import T0, Reader

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def _no_other_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests library prefers what these name to the certificate that msal was told of."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_other_authorities")
def test_msal_gets_a_token(graph: GraphServer) -> None:
    """The real library, told of the certificate and of no instance discovery, signs in."""
    application = msal.ConfidentialClientApplication(
        graph.client_id,
        authority=f"{graph.authority}/{graph.tenant}",
        client_credential=graph.client_secret,
        instance_discovery=False,
        verify=str(graph.ca_file),
    )

    granted = application.acquire_token_for_client([f"{graph.url}/.default"])

    assert granted["expires_in"] == 3599
    mails = f"{graph.url}/v1.0/users/{graph.mailbox}/messages"
    context = ssl.create_default_context(cafile=graph.ca_file)
    answer = httpx.get(mails, headers={"Authorization": f"Bearer {granted['access_token']}"}, verify=context)
    assert answer.json()["value"] == []


@pytest.mark.usefixtures("_no_other_authorities")
def test_msal_finds_the_tenant_through_instance_discovery(graph: GraphServer) -> None:
    """The same when msal is sent to this server for the discovery of instances."""
    application = msal.ConfidentialClientApplication(
        graph.client_id,
        authority=f"{graph.authority}/{graph.tenant}",
        client_credential=graph.client_secret,
        instance_discovery=f"{graph.authority}/common/discovery/instance",
        verify=str(graph.ca_file),
    )

    assert "access_token" in application.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert any(request.path == "/common/discovery/instance" for request in graph.requests)


def test_an_unknown_tenant_is_reported(graph: GraphServer, reader: Reader) -> None:
    """400 invalid_tenant, as the discovery of msal meets it."""
    answer = reader.http.get(f"{graph.authority}/elsewhere/v2.0/.well-known/openid-configuration")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_tenant")
    assert answer.json()["error_description"].startswith("AADSTS90002: ")


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        ({"client_id": "someone"}, 400, "unauthorized_client", 700016),
        ({"client_secret": "guess"}, 401, "invalid_client", 7000215),
        ({"scope": "Mail.Read"}, 400, "invalid_scope", 1002012),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    ],
)
def test_a_wrong_application_gets_no_token(
    reader: Reader, changes: dict[str, str], status: int, error: str, number: int
) -> None:
    """Each mistake has its own number, and the secret is not repeated."""
    answer = reader.token(**changes)

    assert (answer.status_code, answer.json()["error"], answer.json()["error_codes"]) == (status, error, [number])
    assert reader.server.client_secret not in answer.text


def test_an_expired_secret_is_another_error_than_a_wrong_one(graph: GraphServer, reader: Reader) -> None:
    """AADSTS7000222, which means: make a new one."""
    graph.secret_expired = True

    assert reader.token().json()["error_codes"] == [7000222]


def test_an_echo_repeats_secret_and_token(graph: GraphServer, reader: Reader) -> None:
    """A careless service quotes what it was sent; both kinds of errors do when told to."""
    graph.echoes = True
    graph.secret_expired = True

    assert graph.client_secret in reader.token().json()["error_description"]
    told = reader.get(top="0").json()["error"]["message"]
    assert reader.http.headers["Authorization"] in told


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer unknown", "Basic eDp5"])
def test_a_request_without_a_token_is_refused(reader: Reader, header: str | None) -> None:
    """401, and the header that asks for a token."""
    del reader.http.headers["Authorization"]

    answer = reader.http.get(f"{reader.box}/messages", headers={"Authorization": header} if header else {})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_token_ends_after_its_requests(graph: GraphServer, reader: Reader) -> None:
    """Good for two requests, refused for the third; a new one is good again."""
    graph.token_lasts_requests = 2

    assert [reader.get().status_code for _ in range(3)] == [200, 200, 401]
    reader.sign_in()
    assert reader.get().status_code == 200


def test_a_token_ends_by_the_clock_and_by_revocation(graph: GraphServer, reader: Reader) -> None:
    """An hour later, or once revoked, it is refused."""
    graph.revoke_tokens()
    assert reader.get().status_code == 401
    reader.sign_in()
    graph.clock = lambda: T0 + timedelta(hours=1)

    assert reader.get().status_code == 401


def test_the_certificate_is_gone_afterwards_unless_its_folder_is_the_caller_s(tmp_path: Path) -> None:
    """A temporary folder leaves with the server; one that was passed in stays."""
    with GraphServer() as graph:
        temporary = graph.ca_file
        assert temporary.exists()
    with GraphServer(folder=tmp_path):
        pass

    assert not temporary.parent.exists()
    assert (tmp_path / "ca.pem").exists()
