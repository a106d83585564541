"""The login service of Microsoft Graph: discovery, client credentials, tokens that expire."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tests.servers.loopback import Loopback, made_up
from tests.servers.messages import Answer
from tests.servers.refusal import Refused

if TYPE_CHECKING:
    import ssl
    from datetime import datetime

    from tests.servers.messages import Request

_GRAPH_ITSELF: Final = "00000003-0000-0000-c000-000000000000"


@dataclass(slots=True)
class _Token:
    ends_at: datetime
    used: int = 0


class Login(Loopback):
    """Grants tokens to one application of one tenant.

    Attributes:
        expires_in: Seconds that a token lasts by the server's clock.
        token_lasts_requests: How many Graph requests a token is good for; no limit where it is None.
        secret_expired: The secret is right, and too old.
    """

    def __init__(self, *, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        """Invent one tenant, one application and its secret."""
        super().__init__(port=port, context=context)
        self.tenant = str(uuid.uuid5(uuid.NAMESPACE_DNS, "tenant.example.com"))
        self.client_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, "application.example.com"))
        self.client_secret = made_up("client secret of the application", 40)
        self.expires_in = 3599
        self.token_lasts_requests: int | None = None
        self.secret_expired = False
        self._tokens: dict[str, _Token] = {}

    @property
    def authority(self) -> str:
        """The login service's address, without the tenant."""
        return self.url

    def revoke_tokens(self) -> None:
        """Revoke all tokens that were granted so far."""
        with self.lock:
            self._tokens.clear()

    def login(self, request: Request) -> Answer | None:
        """Answer a request to the login service."""
        match request.method, request.segments:
            case "GET", [tenant, "v2.0", ".well-known", "openid-configuration"]:
                answered = self._configuration
            case "GET", ["common", "discovery", "instance"]:
                return Answer.json(self._discovery(request))
            case "POST", [tenant, "oauth2", "v2.0", "token"]:
                answered = lambda: self._grant(request.form)  # noqa: E731  One of two ways to answer.
            case _:
                return None
        try:
            self._check_tenant(tenant)
            return Answer.json(answered())
        except Refused as refused:
            return Answer.json(self._error(refused), status=refused.status)

    def check_token(self, request: Request) -> None:
        """Use a token for one request to Graph.

        Raises:
            Refused: There is none, it is not known, or it has ended.
        """
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise self._unauthorized("Access token is empty.")
        token = self._tokens.get(text)
        if token is None:
            raise self._unauthorized("Access token validation failure. Invalid audience.")
        token.used += 1
        limit = self.token_lasts_requests
        if token.ends_at <= self.clock() or (limit is not None and token.used > limit):
            raise self._unauthorized("Lifetime validation failed, the token is expired.")

    def _unauthorized(self, message: str) -> Refused:
        where = f'Bearer realm="", authorization_uri="{self.url}/common/oauth2/authorize", client_id="{_GRAPH_ITSELF}"'
        return Refused(401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": where})

    def _check_tenant(self, tenant: str) -> None:
        if tenant.lower() != self.tenant.lower():
            text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
            raise Refused(400, "invalid_tenant", f"AADSTS90002: {text}")

    def _configuration(self) -> dict[str, Any]:
        base = f"{self.url}/{self.tenant}"
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        }

    def _discovery(self, request: Request) -> dict[str, Any]:
        host = self.url.removeprefix("https://")
        # msal leaves the port out here, so that nothing but the path counts.
        asked = urlsplit(request.first("authorization_endpoint") or "").path
        tenant = asked.strip("/").partition("/")[0] or self.tenant
        return {
            "tenant_discovery_endpoint": f"{self.url}/{tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    def _grant(self, form: dict[str, str]) -> dict[str, Any]:
        self._check_application(form)
        text = self._token_text(form["client_id"])
        self._tokens[text] = _Token(self.clock() + timedelta(seconds=self.expires_in))
        return {
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "ext_expires_in": self.expires_in,
            "access_token": text,
        }

    def _check_application(self, form: dict[str, str]) -> None:
        client, scope = form.get("client_id", ""), form.get("scope", "")
        if form.get("grant_type") != "client_credentials":
            raise Refused(400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
        if client.lower() != self.client_id.lower():
            text = f"Application with identifier '{client}' was not found in the directory."
            raise Refused(400, "unauthorized_client", f"AADSTS700016: {text}")
        if form.get("client_secret") != self.client_secret:
            text = f"Invalid client secret provided for app '{client}'. Ensure it is the secret value, not its ID."
            raise Refused(401, "invalid_client", f"AADSTS7000215: {text}")
        if self.secret_expired:
            text = f"The provided client secret keys for app '{client}' are expired."
            raise Refused(401, "invalid_client", f"AADSTS7000222: {text}")
        if not scope.endswith("/.default"):
            text = f"The provided value for scope {scope} is not valid. It must end in /.default."
            raise Refused(400, "invalid_scope", f"AADSTS1002012: {text}")

    def _token_text(self, client: str) -> str:
        """A token that looks like a real one, but without a valid signature."""
        parts = ({"typ": "JWT", "alg": "RS256"}, {"aud": self.url, "appid": client, "tid": self.tenant})
        shown = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join([*shown, secrets.token_urlsafe(256)])

    def _error(self, refused: Refused) -> dict[str, Any]:
        number = refused.message.removeprefix("AADSTS").partition(":")[0]
        return {
            "error": refused.code,
            "error_description": f"{refused.message} Trace ID: {uuid.uuid4()}",
            "error_codes": [int(number)],
            "timestamp": f"{self.clock():%Y-%m-%d %H:%M:%SZ}",
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
        }
