"""The ledger `runs/ledger.jsonl`: what each run did, one line per entry, chained by hash.

A line is compact JSON with sorted keys. `hash` is the SHA-256 of the line without `hash`, `prev` the hash of the line
before, so a line that was changed, moved, added or removed later is detected. Lines cut off the end are detected by the
head, and a ledger that was rewritten by its MACs, if it has a key: see `seal`.

Events: `start`, `end`, `crashed` (a start without an end, with the run_id of that run), `healed`, `reset`,
`first-run`, `pruned` (notebooks were removed because of their age), `sealed` (from here on a new key is used).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import structlog
from filelock import FileLock, Timeout

from futurscam_lib.audit.continuity import instant, is_dry
from futurscam_lib.audit.entries import NO_PREV, JsonValue, LedgerEntry, chained, is_entry, jsonable, line_of
from futurscam_lib.audit.lines import BadLine, Fault, open_ledger, raw_backwards, read_backwards, read_forwards
from futurscam_lib.audit.seal import (
    RESTORE,
    Doubt,
    Seal,
    SealCheck,
    check_end,
    check_seal,
    read_head,
    write_head,
)
from futurscam_lib.errors import OperatorMustAct, RetryLater, UsageError
from futurscam_lib.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.settings import Settings

__all__ = ["JsonValue", "Ledger", "LedgerEntry"]

_log = structlog.get_logger()

_LOCK_SECONDS: Final = 30.0
"""Appending takes milliseconds; a process that holds the lock for longer was suspended while it wrote."""


class Ledger:
    """The ledger in one file, for any number of processes at once.

    Args:
        path: The file; the first `append` creates it and its folder.
        redact: Removes secrets from a text; applied to every string in the facts.
        seal: Made from the ledger's key; None: it has none. Reading needs none.
    """

    def __init__(self, path: Path, *, redact: Callable[[str], str] = str, seal: Seal | None = None) -> None:
        """See the class."""
        self._path, self._redact, self._key_seal = path, redact, seal

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @classmethod
    def of(cls, settings: Settings) -> Ledger:
        """The ledger of the configured home, to append to."""
        return cls(settings.ledger_file, redact=settings.redactor(), seal=Seal.of(settings))

    def append(self, event: str, *, at: datetime, run_id: str, facts: Mapping[str, JsonValue]) -> LedgerEntry:
        """Add one entry, durably on disk when this returns; repairs a torn last line first.

        Args:
            event: See the module.
            at: When it happened; aware.
            run_id: The run that it is about; empty if none.
            facts: What to record.

        Raises:
            TypeError: The facts contain something that JSON cannot hold; nothing was written.
            OperatorMustAct: The end of the ledger was changed after it was written, or its key is missing or another
                one; nothing was written. Or the disk is full, or the folder is not writable: at worst a torn line is
                left, which is repaired later.
            RetryLater: Another process held the ledger for too long.
        """
        clean = jsonable(facts, self._redact)
        with self._writing() as file:
            last, _ = self._heal(file, at=at)
            return self._add(file, last, event=event, at=at, run_id=run_id, facts=clean)

    def seal(self, *, at: datetime, facts: Mapping[str, JsonValue]) -> LedgerEntry:
        """Add the entry from which on this key seals the ledger; its MAC covers everything before it, too.

        Raises:
            UsageError: The ledger is empty, or this key seals it already.
            OperatorMustAct, RetryLater: See `append`. Also if a line was changed; or if the key is not new and a later
                line is not sealed with it, which the new entry would cover.
        """
        clean = jsonable(facts, self._redact)
        if next(self.backwards(), None) is None:
            raise UsageError("There is no line to seal yet; the first run seals what it writes.")
        with self._writing() as file:
            self._check_new_key()
            last, _ = self._heal(file, at=at, new_key=True)
            if last:  # Before the line, and it must succeed: a kill after it then leaves a head with the key's MAC.
                write_head(self._path, last.seq, last.hash, seal=self._key_seal)
            return self._add(file, last, event="sealed", at=at, run_id="", facts=clean)

    def heal(self, *, at: datetime) -> LedgerEntry | None:
        """Check every line, and repair a last line that a kill or a power cut left torn.

        A whole entry that only lacks its newline gets one. Anything else is cut off and kept as text in a `healed`
        entry. Checking takes half a second for 20,000 lines.

        Returns:
            The `healed` entry; None if nothing had to be cut off.

        Raises:
            OperatorMustAct, RetryLater: See `append`. Also if a line was changed; the message names it.
        """
        if not self._path.exists():
            return None
        with self._writing() as file:
            self._check_end()
            with self._explaining_doubt():
                for fault in self._check_seals().faults():
                    raise Doubt(f"line {fault.line}: {fault.what}")
            return self._heal(file, at=at)[1]

    def check(self) -> None:
        """Check that an entry can be appended. Read-only.

        Raises:
            OperatorMustAct: The end of the ledger was changed or cut off, or is sealed with another key.
        """
        self._check_end()

    def entries(self) -> Iterator[LedgerEntry]:
        """Yield all entries, oldest first, each checked; skips a torn last line, which `heal` repairs.

        Raises:
            OperatorMustAct: A line does not match its hash or the line before it.
        """
        file = self._open_to_read()
        if file is not None:
            with file:
                yield from (entry for _, entry in read_forwards(file, self._refuse))

    def backwards(self) -> Iterator[LedgerEntry]:
        """Yield all entries, newest first, each checked; reads the file only as far as needed.

        Raises:
            OperatorMustAct: A line does not match its hash or the line before it.
        """
        file = self._open_to_read()
        if file is not None:
            with file:
                try:
                    yield from read_backwards(file)
                except BadLine as bad:
                    raise self._changed(bad.line, str(bad)) from None

    def unfinished(self) -> list[LedgerEntry]:
        """The `start` entries without an `end` or `crashed` entry, oldest first.

        Looks back to the first run that has an end: each run marks all earlier ones before it starts.
        """
        ended: set[str] = set()
        unfinished: list[LedgerEntry] = []
        for entry in self.backwards():
            if entry.event in {"end", "crashed"}:
                ended.add(entry.run_id)
            elif entry.event == "start":
                if entry.run_id in ended:
                    break
                unfinished.append(entry)
        return unfinished[::-1]

    def last_watermark(self) -> datetime | None:
        """The last watermark in the ledger, whatever the status of its run; dry runs are ignored."""
        for entry in self.backwards():
            fact = entry.facts.get("watermark")
            at = instant((fact.get("after") or fact.get("before")) if isinstance(fact, dict) else fact)
            # Without a watermark a dry run starts one hour back, and sets none.
            if at is not None and not is_dry(entry):
                return at
        return None

    def _add(
        self, file: BinaryIO, last: LedgerEntry | None, *, event: str, at: datetime, run_id: str, facts: dict[str, Any]
    ) -> LedgerEntry:
        entry = chained(last, event=event, run_id=run_id, at=at, facts=facts, seal=self._key_seal)
        _write(file, file.seek(0, os.SEEK_END), line_of(entry) + b"\n")
        self._write_head(entry)
        return entry

    def _write_head(self, entry: LedgerEntry) -> None:
        try:
            write_head(self._path, entry.seq, entry.hash, seal=self._key_seal)
        except PermissionError as error:
            # The line is written, and a head that is one line behind is valid; the next line writes the next head.
            # On Windows a virus scanner can keep the file open for long.
            _log.warning("ledger head not written", reason=str(error))

    def _heal(
        self, file: BinaryIO, *, at: datetime, new_key: bool = False
    ) -> tuple[LedgerEntry | None, LedgerEntry | None]:
        """Repair a torn last line.

        Returns:
            The last entry, and the `healed` entry if this call wrote one.
        """
        begin, tail = next(raw_backwards(file))
        last = self._check_end(new_key=new_key)
        if not tail:
            return last, None
        if is_entry(tail):
            _write(file, begin + len(tail), b"\n")
            return last, None
        facts = jsonable({"text": tail.decode(errors="replace"), "bytes": len(tail)}, self._redact)
        # Not with a new key yet: if a kill comes before the `sealed` entry, the key must still count as new.
        seal = None if new_key else self._key_seal
        healed = chained(last, event="healed", run_id="", at=at, facts=facts, seal=seal)
        # Over the torn text, which stays on disk until this line is written: a kill in between loses nothing.
        _write(file, begin, line_of(healed) + b"\n")
        self._write_head(healed)
        return healed, healed

    def _begin(self) -> None:
        """Write the head of an empty ledger, so that a kill at its first line leaves no line without a head.

        Raises:
            OperatorMustAct: There is the head of a ledger that had lines.
        """
        with self._explaining_doubt():
            head = read_head(self._path)
            check_end(head, None)
        if head is None:
            write_head(self._path, 0, NO_PREV, seal=self._key_seal)

    def _check_end(self, *, new_key: bool = False) -> LedgerEntry | None:
        """Check that the last entry is the one that was written last, and return it.

        Raises:
            OperatorMustAct: It is not, or this cannot be checked.
        """
        with self._explaining_doubt():
            # Before the lines: another process may append one meanwhile, and write its head.
            head = read_head(self._path)
            last = next(self.backwards(), None)
            check_end(head, last)
            if head and last and 0 < head.seq < last.seq - 1:  # Some heads could not be written; its line still exists.
                check_end(head, next(entry for entry in self.backwards() if entry.seq == head.seq))
            if not new_key:
                check_seal(head, last, self._key_seal)
            return last

    def _check_seals(self) -> SealCheck:
        """Check each line and the line that the head names, and return the check of the MACs of all lines."""
        head, seals = read_head(self._path), SealCheck(self._key_seal)
        for entry in self.entries():
            seals.see(entry.seq, entry)
            if head and entry.seq == head.seq:
                check_end(head, entry)
        return seals

    def _check_new_key(self) -> None:
        """Refuse a key that sealed lines already: an entry that adopts it would cover lines forged since.

        Raises:
            UsageError: All lines after those are sealed with it, too.
            OperatorMustAct: They are not, or the ledger was changed otherwise.
        """
        with self._explaining_doubt():
            seals = self._check_seals()
            seals.check_new_key()
        if seals.first:
            self._check_end()
            raise UsageError("The ledger is sealed with this key already; nothing was written.")

    @contextmanager
    def _explaining_doubt(self) -> Iterator[None]:
        try:
            yield
        except Doubt as doubt:
            raise OperatorMustAct(f"{self._path}: {doubt}.\nNothing was written. {doubt.remedy}") from doubt
        except OSError as error:
            raise OperatorMustAct(
                f"{self._path} cannot be read ({error.strerror or error}).\n"
                "Nothing was written. Give the right to read it, or put back the file that belongs there."
            ) from error

    def _open_to_read(self) -> BinaryIO | None:
        with self._explaining_doubt():
            return open_ledger(self._path)

    @contextmanager
    def _writing(self) -> Iterator[BinaryIO]:
        """The file, locked for this process; created if it does not exist."""
        try:
            with self._locked():
                if not self._path.exists():
                    self._begin()
                with self._open_to_write() as file:
                    yield file
        except OSError as error:
            raise OperatorMustAct(
                f"{self._path} could not be written ({error.strerror or error}).\n"
                "Its earlier lines are unchanged. A run whose end could not be written counts as crashed, and the next "
                "run reads the same window again. Make room, or give the right to write it."
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self._path}.lock", timeout=_LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout as error:
            msg = (
                f"Another process has been writing to {self._path} for {_LOCK_SECONDS:.0f} s.\n"
                "Nothing was written. The next run tries again; `futurscam status` shows which run is active."
            )
            raise RetryLater(msg) from error
        try:
            yield
        finally:
            lock.release()

    def _open_to_write(self) -> BinaryIO:
        if self._path.exists() and not self._path.is_file():
            msg = "it is not a file"
            raise OSError(msg)
        try:
            return self._path.open("r+b")
        except FileNotFoundError:
            file = self._path.open("x+b")
            sync_folder(self._path.parent)
            return file

    def _refuse(self, fault: Fault) -> None:
        if not fault.torn:
            raise self._changed(fault.line, fault.what)

    def _changed(self, number: int, what: str) -> OperatorMustAct:
        return OperatorMustAct(
            f"{self._path}, line {number}: {what}.\n"
            "The ledger was changed after it was written (by hand, by a program, by a broken disk), so it no longer "
            f"proves what the runs did. It was left as it is.\n{RESTORE}"
        )


def _write(file: BinaryIO, begin: int, data: bytes) -> None:
    """Write `data` at `begin`, make that the end of the file, and wait until it is on disk."""
    file.seek(begin)
    file.write(data)
    file.flush()
    file.truncate(begin + len(data))
    os.fsync(file.fileno())
