"""The runs of a home, from the ledger: each start with its end, newest first; and filters for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime  # noqa: TC003 - dataclass fields are read at run time by tools
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit.continuity import is_dry
from futurscam_lib.audit.entries import malformed, number, numbers, table
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.audit.lines import read_lines
from futurscam_lib.audit.runs_folder import NotebookCheck, check_notebook, is_not_a_file, notebook_path
from futurscam_lib.audit.seal import RESTORE, Doubt, Seal, check_end, check_seal, read_head
from futurscam_lib.errors import FuturscamError, OperatorMustAct, UsageError
from futurscam_lib.extract import source_notes
from futurscam_lib.records import COUNTED, with_all_counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from futurscam_lib.audit.ledger import LedgerEntry
    from futurscam_lib.settings import Settings

UNFINISHED: Final = "unfinished"
STATUSES: Final = ("ok", "failed", "timed out", "crashed", UNFINISHED)
"""The statuses of a run; `unfinished`: it is active, or it was killed and no later run has marked it yet."""

OTHER_NOTEBOOK: Final = "other notebook"
UNCOMMITTED: Final = "uncommitted code"

LAST: Final = "last"
_FEW: Final = 5


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run.

    Attributes:
        run_id: Its name.
        status: One of `STATUSES`.
        started, ended: Aware, UTC; `ended` is None if there is no end; for a crash, when it was detected.
        seconds: How long it took; None if unknown.
        dry_run: Whether it wrote nothing to MongoDB.
        parameters: The parameters of its notebook.
        window: `since` and `until`, ISO 8601; `until` None means open.
        watermark: `before` and `after`, ISO 8601; without `after` if the run has no end.
        counts: The rows of the accounting, in total; empty if the run did not get that far.
        sources: The same per source.
        closed, reopened: Missions that it closed and reopened; a dry run: would have closed and reopened.
        error, error_name: Why it did not end well; empty if it ended well.
        failures: Per source that failed, `error` and `message`.
        reject_reasons, oddities: The count of each reason, and of each unknown value.
        notes: The notes of each source, see `source_notes`.
        notebook: The executed notebook, relative to the folder of the runs, with `/`.
        notebook_sha256: Its hash when the run ended; empty if no notebook could be kept.
        pruned: Whether the notebook was removed because of its age.
        rerun_of: The run whose window it read again; empty if none.
        replay: Which landed payloads it transformed again, as text of `records.Replay`; empty if it read sources.
        confirmed: Whether it was allowed to close and reopen any number of missions (`--yes`).
        started_by, git_commit, python, platform, packages: The user and the software that ran it.
        source_sha256: Hash of the notebook file that was executed; empty in ledgers of earlier versions.
        shipped: Whether its cells were those of the shipped notebook; None: not recorded.
        uncommitted: Whether the package differed from its commit; None: not recorded, or no git.
        start_line, end_line: Lines of the ledger, from 1; 0 if there is none.
    """

    run_id: str
    status: str
    started: datetime
    ended: datetime | None = None
    seconds: float | None = None
    dry_run: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    window: Mapping[str, str | None] = field(default_factory=dict)
    watermark: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    closed: int = 0
    reopened: int = 0
    error: str = ""
    error_name: str = ""
    failures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    reject_reasons: Mapping[str, int] = field(default_factory=dict)
    oddities: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notebook: str = ""
    notebook_sha256: str = ""
    pruned: bool = False
    rerun_of: str = ""
    replay: str = ""
    confirmed: bool = False
    started_by: str = ""
    git_commit: str = ""
    python: str = ""
    platform: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    source_sha256: str = ""
    shipped: bool | None = None
    uncommitted: bool | None = None
    start_line: int = 0
    end_line: int = 0

    @property
    def code_marks(self) -> tuple[str, ...]:
        """Marks for code that is not the shipped and committed code."""
        return (
            *((OTHER_NOTEBOOK,) if self.shipped is False else ()),
            *((UNCOMMITTED,) if self.uncommitted else ()),
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        record = asdict(self)
        return record | {name: clock.to_text(record[name]) if record[name] else None for name in ("started", "ended")}


class History:
    """The runs of one home.

    Args:
        ledger: Where they are recorded.
        runs: Folder of the executed notebooks.
        seal: Made from the ledger's key; None: there is no key, and seals are not checked.
    """

    def __init__(self, ledger: Ledger, runs: Path, *, seal: Seal | None = None) -> None:
        """See the class."""
        self._ledger, self.runs, self._seal = ledger, runs, seal

    @classmethod
    def of(cls, settings: Settings) -> History:
        """The runs of the configured home."""
        return cls(Ledger(settings.ledger_file), settings.runs, seal=Seal.of(settings))

    def newest(self) -> Iterator[RunRecord]:
        """Yield all runs, newest first; reads the ledger only as far as needed.

        Raises:
            OperatorMustAct: The ledger was changed after it was written, its end was cut off, or it is not sealed
                with the key.
        """
        self._check_end()
        return _paired(map(self._sound, self._ledger.backwards()))

    def readable(self) -> Iterator[RunRecord]:
        """Yield the runs of a ledger that was changed, as far as its lines can be read; newest first."""
        lines = [entry for _, entry in read_lines(self._ledger.path, lambda _: None) if not malformed(entry)]
        return _paired(reversed(lines))

    def find(self, name: str) -> RunRecord:
        """The run with that name.

        Args:
            name: A run_id, a unique beginning of a run_id, or `last`.

        Raises:
            UsageError: There is no such run, or there are several.
            OperatorMustAct: The ledger was changed after it was written.
        """
        matching: list[RunRecord] = []
        for run in self.newest():
            if name in {run.run_id, LAST}:
                return run
            if name and run.run_id.startswith(name):
                matching.append(run)
        if len(matching) == 1:
            return matching[0]
        if matching:
            names = ", ".join(run.run_id for run in matching[:_FEW])
            more = f" and {len(matching) - _FEW} more" if len(matching) > _FEW else ""
            raise UsageError(f"{len(matching)} runs begin with {name}: {names}{more}. Give more of the run_id.")
        if name == LAST:
            raise UsageError("There is no run yet; `futurscam run` starts one.")
        raise UsageError(f"The ledger has no run {name!r}; `futurscam runs list` shows all runs.")

    def _check_end(self) -> None:
        """Check that the ledger ends as it was written; the MAC of its last line covers the whole chain.

        Raises:
            OperatorMustAct: It does not.
        """
        ledger = self._ledger.path
        if is_not_a_file(ledger):
            raise self._changed("it is not a file", RESTORE)
        try:
            # Read before the lines: a run that ends meanwhile writes its line first.
            head = read_head(ledger)
            last = next(self._ledger.backwards(), None)
            check_end(head, last)
            if self._seal is not None:
                check_seal(head, last, self._seal)
        except Doubt as doubt:
            raise self._changed(str(doubt), doubt.remedy) from doubt

    def _sound(self, entry: LedgerEntry) -> LedgerEntry:
        if problem := malformed(entry):
            raise self._changed(f"line {entry.seq}: {problem}", RESTORE)
        return entry

    def _changed(self, what: str, remedy: str) -> OperatorMustAct:
        return OperatorMustAct(f"{self._ledger.path}: {what}.\nIt does not prove what the runs did. {remedy}")

    def path(self, run: RunRecord) -> Path:
        """Where its executed notebook is, or would be.

        Raises:
            UsageError: See `notebook_path`.
        """
        return notebook_path(self.runs, run.notebook)

    def look(self, run: RunRecord) -> NotebookCheck:
        """Check whether its executed notebook is unchanged since the run."""
        return check_notebook(self.runs, run.notebook, run.notebook_sha256, pruned=run.pruned)

    def frame(self, *, since: datetime | None = None) -> pd.DataFrame:
        """The runs that started at `since` or later as a DataFrame: one row per run, oldest first."""
        import pandas as pd

        rows = []
        for run in self.newest():
            if since is not None and run.started < since:
                break
            rows.append(_row(run))
        frame = pd.DataFrame(rows[::-1], columns=[*_IN_A_ROW, *COUNTED])
        return frame.astype({"started": "datetime64[us, UTC]", "ended": "datetime64[us, UTC]"})


def _paired(newest_first: Iterable[LedgerEntry]) -> Iterator[RunRecord]:
    ends: dict[str, LedgerEntry] = {}
    pruned: set[str] = set()
    for entry in newest_first:
        if entry.event in {"end", "crashed"}:
            ends[entry.run_id] = entry
        elif entry.event == "pruned":
            pruned.update(entry.facts.get("notebooks") or ())
        elif entry.event == "start":
            yield _record(entry, ends.pop(entry.run_id, None), pruned)


def _record(start: LedgerEntry, end: LedgerEntry | None, pruned: set[str]) -> RunRecord:
    start_facts, end_facts = start.facts, end.facts if end else {}
    parameters: dict[str, Any] = start_facts.get("parameters") or {}
    code: dict[str, Any] = start_facts.get("code") or {}
    status = UNFINISHED if end is None else "crashed" if end.event == "crashed" else str(end_facts.get("status"))
    notebook = str(end_facts.get("notebook") or start_facts.get("notebook") or "")
    return RunRecord(
        run_id=start.run_id,
        status=status,
        started=clock.parse(start.at),
        ended=clock.parse(end.at) if end else None,
        seconds=end_facts.get("seconds"),
        dry_run=bool(parameters.get("dry_run")),
        parameters=parameters,
        window=table(end_facts.get("window"))
        or {"since": parameters.get("watermark"), "until": parameters.get("until") or None},
        watermark=end_facts.get("watermark") or start_facts.get("watermark") or {},
        counts=with_all_counts(end_facts.get("counts") or {}),
        sources={name: with_all_counts(counted) for name, counted in (end_facts.get("sources") or {}).items()},
        closed=number(end_facts.get("closed")),
        reopened=number(end_facts.get("reopened")),
        error=end_facts.get("error") or "",
        error_name=end_facts.get("error_name") or "",
        failures=end_facts.get("failures") or {},
        reject_reasons=numbers(end_facts.get("reject_reasons")),
        oddities=numbers(end_facts.get("oddities")),
        notes=source_notes.bounded(end_facts.get("notes")),
        notebook=notebook,
        notebook_sha256=end_facts.get("notebook_sha256") or "",
        pruned=notebook in pruned,
        rerun_of=start_facts.get("rerun_of") or "",
        replay=str(parameters.get("replay") or ""),
        confirmed=start_facts.get("confirmed") is True,
        started_by=start_facts.get("started_by") or "",
        git_commit=start_facts.get("git_commit") or "",
        python=start_facts.get("python") or "",
        platform=start_facts.get("platform") or "",
        packages=start_facts.get("packages") or {},
        source_sha256=str(code.get("notebook_sha256") or ""),
        shipped=_flag(code.get("shipped")),
        uncommitted=_flag(code.get("uncommitted")),
        start_line=start.seq,
        end_line=end.seq if end else 0,
    )


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_IN_A_ROW: Final = (
    *("run_id", "status", "started", "ended", "seconds", "dry_run", "closed", "reopened", "error", "notebook"),
)


def _row(run: RunRecord) -> dict[str, Any]:
    return {name: getattr(run, name) for name in _IN_A_ROW} | {name: run.counts.get(name) for name in COUNTED}


def has_read(configured: Settings, source: str) -> bool:
    """Whether a run that read the source has ended well; true if that is not known."""
    try:
        return any(
            entry.event == "end"
            and entry.facts.get("status") == "ok"
            and source in (entry.facts.get("sources") or {})
            and not is_dry(entry)
            for entry in Ledger(configured.ledger_file).backwards()
        )
    except FuturscamError:  # Reading a source once too often loses nothing.
        return True


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter for runs; the defaults match all runs.

    Attributes:
        statuses: Only runs with one of these statuses; empty: any.
        since: Only runs that started at this instant or later; aware.
        until: Only runs that started before this instant; aware.
        source: Only runs that read this source; empty: any.
    """

    statuses: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    source: str = ""

    def of(self, newest: Iterable[RunRecord]) -> Iterator[RunRecord]:
        """The chosen runs, newest first; stops at the first that is too old."""
        for run in newest:
            if self.since is not None and run.started < self.since:
                return
            if self._fits(run):
                yield run

    def _fits(self, run: RunRecord) -> bool:
        return (
            (not self.statuses or run.status in self.statuses)
            and (self.until is None or run.started < self.until)
            and (not self.source or self.source in sources_of(run))
        )


def sources_of(run: RunRecord) -> tuple[str, ...]:
    """The sources that a run was asked to read, even if it crashed."""
    value = run.parameters.get("sources")
    named = [name.strip() for name in value.split(",")] if isinstance(value, str) else []
    return tuple(filter(None, named)) or tuple(run.sources)
