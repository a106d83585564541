"""The columns of an RFP for analysts and exports: the field of the document and the type of each.

To add a column, add a line to `_ALL`: frames, exports and `help(rfps)` follow.

Other programs write into the collection, too, so a document may lack any field or hold a value of another type. MongoDB
then returns a missing value for that column; the row stays.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from futurscam_lib.errors import UsageError
from futurscam_lib.run_ids import BY_HAND

Kind = Literal["key", "text", "number", "date", "day", "flag", "count", "by hand", "texts", "skills", "languages"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: The name that analysts use.
        kind: `text`; `key`: text, also where it is a number or the like; `number`: a float; `date`: an instant, UTC;
            `day`: a calendar day, see `clock.calendar_day`; `flag`: true or false; `count`: the entries of a list;
            `by hand`: whether a run_id is one of a run by hand; `texts`: a list of texts; `skills` and `languages`: a
            list of objects, whose fields are texts.
        path: Its field in the document, dotted.
        on_request: Whether it is left out unless requested by name.
        note: An explanation for `help(rfps)`.
    """

    name: str
    kind: Kind
    path: str
    on_request: bool = False
    note: str = ""

    def expression(self) -> Any:
        """The MongoDB expression that computes it; null if the document has no value of this kind."""
        return _EXPRESSIONS[self.kind](f"${self.path}")


_ALL: Final = (
    Column("job_id", "key", "job_id"),
    Column("reference", "text", "reference"),
    Column("title", "text", "roleTitle"),
    Column("role", "text", "role", note="the platform's name for the job"),
    Column("company", "text", "company.name", note="the customer"),
    Column("department", "text", "company.department"),
    Column(
        "show_department",
        "flag",
        "company.showDepartment",
        note="the platform shows the department in the customer's place",
    ),
    Column("street", "text", "company.street"),
    Column("zipcode", "text", "company.zipcode"),
    Column("city", "text", "company.city"),
    Column("region", "text", "company.region"),
    Column("country", "text", "company.country"),
    Column("seniority", "text", "seniority"),
    Column("remote", "text", "remoteOption"),
    Column("active", "flag", "isActive"),
    Column("rfp_type", "text", "RFP_type"),
    Column("rate_min", "number", "conditions.dailyRate.min", note="per day, excl. VAT"),
    Column("rate_max", "number", "conditions.dailyRate.max", note="per day, excl. VAT"),
    Column("currency", "text", "conditions.dailyRate.currency", note="of the rates, ISO 4217"),
    Column("fixed_margin", "number", "conditions.fixedMargin", note="percent"),
    Column("occupation", "text", "conditions.occupation"),
    Column("starts_at", "day", "conditions.fromAt"),
    Column("ends_at", "day", "conditions.toAt"),
    Column("start_immediately", "flag", "conditions.startImmediately"),
    Column("published_at", "date", "publishedAt"),
    Column("deadline_at", "date", "deadlineAt"),
    Column("n_skills", "count", "skills"),
    Column("n_languages", "count", "languages"),
    Column("n_questions", "count", "questions"),
    Column("provider", "text", "serviceProvider", note="the intermediary"),
    Column("url", "text", "job_url"),
    Column("source", "text", "_etl.source"),
    Column("source_id", "text", "_etl.source_id"),
    Column("version", "text", "_etl.version"),
    Column("raw_id", "text", "_etl.raw_id"),
    Column("first_seen_at", "date", "_etl.first_seen_at"),
    Column("changed_at", "date", "_etl.changed_at"),
    Column("first_run_id", "text", "_etl.first_run_id"),
    Column("run_id", "text", "_etl.run_id"),
    Column("interactive", "by hand", "_etl.run_id", note="last loaded by hand"),
    Column("description", "text", "job_desc", on_request=True, note="plain text"),
    Column("skills", "skills", "skills", on_request=True, note="a list; `skills()` returns rows"),
    Column("languages", "languages", "languages", on_request=True, note="a list; `languages()` returns rows"),
    Column("questions", "texts", "questions", on_request=True),
)
COLUMNS: Final = {column.name: column for column in _ALL}
"""All columns, in the order in which they are shown."""

STANDARD: Final = tuple(column.name for column in _ALL if not column.on_request)
"""The columns without those on request."""


EXPORTED: Final = tuple(name for name in COLUMNS if name != "description")
"""The columns of an export; descriptions are long and have their own option."""

_GROUPS: Final[dict[str, tuple[Kind, ...]]] = {
    "Text": ("key", "text"),
    "Numbers": ("number",),
    "Counts": ("count",),
    "Flags": ("flag", "by hand"),
    "Days, as the source wrote them": ("day",),
    "Instants (UTC)": ("date",),
}


def described() -> str:
    """All columns as the lines of a docstring, grouped by type."""
    groups = {
        head: [column for column in _ALL if column.kind in kinds and not column.on_request]
        for head, kinds in _GROUPS.items()
    }
    groups["On request"] = [column for column in _ALL if column.on_request]
    items = (f"- {head}: {', '.join(map(_described, columns))}." for head, columns in groups.items())
    return "\n".join(textwrap.fill(item, 118, subsequent_indent="  ") for item in items)


def _described(column: Column) -> str:
    return f"`{column.name}`" + (f" ({column.note})" if column.note else "")


def chosen(names: str | Iterable[str] | None) -> list[Column]:
    """The columns with these names, in their order; None: all standard columns.

    Raises:
        UsageError: There is no such column; the message suggests similar names.
    """
    if names is None:
        names = STANDARD
    if not isinstance(names, Iterable):
        raise UsageError(f"columns takes a name or a list of names, not {names!r}.")
    return [_named(name) for name in ([names] if isinstance(names, str) else names)]


def _named(name: str) -> Column:
    if isinstance(name, str) and name in COLUMNS:
        return COLUMNS[name]
    near = difflib.get_close_matches(str(name).lower(), COLUMNS, n=3, cutoff=0.5)
    like = f"; like it: {', '.join(near)}" if near else ""
    raise UsageError(f"There is no column {name!r}{like}.\nThe columns are: {', '.join(COLUMNS)}.")


def _if(condition: Any, then: Any) -> Any:
    return {"$cond": [condition, then, None]}


def _is(field: str, bson_type: str) -> Any:
    return {"$eq": [{"$type": field}, bson_type]}


def _text(field: str) -> Any:
    return _if(_is(field, "string"), field)


def _key(field: str) -> Any:
    # Missing keys would match each other when frames are joined.
    # An instant that cannot be written as text fails the whole query, whatever onError says.
    holdable = {"$cond": [_is(field, "date"), _date(field), field]}
    return {"$convert": {"input": holdable, "to": "string", "onError": None, "onNull": None}}


def _number(field: str) -> Any:
    # NaN sorts below minus infinity.
    finite = {"$and": [{"$isNumber": field}, {"$gt": [field, float("-inf")]}, {"$lt": [field, float("inf")]}]}
    return _if(finite, {"$convert": {"input": field, "to": "double", "onError": None}})


def _date(field: str) -> Any:
    # BSON dates span 292 million years both ways; a date that Python cannot hold is not the date of a mission.
    within = [{"$gte": [field, datetime.min.replace(tzinfo=UTC)]}, {"$lte": [field, datetime.max.replace(tzinfo=UTC)]}]
    return _if({"$and": [_is(field, "date"), *within]}, field)


def _flag(field: str) -> Any:
    return _if(_is(field, "bool"), field)


def _count(field: str) -> Any:
    return {"$size": _entries(field)}


def _by_hand(field: str) -> Any:
    return _if(_is(field, "string"), {"$eq": [{"$indexOfCP": [field, BY_HAND, 0, len(BY_HAND)]}, 0]})


def _entries(field: str) -> Any:
    return {"$cond": [{"$isArray": field}, field, []]}


def _texts(field: str) -> Any:
    return {"$filter": {"input": _entries(field), "as": "entry", "cond": _is("$$entry", "string")}}


def _named_entries(name: str, key: str, **about: str) -> Any:
    """The entries of a list that have a name.

    Args:
        name: Column of the name in the frame.
        key: Field of the name in an entry.
        about: The other fields: their columns in the frame, and their fields in an entry.
    """

    def expression(field: str) -> Any:
        named = {"$filter": {"input": _entries(field), "as": "entry", "cond": _is(f"$$entry.{key}", "string")}}
        kept = {name: f"$$entry.{key}", **{column: _text(f"$$entry.{path}") for column, path in about.items()}}
        return {"$map": {"input": named, "as": "entry", "in": kept}}

    return expression


_EXPRESSIONS: Final = {
    "key": _key,
    "text": _text,
    "number": _number,
    "date": _date,
    "day": _date,  # `clock.calendar_day` converts the instant to a day.
    "flag": _flag,
    "count": _count,
    "by hand": _by_hand,
    "texts": _texts,
    "skills": _named_entries("skill", "name", seniority="seniority", last_used="lastUsed"),
    "languages": _named_entries("language", "language", level="level"),
}
