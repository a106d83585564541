"""Makes sure that a run's writes are on disk before its watermark moves; no single write waits for the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import WriteConcern

from futurscam_lib.errors import RetryLater

if TYPE_CHECKING:
    from pymongo import MongoClient

    from futurscam_lib.load.collections import Collections


class Durability:
    """Watches one server from the start of a run to its end."""

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        """Remember the current server process."""
        self._client = client
        self._process = self._standalone_process()

    def confirm(self, collections: Collections) -> None:
        """Wait until all writes are in the journal on disk.

        The journal is sequential: when it holds the last write, it holds all writes before it.

        Raises:
            RetryLater: The server was restarted since the run began, and may have lost its last writes.
        """
        journaled = collections.runs.with_options(write_concern=WriteConcern(w="majority", j=True))
        journaled.update_one({"_id": "durable"}, {"$currentDate": {"at": True}}, upsert=True)
        if self._standalone_process() != self._process:
            raise RetryLater(
                "MongoDB was restarted while the run was writing, and may have lost its last writes. "
                "The watermark stays: the next run reads the same window again."
            )

    def _standalone_process(self) -> Any:
        """Return the process of a standalone server; a replica set keeps what its majority has acknowledged."""
        hello = self._client.admin.command("hello")
        return None if "setName" in hello else hello.get("topologyVersion", {}).get("processId")
