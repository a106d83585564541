"""Imports papermill and nbformat when they are needed, without a slow package that no notebook needs."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_GRAMMAR = "rfc3987_syntax"


def fast_import(name: str) -> Any:
    """Import a module.

    nbformat imports jsonschema, which has an optional format for IRIs whose package compiles a grammar at import: about
    a second of each run, and no notebook uses that format. For the time of the import that package counts as not
    installed; later imports work as usual.
    """
    if _GRAMMAR in sys.modules:
        return importlib.import_module(name)
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment] # None is how Python says "cannot be imported"
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[_GRAMMAR]
