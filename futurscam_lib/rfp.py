"""The RFP document: transform makes it, load stores it.

The field names are the ones that FuturScam's consumers already read. The document is a plain dictionary that MongoDB
takes directly; pydantic checks it against the types below before anything is written.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, NotRequired, get_args, get_origin

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict, get_type_hints, is_typeddict  # pydantic needs these before Python 3.12

from futurscam_lib.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_JOB_ID: Final = 200
"""A longer id is invalid: hundreds of ids are looked up with one command, which may have 16 MB."""

DAYS: Final = ("conditions.fromAt", "conditions.toAt")
"""The fields that are calendar days; `clock.calendar_day` reads them."""

NOT_SPECIFIED: Final = "NS"
"""Used for a seniority or level that the source does not give."""
NO_REMOTE_OPTION: Final = "NotSpecified"

_CONFIG: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


# A field that a mapping does not give has a default, so a field added for one source never rejects items of another.
_NULL: Any = Field(default=None)
_LIST: Any = Field(default_factory=list)
_FILLED: Any = Field(default_factory=dict, validate_default=True)
Text = Annotated[str, Field(default="")]
OptionalText = Annotated[str | None, _NULL]
OptionalNumber = Annotated[float | None, _NULL]
OptionalDate = Annotated[datetime | None, _NULL]
OptionalFlag = Annotated[bool | None, _NULL]


@with_config(_CONFIG)
class Company(TypedDict):
    """The customer, and where the work is; `showDepartment`: the platform shows the department instead of the name."""

    name: NotRequired[OptionalText]
    department: NotRequired[OptionalText]
    showDepartment: NotRequired[Annotated[bool, Field(default=False)]]
    street: NotRequired[OptionalText]
    zipcode: NotRequired[OptionalText]
    city: NotRequired[OptionalText]
    region: NotRequired[OptionalText]
    country: NotRequired[OptionalText]


@with_config(_CONFIG)
class DailyRate(TypedDict):
    """Per day, excl. VAT; `currency` is ISO 4217."""

    currency: NotRequired[OptionalText]
    min: NotRequired[OptionalNumber]
    max: NotRequired[OptionalNumber]


@with_config(_CONFIG)
class Conditions(TypedDict):
    """Money and time; `fixedMargin` in percent; `fromAt` and `toAt` are calendar days, as midnight UTC."""

    dailyRate: NotRequired[Annotated[DailyRate, _FILLED]]
    fixedMargin: NotRequired[OptionalNumber]
    fromAt: NotRequired[OptionalDate]
    toAt: NotRequired[OptionalDate]
    startImmediately: NotRequired[OptionalFlag]
    occupation: NotRequired[OptionalText]


@with_config(_CONFIG)
class Skill(TypedDict):
    """A required skill, and how long ago it may have been used last."""

    name: str
    seniority: NotRequired[Annotated[str, Field(default=NOT_SPECIFIED)]]
    lastUsed: NotRequired[OptionalText]


@with_config(_CONFIG)
class Language(TypedDict):
    """A required language, by its English name."""

    language: str
    level: NotRequired[Annotated[str, Field(default=NOT_SPECIFIED)]]


@with_config(_CONFIG)
class Contact(TypedDict):
    """A person named by the source."""

    name: NotRequired[OptionalText]
    mail: NotRequired[OptionalText]
    role: NotRequired[OptionalText]


@with_config(_CONFIG)
class RfpContent(TypedDict):
    """Every field of the document except `_etl`; `role` is the platform's role, `questions` are for candidates."""

    job_id: Annotated[str, Field(min_length=1, max_length=MAX_JOB_ID)]
    reference: NotRequired[Text]
    roleTitle: str
    role: NotRequired[OptionalText]
    job_desc: NotRequired[Text]
    job_url: NotRequired[Text]
    seniority: NotRequired[Annotated[str, Field(default=NOT_SPECIFIED)]]
    remoteOption: NotRequired[Annotated[str, Field(default=NO_REMOTE_OPTION)]]
    isActive: NotRequired[Annotated[bool, Field(default=True)]]
    RFP_type: NotRequired[OptionalText]
    company: NotRequired[Annotated[Company, _FILLED]]
    conditions: NotRequired[Annotated[Conditions, _FILLED]]
    skills: NotRequired[Annotated[list[Skill], _LIST]]
    languages: NotRequired[Annotated[list[Language], _LIST]]
    questions: NotRequired[Annotated[list[str], _LIST]]
    publishedAt: NotRequired[OptionalDate]
    deadlineAt: NotRequired[OptionalDate]
    serviceProvider: NotRequired[OptionalText]
    metadata: NotRequired[Annotated[list[Contact], _LIST]]


_CHECK: Final = TypeAdapter(RfpContent)
_WORDS: Final = {str: "text", float: "number", bool: "true or false", datetime: "date", type(None): "null"}


class VersionKey(NamedTuple):
    """Decides which of two versions of a job wins: the larger key.

    `instant` is the source's own last change. At the same instant a newer mapping wins, so that a corrected mapping
    takes effect; then the hash decides, so that the result does not depend on the order of loading.
    """

    instant: str
    transform_version: int
    content_hash: str

    @property
    def text(self) -> str:
        """The `version` field of `_etl`."""
        return f"{self.instant}#{self.content_hash}"


@dataclass(frozen=True, slots=True)
class Rfp:
    """One normalised document on its way to MongoDB.

    Attributes:
        content: The document without `_etl`, checked.
        source_id: The item's id at its source.
        key: Its version.
        oddities: Unknown values, as (field, problem): `unknown word: Guru` for a word that no vocabulary has, or why a
            value was read leniently, left out or cut, without the value itself.
    """

    content: RfpContent
    source_id: str
    key: VersionKey
    oddities: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        content: RfpContent,
        *,
        source_id: str,
        instant: str,
        transform_version: int,
        oddities: tuple[tuple[str, str], ...] = (),
    ) -> Rfp:
        """Check the content and derive its hash.

        Args:
            content: The result of the mapping; missing fields get their defaults, which the hash ignores.
            source_id: The item's id at its source.
            instant: The source's own last change, as sortable text.
            transform_version: The version of the mapping.
            oddities: Unknown values.

        Raises:
            Rejected: A field has a value that the document cannot hold; `.path` names it.
        """
        return cls(checked(content), source_id, VersionKey(instant, transform_version, content_hash(content)), oddities)


def checked(content: Any) -> RfpContent:
    """Check the content and add a default for each missing field.

    Raises:
        Rejected: The document cannot hold a value; `.path` names the field.
    """
    try:
        return _CHECK.validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise Rejected(f"{path}: {first['msg']}.", code="wrong-type", path=path) from error


def customer(name: str | None, department: str | None, *, show_department: bool | None) -> str | None:
    """Return the customer for display: `SMALS (SFPD)` if the platform shows the department instead of the customer.

    Args:
        name: `company.name`.
        department: `company.department`.
        show_department: `company.showDepartment`; None in documents of an earlier mapping, which have no such field.
    """
    if not name:
        return department
    return f"{name} ({department})" if show_department and department and department != name else name


def schema() -> dict[str, str]:
    """Return the type of each field in words: `skills[].name` is `text`, `company.city` is `text or null`."""
    return dict(_fields(RfpContent, ""))


def _fields(of: type[Any], path: str) -> Iterator[tuple[str, str]]:
    for name, hint in get_type_hints(of).items():
        origin: Any = get_origin(hint)
        if is_typeddict(hint):
            yield from _fields(hint, f"{path}{name}.")
        elif origin is list and is_typeddict(get_args(hint)[0]):
            yield from _fields(get_args(hint)[0], f"{path}{name}[].")
        elif origin is list:
            yield f"{path}{name}[]", _WORDS[get_args(hint)[0]]
        else:
            kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
            null = [_WORDS[type(None)]] if type(None) in get_args(hint) else []
            yield f"{path}{name}", " or ".join([*(_WORDS[kind] for kind in kinds), *null])


def content_hash(content: RfpContent) -> str:
    """SHA-256, hex, of the content in a canonical encoding: JSON, keys sorted, UTF-8."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
