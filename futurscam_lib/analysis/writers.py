"""Write RFPs as CSV, Excel and Parquet; no text in them can become a formula of a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from futurscam_lib.errors import UsageError
from futurscam_lib.report.spreadsheet import guarded, guarded_in_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

SHEET_ROWS: Final = 1_048_576
"""The maximum number of rows in an Excel sheet, including the heading."""

CELL_UNITS: Final = 32_767
"""The maximum number of UTF-16 units in an Excel cell."""

CUT: Final = " […cut]"

_SLICE: Final = 1000
_FIRST_YEAR_OF_EXCEL: Final = 1900
_FORMATS: Final = {"day": {"num_format": "yyyy-mm-dd"}, "instant": {"num_format": 'yyyy-mm-dd hh:mm "UTC"'}}
_NOT_GIVEN: Final = "NS"
# Characters that XML cannot hold or that control a terminal; tab and line ends stay.
_UNWANTED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def write_csv(table: pa.Table, file: BinaryIO) -> None:
    """Write RFC 4180 CSV in UTF-8 with a byte order mark, so that Excel detects the encoding; lists in one cell.

    Days are written as `2026-01-01`, instants as ISO 8601 in UTC.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        writer = csv.writer(text)
        writer.writerow(table.column_names)
        writer.writerows([_for_csv(cell) for cell in row] for row in _rows(table))
    finally:
        text.detach()


def write_xlsx(table: pa.Table, file: BinaryIO) -> None:
    """Write a workbook with one sheet, a frozen heading and filters; lists in one cell.

    Days and instants (UTC) are date cells of Excel, which can be sorted and grouped.

    Raises:
        UsageError: There are more rows than a sheet holds.
    """
    import xlsxwriter

    if table.num_rows >= SHEET_ROWS:
        raise UsageError(
            f"{table.num_rows:,} RFPs are more than an Excel sheet holds ({SHEET_ROWS - 1:,}); nothing was written.\n"
            "Take fewer (--since, --source, --active), or another format (--format csv or parquet)."
        )
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, {**options, "strings_to_numbers": False}) as book:
        book.set_properties({"title": "RFPs", "comments": "All times are UTC."})
        sheet = book.add_worksheet("RFPs")
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, table.num_rows, max(table.num_columns - 1, 0))
        sheet.set_column(0, max(table.num_columns - 1, 0), 18)
        bold = book.add_format({"bold": True})
        for place, name in enumerate(table.column_names):
            sheet.write_string(0, place, name, bold)
        formats = {name: book.add_format(look) for name, look in _FORMATS.items()}
        cells = _Cells(sheet, formats, book.add_format())
        for number, row in enumerate(_rows(table), start=1):
            for place, cell in enumerate(row):
                cells.write(number, place, cell)


def write_parquet(table: pa.Table, file: BinaryIO) -> None:
    """Write every column with its type: days as dates, instants in UTC, lists as lists; text is unchanged."""
    import pyarrow.parquet as pq

    pq.write_table(table, file)


WRITERS: Final[dict[str, Callable[[pa.Table, BinaryIO], None]]] = {
    "csv": write_csv,
    "xlsx": write_xlsx,
    "parquet": write_parquet,
}
"""Each format, by the ending of its files."""


class _Cells:
    """Writes cells by their type; text is never written as a formula."""

    def __init__(self, sheet: Worksheet, formats: Mapping[str, Format], quoted: Format) -> None:
        self._sheet, self._formats, self._quoted = sheet, formats, quoted
        # Text that begins like a formula stays text even after a user edits the cell.
        self._quoted.set_quote_prefix()

    def write(self, row: int, column: int, cell: Any) -> None:
        if cell is None:
            return
        if isinstance(cell, bool):
            self._sheet.write_boolean(row, column, cell)
        elif isinstance(cell, int | float):
            self._sheet.write_number(row, column, cell)
        elif isinstance(cell, datetime) and cell.year >= _FIRST_YEAR_OF_EXCEL:
            self._sheet.write_datetime(row, column, cell.replace(tzinfo=None), self._formats["instant"])
        elif isinstance(cell, date) and cell.year >= _FIRST_YEAR_OF_EXCEL:
            self._sheet.write_datetime(row, column, datetime.combine(cell, time.min), self._formats["day"])
        else:
            text = _for_sheet(_iso(cell) if isinstance(cell, date) else _text(cell))
            self._sheet.write_string(row, column, text, self._quoted if guarded(text) != text else None)


def _rows(table: pa.Table) -> Iterator[list[Any]]:
    for batch in table.to_batches(max_chunksize=_SLICE):
        columns = [column.to_pylist() for column in batch.columns]
        yield from (list(row) for row in zip(*columns, strict=True))


def _for_csv(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        return f"{cell:.15g}"
    if isinstance(cell, date):
        return _iso(cell)
    text = _text(cell)
    return guarded_in_csv(text)


def _for_sheet(text: str) -> str:
    """Text that a cell can hold."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.startswith("<r>") and text.endswith("</r>"):
        text = f" {text}"  # xlsxwriter would treat it as its own markup and write it unescaped.
    units = text.encode("utf-16-le")
    if len(units) <= CELL_UNITS * 2:
        return text
    return units[: (CELL_UNITS - len(CUT)) * 2].decode("utf-16-le", "ignore") + CUT


def _text(cell: Any) -> str:
    text = "; ".join(map(_entry, cell)) if isinstance(cell, list) else str(cell)
    return _UNWANTED.sub("", text)


def _entry(entry: str | dict[str, str | None]) -> str:
    """A question, a skill or a language as text; a level is added in brackets."""
    if isinstance(entry, str):
        return entry
    name, level, *_ = entry.values()
    return f"{name} ({level})" if level and level != _NOT_GIVEN else f"{name}"


def _iso(instant: date) -> str:
    """A day or an instant."""
    if not isinstance(instant, datetime):
        return instant.isoformat()
    exact = instant.isoformat(timespec="milliseconds" if instant.microsecond else "seconds")
    return exact.replace("+00:00", "Z")
