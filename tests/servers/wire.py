"""Sockets and threads of a loopback server: keep-alive, TLS, broken connections, an end that leaves nothing."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from datetime import UTC
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from tests.servers.faults import reset
from tests.servers.messages import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.servers.faults import How

HOST: Final = "127.0.0.1"
_CLIENTS_OWN: Final = (ConnectionError, TimeoutError, ssl.SSLError)
"""A client that went away, or that distrusts the certificate, is no fault of the server."""


class Service(Protocol):
    """The service that answers requests."""

    clock: Callable[[], datetime]

    def handle(self, request: Request) -> Answer | How:
        """The answer, or how the connection ends without one."""


class Wire(ThreadingHTTPServer):
    """Listens on loopback, and knows each connection and its thread, so that it can end them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: Service, *, port: int, context: ssl.SSLContext | None) -> None:
        """Listen; port 0 is any free one."""
        self.service = service
        self._context = context
        self._serving: dict[threading.Thread, socket.socket] = {}
        super().__init__((HOST, port), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; the handshake of TLS waits for the connection's own thread, so that it holds up no other."""
        connection, address = super().get_request()
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="loopback connection", daemon=True
        )
        self._serving = {known: open_ for known, open_ in self._serving.items() if known.is_alive()} | {thread: request}
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Close at once: an orderly end before it would turn a reset into an end."""
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what is the server's own fault."""
        if not isinstance(sys.exception(), _CLIENTS_OWN):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Stop listening, end what is open, wait for the threads."""
        self.shutdown()
        self.server_close()
        for connection in self._serving.values():
            _wake(connection)
        for thread in self._serving:
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # Without it a kept-alive answer waits up to 40 ms for the client's acknowledgement of the one before.
    disable_nagle_algorithm = True
    # Head and body leave together.
    wbufsize = -1
    server: Wire
    server_version: ClassVar[str] = "loopback"  # type: ignore[misc]
    sys_version: ClassVar[str] = ""  # type: ignore[misc]

    def answer(self) -> None:
        """Answer one request, whatever its method."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request.of(self.command, self.path, headers=self.headers, body=body)
        outcome = self.server.service.handle(request)
        if isinstance(outcome, Answer):
            self._send(outcome)
            return
        self.close_connection = True
        if outcome == "reset":
            reset(self.connection)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  The base class looks for these names.

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if answer.body:
            self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
        if answer.cut:
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The date as the service believes it to be."""
        if timestamp is not None:
            return super().date_time_string(timestamp)
        return http_date(self.server.service.clock())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The base class names it so.
        """Say nothing: tests look at `requests`."""


def http_date(instant: datetime) -> str:
    """`Mon, 23 Nov 2026 12:00:00 GMT`."""
    return format_datetime(instant.astimezone(UTC), usegmt=True)


def _wake(connection: socket.socket) -> None:
    """End a connection on which a thread may be waiting."""
    try:
        # Not the method of a TLS socket: it takes its state away from the thread that is using it.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # It ended by itself meanwhile.
