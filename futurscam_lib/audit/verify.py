"""Checks that the audit log is intact: every line of the ledger, every notebook, and no other file."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.continuity import Continuity
from futurscam_lib.audit.entries import implausible, malformed
from futurscam_lib.audit.hours import page_of
from futurscam_lib.audit.lines import Fault, read_lines
from futurscam_lib.audit.runs_folder import ExpectedNotebooks, FolderFile, check_folder
from futurscam_lib.audit.seal import HEAD, KEY, EndCheck, Seal, SealCheck
from futurscam_lib.errors import ExitCode, FuturscamError, OperatorMustAct
from futurscam_lib.report import terminal
from futurscam_lib.report.text import size
from futurscam_lib.run_ids import BY_HAND
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.audit.continuity import Jump
    from futurscam_lib.audit.entries import LedgerEntry
    from futurscam_lib.load.collections import Documents
    from futurscam_lib.settings import Settings

_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """A change of the audit log, or a note for the reviewer.

    Attributes:
        place: The file, and the line if it is the ledger: `ledger.jsonl, line 12`.
        what: What is wrong, a sentence.
        serious: Whether something was changed, removed or inserted, or time was skipped.
    """

    place: str
    what: str
    serious: bool = True


@dataclass(slots=True)
class Verified:
    """The result of `verify`.

    Attributes:
        findings: All findings; those of the ledger first, in its order.
        lines, runs, notebooks, size: How much was checked: lines of the ledger, runs, notebooks and their bytes.
        sealed: Lines that have a MAC.
        key: Whether the MACs could be checked.
        unanswered: Why MongoDB could not be queried; empty if it answered, or was not queried.
    """

    findings: list[AuditFinding] = field(default_factory=list)
    lines: int = 0
    runs: int = 0
    notebooks: int = 0
    size: int = 0
    sealed: int = 0
    key: bool = False
    unanswered: str = ""

    @property
    def serious(self) -> list[AuditFinding]:
        """The findings that need action."""
        return [finding for finding in self.findings if finding.serious]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        if self.serious:
            return ExitCode.OPERATOR_MUST_ACT
        return ExitCode.RETRY_LATER if self.unanswered else ExitCode.DONE

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `ok` is null if the only problem is that MongoDB did not answer."""
        return {**asdict(self), "ok": False if self.serious else None if self.unanswered else True}

    def report(self) -> Iterator[str]:
        """For a terminal: a line for each finding, then what was checked."""
        findings = sorted(self.findings, key=lambda finding: not finding.serious)
        for item in findings[:_SHOWN]:
            yield terminal.plain(f"{'wrong' if item.serious else 'note '}  {item.place}: {item.what}").replace(
                "\n", " "
            )
        if len(findings) > _SHOWN:
            yield f"{_SHOWN} of {len(findings):,} findings shown; --json shows all."
        yield (
            f"Checked: {_many(self.lines, 'line')} of the ledger, {_many(self.runs, 'run')}, "
            f"{_many(self.notebooks, 'notebook')} ({size(self.size)})."
        )
        if self.sealed and not self.key:
            yield (
                f"Sealed: {_many(self.sealed, 'line')}; {KEY} is not set, so the seals were not checked, and a ledger "
                "that was rewritten as a whole would not be detected."
            )
        elif self.sealed:
            yield f"Sealed: {_many(self.sealed, 'line')}."
        if self.unanswered:
            yield f"MongoDB could not be asked: {self.unanswered}"
        if self.serious:
            yield f"Problems: {len(self.serious):,}."
        elif not self.unanswered:
            yield "The audit log is intact."


def verify(settings: Settings, *, now: datetime, active: str = "", documents: bool = False) -> Verified:
    """Check the whole audit log. Read-only.

    Args:
        settings: Of the home.
        now: The present instant, aware, UTC.
        active: The run that holds the lock now; empty if none.
        documents: Also query MongoDB for the runs that loaded its documents; this detects that an old ledger was put
            back, because the documents still name the later runs.
    """
    check = _Verification(settings, now=now, active=active)
    if documents:
        try:
            check.check_documents()
        except FuturscamError as error:
            # The findings about the files are reported anyway.
            check.result.unanswered = str(error)
    return check.result


class _Verification:
    """One pass over the ledger and one over the folder."""

    def __init__(self, settings: Settings, *, now: datetime, active: str) -> None:
        self._settings, self._now, self._active = settings, now, active
        self._seal = Seal.of(settings)
        self.result = Verified(key=self._seal is not None)
        self._notebooks = ExpectedNotebooks()
        self._continuity = Continuity(settings.sources)
        self._open: dict[str, int] = {}
        self._runs: set[str] = {active}
        self._has_bad_line = False
        # In this order: if a run ends meanwhile, its files are newer than what was read before.
        watermark = self._read_watermark()
        self._check_ledger()
        self._report_unfinished()
        self._check_folder()
        self._check_watermark(watermark)

    def check_documents(self) -> None:
        """Report runs that loaded documents but are not in the ledger."""
        named = list(runs_in_mongodb(self._settings))
        later = {expected.run_id for expected in self._notebooks_by_now().by_name.values()}
        aside = _runs_in_other_ledgers(self._settings, self._seal)
        for ledger in sorted({aside[run_id] for _, run_id, _ in named if run_id in aside.keys() - self._runs - later}):
            what = "This ledger was put aside; it has runs that loaded documents and that the current ledger lacks."
            self._add(ledger, what, serious=False)
        for place, run_id, count in named:
            if run_id not in self._runs | later | aside.keys():
                what = (
                    f"{run_id} is named {count:,} time(s), and the ledger does not know it: its lines were removed, or "
                    "another home loads into this database."
                )
                self._add(place, what)

    def _check_ledger(self) -> None:
        path = self._settings.ledger_file
        end, seals = EndCheck(path, self._seal), SealCheck(self._seal)
        for number, entry in read_lines(path, self._bad_line):
            self.result.lines = number
            end.see(number, entry)
            seals.see(number, entry)
            self._continuity.see(entry)
            self._notebooks.see(entry)
            self._check_entry(number, entry)
        self.result.sealed = seals.sealed
        for fault in [*end.faults(), *seals.faults()]:
            self._add_fault(fault)
        if seals.since and self._seal and not seals.faults():
            self._note(seals.since, "From here on the ledger is sealed with the key; this line covers all before it.")

    def _check_entry(self, number: int, entry: LedgerEntry) -> None:
        if problem := malformed(entry) or implausible(entry):
            self._add_fault(Fault(number, problem))
        if entry.event == "start":
            self.result.runs += 1
            if not page_of(entry.run_id):
                self._add_fault(Fault(number, f"{entry.run_id!r:.100} is not a valid run_id"))
            self._runs.add(entry.run_id)
            if entry.run_id in self._open:
                self._add_fault(Fault(number, f"{entry.run_id} starts a second time"))
            self._open[entry.run_id] = number
        elif entry.event in {"end", "crashed"}:
            if self._open.pop(entry.run_id, None) is None and not self._has_bad_line:
                self._add_fault(Fault(number, f"{entry.run_id} ends, but no line says that it started"))
        elif entry.event == "healed":
            self._note(number, "A line that a kill or a power cut left torn was cut off; its text is kept here.")

    def _report_unfinished(self) -> None:
        for run_id, number in self._open.items():
            if run_id == self._active:
                self._note(number, f"{run_id} is active.")
            elif self._has_bad_line:
                self._note(number, f"{run_id} started, and no readable line says how it ended.")
            else:
                self._note(number, f"{run_id} started and never ended: it was killed, or the machine went down.")

    def _check_folder(self) -> None:
        doubtful: list[FolderFile] = []
        try:
            for file in check_folder(self._settings.runs, self._notebooks, active=self._active):
                self.result.notebooks += file.is_notebook
                self.result.size += file.size
                if file.is_foreign or file.is_missing:
                    doubtful.append(file)
                elif file.problem:
                    self._add_file(file)
        except OSError as error:
            self._add(self._settings.runs.name, f"It cannot be read ({error}).")
        later = self._notebooks_by_now() if doubtful else self._notebooks
        for file in doubtful:
            gone = file.is_foreign and not os.path.lexists(self._settings.runs / file.name)
            if not gone and not later.explains(file):
                self._add_file(file)

    def _notebooks_by_now(self) -> ExpectedNotebooks:
        """The notebooks in the ledger now, including changes since it was first read."""
        later = ExpectedNotebooks()
        for _, entry in read_lines(self._settings.ledger_file, lambda _: None):
            later.see(entry)
        return later

    def _read_watermark(self) -> datetime | None:
        file = self._settings.watermark_file
        try:
            return Watermark(file).read(now=self._now)
        except OperatorMustAct as error:
            self._add(file.name, str(error).replace("\n", " "))
            return None

    def _check_watermark(self, watermark: datetime | None) -> None:
        file = self._settings.watermark_file
        if watermark is not None and not self.result.lines and not self._has_bad_line:
            what = (
                f"It says that everything was read until {clock.to_people(watermark)}, but the ledger has no run: "
                f"{self._settings.runs} was removed or put aside, or the file was written by hand."
            )
            self._add(file.name, what)
        self._continuity.find(watermark)
        for jump in self._continuity.jumps:
            if not jump.line and self._active:
                # The run may have moved it; once it has ended this can be checked.
                what = (
                    f"It says {clock.to_people(jump.after)}, the ledger {clock.to_people(jump.before)}; this is not "
                    f"checked while {self._active} is active."
                )
                self._add(file.name, what, serious=False)
                continue
            place = self._line(jump.line) if jump.line else file.name
            self._add(place, _about_jump(jump), serious=jump.missing is not None)
        for line, what in self._continuity.notes():
            self._note(line, what)

    def _bad_line(self, fault: Fault) -> None:
        """Report a bad line once; its missing content is not reported again for the following lines."""
        self._has_bad_line, self._continuity.standing = True, None
        self._add_fault(fault)

    def _add_fault(self, fault: Fault) -> None:
        if fault.torn:
            self._note(fault.line, "The line is incomplete, as a power cut leaves it; the next run keeps its text.")
        else:
            self._add(self._line(fault.line), _sentence(fault.what))

    def _add_file(self, file: FolderFile) -> None:
        self._add(f"{self._settings.runs.name}/{file.name}", file.problem, serious=file.serious)

    def _note(self, line: int, what: str) -> None:
        self._add(self._line(line), what, serious=False)

    def _add(self, place: str, what: str, *, serious: bool = True) -> None:
        self.result.findings.append(AuditFinding(place, what, serious))

    def _line(self, number: int) -> str:
        return f"{self._settings.ledger_file.name}, line {number}"


def runs_in_mongodb(settings: Settings) -> Iterator[tuple[str, str, int]]:
    """Each headless run that a collection names: the collection, the run_id, and how many documents name it.

    Raises:
        RetryLater, OperatorMustAct: MongoDB does not answer, or refuses.
    """
    from futurscam_lib.load import mongo
    from futurscam_lib.load.collections import Collections

    with mongo.connect(settings) as client, mongo.mongo_errors():
        collections = Collections.of(client[settings.database])
        for collection, name in (
            (collections.rfps, "_etl.first_run_id"),
            (collections.rfps, "_etl.run_id"),
            (collections.outcomes, "run_id"),
        ):
            yield from _runs_in(collection, name)


def _runs_in(collection: Documents, name: str) -> Iterator[tuple[str, str, int]]:
    pipeline: list[dict[str, Any]] = [{"$group": {"_id": f"${name}", "count": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
    for group in collection.aggregate(pipeline):
        if isinstance(group["_id"], str) and not group["_id"].startswith(BY_HAND):
            yield f"MongoDB, {collection.name}.{name}", group["_id"], group["count"]


def _runs_in_other_ledgers(settings: Settings, seal: Seal | None) -> dict[str, str]:
    """The runs of ledgers that were put aside (`runs-old/ledger.jsonl`), each with the path of its ledger."""
    runs: dict[str, str] = {}
    for path in sorted(settings.home.glob(f"{settings.runs.name}*/{settings.ledger_file.name}")):
        if path != settings.ledger_file:
            runs.update(dict.fromkeys(_trusted_runs(path, seal), path.relative_to(settings.home).as_posix()))
    return runs


def _trusted_runs(ledger: Path, seal: Seal | None) -> Iterator[str]:
    """The runs of a ledger; with a key, only those up to the last sealed line, because others could be forged."""
    waiting: list[str] = []
    for _, entry in read_lines(ledger, lambda _: waiting.clear()):
        waiting.append(entry.run_id)
        if seal is None or seal.fits_line(entry.hash, entry.mac):
            yield from waiting
            waiting.clear()


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _about_jump(jump: Jump) -> str:
    before, after = clock.to_people(jump.before), clock.to_people(jump.after)
    moved = f"The watermark had been left at {before} and was found at {after}"
    if not jump.is_gap:
        return f"{moved}: that time is read twice, which doubles nothing."
    if jump.missing is None:
        return f"{moved}; {jump.how_read}."
    remedy = f"futurscam run --since {clock.to_text(jump.missing[0])}"
    return f"{moved}, but no run has read the time between. To read it: {remedy}"


def _sentence(clause: str) -> str:
    # The name of a file keeps its spelling.
    return f"{clause}." if clause.startswith(HEAD) else f"{clause[:1].upper()}{clause[1:]}."
