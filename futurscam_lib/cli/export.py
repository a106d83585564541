"""`futurscam export`: the RFPs for a spreadsheet or another program."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - typer reads the annotations at run time
from enum import StrEnum
from typing import Annotated

import typer

from futurscam_lib import clock, settings
from futurscam_lib.cli.output import instant, print_error

Several = list[str] | None


class Format(StrEnum):
    """The formats of an exported file."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: futurscam export rfps.xlsx --active --region Brussels")(export)


def export(
    *,
    file: Annotated[
        str | None,
        typer.Argument(help="The file; `-`: stdout; if none is given: rfps-TIME.csv in the current folder."),
    ] = None,
    written_as: Annotated[
        Format | None, typer.Option("--format", help="If not given: what the file's ending says.")
    ] = None,
    active: Annotated[bool, typer.Option("--active", help="Only open RFPs.")] = False,
    since: Annotated[
        datetime | None, typer.Option(parser=instant, metavar="INSTANT", help="Only RFPs published since then.")
    ] = None,
    source: Annotated[Several, typer.Option(metavar="NAME", help="Only RFPs of this source; may be repeated.")] = None,
    seniority: Annotated[
        Several, typer.Option(metavar="NAME", help="Only RFPs with this seniority; may be repeated.")
    ] = None,
    region: Annotated[Several, typer.Option(metavar="NAME", help="Only RFPs in this region; may be repeated.")] = None,
    skill: Annotated[
        Several, typer.Option(metavar="NAME", help="Only RFPs that ask for this skill; may be repeated.")
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="WORDS", help="Only RFPs that contain all these words.")] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only these columns, separated by commas, in this order.")
    ] = None,
    descriptions: Annotated[bool, typer.Option("--descriptions", help="Add the descriptions, as plain text.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the RFPs as CSV, Excel or Parquet.

    Texts that look like formulas stay texts. All times are UTC.
    """
    from futurscam_lib.analysis import frames
    from futurscam_lib.analysis.export import Target
    from futurscam_lib.analysis.export import columns as chosen_columns
    from futurscam_lib.analysis.filters import Filters

    target = Target.of(file, written_as=written_as, force=force, now=clock.now())
    names = [name.strip() for name in (columns or "").split(",") if name.strip()]
    wanted = chosen_columns(names, descriptions=descriptions)
    filters = Filters(
        active=active or None,
        since=since,
        source=source or None,
        seniority=seniority or None,
        region=region or None,
        skill=skill or None,
        text=text,
    )
    rows = frames.read(settings.load(), filters, columns=wanted)
    target.write(rows)
    rfps = f"{rows.num_rows:,} RFP{'' if rows.num_rows == 1 else 's'}"
    if target.path is None:
        print_error(f"{rfps} written.")
    else:
        typer.echo(f"{rfps} written to {target.path.absolute()}")
