"""Fixtures for the tests of sources: loopback servers, settings that point to them, retries that do not wait."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
import stamina

from futurscam_lib import settings as settings_module
from tests.servers.boond import BoondServer
from tests.servers.graph import GraphServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from futurscam_lib.settings import Settings

T0: Final = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
"""The base instant of these tests; their events happen on 2026-11-20."""


@pytest.fixture
def _no_waiting() -> Iterator[None]:
    """Retry at once, with the usual number of tries."""
    with stamina.set_testing(testing=True, attempts=1000, cap=True):
        yield


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch, _no_waiting: None) -> Iterator[GraphServer]:
    """Microsoft Graph with an empty mailbox, whose authority is trusted."""
    with GraphServer() as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        yield server


@pytest.fixture
def boond(_no_waiting: None) -> Iterator[BoondServer]:
    """BoondManager without opportunities."""
    with BoondServer() as server:
        yield server


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., Settings]:
    """Makes settings of a fresh home from the variables that a server needs."""

    def make(told: dict[str, str], **more: str) -> Settings:
        home = {settings_module.HOME: str(tmp_path), "FUTURSCAM_KEYRING": "false"}
        return settings_module.load({**home, **told, **more})

    return make
