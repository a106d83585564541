"""The settings of what watches over runs: logs, the ledger, alerts."""

from __future__ import annotations

from datetime import timedelta  # noqa: TC003 - pydantic reads the annotations at run time
from typing import Annotated

from pydantic import BaseModel, SecretStr

from futurscam_lib.settings import kinds
from futurscam_lib.settings.kinds import Kind, Variable


class OperationSettings(BaseModel, frozen=True):
    """What is kept of a run besides its notebook, and who is told of it."""

    log_age: Annotated[
        timedelta,
        Variable("FUTURSCAM_LOG_DAYS", "30", kinds.span("days", 1, 3650), "How long logs are kept."),
    ]
    log_megabytes: Annotated[
        int,
        Variable(
            "FUTURSCAM_LOG_MEGABYTES",
            "200",
            kinds.whole(1, 100_000),
            "How much all logs may hold; the oldest go first.",
        ),
    ]
    ledger_key: Annotated[
        SecretStr | None,
        Variable(
            "FUTURSCAM_LEDGER_KEY",
            "",
            Kind(kinds.key, "16 to 1000 characters, such as 32 random ones"),
            "Seals the ledger of the runs, so that not even one who writes all of it anew goes unseen.",
            secret=True,
        ),
    ]
    alert_urls: Annotated[
        SecretStr | None,
        Variable(
            "FUTURSCAM_ALERT_URLS",
            "",
            Kind(kinds.secret, "addresses as Apprise takes them, separated by spaces or commas"),
            "Who is told when runs begin to fail and when they work again: mail, Teams, Slack and others.",
            secret=True,
        ),
    ]
    alert_rejects: Annotated[
        int,
        Variable(
            "FUTURSCAM_ALERT_REJECTS", "10", kinds.whole(1, 1_000_000), "Send an alert from this many new rejects."
        ),
    ]
    healthcheck_url: Annotated[
        SecretStr | None,
        Variable(
            "FUTURSCAM_HEALTHCHECK_URL",
            "",
            Kind(kinds.secret_url, "https://host/path, or http:// to this machine"),
            "Is asked for when a run starts, succeeds or fails; "
            "the service behind it tells of a run that never starts.",
            secret=True,
        ),
    ]
