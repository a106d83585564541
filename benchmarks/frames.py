"""Seconds until the RFPs are a DataFrame: `rfps()` beside what one would write with pymongo and pandas."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import bench
import posts

from futurscam_lib import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    from pymongo.collection import Collection

FEW = ["job_id", "title", "region", "rate_max", "published_at"]
_KINDS = 1000
"""So many different documents; the others are copies under ids of their own."""


def arrow(_: Collection[dict[str, Any]]) -> pd.DataFrame:
    """All standard columns."""
    from futurscam_lib.analysis import rfps

    return rfps()


def arrow_few(_: Collection[dict[str, Any]]) -> pd.DataFrame:
    """Five columns."""
    from futurscam_lib.analysis import rfps

    return rfps(columns=FEW)


def everything(rfps: Collection[dict[str, Any]]) -> pd.DataFrame:
    """The shortest program; nested fields stay dictionaries, descriptions come along."""
    import pandas as pd

    return pd.DataFrame(list(rfps.find()))


def normalized(rfps: Collection[dict[str, Any]]) -> pd.DataFrame:
    """Flat, without descriptions."""
    import pandas as pd

    return pd.json_normalize(list(rfps.find({}, {"job_desc": 0})))


def generator(rfps: Collection[dict[str, Any]]) -> pd.DataFrame:
    """The same columns as `rfps()`, picked by hand from each document, without a check of what they hold."""
    import pandas as pd

    from futurscam_lib.analysis.columns import COLUMNS, STANDARD

    paths = [COLUMNS[name].path.split(".") for name in STANDARD]
    documents = rfps.find({}, {"job_desc": 0})
    return pd.DataFrame(([_dug(one, path) for path in paths] for one in documents), columns=list(STANDARD))


def _dug(found: Any, path: list[str]) -> Any:
    for part in path:
        found = found.get(part)
    return len(found) if isinstance(found, list) else found


WAYS: dict[str, tuple[str, Callable[[Collection[dict[str, Any]]], pd.DataFrame]]] = {
    "arrow": ("`rfps()`", arrow),
    "arrow_few": ("`rfps(columns=[five])`", arrow_few),
    "everything": ("`DataFrame(list(find()))`, not flat", everything),
    "normalized": ("`json_normalize(list(find()))`, no descriptions", normalized),
    "generator": ("a generator of rows, no descriptions", generator),
}


def main() -> None:
    """Measure and print; with `--way` go one of the ways, in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000], help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--folder", help="where the temporary home goes; default: the system's folder for such")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(_go(options.way)))
        return
    print(f"{bench.machine()}\n")
    with bench.temporary_home(options.folder) as home:
        for count in options.documents:
            name = f"documents_{count}"
            with bench.client(home.uri) as client:
                client[name]["RFP"].create_index("job_id", unique=True)
                for batch in _batches(count):
                    client[name]["RFP"].insert_many(batch, ordered=False)
                client.admin.command("fsync")
            _report(count, _measured(home, name, count, options.rounds))


def _go(way: str) -> dict[str, float]:
    from futurscam_lib import settings
    from futurscam_lib.analysis import rfps
    from futurscam_lib.load import mongo

    configured = settings.load()
    rfps(columns="job_id", limit=1)  # Imports pandas and the driver, as a notebook has done already.
    with mongo.connect(configured) as client:
        before = time.perf_counter()
        frame = WAYS[way][1](client[configured.database]["RFP"])
        return {"seconds": time.perf_counter() - before, "rows": len(frame), "peak": bench.peak_memory()}


def _measured(home: bench.Home, database: str, count: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for number in range(1, rounds + 1):
        print(f"{count:,} documents, round {number} of {rounds}", file=sys.stderr)
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way]
            environment = home.environment(FUTURSCAM_DB=database)
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
            measured = json.loads(done.stdout)
            if measured["rows"] != count:
                sys.exit(f"{way}: {measured['rows']} of {count} documents")
            found[way].append(measured)
    return found


def _batches(count: int) -> Iterator[list[dict[str, Any]]]:
    kinds = list(_documents(min(count, _KINDS)))
    for first in range(0, count, _KINDS):
        yield [{**one, "job_id": str(uuid.uuid4())} for one in kinds[: count - first]]


def _documents(count: int) -> Iterator[dict[str, Any]]:
    import bson
    from bson.codec_options import CodecOptions

    from futurscam_lib.load.entry import Entry
    from futurscam_lib.records import RawRecord, Reject
    from futurscam_lib.transform import transform

    now = clock.now()
    for post in posts.generate(count):
        raw = RawRecord.of(post, source="folder", origin="benchmark", instant=now)
        rfp = transform(raw, seen_at=now)
        if isinstance(rfp, Reject):
            raise TypeError(rfp.reason)
        entry = Entry.of(rfp, raw, run_id="20261124T115208Z-2e1413", seen_at=now)
        yield bson.decode(entry.encoded, CodecOptions(tz_aware=True))


def _report(count: int, found: dict[str, list[dict[str, float]]]) -> None:
    usual = bench.median([one["seconds"] for one in found["arrow"]])
    rows = []
    for way, measured in found.items():
        seconds = [one["seconds"] for one in measured]
        ratios = bench.median([a["seconds"] / b["seconds"] for a, b in zip(measured, found["arrow"], strict=True)])
        peak = bench.median([one["peak"] for one in measured]) / 2**20
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        rows.append((WAYS[way][0], f"{bench.median(seconds):.2f}", spread, f"{ratios:.2f}", f"{peak:,.0f} MiB"))
    print(f"{count:,} documents; `rfps()` {count / usual:,.0f}/s\n")
    print(bench.table(("way", "seconds, median", "of all rounds", "times `rfps()`", "peak memory"), rows), "\n")


if __name__ == "__main__":
    main()
