"""The ledger `runs/ledger.jsonl`: what each run did, one line an entry, chained by hash.

A line is compact JSON with sorted keys. `hash` is the SHA-256 of the line without `hash`, `prev` the hash of the line
before, so a line that was changed, moved, added or taken out later shows. What no chain can show by itself is that its
last lines were taken off; there the executed notebooks in `runs/` tell.

Events: `start`, `end`, `crashed` (a start that was found without its end; it carries the run_id of that run), `healed`,
`reset`, `first-run`.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

import orjson
from filelock import FileLock, Timeout

from futurscam_lib import clock
from futurscam_lib.errors import OperatorMustAct, RetryLater
from futurscam_lib.files import sync_folder

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

_NO_PREV: Final = "0" * 64
_BLOCK: Final = 64 * 1024
_LOCK_SECONDS: Final = 30.0
"""Appending takes milliseconds; who waits longer meets a process that was suspended while it wrote."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger.

    Attributes:
        seq: Its number, from 1, which is also its line.
        event: What happened: `start`, `end`, `crashed`, `healed`, `reset`, `first-run`.
        run_id: The run that it is about; empty where none is.
        at: When, as `clock.to_text` writes it.
        facts: What the event's writer says about it.
        prev: Hash of the line before; 64 zeros in the first.
        hash: SHA-256 of this line without `hash`, hex.
    """

    seq: int
    event: str
    run_id: str
    at: str
    facts: dict[str, Any]
    prev: str
    hash: str


_TYPES: Final = {field.name: {"seq": int, "facts": dict}.get(field.name, str) for field in fields(Entry)}


class Ledger:
    """The ledger in one file, for any number of processes at once.

    Args:
        path: The file; it and its folder are made by the first `append`.
        redact: Takes secrets out of a text; applied to every string in the facts.
    """

    def __init__(self, path: Path, *, redact: Callable[[str], str] = str) -> None:
        """See the class."""
        self._path, self._redact = path, redact

    def append(self, event: str, *, at: datetime, run_id: str, facts: Mapping[str, JsonValue]) -> Entry:
        """Add one entry, on the disk when this returns; a torn last line is healed first.

        Raises:
            TypeError: The facts hold what JSON cannot; nothing was written.
            OperatorMustAct: The end of the ledger was changed after it was written; nothing was written.
            RetryLater: Another process kept the ledger for longer than one should.
            OSError: The disk is full, or the folder is not writable; at worst a torn line is left, to be healed.
        """
        clean = self._jsonable(facts)
        with self._locked(), self._open() as file:
            last, _ = self._heal(file, at=at)
            entry = _chained(last, event=event, run_id=run_id, at=at, facts=clean)
            _put(file, file.seek(0, os.SEEK_END), _line_of(entry) + b"\n")
        return entry

    def heal(self, *, at: datetime) -> Entry | None:
        """Repair a last line that a kill or a power cut left without its end.

        A whole entry that lacks nothing but its newline gets that. Anything else is cut off, and kept as text in a
        `healed` entry.

        Returns:
            The `healed` entry, None where nothing had to be cut off.

        Raises:
            OperatorMustAct, RetryLater, OSError: See `append`.
        """
        if not self._path.exists():
            return None
        with self._locked(), self._open() as file:
            return self._heal(file, at=at)[1]

    def entries(self) -> Iterator[Entry]:
        """Give all entries, oldest first, each checked; a torn last line is passed over, for `heal` to repair.

        Raises:
            OperatorMustAct: A line does not fit its hash or the line before it.
        """
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            older = None
            for number, raw in enumerate(file, start=1):
                try:
                    entry = _entry(raw.removesuffix(b"\n"))
                    _check_link(entry, older)
                except _Misfit as misfit:
                    if raw.endswith(b"\n") or misfit.is_link:
                        raise self._changed(number, misfit) from None
                    return
                yield entry
                if not raw.endswith(b"\n"):
                    return  # What follows was appended only now.
                older = entry

    def backwards(self) -> Iterator[Entry]:
        """Give all entries, newest first, each checked; reads no more of the file than is asked for.

        Raises:
            OperatorMustAct: A line does not fit its hash or the line before it.
        """
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            yield from self._backwards(file)

    def unfinished(self) -> list[Entry]:
        """Give the `start` entries without an `end` or `crashed` entry, oldest first.

        Looks back as far as the first run that did end: before a run starts, it has marked all earlier ones.
        """
        over: set[str] = set()
        found: list[Entry] = []
        for entry in self.backwards():
            if entry.event in {"end", "crashed"}:
                over.add(entry.run_id)
            elif entry.event == "start":
                if entry.run_id in over:
                    break
                found.append(entry)
        return found[::-1]

    def last_watermark(self) -> datetime | None:
        """Give the newest watermark that a successful run left, or that a reset or a first run set."""
        for entry in self.backwards():
            if entry.event in {"reset", "first-run"} or (entry.event == "end" and entry.facts.get("status") == "ok"):
                match entry.facts:
                    case {"watermark": {"after": str(text)}} | {"watermark": str(text)}:
                        return clock.parse(text)
        return None

    def _heal(self, file: BinaryIO, *, at: datetime) -> tuple[Entry | None, Entry | None]:
        """Give the last entry, and that again where it is a `healed` one that this call wrote."""
        begin, tail = next(_lines_backwards(file))
        last = next(self._backwards(file), None)
        if not tail:
            return last, None
        if _is_entry(tail):
            _put(file, begin + len(tail), b"\n")
            return last, None
        facts = self._jsonable({"text": tail.decode(errors="replace"), "bytes": len(tail)})
        healed = _chained(last, event="healed", run_id="", at=at, facts=facts)
        # Over the torn text, which stays on the disk until this line stands: a kill in between loses nothing.
        _put(file, begin, _line_of(healed) + b"\n")
        return healed, healed

    def _backwards(self, file: BinaryIO) -> Iterator[Entry]:
        lines = _lines_backwards(file)
        begin, tail = next(lines)
        newer = _entry(tail) if _is_entry(tail) else None
        for older_begin, raw in lines:
            with self._blaming(file, older_begin):
                older = _entry(raw)
            if newer is not None:
                with self._blaming(file, begin):
                    _check_link(newer, older)
                yield newer
            newer, begin = older, older_begin
        if newer is not None:
            with self._blaming(file, begin):
                _check_link(newer, None)
            yield newer

    @contextmanager
    def _blaming(self, file: BinaryIO, begin: int) -> Iterator[None]:
        """Name the line that begins at `begin`, which nobody has counted on the way backwards."""
        try:
            yield
        except _Misfit as misfit:
            raise self._changed(_line_number(file, begin), misfit) from None

    def _jsonable(self, facts: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Redact the facts and bring them into the form in which they will be read again."""
        try:
            clean: dict[str, Any] = orjson.loads(_canonical(_cleaned(facts, self._redact)))
        except RecursionError as error:
            msg = "the facts hold themselves, or are nested too deeply"
            raise TypeError(msg) from error
        return clean

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self._path}.lock", timeout=_LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout as error:
            msg = (
                f"Another process has been writing to {self._path} for {_LOCK_SECONDS:.0f} s.\n"
                "Nothing was written. The next run tries again; `futurscam status` shows who is running."
            )
            raise RetryLater(msg) from error
        try:
            yield
        finally:
            lock.release()

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("r+b")
        except FileNotFoundError:
            file = self._path.open("x+b")
            sync_folder(self._path.parent)
            return file

    def _changed(self, number: int, misfit: _Misfit) -> OperatorMustAct:
        return OperatorMustAct(
            f"{self._path}, line {number}: {misfit}.\n"
            "The ledger was changed after it was written (by hand, by a program, by a broken disk), so it no longer "
            "proves what the runs did. It was left as it is.\n"
            "Restore it from a backup, or keep it under another name: the next run then begins a new one."
        )


class _Misfit(ValueError):
    """A line is not what the ledger writes there."""

    def __init__(self, message: str, *, is_link: bool = False) -> None:
        super().__init__(message)
        self.is_link = is_link


def _entry(raw: bytes) -> Entry:
    """Read one line, without its newline."""
    try:
        content = orjson.loads(raw)
    except ValueError:
        raise _Misfit("it is not JSON") from None
    if not isinstance(content, dict) or {name: type(value) for name, value in content.items()} != _TYPES:
        raise _Misfit("it is not an entry of a ledger")
    entry = Entry(**content)
    if _hash_of(content) != entry.hash:
        raise _Misfit("the hash does not fit its content")
    if _line_of(entry) != raw:
        raise _Misfit("the content fits its hash, but is not written as the ledger writes it")
    return entry


def _is_entry(raw: bytes) -> bool:
    try:
        _entry(raw)
    except _Misfit:
        return False
    return True


def _check_link(entry: Entry, older: Entry | None) -> None:
    due = older.seq + 1 if older else 1
    if entry.seq != due:
        raise _Misfit(f"its number is {entry.seq} where {due} is due", is_link=True)
    if entry.prev != (older.hash if older else _NO_PREV):
        raise _Misfit("it does not continue the line before it", is_link=True)


def _chained(last: Entry | None, *, event: str, run_id: str, at: datetime, facts: dict[str, Any]) -> Entry:
    content: dict[str, Any] = {
        "seq": last.seq + 1 if last else 1,
        "event": event,
        "run_id": run_id,
        "at": clock.to_text(at),
        "facts": facts,
        "prev": last.hash if last else _NO_PREV,
    }
    return Entry(**content, hash=_hash_of(content))


def _hash_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical({name: content[name] for name in _TYPES if name != "hash"})).hexdigest()


def _line_of(entry: Entry) -> bytes:
    return _canonical({name: getattr(entry, name) for name in _TYPES})


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


def _put(file: BinaryIO, begin: int, data: bytes) -> None:
    """Write `data` from `begin` on, make it the file's end, wait for the disk."""
    file.seek(begin)
    file.write(data)
    file.flush()
    file.truncate(begin + len(data))
    os.fsync(file.fileno())


def _lines_backwards(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Give each line and where it begins, newest first; the first given follows the last newline, often empty."""
    begin, rest = file.seek(0, os.SEEK_END), b""
    while begin > 0:
        # A line longer than a block is met in steps that double, so that it is not copied once a block.
        step = min(max(_BLOCK, len(rest)), begin)
        begin -= step
        file.seek(begin)
        rest, *lines = (file.read(step) + rest).split(b"\n")
        line_end = begin + len(rest) + sum(len(line) + 1 for line in lines)
        for line in reversed(lines):
            yield line_end - len(line), line
            line_end -= len(line) + 1
    yield begin, rest


def _line_number(file: BinaryIO, begin: int) -> int:
    file.seek(0)
    newlines = 0
    while (left := begin - file.tell()) > 0 and (block := file.read(min(_BLOCK, left))):
        newlines += block.count(b"\n")
    return newlines + 1
