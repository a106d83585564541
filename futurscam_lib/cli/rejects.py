"""`futurscam rejects`: the quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from futurscam_lib import clock, settings
from futurscam_lib.cli.output import GROUP, Json, jsonable, print_json, print_text
from futurscam_lib.report.tables import Table, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

group = typer.Typer(help="The quarantine: items that could not become a document.", **GROUP)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="rejects")


@group.callback(invoke_without_command=True)
def _rejects(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        listed(everything=False, as_json=False)


@group.command("list", epilog="Example: futurscam rejects list --json")
def listed(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Include resolved and dismissed items.")] = False,
    as_json: Json = False,
) -> None:
    """List what is in the quarantine, newest first."""
    from futurscam_lib.load.quarantine import dismissal
    from futurscam_lib.runner import rejects

    entries = rejects.listed(settings.load(), everything=everything)
    if as_json:
        print_json([jsonable(reject) for reject in entries])
        return
    columns = ["item", "state", "reason", "field", "line", "attempts", "last seen (UTC)"]
    rows = [[r["_id"], r["state"], r["reason"], r["path"], r["line"] or None, r["attempts"], r["at"]] for r in entries]
    if everything:
        columns.append("dismissed (UTC)")
        rows = [[*row, dismissal(reject)] for row, reject in zip(rows, entries, strict=True)]
    typer.echo(repr(Table(columns, rows)))


@group.command(epilog='Example: futurscam rejects show "folder:broken.json"')
def show(item: Annotated[str, typer.Argument(help="The item, as `rejects list` names it.")]) -> None:
    """Show one reject and its payload."""
    from futurscam_lib.runner import rejects

    entry, payload = rejects.shown(settings.load(), item)
    typer.echo(repr(Table(("", "value"), list(entry.items()), longest=rejects.LONGEST_REASON)))
    typer.echo("\nPayload:")
    typer.echo(payload)


@group.command(epilog='Example: futurscam rejects dismiss "folder:broken.json" --because "A test of ours."')
def dismiss(
    *,
    items: Annotated[list[str], typer.Argument(help="The items, as `rejects list` names them.")],
    because: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with your name and the time.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the items, and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Dismiss rejects that need no action.

    Dismissed items are no longer counted and send no alerts. If the next version of one is rejected too, its reject
    opens again.
    """
    from futurscam_lib.runner import rejects

    entries = rejects.dismiss(settings.load(), items, because=because, now=clock.now(), dry_run=dry_run)
    if as_json:
        print_json([jsonable(reject) for reject in entries])
        return
    for reject in entries:
        print_text(f"{_outcome(reject, dry_run=dry_run)}: {as_text(reject['_id'])}")
    print_text("Dry run: nothing was written." if dry_run else "`futurscam rejects list --all` still shows them.")


def _outcome(reject: Mapping[str, Any], *, dry_run: bool) -> str:
    if dry_run:
        return "Would be dismissed"
    if reject["state"] == "dismissed":
        return "Dismissed"
    # A run resolved it in the meantime.
    return f"Not dismissed, because it is {reject['state']} by now"


@group.command(epilog="Example: futurscam rejects retry")
def retry(
    *,
    items: Annotated[
        list[str] | None, typer.Argument(help="Only these items, also dismissed ones; if none is given: all open ones.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Transform the landed payloads again, after a mapping was corrected; reads no source."""
    from futurscam_lib.runner import rejects

    summary = rejects.retry(settings.load(), items or [])
    if as_json:
        print_json(summary.as_dict())
    else:
        typer.echo(repr(summary))
