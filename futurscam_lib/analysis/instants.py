"""Read instants that an analyst gives: text, dates, values of a DataFrame."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from futurscam_lib import clock
from futurscam_lib.errors import UsageError

When = str | date | None
"""ISO 8601 text, a date or a datetime, UTC if it has no offset; empty or None: no instant."""


def instant(name: str, when: Any) -> datetime | None:
    """Convert to an instant, aware and UTC; None if none is given.

    Args:
        name: The name of the argument, for the error.
        when: See `When`.

    Raises:
        UsageError: It is not an instant, or is outside the years 1 to 9999.
    """
    if when is None or (isinstance(when, str) and not when.strip()):
        return None
    if isinstance(when, str):
        try:
            return clock.parse(when)
        except ValueError as error:
            raise UsageError(f"{name}: {error}.") from error
    # NaT of pandas is a datetime that does not equal itself.
    if not isinstance(when, date) or when != when:  # noqa: PLR0124
        raise UsageError(f"{name} takes an instant like 2026-11-20T08:00:00Z, a date or a datetime, not {when!r}.")
    try:
        # A pandas Timestamp can be before the year 1, so it is converted to a plain datetime.
        at = datetime.combine(when, when.timetz() if isinstance(when, datetime) else time.min)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise UsageError(f"{name}: {when!r} is not within the years 1 to 9999, UTC.") from error
