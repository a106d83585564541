"""Which certificates the HTTP client trusts, and the error for others."""

from __future__ import annotations

import ssl
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import trustme
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from futurscam_lib.errors import OperatorMustAct, RetryLater
from futurscam_lib.extract import tls
from futurscam_lib.extract.http import Http
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stamina.instrumentation import RetryDetails

    from tests.servers.messages import Request

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


class Api(Loopback):
    """A server that answers every request."""

    def respond(self, request: Request) -> Answer:  # noqa: ARG002 - whatever it was
        """Answer with success."""
        return Answer.json({"said": "yes"})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A company's own certificate authority."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """The file with the authority's certificate."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(autouse=True)
def retries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RetryDetails]]:
    """The retries that were planned; only the system's authorities are trusted."""
    for variable in (*VARIABLES, "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    found: list[RetryDetails] = []
    before = get_on_retry_hooks()
    set_on_retry_hooks([found.append])
    yield found
    set_on_retry_hooks(before)


def server_of(authority: trustme.CA, name: str = "127.0.0.1") -> Api:
    """A server with a certificate for that name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return Api(context=context)


def ask(server: Api, *, tries: int = 9) -> object:
    """The server's answer."""
    with Http("The shop", server.url, timeout=timedelta(seconds=30), tries=tries) as http:
        return http.get("x")


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_company_s_own_authority_is_trusted(
    authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Its file is named in the environment, as for other tools."""
    monkeypatch.setenv(variable, ca_file)

    with server_of(authority) as server:
        assert ask(server) == {"said": "yes"}


@pytest.mark.parametrize("wrong", ["nobody", "another authority", "another host"])
def test_an_untrusted_certificate_needs_the_operator(
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    retries: list[RetryDetails],
    wrong: str,
) -> None:
    """The error names the host and the remedy; it is not tried again, and nothing was sent."""
    if wrong != "nobody":
        trusted = authority if wrong == "another host" else trustme.CA()
        trusted.cert_pem.write_to_path(str(tmp_path / "other.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))

    with (
        server_of(authority, "example.com" if wrong == "another host" else "127.0.0.1") as server,
        pytest.raises(
            OperatorMustAct, match=r"^The certificate of The shop \(127\.0\.0\.1:\d+\) is not trusted\.\n"
        ) as caught,
    ):
        ask(server)

    assert str(caught.value).endswith(tls.UNTRUSTED)
    assert "SSL_CERT_FILE" in tls.UNTRUSTED
    assert (server.requests, retries) == ([], [])


def test_a_server_without_tls_is_not_a_certificate_problem(retries: list[RetryDetails]) -> None:
    """A server without TLS is tried again like any failure; the error does not mention authorities."""
    with Api() as server:
        server.url = server.url.replace("http://", "https://")
        with pytest.raises(RetryLater) as caught:
            ask(server, tries=1)

    assert "certificate" not in str(caught.value)
    assert retries == []


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("what", ["missing", "garbage", "empty", "a folder"])
def test_a_file_without_a_certificate_needs_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, what: str
) -> None:
    """A misspelt path would otherwise look like a server that is not trusted."""
    path = tmp_path / "ca.pem"
    if what == "a folder":
        path.mkdir()
    elif what != "missing":
        path.write_bytes(b"no certificate\n" if what == "garbage" else b"")
    monkeypatch.setenv(variable, str(path))

    with pytest.raises(OperatorMustAct) as caught:
        tls.context()

    assert str(caught.value).startswith(f"{variable} names {path}, which holds no certificate (PEM): ")


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is treated like a missing one."""
    monkeypatch.setenv("SSL_CERT_FILE", "")

    assert tls.context().verify_mode is ssl.CERT_REQUIRED
