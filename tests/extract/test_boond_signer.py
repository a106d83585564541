"""Signing of requests to BoondManager."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from typing import TYPE_CHECKING

import pytest

from futurscam_lib.errors import UsageError
from futurscam_lib.extract.boond_signer import signer_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.settings import Settings

USER_TOKEN, CLIENT_TOKEN, KEY = "user-token-é", "client-token", "key of the client"
TOKENS = {
    "FUTURSCAM_BOOND_USER_TOKEN": USER_TOKEN,
    "FUTURSCAM_BOOND_CLIENT_TOKEN": CLIENT_TOKEN,
    "FUTURSCAM_BOOND_CLIENT_KEY": KEY,
}
BASIC = {"FUTURSCAM_BOOND_AUTH": "basic", "FUTURSCAM_BOOND_USER": "jo@example.com", "FUTURSCAM_BOOND_PASSWORD": "a:é"}


def decoded(part: str) -> bytes:
    """Decode one part of a token, which must be base64url without padding."""
    assert not set(part) & set("=+/")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_the_token_holds_the_two_tokens_and_nothing_else(configure: Callable[..., Settings]) -> None:
    """If the key were in the token, anybody who saw the token could sign others."""
    ((name, token),) = signer_of(configure(TOKENS)).headers().items()
    head, payload, signature = token.split(".")

    assert name == "X-Jwt-Client-BoondManager"
    assert json.loads(decoded(head)) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(decoded(payload)) == {"userToken": USER_TOKEN, "clientToken": CLIENT_TOKEN}
    assert KEY.encode() not in decoded(head) + decoded(payload)
    assert decoded(signature) == hmac.digest(KEY.encode(), f"{head}.{payload}".encode(), hashlib.sha256)


@pytest.mark.parametrize("header", ["X-Jwt-Client-BoondManager", "X-Jwt-Client"])
def test_the_header_is_that_of_the_settings(configure: Callable[..., Settings], header: str) -> None:
    """The setting decides which header holds the token."""
    assert list(signer_of(configure(TOKENS, FUTURSCAM_BOOND_AUTH=header.lower())).headers()) == [header]


def test_a_short_key_gives_no_warning(configure: Callable[..., Settings]) -> None:
    """BoondManager chooses the key, so its length causes no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert signer_of(configure(TOKENS | {"FUTURSCAM_BOOND_CLIENT_KEY": "k"})).headers()


def test_a_user_and_a_password(configure: Callable[..., Settings]) -> None:
    """Basic authentication in UTF-8; the password may contain a colon."""
    headers = signer_of(configure(BASIC)).headers()

    assert headers == {"Authorization": "Basic " + base64.b64encode("jo@example.com:a:é".encode()).decode()}


@pytest.mark.parametrize("told", [TOKENS, BASIC])
def test_there_is_no_other_signature(configure: Callable[..., Settings], told: dict[str, str]) -> None:
    """After a 401 there are no other headers to try."""
    signer = signer_of(configure(told))

    assert not signer.renew(signer.headers())


@pytest.mark.parametrize("missing", [*TOKENS, *list(BASIC)[1:]])
def test_what_is_missing_is_named(configure: Callable[..., Settings], missing: str) -> None:
    """The error names the variables and shows no value."""
    told = {name: value for name, value in (TOKENS if missing in TOKENS else BASIC).items() if name != missing}
    told["FUTURSCAM_SOURCES"] = "folder"

    with pytest.raises(UsageError, match=r"^FUTURSCAM_BOOND_\w+.* is not set\.$") as caught:
        signer_of(configure(told))

    assert missing.removeprefix("FUTURSCAM_BOOND") in str(caught.value)
    assert not [value for name, value in told.items() if "TOKEN" in name and value in str(caught.value)]
