"""The entries of the ledger: how a line is written, read, chained to the line before, and what it may contain."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import orjson

from futurscam_lib import clock
from futurscam_lib.records import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterator

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

NO_PREV: Final = "0" * 64
"""The `prev` of the first line."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the ledger.

    Attributes:
        seq: Its number, from 1, which is also its line.
        event: What happened: `start`, `end`, `crashed`, `healed`, `reset`, `first-run`, `pruned`, `sealed`.
        run_id: The run that it is about; empty if none.
        at: When, as `clock.to_text` writes it.
        facts: What the writer of the event recorded.
        prev: Hash of the line before; 64 zeros in the first.
        hash: SHA-256 of this line without `hash` and `mac`, hex.
        mac: MAC of the hash, made with the ledger's key; empty, and not written, without a key.
    """

    seq: int
    event: str
    run_id: str
    at: str
    facts: dict[str, Any]
    prev: str
    hash: str
    mac: str = ""


_TYPES: Final = {field.name: {"seq": int, "facts": dict}.get(field.name, str) for field in fields(LedgerEntry)}
_UNSEALED: Final = {name: kind for name, kind in _TYPES.items() if name != "mac"}


class LineSeal(Protocol):
    """Makes the MAC of a line from its hash: `seal.Seal`."""

    def of_line(self, digest: str) -> str:
        """MAC of a line."""


class Misfit(ValueError):
    """A line is not valid at its place; `is_link`: it is an entry, but not the next one in the chain."""

    def __init__(self, message: str, *, is_link: bool = False) -> None:
        """See the class."""
        super().__init__(message)
        self.is_link = is_link


def read_entry(raw: bytes) -> LedgerEntry:
    """Read one line, without its newline, and check its hash.

    Raises:
        Misfit: It is not a line of a ledger, or was changed after it was written.
    """
    try:
        content = orjson.loads(raw)
    except ValueError:
        raise Misfit("it is not JSON") from None
    types = {name: type(value) for name, value in content.items()} if isinstance(content, dict) else {}
    if types not in (_TYPES, _UNSEALED):
        raise Misfit("it is not an entry of a ledger")
    entry = LedgerEntry(**content)
    try:
        digest = _hash_of(content)
    except TypeError:  # orjson reads deeper nesting than it writes.
        raise Misfit("it is nested too deeply for a ledger") from None
    if digest != entry.hash:
        raise Misfit("its hash does not match its content")
    if line_of(entry) != raw:
        raise Misfit("its hash matches its content, but the ledger writes it differently")
    return entry


def is_entry(raw: bytes) -> bool:
    """Whether this is a whole line of a ledger."""
    try:
        read_entry(raw)
    except Misfit:
        return False
    return True


def check_link(entry: LedgerEntry, older: LedgerEntry | None) -> None:
    """Check that `entry` directly follows `older`.

    Raises:
        Misfit: It does not.
    """
    expected = older.seq + 1 if older else 1
    if entry.seq != expected:
        raise Misfit(f"its number is {entry.seq}, expected {expected}", is_link=True)
    if entry.prev != (older.hash if older else NO_PREV):
        raise Misfit("it does not continue the line before it", is_link=True)


def chained(
    last: LedgerEntry | None,
    *,
    event: str,
    run_id: str,
    at: datetime,
    facts: dict[str, Any],
    seal: LineSeal | None = None,
) -> LedgerEntry:
    """Make the entry that follows `last`.

    Args:
        last: The last entry; None in an empty ledger.
        event: See `LedgerEntry`.
        run_id: See `LedgerEntry`.
        at: When it happened; aware.
        facts: What to record; only what JSON can hold, see `jsonable`.
        seal: Makes the MAC; None: the ledger has no key.
    """
    content: dict[str, Any] = {
        "seq": last.seq + 1 if last else 1,
        "event": event,
        "run_id": run_id,
        "at": clock.to_text(at),
        "facts": facts,
        "prev": last.hash if last else NO_PREV,
    }
    digest = _hash_of(content)
    return LedgerEntry(**content, hash=digest, mac=seal.of_line(digest) if seal else "")


def line_of(entry: LedgerEntry) -> bytes:
    """The entry as it is written, without its newline."""
    return _canonical({name: getattr(entry, name) for name in (_TYPES if entry.mac else _UNSEALED)})


def jsonable(facts: Mapping[str, JsonValue], redact: Callable[[str], str]) -> dict[str, Any]:
    """Redact facts and convert them to what reading them back will give.

    Raises:
        TypeError: They contain something that JSON cannot hold.
    """
    try:
        clean: dict[str, Any] = orjson.loads(_canonical(_cleaned(facts, redact)))
    except RecursionError as error:
        msg = "the facts contain themselves, or are nested too deeply"
        raise TypeError(msg) from error
    return clean


def _hash_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical({name: content[name] for name in _UNSEALED if name != "hash"})).hexdigest()


def _canonical(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _cleaned(value: object, redact: Callable[[str], str]) -> object:
    """Copy what JSON can hold, strings redacted.

    orjson alone would write dataclasses and dates unredacted, and NaN as null.
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
    msg = f"the ledger stores JSON, which has no {type(value).__name__} like {value!r:.60}"
    raise TypeError(msg)


def _without_surrogates(text: str) -> str:
    """Replace what UTF-8 cannot encode; a pair of surrogates becomes the character that it stands for."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_INSTANT_LENGTH: Final = len("2026-11-02T08:00:00.000000+00:00")
_END_STATUSES: Final = {"ok", "failed", "timed out", None}
_TEXT: Final[frozenset[type]] = frozenset({str, type(None)})
_NUMBER: Final[frozenset[type]] = frozenset({int, float, type(None)})
_TABLE: Final[frozenset[type]] = frozenset({dict, type(None)})
_INT: Final[frozenset[type]] = frozenset({int})
_DICT: Final[frozenset[type]] = frozenset({dict})
_FACTS: Final[Mapping[str, Mapping[str, frozenset[type]]]] = {
    "start": {
        **dict.fromkeys(("notebook", "rerun_of", "replay", "started_by", "git_commit", "python", "platform"), _TEXT),
        **dict.fromkeys(("parameters", "packages", "watermark", "code"), _TABLE),
    },
    "end": {
        **dict.fromkeys(("status", "replay", "notebook", "notebook_sha256", "error", "error_name"), _TEXT),
        **dict.fromkeys(("counts", "sources", "failures", "watermark"), _TABLE),
        "seconds": _NUMBER,
    },
    "crashed": dict.fromkeys(("notebook", "notebook_sha256"), _TEXT),
    "pruned": {"notebooks": _TABLE},
    "healed": {},
    "reset": {"watermark": _TABLE},
    "first-run": {"watermark": _TEXT},
    "sealed": {},
}
"""Types of the facts, by event. What a notebook glued is not checked here (window, reasons, unknown values)."""
_INNER: Final[Mapping[str, Sequence[tuple[str, frozenset[type]]]]] = {
    "start": (("watermark", _TEXT),),
    "end": (("watermark", _TEXT), ("counts", _INT), ("sources", _DICT), ("failures", _DICT)),
    "reset": (("watermark", _TEXT),),
    "pruned": (("notebooks", _TEXT),),
}
"""Types of the values in those facts that are tables."""


def malformed(entry: LedgerEntry) -> str:
    """Why the entry cannot be used, as a clause; empty if it can.

    Its hash can still be right: anyone who knows the format can write any content.
    """
    if not _is_instant(entry.at):
        return f"its time is {entry.at!r:.60}"
    facts = entry.facts
    name = _wrong_fact(entry.event, tuple(facts), tuple(map(type, facts.values())))
    if not name:
        name = next(_wrong_tables(entry.event, facts), "")
    return f"its {name} is {facts[name]!r:.60}, which is the wrong type" if name else ""


def _wrong_tables(event: str, facts: Mapping[str, Any]) -> Iterator[str]:
    for name, kinds in _INNER.get(event, ()):
        values = facts.get(name)
        if values and not kinds.issuperset(map(type, values.values())):
            yield name
        elif values and name == "sources":
            for counts in values.values():
                if not _INT.issuperset(map(type, counts.values())):
                    yield name


@lru_cache(maxsize=256)
def _wrong_fact(event: str, names: tuple[str, ...], kinds: tuple[type, ...]) -> str:
    """The first fact with the wrong type. Cached, because most lines have the same facts."""
    expected = _FACTS.get(event, {})
    return next((name for name, kind in zip(names, kinds, strict=True) if kind not in expected.get(name, {kind})), "")


def implausible(entry: LedgerEntry) -> str:
    """A clause about content that no run can have written; empty if there is none. Call `malformed` first."""
    if entry.event not in _FACTS:
        return f"its event is {entry.event!r:.60}, which this version does not know"
    counts, notebook = entry.facts.get("counts"), entry.facts.get("notebook")
    if isinstance(notebook, str) and notebook and not _is_inside(notebook):
        return f"it names a notebook {notebook!r:.100}, which is not inside the folder of the runs"
    if entry.event != "end":
        return ""
    if (status := entry.facts.get("status")) not in _END_STATUSES:
        return f"its status is {status!r:.60}, which no run has"
    if status == "ok" and counts and sum(counts.values()) != 2 * counts.get("extracted", 0):
        first, *others = (counts.get(name) or 0 for name in COUNTED)
        if first != sum(others):
            return f"its status is ok, but its counts do not add up ({first} extracted, {sum(others)} accounted for)"
    return ""


def _is_inside(name: str) -> bool:
    """Whether this is a path below a folder as the ledger writes it: with `/`, without `..`, nothing hidden."""
    return not (name[0] in "./" or "/." in name or "//" in name or "\\" in name or ":" in name or "\0" in name)


def _is_instant(text: str) -> bool:
    """Whether this is an instant as `clock.to_text` writes it; faster than parsing every format."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == _INSTANT_LENGTH and text[7:11:3] == "-T" and text.endswith("+00:00")


def table(value: Any) -> dict[str, Any]:
    """A glued value if it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> int:
    """A glued value if it is a number, else 0 (an earlier version did not count it)."""
    return value if isinstance(value, int) else 0


def numbers(value: Any) -> dict[str, int]:
    """The numbers in a glued value, if it is a table."""
    return {name: number for name, number in table(value).items() if isinstance(number, int)}
