"""Takes messages to the addresses of FUTURSCAM_ALERT_URLS; who could not be reached gets them with the next run."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import structlog

from futurscam_lib.settings import alert_urls

if TYPE_CHECKING:
    from futurscam_lib.runner.alerts.memory import Message
    from futurscam_lib.settings import Settings

_log = structlog.get_logger()

SECONDS: Final = 10
"""How long a message may take."""

START_SECONDS: Final = 10
"""How long the courier may take besides, to start on a slow machine."""

_WHY: Final = 300
_OUTCOMES: Final = {"sent", "failed", "wrong"}


def deliver(configured: Settings, pending: dict[str, Message]) -> None:
    """Send what waits, and take out of `pending` what everybody got."""
    text = configured.alert_urls.get_secret_value() if configured.alert_urls else ""
    known, redact = dict(enumerate(alert_urls.split(text), start=1)), configured.redactor()
    for about, message in list(pending.items()):
        to = {number: one for number, one in known.items() if message.unsent is None or number in message.unsent}
        outcomes, complaints = _send(message, to) if to else ({}, "")
        _tell(about, {number: outcomes.get(number, "no answer") for number in to}, redact(complaints)[-_WHY:])
        # An address that is none will not take it next time either; `config check` names it.
        message.unsent = [number for number in to if outcomes.get(number) not in {"sent", "wrong"}]
        if not message.unsent:
            del pending[about]


def _tell(about: str, outcomes: dict[int, str], complaints: str) -> None:
    for number, outcome in outcomes.items():
        if outcome == "sent":
            _log.info("alert sent", about=about, address=number)
        else:
            _log.warning("alert not sent", about=about, address=number, outcome=outcome, said=complaints)


def _send(message: Message, to: dict[int, str]) -> tuple[dict[int, str], str]:
    """Have a courier send it, and end him when he takes too long.

    Returns:
        What became of it by position, where that is known, and his complaints.
    """
    order = {**message.model_dump(exclude={"unsent"}), "addresses": to, "seconds": SECONDS}
    with subprocess.Popen(
        [sys.executable, "-m", "futurscam_lib.runner.alerts.courier"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    ) as courier:
        try:
            said, complained = courier.communicate(json.dumps(order), timeout=START_SECONDS + SECONDS)
        except subprocess.TimeoutExpired:
            courier.kill()
            said, complained = courier.communicate()
    words = (line.partition(" ") for line in said.splitlines())
    return {int(number): outcome for number, _, outcome in words if outcome in _OUTCOMES}, " ".join(complained.split())
