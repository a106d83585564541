"""`futurscam config`: the settings."""

from __future__ import annotations

import typer

from futurscam_lib import settings
from futurscam_lib.cli.output import GROUP, Json, print_json
from futurscam_lib.errors import UsageError
from futurscam_lib.report.tables import Table
from futurscam_lib.settings import alert_urls

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
    secret = settings.load().alert_urls
    known = alert_urls.split(secret.get_secret_value()) if secret else []
    if wrong := alert_urls.wrong(known) if known else []:
        which = ", ".join(str(number) for number in wrong)
        raise UsageError(
            f"FUTURSCAM_ALERT_URLS holds what is not an address for Apprise: number {which} of {len(known)}. "
            "Runs go on, but send no alerts there. https://github.com/caronc/apprise/wiki names the forms."
        )
    typer.echo("All settings are right.")
