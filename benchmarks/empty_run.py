"""Seconds of a headless run without new records, compared with papermill on an empty notebook."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import bench

if TYPE_CHECKING:
    from collections.abc import Sequence

AIM = 1.2
EMPTY = {
    "cells": [],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    options = parser.parse_args()
    with bench.temporary_home(None) as home:
        (home.folder / "inbox").mkdir()
        (home.folder / "empty.ipynb").write_text(json.dumps(EMPTY), "utf-8")
        ways = {
            "`papermill empty.ipynb out.ipynb`": ["papermill", "--no-progress-bar", "empty.ipynb", "out.ipynb"],
            "`futurscam run`, nothing new": ["futurscam_lib", "run"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        # The first time everything is read from disk, and the home gets its watermark.
        for number in range(options.rounds + 1):
            for name, command in ways.items():
                took = _time(home, command)
                if number:
                    seconds[name].append(took)
    rows = [
        (name, f"{bench.median(all_):.2f}", f"{min(all_):.2f} to {max(all_):.2f}") for name, all_ in seconds.items()
    ]
    print(f"{options.rounds} rounds, taken in turns; {bench.machine()}\n")
    print(bench.table(("command", "seconds, median", "of all rounds"), rows), "\n")
    bare, ours = seconds.values()
    ratio = bench.median(ours) / bench.median(bare)
    print(f"Ratio of the medians: {ratio:.2f}; aim {AIM}: {'met' if ratio <= AIM else 'missed'}.")


def _time(home: bench.Home, command: Sequence[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", *command],
        cwd=home.folder,
        env=home.environment(),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
