"""Raw records to RFP documents; everything that is said about a source's format is said here."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - dataclass fields are read at run time by tools
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock, jsontext
from futurscam_lib.errors import Rejected
from futurscam_lib.records import RawRecord, Reject
from futurscam_lib.rfp import MAX_JOB_ID, Rfp
from futurscam_lib.transform import boond, pro_unity
from futurscam_lib.transform.fields import Fields

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class _Format:
    """How a source's payloads become documents: a mapping, its version, and what tells an item even when it fails.

    `has_instances` says whether the mapping takes `instance`: what numbers mean that are not the same everywhere.
    """

    version: int
    normalise: Callable[..., Rfp]
    job_id_of: Callable[[Fields], str]
    last_change_of: Callable[[Fields], str]
    reference_of: Callable[[Fields], str]
    has_instances: bool = False


_PRO_UNITY: Final = _Format(
    pro_unity.TRANSFORM_VERSION,
    pro_unity.normalise,
    pro_unity.job_id_of,
    pro_unity.last_change_of,
    pro_unity.reference_of,
)
_BOOND: Final = _Format(
    boond.TRANSFORM_VERSION,
    boond.normalise,
    boond.job_id_of,
    boond.last_change_of,
    boond.reference_of,
    has_instances=True,
)
# The mails carry the same posts as the files of the folder.
_FORMATS: Final = {"folder": _PRO_UNITY, "graph_mail": _PRO_UNITY, "imap_mail": _PRO_UNITY, "boond": _BOOND}


def version_for(source: str) -> int:
    """The version of the mapping that a source's records go through."""
    return _FORMATS[source].version


def depends_on_settings(source: str) -> bool:
    """Whether settings enter the mapping of a source, so that the same payload may give another document one day."""
    return _FORMATS[source].has_instances


def transform(raw: RawRecord, *, seen_at: datetime, instance: boond.Instance = boond.DEFAULT_INSTANCE) -> Rfp | Reject:
    """Turn one raw record into a document, or into a reject that says why not.

    Args:
        raw: One untouched source item.
        seen_at: When this run read it; aware, UTC.
        instance: What the numbers of the BoondManager instance mean; nothing to any other source.
    """
    if raw.flaw:
        return _reject(raw, Rejected(raw.flaw.reason, code=raw.flaw.code), payload=None)
    payload: Any = None
    try:
        payload = jsontext.parse(raw.payload, first_line=raw.line or 1, first_column=raw.column or 1)
        source_format = _FORMATS[raw.source]
        more = {"instance": instance} if source_format.has_instances else {}
        return source_format.normalise(payload, seen_at=seen_at, **more)
    except Rejected as error:
        return _reject(raw, error, payload=payload)


def reference_of(raw: RawRecord) -> str:
    """What people call an item, also one that is rejected; empty where its payload does not show it."""
    with suppress(Rejected):
        return _FORMATS[raw.source].reference_of(Fields.of(jsontext.parse(raw.payload)))
    return ""


def _reject(raw: RawRecord, error: Rejected, *, payload: Any) -> Reject:
    """What can still be read of a rejected item ties it to its document."""
    source_format = _FORMATS[raw.source]
    job_id, instant = None, clock.to_sortable(raw.instant)
    with suppress(Rejected):
        item = Fields.of(payload)
        job_id = source_format.job_id_of(item)
        if len(job_id) > MAX_JOB_ID:
            job_id = None
        instant = source_format.last_change_of(item)
    return Reject.of(raw, error, job_id=job_id, instant=instant)
