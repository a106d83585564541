"""Removes secrets from text before it is stored or shown."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIN_LENGTH: Final = 4
"""Shorter secrets are ignored: replacing them would spoil every text and hide nothing."""

_MASK = "***"
_MIN_LINE = 16
_MIN_SHIFTED = 6


class Redactor:
    """Replaces secrets in a text by `***`, also in the forms that encoders give them.

    Forms: URL-quoted (`quote` and `quote_plus`, hex digits in either case) and unquoted; HTML-escaped; JSON-escaped
    with and without `ensure_ascii`; as `repr` and `ascii` show them, also inside another `repr`; base64, standard and
    URL-safe, also in the middle of a longer encoded text such as `user:password`. The longer lines of a secret of
    several lines (a private key) count as secrets.

    Args:
        secrets: The secrets. Those of fewer than four characters are ignored.
    """

    __slots__ = ("_needles",)

    def __init__(self, secrets: Iterable[str]) -> None:
        """See the class."""
        forms = {form for secret in secrets for part in _parts(secret) for form in _forms(part)}
        self._needles = sorted((form for form in forms if len(form) >= MIN_LENGTH), key=lambda form: (-len(form), form))

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for needle in self._needles:
            text = text.replace(needle, _MASK)
        return text


def _parts(secret: str) -> Iterator[str]:
    if len(secret) >= MIN_LENGTH:
        yield from (secret, secret.strip())
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= _MIN_LINE and not line.startswith("-----"))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield unquote(secret)
    yield from _urls(secret)
    yield from _markup(secret)
    for once in _literals(secret):
        yield once
        yield from _literals(once)
    yield from _base64(secret)


def _urls(secret: str) -> Iterator[str]:
    # A lone surrogate cannot be encoded as UTF-8, so no server gets it.
    for quoted in (
        quote(secret, errors="replace"),
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
    ):
        yield quoted
        yield _lower_hex(quoted)


def _lower_hex(quoted: str) -> str:
    first, *others = quoted.split("%")
    return "%".join([first, *(other[:2].lower() + other[2:] for other in others)])


def _markup(secret: str) -> Iterator[str]:
    without_quotes = html.escape(secret, quote=False)
    yield without_quotes
    yield html.escape(secret)  # &quot; and &#x27;
    yield without_quotes.replace('"', "&#34;").replace("'", "&#39;")


def _literals(secret: str) -> Iterator[str]:
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for shown in (repr(secret)[1:-1], ascii(secret)[1:-1], repr(secret.encode(errors="surrogatepass"))[2:-1]):
        yield shown
        yield shown.replace("'", "\\'")


def _base64(secret: str) -> Iterator[str]:
    data = secret.encode(errors="surrogatepass")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(data).decode()
        yield from (whole, whole.rstrip("="))
        if len(data) < _MIN_SHIFTED:
            continue
        # In a longer text the secret starts anywhere in a group of three bytes. Characters that also hold bits of a
        # neighbour are left out: they differ from text to text.
        for shift in range(3):
            encoded = encode(b"\0" * shift + data).decode()
            yield encoded[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
