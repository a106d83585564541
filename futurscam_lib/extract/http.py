"""The HTTP client of all sources: time limits, bounded retries, Retry-After, sizes, proxies, authorities.

Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY (or from the Windows settings), authorities from `tls`.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from urllib.parse import urljoin
from weakref import WeakSet

import httpx
import orjson
import stamina

from futurscam_lib import clock
from futurscam_lib.errors import NOTHING_LOST, OperatorMustAct, Refused, RetryLater
from futurscam_lib.extract import tls
from futurscam_lib.extract.source import CONCURRENT
from futurscam_lib.settings.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from types import TracebackType

MAX_JSON_BYTES: Final = 64 << 20
"""A larger answer is not read: 500 opportunities have about 2 MB."""

MAX_WAIT_SECONDS: Final = 120
"""If a server asks for a longer wait, the next run asks again."""

_PATIENCE_SECONDS = 300
_TIMEOUTS_IN_ALL = 10
_SHOWN_CHARACTERS = 300
_SIGNATURES = 4
_NOT_NOW = {408, 425, 429}
"""Also tried again, as are all 5xx codes, of which a proxy in front of the server may use unusual ones."""
_NO_PROXY = (
    "The environment names a proxy that cannot be used: HTTPS_PROXY, HTTP_PROXY and ALL_PROXY take "
    "http://[user:password@]host:port, NO_PROXY takes names separated by commas."
)


class Signer(Protocol):
    """Signs requests."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers to send with each request."""
        ...

    def renew(self, used: Mapping[str, str]) -> bool:
        """After 401 for a request with the headers `used`: return whether there are other headers to try now."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer.

    Attributes:
        status: HTTP status.
        headers: Its headers.
        body: The body, decoded as Content-Encoding says.
        payload: The body as JSON; None if it is not JSON.
    """

    status: int
    headers: httpx.Headers
    body: bytes
    payload: Any = None


class TooLarge(Exception):
    """A body is larger than the limit of the request."""


class _HttpTryAgain(Exception):
    """This try failed, another may succeed; `wait` is in seconds if the server says how long to wait."""

    def __init__(self, message: str, *, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class Http:
    """A client of one server, safe to be used by several threads.

    Args:
        name: Name of the server in errors: `BoondManager`.
        url: Beginning of every address.
        timeout: How long the server may take to connect or to send anything.
        tries: How often a request is tried in total.
        signer: Signs the requests; None: they are not signed.
        headers: Additional headers of each request.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        timeout: timedelta,
        tries: int,
        signer: Signer | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """See the class."""
        self._name, self._url, self._tries, self._signer = name, httpx.URL(url.rstrip("/") + "/"), tries, signer
        self._seconds = timeout.total_seconds()
        self._sent: set[str] = set()
        self._closed = False
        self._lock = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self.date: datetime | None = None
        """The time on the server's clock, from its last answer."""
        trusted = tls.context()
        try:
            self._client = httpx.Client(
                verify=trusted,
                # Wait for a free connection without a limit: the others are in use and have limits of their own.
                timeout=httpx.Timeout(self._seconds, pool=None),
                limits=httpx.Limits(max_connections=CONCURRENT, max_keepalive_connections=CONCURRENT),
                headers={"User-Agent": "futurscam-etl", "Accept": "application/json", **(headers or {})},
            )
        except (httpx.InvalidURL, ValueError, ImportError):
            # The error text may quote a part of the password.
            raise OperatorMustAct(_NO_PROXY) from None

    def __enter__(self) -> Self:
        """Return the client; it is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections; requests of other threads that still wait on them end at once."""
        self._closed = True
        with self._lock:
            for connection in list(self._sockets):
                _wake(connection)
        self._client.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Request a JSON object.

        Args:
            path: Path below the client's address, or a complete address that this server returned.
            params: Parameters of the query.

        Raises:
            Refused: The server refuses; `status` and `code` give the reason.
            RetryLater: No answer, a web page or broken JSON, after all tries.
            OperatorMustAct: Its certificate is not trusted.
        """
        try:
            answer = self.ask("GET", path, params=params, limit=MAX_JSON_BYTES)
        except TooLarge:
            raise RetryLater(
                f"{self._name} answered with more than {MAX_JSON_BYTES:,} bytes.\n{NOTHING_LOST}"
            ) from None
        self._check(path, answer)
        payload: dict[str, Any] = answer.payload
        return payload

    def content(self, path: str, *, limit: int) -> bytes:
        """Request a body, unchanged.

        Raises:
            TooLarge: It has more than `limit` bytes; the rest was not read.
            Refused, RetryLater, OperatorMustAct: As `get`.
        """
        answer = self.ask("GET", path, limit=limit, wants_json=False)
        self._check(path, answer)
        return answer.body

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        limit: int = MAX_JSON_BYTES,
        wants_json: bool = True,
    ) -> Answer:
        """Send one request, again if that may help; return the server's answer, even if it is a refusal.

        Raises:
            RetryLater, OperatorMustAct: As `get`.
        """
        request = {"params": params or None, "data": data or None, "extensions": {"trace": self._watch}}

        def send(signed: Mapping[str, str]) -> Answer:
            self._sent.update(signed.values())
            whole = {**request, "headers": {**signed, **(headers or {})}}
            return self._tried(method, path, whole, limit=limit, wants_json=wants_json)

        if self._signer is None:
            return send({})
        for _ in range(_SIGNATURES):
            signed = self._signer.headers()
            answer = send(signed)
            if answer.status != httpx.codes.UNAUTHORIZED or not self._signer.renew(signed):
                break
        return answer

    def _tried(self, method: str, path: str, request: dict[str, Any], *, limit: int, wants_json: bool) -> Answer:
        url = self._absolute(path)
        retries = stamina.retry_context(
            on=self._again,
            attempts=self._tries,
            timeout=_PATIENCE_SECONDS,
            wait_initial=0.5,
            wait_max=30,
            wait_jitter=1,
        )
        try:
            for attempt in retries:
                with attempt:
                    return self._once(method, url, request, limit=limit, wants_json=wants_json)
        except _HttpTryAgain as error:
            tries = f"{attempt.num} tries" if attempt.num > 1 else "one try"
            raise RetryLater(
                f"{self._name} did not answer {method} {_path(url)} after {tries}: {error}.\n{NOTHING_LOST}"
            ) from None
        raise AssertionError(url)

    def _again(self, error: Exception) -> bool | float:
        """Whether to try again after an error, and in how many seconds."""
        if self._closed or not isinstance(error, _HttpTryAgain):
            return False
        # All threads get the same time to wait; the random part keeps them from returning at the same time.
        return True if error.wait is None else error.wait + random.uniform(0.01, 1)  # noqa: S311 - no secret

    def _once(self, method: str, url: httpx.URL, request: dict[str, Any], *, limit: int, wants_json: bool) -> Answer:
        if self._closed:
            msg = "the client is closed"
            raise _HttpTryAgain(msg)
        try:
            with self._client.stream(method, url, **request) as response:
                self.date = _date(response.headers.get("Date", "")) or self.date
                if response.is_server_error or response.status_code in _NOT_NOW:
                    raise self._busy(response)
                body = self._read(response, limit)
        except httpx.TransportError as error:
            raise self._transport(error) from error
        except httpx.HTTPError as error:  # Too many redirects, a body that cannot be decoded.
            raise _HttpTryAgain(self._clean(f"{type(error).__name__}: {error}")) from error
        if wants_json or response.is_error:
            return Answer(response.status_code, response.headers, body, self._parsed(response, body))
        return Answer(response.status_code, response.headers, body)

    def _busy(self, response: httpx.Response) -> Exception:
        wait = retry_after(response.headers.get("Retry-After", ""), now=self.date or clock.now())
        said = self._clean(f"{response.status_code} {response.reason_phrase}")
        if wait is not None and wait > MAX_WAIT_SECONDS:
            return RetryLater(f"{self._name} asks to wait {wait:.0f} seconds ({said}).\n{NOTHING_LOST}")
        return _HttpTryAgain(said, wait=wait)

    def _read(self, response: httpx.Response, limit: int) -> bytes:
        if "," in response.headers.get("Content-Encoding", ""):
            # Each level can turn one byte into a thousand before the limit is checked.
            msg = "the answer is compressed more than once"
            raise _HttpTryAgain(msg)
        started, body = time.monotonic(), bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > limit:
                raise TooLarge
            if time.monotonic() - started > self._seconds * _TIMEOUTS_IN_ALL:
                msg = "the answer arrives too slowly and does not end"
                raise _HttpTryAgain(msg)
        return bytes(body)

    def _transport(self, error: httpx.TransportError) -> Exception:
        host = self._url.netloc.decode()
        if "CERTIFICATE_VERIFY_FAILED" in str(error) or "certificate verify failed" in str(error):
            return OperatorMustAct(f"The certificate of {self._name} ({host}) is not trusted.\n{tls.UNTRUSTED}")
        return _HttpTryAgain(self._clean(f"{host}: {type(error).__name__}: {error}".rstrip(": ")))

    def _parsed(self, response: httpx.Response, body: bytes) -> Any:
        """The body as a JSON object; None if a refusal has another kind of body."""
        kind = response.headers.get("Content-Type", "no type").partition(";")[0]
        problem = ""
        if "json" not in kind:
            what = "a web page" if "html" in kind else f"a body of type {self._clean(kind)}"
            problem = f"{what} instead of JSON came with status {response.status_code} (a login page, a proxy?)"
        else:
            try:
                payload = orjson.loads(body)
            except orjson.JSONDecodeError as error:
                problem = f"the JSON is broken or cut off ({error.msg} at byte {error.pos})"
            else:
                problem = "" if isinstance(payload, dict) else "the JSON is not an object"
        if not problem:
            return payload
        if not response.is_success:
            return None
        raise _HttpTryAgain(problem)

    def _check(self, path: str, answer: Answer) -> None:
        """Raise an error for a refusal."""
        if answer.status >= httpx.codes.BAD_REQUEST:
            code, said = (self._clean(text) for text in refusal_of(answer.payload))
            words = [str(answer.status), *([code] if code not in f"{answer.status} {said}" else []), said]
            text = " ".join(word for word in words if word)
            where = _path(self._absolute(path))
            raise Refused(f"{self._name} refused {where}: {text}", status=answer.status, code=code)
        if not httpx.codes.is_success(answer.status):
            raise Refused(f"{self._name} answered {answer.status} and redirects.", status=answer.status)

    def _clean(self, said: str) -> str:
        """Remove secrets that were sent from a server's text, because some servers quote them."""
        redact = Redactor(part for value in tuple(self._sent) for part in (value, value.rpartition(" ")[2]))
        return " ".join(redact(said).split())[:_SHOWN_CHARACTERS]

    def _absolute(self, path: str) -> httpx.URL:
        try:
            url = httpx.URL(path if "://" in path else urljoin(str(self._url), path.removeprefix("/")))
        except (httpx.InvalidURL, ValueError):
            raise Refused(f"{self._name} returned an address that is not valid; it is not followed.") from None
        if (url.scheme, url.netloc, url.userinfo) != (self._url.scheme, self._url.netloc, b""):
            # The headers of each request are meant for this server only.
            raise Refused(f"{self._name} returned an address of another server ({url.host}); it is not followed.")
        return url

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Register each connection, so that closing wakes the threads that wait on it; end new connections at once."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            connection = info["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets.add(connection)
            if self._closed:
                _wake(connection)


def _path(url: httpx.URL) -> str:
    return url.raw_path.decode("ascii").partition("?")[0]


def _wake(connection: socket.socket) -> None:
    """End a connection on which a thread may be waiting; closing it alone would leave the thread waiting."""
    with suppress(OSError):  # It has already ended, or TLS has taken it over.
        # Not the method of a TLS socket: that would remove its state while another thread uses it.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def refusal_of(payload: Any) -> tuple[str, str]:
    """Code and text of a refusal, as Graph, OAuth and JSON:API word them; empty if it has none."""
    match payload:
        case {"error": {**details}}:
            return str(details.get("code") or ""), str(details.get("message") or "")
        case {"error": str(code), **rest}:
            return code, str(rest.get("error_description", ""))
        case {"errors": [{**first}, *_]}:
            return str(first.get("code", "")), str(first.get("detail", first.get("title", "")))
    return "", ""


def retry_after(text: str, *, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, which holds a number or a date; None if it holds neither."""
    if text.strip().isdecimal():
        return float(text)
    date = _date(text)
    return None if date is None else max(0.0, (date - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date.replace(tzinfo=clock.EPOCH.tzinfo) if date.tzinfo is None else date
