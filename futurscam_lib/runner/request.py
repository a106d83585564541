"""What a headless run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from futurscam_lib import clock
from futurscam_lib.errors import UsageError
from futurscam_lib.settings.sources import KNOWN_SOURCES

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from futurscam_lib.records import Replay
    from futurscam_lib.settings import Settings


@dataclass(frozen=True, slots=True)
class Request:
    """What a headless run is asked to do.

    Attributes:
        since: Read from here instead of from the watermark; None: from the watermark.
        until: Read up to here, exclusive; None: open.
        sources: Their names; empty: all that are configured.
        overlap: How far behind to read again; None: the setting.
        dry_run: Write nothing to MongoDB and leave the watermark; the executed notebook and the ledger are kept.
        rerun_of: The run whose window is read again; empty: none.
        replay: Make documents again from landed payloads, and ask no source; None: ask the sources.
        confirmed: Whether it may close and reopen any number of missions.
    """

    since: datetime | None = None
    until: datetime | None = None
    sources: tuple[str, ...] = ()
    overlap: timedelta | None = None
    dry_run: bool = False
    rerun_of: str = ""
    replay: Replay | None = None
    confirmed: bool = False

    def check(self, configured: Settings) -> None:
        """Check what can be checked before anything runs.

        Raises:
            UsageError: A source is unknown or not configured, or the window is empty.
        """
        if self.replay:
            configured.require_known(self.sources)
        else:
            configured.require(self.sources)
        if self.until and self.since and self.until <= self.since:
            raise UsageError("--until does not lie after --since: the window would be empty.")

    def parameters(self, configured: Settings, *, run_id: str, watermark: datetime) -> dict[str, str | float | bool]:
        """Return the values for the notebook's cell tagged `parameters`.

        Args:
            configured: The settings, for what the request leaves open.
            run_id: The run.
            watermark: The watermark before the run.
        """
        overlap = configured.overlap if self.overlap is None else self.overlap
        return {
            "run_id": run_id,
            "watermark": clock.to_text(self.since or watermark),
            "until": clock.to_text(self.until) if self.until else "",
            "sources": ",".join(self.sources or (KNOWN_SOURCES if self.replay else configured.sources)),
            "dry_run": self.dry_run,
            "overlap_minutes": overlap.total_seconds() / 60,
            # Only for a replay: a notebook of the home's own need not declare it.
            **({"replay": str(self.replay)} if self.replay else {}),
        }

    def leaves_no_gap(self, configured: Settings, *, watermark: datetime) -> bool:
        """Return whether a successful run of this request has loaded all changes since the watermark.

        Args:
            configured: The settings: which sources there are, and how far behind a run must read again.
            watermark: The watermark before the run.
        """
        return (
            not self.dry_run
            and self.replay is None
            and self.until is None
            and (self.since is None or self.since <= watermark)
            and (self.overlap is None or self.overlap >= configured.overlap)
            and (not self.sources or set(self.sources) >= set(configured.sources))
        )
