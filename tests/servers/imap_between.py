"""A proxy between a mail program and Dovecot: records the commands, and causes faults for tests."""

from __future__ import annotations

import re
import select
import socketserver
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from tests.servers.dovecot import HOST

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from tests.servers.dovecot import Dovecot

_PIECE: Final = 1 << 16
_TICK: Final = 0.02


@dataclass(slots=True)
class _Rule:
    """A fault for the next commands that match a pattern."""

    pattern: re.Pattern[bytes]
    act: Callable[[Between, bytes], bytes | None]
    times: int


class _Cut(Exception):
    """The connection ends here."""


@dataclass
class Between:
    """A context manager; ends all connections when it is left.

    Attributes:
        dovecot: Whom it speaks to.
        commands: What clients said, line by line, without tags.
        received: Bytes that Dovecot has sent.
        connections: How many there were.
        rewrite: Changes what Dovecot says, answer by answer.
    """

    dovecot: Dovecot
    commands: list[bytes] = field(default_factory=list)
    received: int = 0
    connections: int = 0
    rewrite: Callable[[bytes], bytes] | None = None
    _rules: list[_Rule] = field(default_factory=list)
    _closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Listen."""
        between = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError, _Cut):
                    between._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True

        self._server = Server((HOST, 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_TICK,), name="between", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, and wait for all threads."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def cut(self, pattern: str, *, times: int = 1) -> None:
        """End the connection instead of passing on a command."""

        def act(_: Between, __: bytes) -> bytes | None:
            raise _Cut

        self._add(pattern, act, times)

    def answer(self, pattern: str, lines: str, *, times: int = 1) -> None:
        """Answer a command in place of the server; `TAG` stands for its tag."""
        self._add(pattern, lambda _, tag: lines.encode().replace(b"TAG", tag), times)

    def before(self, pattern: str, event: Callable[[], Any]) -> None:
        """Call a function before a command is passed on."""

        def act(_: Between, __: bytes) -> bytes | None:
            event()
            return None

        self._add(pattern, act, 1)

    def count(self, pattern: str) -> int:
        """How many commands matched this pattern."""
        return sum(1 for command in self.commands if re.search(pattern.encode(), command))

    def _add(self, pattern: str, act: Callable[[Between, bytes], bytes | None], times: int) -> None:
        self._rules.append(_Rule(re.compile(pattern.encode()), act, times))

    def _serve(self, raw: socket.socket) -> None:
        self.connections += 1
        with (
            self.dovecot.server_context.wrap_socket(raw, server_side=True) as client,
            self.dovecot.connect() as server,
        ):
            said = b""
            while not self._closing.is_set():
                for ready in _ready(client, server):
                    piece = ready.recv(_PIECE)
                    if not piece:
                        return
                    if ready is client:
                        *lines, said = (said + piece).split(b"\r\n")
                        for line in lines:
                            self._pass(line, client, server)
                    else:
                        self.received += len(piece)
                        client.sendall(self.rewrite(piece) if self.rewrite else piece)

    def _pass(self, line: bytes, client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
        tag, _, command = line.partition(b" ")
        self.commands.append(command or line)
        for rule in self._rules:
            if rule.times and rule.pattern.search(command):
                rule.times -= 1
                answer = rule.act(self, tag)
                if answer is not None:
                    client.sendall(answer)
                    return
        server.sendall(line + b"\r\n")


def _ready(*connections: ssl.SSLSocket) -> list[ssl.SSLSocket]:
    """The connections with data to read."""
    waiting = [connection for connection in connections if connection.pending()]
    return waiting or select.select(connections, [], [], _TICK)[0]
