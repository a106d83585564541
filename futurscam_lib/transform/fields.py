"""Reading fields of a parsed payload: each reader checks the type and names the field when it is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from futurscam_lib import clock
from futurscam_lib.errors import Rejected
from futurscam_lib.transform.text import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

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
            path = self.where(name)
            raise Rejected(f"{path} is missing or empty.", code="missing", path=path)
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

    def instant(self, name: str) -> datetime | None:
        """An instant as MongoDB keeps it: UTC, whole milliseconds. One without an offset is meant in Brussels.

        Raises:
            Rejected: It is not an instant.
        """
        value = self.text(name)
        if value is None:
            return None
        try:
            instant = clock.parse(value, naive=clock.BRUSSELS)
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


def _wrong(path: str, value: Any, wanted: str) -> Rejected:
    found = _NAMES.get(type(value), "null" if value is None else type(value).__name__)
    return Rejected(f"{path or 'The record'} is {found}, not {wanted}.", code="wrong-type", path=path)


def _no_instant(path: str, error: ValueError) -> Rejected:
    return Rejected(f"{path}: {error}.", code="wrong-value", path=path)
