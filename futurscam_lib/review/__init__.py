"""The reviewer's morning: findings, tables, pages."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """Notebooks of earlier versions call `futurscam_lib.review`, which was a function."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """See `futurscam_lib.review.review.review`."""
        from futurscam_lib.review.review import review

        return review(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
