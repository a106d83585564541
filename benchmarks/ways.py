"""One way of bringing posts into MongoDB, in a process of its own; prints what it measured as JSON.

Started by the benchmarks, with the settings in its environment: `python ways.py WAY OPTIONS`, the options as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import bench

from futurscam_lib import clock, settings
from futurscam_lib.load.spool import chunked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.records import RawRecord


def whole_way(sources: str = "folder") -> dict[str, Any]:
    """Sources -> land -> transform -> load -> reconcile, as the notebook calls it."""
    from futurscam_lib.pipeline.opening import open_run

    marks = [("", time.perf_counter())]
    run = open_run(watermark="2000-01-01", sources=sources, dry_run=False)
    marks.append(("open", time.perf_counter()))
    for name, step in (("extract", run.extract), ("transform", run.transform), ("load", run.load)):
        step()
        marks.append((name, time.perf_counter()))
    summary = run.reconcile()
    steps = {name: at - marks[index][1] for index, (name, at) in enumerate(marks[1:])}
    return {"seconds": sum(steps.values()), "steps": steps, "counts": summary.as_dict()["counts"]}


def insert_many() -> dict[str, Any]:
    """The ready documents and the payloads through `insert_many`; only the inserting is timed."""
    from futurscam_lib.load import mongo
    from futurscam_lib.load.collections import Collections

    configured = settings.load()
    collections = Collections.of(mongo.connect(configured)[configured.database])
    collections.ensure_indexes()
    seconds, count = 0.0, 0
    for batch in _ready(configured.inbox):
        documents = [document for document, _ in batch]
        payloads = [payload for _, payload in batch]
        begin = time.perf_counter()
        collections.raw.insert_many(payloads, ordered=False)
        collections.rfps.insert_many(documents, ordered=False)
        seconds += time.perf_counter() - begin
        count += len(batch)
    return {"seconds": seconds, "counts": {"inserted": count}}


def post_each(url: str) -> dict[str, Any]:
    """The old way: an HTTP POST per ready document; a PUT where it is told that the document is there already."""
    import httpx

    seconds, counts = 0.0, {"inserted": 0, "updated": 0}
    with httpx.Client(base_url=url, headers={"content-type": "application/json"}) as client:
        for batch in _ready(settings.load().inbox):
            bodies = [(document["job_id"], _as_json(document)) for document, _ in batch]
            begin = time.perf_counter()
            for job_id, body in bodies:
                answer = client.post("/rfps", content=body)
                if answer.status_code == httpx.codes.CONFLICT:
                    client.put(f"/rfps/{job_id}", content=body).raise_for_status()
                    counts["updated"] += 1
                else:
                    answer.raise_for_status()
                    counts["inserted"] += 1
            seconds += time.perf_counter() - begin
    return {"seconds": seconds, "counts": counts}


def plain_graph_mail(count: int) -> dict[str, Any]:
    """What a script would do: list the mails, then ask for each one's attachments, content and all; nothing is kept."""
    import httpx

    from futurscam_lib.extract import tls
    from futurscam_lib.extract.microsoft import AppToken

    configured = settings.load()
    token = AppToken(configured, scope=f"{configured.graph_url}/.default")()
    base = f"{configured.graph_url}/v1.0/users/{configured.graph_mailbox}/messages"
    begin, found = time.perf_counter(), 0
    with httpx.Client(verify=tls.context(), headers={"Authorization": f"Bearer {token}"}) as client:
        mails = client.get(base, params={"$top": count, "$select": "id"}).json()["value"]
        for mail in mails[:count]:
            attachments = client.get(f"{base}/{mail['id']}/attachments").json()["value"]
            found += sum(one["name"].endswith(".json") and bool(one["contentBytes"]) for one in attachments)
    return {"seconds": time.perf_counter() - begin, "counts": {"extracted": found}}


def plain_boond(count: int) -> dict[str, Any]:
    """What a script would do: list the opportunities, then ask for each one's tab; nothing is kept."""
    import httpx

    from futurscam_lib.extract.boond_signer import signer_of

    configured = settings.load()
    begin, found = time.perf_counter(), 0
    with httpx.Client(base_url=configured.boond_url, headers=dict(signer_of(configured).headers())) as client:
        rows = client.get("/opportunities", params={"maxResults": count}).json()["data"]
        for row in rows[:count]:
            found += bool(client.get(f"/opportunities/{row['id']}/information").json()["data"])
    return {"seconds": time.perf_counter() - begin, "counts": {"extracted": found}}


def plain_walk() -> dict[str, Any]:
    """Walk through the inbox and ask for size and modification time of each file."""
    import os
    from pathlib import Path

    configured = settings.load()
    begin, walked = time.perf_counter(), 0
    for folder, _, names in os.walk(configured.inbox):
        for name in names:
            walked += Path(folder, name).stat().st_size > 0
    return {"seconds": time.perf_counter() - begin, "counts": {"walked": walked, "read": 0}}


def look_at_folder() -> dict[str, Any]:
    """Read what is new in the inbox, as a run does; none of it is loaded."""
    from futurscam_lib.extract import open_sources, unread
    from futurscam_lib.records import Window

    configured, since = settings.load(), clock.now()
    begin = time.perf_counter()
    (source,) = open_sources(configured, ["folder"], has_read=lambda _: False, dry_run=False)
    read = sum(1 for _ in source.read(Window(since)))
    seconds = time.perf_counter() - begin
    waiting = unread(configured, ["folder"], has_read=lambda _: False, since=since)
    return {"seconds": seconds, "counts": {"walked": sum(found.count for found in waiting), "read": read}}


def _ready(inbox: Path) -> Iterator[list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Batches of documents and payloads as the collections hold them."""
    from futurscam_lib.extract.folder import FolderSource
    from futurscam_lib.records import Window

    for batch in chunked(FolderSource(inbox).read(Window(clock.EARLIEST)), size=lambda record: len(record.payload)):
        yield [_pair(record) for record in batch]


def _pair(record: RawRecord) -> tuple[dict[str, Any], dict[str, Any]]:
    from bson.binary import Binary

    from futurscam_lib.records import Reject
    from futurscam_lib.transform import transform

    now = clock.now()
    rfp = transform(record, seen_at=now)
    if isinstance(rfp, Reject):
        raise TypeError(rfp.reason)
    provenance = {
        "source": record.source,
        "source_id": rfp.source_id,
        "version": rfp.key.text,
        "content_hash": rfp.key.content_hash,
        "transform_version": rfp.key.transform_version,
        "raw_id": record.raw_id,
        "first_run_id": "benchmark",
        "run_id": "benchmark",
        "first_seen_at": now,
        "changed_at": now,
    }
    payload = {
        "_id": record.raw_id,
        "source": record.source,
        "origin": record.origin,
        "instant": record.instant,
        "line": record.line,
        "column": record.column,
        "size": record.size,
        "flaw": None,
        "run_id": "benchmark",
        "hand": "benchmark",
        "landed_at": now,
        "payload": Binary(record.payload),
    }
    return {**rfp.content, "_etl": provenance}, payload


def _as_json(document: dict[str, Any]) -> bytes:
    import orjson

    return orjson.dumps(document)


_WAYS = {
    "whole_way": whole_way,
    "insert_many": insert_many,
    "post_each": post_each,
    "plain_graph_mail": plain_graph_mail,
    "plain_boond": plain_boond,
    "plain_walk": plain_walk,
    "look_at_folder": look_at_folder,
}

if __name__ == "__main__":
    measured = _WAYS[sys.argv[1]](**json.loads(sys.argv[2]))  # type: ignore[operator]
    print(json.dumps({**measured, "peak": bench.peak_memory()}))
