"""What a `Redactor` removes."""

from __future__ import annotations

import base64
import html
import json
import pickle
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.settings.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "p@ss/wörd \"of\" 'mine' <&>\\n+="  # noqa: S105 - the point of these tests
ENCODERS = {
    "as it is": str,
    "quote": quote,
    "quote_plus": quote_plus,
    "quote, nothing safe": lambda secret: quote(secret, safe=""),
    "quote, lower case": lambda secret: re.sub("%..", lambda match: match[0].lower(), quote(secret, safe="")),
    "html": html.escape,
    "html text": lambda secret: html.escape(secret, quote=False),
    "html, decimal": lambda secret: html.escape(secret, quote=False).replace('"', "&#34;").replace("'", "&#39;"),
    "json": json.dumps,
    "json, not ascii": lambda secret: json.dumps(secret, ensure_ascii=False),
    "json in json": lambda secret: json.dumps(json.dumps(secret)),
    "repr": repr,
    "repr in repr": lambda secret: repr(repr(secret)),
    "repr of a list": lambda secret: repr([secret]),
    "ascii": ascii,
    "bytes": lambda secret: repr(secret.encode()),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64 without padding": lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS.keys())
def test_a_secret_is_removed_in_each_form(encode: Callable[[str], str]) -> None:
    """In any encoding, nothing of the secret is left."""
    redacted = Redactor([SECRET])(f"before {encode(SECRET)} after")

    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert "***" in redacted
    assert "mine" not in redacted
    assert encode(SECRET)[4:-4] not in redacted


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "someone"])
def test_a_password_in_a_basic_authorization_header_is_removed(user: str) -> None:
    """base64 of `user:password` hides the password, at whatever offset it starts."""
    header = base64.b64encode(f"{user}:correct-horse".encode()).decode()

    redacted = Redactor(["correct-horse"])(f"Authorization: Basic {header}")

    assert "***" in redacted
    assert len(redacted) < len(f"Authorization: Basic {header}") - 10


def test_an_unquoted_password_of_a_connection_string_is_removed() -> None:
    """MongoDB's password is quoted in its URI and plain in the driver's messages."""
    assert Redactor(["p%40ss%2Fword"])("refused: p@ss/word") == "refused: ***"


def test_the_longest_secret_goes_first() -> None:
    """A secret inside another does not leave the rest of the longer one behind."""
    assert Redactor(["abcd", "abcdefgh"])("abcdefgh abcd") == "*** ***"


def test_a_line_of_a_private_key_is_a_secret_too() -> None:
    """A key printed line by line, or with other line ends, is as secret as the whole."""
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQC7VJTU\n-----END KEY-----\n"

    redacted = Redactor([key])("x MIIEvQIBADANBgkqhkiG9w0BAQEF\r\n   AASCBKcwggSjAgEAAoIBAQC7VJTU")

    assert redacted == "x ***\r\n   ***"


def test_short_secrets_are_not_looked_for() -> None:
    """Secrets of three characters or fewer would mask too much; an unset secret is empty."""
    assert Redactor(["", "abc", "é"])("abc é abc") == "abc é abc"


def test_it_can_be_pickled_and_shows_no_secret() -> None:
    """It is sent to other processes, and its repr may be in a traceback."""
    redact = pickle.loads(pickle.dumps(Redactor([SECRET])))  # noqa: S301 - its own

    assert redact(f"a {SECRET} b") == "a *** b"
    assert "wörd" not in repr(redact)


@given(
    secret=st.text(min_size=4, max_size=30),
    before=st.text(max_size=10),
    encode=st.sampled_from(list(ENCODERS.values())),
)
def test_no_text_holds_a_secret_afterwards(secret: str, before: str, encode: Callable[[str], str]) -> None:
    """For any secret, any neighbour and any form: afterwards the secret is not in the text."""
    if set(secret) <= {"*"}:
        return
    try:
        text = before + encode(secret)
    except UnicodeEncodeError:  # A lone surrogate has no such form.
        return

    assert secret not in Redactor([secret])(text)
