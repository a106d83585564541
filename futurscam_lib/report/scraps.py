"""Scraps: named values that a run leaves in its executed notebook, in scrapbook's format.

`scrapbook.read_notebook(path).scraps["summary"].data` reads them. They are written without importing scrapbook, which
would load papermill and pandas into every kernel: longer than an hourly run without new records takes altogether.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE: Final = "application/scrapbook.scrap.json+json"
_VERSION: Final = 1


def glue(name: str, data: Any) -> None:
    """Leave a value in the notebook's current cell.

    Args:
        name: What it is found by.
        data: Anything that JSON holds.
    """
    from IPython.display import display

    payload = {"name": name, "data": data, "encoder": "json", "version": _VERSION}
    about = {"scrapbook": {"name": name, "data": True, "display": False}}
    display({MEDIA_TYPE: payload}, metadata=about, raw=True)  # type: ignore[no-untyped-call] # IPython has no types


def read(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The scraps of an executed notebook, given as parsed JSON."""
    found: dict[str, Any] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            payload = output.get("data", {}).get(MEDIA_TYPE)
            if payload:
                found[payload["name"]] = payload["data"]
    return found
