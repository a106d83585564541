"""Tells a service such as healthchecks.io that a run starts, succeeded or failed; it notices a run that never came.

The address itself is asked for after a success, `/start` and `/fail` below it at the other times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from futurscam_lib.runner.run_end import host

if TYPE_CHECKING:
    from futurscam_lib.runner.run_end import RunEnd
    from futurscam_lib.settings import Settings

_log = structlog.get_logger()

_SECONDS: Final = 5.0
_TRIES: Final = 2
_LONGEST: Final = 2000


def started(configured: Settings) -> None:
    """A run starts."""
    _ask(configured, "/start")


def ended(configured: Settings, ending: RunEnd) -> None:
    """A run ended; where it failed, the service is told why in a few redacted words."""
    if ending.well:
        _ask(configured, "")
        return
    told = f"{ending.run_id or 'A run'} on {host()}, {ending.meaning}\n{ending.error}"
    _ask(configured, "/fail", body=configured.redactor()(told)[:_LONGEST])


def _ask(configured: Settings, step: str, *, body: str = "") -> None:
    """Ask for an address; whatever goes wrong is logged, and nothing else."""
    if configured.healthcheck_url is None:
        return
    url = f"{configured.healthcheck_url.get_secret_value()}{step}"
    problem = ""
    for _ in range(_TRIES):
        try:
            problem = _problem_of(url, body.encode(errors="replace"))
        except Exception as error:  # noqa: BLE001 - no answer, a proxy or a certificate that is none: no run fails for it
            problem = f"{type(error).__name__}: {error}"
        if not problem:
            _log.debug("healthcheck told", step=step or "success")
            return
    _log.warning("healthcheck not told", step=step or "success", why=configured.redactor()(problem))


def _problem_of(url: str, body: bytes) -> str:
    import httpx

    from futurscam_lib.extract import tls

    method = "POST" if body else "GET"
    client = httpx.Client(verify=tls.context(), timeout=_SECONDS, headers={"User-Agent": "futurscam-etl"})
    # Streamed, and not read: nothing of the body is wanted.
    with client, client.stream(method, url, content=body or None) as response:
        return "" if response.is_success else f"{response.status_code} {response.reason_phrase}"
