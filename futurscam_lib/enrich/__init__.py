"""Enrichers: what they add to a document is derived from it, and not given by its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

Enricher = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a document and returns it, richer. What it changes stands outside of the document's content hash."""

ENRICHERS: Final[Sequence[Enricher]] = ()
"""Those that `run.enrich` applies, in this order."""
