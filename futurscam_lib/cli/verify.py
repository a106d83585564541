"""`futurscam runs verify`, `seal` and `prune`: check, seal and prune the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from futurscam_lib import clock, settings
from futurscam_lib.audit.prune import FAILED_LONGER
from futurscam_lib.cli.output import Json, print_json, print_text
from futurscam_lib.cli.runs import runs
from futurscam_lib.errors import AlreadyRunning, OperatorMustAct, UsageError
from futurscam_lib.run_ids import new_run_id, started_by

if TYPE_CHECKING:
    from futurscam_lib.audit.verify import AuditFinding, Verified
    from futurscam_lib.settings import Settings


def register(_app: typer.Typer) -> None:
    """Add the commands to the group `runs`, which its own module registers."""
    runs.command(epilog="Example: futurscam runs verify")(verify)
    runs.command(epilog="Example: futurscam runs seal")(seal)
    runs.command(epilog="Example: futurscam runs prune --keep-days 400 --dry-run")(prune)


def verify(
    *,
    documents: Annotated[
        bool, typer.Option("--documents", help="Also ask MongoDB which runs loaded the documents.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that the audit log is intact: each ledger line, each notebook, and no other files. Read-only.

    Ends with 4 if something was changed, removed or inserted, and names the line or the file; with 3 if only MongoDB,
    which --documents asks, did not answer.
    """
    configured = settings.load()
    verified = _verified(configured, active=_active(configured), documents=documents)
    if as_json:
        print_json(verified.as_dict())
    else:
        for line in verified.report():
            print_text(line)
    raise typer.Exit(int(verified.exit_code))


def seal(*, as_json: Json = False) -> None:
    """Use a new key (FUTURSCAM_LEDGER_KEY) from now on; it also seals everything that is in the ledger.

    Refuses if the audit log has any other problem than the missing seal, if the key is not new, and while a run is
    active, because a run ends with the key that it began with.
    """
    from futurscam_lib.audit.ledger import Ledger
    from futurscam_lib.runner.lock import RunLock

    configured = settings.load()
    if configured.ledger_key is None:
        raise UsageError("FUTURSCAM_LEDGER_KEY is not set; nothing was sealed. Keep the key where you will find it.")
    now = clock.now()
    try:
        with RunLock(configured.lock_file).held(run_id=f"seal-{new_run_id(now)}", now=now):
            # No run is active: the lock is this command's own.
            before = _verified(configured.model_copy(update={"ledger_key": None}), active="")
            if wrong := _in_the_way(before):
                raise OperatorMustAct(
                    f"Nothing was sealed: something else is wrong ({wrong[0].place}: {wrong[0].what.rstrip('.')}). "
                    "`futurscam runs verify` shows everything."
                )
            entry = Ledger.of(configured).seal(at=clock.now(), facts={"started_by": started_by()})
    except AlreadyRunning as error:
        raise AlreadyRunning(f"{error}\nNothing was sealed; seal when it has ended.") from None
    if as_json:
        print_json({"line": entry.seq, "at": entry.at})
    else:
        earlier = "had another seal" if before.sealed else "had no seal"
        typer.echo(
            f"Sealed from line {entry.seq} on, together with all lines before, which {earlier}. "
            "Every process that runs here needs the key."
        )


def prune(
    *,
    keep_days: Annotated[float, typer.Option(metavar="N", min=1, max=36500, help="How long notebooks are kept.")],
    keep_failed_days: Annotated[
        float | None,
        typer.Option(
            metavar="M",
            min=1,
            max=146000,
            help=f"The same for runs that failed; {FAILED_LONGER} times as long if not given.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove the notebooks of old runs; the ledger keeps their lines, and `verify` accepts that they are gone."""
    from futurscam_lib.audit.prune import prune as prune_runs

    keep = timedelta(days=keep_days)
    keep_failed = timedelta(days=keep_failed_days) if keep_failed_days else keep * FAILED_LONGER
    pruned = prune_runs(
        settings.load(),
        keep=keep,
        keep_failed=keep_failed,
        now=clock.now(),
        started_by=started_by(),
        dry_run=dry_run,
    )
    if as_json:
        print_json(pruned.as_dict())
    else:
        print_text(repr(pruned))


def _in_the_way(verified: Verified) -> list[AuditFinding]:
    """Return the findings that keep a ledger from being sealed.

    A ledger without a seal may lack its head: earlier versions wrote none, and the next line writes it.
    """
    from futurscam_lib.audit.seal import HEAD_MISSING

    return [finding for finding in verified.serious if verified.sealed or HEAD_MISSING not in finding.what.lower()]


def _active(configured: Settings) -> str:
    """Return the run that holds the lock now; empty if none does."""
    from futurscam_lib.runner.lock import RunLock

    holder = RunLock(configured.lock_file).holder()
    return (holder.run_id or "") if holder else ""


def _verified(configured: Settings, *, active: str, documents: bool = False) -> Verified:
    from futurscam_lib.audit.verify import verify as verify_home

    return verify_home(configured, now=clock.now(), active=active, documents=documents)
