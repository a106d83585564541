"""The kinds of settings: how text becomes a value, and which values are allowed."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field, GetCoreSchemaHandler, SecretStr
from pydantic_core import CoreSchema, core_schema

from futurscam_lib.settings import mongo_uri

MAX_LINE: Final = 1000
_LABEL: Final = r"[\w-]{1,63}"
_ADDRESS: Final = rf"https?://({_LABEL}(\.{_LABEL})*\.?|\[[0-9a-f:.]+\])(:[0-9]{{1,5}})?(/[^\s?#\\]*)?"
_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True, slots=True)
class Kind:
    """How the text of a variable becomes a value; annotates the field of a setting.

    Attributes:
        parse: Takes the text; raises `ValueError` where it is not allowed, with a text that is safe to show or none.
        allowed: What is allowed, to end a sentence with.
    """

    parse: Callable[[str], Any]
    allowed: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Have pydantic parse texts; a default of None stays."""
        return core_schema.no_info_before_validator_function(
            lambda value: self.parse(value) if isinstance(value, str) else value, handler(source)
        )


def setting(variable: str, default: str, purpose: str) -> Any:
    """A field of the settings.

    Args:
        variable: Name of the variable that sets it.
        default: Its text if it is not set; empty: the field is None then.
        purpose: What it is for, in one sentence.
    """
    return Field(default or None, validation_alias=variable, description=purpose)


def _ensure(allowed: object) -> None:
    if not allowed:
        raise ValueError


def database_name(text: str) -> str:
    """A name that MongoDB takes on every system."""
    _ensure(text.isprintable() and len(text.encode()) <= 63)  # noqa: PLR2004 - MongoDB's limit
    _ensure(text.lower() not in {"admin", "local", "config"} and not set(text) & set('/\\."$*<>:|? '))
    return text


def folder(text: str) -> Path:
    """A folder, `~` expanded; it need not exist."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def home(text: str) -> Path:
    """An absolute folder that exists or can be made."""
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
        names = lines(text)
        _ensure(set(names) <= set(known))
        return names

    return Kind(parse, f"one or more of {', '.join(known)}, separated by commas")


def switch(text: str) -> bool:
    """Yes or no, as people write it."""
    _ensure(text.lower() in _YES | _NO)
    return text.lower() in _YES


def one_of(*known: str) -> Kind:
    """One of some words, in any case."""
    words = {word.lower(): word for word in known}

    def parse(text: str) -> str:
        _ensure(text.lower() in words)
        return words[text.lower()]

    return Kind(parse, f"one of {', '.join(known)}")


def line(text: str) -> str:
    """One line of text, as it is."""
    _ensure(text.isprintable() and len(text) <= MAX_LINE)
    return text


def lines(text: str) -> tuple[str, ...]:
    """Texts separated by commas."""
    texts = tuple(dict.fromkeys(part for piece in line(text).split(",") if (part := piece.strip())))
    _ensure(texts)
    return texts


def secret(text: str) -> SecretStr:
    """One line of text, masked."""
    # A token of Microsoft's has some 2,000 characters.
    _ensure(text.isprintable() and len(text) <= 10 * MAX_LINE)
    return SecretStr(text)


def key(text: str) -> SecretStr:
    """One line of text, masked, long enough not to be guessed."""
    _ensure(len(line(text)) >= 16)  # noqa: PLR2004 - as `allowed` says
    return SecretStr(text)


def tenant(text: str) -> str:
    """A text that can stand between two slashes of an address."""
    _ensure(re.fullmatch(r"[A-Za-z0-9.-]{1,255}", text))
    return text


def url(text: str) -> str:
    """An address without a slash at its end; unencrypted only on this machine."""
    _ensure(text.isprintable() and re.fullmatch(_ADDRESS, text, re.ASCII | re.IGNORECASE))
    parts = urlsplit(text)
    local = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    _ensure((parts.scheme == "https" or local) and parts.port != 0)
    return text.rstrip("/")


def uri_of_mongodb(text: str) -> SecretStr:
    """A URI that pymongo can read; the error quotes no piece of it."""
    _ensure(text.startswith(("mongodb://", "mongodb+srv://")))
    if problem := mongo_uri.problem_of(text):
        raise ValueError(problem)
    return SecretStr(text)


def whole(low: int, high: int) -> Kind:
    """A whole number."""

    def parse(text: str) -> int:
        _ensure(re.fullmatch(r"[0-9]{1,9}", text) and low <= int(text) <= high)
        return int(text)

    return Kind(parse, f"a whole number from {low} to {high}")


def numbers(text: str) -> frozenset[int]:
    """Whole numbers separated by commas."""
    _ensure(re.fullmatch(r"[0-9]{1,9}( *, *[0-9]{1,9})*", text))
    return frozenset(int(number) for number in text.split(","))


def names_by_number(text: str) -> dict[int, str]:
    """Names by whole number."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    _ensure(all(re.fullmatch(r" *[0-9]{1,9} *", number) and line(name).strip() for number, _, name in pairs))
    return {int(number): name.strip() for number, _, name in pairs}


def span(unit: str, low: float, high: float, *, above: bool = False) -> Kind:
    """A length of time, given as a number of `unit`.

    Args:
        unit: `minutes` or another argument of `timedelta`.
        low: The least number.
        high: The largest number.
        above: Whether `low` itself is not allowed.
    """

    def parse(text: str) -> timedelta:
        _ensure(re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) and low <= float(text) <= high)
        _ensure(timedelta(**{unit: float(text)}) or not above)
        return timedelta(**{unit: float(text)})

    limits = f"above {low:g}, at most {high:g}" if above else f"from {low:g} to {high:g}"
    return Kind(parse, f"a number of {unit} {limits}")


_LINE: Final = Kind(line, "one line of text")
_LINES: Final = Kind(lines, "one or more texts separated by commas")
Line = Annotated[str, _LINE]
OptionalLine = Annotated[str | None, _LINE]
Lines = Annotated[tuple[str, ...], _LINES]
OptionalLines = Annotated[tuple[str, ...] | None, _LINES]
Secret = Annotated[SecretStr | None, Kind(secret, "one line of text")]
Switch = Annotated[bool, Kind(switch, "true or false")]
Address = Annotated[str, Kind(url, "https://host[:port][/path], or http:// to this machine (localhost, 127.0.0.1)")]
