"""Signs in to Microsoft as an app: access tokens by client credentials."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.errors import Refused, UsageError
from futurscam_lib.extract.http import Answer, Http
from futurscam_lib.settings.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from futurscam_lib.settings.sources import SourceSettings

_SHOWN_CHARACTERS: Final = 300
_NEW: Final = "If its value was not kept, create a new secret."
_REMEDIES: Final = {
    "AADSTS7000215": f"FUTURSCAM_GRAPH_CLIENT_SECRET is wrong; it is the secret's value, not its id. {_NEW}",
    "AADSTS7000222": "The client secret has expired: make another, set FUTURSCAM_GRAPH_CLIENT_SECRET to its value.",
    "AADSTS700016": "The tenant has no such app: check FUTURSCAM_GRAPH_CLIENT_ID and FUTURSCAM_GRAPH_TENANT.",
    "AADSTS90002": "There is no such tenant: check FUTURSCAM_GRAPH_TENANT.",
    "AADSTS900023": "There is no such tenant: check FUTURSCAM_GRAPH_TENANT.",
    "invalid_tenant": "There is no such tenant: check FUTURSCAM_GRAPH_TENANT.",
}
_ASK: Final = "Check FUTURSCAM_GRAPH_TENANT, FUTURSCAM_GRAPH_CLIENT_ID and FUTURSCAM_GRAPH_CLIENT_SECRET."


class AppToken:
    """Returns an access token that is valid now; requests one only if needed.

    Args:
        settings: Tenant, app and secret.
        scope: What the token is for: `https://graph.microsoft.com/.default`.
    """

    def __init__(self, settings: SourceSettings, *, scope: str) -> None:
        """See the class."""
        self._settings, self._scope = settings, scope
        self._lock = threading.Lock()
        self._app: Any = None

    def __call__(self) -> str:
        """Return the token.

        Raises:
            Refused: Microsoft refuses the app; the text says what to do.
            RetryLater: It did not answer.
        """
        with self._lock:
            return self._ask()

    def instead_of(self, refused: str) -> str:
        """Return another token than the refused one; another thread may have requested it already."""
        with self._lock:
            if self._ask() == refused:
                self._app.remove_tokens_for_client()
            return self._ask()

    def _ask(self) -> str:
        secret = self._settings.graph_client_secret
        if secret is None or self._settings.graph_client_id is None:
            raise UsageError("FUTURSCAM_GRAPH_CLIENT_ID or FUTURSCAM_GRAPH_CLIENT_SECRET is not set.")
        if self._app is None:
            self._app = self._sign_up(self._settings.graph_client_id, secret.get_secret_value())
        answer: Mapping[str, Any] = self._app.acquire_token_for_client([self._scope])
        if "access_token" not in answer:
            # The description may quote the secret.
            description = Redactor([secret.get_secret_value()])(str(answer.get("error_description", "")))
            raise _refused(str(answer.get("error", "")), description)
        return str(answer["access_token"])

    def _sign_up(self, client_id: str, secret: str) -> Any:
        msal: Any = import_module("msal")  # Slow to import, and without types.
        authority = f"{self._settings.graph_authority}/{self._settings.graph_tenant}"
        transport = _Transport(self._settings)
        try:
            return msal.ConfidentialClientApplication(
                client_id,
                client_credential=secret,
                authority=authority,
                http_client=transport,
                # The settings name the hosts: a national cloud, or a private server.
                instance_discovery=False,
            )
        except ValueError:
            # The text of this error is meant for programmers.
            raise _refused(*(transport.refusal or ("", f"{authority} is not a valid sign-in address"))) from None


class _Transport:
    """Sends msal's requests with the client of all sources: time limits, retries, proxies and authorities."""

    def __init__(self, settings: SourceSettings) -> None:
        self._http = Http(
            "Microsoft's sign-in",
            settings.graph_authority,
            timeout=settings.http_timeout,
            tries=settings.http_tries,
        )
        self.refusal: tuple[str, str] | None = None

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> _Response:
        """Send a GET request, with the signature that msal calls."""
        return self._response(self._http.ask("GET", url, params=params, headers=headers))

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _Response:
        """Send a POST request, with the signature that msal calls."""
        return self._response(self._http.ask("POST", url, params=params, data=data, headers=headers))

    def close(self) -> None:
        """Do nothing; msal requires the method."""

    def _response(self, answer: Answer) -> _Response:
        if answer.payload is None:
            # msal would fail on this without a clear error.
            raise Refused(
                f"Microsoft's sign-in answered {answer.status} without JSON; is there a proxy in between?\n{_ASK}"
            )
        if isinstance(answer.payload, dict) and "error" in answer.payload:
            refusal = answer.payload
            self.refusal = (str(refusal["error"]), str(refusal.get("error_description", "")))
        return _Response(answer)


class _Response:
    """An answer as msal reads it."""

    def __init__(self, answer: Answer) -> None:
        self.status_code, self.headers = answer.status, dict(answer.headers)
        self.text = answer.body.decode("utf-8", "replace")

    def raise_for_status(self) -> None:
        """Raise for a status that is an error; msal calls it."""
        if self.status_code >= 400:  # noqa: PLR2004 - HTTP
            msg = f"status {self.status_code}"
            raise ValueError(msg)


def _refused(error: str, description: str) -> Refused:
    remedy = next((text for code, text in _REMEDIES.items() if code in description or code == error), _ASK)
    reason = " ".join(description.split("Trace ID", maxsplit=1)[0].split())[:_SHOWN_CHARACTERS]
    return Refused(f"Microsoft does not let the app sign in ({error}: {reason}).\n{remedy}", code=error)
