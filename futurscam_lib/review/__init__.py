"""The review of the last runs: findings, tables, pages."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from futurscam_lib.review.overview import Review


def review(days: float = 7.0, *, until: str = "", pages: bool = False) -> Review:
    """Review the runs of the configured home.

    Args:
        days: Length of the period; above 0, at most 3660.
        until: End of the period, ISO 8601; empty: now.
        pages: Whether runs link to their pages in the folder of the runs; otherwise to their executed notebooks.

    Raises:
        UsageError: A setting or an argument is wrong.
    """
    from futurscam_lib.review.overview import of_home

    return of_home(days, until=until, pages=pages)


class _CallablePackage(ModuleType):
    """Notebooks of earlier versions call `futurscam_lib.review`, which was a function."""

    def __call__(self, *args: Any, **options: Any) -> Review:
        """See `review`."""
        return review(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
