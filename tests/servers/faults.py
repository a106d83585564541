"""Deliberate faults: which of the next requests get a bad answer, and which answer."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tests.servers.messages import Answer

if TYPE_CHECKING:
    from tests.servers.messages import Request

How = Literal["reset", "truncated", "nothing"]
Wrong = Callable[[], Answer] | How

HTML_PAGE: Final = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>"
# Windows has two shorts where others have two ints.
_LINGER_NOT: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


@dataclass(slots=True)
class Fault:
    """The requests whose path contains `path_part`: some are let through, then some are answered like this."""

    path_part: str
    wrong: Wrong
    times: int
    skip: int


class Faults:
    """The pending faults, in the order in which they were added; the caller holds the server's lock."""

    def __init__(self) -> None:
        """Start without faults."""
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault for the next matching requests."""
        if fault.times:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Remove all pending faults."""
        self._waiting.clear()

    def take(self, request: Request) -> Wrong | None:
        """The fault for this request, if there is one."""
        for fault in self._waiting:
            if fault.path_part not in request.path:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            if not fault.times:
                self._waiting.remove(fault)
            return fault.wrong
        return None


def reset(connection: socket.socket) -> None:
    """Make the connection end with RST instead of FIN when it is closed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
