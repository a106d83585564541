"""Sends one message to several addresses; a program of its own, so that whoever starts it can end it in time.

Reads JSON on stdin: `title`, `body`, `kind`, `addresses` (by position), `seconds`. Prints a line for each address once
it is known what became of it: the position and `sent`, `failed` or `wrong`.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from futurscam_lib.errors import require_extra

if TYPE_CHECKING:
    from collections.abc import Mapping


def main() -> None:
    """Send what stdin says."""
    order = json.load(sys.stdin)
    _trust_the_system()
    require_extra("alerts", "apprise", what="FUTURSCAM_ALERT_URLS")
    import apprise  # noqa: F401 - before the threads, which would wait for each other

    with ThreadPoolExecutor(len(order["addresses"])) as threads:
        list(threads.map(partial(_send, order), order["addresses"].items()))
    sys.stdout.flush()
    os._exit(0)  # Threads of a service that does not answer are not waited for.


def _send(order: Mapping[str, Any], place: tuple[str, str]) -> None:
    import apprise

    position, address = place
    post = apprise.Apprise()
    outcome = "wrong"
    if post.add(address):
        sent = post.notify(
            order["body"],
            title=order["title"],
            notify_type=apprise.NotifyType(order["kind"]),
            body_format=apprise.NotifyFormat.TEXT,
            timeout=order["seconds"],
        )
        outcome = "sent" if sent else "failed"
    sys.stdout.write(f"{position} {outcome}\n")
    sys.stdout.flush()


def _trust_the_system() -> None:
    """The system's authorities, and SSL_CERT_FILE, as `extract.tls` does; Apprise knows neither."""
    import truststore

    truststore.inject_into_ssl()
    if authority := os.environ.get("SSL_CERT_FILE"):
        os.environ.setdefault("REQUESTS_CA_BUNDLE", authority)


if __name__ == "__main__":
    main()
