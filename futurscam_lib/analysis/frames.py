"""The RFPs as DataFrames, one row per RFP."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
import warnings
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock, settings
from futurscam_lib.analysis.columns import COLUMNS, Column, chosen, described
from futurscam_lib.analysis.filters import COLLATION, Filters, refuse_unknown
from futurscam_lib.errors import UsageError, require_extra
from futurscam_lib.load import mongo
from futurscam_lib.load.collections import Collections

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    import pyarrow as pa

    from futurscam_lib.analysis.filters import Names
    from futurscam_lib.analysis.instants import When
    from futurscam_lib.settings import Settings

_ORDER: Final = ("published_at", "job_id")
_SLICE: Final = 1000
_LARGEST: Final = 2**63 - 1
"""The largest limit that MongoDB accepts."""


def rfps(
    *,
    active: bool | None = None,
    since: When = None,
    until: When = None,
    source: Names = None,
    seniority: Names = None,
    region: Names = None,
    remote: Names = None,
    skill: Names = None,
    text: str | None = None,
    columns: str | Iterable[str] | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """Read the RFPs of the configured MongoDB: one row each, newest publication first.

    Args:
        active: True: only open ones; False: only closed ones.
        since: Published at this instant or later: ISO 8601 text, a date or a datetime, UTC if it has no offset.
            Without a publication date, the time when the RFP was first seen counts.
        until: Published before this instant.
        source: `folder`, `graph_mail`, `imap_mail`, `boond`. This and the following filters take one name or several,
            and ignore case and accents; an empty name filters nothing.
        seniority: `Junior`, `Medior`, `Senior`, `Expert`, `NS`.
        region: `Brussels`, `Liège`, `Flemish Brabant`...
        remote: `OnSite`, `Hybrid`, `Remote`, `NotSpecified`.
        skill: Asks for one of these skills; full names.
        text: Contains all of these words or parts of words in title, role, reference, description, company, department,
            city, skills or questions; ignores case and accents.
        columns: Only these columns, in this order; None: all but those on request.
        limit: At most this many RFPs, the newest ones.

    Returns:
        Missing values and values of the wrong type are `NaN`, `NaT` or `<NA>`. The columns:

        COLUMNS

        Text is `string`, instants are `datetime64[ms, UTC]`, flags `boolean`, rates `float64`, counts `int64`. Days are
        `datetime64[ms]` at midnight without a time zone, so that none moves to another day or month:
        `missions["starts_at"] >= "2026-01-01"` compares them, `missions["starts_at"].dt.to_period("M")` gives months.
        Excel knows no time zones and `to_excel` refuses instants: `futurscam export rfps.xlsx` writes a workbook.

    Raises:
        UsageError: There is no such column, or a filter has an invalid value, such as a source, seniority or remote
            option that neither the software nor any RFP has.
        RetryLater, OperatorMustAct: See `load.mongo.connect`.
    """
    filters = Filters(active, since, until, source, seniority, region, remote, skill, text)
    return _framed(read(settings.load(), filters, columns=chosen(columns), limit=limit))


# The list of columns is in one place.
rfps.__doc__ = inspect.cleandoc(rfps.__doc__ or "").replace(
    "    COLUMNS\n", textwrap.indent(described(), "    ") + "\n"
)


def skills(**filters: Any) -> pd.DataFrame:
    """The skills that RFPs ask for: `job_id`, `skill`, `seniority`, `last_used`; one row per skill.

    Args:
        filters: The filters and the `limit` of `rfps`; the result has all skills of the selected RFPs. RFPs without a
            `job_id` are left out, because their rows could not be distinguished. No run writes such RFPs.

    Raises:
        UsageError, RetryLater, OperatorMustAct: See `rfps`.
    """
    return _long("skills", filters)


def languages(**filters: Any) -> pd.DataFrame:
    """The languages that RFPs ask for: `job_id`, `language`, `level`; one row per language.

    Args:
        filters: As for `skills`.

    Raises:
        UsageError, RetryLater, OperatorMustAct: See `rfps`.
    """
    return _long("languages", filters)


def read(configured: Settings, filters: Filters, *, columns: Iterable[Column], limit: int | None = None) -> pa.Table:
    """The RFPs as an Arrow table, in the order of `rfps`.

    Raises:
        UsageError, RetryLater, OperatorMustAct: See `rfps`.
    """
    require_extra("export", "pyarrow", "pymongoarrow", "xlsxwriter", what="Reading RFPs into tables")
    wanted = {column.name: column for column in columns}
    fetched = {**wanted, **{name: COLUMNS[name] for name in _ORDER}}
    project = {"_id": 0, **{name: column.expression() for name, column in fetched.items()}}
    match = filters.match()
    pipeline: list[dict[str, Any]] = [{"$match": match}, {"$project": project}]
    if limit is not None:
        pipeline += [{"$sort": {"published_at": -1, "job_id": 1}}, {"$limit": _positive(limit)}]
    with mongo.connect(configured) as client, mongo.mongo_errors():
        collection = Collections.of(client[configured.database]).rfps
        refuse_unknown(match, collection)
        table = _api().aggregate_arrow_all(collection, pipeline, schema=_schema(fetched.values()), collation=COLLATION)
    table = table.sort_by([("published_at", "descending"), ("job_id", "ascending")])
    table = _decodable(table.select(list(wanted)))
    return _with_days(_readable(table), [name for name, column in wanted.items() if column.kind == "day"])


def _positive(limit: Any) -> int:
    # Integral: also accepts numpy's integers.
    if isinstance(limit, Integral) and not isinstance(limit, bool) and int(limit) > 0:
        return min(int(limit), _LARGEST)
    raise UsageError(f"limit takes a number from 1, not {limit!r}.")


def _api() -> Any:
    with warnings.catch_warnings():
        # pyarrow warns when pymongoarrow was built with another patch release, which works.
        warnings.filterwarnings("ignore", ".* size changed, may indicate binary incompatibility", RuntimeWarning)
        from pymongoarrow import api
    return api


def _schema(columns: Iterable[Column]) -> Any:
    import pyarrow as pa

    types = {
        "key": pa.string(),
        "text": pa.string(),
        "number": pa.float64(),
        "date": pa.timestamp("ms", tz="UTC"),
        "day": pa.timestamp("ms", tz="UTC"),
        "flag": pa.bool_(),
        "by hand": pa.bool_(),
        "count": pa.int64(),
        "texts": pa.list_(pa.string()),
        "skills": pa.list_(pa.struct({"skill": pa.string(), "seniority": pa.string(), "last_used": pa.string()})),
        "languages": pa.list_(pa.struct({"language": pa.string(), "level": pa.string()})),
    }
    return _api().Schema({column.name: types[column.kind] for column in columns})


def _decodable(table: pa.Table) -> pa.Table:
    """Replace bytes that are not UTF-8 by �: other programs write them, and MongoDB keeps them."""
    import pyarrow as pa

    for place, column in enumerate(table.columns):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            cells = _decoded(column.cast(_bytes_of(column.type)).to_pylist())
            table = table.set_column(place, table.field(place), pa.array(cells, column.type))
    return table


def _bytes_of(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_list(kind):
        return pa.list_(_bytes_of(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, pa.binary()) for field in kind])
    return pa.binary()


def _decoded(cell: Any) -> Any:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if isinstance(cell, list):
        return [_decoded(value) for value in cell]
    return {name: _decoded(value) for name, value in cell.items()} if isinstance(cell, dict) else cell


def _readable(table: pa.Table) -> pa.Table:
    """Convert the descriptions to plain text."""
    import pyarrow as pa

    if "description" not in table.column_names:
        return table
    # In slices: all texts at once as Python strings would take several times the memory.
    described = table["description"]
    slices = [_plain(described[first : first + _SLICE]) for first in range(0, len(described), _SLICE)]
    place = table.column_names.index("description")
    return table.set_column(place, "description", pa.chunked_array(slices, pa.string()))


def _plain(texts: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    from futurscam_lib.analysis.plain import plain_text

    return pa.array([None if text is None else plain_text(text) for text in texts.to_pylist()], pa.string())


def _with_days(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """Convert the instants that stand for days in documents into calendar days."""
    import pyarrow as pa

    for name in names:
        # Each distinct day is converted once: there are only a few hundred.
        coded = table[name].combine_chunks().dictionary_encode()
        days = pa.array([clock.calendar_day(instant) for instant in coded.dictionary.to_pylist()], pa.date32())
        place = table.column_names.index(name)
        table = table.set_column(place, name, days.take(coded.indices))
    return table


def _long(name: str, given: dict[str, Any]) -> pd.DataFrame:
    """One row for each entry of a list column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = [field.name for field in dataclasses.fields(Filters)]
    if unknown := ", ".join(sorted(given.keys() - {*known, "limit"})):
        raise UsageError(f"{name}() has no filter {unknown}; it has: {', '.join(known)}, limit.")
    filters, limit = Filters(**{key: given[key] for key in given if key != "limit"}), given.get("limit")
    table = read(settings.load(), filters, columns=chosen(["job_id", name]), limit=limit)
    table = table.filter(pc.field("job_id").is_valid()).combine_chunks()
    lists = table[name]
    entries = pc.list_flatten(lists).combine_chunks()
    job_ids = table["job_id"].take(pc.list_parent_indices(lists))
    fields = [field.name for field in lists.type.value_type]
    return _framed(pa.table({"job_id": job_ids, **{field: pc.struct_field(entries, field) for field in fields}}))


def _framed(table: pa.Table) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    kinds = {pa.string(): pd.StringDtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=kinds.get, date_as_object=False)
    return frame
