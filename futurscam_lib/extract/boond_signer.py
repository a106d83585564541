"""Signs requests to BoondManager with a token signed by the client's key, or with a user and a password."""

from __future__ import annotations

import base64
import warnings
from typing import TYPE_CHECKING

import jwt

from futurscam_lib.errors import UsageError
from futurscam_lib.settings.sources import BASIC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from futurscam_lib.settings.sources import SourceSettings


class _Fixed:
    """The same headers for each request."""

    def __init__(self, name: str, value: str) -> None:
        self._headers = {name: value}

    def headers(self) -> Mapping[str, str]:
        """Return the headers."""
        return self._headers

    def renew(self, used: Mapping[str, str]) -> bool:  # noqa: ARG002 - the headers never change
        """Return False: there are no other headers to try."""
        return False


def signer_of(settings: SourceSettings) -> _Fixed:
    """Return the signer that the settings ask for.

    Raises:
        UsageError: A required setting is missing.
    """
    if settings.boond_auth == BASIC:
        user, password = settings.boond_user, settings.boond_password
        if user is None or password is None:
            raise UsageError("FUTURSCAM_BOOND_USER or FUTURSCAM_BOOND_PASSWORD is not set.")
        pair = f"{user}:{password.get_secret_value()}".encode()
        return _Fixed("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    secrets = (settings.boond_user_token, settings.boond_client_token, settings.boond_client_key)
    user_token, client_token, key = (secret.get_secret_value() if secret else "" for secret in secrets)
    if not (user_token and client_token and key):
        raise UsageError("FUTURSCAM_BOOND_USER_TOKEN, _CLIENT_TOKEN or _CLIENT_KEY is not set.")
    # Never put the key into the payload, as some clients do: then anybody who sees the token could sign others.
    payload = {"userToken": user_token, "clientToken": client_token}
    with warnings.catch_warnings():
        # BoondManager decides how long its keys are.
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
        return _Fixed(settings.boond_auth, jwt.encode(payload, key, algorithm="HS256"))
