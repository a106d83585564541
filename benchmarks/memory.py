"""Peak memory of the whole pipeline, for few and for many records."""

from __future__ import annotations

import argparse
import shutil
import sys

import bench
import posts
import psutil

from futurscam_lib import settings
from futurscam_lib.load import local_server

LIMIT = 256 * 2**20
GROWTH = 1.2
# The inbox, what waits between the steps, and the database.
_DISK_PER_POST = 45_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--posts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="default: %(default)s"
    )
    parser.add_argument("--folder", help="where the temporary home goes; needs 45 GB for a million posts")
    options = parser.parse_args()
    peaks: list[int] = []
    rows: list[tuple[str, ...]] = []
    with bench.temporary_home(options.folder) as home:
        server = local_server.find(settings.load(home.environment()))
        for count in options.posts:
            free = shutil.disk_usage(home.folder).free
            if free < count * _DISK_PER_POST:
                sys.exit(
                    f"{count:,} posts need {count * _DISK_PER_POST / 1e9:.0f} GB of disk, {free / 1e9:.0f} GB are free."
                )
            inbox = home.folder / "inbox"
            posts.write_lines(inbox, count)
            fresh, again = home.measure("whole_way"), home.measure("whole_way")
            if fresh["counts"]["inserted"] != count or again["counts"]["unchanged"] != count:
                sys.exit(f"{count} posts: {fresh['counts']}, then {again['counts']}")
            peaks.append(fresh["peak"])
            database = psutil.Process(server.pid).memory_info().rss if server else 0
            rows.append(
                (
                    f"{count:,}",
                    _megabytes(fresh["peak"]),
                    _megabytes(again["peak"]),
                    f"{count / fresh['seconds']:,.0f}",
                    f"{count / again['seconds']:,.0f}",
                    _megabytes(database),
                )
            )
            print(rows[-1], file=sys.stderr)
            shutil.rmtree(inbox)
            with bench.client(home.uri) as client:
                client.drop_database("FuturScam")
    head = ("posts", "peak, fresh", "peak, unchanged", "posts/s, fresh", "posts/s, unchanged", "mongod afterwards")
    print(f"{bench.machine()}\n\n{bench.table(head, rows)}\n")
    growth = peaks[-1] / peaks[0]
    print(f"Most posts against fewest: {growth:.2f}; aim {GROWTH}: {'met' if growth <= GROWTH else 'missed'}.")
    print(f"Limit of {_megabytes(LIMIT)}: {'met' if max(peaks) <= LIMIT else 'missed'}.")


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


if __name__ == "__main__":
    main()
