"""Two loaders at once without the lock, and a killed loader: promises 2, 3 and 4 hold in real processes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.load.collections import Collections
from futurscam_lib.rfp import Rfp
from futurscam_lib.transform import transform
from tests.load.machine import INSTANTS, T0, Shelf, World, finish, post, record

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

LOADER = """
import json, random, sys, time
from datetime import UTC, datetime
from pymongo.collection import Collection
from futurscam_lib import settings
from futurscam_lib.load import spool
from futurscam_lib.extract.folder import FolderSource
from futurscam_lib.pipeline.run import Run
from futurscam_lib.records import Window

def hesitating(write):
    def called(self, *arguments, **options):
        if self.name == "RFP":
            time.sleep(random.uniform(0, float(sys.argv[2])))
        return write(self, *arguments, **options)
    return called

Collection.insert_many = hesitating(Collection.insert_many)
Collection.bulk_write = hesitating(Collection.bulk_write)
spool.CHUNK_ITEMS = 3
configured = settings.load()
long_ago = datetime(1970, 1, 1, tzinfo=UTC)
run = Run(configured, [FolderSource(configured.inbox)], run_id=sys.argv[1], window=Window(long_ago),
          watermark=long_ago, dry_run=False, now=datetime.now(UTC))
print("ready", flush=True)
sys.stdin.readline()
run.extract()
run.transform()
print("extracted", flush=True)
sys.stdin.readline()
run.load()
print(json.dumps(run.reconcile().counts["folder"].as_dict()), flush=True)
"""

JOBS = [f"job-{number}" for number in range(40)]
COLOURS = ("red", "blue", "short")


def start(name: str, posts: list[bytes], folder: Path, *, hesitates: float) -> subprocess.Popen[str]:
    """Start a loader with its own home; it waits for `go`, and up to `hesitates` seconds before each write."""
    inbox = folder / name / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "posts.jsonl").write_bytes(b"\n".join(posts))
    environment = {**os.environ, "FUTURSCAM_HOME": str(folder / name)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", LOADER, name, str(hesitates)], env=environment, **pipes)


def wait_for(loader: subprocess.Popen[str], word: str) -> None:
    """Wait until the loader prints the word."""
    assert loader.stdout is not None
    assert loader.stdout.readline() == f"{word}\n"


def go(*loaders: subprocess.Popen[str]) -> None:
    """Let all loaders continue at once."""
    for loader in loaders:
        assert loader.stdin is not None
        loader.stdin.write("\n")
        loader.stdin.flush()


def extract(*loaders: subprocess.Popen[str]) -> None:
    """Let the loaders read their sources at once, and wait until all have done so."""
    for loader in loaders:
        wait_for(loader, "ready")
    go(*loaders)
    for loader in loaders:
        wait_for(loader, "extracted")


def results(loaders: list[subprocess.Popen[str]]) -> list[dict[str, int]]:
    """Return the counts that each loader prints at its end."""
    words = [loader.communicate(timeout=120)[0] for loader in loaders]
    assert [loader.returncode for loader in loaders] == [0] * len(loaders)
    return [json.loads(text) for text in words]


def versions(rng: random.Random) -> list[tuple[str, bytes]]:
    """Some versions of each job, job by job, so that two loaders load the same jobs at once; one in ten is invalid."""
    made = []
    for job in JOBS:
        for instant in rng.choices(INSTANTS, k=5):
            more = {"name": None} if rng.random() < 0.1 else {}
            made.append((job, post(job, instant, rng.choice(COLOURS), **more)))
    return made


def last_titles(payloads: list[bytes]) -> dict[str, tuple[str, str]]:
    """Version and title that each job must end with."""
    made = [transform(record(payload), seen_at=T0) for payload in payloads]
    best: dict[str, Rfp] = {}
    for one in made:
        if isinstance(one, Rfp):
            job = one.content["job_id"]
            best[job] = max(best.get(job, one), one, key=lambda rfp: tuple(rfp.key))
    return {job: (one.key.text, one.content["roleTitle"]) for job, one in best.items()}


def stored(database: Database[dict[str, Any]]) -> list[tuple[str, tuple[str, str]]]:
    """Job, version and title of each document."""
    return sorted((one["job_id"], (one["_etl"]["version"], one["roleTitle"])) for one in database["RFP"].find())


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("seed", [1, 2])
def test_two_concurrent_loaders_end_with_the_last_versions(
    database: Database[dict[str, Any]], tmp_path: Path, seed: int
) -> None:
    """One document per job with its last version; the counts of both loaders add up; there are no leftovers."""
    Collections.of(database).ensure_indexes()
    rng = random.Random(seed)
    every = versions(rng)
    shares = [[payload for _, payload in every if rng.random() < 0.7] for _ in range(2)]
    loaders = [start(f"loader-{number}", share, tmp_path, hesitates=0.01) for number, share in enumerate(shares)]
    extract(*loaders)
    go(*loaders)
    counts = results(loaders)

    wanted = last_titles([*shares[0], *shares[1]])
    assert stored(database) == sorted(wanted.items())
    assert sum(one["inserted"] for one in counts) == len(wanted)
    assert all(one["extracted"] >= len(set(share)) for one, share in zip(counts, shares, strict=True))
    assert [document["_id"] for document in database["RFP_runs"].find()] == ["durable"]
    landed = {document["_id"] for document in database["RFP_raw"].find({}, {"_id": 1})}
    assert {document["_id"] for document in database["RFP_outcomes"].find({}, {"_id": 1})} == landed


def test_the_newer_of_two_concurrent_updates_wins(
    database: Database[dict[str, Any]], world: World, tmp_path: Path
) -> None:
    """Both find the first version and decide to replace it; the third version wins in any order of writes."""
    finish(world.open(Shelf([record(post(job, INSTANTS[0])) for job in JOBS])))
    second = start("second", [post(job, INSTANTS[1], "blue") for job in JOBS], tmp_path, hesitates=0.02)
    third = start("third", [post(job, INSTANTS[2], "short") for job in JOBS], tmp_path, hesitates=0.02)
    # In turn, so that only the third loader picks up the leftovers of the second, and could not repair them later.
    extract(second)
    extract(third)
    go(second, third)
    counts = results([second, third])

    assert {title for _, (_, title) in stored(database)} == {"Short"}
    assert [one["extracted"] for one in counts] == [len(JOBS), 2 * len(JOBS)]
    assert counts[1]["updated"] >= len(JOBS)


def test_the_next_run_finishes_the_work_of_a_killed_loader(
    database: Database[dict[str, Any]], world: World, tmp_path: Path
) -> None:
    """The loader is killed and its source is gone: everything it had landed is loaded once, in its last version."""
    every = [payload for _, payload in versions(random.Random(3))]
    loader = start("killed", every, tmp_path, hesitates=0.05)
    extract(loader)
    go(loader)
    deadline = time.monotonic() + 60
    while database["RFP"].count_documents({}) == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    loader.kill()
    loader.wait()
    before = database["RFP"].count_documents({})

    counts = finish(world.open(Shelf())).counts["folder"]

    assert 0 < before < len(JOBS)
    # The same version may be in several lines: each of them is picked up.
    assert 0 < counts.extracted < len(every)
    assert stored(database) == sorted(last_titles(every).items())
    assert [document["_id"] for document in database["RFP_runs"].find()] == ["durable"]
