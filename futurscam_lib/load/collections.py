"""The collections and their indexes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pymongo import ASCENDING, IndexModel
from pymongo.errors import OperationFailure

from futurscam_lib.errors import OperatorMustAct

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database

    Documents = Collection[dict[str, Any]]

DUPLICATE_KEY: Final = 11000
"""MongoDB's code of a write that a unique index refuses."""


@dataclass(frozen=True, slots=True)
class Collections:
    """What the software keeps in its database.

    Attributes:
        rfps: `RFP`, the documents; unique on `job_id`.
        raw: `RFP_raw`, landed payloads; `_id` is their SHA-256. `places` holds each place that a payload came from
            (the last `landing.MAX_PLACES` of them), with the run that has it in hand; nothing else in them changes.
            Payloads that an earlier version landed have no `places`: the one they came from stands in their fields.
        outcomes: `RFP_outcomes`, what became of each payload; `_id` as in `raw`. Beside and not inside `raw`, so that
            the look-up that spares a re-read does not drag the payloads through the server's cache.
        rejects: `RFP_rejects`, the quarantine.
        runs: `RFP_runs`, runs whose landed payloads may not all have an outcome yet, and one entry `durable` that the
            end of each load writes; nothing else when all is well.
    """

    rfps: Documents
    raw: Documents
    outcomes: Documents
    rejects: Documents
    runs: Documents

    @classmethod
    def of(cls, database: Database[dict[str, Any]]) -> Collections:
        """Name them; nothing is created."""
        return cls(
            rfps=database["RFP"],
            raw=database["RFP_raw"],
            outcomes=database["RFP_outcomes"],
            rejects=database["RFP_rejects"],
            runs=database["RFP_runs"],
        )

    def ensure_indexes(self) -> None:
        """Create what is missing.

        Raises:
            OperatorMustAct: The unique index on `job_id` cannot be made: without it documents could double.
        """
        try:
            self.rfps.create_indexes(
                [
                    IndexModel([("job_id", ASCENDING)], name="job_id", unique=True),
                    IndexModel([("isActive", ASCENDING), ("deadlineAt", ASCENDING)], name="open_until"),
                    IndexModel([("_etl.source", ASCENDING), ("isActive", ASCENDING)], name="source_open"),
                ]
            )
        except OperationFailure as error:
            raise OperatorMustAct(
                f"The unique index on job_id of {self.rfps.full_name} cannot be made: {error.details or error}. "
                "Nothing was loaded. Remove the doubled documents or the conflicting index, then run again."
            ) from error
        self.raw.create_indexes(
            [
                IndexModel([("places.hand", ASCENDING)], name="places_hand"),
                # Where an earlier version kept it: what that landed and did not load is picked up, too.
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
