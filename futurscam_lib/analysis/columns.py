"""The columns of an RFP as an analyst sees them: where each stands in the document, and what it holds.

Other programs write into the collection, too, so a document may lack any field or hold something odd in it. MongoDB
itself makes missing what is not of a column's kind; the row stays.
"""

from __future__ import annotations

import difflib
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
        name: As the analyst writes it.
        kind: `text`; `key`: text, also where it is a number or the like; `number`: a float; `date`: an instant, UTC;
            `day`: a calendar day, see `clock.calendar_day`; `flag`: true or false; `count`: the entries of a list;
            `by hand`: whether a run_id is one of a run by hand; `texts`: a list of texts; `skills` and `languages`: a
            list of objects, whose fields are texts.
        path: Where it stands in the document, dotted.
        on_request: Left out unless it is asked for by name.
    """

    name: str
    kind: Kind
    path: str
    on_request: bool = False

    def expression(self) -> Any:
        """What MongoDB computes it by; null where the document has nothing of its kind."""
        return _EXPRESSIONS[self.kind](f"${self.path}")


_ALL: Final = (
    Column("job_id", "key", "job_id"),
    Column("reference", "text", "reference"),
    Column("title", "text", "roleTitle"),
    Column("role", "text", "role"),
    Column("company", "text", "company.name"),
    Column("department", "text", "company.department"),
    Column("show_department", "flag", "company.showDepartment"),
    Column("street", "text", "company.street"),
    Column("zipcode", "text", "company.zipcode"),
    Column("city", "text", "company.city"),
    Column("region", "text", "company.region"),
    Column("country", "text", "company.country"),
    Column("seniority", "text", "seniority"),
    Column("remote", "text", "remoteOption"),
    Column("active", "flag", "isActive"),
    Column("rfp_type", "text", "RFP_type"),
    Column("rate_min", "number", "conditions.dailyRate.min"),
    Column("rate_max", "number", "conditions.dailyRate.max"),
    Column("currency", "text", "conditions.dailyRate.currency"),
    Column("fixed_margin", "number", "conditions.fixedMargin"),
    Column("occupation", "text", "conditions.occupation"),
    Column("starts_at", "day", "conditions.fromAt"),
    Column("ends_at", "day", "conditions.toAt"),
    Column("start_immediately", "flag", "conditions.startImmediately"),
    Column("published_at", "date", "publishedAt"),
    Column("deadline_at", "date", "deadlineAt"),
    Column("n_skills", "count", "skills"),
    Column("n_languages", "count", "languages"),
    Column("n_questions", "count", "questions"),
    Column("provider", "text", "serviceProvider"),
    Column("url", "text", "job_url"),
    Column("source", "text", "_etl.source"),
    Column("source_id", "text", "_etl.source_id"),
    Column("version", "text", "_etl.version"),
    Column("raw_id", "text", "_etl.raw_id"),
    Column("first_seen_at", "date", "_etl.first_seen_at"),
    Column("changed_at", "date", "_etl.changed_at"),
    Column("first_run_id", "text", "_etl.first_run_id"),
    Column("run_id", "text", "_etl.run_id"),
    Column("interactive", "by hand", "_etl.run_id"),
    Column("description", "text", "job_desc", on_request=True),
    Column("skills", "skills", "skills", on_request=True),
    Column("languages", "languages", "languages", on_request=True),
    Column("questions", "texts", "questions", on_request=True),
)
COLUMNS: Final = {column.name: column for column in _ALL}
"""All columns, in the order in which they are shown."""

STANDARD: Final = tuple(column.name for column in _ALL if not column.on_request)
"""Those that one gets without asking."""


def chosen(names: str | Iterable[str] | None) -> list[Column]:
    """The columns of these names, in their order; all standard ones for None.

    Raises:
        UsageError: There is no such column; near ones are named.
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
    # Missing ones would be equal to each other where frames are joined by them.
    # An instant that no text can hold fails the whole answer, whatever onError says.
    holdable = {"$cond": [_is(field, "date"), _date(field), field]}
    return {"$convert": {"input": holdable, "to": "string", "onError": None, "onNull": None}}


def _number(field: str) -> Any:
    # Not a number sorts below minus infinity.
    finite = {"$and": [{"$isNumber": field}, {"$gt": [field, float("-inf")]}, {"$lt": [field, float("inf")]}]}
    return _if(finite, {"$convert": {"input": field, "to": "double", "onError": None}})


def _date(field: str) -> Any:
    # BSON reaches 292 million years to both sides; what Python cannot hold is not the date of a mission.
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
    return {"$filter": {"input": _entries(field), "as": "one", "cond": _is("$$one", "string")}}


def _named_entries(name: str, key: str, **about: str) -> Any:
    """Those entries of a list that have a name.

    Args:
        name: What the name is called in the frame.
        key: What it is called in an entry.
        about: The other fields: what each is called in the frame and in an entry.
    """

    def expression(field: str) -> Any:
        named = {"$filter": {"input": _entries(field), "as": "one", "cond": _is(f"$$one.{key}", "string")}}
        kept = {name: f"$$one.{key}", **{column: _text(f"$$one.{path}") for column, path in about.items()}}
        return {"$map": {"input": named, "as": "one", "in": kept}}

    return expression


_EXPRESSIONS: Final = {
    "key": _key,
    "text": _text,
    "number": _number,
    "date": _date,
    "day": _date,  # Which day an instant stands for is decided in one place for all, `clock.calendar_day`.
    "flag": _flag,
    "count": _count,
    "by hand": _by_hand,
    "texts": _texts,
    "skills": _named_entries("skill", "name", seniority="seniority", last_used="lastUsed"),
    "languages": _named_entries("language", "language", level="level"),
}
