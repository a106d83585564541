"""Sends messages to the addresses of FUTURSCAM_ALERT_URLS; the next run sends them again to an address that failed.

Apprise waits as long as a service takes. So each address gets a daemon thread, for which a run waits a limited time,
and that does not keep the process alive.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from futurscam_lib.errors import require_extra
from futurscam_lib.settings import alert_urls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from futurscam_lib.runner.alerts.memory import Message
    from futurscam_lib.settings import Settings

_log = structlog.get_logger()

SECONDS: Final = 10.0
"""How long a message may take."""

_REASON: Final = 300


@dataclass(slots=True)
class Delivery:
    """One message on its way to one address.

    Attributes:
        outcome: `sent`, `failed`, `wrong` (the address is not valid), or `no answer` within the time.
        reasons: What Apprise says about it; not redacted.
    """

    outcome: str = "no answer"
    reasons: list[str] = field(default_factory=list)


def deliver(configured: Settings, pending: dict[str, Message]) -> None:
    """Send the pending messages, and remove those that every address received from `pending`."""
    urls = alert_urls.split(configured.alert_urls.get_secret_value() if configured.alert_urls else "")
    addresses, redact = dict(enumerate(urls, start=1)), configured.redactor()
    for about, message in list(pending.items()):
        to = {number: url for number, url in addresses.items() if message.unsent is None or number in message.unsent}
        deliveries = _send(message, to)
        for number, delivery in deliveries.items():
            if delivery.outcome == "sent":
                _log.info("alert sent", about=about, address=number)
            else:
                said = redact(" ".join(delivery.reasons))[-_REASON:]
                _log.warning("alert not sent", about=about, address=number, outcome=delivery.outcome, said=said)
        # A wrong address stays wrong; `config check` names it.
        message.unsent = [number for number, each in deliveries.items() if each.outcome not in {"sent", "wrong"}]
        if not message.unsent:
            del pending[about]


def _send(message: Message, to: dict[int, str]) -> dict[int, Delivery]:
    """Send one message to all addresses at once; slow deliveries continue in the background."""
    require_extra("alerts", "apprise", what="FUTURSCAM_ALERT_URLS")
    import apprise

    deliveries = {number: Delivery() for number in to}
    threads = [
        threading.Thread(
            target=_send_to, args=(apprise, url, message, deliveries[number]), name=_name(number), daemon=True
        )
        for number, url in to.items()
    ]
    with _system_certificates(), _reasons_kept(deliveries):
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    return deliveries


def _name(number: int) -> str:
    return f"alert to address {number}"


def _send_to(apprise: Any, url: str, message: Message, delivery: Delivery) -> None:
    # A limit of Apprise's own would have it use a thread that is not a daemon.
    service = apprise.Apprise(asset=apprise.AppriseAsset(service_timeout=0))
    try:
        if not service.add(url):
            delivery.outcome = "wrong"
            return
        kind, text = apprise.NotifyType(message.kind), apprise.NotifyFormat.TEXT
        sent = service.notify(message.body, title=message.title, notify_type=kind, body_format=text)
        delivery.outcome = "sent" if sent else "failed"
    except Exception as error:  # noqa: BLE001 - whatever a service's plugin raises, the message was not sent
        delivery.reasons.append(f"{type(error).__name__}: {error}")
        delivery.outcome = "failed"


@contextmanager
def _reasons_kept(deliveries: dict[int, Delivery]) -> Iterator[None]:
    """Keep what Apprise logs in each thread as the reasons of that delivery."""
    by_thread: dict[str | None, Delivery] = {_name(number): delivery for number, delivery in deliveries.items()}

    class Reasons(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.threadName in by_thread:
                by_thread[record.threadName].reasons.append(record.getMessage())

    logger, handler = logging.getLogger("apprise"), Reasons(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _system_certificates() -> Iterator[None]:
    """Trust the system's certificate authorities and SSL_CERT_FILE, as `extract.tls` does; Apprise knows neither."""
    import truststore

    authority, named = os.environ.get("SSL_CERT_FILE"), "REQUESTS_CA_BUNDLE" in os.environ
    truststore.inject_into_ssl()
    if authority and not named:
        os.environ["REQUESTS_CA_BUNDLE"] = authority
    try:
        yield
    finally:
        truststore.extract_from_ssl()
        if authority and not named:
            del os.environ["REQUESTS_CA_BUNDLE"]
