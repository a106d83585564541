"""Posts per second of the whole way, beside bare `insert_many` and beside one HTTP POST per document."""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import bench
import posts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Measurement(NamedTuple):
    """One way with one inbox: which of its counts must equal all posts, and its name in the report."""

    way: str
    database: str
    inbox: str
    counted: str
    label: str


PLAN = {
    "insert_many": Measurement(
        "insert_many", "ready", "many", "inserted", "`insert_many` of ready documents and payloads"
    ),
    "fresh": Measurement("whole_way", "whole", "many", "inserted", "the whole way, fresh"),
    "unchanged": Measurement("whole_way", "whole", "many", "unchanged", "the whole way, unchanged"),
    "files": Measurement("whole_way", "files", "few", "inserted", "the whole way, fresh, a file for each post"),
    "files again": Measurement("whole_way", "files", "few", "unchanged", "the same, unchanged"),
    "old": Measurement("post_each", "old", "few", "inserted", "HTTP POST for each ready document, fresh"),
    "old again": Measurement("post_each", "old", "few", "updated", "the same again: POST, answered 409, then PUT"),
}
AIMS = (("fresh", "insert_many", 0.4), ("fresh", "old", 30), ("unchanged", "fresh", 8), ("unchanged", "old again", 500))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--few", type=int, default=2_000, help="posts for the slow ways; default: %(default)s")
    parser.add_argument("--folder", help="where the temporary home goes; default: the system's folder for such")
    options = parser.parse_args()
    rates: dict[str, list[float]] = defaultdict(list)
    steps: dict[str, list[float]] = defaultdict(list)
    with bench.temporary_home(options.folder) as home:
        size = posts.write_lines(home.folder / "many", options.posts)
        posts.write_files(home.folder / "few", options.few)
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}", file=sys.stderr)
            _round(home, rates, steps, {"many": options.posts, "few": options.few})
    print(f"{options.posts:,} posts of {size / options.posts:,.0f} bytes; {bench.machine()}\n")
    _report(rates, steps)


def _round(
    home: bench.Home, rates: dict[str, list[float]], steps: dict[str, list[float]], posts_in: dict[str, int]
) -> None:
    with _service(home) as url, bench.client(home.uri) as client:
        for name, one in PLAN.items():
            # What the way before left to be written does not slow this one down.
            client.admin.command("fsync")
            measured = home.measure(
                one.way,
                {"url": url} if one.way == "post_each" else {},
                FUTURSCAM_DB=one.database,
                FUTURSCAM_INBOX=str(home.folder / one.inbox),
            )
            if measured["counts"][one.counted] != posts_in[one.inbox]:
                sys.exit(f"{one.label}: {measured['counts']} of {posts_in[one.inbox]} posts")
            rates[name].append(posts_in[one.inbox] / measured["seconds"])
            if name == "fresh":
                for step, seconds in measured["steps"].items():
                    steps[step].append(seconds / posts_in[one.inbox] * 1e6)
        for database in {one.database for one in PLAN.values()}:
            client.drop_database(database)


@contextmanager
def _service(home: bench.Home) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=bench.HERE, env=home.environment(FUTURSCAM_DB=PLAN["old"].database))
    try:
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _report(rates: dict[str, list[float]], steps: dict[str, list[float]]) -> None:
    rows = [(PLAN[name].label, f"{bench.median(found):,.0f}", _range(found)) for name, found in rates.items()]
    print(bench.table(("way", "posts/s, median", "of all rounds"), rows), "\n")
    aims = [(f"{PLAN[a].label} / {PLAN[b].label}", *_ratio(rates[a], rates[b], aim)) for a, b, aim in AIMS]
    print(bench.table(("ratio", "median of the rounds", "of all rounds", "aim"), aims), "\n")
    spent = [(name, f"{bench.median(found):,.0f}") for name, found in steps.items()]
    print(bench.table(("step, fresh", "µs per post"), spent))


def _ratio(upper: Sequence[float], lower: Sequence[float], aim: float) -> tuple[str, str, str]:
    ratios = [a / b for a, b in zip(upper, lower, strict=True)]
    ratio = bench.median(ratios)
    return f"{ratio:,.3g}", _range(ratios), f"{aim:g}: {'met' if ratio >= aim else 'missed'}"


def _range(found: Sequence[float]) -> str:
    return f"{min(found):,.3g} to {max(found):,.3g}" if max(found) < 1000 else f"{min(found):,.0f} to {max(found):,.0f}"


if __name__ == "__main__":
    main()
