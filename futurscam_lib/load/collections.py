"""The collections and their indexes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bson.binary import UuidRepresentation
from bson.codec_options import DatetimeConversion
from pymongo import ASCENDING, IndexModel
from pymongo.errors import OperationFailure

from futurscam_lib.errors import OperatorMustAct
from futurscam_lib.load import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.collection import Collection
    from pymongo.database import Database

    Documents = Collection[dict[str, Any]]

HAS_JOB: Final = {"job_id": {"$gte": ""}}
"""Documents whose `job_id` is a text. Not written with `$type`, because a look-up by text would then not use the index
that is restricted to them."""

_FASTER: Final = {"open_until": ("isActive", "deadlineAt"), "source_open": ("_etl.source", "isActive")}
_SPARED: Final = frozenset({67, 85, 86, 171})
"""Errors that may stop an optional index: too many indexes, another one of its name, lists in both fields."""


@dataclass(frozen=True, slots=True)
class Collections:
    """The collections of the database.

    Attributes:
        rfps: `RFP`, the documents; unique on `job_id` where that is a text. Other programs write here, too: an instant
            outside the years 1 to 9999 is read as `bson.DatetimeMS`, invalid UTF-8 as \ufffd, and a UUID,
            which may be invalid, as `bson.Binary`.
        raw: `RFP_raw`, landed payloads; `_id` is their SHA-256. `places` holds each place that a payload came from
            (the last `landing.MAX_PLACES`), with the run that holds its lease; all other fields are constant.
            Payloads landed by an earlier version have no `places`: their own fields name their only place.
        outcomes: `RFP_outcomes`, the outcome of each payload; `_id` as in `raw`. Not stored in `raw`, so that the
            look-up of known payloads does not load the payloads into the server's cache.
        rejects: `RFP_rejects`, the quarantine.
        runs: `RFP_runs`, runs whose landed payloads may not all have an outcome yet, and one entry `durable` that the
            end of each load writes. When all loads are complete, it holds only `durable`.
    """

    rfps: Documents
    raw: Documents
    outcomes: Documents
    rejects: Documents
    runs: Documents

    @classmethod
    def of(cls, database: Database[dict[str, Any]]) -> Collections:
        """Refer to the collections of a database; creates nothing."""
        lenient = database.codec_options.with_options(
            datetime_conversion=DatetimeConversion.DATETIME_AUTO,
            unicode_decode_error_handler="replace",
            uuid_representation=UuidRepresentation.UNSPECIFIED,
        )
        return cls(
            rfps=database.get_collection("RFP", codec_options=lenient),
            raw=database["RFP_raw"],
            outcomes=database["RFP_outcomes"],
            rejects=database["RFP_rejects"],
            runs=database["RFP_runs"],
        )

    def ensure_indexes(self) -> None:
        """Create missing indexes.

        Raises:
            OperatorMustAct: The unique index on `job_id` cannot be made; without it there could be duplicates.
        """
        if not any(map(keeps_jobs_single, self.rfps.list_indexes())):
            # Not named `job_id`: an earlier version creates an index of that name, over all documents.
            unique = IndexModel(
                [("job_id", ASCENDING)], name="job_id_text", unique=True, partialFilterExpression=HAS_JOB
            )
            try:
                self.rfps.create_indexes([unique])
            except OperationFailure as error:
                raise OperatorMustAct(
                    f"The unique index on job_id of {self.rfps.full_name} cannot be made "
                    f"({refusals.without_content(str(error), strict=True)}). Nothing was loaded. "
                    "Remove the doubled documents or the conflicting index, which `futurscam doctor` names; "
                    "then run again."
                ) from None
        for name, fields in _FASTER.items():
            try:
                self.rfps.create_indexes([IndexModel([(field, ASCENDING) for field in fields], name=name)])
            except OperationFailure as error:
                if error.code not in _SPARED:
                    raise
        self.raw.create_indexes(
            [
                IndexModel([("places.hand", ASCENDING)], name="places_hand"),
                # The field of an earlier version: payloads that it landed but did not load are loaded, too.
                IndexModel([("hand", ASCENDING)], name="hand"),
            ]
        )
        self.outcomes.create_indexes([IndexModel([("job_id", ASCENDING)], name="job_id")])
        self.rejects.create_indexes(
            [
                IndexModel([("state", ASCENDING), ("job_id", ASCENDING)], name="state_job_id"),
                IndexModel([("state", ASCENDING), ("origin", ASCENDING)], name="state_origin"),
            ]
        )


def keeps_jobs_single(index: Mapping[str, Any]) -> bool:
    """Whether an index keeps text values of `job_id` unique; earlier versions made it for all values."""
    restricted = index.get("partialFilterExpression", HAS_JOB)
    whole = not index.get("sparse") and dict(restricted) == HAS_JOB
    return list(index["key"]) == ["job_id"] and bool(index.get("unique")) and whole
