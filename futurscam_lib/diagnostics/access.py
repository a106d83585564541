"""Checks whether each source, MongoDB and the watermark can be used by a run; `futurscam check` prints the result."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - dataclass fields are read at run time by tools
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.audit.history import has_read
from futurscam_lib.diagnostics.database import is_stopped
from futurscam_lib.errors import ExitCode, FuturscamError
from futurscam_lib.extract import open_sources
from futurscam_lib.extract.source import Probe
from futurscam_lib.load import local_server, mongo
from futurscam_lib.load.collections import Collections
from futurscam_lib.pipeline.opening import make_window
from futurscam_lib.prefetch import prefetch
from futurscam_lib.report.tables import Table
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from futurscam_lib.settings import Settings

DATABASE: Final = "MongoDB"
WATERMARK: Final = ".last_execution"
_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a run can use one thing.

    Attributes:
        name: The source, `MongoDB` or `.last_execution`.
        reached: Whether it answered; None: it is a file.
        signed_in: Whether it accepted the credentials; None: it needs none, or was not asked.
        may_read: Whether it can be read.
        waiting: Items that the next run would read; documents in MongoDB.
        problem: What is wrong, and what to do about it; empty: nothing.
        exit_code: The exit code that a run would have because of it.
        remark: A note although nothing is wrong; empty if there is none.
        warnings: Problems that a person should solve, although runs work.
    """

    name: str
    reached: bool | None = None
    signed_in: bool | None = None
    may_read: bool | None = None
    waiting: int | None = None
    problem: str = ""
    exit_code: ExitCode = ExitCode.DONE
    remark: str = ""
    warnings: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        if self.problem or self.warnings:
            return "see below"
        return "stopped; a run starts it" if self.reached is False else "ok"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "exit_code": int(self.exit_code)}


def probe(settings: Settings, names: Sequence[str], *, now: datetime) -> list[Access]:
    """Try sources, MongoDB and the watermark. Read-only; starts no local server.

    Args:
        settings: Of the home.
        names: The sources.
        now: The current instant.
    """
    since, problems = _watermark(settings, now)
    tries = _source_tries(settings, names, since=since)
    tries.append(partial(_probe, DATABASE, partial(_database, settings)))
    return [*prefetch(lambda attempt: attempt(), tries, threads=_AT_ONCE), *problems]


def probe_source(settings: Settings, name: str, *, now: datetime) -> Access:
    """Try one source.

    Args:
        settings: Of the home.
        name: The source.
        now: The current instant.
    """
    since, _ = _watermark(settings, now)
    (attempt,) = _source_tries(settings, [name], since=since)
    return attempt()


def table(results: Sequence[Access]) -> Table:
    """For a terminal."""
    columns = ("", "reached", "signed in", "may read", "items", "")
    return Table(columns, [(a.name, a.reached, a.signed_in, a.may_read, a.waiting, a.verdict) for a in results])


def _watermark(settings: Settings, now: datetime) -> tuple[datetime, list[Access]]:
    """Where the next run starts to read, and any problem with the watermark."""
    first = now - settings.first_run
    try:
        return Watermark(settings.watermark_file).read(now=now) or first, []
    except FuturscamError as error:
        return first, [Access(WATERMARK, problem=str(error), exit_code=error.exit_code)]


def _source_tries(settings: Settings, names: Sequence[str], *, since: datetime) -> list[Callable[[], Access]]:
    window = make_window(since, overlap_minutes=settings.overlap.total_seconds() / 60, until=None)
    sources = open_sources(settings, names, has_read=partial(has_read, settings))
    return [partial(_probe, source.name, partial(source.probe, window)) for source in sources]


def _probe(name: str, look: Callable[[Probe], None]) -> Access:
    probe = Probe()
    problem, code = "", ExitCode.DONE
    try:
        look(probe)
    except FuturscamError as error:
        problem, code = str(error), error.exit_code
    return Access(
        name,
        probe.reached,
        probe.signed_in if probe.reached else None,
        probe.may_read if probe.reached else None,
        probe.waiting,
        problem,
        code,
        probe.remark,
        tuple(probe.warnings),
    )


def _database(settings: Settings, probe: Probe) -> None:
    if is_stopped(settings):
        local_server.mongod_binary()  # Raises if there is no server to start.
        return
    try:
        client = mongo.connect(settings)
    except FuturscamError as error:
        probe.reached = error.exit_code != ExitCode.RETRY_LATER
        raise
    with client, mongo.mongo_errors():
        probe.reached = probe.signed_in = True
        probe.waiting = Collections.of(client[settings.database]).rfps.estimated_document_count()
        probe.may_read = True
