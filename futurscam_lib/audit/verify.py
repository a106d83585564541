"""Whether the audit log is what the runs left: every line of the ledger, every notebook, and nothing besides."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit import folder, shape
from futurscam_lib.audit import head as heads
from futurscam_lib.audit.continuity import Continuity
from futurscam_lib.audit.hours import page_of
from futurscam_lib.audit.lines import EndCheck, Fault, SealCheck, read_lines
from futurscam_lib.audit.seal import KEY, Seal
from futurscam_lib.errors import ExitCode, FuturscamError, OperatorMustAct
from futurscam_lib.report import terminal
from futurscam_lib.report.text import size
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from futurscam_lib.audit.continuity import Jump
    from futurscam_lib.audit.entry import Entry
    from futurscam_lib.settings import Settings

_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as the runs left it, or that a reviewer should know.

    Attributes:
        place: The file, and the line where it is the ledger's: `ledger.jsonl, line 12`.
        what: What is the matter, a sentence.
        serious: Whether something was changed, removed or inserted, or time was passed over.
    """

    place: str
    what: str
    serious: bool = True


@dataclass(slots=True)
class Verified:
    """What `verify` saw.

    Attributes:
        findings: All that is not as it should be; those of the ledger first, in its order.
        lines, runs, notebooks, size: How much was looked at: lines of the ledger, runs, notebooks and their bytes.
        sealed: Lines that carry a seal.
        key: Whether the seals could be checked.
        unanswered: Why MongoDB, which was to be asked, could not be; empty: it was, or was not to be.
    """

    findings: list[Finding] = field(default_factory=list)
    lines: int = 0
    runs: int = 0
    notebooks: int = 0
    size: int = 0
    sealed: int = 0
    key: bool = False
    unanswered: str = ""

    @property
    def serious(self) -> list[Finding]:
        """Those for which somebody must act."""
        return [finding for finding in self.findings if finding.serious]

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        if self.serious:
            return ExitCode.OPERATOR_MUST_ACT
        return ExitCode.RETRY_LATER if self.unanswered else ExitCode.DONE

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it; `ok` is null where nothing is wrong and MongoDB, which was to be asked, did not answer."""
        return {**asdict(self), "ok": False if self.serious else None if self.unanswered else True}

    def report(self) -> Iterator[str]:
        """For a terminal: a line for each finding, then what was looked at."""
        told = sorted(self.findings, key=lambda one: not one.serious)
        for one in told[:_SHOWN]:
            yield terminal.plain(f"{'wrong' if one.serious else 'note '}  {one.place}: {one.what}").replace("\n", " ")
        if len(told) > _SHOWN:
            yield f"{_SHOWN} of {len(told):,} findings shown; --json has all."
        yield from self._notes()

    def _notes(self) -> Iterator[str]:
        yield (
            f"Looked at: {_many(self.lines, 'line')} of the ledger, {_many(self.runs, 'run')}, "
            f"{_many(self.notebooks, 'notebook')} ({size(self.size)})."
        )
        if self.sealed and not self.key:
            yield (
                f"Sealed: {_many(self.sealed, 'line')}; {KEY} is not set, so the seals were not checked: "
                "this proves nothing against one who writes all of it anew."
            )
        elif self.sealed:
            yield f"Sealed: {_many(self.sealed, 'line')}."
        if self.unanswered:
            yield f"MongoDB could not be asked: {self.unanswered}"
        if self.serious:
            yield f"Wrong: {_many(len(self.serious), 'thing')}."
        elif not self.unanswered:
            yield "Everything is what the runs left."


def verify(settings: Settings, *, now: datetime, active: str = "", documents: bool = False) -> Verified:
    """Look at the whole audit log; nothing is written.

    Args:
        settings: Of the home.
        now: The present instant, aware, UTC.
        active: The run that holds the lock now; empty: none does.
        documents: Ask MongoDB for the runs that loaded what it holds, too: who puts an old ledger back cannot make
            the documents forget the runs that came after it.

    """
    verifying = _Verifying(settings, now=now, active=active)
    if documents:
        try:
            verifying.ask_mongodb()
        except FuturscamError as error:
            # What the files show is told all the same.
            verifying.found.unanswered = str(error)
    return verifying.found


class _Verifying:
    """One pass over the ledger, one over the folder."""

    def __init__(self, settings: Settings, *, now: datetime, active: str) -> None:
        self._settings, self._now, self._active = settings, now, active
        key = settings.ledger_key
        self._seal = Seal(key.get_secret_value()) if key else None
        self.found = Verified(key=key is not None)
        self._left = folder.Left()
        self._continuity = Continuity(settings.sources)
        self._open: dict[str, int] = {}
        self._runs: set[str] = {active}
        self._lost = False
        # In this order: a run may end meanwhile, and what it leaves is then newer than what was read before.
        standing = self._read_watermark()
        self._read_ledger()
        self._tell_of_unfinished()
        self._look_into_folder()
        self._tell_of_watermark(standing)

    def ask_mongodb(self) -> None:
        """Look for runs that loaded documents and of which the ledger says nothing."""
        from futurscam_lib.audit.witness import put_aside, runs_named

        named = list(runs_named(self._settings))
        later = {one.run_id for one in self._left_by_now().notebooks.values()}
        aside = put_aside(self._settings, self._seal)
        for ledger in sorted({aside[run_id] for _, run_id, _ in named if run_id in aside.keys() - self._runs - later}):
            what = "It was put aside, and runs that loaded documents stand in it, not in the ledger."
            self.found.findings.append(Finding(ledger, what, serious=False))
        for place, run_id, count in named:
            if run_id not in self._runs | later | aside.keys():
                what = (
                    f"{run_id} is named {count:,} time(s), and the ledger does not know it: its lines are gone, or "
                    "another home loads into this database."
                )
                self.found.findings.append(Finding(place, what))

    def _read_ledger(self) -> None:
        path = self._settings.ledger_file
        end, seals = EndCheck(path, self._seal), SealCheck(self._seal)
        for number, entry in read_lines(path, self._line_fault):
            self.found.lines = number
            end.see(number, entry)
            seals.see(number, entry)
            self._continuity.see(entry)
            self._left.see(entry)
            self._see_run(number, entry)
        self.found.sealed = seals.sealed
        for fault in [*end.faults(), *seals.faults()]:
            self._fault(fault)
        if seals.since and self._seal and not seals.faults():
            self._note(seals.since, "From here on the ledger is sealed with the key, and all before it by this line.")

    def _see_run(self, number: int, entry: Entry) -> None:
        if odd := shape.problem_of(entry) or shape.doubt_of(entry):
            self._fault(Fault(number, odd))
        if entry.event == "start":
            self.found.runs += 1
            if not page_of(entry.run_id):
                self._fault(Fault(number, f"{entry.run_id!r:.100} is not the name of a run"))
            self._runs.add(entry.run_id)
            if entry.run_id in self._open:
                self._fault(Fault(number, f"{entry.run_id} starts a second time"))
            self._open[entry.run_id] = number
        elif entry.event in {"end", "crashed"} and self._open.pop(entry.run_id, None) is None and not self._lost:
            self._fault(Fault(number, f"{entry.run_id} ends, and no line says that it started"))
        elif entry.event == "healed":
            self._note(number, "A line that a kill or a power cut had torn was cut off; its text is kept here.")

    def _tell_of_unfinished(self) -> None:
        for run_id, number in self._open.items():
            if run_id == self._active:
                self._note(number, f"{run_id} is active.")
            elif self._lost:
                self._note(number, f"{run_id} started, and no line that can be read tells how it ended.")
            else:
                self._note(number, f"{run_id} started and never ended: it was killed, or the machine went down.")

    def _look_into_folder(self) -> None:
        doubtful: list[folder.File] = []
        try:
            for file in folder.look(self._settings.runs, self._left, active=self._active):
                self.found.notebooks += file.is_notebook
                self.found.size += file.size
                if file.is_foreign or file.is_missing:
                    doubtful.append(file)
                elif file.problem:
                    self._tell_of(file)
        except OSError as error:
            self.found.findings.append(Finding(self._settings.runs.name, f"It cannot be read ({error})."))
        later = self._left_by_now() if doubtful else self._left
        for file in doubtful:
            gone = file.is_foreign and not os.path.lexists(self._settings.runs / file.name)
            if not gone and not later.explains(file):
                self._tell_of(file)

    def _left_by_now(self) -> folder.Left:
        """What the ledger says after runs that began, and notebooks that were removed, since it was read."""
        later = folder.Left()
        for _, entry in read_lines(self._settings.ledger_file, lambda _: None):
            later.see(entry)
        return later

    def _tell_of(self, file: folder.File) -> None:
        place = f"{self._settings.runs.name}/{file.name}"
        self.found.findings.append(Finding(place, file.problem, serious=file.serious))

    def _read_watermark(self) -> datetime | None:
        file = self._settings.watermark_file
        try:
            return Watermark(file).read(now=self._now)
        except OperatorMustAct as error:
            self.found.findings.append(Finding(file.name, str(error).replace("\n", " ")))
            return None

    def _tell_of_watermark(self, standing: datetime | None) -> None:
        file = self._settings.watermark_file
        if standing is not None and not self.found.lines and not self._lost:
            what = (
                f"It says that all was read until {clock.to_people(standing)}, and no ledger tells of a run: "
                f"{self._settings.runs} was removed or put aside, or the file was written by hand."
            )
            self.found.findings.append(Finding(file.name, what))
        self._continuity.find(standing)
        for jump in self._continuity.jumps:
            if not jump.line and self._active:
                # It may have moved it since: what is true shows when it has ended.
                what = (
                    f"It says {clock.to_people(jump.after)}, the ledger {clock.to_people(jump.before)}; that is not "
                    f"judged while {self._active} is active."
                )
                self.found.findings.append(Finding(file.name, what, serious=False))
                continue
            place = self._line(jump.line) if jump.line else file.name
            self.found.findings.append(Finding(place, _told(jump), serious=jump.missing is not None))
        for line, what in self._continuity.notes():
            self._note(line, what)

    def _line_fault(self, fault: Fault) -> None:
        """One fault is told once: what its line would have said is not missed at the lines that follow."""
        self._lost, self._continuity.standing = True, None
        self._fault(fault)

    def _fault(self, fault: Fault) -> None:
        if fault.torn:
            self._note(fault.line, "The line has no end, as a power cut leaves it; the next run keeps what is left.")
        else:
            self.found.findings.append(Finding(self._line(fault.line), _sentence(fault.what)))

    def _note(self, line: int, what: str) -> None:
        self.found.findings.append(Finding(self._line(line), what, serious=False))

    def _line(self, number: int) -> str:
        return f"{self._settings.ledger_file.name}, line {number}"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _told(jump: Jump) -> str:
    before, after = clock.to_people(jump.before), clock.to_people(jump.after)
    moved = f"The watermark had been left at {before} and was found at {after}"
    if not jump.is_gap:
        return f"{moved}: that time is read twice, which doubles nothing."
    if jump.missing is None:
        return f"{moved}; {jump.how_read}."
    remedy = f"futurscam run --since {clock.to_text(jump.missing[0])}"
    return f"{moved}, though no run had read what lies between. To have it read: {remedy}"


def _sentence(clause: str) -> str:
    # The name of a file is written as it is.
    return f"{clause}." if clause.startswith(heads.HEAD) else f"{clause[:1].upper()}{clause[1:]}."
