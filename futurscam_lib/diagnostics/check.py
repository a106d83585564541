"""Trying everything that a run needs, read-only: each source that is configured, MongoDB and the watermark."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - dataclass fields are read at run time by tools
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.audit.history import has_read
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
_SOURCES_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found out about one thing.

    Attributes:
        name: The source, `MongoDB` or `.last_execution`.
        reached: Whether it answered; None: there is nothing to answer.
        signed_in: Whether it took the credentials; None: it wants none, or was not asked.
        may_read: Whether it showed what it has.
        waiting: Items that the next run would read; documents in MongoDB.
        problem: What is wrong, and what to do about it; empty: nothing.
        exit_code: With which a run would end for it.
        remark: What a person should know besides, though nothing is wrong; empty: nothing.
        warnings: What a person should act on, though runs work.
    """

    name: str
    reached: bool | None
    signed_in: bool | None
    may_read: bool | None
    waiting: int | None
    problem: str = ""
    exit_code: ExitCode = ExitCode.DONE
    remark: str = ""
    warnings: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if self.problem or self.warnings:
            return "see below"
        return "stopped; a run starts it" if self.reached is False else "ok"

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "exit_code": int(self.exit_code)}


def find_out(configured: Settings, names: Sequence[str], *, now: datetime) -> list[Checked]:
    """Try sources, MongoDB and the watermark; nothing is written, no local server is started.

    Args:
        configured: The settings.
        names: Of the sources.
        now: The present instant.
    """
    since, watermark = _watermark(configured, now)
    overlap = configured.overlap.total_seconds() / 60
    window = make_window(since, overlap_minutes=overlap, until=None)
    sources = open_sources(configured, names, has_read=partial(has_read, configured))
    tries: list[Callable[[], Checked]] = [
        partial(_probed, source.name, partial(source.probe, window)) for source in sources
    ]
    tries.append(partial(_probed, DATABASE, partial(_probe_database, configured)))
    found = list(prefetch(lambda attempt: attempt(), tries, threads=_SOURCES_AT_ONCE))
    return [*found, *watermark]


def table(found: Sequence[Checked]) -> Table:
    """For a terminal."""
    columns = ("", "reached", "signed in", "may read", "items", "")
    return Table(columns, [(c.name, c.reached, c.signed_in, c.may_read, c.waiting, c.verdict) for c in found])


def _watermark(configured: Settings, now: datetime) -> tuple[datetime, list[Checked]]:
    """From where the next run reads, and what is wrong with the watermark."""
    first = now - configured.first_run
    try:
        return Watermark(configured.watermark_file).read(now=now) or first, []
    except FuturscamError as error:
        return first, [Checked(WATERMARK, None, None, None, None, str(error), error.exit_code)]


def _probed(name: str, probe: Callable[[Probe], None]) -> Checked:
    found = Probe()
    problem, code = "", ExitCode.DONE
    try:
        probe(found)
    except FuturscamError as error:
        problem, code = str(error), error.exit_code
    signed_in = found.signed_in if found.reached else None
    may_read = found.may_read if found.reached else None
    more: dict[str, Any] = {"remark": found.remark, "warnings": tuple(found.warnings)}
    return Checked(name, found.reached, signed_in, may_read, found.waiting, problem, code, **more)


def _probe_database(configured: Settings, found: Probe) -> None:
    if configured.mongo_uri is None and local_server.find(configured) is None:
        local_server.mongod_binary()  # Raises where there is none to start.
        return
    try:
        client = mongo.connect(configured)
    except FuturscamError as error:
        found.reached = error.exit_code != ExitCode.RETRY_LATER
        raise
    with client, mongo.mongo_errors():
        found.reached = found.signed_in = True
        found.waiting = Collections.of(client[configured.database]).rfps.estimated_document_count()
        found.may_read = True
