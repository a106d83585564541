"""The settings for logs, the ledger and alerts."""

from datetime import timedelta
from typing import Annotated

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from futurscam_lib.settings import kinds
from futurscam_lib.settings.kinds import Kind, setting


class OperationSettings(BaseSettings, defer_build=True):
    """How long logs are kept, the key of the ledger, and where alerts go."""

    log_age: Annotated[timedelta, kinds.span("days", 1, 3650)] = setting(
        "FUTURSCAM_LOG_DAYS", "30", "How long logs are kept."
    )
    log_megabytes: Annotated[int, kinds.whole(1, 100_000)] = setting(
        "FUTURSCAM_LOG_MEGABYTES", "200", "How much all logs may hold; the oldest go first."
    )
    ledger_key: Annotated[SecretStr | None, Kind(kinds.key, "16 to 1000 characters, such as 32 random ones")] = setting(
        "FUTURSCAM_LEDGER_KEY", "", "Seals the ledger of the runs: without this key nobody can rewrite it unnoticed."
    )
    alert_urls: Annotated[
        SecretStr | None, Kind(kinds.secret, "addresses as Apprise takes them, separated by spaces or commas")
    ] = setting(
        "FUTURSCAM_ALERT_URLS",
        "",
        "Where to send an alert when runs begin to fail and when they work again: mail, Teams, Slack and others.",
    )
    alert_rejects: Annotated[int, kinds.whole(1, 1_000_000)] = setting(
        "FUTURSCAM_ALERT_REJECTS", "10", "Send an alert from this many new rejects."
    )
    healthcheck_url: Annotated[
        SecretStr | None,
        Kind(lambda text: SecretStr(kinds.url(text)), "https://host/path, or http:// to this machine"),
    ] = setting(
        "FUTURSCAM_HEALTHCHECK_URL",
        "",
        "Requested when a run starts, succeeds or fails; the service behind it reports a run that never starts.",
    )
