"""What a run wrote must be on disk before its watermark moves, though no single write waits for the disk."""

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
        """Remember which server process answers now."""
        self._client = client
        self._process = self._standalone_process()

    def confirm(self, collections: Collections) -> None:
        """Wait until all that was written is in the journal on disk.

        The journal is one sequence: when the last write is in it, so are all before.

        Raises:
            RetryLater: The server was restarted since the run began, and may have forgotten its last writes.
        """
        journaled = collections.runs.with_options(write_concern=WriteConcern(w="majority", j=True))
        journaled.update_one({"_id": "durable"}, {"$currentDate": {"at": True}}, upsert=True)
        if self._standalone_process() != self._process:
            raise RetryLater(
                "MongoDB was restarted while the run was writing, and may have lost its last writes. "
                "The watermark stays: the next run reads the same window again."
            )

    def _standalone_process(self) -> Any:
        """The process of a server that stands alone; a replica set keeps what its majority has acknowledged."""
        hello = self._client.admin.command("hello")
        return None if "setName" in hello else hello.get("topologyVersion", {}).get("processId")
