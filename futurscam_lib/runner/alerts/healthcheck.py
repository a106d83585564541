"""Pings a service such as healthchecks.io when a run starts, succeeds or fails; the service reports missing runs.

The address itself is requested after a success, `/start` and `/fail` below it at the other times.
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
    """Report that a run starts."""
    _ping(configured, "/start")


def ended(configured: Settings, end: RunEnd) -> None:
    """Report that a run ended and, where it failed, why; redacted."""
    if end.well:
        _ping(configured, "")
        return
    text = f"{end.run_id or 'A run'} on {host()}, {end.meaning}\n{end.error}"
    _ping(configured, "/fail", body=configured.redactor()(text)[:_LONGEST])


def _ping(configured: Settings, step: str, *, body: str = "") -> None:
    """Request an address; a failure is only logged."""
    if configured.healthcheck_url is None:
        return
    url = f"{configured.healthcheck_url.get_secret_value()}{step}"
    problem = ""
    for _ in range(_TRIES):
        try:
            problem = _problem_of(url, body.encode(errors="replace"))
        except Exception as error:  # noqa: BLE001 - no failed ping makes a run fail
            problem = f"{type(error).__name__}: {error}"
        if not problem:
            _log.debug("healthcheck pinged", step=step or "success")
            return
    _log.warning("healthcheck not pinged", step=step or "success", why=configured.redactor()(problem))


def _problem_of(url: str, body: bytes) -> str:
    import httpx

    from futurscam_lib.extract import tls

    method = "POST" if body else "GET"
    client = httpx.Client(verify=tls.context(), timeout=_SECONDS, headers={"User-Agent": "futurscam-etl"})
    # Streamed, so that the body is not read.
    with client, client.stream(method, url, content=body or None) as response:
        return "" if response.is_success else f"{response.status_code} {response.reason_phrase}"
