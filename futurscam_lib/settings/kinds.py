"""What a setting may hold: how its text becomes a value, and what to say where it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable  # noqa: TC003 - dataclass fields are read at run time by tools
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from futurscam_lib.settings.mongo_uri import problem_of

if TYPE_CHECKING:
    from collections.abc import Collection


MAX_LINE: Final = 1000
_LABEL: Final = r"[\w-]{1,63}"
_ADDRESS: Final = rf"https?://({_LABEL}(\.{_LABEL})*\.?|\[[0-9a-f:.]+\])(:[0-9]{{1,5}})?(/[^\s?#\\]*)?"


@dataclass(frozen=True, slots=True)
class Kind:
    """How the text of a variable becomes a value.

    Attributes:
        parse: Takes the text; raises `ValueError` where it is not allowed, with a text that is safe to show or none.
        allowed: What is allowed, to end a sentence with.
    """

    parse: Callable[[str], Any]
    allowed: str


@dataclass(frozen=True, slots=True)
class Variable:
    """One line of the table of settings.

    Attributes:
        name: The variable.
        default: Its text where nobody sets it; empty: it is `None` then.
        kind: What it may hold.
        help: What it is for, one sentence.
        secret: Whether it is masked wherever it is shown, and looked up in the keyring.
    """

    name: str
    default: str
    kind: Kind
    help: str
    secret: bool = False


def database_name(text: str) -> str:
    """A name that MongoDB takes on every system."""
    own_of_mongodb = text.lower() in {"admin", "local", "config"}
    if own_of_mongodb or not text.isprintable() or set(text) & set('/\\."$*<>:|? ') or len(text.encode()) > 63:  # noqa: PLR2004 - MongoDB's limit
        raise ValueError
    return text


def folder(text: str) -> Path:
    """A folder, `~` expanded; it need not be there."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def home(text: str) -> Path:
    """An absolute folder, or where one can be made."""
    home = folder(text).absolute()
    try:
        nearest = next((folder for folder in (home, *home.parents) if folder.exists()), None)
    except OSError as error:
        raise ValueError(error.strerror) from error
    if nearest is None or not nearest.is_dir():
        raise ValueError(f"{str(nearest)!r} is a file" if nearest else "there is no such drive")
    return home


def some_of(known: Collection[str]) -> Kind:
    """One or more of some names, separated by commas."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
        if not names or not set(names) <= set(known):
            raise ValueError
        return names

    return Kind(parse, f"one or more of {', '.join(known)}, separated by commas")


def switch(text: str) -> bool:
    """Yes or no, as people write it."""
    word = text.lower()
    if word not in {"true", "yes", "on", "1", "false", "no", "off", "0"}:
        raise ValueError
    return word in {"true", "yes", "on", "1"}


def one_of(known: Collection[str]) -> Kind:
    """One of some words, in any case."""
    words = {word.lower(): word for word in known}

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError
        return words[text.lower()]

    return Kind(parse, f"one of {', '.join(known)}")


def line(text: str) -> str:
    """One line of text, as it is."""
    if not text.isprintable() or len(text) > MAX_LINE:
        raise ValueError
    return text


def lines(text: str) -> tuple[str, ...]:
    """Some texts, separated by commas."""
    found = tuple(dict.fromkeys(part for piece in line(text).split(",") if (part := piece.strip())))
    if not found:
        raise ValueError
    return found


def secret(text: str) -> SecretStr:
    """The same, masked."""
    # A token of Microsoft's has some 2,000 characters.
    if not text.isprintable() or len(text) > 10 * MAX_LINE:
        raise ValueError
    return SecretStr(text)


def key(text: str) -> SecretStr:
    """The same, long enough not to be guessed."""
    if not 16 <= len(line(text)) <= MAX_LINE:  # noqa: PLR2004
        raise ValueError
    return SecretStr(text)


def tenant(text: str) -> str:
    """What stands between two slashes of an address."""
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,255}", text):
        raise ValueError
    return text


def url(text: str) -> str:
    """An address to ask, without a slash at its end; in the clear only on this machine."""
    if not text.isprintable() or not re.fullmatch(_ADDRESS, text, re.ASCII | re.IGNORECASE):
        raise ValueError
    found = urlsplit(text)
    here = found.scheme == "http" and found.hostname in {"localhost", "127.0.0.1", "::1"}
    if not (found.scheme == "https" or here) or found.port == 0:
        raise ValueError
    return text.rstrip("/")


def secret_url(text: str) -> SecretStr:
    """An address whose path is a secret."""
    return SecretStr(url(text))


def whole(low: int, high: int) -> Kind:
    """A whole number."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return Kind(parse, f"a whole number from {low} to {high}")


def numbers(text: str) -> frozenset[int]:
    """Some whole numbers."""
    if not re.fullmatch(r"[0-9]{1,9}( *, *[0-9]{1,9})*", text):
        raise ValueError
    return frozenset(int(number) for number in text.split(","))


def names_by_number(text: str) -> dict[int, str]:
    """Names by whole number."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(re.fullmatch(r" *[0-9]{1,9} *", number) and line(name).strip() for number, _, name in pairs):
        raise ValueError
    return {int(number): name.strip() for number, _, name in pairs}


def span(unit: str, low: float, high: float) -> Kind:
    """A length of time, given as a number of `unit`."""

    def parse(text: str) -> timedelta:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not low <= float(text) <= high:
            raise ValueError
        return timedelta(**{unit: float(text)})

    return Kind(parse, f"a number of {unit} from {low:g} to {high:g}")


def positive(kind: Kind, allowed: str) -> Kind:
    """The same, without nothing."""

    def parse(text: str) -> Any:
        if not (value := kind.parse(text)):
            raise ValueError
        return value

    return Kind(parse, allowed)


def mongo_uri(text: str) -> SecretStr:
    """A URI that pymongo can read; the error quotes no piece of it."""
    if not text.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError
    if problem := problem_of(text):
        raise ValueError(problem)
    return SecretStr(text)
