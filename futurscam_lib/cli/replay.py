"""`futurscam replay`: rebuild documents from the payloads that were landed."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated

import typer

from futurscam_lib import settings
from futurscam_lib.cli.output import Json, Sources, instant, source_names
from futurscam_lib.cli.run import execute, finish
from futurscam_lib.errors import UsageError
from futurscam_lib.records import Replay


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: futurscam replay --dry-run")(replay)


def replay(
    context: typer.Context,
    *,
    source: Sources = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=instant, metavar="INSTANT", help="Only payloads that were landed then or later."),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only payloads of this mission: its job_id, reference or id at the source."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, write nothing to MongoDB; the notebook is kept.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rebuild documents from RFP_raw with the current mapping; no source is read.

    For documents that an older version of the program made: `futurscam status` shows how many there are. It is a run
    like any other, with its notebook and its lines in the ledger. It never moves .last_execution, and sends no alerts
    and no health pings. If it was interrupted, give the command again: it continues.
    """
    from futurscam_lib.runner.request import Request

    if job == "":
        raise UsageError("--job takes the job_id of a mission.")
    job_id = _landed(job) if job else ""
    request = Request(sources=source_names(source), dry_run=dry_run, replay=Replay(since, job_id))
    finish(*execute(request, context, as_json=as_json), context, as_json=as_json)


def _landed(asked: str) -> str:
    """Return the job_id of a landed mission, found by any of its names.

    Raises:
        UsageError: No mission, or more than one, has that name.
    """
    from futurscam_lib.audit.lineage.mission import find
    from futurscam_lib.load import mongo
    from futurscam_lib.load.collections import Collections

    configured = settings.load()
    with mongo.connect(configured) as client, mongo.mongo_errors():
        mission = find(Collections.of(mongo.lenient(client, configured.database)), asked)
    if not mission.job_id or not mission.outcomes:
        raise UsageError(
            f"RFP_raw holds no payload of the mission {asked!r}. Nothing has run. --job takes a job_id, a reference or "
            "the id at the source; `futurscam why ID` shows what is known of a mission."
        )
    return mission.job_id
