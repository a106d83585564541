"""What MongoDB witnesses: the runs that its documents name, whatever the ledger says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from futurscam_lib.audit.lines import read_lines
from futurscam_lib.load import mongo
from futurscam_lib.load.collections import Collections
from futurscam_lib.run_ids import BY_HAND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.audit.seal import Seal
    from futurscam_lib.load.collections import Documents
    from futurscam_lib.settings import Settings


def runs_named(settings: Settings) -> Iterator[tuple[str, str, int]]:
    """Each headless run that a collection names: the collection, the run_id, and how many documents name it.

    Raises:
        RetryLater, OperatorMustAct: MongoDB does not answer, or refuses.
    """
    with mongo.connect(settings) as client, mongo.mongo_errors():
        collections = Collections.of(client[settings.database])
        for collection, field in (
            (collections.rfps, "_etl.first_run_id"),
            (collections.rfps, "_etl.run_id"),
            (collections.outcomes, "run_id"),
        ):
            yield from _named(collection, field)


def put_aside(settings: Settings, seal: Seal | None) -> dict[str, str]:
    """The runs of which ledgers tell that were put aside (`runs-old/ledger.jsonl`), each with the place of its ledger.

    With a key, a line counts where one that carries its seal stands in the same chain, there or further on: anybody
    could write another.
    """
    found: dict[str, str] = {}
    for path in sorted(settings.home.glob(f"{settings.runs.name}*/{settings.ledger_file.name}")):
        if path != settings.ledger_file:
            found.update(dict.fromkeys(_told(path, seal), path.relative_to(settings.home).as_posix()))
    return found


def _told(ledger: Path, seal: Seal | None) -> Iterator[str]:
    waiting: list[str] = []
    for _, entry in read_lines(ledger, lambda _: waiting.clear()):
        waiting.append(entry.run_id)
        if seal is None or seal.fits_line(entry.hash, entry.mac):
            yield from waiting
            waiting.clear()


def _named(collection: Documents, field: str) -> Iterator[tuple[str, str, int]]:
    pipeline: list[dict[str, Any]] = [{"$group": {"_id": f"${field}", "count": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
    for found in collection.aggregate(pipeline):
        if isinstance(found["_id"], str) and not found["_id"].startswith(BY_HAND):
            yield f"MongoDB, {collection.name}.{field}", found["_id"], found["count"]
