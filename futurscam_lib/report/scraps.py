"""Scraps: named values that a run stores in its executed notebook, in scrapbook's format.

`scrapbook.read_notebook(path).scraps["summary"].data` reads them. They are written without importing scrapbook, which
would load papermill and pandas into every kernel: that takes longer than a whole hourly run without new records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE: Final = "application/scrapbook.scrap.json+json"
_VERSION: Final = 1


def glue(name: str, data: Any) -> None:
    """Store a value in the notebook's current cell.

    Args:
        name: The name of the scrap.
        data: Any JSON value.
    """
    from IPython.display import display

    payload = {"name": name, "data": data, "encoder": "json", "version": _VERSION}
    about = {"scrapbook": {"name": name, "data": True, "display": False}}
    display({MEDIA_TYPE: payload}, metadata=about, raw=True)  # type: ignore[no-untyped-call] # IPython has no types


def read(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scraps of an executed notebook, given as parsed JSON."""
    scraps: dict[str, Any] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            payload = output.get("data", {}).get(MEDIA_TYPE)
            if payload:
                scraps[payload["name"]] = payload["data"]
    return scraps
