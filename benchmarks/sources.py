"""A backlog of mails and one of opportunities, read over HTTP from servers that take 50 ms for each answer."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

# The loopback servers are those of the tests.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench
import posts

from futurscam_lib.extract.source import CONCURRENT
from tests.servers import source_settings
from tests.servers.boond import BoondServer
from tests.servers.graph import File, GraphServer

if TYPE_CHECKING:
    from tests.servers.loopback import Loopback

T0 = datetime(2026, 11, 1, tzinfo=UTC)
SUBJECT = "[JOB EXPORT]"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=5000, help="of each kind; default: %(default)s")
    parser.add_argument("--plain", type=int, default=300, help="of these by a plain loop; default: %(default)s")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds for each answer; default: %(default)s")
    options = parser.parse_args()
    rows = []
    with GraphServer() as graph, BoondServer() as boond:
        fill_mailbox(graph, options.items)
        fill_book(boond, options.items)
        for name, server, variables in (
            ("graph_mail", graph, source_settings.graph(graph) | {"SSL_CERT_FILE": str(graph.ca_file)}),
            ("boond", boond, source_settings.boond(boond)),
        ):
            server.latency = options.latency
            rows += measure(name, server, variables, options)
    head = ("source", "items", "requests", "in flight", "seconds", "ideal", "times ideal", "items/s", "peak memory")
    print(f"{options.latency * 1000:.0f} ms for each answer; {bench.machine()}\n")
    print(bench.table(head, rows))


def measure(name: str, server: Loopback, variables: dict[str, str], options: argparse.Namespace) -> list[Any]:
    """The whole way of a fresh backlog, and again; then a plain loop over some of it."""
    rows = []
    with bench.temporary_home(None) as home:
        for label in ("fresh", "again"):
            measured, requests = _watched(server, lambda: home.measure("whole_way", {"sources": name}, **variables))
            told_counts = measured["counts"]
            if told_counts["extracted"] != options.items or told_counts["rejected"]:
                sys.exit(f"{name}: {told_counts}")
            ideal = options.latency * requests / CONCURRENT
            rows.append(_row(f"{name}, {label}", options.items, requests, server.in_flight_peak, measured, ideal))
        way = f"plain_{name}"
        measured, requests = _watched(server, lambda: home.measure(way, {"count": options.plain}, **variables))
        ideal = options.latency * requests
        rows.append(_row(f"{name}, a plain loop", options.plain, requests, server.in_flight_peak, measured, ideal))
    return rows


def _watched(server: Loopback, work: Any) -> tuple[dict[str, Any], int]:
    server.requests.clear()
    server.in_flight_peak = 0
    return work(), len(server.requests)


def _row(  # noqa: PLR0917 - a cell each
    name: str, items: int, requests: int, peak: int, measured: dict[str, Any], ideal: float
) -> tuple[str, ...]:
    seconds = measured["seconds"]
    return (
        name,
        f"{items:,}",
        f"{requests:,}",
        str(peak),
        f"{seconds:.1f}",
        f"{ideal:.1f}",
        f"{seconds / ideal:.2f}",
        f"{items / seconds:.0f}",
        f"{measured['peak'] / 2**20:.0f} MiB",
    )


def fill_mailbox(server: GraphServer, count: int) -> None:
    """Mails with a post of 10 kB and a picture each, one a minute."""
    logo = File("logo.png", b"\x89PNG" * 500, "image/png", inline=True)
    for number, post in enumerate(posts.generate(count)):
        attachments = [logo, File(f"jobpost_{number:06}.json", post)]
        received = T0 + timedelta(seconds=number)
        server.deliver(f"{SUBJECT} {number}", received=received, attachments=attachments)


def fill_book(server: BoondServer, count: int) -> None:
    """Opportunities with a description of 5 kB each, one a minute."""
    description = "<p>You build and run data pipelines with a team of six.</p>" * 85
    for number in range(count):
        server.publish(title=f"Data engineer {number}", updated=T0 + timedelta(seconds=number), description=description)


if __name__ == "__main__":
    main()
