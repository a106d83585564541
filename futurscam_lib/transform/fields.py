"""Reading fields of a parsed payload: a value that is not understood costs its field, never the record.

A value of the wrong type or form is read if its meaning is plain, else it reads as not given. Either way it is added
to `unknown` once: the field's path and what is wrong, never the value itself. The fields that identify or order a
record are required: `required_text`, `required_identifier` and `last_change` raise.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from futurscam_lib import clock
from futurscam_lib.errors import Rejected
from futurscam_lib.records import IN_FUTURE
from futurscam_lib.transform import vocabulary
from futurscam_lib.transform.text import REPLACEMENT, fold, has_lone_surrogate, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

T = TypeVar("T")

LONGEST_LINE: Final = 500
LONGEST_TEXT: Final = 200_000
MOST_ELEMENTS: Final = 500
"""Longer values are cut: a MongoDB document holds 16 MB, an index entry and a line of a table much less."""
FIRST_YEAR, LAST_YEAR = 1990, 2100

_CLOCKS_DIFFER_BY: Final = timedelta(days=1)
_UNSET: Final = "0001-01-01"
"""How .NET writes a date that was never set, with or without a time and an offset."""
_REPLACED: Final = "a lone surrogate, replaced"
_LARGEST_WHOLE: Final = 10**15
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "ja", "oui", "1"), True),
    **dict.fromkeys(("false", "no", "nee", "nein", "non", "0"), False),
}
_CURRENCY: Final = r"(?:[€$£]|eur|euros?|usd|gbp|chf)"
# Three digits after one comma or point may be a fraction or thousands: not plain, unless the number starts with a zero.
_NUMBER: Final = re.compile(
    rf"{_CURRENCY}?\s*(?P<sign>[+-]?)\s*"
    r"(?:(?P<plain>\d+(?:[.,]\d{1,2}|[.,]\d{4,})?|0+[.,]\d+)"
    r"|(?P<spaced>\d{1,3}(?: \d{3})+(?:[.,]\d{1,2})?)"
    r"|(?P<comma>\d{1,3}(?:\.\d{3})+,\d{1,2})"
    r"|(?P<point>\d{1,3}(?:,\d{3})+\.\d{1,2}))"
    rf"\s*(?:{_CURRENCY}|%)?",
    re.ASCII | re.IGNORECASE,
)


class Fields:
    """One JSON object of a payload and where it stands; a missing or null object reads as one without fields.

    Attributes:
        path: Where the object stands, dotted; elements of a list stand where their list does.
        unknown: The unknown values of the payload, as (path, what); shared by all objects of one payload.
    """

    __slots__ = ("_children", "_data", "_elsewhere", "_noted", "path", "unknown")

    def __init__(self, data: dict[str, Any], path: str = "", unknown: list[tuple[str, str]] | None = None) -> None:
        """Wrap an object.

        Args:
            data: The object.
            path: Where it stands; empty for the whole payload.
            unknown: Takes the unknown values.
        """
        self._data, self.path = data, path
        self.unknown = [] if unknown is None else unknown
        self._children: dict[str, Fields] = {}
        self._elsewhere: dict[str, str] = {}
        self._noted: set[tuple[str, str]] = set()

    @classmethod
    def of(cls, payload: Any) -> Fields:
        """Wrap a whole payload.

        Raises:
            Rejected: It is not an object.
        """
        if payload is None:
            return cls({})
        if not isinstance(payload, dict):
            raise _wrong("", payload, "an object")
        return cls(payload)

    def filled(self) -> Fields:
        """The same with null for each blank text, which some sources write for a value of any type."""
        blank_is_null = {name: None if _is_blank(value) else value for name, value in self._data.items()}
        return Fields(blank_is_null, self.path, self.unknown)

    def under(self, upper: Fields) -> Fields:
        """The fields of both objects; where `upper` has one, it wins, also with null."""
        both = Fields({**self._data, **upper._data}, self.path, self.unknown)
        both._elsewhere = dict.fromkeys(upper._data, upper.path)
        return both

    def where(self, name: str) -> str:
        """Dotted path of a field."""
        path = self._elsewhere.get(name, self.path)
        return f"{path}.{name}" if path else name

    def note(self, name: str, what: str) -> None:
        """Count a field's value as unknown, once however often it is read.

        Args:
            name: The field.
            what: What is wrong with it, and nothing of the value.
        """
        if (name, what) not in self._noted:
            self._noted.add((name, what))
            self.unknown.append((self.where(name), what))

    def child(self, name: str) -> Fields:
        """An object; the same one each time."""
        if name not in self._children:
            value = self._data.get(name)
            if value is not None and not isinstance(value, dict):
                value = self._odd(name, value, _as_object, "an object")
            self._children[name] = Fields(value or {}, self.where(name), self.unknown)
        return self._children[name]

    def items(self, name: str) -> list[Any]:
        """The elements of a list; one value stands for a list of one."""
        value = self._data.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            value = self._odd(name, value, _as_list, "a list") or []
        if len(value) > MOST_ELEMENTS:
            self.note(name, f"cut to {MOST_ELEMENTS} elements")
            value = value[:MOST_ELEMENTS]
        return value

    def children(self, name: str, *, named: str = "", mixed: bool = False) -> Iterator[Fields]:
        """Each object of a list.

        Args:
            name: The field.
            named: The field of such an object that a mere text or number in the list stands for.
            mixed: Whether the source writes such texts and numbers as a rule, so that they are not odd.
        """
        for element in self.items(name):
            if isinstance(element, dict):
                yield Fields(element, self.where(name), self.unknown)
            elif named and isinstance(element, str | int) and not isinstance(element, bool) and not _is_blank(element):
                if not mixed:
                    self.unknown.append((self.where(name), f"{_kind(element)} read as an object"))
                yield Fields({named: element}, self.where(name), self.unknown)
            elif element is not None and not _is_blank(element):
                self.unknown.append((self.where(name), f"{_kind(element)}, not an object"))

    def is_word(self, name: str, word: str) -> bool:
        """Whether the text of a field, in small letters, is this word."""
        value = self._data.get(name)
        return isinstance(value, str) and tidy(value).lower() == word

    def raw_text(self, name: str) -> str | None:
        """Text of many lines as it is."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, str):
            value = self._odd(name, value, _as_text, "text")
        if value is None:
            return None
        if has_lone_surrogate(value):
            self.note(name, _REPLACED)
        return self._cut(name, value, LONGEST_TEXT)

    def text(self, name: str, *, longest: int = LONGEST_LINE) -> str | None:
        """Text in one tidy line, cut to `longest` characters; None where there is none."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, str):
            value = self._odd(name, value, _as_text, "text")
        if value is None:
            return None
        line = tidy(value)
        if len(line) <= longest and REPLACEMENT not in line:
            return line or None
        if has_lone_surrogate(value):
            self.note(name, _REPLACED)
        return self._cut(name, line, longest).rstrip()

    def texts(self, name: str) -> Iterator[str]:
        """Each text of a list in one tidy line, without those that are null or blank."""
        for element in self.items(name):
            if line := Fields({name: element}, self.path, self.unknown).text(name):
                yield line

    def word(self, name: str, table: Mapping[str, str], *, label: str = "", kept: bool = True) -> str | None:
        """The document's word for the text of a field.

        Args:
            name: The field.
            table: One of the vocabularies; its keys are folded.
            label: The field with the source's own wording for people; used for a word that the table does not know.
            kept: Whether an unknown word stays in the document; else it gives None.
        """
        text, wording = self.text(name), self.text(label) if label else None
        return self.spell(name, text, table, wording=wording, kept=kept)

    def spell(
        self, name: str, text: str | None, table: Mapping[str, str], *, wording: str | None = None, kept: bool = True
    ) -> str | None:
        """The document's word for a text.

        Args:
            name: The field in which the text stands.
            text: One tidy line.
            table: One of the vocabularies; its keys are folded.
            wording: The source's own wording for people.
            kept: Whether an unknown word stays in the document; else it gives None.
        """
        if not text or (known := table.get(fold(text))) is not None:
            return known if text else None
        self.unknown.append((self.where(name), vocabulary.counted(text)))
        return vocabulary.readable(text, wording) if kept else None

    def required_text(self, name: str) -> str:
        """Text in one tidy line.

        Raises:
            Rejected: There is none.
        """
        value = self.text(name)
        if value is None:
            raise self._missing(name, "text")
        return value

    def identifier(self, name: str) -> str | None:
        """Text in one tidy line, for which the source may also write a whole number."""
        value = self._data.get(name)
        return str(value) if _is_whole(value) and _as_text(value) else self.text(name)

    def required_identifier(self, name: str) -> str:
        """The same, whole.

        Raises:
            Rejected: There is none, or it is not sound.
        """
        value = self._data.get(name)
        whole = None if isinstance(value, str) else _as_whole(value)
        found = tidy(value) if isinstance(value, str) else "" if whole is None else str(whole)
        if not found:
            raise self._missing(name, "text or a whole number")
        if isinstance(value, str) and has_lone_surrogate(value):
            # With replaced characters, two ids could become the same.
            path = self.where(name)
            raise Rejected(f"{path} holds half a character (a lone surrogate).", code="wrong-value", path=path)
        return found

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self._data.get(name)
        if value is None or isinstance(value, bool):
            return value
        return self._odd(name, value, _as_flag, "true or false")

    def number(self, name: str) -> float | None:
        """A number, as a float."""
        value = self._data.get(name)
        if value is None or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and (found := _as_number(value)) is not None:
            return found
        return self._odd(name, value, _as_number, "a number")

    def amount(self, name: str) -> float | None:
        """A number that cannot be below zero."""
        value = self.number(name)
        if value is not None and value < 0:
            self.note(name, "negative")
            return None
        return value

    def whole(self, name: str) -> int | None:
        """A whole number."""
        value = self._data.get(name)
        if value is None or _is_whole(value):
            return value
        return self._odd(name, value, _as_whole, "a whole number")

    def instant(self, name: str, *, naive: ZoneInfo | None = None) -> datetime | None:
        """An instant as MongoDB keeps it: UTC, whole milliseconds.

        Args:
            name: The field.
            naive: The zone of an instant that names no offset; UTC when not given.
        """
        return self._time(name, clock.parse, naive=naive)

    def deadline(self, name: str, *, naive: ZoneInfo | None = None) -> datetime | None:
        """The instant at which something closes; one that is a whole day is over when it is over in Brussels.

        Args:
            name: The field.
            naive: The zone of an instant that names no offset; UTC when not given.
        """
        return self._time(name, clock.deadline, naive=naive)

    def day(self, name: str) -> datetime | None:
        """A calendar day, as midnight UTC of the day that the source wrote, whatever time and offset follow it."""
        return self._time(name, clock.day)

    def last_change(self, name: str, *, seen_at: datetime | None = None, naive: ZoneInfo | None = None) -> str:
        """The instant of a record's version as text that sorts, with seven fraction digits.

        Args:
            name: The field.
            seen_at: When the record was read; None: the instant may lie in the future.
            naive: The zone of an instant that names no offset; UTC when not given.

        Raises:
            Rejected: It is missing or wrong, or lies in the future, from where it would shut out every true version.
        """
        path, value = self.where(name), self._data.get(name)
        text = tidy(value) if isinstance(value, str) else ""
        if not text or text.startswith(_UNSET):
            raise self._missing(name, "text")
        try:
            instant = clock.sortable(text, naive=naive)
        except ValueError as error:
            raise Rejected(f"{path}: {error}.", code="wrong-value", path=path) from error
        if seen_at and instant > clock.to_sortable(seen_at + _CLOCKS_DIFFER_BY):
            raise Rejected(f"{path} {instant} lies in the future.", code=IN_FUTURE, path=path)
        return instant

    def _time(self, name: str, read: Callable[..., datetime], **zone: ZoneInfo | None) -> datetime | None:
        value = self._data.get(name)
        if value is not None and not isinstance(value, str):
            value = self._odd(name, value, _only_text, "a date")
        text = tidy(value or "")
        if not text or text.startswith(_UNSET):
            return None
        try:
            instant = read(text, **zone)
        except ValueError:
            self.note(name, "text, not a date")
            return None
        if not FIRST_YEAR <= instant.year <= LAST_YEAR:
            self.note(name, f"a year before {FIRST_YEAR} or after {LAST_YEAR}")
            return None
        finer = instant.microsecond % 1000
        return instant - timedelta(microseconds=finer) if finer else instant

    def _cut(self, name: str, text: str, longest: int) -> str:
        if len(text) > longest:
            self.note(name, f"cut to {longest:,} characters")
            return text[:longest]
        return text

    def _odd(self, name: str, value: Any, convert: Callable[[Any], T | None], wanted: str) -> T | None:
        """The plain meaning of a value of another type than `wanted`, or None; counted unless it is blank."""
        if _is_blank(value):
            return None
        alone = value[0] if isinstance(value, list) and len(value) == 1 else value
        found = convert(alone)
        self.note(name, f"{_kind(value)}, not {wanted}" if found is None else f"{_kind(value)} read as {wanted}")
        return found

    def _missing(self, name: str, wanted: str) -> Rejected:
        path, value = self.where(name), self._data.get(name)
        if value is None or isinstance(value, str):
            return Rejected(f"{path} is missing or empty.", code="missing", path=path)
        return _wrong(path, value, wanted)


def _is_blank(value: Any) -> bool:
    """Whether it is a text or a list without content; PHP writes an empty object as `[]`."""
    return value == [] or (isinstance(value, str) and not value.strip())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _as_object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _as_list(value: Any) -> list[Any] | None:
    return None if isinstance(value, bool) else [value]


def _only_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not value.is_integer():
        return str(value) if math.isfinite(value) else None
    whole = _as_whole(value)
    return None if whole is None else str(whole)


def _as_whole(value: Any) -> int | None:
    number = _as_number(value)
    if _is_whole(value):
        return value if number is not None and abs(value) < 2**64 else None
    # A float of more digits is not exact.
    return int(number) if number is not None and number.is_integer() and abs(number) < _LARGEST_WHOLE else None


def _as_number(value: Any) -> float | None:
    if isinstance(value, str):
        return _number_of(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _number_of(text: str) -> float | None:
    found = _NUMBER.fullmatch(tidy(text)) if len(text) <= LONGEST_LINE else None
    if found is None:
        return None
    digits = found["plain"] or found["spaced"] or (found["comma"] or "").replace(".", "")
    digits = digits or found["point"].replace(",", "")
    return _as_number(float(found["sign"] + digits.replace(" ", "").replace(",", ".")))


def _as_flag(value: Any) -> bool | None:
    if isinstance(value, str):
        return _FLAGS.get(tidy(value).lower())
    return bool(value) if isinstance(value, int | float) and value in {0, 1} else None


def _kind(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and _as_number(value) is None:
        return "NaN or infinity"
    return {dict: "an object", list: "a list", str: "text", bool: "true or false"}.get(type(value), "a number")


def _wrong(path: str, value: Any, wanted: str) -> Rejected:
    return Rejected(f"{path or 'The record'} is {_kind(value)}, not {wanted}.", code="wrong-type", path=path)
