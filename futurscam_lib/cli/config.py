"""`futurscam config`: the settings."""

from __future__ import annotations

import typer

from futurscam_lib import settings
from futurscam_lib.cli.output import GROUP, Json, print_json
from futurscam_lib.errors import UsageError
from futurscam_lib.report.tables import Table

config = typer.Typer(help="The settings.", **GROUP)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(config, name="config")


@config.callback(invoke_without_command=True)
def _config(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show(as_json=False)


@config.command(epilog="Example: futurscam config show")
def show(*, as_json: Json = False) -> None:
    """Show every setting, its value and where it came from; secrets are masked."""
    rows = settings.explain()
    if as_json:
        fields = ("name", "value", "origin", "help", "problem", "note")
        print_json([{field: getattr(row, field) for field in fields} for row in rows])
        return
    typer.echo(
        repr(Table(("setting", "value", "from", ""), [(r.name, r.value, r.origin, r.problem or r.note) for r in rows]))
    )


@config.command(epilog="Example: futurscam config check")
def check() -> None:
    """Check all settings; ends with 2 if one is wrong."""
    from futurscam_lib.diagnostics.runs import wrong_addresses

    if wrong := wrong_addresses(settings.load()):
        raise UsageError(wrong)
    typer.echo("All settings are right.")
