"""FuturScam ETL: RFPs into MongoDB, every hour, none lost and none doubled.

These are the names that a notebook uses. They are imported when they are asked for: the command line needs none of
them, and should not wait for the database driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from futurscam_lib.analysis import analyses
    from futurscam_lib.analysis.frames import languages, rfps, skills
    from futurscam_lib.pipeline.opening import open_run
    from futurscam_lib.pipeline.run import Run
    from futurscam_lib.report.scraps import glue

__all__ = ["Run", "analyses", "glue", "languages", "open_run", "rfps", "skills"]

_HOMES = {
    "Run": "futurscam_lib.pipeline.run",
    "glue": "futurscam_lib.report.scraps",
    "languages": "futurscam_lib.analysis.frames",
    "open_run": "futurscam_lib.pipeline.opening",
    "rfps": "futurscam_lib.analysis.frames",
    "skills": "futurscam_lib.analysis.frames",
}
_MODULES = {"analyses": "futurscam_lib.analysis.analyses"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)
