"""FuturScam ETL: RFPs into MongoDB, every hour, none lost and none doubled.

These are the names that a notebook uses. Each is imported when a notebook asks for it: the command line needs none of
them, and should not wait for the database driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from futurscam_lib import analysis
    from futurscam_lib.pipeline.opening import open_run
    from futurscam_lib.pipeline.run import Run
    from futurscam_lib.report.scraps import glue

__all__ = ["Run", "analysis", "glue", "open_run"]

_MODULES = {
    "Run": "futurscam_lib.pipeline.run",
    "glue": "futurscam_lib.report.scraps",
    "open_run": "futurscam_lib.pipeline.opening",
}
_FORMER = dict.fromkeys(("analyses", "languages", "rfps", "skills"), "futurscam_lib.analysis")
"""What notebooks of earlier versions import from here. They import `review`, too: that package can be called."""
_PACKAGES = {"analysis", "review"}


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    module = _MODULES.get(name) or _FORMER.get(name)
    if module is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(module), name)
