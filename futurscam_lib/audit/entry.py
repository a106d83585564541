"""One line of the ledger: how it is written, read and chained to the line before."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from futurscam_lib import clock

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.audit.seal import Seal

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

NO_PREV: Final = "0" * 64
"""What the first line continues."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger.

    Attributes:
        seq: Its number, from 1, which is also its line.
        event: What happened: `start`, `end`, `crashed`, `healed`, `reset`, `first-run`, `pruned`, `sealed`.
        run_id: The run that it is about; empty where none is.
        at: When, as `clock.to_text` writes it.
        facts: What the event's writer says about it.
        prev: Hash of the line before; 64 zeros in the first.
        hash: SHA-256 of this line without `hash` and `mac`, hex.
        mac: What only the holder of the ledger's key can make of the hash; empty, and not written, without a key.
    """

    seq: int
    event: str
    run_id: str
    at: str
    facts: dict[str, Any]
    prev: str
    hash: str
    mac: str = ""


_TYPES: Final = {field.name: {"seq": int, "facts": dict}.get(field.name, str) for field in fields(Entry)}
_UNSEALED: Final = {name: kind for name, kind in _TYPES.items() if name != "mac"}


class Misfit(ValueError):
    """A line is not what the ledger writes there; `is_link`: it is an entry, but not the one that is due."""

    def __init__(self, message: str, *, is_link: bool = False) -> None:
        """See the class."""
        super().__init__(message)
        self.is_link = is_link


def read_entry(raw: bytes) -> Entry:
    """Read one line, without its newline, and check its hash.

    Raises:
        Misfit: It is no line of a ledger, or was changed after it was written.
    """
    try:
        content = orjson.loads(raw)
    except ValueError:
        raise Misfit("it is not JSON") from None
    types = {name: type(value) for name, value in content.items()} if isinstance(content, dict) else {}
    if types not in (_TYPES, _UNSEALED):
        raise Misfit("it is not an entry of a ledger")
    entry = Entry(**content)
    try:
        digest = _hash_of(content)
    except TypeError:  # orjson reads deeper than it writes.
        raise Misfit("it is nested more deeply than any line") from None
    if digest != entry.hash:
        raise Misfit("the hash does not fit its content")
    if line_of(entry) != raw:
        raise Misfit("the content fits its hash, but is not written as the ledger writes it")
    return entry


def is_entry(raw: bytes) -> bool:
    """Whether it is a whole line of a ledger."""
    try:
        read_entry(raw)
    except Misfit:
        return False
    return True


def check_link(entry: Entry, older: Entry | None) -> None:
    """Check that one entry follows the other.

    Raises:
        Misfit: It does not.
    """
    due = older.seq + 1 if older else 1
    if entry.seq != due:
        raise Misfit(f"its number is {entry.seq} where {due} is due", is_link=True)
    if entry.prev != (older.hash if older else NO_PREV):
        raise Misfit("it does not continue the line before it", is_link=True)


def chained(
    last: Entry | None, *, event: str, run_id: str, at: datetime, facts: dict[str, Any], seal: Seal | None = None
) -> Entry:
    """Make the entry that follows `last`, whose facts hold only what JSON holds."""
    content: dict[str, Any] = {
        "seq": last.seq + 1 if last else 1,
        "event": event,
        "run_id": run_id,
        "at": clock.to_text(at),
        "facts": facts,
        "prev": last.hash if last else NO_PREV,
    }
    digest = _hash_of(content)
    return Entry(**content, hash=digest, mac=seal.of_line(digest) if seal else "")


def line_of(entry: Entry) -> bytes:
    """The entry as it is written, without its newline."""
    return _canonical({name: getattr(entry, name) for name in (_TYPES if entry.mac else _UNSEALED)})


def jsonable(facts: Mapping[str, JsonValue], redact: Callable[[str], str]) -> dict[str, Any]:
    """Redact facts and bring them into the form in which they will be read again.

    Raises:
        TypeError: They hold what JSON cannot.
    """
    try:
        clean: dict[str, Any] = orjson.loads(_canonical(_cleaned(facts, redact)))
    except RecursionError as error:
        msg = "the facts hold themselves, or are nested too deeply"
        raise TypeError(msg) from error
    return clean


def _hash_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical({name: content[name] for name in _UNSEALED if name != "hash"})).hexdigest()


def _canonical(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _cleaned(value: object, redact: Callable[[str], str]) -> object:
    """Copy what JSON can hold, strings redacted.

    Not left to orjson, which would write a dataclass or a date by itself, past the redaction, and NaN as null.
    """
    match value:
        case None | bool():
            return value
        case str():
            return redact(_without_surrogates(value))
        case int():
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case Mapping() if all(isinstance(key, str) for key in value):
            return {_cleaned(key, redact): _cleaned(item, redact) for key, item in value.items()}
        case list() | tuple():
            return [_cleaned(item, redact) for item in value]
    msg = f"the ledger holds JSON, which has no {type(value).__name__} like {value!r:.60}"
    raise TypeError(msg)


def _without_surrogates(text: str) -> str:
    """Replace what UTF-8 cannot write; a pair of surrogates becomes the character that it means."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
