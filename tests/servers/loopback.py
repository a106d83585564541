"""An HTTP service on loopback for tests: what the imitated ones share, faults and a clock of their own included."""

from __future__ import annotations

import base64
import hashlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from tests.servers.faults import HTML_PAGE, Fault, Faults, How
from tests.servers.messages import Answer, Request
from tests.servers.wire import HOST, Wire, http_date

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

_FIRST_ERROR: Final = 400


def _now() -> datetime:
    return datetime.now(UTC)


def made_up(what: str, length: int = 22) -> str:
    """An invented credential or id; the same one each time, so that settings survive a restart of the server."""
    text = base64.urlsafe_b64encode(hashlib.sha512(what.encode()).digest()).decode()
    return text.replace("-", "a").replace("_", "b")[:length]


class Loopback:
    """One imitated service; a context manager that leaves neither thread nor socket behind.

    Attributes:
        clock: The instant that the service believes in; aware, UTC.
        latency: Seconds added to every answer.
        echoes: Have error answers quote the secrets of the request, as a careless service would.
        before: Called with each request before it is answered, while no lock is held.
        requests: All that came, those that failed too.
        in_flight_peak: The most requests that were being answered at once.
        lock: Guards all state; who changes several things at once from outside holds it.
    """

    throttled: ClassVar[Mapping[str, Any]] = {}
    """The service's answer to too many requests."""

    def __init__(self, *, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        """Listen from now on, answer once entered."""
        self.lock = threading.RLock()
        self.clock: Callable[[], datetime] = _now
        self.latency = 0.0
        self.echoes = False
        self.before: Callable[[Request], None] | None = None
        self.requests: list[Request] = []
        self.in_flight_peak = 0
        self._in_flight = 0
        self._faults = Faults()
        self._closing = threading.Event()
        self._wire = Wire(self, port=port, context=context)
        self._thread = threading.Thread(target=partial(self._wire.serve_forever, 0.02), name="loopback", daemon=True)
        self.url = f"{'https' if context else 'http'}://{HOST}:{self._wire.server_address[1]}"

    def __enter__(self) -> Self:
        """Start answering."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections, and wait for their threads."""
        self._closing.set()
        self._wire.end()
        self._thread.join()

    def respond(self, request: Request) -> Answer:
        """Return the service's answer; called while the lock is held."""
        raise NotImplementedError

    def fail(
        self,
        path_part: str,
        *,
        times: int = 1,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        content_type: str = "application/json",
        skip: int = 0,
    ) -> None:
        """Answer the next requests whose path contains that part like this, after letting `skip` of them through."""
        answer = Answer(status, body, content_type, headers or {})
        self._add(Fault(path_part, lambda: answer, times, skip))

    def break_off(self, path_part: str, *, times: int = 1, how: How = "reset", skip: int = 0) -> None:
        """Lose the connection instead: with RST, after half of the promised body, or without any answer."""
        self._add(Fault(path_part, how, times, skip))

    def throttle(self, path_part: str, *, times: int = 1, after: int = 1, as_date: bool = False, skip: int = 0) -> None:
        """Answer 429 with a `Retry-After` of this many seconds, or with the date after them."""

        def answer() -> Answer:
            wait = http_date(self.clock() + timedelta(seconds=after)) if as_date else str(after)
            return Answer.json(self.throttled, status=429, headers={"Retry-After": wait})

        self._add(Fault(path_part, answer, times, skip))

    def html(self, path_part: str, *, times: int = 1, skip: int = 0) -> None:
        """Answer with a web page and status 200."""
        self.fail(
            path_part, times=times, status=200, body=HTML_PAGE, content_type="text/html; charset=utf-8", skip=skip
        )

    def mend(self) -> None:
        """Remove all pending faults."""
        with self.lock:
            self._faults.clear()

    def handle(self, request: Request) -> Answer | How:
        """Note a request, and answer it; `before` and the latency hold no lock."""
        self._begin(request)
        try:
            if self.before:
                self.before(request)
            if self.latency:
                # Not `sleep`: closing the server does not wait for it.
                self._closing.wait(self.latency)
            with self.lock:
                return self._outcome(request)
        finally:
            with self.lock:
                self._in_flight -= 1

    def _begin(self, request: Request) -> None:
        with self.lock:
            self.requests.append(request)
            self._in_flight += 1
            self.in_flight_peak = max(self.in_flight_peak, self._in_flight)

    def _outcome(self, request: Request) -> Answer | How:
        wrong = self._faults.take(request)
        if wrong in {"reset", "nothing"}:
            return wrong
        answer = wrong() if callable(wrong) else self.respond(request)
        if self.echoes and answer.status >= _FIRST_ERROR:
            answer = answer.telling(f"The request said: {request.secrets()}")
        return replace(answer, cut=wrong == "truncated")

    def _add(self, fault: Fault) -> None:
        with self.lock:
            self._faults.add(fault)
