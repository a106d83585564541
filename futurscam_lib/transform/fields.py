"""Reads the fields of a parsed payload: an unknown value loses its field, never the record.

A value of the wrong type or form is converted if its meaning is clear, else it is treated as missing. Either way it is
added to `unknown` once: the field's path and what is wrong, never the value itself. The fields that identify or order a
record are required: `required_text`, `required_identifier` and `last_change` raise if they are missing.
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
"""The form in which .NET writes a date that was never set, with or without a time and an offset."""
_REPLACED: Final = "a lone surrogate, replaced"
_LARGEST_WHOLE: Final = 10**15
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "ja", "oui", "1"), True),
    **dict.fromkeys(("false", "no", "nee", "nein", "non", "0"), False),
}
_CURRENCY: Final = r"(?:[€$£]|eur|euros?|usd|gbp|chf)"
# Three digits after one comma or point may be a fraction or thousands: unclear, unless the number starts with a zero.
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
    """One JSON object of a payload and its path; a missing or null object is treated as an empty object.

    Attributes:
        path: Dotted path of the object; elements of a list have the path of their list.
        unknown: The unknown values of the payload, as (path, what); shared by all objects of one payload.
    """

    __slots__ = ("_children", "_data", "_elsewhere", "_noted", "path", "unknown")

    def __init__(self, data: dict[str, Any], path: str = "", unknown: list[tuple[str, str]] | None = None) -> None:
        """Wrap an object.

        Args:
            data: The object.
            path: Its dotted path; empty for the whole payload.
            unknown: Unknown values are appended to this list.
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
            Rejected: The payload is not an object.
        """
        if payload is None:
            return cls({})
        if not isinstance(payload, dict):
            raise _wrong("", payload, "an object")
        return cls(payload)

    def filled(self) -> Fields:
        """Return the object with null for each blank text; some sources write blank texts for values of any type."""
        blank_is_null = {name: None if _is_blank(value) else value for name, value in self._data.items()}
        return Fields(blank_is_null, self.path, self.unknown)

    def under(self, upper: Fields) -> Fields:
        """Return the fields of both objects; a field of `upper` takes precedence, even if it is null."""
        both = Fields({**self._data, **upper._data}, self.path, self.unknown)
        both._elsewhere = dict.fromkeys(upper._data, upper.path)
        return both

    def where(self, name: str) -> str:
        """Return the dotted path of a field."""
        path = self._elsewhere.get(name, self.path)
        return f"{path}.{name}" if path else name

    def note(self, name: str, what: str) -> None:
        """Count a field's value as unknown, only once even if it is read several times.

        Args:
            name: The field.
            what: What is wrong with it, without any part of the value.
        """
        if (name, what) not in self._noted:
            self._noted.add((name, what))
            self.unknown.append((self.where(name), what))

    def child(self, name: str) -> Fields:
        """Return a nested object; the same `Fields` each time."""
        if name not in self._children:
            value = self._data.get(name)
            if value is not None and not isinstance(value, dict):
                value = self._odd(name, value, _as_object, "an object")
            self._children[name] = Fields(value or {}, self.where(name), self.unknown)
        return self._children[name]

    def items(self, name: str) -> list[Any]:
        """Return the elements of a list; a single value is treated as a list of one element."""
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
        """Yield each object of a list.

        Args:
            name: The field.
            named: A text or number in the list is read as an object with the value in this field.
            mixed: Whether such texts and numbers are normal for the source, and do not count as unknown values.
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
        """Whether the text of a field, in lower case, is this word."""
        value = self._data.get(name)
        return isinstance(value, str) and tidy(value).lower() == word

    def raw_text(self, name: str) -> str | None:
        """Return a text of several lines, unchanged."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, str):
            value = self._odd(name, value, _as_text, "text")
        if value is None:
            return None
        if has_lone_surrogate(value):
            self.note(name, _REPLACED)
        return self._cut(name, value, LONGEST_TEXT)

    def text(self, name: str, *, longest: int = LONGEST_LINE) -> str | None:
        """Return a text in one tidy line, cut to `longest` characters; None if there is no text."""
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
        """Yield each text of a list in one tidy line, without null and blank elements."""
        for element in self.items(name):
            if line := Fields({name: element}, self.path, self.unknown).text(name):
                yield line

    def word(self, name: str, table: Mapping[str, str], *, label: str = "", kept: bool = True) -> str | None:
        """Return the document's word for the text of a field.

        Args:
            name: The field.
            table: One of the vocabularies; its keys are folded.
            label: The field with the source's own wording for people; used for a word that is not in the table.
            kept: Whether to keep an unknown word in the document; else return None.
        """
        text, wording = self.text(name), self.text(label) if label else None
        return self.spell(name, text, table, wording=wording, kept=kept)

    def spell(
        self, name: str, text: str | None, table: Mapping[str, str], *, wording: str | None = None, kept: bool = True
    ) -> str | None:
        """Return the document's word for a text.

        Args:
            name: The field that contains the text.
            text: One tidy line.
            table: One of the vocabularies; its keys are folded.
            wording: The source's own wording for people.
            kept: Whether to keep an unknown word in the document; else return None.
        """
        if not text or (known := table.get(fold(text))) is not None:
            return known if text else None
        self.unknown.append((self.where(name), vocabulary.counted(text)))
        return vocabulary.readable(text, wording) if kept else None

    def required_text(self, name: str) -> str:
        """Return a text in one tidy line.

        Raises:
            Rejected: There is no text.
        """
        value = self.text(name)
        if value is None:
            raise self._missing(name, "text")
        return value

    def identifier(self, name: str) -> str | None:
        """Return an identifier as text in one tidy line; the source may also write it as a whole number."""
        value = self._data.get(name)
        return str(value) if _is_whole(value) and _as_text(value) else self.text(name)

    def required_identifier(self, name: str) -> str:
        """Return an identifier like `identifier` does, but never cut.

        Raises:
            Rejected: It is missing, or not valid.
        """
        value = self._data.get(name)
        whole = None if isinstance(value, str) else _as_whole(value)
        identifier = tidy(value) if isinstance(value, str) else "" if whole is None else str(whole)
        if not identifier:
            raise self._missing(name, "text or a whole number")
        if isinstance(value, str) and has_lone_surrogate(value):
            # If characters were replaced, two ids could become the same.
            path = self.where(name)
            raise Rejected(f"{path} holds half a character (a lone surrogate).", code="wrong-value", path=path)
        return identifier

    def flag(self, name: str) -> bool | None:
        """Return true or false."""
        value = self._data.get(name)
        if value is None or isinstance(value, bool):
            return value
        return self._odd(name, value, _as_flag, "true or false")

    def number(self, name: str) -> float | None:
        """Return a number as a float."""
        value = self._data.get(name)
        if value is None or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and (number := _as_number(value)) is not None:
            return number
        return self._odd(name, value, _as_number, "a number")

    def amount(self, name: str) -> float | None:
        """Return a number that must not be negative."""
        value = self.number(name)
        if value is not None and value < 0:
            self.note(name, "negative")
            return None
        return value

    def whole(self, name: str) -> int | None:
        """Return a whole number."""
        value = self._data.get(name)
        if value is None or _is_whole(value):
            return value
        return self._odd(name, value, _as_whole, "a whole number")

    def instant(self, name: str, *, naive: ZoneInfo | None = None) -> datetime | None:
        """Return an instant as MongoDB keeps it: UTC, whole milliseconds.

        Args:
            name: The field.
            naive: The time zone of an instant without an offset; UTC by default.
        """
        return self._time(name, clock.parse, naive=naive)

    def deadline(self, name: str, *, naive: ZoneInfo | None = None) -> datetime | None:
        """Return the instant at which something closes; a date without a time ends when that day ends in Brussels.

        Args:
            name: The field.
            naive: The time zone of an instant without an offset; UTC by default.
        """
        return self._time(name, clock.deadline, naive=naive)

    def day(self, name: str) -> datetime | None:
        """Return a calendar day as midnight UTC; a time and offset after the date are ignored."""
        return self._time(name, clock.day)

    def last_change(self, name: str, *, seen_at: datetime | None = None, naive: ZoneInfo | None = None) -> str:
        """Return the instant of a record's version as sortable text with seven fraction digits.

        Args:
            name: The field.
            seen_at: When the record was read; None: the instant may lie in the future.
            naive: The time zone of an instant without an offset; UTC by default.

        Raises:
            Rejected: It is missing or wrong, or lies in the future, where it would block all correct later versions.
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
        """Convert a value that is not `wanted` if its meaning is clear, else return None; count it unless blank."""
        if _is_blank(value):
            return None
        alone = value[0] if isinstance(value, list) and len(value) == 1 else value
        converted = convert(alone)
        self.note(name, f"{_kind(value)}, not {wanted}" if converted is None else f"{_kind(value)} read as {wanted}")
        return converted

    def _missing(self, name: str, wanted: str) -> Rejected:
        path, value = self.where(name), self._data.get(name)
        if value is None or isinstance(value, str):
            return Rejected(f"{path} is missing or empty.", code="missing", path=path)
        return _wrong(path, value, wanted)


def _is_blank(value: Any) -> bool:
    """Whether a value is a blank text or an empty list; PHP writes an empty object as `[]`."""
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
    # A float with more digits is not exact.
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
    match = _NUMBER.fullmatch(tidy(text)) if len(text) <= LONGEST_LINE else None
    if match is None:
        return None
    digits = match["plain"] or match["spaced"] or (match["comma"] or "").replace(".", "")
    digits = digits or match["point"].replace(",", "")
    return _as_number(float(match["sign"] + digits.replace(" ", "").replace(",", ".")))


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
