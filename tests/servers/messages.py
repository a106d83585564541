"""What goes over the wire of a loopback server: requests as they came, answers as they leave."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

_CARRIERS: Final = ("Authorization", "X-Jwt-Client", "X-Jwt-Client-BoondManager")
_TOLD: Final = {"message", "detail", "error_description"}
"""The fields of error answers that people read."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    `target` is path and query as they came; `path` is decoded; `headers` are looked up whatever their case.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, list[str]]
    headers: Message
    body: bytes

    @classmethod
    def of(cls, method: str, target: str, *, headers: Message, body: bytes) -> Request:
        """Read the target apart."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        return cls(method, target, unquote(parts.path), query, headers, body)

    @property
    def segments(self) -> list[str]:
        """The path's parts; a part may itself hold a slash."""
        return [unquote(part) for part in urlsplit(self.target).path.split("/") if part]

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form that was sent as the body."""
        found = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}

    def first(self, name: str, default: str | None = None) -> str | None:
        """The first value of a query parameter."""
        return self.query.get(name, [default])[0]

    def secrets(self) -> str:
        """Whatever secret it carries, as a server that tells too much would quote it."""
        carried = [f"{name}: {self.headers[name]}" for name in _CARRIERS if name in self.headers]
        secret = self.form.get("client_secret")
        return " ".join([*carried, *([f"client_secret={secret}"] if secret else [])])


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; the server adds date and length. One that is `cut` promises its body, and ends halfway."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """A JSON document."""
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status, body, "application/json; charset=utf-8", headers or {})

    def telling(self, text: str) -> Answer:
        """The same answer with more text in its error message."""
        try:
            body = json.dumps(_told(json.loads(self.body), text)).encode()
        except ValueError:
            body = self.body + text.encode()
        return replace(self, body=body)


def _told(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {
            name: f"{inner} {text}" if name in _TOLD and isinstance(inner, str) else _told(inner, text)
            for name, inner in value.items()
        }
    return [_told(inner, text) for inner in value] if isinstance(value, list) else value
