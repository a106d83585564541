"""The input of load: documents and rejects as they come out of the spool between transform and load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - dataclass fields are read at run time by tools
from typing import TYPE_CHECKING, Any, Final, Literal

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from futurscam_lib import rfp
from futurscam_lib.errors import Rejected
from futurscam_lib.load.spool import CODEC
from futurscam_lib.records import RawRecord, Reject, place_of
from futurscam_lib.rfp import Rfp, VersionKey

if TYPE_CHECKING:
    from collections.abc import Mapping

Result = Literal["inserted", "updated", "unchanged", "stale", "rejected", "dropped"]

_RAW: Final = CodecOptions(document_class=RawBSONDocument, tz_aware=True)
# MongoDB takes 16 MB; cleaning can lengthen a text, and the database adds fields of its own.
_MAX_DOCUMENT_BYTES = 15 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One document to load.

    Attributes:
        source: Where it came from.
        raw_id: The payload it was made from.
        origin: The payload's place in the source.
        cursor: The instant by which the source orders it.
        job_id: The document's key.
        key: Its version.
        encoded: The whole document with `_etl`, BSON.
        size, line: Bytes of the payload, and its first line in its file, as in `RawRecord`.
        edited: Whether a notebook cell changed it.
    """

    source: str
    raw_id: str
    origin: str
    cursor: datetime
    job_id: str
    key: VersionKey
    encoded: bytes
    size: int = 0
    line: int = 0
    edited: bool = False

    def rejected(self, error: Rejected) -> Reject:
        """Return the reject for a document that the database refused."""
        raw = RawRecord(self.source, self.origin, self.cursor, b"", self.raw_id, self.size, self.line)
        return Reject.of(raw, error, job_id=self.job_id, instant=self.key.instant)

    @property
    def document(self) -> RawBSONDocument:
        """The document as the database takes it, without a second encoding."""
        return RawBSONDocument(self.encoded, _RAW)

    def decoded(self) -> dict[str, Any]:
        """Return the document as MongoDB returns it; a new object at each call."""
        return bson.decode(self.encoded, CODEC)

    def outcome(self, result: Result) -> Outcome:
        """Return the outcome of this entry."""
        return Outcome(
            source=self.source,
            raw_id=self.raw_id,
            result=result,
            transform_version=self.key.transform_version,
            job_id=self.job_id,
            version=self.key.text,
            place=place_of(self.source, self.origin),
            edited=self.edited,
        )

    def with_content(self, document: Mapping[str, Any], *, enriched: bool) -> Entry:
        """Return the same version of the job with another content.

        Args:
            document: The new content; its `_etl` is ignored.
            enriched: Whether the content hash stays the same, because the change does not come from the source.

        Raises:
            Rejected: A field has a value that the document cannot hold, or the document is too large.
        """
        etl = self.decoded()["_etl"]
        given = {name: value for name, value in document.items() if name != "_etl"}
        # As MongoDB returns it, so that the hash does not depend on details that MongoDB does not keep.
        content: Any = bson.decode(_encode(rfp.checked(given)), CODEC)
        digest = self.key.content_hash if enriched else rfp.content_hash(content)
        key = self.key._replace(content_hash=digest)
        encoded = _encode({**content, "_etl": {**etl, "version": key.text, "content_hash": digest}})
        return replace(self, key=key, encoded=encoded, edited=self.edited or not enriched)

    @classmethod
    def of(cls, made: Rfp, raw: RawRecord, *, run_id: str, seen_at: datetime) -> Entry:
        """Complete a document with its provenance and encode it.

        Raises:
            Rejected: It is larger than MongoDB takes.
        """
        provenance = {
            "source": raw.source,
            "source_id": made.source_id,
            "version": made.key.text,
            "content_hash": made.key.content_hash,
            "transform_version": made.key.transform_version,
            "raw_id": raw.raw_id,
            "first_run_id": run_id,
            "run_id": run_id,
            "first_seen_at": seen_at,
            "changed_at": seen_at,
        }
        encoded = _encode({**made.content, "_etl": provenance})
        job_id = made.content["job_id"]
        return cls(raw.source, raw.raw_id, raw.origin, raw.instant, job_id, made.key, encoded, raw.size, raw.line)

    def to_spool(self) -> dict[str, Any]:
        """As a document for a spool."""
        return {
            "source": self.source,
            "raw_id": self.raw_id,
            "origin": self.origin,
            "cursor": self.cursor,
            "job_id": self.job_id,
            "key": list(self.key),
            "encoded": self.encoded,
            "size": self.size,
            "line": self.line,
            "edited": self.edited,
        }

    @classmethod
    def from_spool(cls, entry: Mapping[str, Any]) -> Entry:
        """From the result of `to_spool`."""
        return cls(
            source=entry["source"],
            raw_id=entry["raw_id"],
            origin=entry["origin"],
            cursor=entry["cursor"],
            job_id=entry["job_id"],
            key=VersionKey(*entry["key"]),
            encoded=entry["encoded"],
            size=entry["size"],
            line=entry["line"],
            edited=entry["edited"],
        )


def _encode(document: Mapping[str, Any]) -> bytes:
    try:
        encoded = bson.encode(document)
    except (BSONError, UnicodeError, OverflowError):
        # Their texts can quote the value.
        raise Rejected("The document has a value that MongoDB cannot hold.", code="wrong-type") from None
    if len(encoded) > _MAX_DOCUMENT_BYTES:
        raise Rejected(f"The document has {len(encoded):,} bytes, more than MongoDB takes.", code="too-large")
    return encoded


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one payload; `item` names its quarantine entry if it was rejected.

    `place` is where it was read, as in `RawRecord.place`; `edited` as in `Entry`.
    """

    source: str
    raw_id: str
    result: Result
    transform_version: int
    job_id: str | None
    version: str | None = None
    item: str | None = None
    place: str = ""
    edited: bool = False

    def to_document(self, run_id: str) -> dict[str, Any]:
        """As a document of `RFP_outcomes`, without the places: there may be many."""
        return {
            "_id": self.raw_id,
            "run_id": run_id,
            "result": self.result,
            "transform_version": self.transform_version,
            "job_id": self.job_id,
            "version": self.version,
            "item": self.item,
            "edited": self.edited,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one document that an update changed."""

    job_id: str
    reference: str
    title: str
    field: str
    before: Any
    after: Any

    @property
    def is_visible(self) -> bool:
        """Whether a person sees a difference: nothing, an empty text and an empty list or object look the same."""
        empty: tuple[Any, ...] = (None, "", [], {})
        return not (self.before in empty and self.after in empty)
