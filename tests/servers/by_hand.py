"""The servers by hand: invented data, the settings that lead to it, and an end with Ctrl+C."""

from __future__ import annotations

import argparse
import re
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import futurscam_lib
from tests.servers import source_settings
from tests.servers.boond import BoondServer
from tests.servers.boond_book import LOST, OPEN
from tests.servers.graph import File, GraphServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.servers.loopback import Loopback
    from tests.servers.messages import Request

_INBOX: Final = Path(futurscam_lib.__file__).parent / "cli" / "demo_inbox"
_SPAN: Final = timedelta(minutes=49)
"""A first run reads one hour back: what is younger than 50 minutes is found, with time to type."""

_LOGO: Final = File("logo.png", b"\x89PNG\r\n\x1a\n", "image/png", inline=True)
_TITLES: Final = (
    "Data Engineer",
    "Java Developer",
    "Business Analyst IT",
    "DevOps Engineer",
    "Test Automation Engineer",
)
_COMPANIES: Final = ("Fictional Rail", "Universitair Ziekenhuis Zavelberg", "Banque Imaginaire")
_TOOLS: Final = ("Python", "SQL", "Java", "Kubernetes", "Azure", "Terraform")
_PLACES: Final = ("Bruxelles", "Antwerpen", "Namur", "Gent")


def graph() -> None:
    """Serve a mailbox with job posts until Ctrl+C."""
    arguments = _arguments("tests.servers.graph", "--mails", 30)
    with GraphServer(port=arguments.port) as server:
        server.latency = arguments.latency
        fill_mailbox(server, arguments.mails)
        settings = {"FUTURSCAM_SOURCES": "graph_mail", **source_settings.graph(server)}
        _serve(server, settings, trust=server.ca_file)


def boond() -> None:
    """Serve opportunities until Ctrl+C."""
    arguments = _arguments("tests.servers.boond", "--opportunities", 20)
    with BoondServer(port=arguments.port) as server:
        server.latency = arguments.latency
        fill_book(server, arguments.opportunities)
        settings = {"FUTURSCAM_SOURCES": "boond", **source_settings.boond(server)}
        _serve(server, settings, trust=None)


def fill_mailbox(server: GraphServer, mails: int) -> None:
    """This many mails with a job post each, repeating the same posts, and one unrelated mail."""
    posts = islice(cycle(sorted(_INBOX.glob("jobpost_*.json"))), mails)
    for path, at in zip(posts, _instants(server, mails), strict=True):
        number = re.findall(r"_(\d+)", path.name)[0]
        attachments = [_LOGO, File(path.name, path.read_bytes())]
        server.deliver(f"[JOB EXPORT] JP0{number}", received=at, attachments=attachments)
    server.deliver("Lunch on Friday?", received=server.clock() - _SPAN, attachments=[File("menu.json", b"[]")])


def fill_book(server: BoondServer, opportunities: int) -> None:
    """This many opportunities, every seventh of them closed."""
    for number, at in enumerate(_instants(server, opportunities)):
        title = _TITLES[number % len(_TITLES)]
        server.publish(
            title=f"{title} {number + 1}",
            company=_COMPANIES[number % len(_COMPANIES)],
            mode=number % 4 + 1,
            place=_PLACES[number % len(_PLACES)],
            state=LOST if number % 7 == 6 else OPEN,
            startDate="immediate" if number % 3 else f"{at + timedelta(days=30):%Y-%m-%d}",
            answerDate=f"{at + timedelta(days=10):%Y-%m-%d}",
            tools=[_TOOLS[number % len(_TOOLS)], _TOOLS[(number + 1) % len(_TOOLS)]],
            activityAreas=["IT"],
            description=f"<p>We look for a <b>{title}</b>.</p><ul><li>You write tests.</li></ul>",
            criteria="<p>Five years of experience.</p>",
            created=at - timedelta(days=2),
            updated=at,
        )


def _instants(server: Loopback, count: int) -> Iterator[datetime]:
    """Spread over the last 50 minutes, oldest first."""
    now = server.clock().astimezone(UTC)
    return (now - timedelta(minutes=1) - _SPAN * (count - number - 1) / max(count, 1) for number in range(count))


def _arguments(module: str, items: str, count: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description="An imitated service with invented data.")
    parser.add_argument("--port", type=int, default=0, help="any free one unless given")
    parser.add_argument(items, type=int, default=count, help="how many there are (%(default)s)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every answer")
    return parser.parse_args()


def _serve(server: Loopback, settings: Mapping[str, str], *, trust: Path | None) -> None:
    _say("# Put these lines into .env, or into the environment:")
    for name, value in settings.items():
        _say(f"{name}={value}")
    if trust:
        _say("# This one must stand in the environment; in .env it would come too late:")
        _say(f"SSL_CERT_FILE={trust}")
        _say(f"#   PowerShell: $env:SSL_CERT_FILE = '{trust}'    others: export SSL_CERT_FILE='{trust}'")
    _say("# Then, in another terminal:")
    _say("#   futurscam check")
    _say("#   futurscam run")
    _say("# Ctrl+C ends this server; below stands what it is asked.")
    server.before = _show
    try:
        # With a timeout, because Windows does not interrupt a wait without one.
        while not threading.Event().wait(1):
            pass
    except KeyboardInterrupt:
        _say("# Ended.")


def _show(request: Request) -> None:
    _say(f"{request.method} {request.target}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
