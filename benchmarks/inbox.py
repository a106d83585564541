"""The cost of finding new files in a large inbox, compared with walking through it and checking each file."""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import bench

if TYPE_CHECKING:
    from pathlib import Path

_AGES = 1_600_000_000
_PER_FOLDER = 1000
_WAYS = {
    "plain_walk": "`os.walk` and `stat`, nothing remembered",
    "first": "the first run: all is older, and is written down",
    "again": "the next run: nothing is new",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[25_000, 100_000], help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--folder", help="where the temporary home goes; default: the system's folder for such")
    options = parser.parse_args()
    rows: list[tuple[str, ...]] = []
    for count in options.files:
        with bench.temporary_home(options.folder) as home:
            _make(home.folder / "inbox", count)
            rows += _measure(home, count, options.rounds)
    print(f"{bench.machine()}\n")
    print(bench.table(("files", "way", "seconds, median", "of all rounds", "peak memory, MiB"), rows))


def _measure(home: bench.Home, count: int, rounds: int) -> list[tuple[str, ...]]:
    seconds: dict[str, list[float]] = defaultdict(list)
    peaks: dict[str, int] = {}
    for number in range(1, rounds + 1):
        print(f"{count:,} files, round {number} of {rounds}", file=sys.stderr)
        (home.folder / ".futurscam.folder.sqlite").unlink(missing_ok=True)
        for way in _WAYS:
            measured = home.measure("plain_walk" if way == "plain_walk" else "look_at_folder")
            if measured["counts"] != {"walked": count, "read": 0}:
                sys.exit(f"{way}: {measured['counts']} of {count}")
            seconds[way].append(measured["seconds"])
            peaks[way] = measured["peak"]
    return [
        (
            f"{count:,}",
            label,
            f"{bench.median(seconds[way]):.2f}",
            f"{min(seconds[way]):.2f} to {max(seconds[way]):.2f}",
            f"{peaks[way] / 2**20:,.0f}",
        )
        for way, label in _WAYS.items()
    ]


def _make(inbox: Path, count: int) -> None:
    for number in range(count):
        path = inbox / f"{number // _PER_FOLDER:04}" / f"jobpost_{number:08}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
        os.utime(path, (_AGES + number, _AGES + number))


if __name__ == "__main__":
    main()
