"""`futurscam rejects`: the quarantine."""

from __future__ import annotations

from typing import Annotated

import typer

from futurscam_lib import settings
from futurscam_lib.commands.output import GROUP, Json, jsonable, print_json
from futurscam_lib.show import Table

rejects = typer.Typer(help="The quarantine: what could not become a document.", **GROUP)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(rejects, name="rejects")


@rejects.callback(invoke_without_command=True)
def _rejects(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        listed(everything=False, as_json=False)


@rejects.command("list", epilog="Example: futurscam rejects list --json")
def listed(
    *,
    everything: Annotated[bool, typer.Option("--all", help="The resolved ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List what is in the quarantine, newest first."""
    from futurscam_lib import rejects as kept  # noqa: PLC0415 - only what a command needs is loaded

    found = kept.listed(settings.load(), everything=everything)
    if as_json:
        print_json([jsonable(reject) for reject in found])
        return
    columns = ("item", "state", "reason", "field", "line", "attempts", "last seen (UTC)")
    rows = [(r["_id"], r["state"], r["reason"], r["path"], r["line"] or None, r["attempts"], r["at"]) for r in found]
    typer.echo(repr(Table(columns, rows)))


@rejects.command(epilog='Example: futurscam rejects show "folder:broken.json"')
def show(item: Annotated[str, typer.Argument(help="The item, as `rejects list` names it.")]) -> None:
    """Show one entry and the payload it is about."""
    from futurscam_lib import rejects as kept  # noqa: PLC0415

    entry, payload = kept.shown(settings.load(), item)
    typer.echo(repr(Table(("", "value"), list(entry.items()))))
    typer.echo("\nPayload:")
    typer.echo(payload)


@rejects.command(epilog="Example: futurscam rejects retry")
def retry(
    *,
    items: Annotated[list[str] | None, typer.Argument(help="Only these items; none: all open ones.")] = None,
    as_json: Json = False,
) -> None:
    """Transform the landed payloads again, after a mapping was mended; no source is asked."""
    from futurscam_lib import rejects as kept  # noqa: PLC0415

    summary = kept.retry(settings.load(), items or [])
    if as_json:
        print_json(summary.as_dict())
    else:
        typer.echo(repr(summary))
