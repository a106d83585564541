"""An audit log of a few runs, and ways to change it, for the tests of verification."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from futurscam_lib import clock
from futurscam_lib.audit import entries
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.audit.seal import write_head
from futurscam_lib.audit.verify import verify
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.audit.seal import Seal
    from futurscam_lib.audit.verify import Verified
    from tests.made_runs import MadeRuns

T0 = clock.parse("2026-11-02T08:00:00Z")
NOW = clock.parse("2026-11-20T00:00:00Z")
KEY = "a key of more than sixteen letters"
RUNS = 5


def fill(made: MadeRuns) -> None:
    """Add the runs."""
    for hour in range(RUNS):
        made.add(T0 + timedelta(hours=hour))
    Watermark(made.settings.watermark_file).reset(made.watermark)


def look(made: MadeRuns, **more: Any) -> Verified:
    """Verify, at a fixed instant."""
    return verify(made.settings, now=NOW, **more)


def serious(made: MadeRuns, **more: Any) -> list[tuple[str, str]]:
    """Return the serious findings: place and text."""
    return [(one.place, one.what) for one in look(made, **more).serious]


def lines(made: MadeRuns) -> list[bytes]:
    """The ledger's lines."""
    return made.settings.ledger_file.read_bytes().splitlines(keepends=True)


def rewrite(made: MadeRuns, changed: list[bytes]) -> None:
    """Write them."""
    made.settings.ledger_file.write_bytes(b"".join(changed))


def forge(made: MadeRuns, seal: Seal | None, *, strip: bool) -> None:
    """Rewrite the whole chain with one count changed, as an attacker who knows the format would."""
    last = None
    written = []
    for raw in lines(made):
        old = entries.read_entry(raw.strip())
        facts = {**old.facts, **({"seconds": 1.5} if old.event == "end" else {})}
        at = clock.parse(old.at)
        new = entries.chained(last, event=old.event, run_id=old.run_id, at=at, facts=facts, seal=seal)
        if not strip and seal is None:
            new = entries.LedgerEntry(**{**orjson.loads(entries.line_of(new)), "mac": old.mac})
        written.append(entries.line_of(new) + b"\n")
        last = new
    rewrite(made, written)
    assert last is not None
    write_head(made.settings.ledger_file, last.seq, last.hash, seal=seal)


def reset(made: MadeRuns, before: datetime, after: datetime) -> None:
    """Record a reset in the ledger."""
    facts = {"watermark": {"before": clock.to_text(before), "after": clock.to_text(after)}}
    Ledger.of(made.settings).append("reset", at=NOW, run_id="reset-x", facts=facts)
