"""What a setting may hold: how its text becomes a value, and what to say where it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable  # noqa: TC003 - dataclass fields are read at run time by tools
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from futurscam_lib.mongo_uri import problem_of

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Kind:
    """How the text of a variable becomes a value.

    Attributes:
        parse: Takes the text; raises `ValueError` where it is not allowed, with a text that is safe to show or none.
        allowed: What is allowed, to end a sentence with.
    """

    parse: Callable[[str], Any]
    allowed: str


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
