"""The URI of a MongoDB: its problems and its secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

MASK: Final = "***"

_CREDENTIAL_OPTIONS = {"authmechanismproperties", "tlscertificatekeyfilepassword", "proxypassword"}
_SHAPE = re.compile(
    r"(?P<scheme>mongodb(?:\+srv)?://)(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<hosts>[^@/?#]+)(?P<path>/[^@?#]*)?(?:\?(?P<query>[^@#]*))?",
)


def mask(uri: str) -> str:
    """A MongoDB URI without its secrets; only `***` where it is not clear which part is secret."""
    shape = _shape(uri)
    if shape is None:
        return MASK
    user = "" if shape["user"] is None else f"{shape['user']}{'' if shape['password'] is None else f':{MASK}'}@"
    options = [
        f"{name}={MASK}" if name.lower() in _CREDENTIAL_OPTIONS else f"{name}{equals}{value}"
        for name, equals, value in _options(shape["query"])
    ]
    query = f"?{'&'.join(options)}" if options else ""
    return f"{shape['scheme']}{user}{shape['hosts']}{shape['path'] or ''}{query}"


def _shape(uri: str) -> re.Match[str] | None:
    match = _SHAPE.fullmatch(uri)
    # No port follows +srv, so what looks like one is a password whose @ is missing.
    return None if match and "+srv" in match["scheme"] and ":" in match["hosts"] else match


def _options(query: str | None) -> list[tuple[str, str, str]]:
    return [option.partition("=") for option in re.split("[&;]", query or "") if option]


def secrets_inside(uri: str) -> Iterator[str]:
    """Password and credential options, as in the URI and decoded."""
    shape = _shape(uri)
    rest = uri.partition("://")[2]
    raw = [shape["password"] or ""] if shape else [(rest.rpartition("@")[0] or rest).partition(":")[2]]
    for name, _, value in _options(shape["query"] if shape else uri.partition("?")[2]):
        if name.lower() in _CREDENTIAL_OPTIONS:
            raw.append(value)
            raw += [item.partition(":")[2] for item in unquote(value).split(",") if "TOKEN" in item.upper()]
    for text in filter(None, raw):
        yield from dict.fromkeys((text, unquote(text), unquote_plus(text)))


def problem_of(uri: str) -> str:
    """The problem of a URI, without quoting a piece of its password; empty: none.

    pymongo's own texts quote such pieces: an unencoded `/` or `?` in a password moves the rest of it to the place of
    hosts, database or options.
    """
    if _shape(uri) is None:
        return "its user, password, hosts or database can't be read"
    # The hosts behind +srv are known only from the DNS, which is asked when connecting.
    if uri.startswith("mongodb+srv:") or _parses(uri):
        return ""
    base, _, query = uri.partition("?")
    if not _parses(base):
        return "its user, password, hosts or database can't be read"
    wrong = [name for name, equals, value in _options(query) if not _parses(f"{base}?{name}{equals}{value}")]
    return f"its options are wrong{': ' if wrong else ''}{', '.join(wrong)}"


def _parses(uri: str) -> bool:
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    try:
        parse_uri(uri)
    except (PyMongoError, ValueError, TypeError, OSError):
        return False
    return True
