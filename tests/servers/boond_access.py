"""Access to BoondManager: a token signed with the client's key, or a user and a password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from tests.servers.loopback import Loopback, made_up
from tests.servers.refusal import Refused

if TYPE_CHECKING:
    from tests.servers.messages import Request

_PARTS = 3


class Access(Loopback):
    """Knows one user of one client.

    Attributes:
        jwt_header: The header that carries the token: `X-Jwt-Client-BoondManager` or `X-Jwt-Client`.
        accepts_basic: Take a user and a password too.
    """

    def __init__(self, *, port: int = 0) -> None:
        """Invent the user's credentials."""
        super().__init__(port=port)
        self.jwt_header = "X-Jwt-Client-BoondManager"
        self.user_token = made_up("user token")
        self.client_token = made_up("client token")
        self.client_key = made_up("key of the client", 40)
        self.accepts_basic = False
        self.user = "reader@example.com"
        self.password = made_up("password of the user")

    def check_access(self, request: Request) -> None:
        """Check the credentials of one request.

        Raises:
            Refused: 401 without credentials or with unknown ones, 422 with a token that is no good.
        """
        token = request.headers.get(self.jwt_header)
        basic = request.headers.get("Authorization", "")
        if token is not None:
            self._check_token(token)
        elif not (self.accepts_basic and basic == self._basic()):
            raise Refused(401, "401", "401 - Authentication is required")

    def _basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def _check_token(self, token: str) -> None:
        parts = token.split(".")
        if len(parts) != _PARTS:
            raise _unprocessable("Wrong number of segments")
        head, payload, signature = (_decoded(part) for part in parts)
        if _read(head).get("alg") != "HS256":
            raise _unprocessable("Algorithm not supported")
        signed = f"{parts[0]}.{parts[1]}".encode()
        right = hmac.new(self.client_key.encode(), signed, hashlib.sha256).digest()
        if not hmac.compare_digest(right, signature):
            raise _unprocessable("Signature verification failed")
        self._check_payload(_read(payload))

    def _check_payload(self, said: dict[str, Any]) -> None:
        if said.keys() != {"userToken", "clientToken"}:
            raise _unprocessable("The payload has to hold userToken and clientToken")
        if said != {"userToken": self.user_token, "clientToken": self.client_token}:
            raise Refused(401, "401", "401 - The token of the user or of the client is not known")


def _decoded(part: str) -> bytes:
    if "=" in part or "+" in part or "/" in part:
        raise _unprocessable("Not base64url without padding")
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise _unprocessable("Not base64url without padding") from error


def _read(part: bytes) -> dict[str, Any]:
    try:
        value = json.loads(part)
    except ValueError as error:
        raise _unprocessable("Syntax error, malformed JSON") from error
    return value if isinstance(value, dict) else {}


def _unprocessable(detail: str) -> Refused:
    return Refused(422, "422", f"422 - {detail}")
