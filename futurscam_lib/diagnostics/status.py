"""The current status of a home, as `futurscam status` prints it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.history import UNFINISHED, History, has_read
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.errors import FuturscamError
from futurscam_lib.extract import source_notes, unread
from futurscam_lib.report.tables import Table
from futurscam_lib.report.text import duration
from futurscam_lib.runner.lock import RunLock
from futurscam_lib.runner.loop.state import LoopFiles, LoopState
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from futurscam_lib.audit.history import RunRecord
    from futurscam_lib.settings import Settings

RUNS_SHOWN: Final = 5
_WHOLE: Final = 2000
_COUNTING_SECONDS: Final = 5


@dataclass(slots=True)
class Status:
    """The current status; `problems` names what could not be read.

    Attributes:
        home: The folder of the home.
        watermark: ISO 8601; None if there is none yet.
        watermark_age_seconds: Its age.
        runs: The last runs, newest first: run_id, status, at, seconds, counts, error, notes.
        mongodb: The address of the database, or that it does not answer.
        mongodb_answers: Whether it answers.
        documents, active, rejects_open: How many; None if MongoDB does not answer.
        outdated: Documents that an older mapping made; None if MongoDB does not answer, or counting takes too long.
        undated: Active missions whose `deadlineAt` is not a date; None if MongoDB does not answer.
        replay: The command that rebuilds the outdated documents; empty: there are none.
        running: The active run; None: no run is active.
        loop: The active loop; None: there is no loop.
        unread_files: Files in the folder that are older than the home's first window, and that no run has read.
        remarks: Notes although nothing is wrong.
        problems: Problems that make the next run fail.
    """

    home: str
    watermark: str | None = None
    watermark_age_seconds: float | None = None
    runs: list[dict[str, Any]] = field(default_factory=list)
    mongodb: str = ""
    mongodb_answers: bool = False
    documents: int | None = None
    active: int | None = None
    rejects_open: int | None = None
    outdated: int | None = None
    undated: int | None = None
    replay: str = ""
    running: str | None = None
    loop: LoopState | None = None
    unread_files: int = 0
    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def tables(self) -> Iterator[Table]:
        """For a terminal."""
        age = "" if self.watermark_age_seconds is None else f" ({duration(self.watermark_age_seconds)} ago)"
        yield Table(
            ("", "now"),
            [
                ("home", self.home),
                ("watermark", f"{self.watermark}{age}" if self.watermark else "none yet: the next run is a first run"),
                ("running", self.running or "no"),
                ("loop", self.loop or "no"),
                ("MongoDB", self.mongodb),
                ("documents", "?" if self.documents is None else f"{self.documents:,}, {self.active:,} of them active"),
                ("rejects open", "?" if self.rejects_open is None else self.rejects_open),
                *self._older(),
            ],
            longest=_WHOLE,
        )
        columns = ("last runs", "status", "extracted", "inserted", "updated", "rejected", "seconds", "error")
        rows = [
            (
                run["run_id"],
                run["status"],
                *(run["counts"].get(name) for name in columns[2:6]),
                run["seconds"],
                run["error"],
            )
            for run in self.runs
        ]
        yield Table(columns, rows, otherwise="last runs: unknown, see below." if self.problems else "")
        if error := self._last.get("error"):
            yield Table(("error of the last run",), [(error,)], longest=max(_WHOLE, len(error)))
        if noted := self._noted():
            yield Table(("notes of the sources in the last run",), noted, longest=_WHOLE)
        if self.remarks:
            yield Table(("remarks",), [(remark,) for remark in self.remarks], longest=_WHOLE)
        if self.problems:
            yield Table(("problems",), [(problem,) for problem in self.problems], longest=_WHOLE)

    def _older(self) -> Iterator[tuple[str, str]]:
        if self.outdated:
            how = f"{self.outdated:,}; to rebuild them with the current mapping: {self.replay}"
            yield "made by an older mapping", how
        if self.mongodb_answers and self.outdated is None:
            yield (
                "made by an older mapping",
                f"unknown: counting took more than {_COUNTING_SECONDS} s",
            )
        if self.undated:
            yield "deadline is not a date", f"{self.undated:,} active missions of other programs, so no run closes them"

    def _noted(self) -> list[tuple[str]]:
        """The notes of the last run that has ended, without those that are also remarks."""
        notes = source_notes.each(self._last.get("notes", {}))
        return [(str(note),) for note in notes if note.text not in self.remarks]

    @property
    def _last(self) -> dict[str, Any]:
        """The last run that has ended; empty if there is none."""
        return next((run for run in self.runs if run["status"] != UNFINISHED), {})


def read(configured: Settings, *, now: datetime) -> Status:
    """Read the current status. Read-only; starts no local server."""
    status = Status(str(configured.home))
    watermark: datetime | None = None
    try:
        watermark = Watermark(configured.watermark_file).read(now=now)
    except FuturscamError as error:
        status.problems.append(str(error))
    else:
        if watermark:
            status.watermark = clock.to_text(watermark)
            status.watermark_age_seconds = round((now - watermark).total_seconds(), 3)
    since = max(watermark or now - configured.first_run, clock.EPOCH) - configured.overlap
    for files in unread(configured, configured.sources, has_read=partial(has_read, configured), since=since):
        status.unread_files += files.count
        status.remarks.append(str(files))
    holder = RunLock(configured.lock_file).holder()
    status.running = str(holder) if holder else None
    status.loop = LoopFiles(configured.home).find()
    try:
        # As the next run does, with the ledger's key.
        Ledger.of(configured).check()
        status.runs = [_run_as_dict(run) for run in islice(History.of(configured).newest(), RUNS_SHOWN)]
    except FuturscamError as error:
        status.problems.append(str(error))
    _ask_mongodb(configured, status)
    return status


def _run_as_dict(run: RunRecord) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "status": run.status,
        "at": clock.to_text(run.ended or run.started),
        "seconds": run.seconds,
        "counts": dict(run.counts),
        "error": run.error,
        "notes": {source: list(texts) for source, texts in run.notes.items()},
    }


def _ask_mongodb(configured: Settings, status: Status) -> None:
    from futurscam_lib.diagnostics import database
    from futurscam_lib.load import mongo

    if database.is_stopped(configured):
        status.mongodb = "local server, stopped; a run starts it, or `futurscam db start`"
        return
    try:
        with mongo.connect(configured) as client, mongo.mongo_errors():
            named = client[configured.database]
            for name, number in asdict(database.count(named)).items():
                setattr(status, name, number)
            status.mongodb, status.mongodb_answers = f"{database.address(named)}, answers", True
    except FuturscamError as error:
        status.mongodb = "does not answer"
        status.problems.append(str(error))
