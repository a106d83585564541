"""Importing papermill and nbformat when they are needed, without what no notebook needs."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_GRAMMAR = "rfc3987_syntax"


def fast_import(name: str) -> Any:
    """Import a module.

    jsonschema, which nbformat imports, has an optional format for IRIs whose package compiles a grammar at import:
    about a second of each run, and no notebook has that format. jsonschema is told that the package is not
    installed and goes on; who imports the package later still gets it.
    """
    if _GRAMMAR in sys.modules:
        return importlib.import_module(name)
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment] # None is how Python says "cannot be imported"
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[_GRAMMAR]
