"""Reading fields of a parsed payload: each reader checks the type and names the field when it is wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.errors import Rejected
from futurscam_lib.transform.text import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from datetime import datetime

_CLOCKS_DIFFER_BY: Final = timedelta(days=1)
_BARE_DATE: Final = re.compile(r"[0-9-]{10}")
_NAMES = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


class Fields:
    """One JSON object of a payload and where it stands; a missing or null object reads as one without fields."""

    __slots__ = ("_data", "path")

    def __init__(self, data: dict[str, Any], path: str = "") -> None:
        """Wrap `data`, which stands at `path` (dotted; empty for the whole payload)."""
        self._data, self.path = data, path

    @classmethod
    def of(cls, value: Any, path: str = "") -> Fields:
        """Wrap what should be an object.

        Raises:
            Rejected: It is not.
        """
        if value is None:
            return cls({}, path)
        if not isinstance(value, dict):
            raise _wrong(path, value, "an object")
        return cls(value, path)

    def filled(self) -> Fields:
        """The same with null for each blank text: there are sources that write nothing so, whatever the type."""
        return Fields({name: None if _is_blank(value) else value for name, value in self._data.items()}, self.path)

    def under(self, upper: Fields) -> Fields:
        """The fields of both objects; where `upper` has one, it wins, also with null."""
        both = {**self._data, **upper._data}
        return _Overlaid(both, self.path, uppers=upper._data.keys(), upper_path=upper.path)

    def where(self, name: str) -> str:
        """Dotted path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def child(self, name: str) -> Fields:
        """An object."""
        return Fields.of(self._data.get(name), self.where(name))

    def items(self, name: str) -> Iterator[tuple[str, Any]]:
        """Each element of a list with its path."""
        value = self._data.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            raise _wrong(self.where(name), value, "a list")
        for index, element in enumerate(value):
            yield f"{self.where(name)}[{index}]", element

    def children(self, name: str) -> Iterator[Fields]:
        """Each object of a list."""
        for path, element in self.items(name):
            yield Fields.of(element, path)

    def raw_text(self, name: str) -> str | None:
        """Text as it is."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, str):
            raise _wrong(self.where(name), value, "text")
        return value

    def text(self, name: str) -> str | None:
        """Text in one tidy line; None where there is none."""
        value = self._data.get(name)
        return tidy(value) or None if isinstance(value, str) else self.raw_text(name)

    def texts(self, name: str) -> Iterator[str]:
        """Each text of a list in one tidy line, without those that are null or blank."""
        for path, value in self.items(name):
            if value is not None and not isinstance(value, str):
                raise _wrong(path, value, "text")
            if text := tidy(value or ""):
                yield text

    def required_text(self, name: str) -> str:
        """Text in one tidy line.

        Raises:
            Rejected: There is none.
        """
        value = self.text(name)
        if value is None:
            raise self._missing(name)
        return value

    def identifier(self, name: str) -> str | None:
        """Text in one tidy line, for which the source may also write a whole number."""
        return as_identifier(self._data.get(name), self.where(name))

    def required_identifier(self, name: str) -> str:
        """The same.

        Raises:
            Rejected: There is none.
        """
        value = self.identifier(name)
        if value is None:
            raise self._missing(name)
        return value

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, bool):
            raise _wrong(self.where(name), value, "true or false")
        return value

    def number(self, name: str) -> float | None:
        """A number, as a float."""
        value = self._data.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _wrong(self.where(name), value, "a number")
        return float(value)

    def whole(self, name: str) -> int | None:
        """A whole number."""
        value = self._data.get(name)
        if value is not None and not _is_whole(value):
            raise _wrong(self.where(name), value, "a whole number")
        return value

    def instant(self, name: str, *, end_of_day: bool = False) -> datetime | None:
        """An instant as MongoDB keeps it: UTC, whole milliseconds. One without an offset is meant in Brussels.

        Args:
            name: The field.
            end_of_day: Whether a date without a time means the end of that day, not its start.

        Raises:
            Rejected: It is not an instant.
        """
        value = self.text(name)
        if value is None:
            return None
        try:
            instant = clock.parse(value, naive=clock.BRUSSELS)
            if end_of_day and _BARE_DATE.fullmatch(value):
                # Not the start and a day: two days of the year have 23 and 25 hours.
                instant = clock.parse(f"{value}T23:59:59.999", naive=clock.BRUSSELS)
        except ValueError as error:
            raise _no_instant(self.where(name), error) from error
        finer = instant.microsecond % 1000
        return instant - timedelta(microseconds=finer) if finer else instant

    def sortable(self, name: str) -> str:
        """A required instant as text that sorts, with seven fraction digits.

        Raises:
            Rejected: It is missing or not an instant.
        """
        value = self.required_text(name)
        try:
            return clock.sortable(value, naive=clock.BRUSSELS)
        except ValueError as error:
            raise _no_instant(self.where(name), error) from error

    def last_change(self, name: str, *, seen_at: datetime) -> str:
        """The instant of a record's version: a required instant as text that sorts.

        Raises:
            Rejected: It is missing or wrong, or lies in the future, from where it would shut out every true version.
        """
        instant = self.sortable(name)
        if instant > clock.to_sortable(seen_at + _CLOCKS_DIFFER_BY):
            path = self.where(name)
            raise Rejected(f"{path} {instant} lies in the future.", code="wrong-value", path=path)
        return instant

    def _missing(self, name: str) -> Rejected:
        path = self.where(name)
        return Rejected(f"{path} is missing or empty.", code="missing", path=path)


def as_identifier(value: Any, path: str) -> str | None:
    """What `Fields.identifier` reads, of a value that stands at `path`: an element of a list.

    Raises:
        Rejected: It is neither text nor a whole number.
    """
    if value is None or isinstance(value, str):
        return tidy(value or "") or None
    if not _is_whole(value):
        raise _wrong(path, value, "text or a whole number")
    return str(value)


class _Overlaid(Fields):
    """Two objects read as one; each field still tells where it stands."""

    __slots__ = ("_upper_path", "_uppers")

    def __init__(self, data: dict[str, Any], path: str, *, uppers: AbstractSet[str], upper_path: str) -> None:
        super().__init__(data, path)
        self._uppers, self._upper_path = uppers, upper_path

    def where(self, name: str) -> str:
        return f"{self._upper_path}.{name}" if name in self._uppers else super().where(name)


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(path: str, value: Any, wanted: str) -> Rejected:
    found = _NAMES.get(type(value), "null" if value is None else type(value).__name__)
    return Rejected(f"{path or 'The record'} is {found}, not {wanted}.", code="wrong-type", path=path)


def _no_instant(path: str, error: ValueError) -> Rejected:
    return Rejected(f"{path}: {error}.", code="wrong-value", path=path)
