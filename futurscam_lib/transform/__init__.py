"""Turns raw records into RFP documents. The registry of sources names the mapping module of each source."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from futurscam_lib import clock, jsontext
from futurscam_lib.errors import Rejected
from futurscam_lib.records import RawRecord, Reject
from futurscam_lib.rfp import MAX_JOB_ID, Rfp
from futurscam_lib.settings.sources import KNOWN_SOURCES
from futurscam_lib.transform.fields import Fields

if TYPE_CHECKING:
    from datetime import datetime

    from futurscam_lib.settings.sources import SourceSettings


def _mapping_of(source: str) -> Any:
    """Return the mapping module, with `TRANSFORM_VERSION`, `normalise` and functions that identify a rejected item.

    These are `job_id_of`, `last_change_of` and `reference_of`. The optional `options` returns the arguments of
    `normalise` that depend on the settings.
    """
    return import_module(f"{__name__}.{KNOWN_SOURCES[source].mapping}")


def version_for(source: str) -> int:
    """Return the version of a source's mapping."""
    version: int = _mapping_of(source).TRANSFORM_VERSION
    return version


def depends_on_settings(source: str) -> bool:
    """Whether a source's mapping uses the settings, so that the same payload may give another document later."""
    return hasattr(_mapping_of(source), "options")


def transform(raw: RawRecord, *, seen_at: datetime, settings: SourceSettings | None = None) -> Rfp | Reject:
    """Turn one raw record into a document, or into a reject with the reason.

    Args:
        raw: One untouched source item.
        seen_at: When this run read it; aware, UTC.
        settings: The settings of the sources; None: the defaults.
    """
    if raw.flaw:
        return _reject(raw, Rejected(raw.flaw.reason, code=raw.flaw.code), payload=None)
    payload: Any = None
    try:
        payload = jsontext.parse(raw.payload, first_line=raw.line or 1, first_column=raw.column or 1)
        mapping = _mapping_of(raw.source)
        options = mapping.options(settings) if settings and depends_on_settings(raw.source) else {}
        document: Rfp = mapping.normalise(payload, seen_at=seen_at, **options)
    except Rejected as error:
        return _reject(raw, error, payload=payload)
    return document


def reference_of(raw: RawRecord) -> str:
    """Return the reference by which people know an item, even a rejected one; empty if its payload has none."""
    with suppress(Rejected):
        return str(_mapping_of(raw.source).reference_of(Fields.of(jsontext.parse(raw.payload))))
    return ""


def _reject(raw: RawRecord, error: Rejected, *, payload: Any) -> Reject:
    """Make a reject, with the `job_id` and version of the item if they can be read."""
    mapping = _mapping_of(raw.source)
    job_id, instant = None, clock.to_sortable(raw.instant)
    with suppress(Rejected):
        item = Fields.of(payload)
        job_id = mapping.job_id_of(item)
        if len(job_id) > MAX_JOB_ID:
            job_id = None
        instant = mapping.last_change_of(item)
    return Reject.of(raw, error, job_id=job_id, instant=instant)
