"""Whom the HTTP client trusts, and what it says where it does not."""

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
    """Answers."""

    def respond(self, request: Request) -> Answer:  # noqa: ARG002 - whatever it was
        """Say yes."""
        return Answer.json({"said": "yes"})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A company's own."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """Its certificate."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(autouse=True)
def retries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RetryDetails]]:
    """The retries that were to be; and nobody is trusted but the system's authorities."""
    for variable in (*VARIABLES, "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    found: list[RetryDetails] = []
    before = get_on_retry_hooks()
    set_on_retry_hooks([found.append])
    yield found
    set_on_retry_hooks(before)


def server_of(authority: trustme.CA, name: str = "127.0.0.1") -> Api:
    """A server whose certificate is of that name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return Api(context=context)


def ask(server: Api, *, tries: int = 9) -> object:
    """What it says."""
    with Http("The shop", server.url, timeout=timedelta(seconds=30), tries=tries) as http:
        return http.get("x")


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_authority_of_one_s_own_is_trusted(
    authority: trustme.CA, ca_file: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Its file is named in the environment, as other tools have it."""
    monkeypatch.setenv(variable, ca_file)

    with server_of(authority) as server:
        assert ask(server) == {"said": "yes"}


@pytest.mark.parametrize("wrong", ["nobody", "another authority", "another host"])
def test_a_certificate_that_is_not_trusted_is_for_the_operator(
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    retries: list[RetryDetails],
    wrong: str,
) -> None:
    """The error says which host and what to do; it is not tried again, and nothing has been asked."""
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


def test_a_server_without_tls_is_no_certificate(retries: list[RetryDetails]) -> None:
    """What is no TLS at all is tried again like any failure, and not blamed on an authority."""
    with Api() as server:
        server.url = server.url.replace("http://", "https://")
        with pytest.raises(RetryLater) as caught:
            ask(server, tries=1)

    assert "certificate" not in str(caught.value)
    assert retries == []


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("what", ["missing", "garbage", "empty", "a folder"])
def test_a_file_that_holds_no_certificate_is_for_the_operator(
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


def test_an_empty_variable_names_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere: empty is as good as not set."""
    monkeypatch.setenv("SSL_CERT_FILE", "")

    assert tls.context().verify_mode is ssl.CERT_REQUIRED
