"""The ledger `runs/ledger.jsonl`: what each run did, one line an entry, chained by hash.

A line is compact JSON with sorted keys. `hash` is the SHA-256 of the line without `hash`, `prev` the hash of the line
before, so a line that was changed, moved, added or taken out later shows. That its last lines were taken off shows by
the head, and that all of it was written anew by the MACs of `seal`, where the ledger has a key.

Events: `start`, `end`, `crashed` (a start that was found without its end; it carries the run_id of that run), `healed`,
`reset`, `first-run`, `pruned` (notebooks that were removed because of their age), `sealed` (from here on by a new key).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import structlog
from filelock import FileLock, Timeout

from futurscam_lib.audit import head as heads
from futurscam_lib.audit.continuity import instant, is_dry
from futurscam_lib.audit.entry import (
    NO_PREV,
    Entry,
    JsonValue,
    Misfit,
    chained,
    check_link,
    is_entry,
    jsonable,
    line_of,
    read_entry,
)
from futurscam_lib.audit.lines import SealCheck, number_at, opened, raw_backwards
from futurscam_lib.audit.seal import Seal
from futurscam_lib.errors import OperatorMustAct, RetryLater, UsageError
from futurscam_lib.files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.settings import Settings

__all__ = ["Entry", "JsonValue", "Ledger"]

_log = structlog.get_logger()

_LOCK_SECONDS: Final = 30.0
"""Appending takes milliseconds; who waits longer meets a process that was suspended while it wrote."""


class Ledger:
    """The ledger in one file, for any number of processes at once.

    Args:
        path: The file; it and its folder are made by the first `append`.
        redact: Takes secrets out of a text; applied to every string in the facts.
        seal: Made of the ledger's key; None: it has none. Reading needs none.
    """

    def __init__(self, path: Path, *, redact: Callable[[str], str] = str, seal: Seal | None = None) -> None:
        """See the class."""
        self._path, self._redact, self._sealing = path, redact, seal

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @classmethod
    def of(cls, settings: Settings) -> Ledger:
        """That of the configured home, to write in."""
        key = settings.ledger_key
        return cls(
            settings.ledger_file,
            redact=settings.redactor(),
            seal=Seal(key.get_secret_value()) if key else None,
        )

    def append(self, event: str, *, at: datetime, run_id: str, facts: Mapping[str, JsonValue]) -> Entry:
        """Add one entry, on the disk when this returns; a torn last line is healed first.

        Raises:
            TypeError: The facts hold what JSON cannot; nothing was written.
            OperatorMustAct: The end of the ledger was changed after it was written, or its key is missing or another;
                nothing was written. The disk is full, or the folder is not writable: at worst a torn line is left,
                to be healed.
            RetryLater: Another process kept the ledger for longer than one should.
        """
        clean = jsonable(facts, self._redact)
        with self._writing() as file:
            last, _ = self._heal(file, at=at)
            return self._add(file, last, event=event, at=at, run_id=run_id, facts=clean)

    def seal(self, *, at: datetime, facts: Mapping[str, JsonValue]) -> Entry:
        """Add the entry from which on the ledger is sealed with this key; what stands before it is sealed by it, too.

        Raises:
            UsageError: There is nothing to seal, or it is sealed with this key already.
            OperatorMustAct, RetryLater: See `append`. A line was changed; or the key is not new, and what stands after
                the lines that it sealed is not sealed with it, which the new entry would cover.
        """
        clean = jsonable(facts, self._redact)
        if next(self.backwards(), None) is None:
            raise UsageError("There is no line to seal yet; the first run seals what it writes.")
        with self._writing() as file:
            self._check_new_key()
            last, _ = self._heal(file, at=at, sealing_anew=True)
            if last:  # Before the line, and without fail: a kill after it then leaves a head that has the key's seal.
                heads.write(self._path, last.seq, last.hash, seal=self._sealing)
            return self._add(file, last, event="sealed", at=at, run_id="", facts=clean)

    def heal(self, *, at: datetime) -> Entry | None:
        """Check all of it, see `check_all`, and repair a last line that a kill or a power cut left without its end.

        A whole entry that lacks nothing but its newline gets that. Anything else is cut off, and kept as text in a
        `healed` entry.

        Returns:
            The `healed` entry, None where nothing had to be cut off.

        Raises:
            OperatorMustAct, RetryLater: See `append`.
        """
        if not self._path.exists():
            return None
        with self._writing() as file:
            self.check_all()
            return self._heal(file, at=at)[1]

    def check(self) -> None:
        """Make sure that the next entry can be added; nothing is written.

        Raises:
            OperatorMustAct: The end of the ledger was changed or cut off, or is sealed with another key.
        """
        self._check_end()

    def check_all(self) -> None:
        """The same, and that every line is what was written: half a second for 20,000 lines.

        Raises:
            OperatorMustAct: It is not; the line is named.
        """
        self._check_end()
        with self._distrusting():
            for fault in self._seals().faults():
                raise heads.Doubt(f"line {fault.line}: {fault.what}")

    def entries(self) -> Iterator[Entry]:
        """Give all entries, oldest first, each checked; a torn last line is passed over, for `heal` to repair.

        Raises:
            OperatorMustAct: A line does not fit its hash or the line before it.
        """
        file = self._opened()
        if file is None:
            return
        with file:
            older = None
            for number, raw in enumerate(file, start=1):
                try:
                    entry = read_entry(raw.removesuffix(b"\n"))
                    check_link(entry, older)
                except Misfit as misfit:
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
        file = self._opened()
        if file is None:
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
        """Give the watermark of which an entry told last, whatever became of its run; dry runs have none."""
        for entry in self.backwards():
            told = entry.facts.get("watermark")
            at = instant((told.get("after") or told.get("before")) if isinstance(told, dict) else told)
            # Without a watermark a dry run begins an hour back, and sets none.
            if at is not None and not is_dry(entry):
                return at
        return None

    def _add(
        self, file: BinaryIO, last: Entry | None, *, event: str, at: datetime, run_id: str, facts: dict[str, Any]
    ) -> Entry:
        entry = chained(last, event=event, run_id=run_id, at=at, facts=facts, seal=self._sealing)
        _put(file, file.seek(0, os.SEEK_END), line_of(entry) + b"\n")
        self._write_head(entry)
        return entry

    def _write_head(self, entry: Entry) -> None:
        try:
            heads.write(self._path, entry.seq, entry.hash, seal=self._sealing)
        except PermissionError as error:
            # The line stands, and a head that is behind is as good as none: the next line's will do. On Windows a
            # virus scanner can keep the file for long.
            _log.warning("ledger head not written", reason=str(error))

    def _heal(self, file: BinaryIO, *, at: datetime, sealing_anew: bool = False) -> tuple[Entry | None, Entry | None]:
        """Give the last entry, and that again where it is a `healed` one that this call wrote."""
        begin, tail = next(raw_backwards(file))
        last = self._check_end(sealing_anew=sealing_anew)
        if not tail:
            return last, None
        if is_entry(tail):
            _put(file, begin + len(tail), b"\n")
            return last, None
        facts = jsonable({"text": tail.decode(errors="replace"), "bytes": len(tail)}, self._redact)
        # By a new key not yet: should a kill come before the entry that adopts it, it still counts as new.
        seal = None if sealing_anew else self._sealing
        healed = chained(last, event="healed", run_id="", at=at, facts=facts, seal=seal)
        # Over the torn text, which stays on the disk until this line stands: a kill in between loses nothing.
        _put(file, begin, line_of(healed) + b"\n")
        self._write_head(healed)
        return healed, healed

    def _begin(self) -> None:
        """Write the head of a ledger without lines, so that a kill at its first line leaves no line without a head.

        Raises:
            OperatorMustAct: There is the head of one that had lines.
        """
        with self._distrusting():
            head = heads.read(self._path)
            heads.check_end(head, None)
        if head is None:
            heads.write(self._path, 0, NO_PREV, seal=self._sealing)

    def _check_end(self, *, sealing_anew: bool = False) -> Entry | None:
        """Make sure that the last entry, which is given, is the one that was written last.

        Raises:
            OperatorMustAct: It is not, or cannot be known to be.
        """
        with self._distrusting():
            # Before the lines: another process may add one meanwhile, and write its head.
            head = heads.read(self._path)
            last = next(self.backwards(), None)
            heads.check_end(head, last)
            if head and last and 0 < head.seq < last.seq - 1:  # Heads could not be written; the line is there still.
                heads.check_end(head, next(one for one in self.backwards() if one.seq == head.seq))
            if not sealing_anew:
                heads.check_seal(head, last, self._sealing)
            return last

    def _seals(self) -> SealCheck:
        """What the seals of all lines say; each line, and that which the head names, is checked on the way."""
        head, seals = heads.read(self._path), SealCheck(self._sealing)
        for entry in self.entries():
            seals.see(entry.seq, entry)
            if head and entry.seq == head.seq:
                heads.check_end(head, entry)
        return seals

    def _check_new_key(self) -> None:
        """Refuse a key that sealed lines already: an entry that adopts it would cover what was forged since.

        Raises:
            UsageError: All lines after those are sealed with it, too.
            OperatorMustAct: They are not, or the ledger was changed otherwise.
        """
        with self._distrusting():
            seals = self._seals()
            seals.check_new_key()
        if seals.first:
            self._check_end()
            raise UsageError("The ledger is sealed with this key already; nothing was written.")

    @contextmanager
    def _distrusting(self) -> Iterator[None]:
        try:
            yield
        except heads.Doubt as doubt:
            raise OperatorMustAct(f"{self._path}: {doubt}.\nNothing was written. {doubt.remedy}") from doubt
        except OSError as error:
            raise OperatorMustAct(
                f"{self._path} cannot be read ({error.strerror or error}).\n"
                "Nothing was written. Give the right to read it, or put back the file that belongs there."
            ) from error

    def _opened(self) -> BinaryIO | None:
        with self._distrusting():
            return opened(self._path)

    def _backwards(self, file: BinaryIO) -> Iterator[Entry]:
        lines = raw_backwards(file)
        begin, tail = next(lines)
        newer = read_entry(tail) if is_entry(tail) else None
        for older_begin, raw in lines:
            with self._blaming(file, older_begin):
                older = read_entry(raw)
            if newer is not None:
                with self._blaming(file, begin):
                    check_link(newer, older)
                yield newer
            newer, begin = older, older_begin
        if newer is not None:
            with self._blaming(file, begin):
                check_link(newer, None)
            yield newer

    @contextmanager
    def _blaming(self, file: BinaryIO, begin: int) -> Iterator[None]:
        """Name the line that begins at `begin`, which nobody has counted on the way backwards."""
        try:
            yield
        except Misfit as misfit:
            raise self._changed(number_at(file, begin), misfit) from None

    @contextmanager
    def _writing(self) -> Iterator[BinaryIO]:
        """The file, for this process alone; a new one where there is none."""
        try:
            with self._locked():
                if not self._path.exists():
                    self._begin()
                with self._open() as file:
                    yield file
        except OSError as error:
            raise OperatorMustAct(
                f"{self._path} could not be written ({error.strerror or error}).\n"
                "What stood in it stands. A run that it does not know to have ended counts as crashed, and what that "
                "run read is read again. Make room, or give the right to write it."
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
                "Nothing was written. The next run tries again; `futurscam status` shows who is running."
            )
            raise RetryLater(msg) from error
        try:
            yield
        finally:
            lock.release()

    def _open(self) -> BinaryIO:
        if self._path.exists() and not self._path.is_file():
            msg = "it is no file"
            raise OSError(msg)
        try:
            return self._path.open("r+b")
        except FileNotFoundError:
            file = self._path.open("x+b")
            sync_folder(self._path.parent)
            return file

    def _changed(self, number: int, misfit: Misfit) -> OperatorMustAct:
        return OperatorMustAct(
            f"{self._path}, line {number}: {misfit}.\n"
            "The ledger was changed after it was written (by hand, by a program, by a broken disk), so it no longer "
            f"proves what the runs did. It was left as it is.\n{heads.RESTORE}"
        )


def _put(file: BinaryIO, begin: int, data: bytes) -> None:
    """Write `data` from `begin` on, make it the file's end, wait for the disk."""
    file.seek(begin)
    file.write(data)
    file.flush()
    file.truncate(begin + len(data))
    os.fsync(file.fileno())
