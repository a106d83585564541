"""Seconds and memory that reviewing takes with ten thousand runs in the audit log."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import bench
import psutil

from futurscam_lib import clock, settings
from futurscam_lib.audit import entries
from futurscam_lib.audit.ledger import Ledger
from futurscam_lib.audit.seal import write_head
from futurscam_lib.cli import demo
from futurscam_lib.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from futurscam_lib.audit.entries import LedgerEntry
    from futurscam_lib.settings import Settings

FAILED_EVERY = 97
JOB = "1524f643-708a-4839-9fa3-7c1848875902"
SECOND, HALF_A_MINUTE = 1.0, 30.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--folder", help="Where the temporary home is made; it needs some 130 kB a run.")
    options = parser.parse_args()
    with bench.temporary_home(options.folder) as home:
        configured = settings.load(home.environment())
        _first_runs(home, configured)
        size = _fill(configured, options.runs)
        print(f"{options.runs:,} runs, {size / 1e6:,.0f} MB of notebooks; {bench.machine()}\n")
        ways: dict[str, tuple[list[str], float | None]] = {
            "`python -c pass`": (["-c", "pass"], None),
            "hashing the notebooks, one after the other": (["-c", _HASHING, str(configured.runs)], None),
            "`futurscam runs list`": (["-m", "futurscam_lib", "runs", "list"], SECOND),
            "`futurscam runs list --all --json`": (["-m", "futurscam_lib", "runs", "list", "--all", "--json"], None),
            "`futurscam why JOB_ID`": (["-m", "futurscam_lib", "why", JOB], SECOND),
            "`futurscam runs verify`": (["-m", "futurscam_lib", "runs", "verify"], None),
            "`futurscam review`, 7 days, pages rendered": (["-m", "futurscam_lib", "review"], HALF_A_MINUTE),
            "the same again": (["-m", "futurscam_lib", "review"], HALF_A_MINUTE),
            "`futurscam review --days 420`, all runs": (
                ["-m", "futurscam_lib", "review", "--days", "420"],
                HALF_A_MINUTE,
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        memory: dict[str, float] = dict.fromkeys(ways, 0.0)
        for _ in range(options.rounds):
            shutil.rmtree(configured.runs / "html", ignore_errors=True)
            for name, (command, _aim) in ways.items():
                took, peak = _measure(home, command)
                seconds[name].append(took)
                memory[name] = max(memory[name], peak)
        _print(ways, seconds, memory)


def _print(ways: dict[str, Any], seconds: dict[str, list[float]], memory: dict[str, float]) -> None:
    medians = {name: bench.median(all_) for name, all_ in seconds.items()}
    start, hashing, *_ = medians.values()
    rows = []
    for name, (_, aim) in ways.items():
        said = ""
        if aim is not None:
            above = medians[name] - (start if aim == SECOND else 0)
            said = f"{above:.2f} s {'above the start' if aim == SECOND else ''}, aim {aim:g} s: "
            said += "met" if above < aim else "missed"
        spread = f"{min(seconds[name]):.2f} to {max(seconds[name]):.2f}"
        rows.append((name, f"{medians[name]:.2f}", spread, f"{memory[name] / 2**20:,.0f}", said))
    print(bench.table(("command", "seconds, median", "of all rounds", "peak memory, MiB", "aim"), rows), "\n")
    verify = medians["`futurscam runs verify`"]
    print(f"verify / hashing alone: {verify / hashing:.2f}")


_HASHING = """
import hashlib, pathlib, sys
for path in pathlib.Path(sys.argv[1]).rglob("*.ipynb"):
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
"""


def _first_runs(home: bench.Home, configured: Settings) -> None:
    """Two real runs over the demo's inbox: documents to ask about, and a notebook of a run that finds nothing new."""
    shutil.copytree(demo.INBOX, configured.inbox)
    for more in (["--since", "1970-01-01"], []):
        command = [sys.executable, "-m", "futurscam_lib", "run", *more]
        subprocess.run(
            command, env=home.environment(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


def _fill(configured: Settings, count: int) -> int:
    """Hourly runs like the last real one, up to now; gives the bytes of their notebooks."""
    *_, start, end = Ledger(configured.ledger_file).entries()
    template = (configured.runs / start.facts["notebook"]).read_bytes()
    last = end
    lines: list[bytes] = []
    standing = clock.parse(end.facts["watermark"]["after"])
    # The real runs come first in the ledger; the made ones follow them by the hour and end now, or after it.
    now = clock.now()
    begin = now - timedelta(hours=count)
    for number in range(count):
        made = _Made(number, begin + timedelta(hours=number), template, start, end)
        for one in made.entries(last, standing):
            lines.append(entries.line_of(one) + b"\n")
            last = one
        standing = made.standing(standing)
        made.write(configured.runs)
    with configured.ledger_file.open("ab") as file:
        file.writelines(lines)
    write_head(configured.ledger_file, last.seq, last.hash, seal=None)
    Watermark(configured.watermark_file).reset(standing)
    return len(template) * count


class _Made:
    """One made-up run."""

    def __init__(self, number: int, at: datetime, template: bytes, start: LedgerEntry, end: LedgerEntry) -> None:
        self._at, self._start, self._end = at, start, end
        self._failed = number % FAILED_EVERY == FAILED_EVERY - 1
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        self._id = f"{clock.to_stamp(at)}-{digest[:6]}"
        self._path = f"{at:%Y-%m}/{self._id}.ipynb"
        self._data = template.replace(start.run_id.encode(), self._id.encode())

    def standing(self, before: datetime) -> datetime:
        """The watermark after it."""
        return before if self._failed else max(before, self._at + timedelta(milliseconds=1))

    def entries(self, last: LedgerEntry, before: datetime) -> Iterator[LedgerEntry]:
        """Its two lines."""
        asked = {**self._start.facts, "notebook": self._path, "watermark": {"before": clock.to_text(before)}}
        asked["parameters"] = {**asked["parameters"], "run_id": self._id}
        first = entries.chained(last, event="start", run_id=self._id, at=self._at, facts=asked)
        yield first
        digest = hashlib.sha256(self._data).hexdigest()
        told = {**self._end.facts, "notebook": self._path, "notebook_sha256": digest}
        told["watermark"] = {"before": clock.to_text(before), "after": clock.to_text(self.standing(before))}
        if self._failed:
            told |= {
                "status": "failed",
                "error": "MongoDB does not answer.",
                "error_name": "RetryLater",
                "exit_code": 3,
            }
        yield entries.chained(first, event="end", run_id=self._id, at=self._at + timedelta(seconds=4), facts=told)

    def write(self, runs: Path) -> None:
        """Its notebook."""
        (runs / self._path).parent.mkdir(exist_ok=True)
        (runs / self._path).write_bytes(self._data)


def _measure(home: bench.Home, command: Sequence[str]) -> tuple[float, float]:
    """Seconds, and the most bytes that the process and its children had resident together."""
    peak = 0.0
    begin = time.perf_counter()
    process = psutil.Popen(
        [sys.executable, "-X", "utf8", *command],
        cwd=home.folder,
        env=home.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.01):
            with suppress(psutil.Error):
                tree = [process, *process.children(recursive=True)]
                peak = max(peak, sum(one.memory_info().rss for one in tree))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    took = time.perf_counter() - begin
    ended.set()
    watcher.join()
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return took, peak


if __name__ == "__main__":
    main()
