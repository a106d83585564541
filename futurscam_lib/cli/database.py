"""`futurscam db`: the local MongoDB."""

from __future__ import annotations

import typer

from futurscam_lib import settings
from futurscam_lib.cli.output import GROUP, print_error
from futurscam_lib.errors import ExitCode
from futurscam_lib.settings import mongo_uri

database = typer.Typer(help="The local MongoDB, where MONGO_URI is not set.", **GROUP)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(database, name="db")


@database.callback(invoke_without_command=True)
def _database(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        uri()


@database.command(epilog="Example: futurscam db start")
def start() -> None:
    """Start the local server if it is not running, and print its URI."""
    from futurscam_lib.load import local_server

    typer.echo(local_server.ensure_running(settings.load()))


@database.command(epilog="Example: futurscam db stop")
def stop() -> None:
    """Stop the local server."""
    from futurscam_lib.load import local_server

    typer.echo("Stopped." if local_server.stop(settings.load()) else "It was not running.")


@database.command(epilog="Example: futurscam db uri")
def uri() -> None:
    """Print the URI of the database in use, for mongosh or Compass; a password is masked."""
    from futurscam_lib.load import local_server

    configured = settings.load()
    if configured.mongo_uri is not None:
        typer.echo(mongo_uri.mask(configured.mongo_uri.get_secret_value()))
        return
    server = local_server.find(configured)
    if server is None:
        print_error("The local server is not running; `futurscam db start` starts it.")
        raise typer.Exit(int(ExitCode.RETRY_LATER))
    typer.echo(server.uri)
