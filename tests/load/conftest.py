"""Shared by the tests of load: one client, and a function that makes fresh worlds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.load import mongo
from futurscam_lib.transform import pro_unity
from tests.load.machine import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo import MongoClient

    from futurscam_lib.settings import Settings


@pytest.fixture
def connected(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[MongoClient[dict[str, Any]]]:
    """The project's own client, connected once for all runs of a test: some tests open hundreds."""
    with mongo.connect(home) as client:
        monkeypatch.setattr("futurscam_lib.pipeline.run.mongo.connect", lambda _: client)
        yield client


@pytest.fixture
def worlds(
    home: Settings, connected: MongoClient[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., World]:
    """Return a function that makes fresh worlds, one at a time."""
    # A version that a test has raised is restored after the test.
    for name in ("TRANSFORM_VERSION", "normalise"):
        monkeypatch.setattr(pro_unity, name, getattr(pro_unity, name))
    return partial(World, home, connected[home.database])


@pytest.fixture
def world(worlds: Callable[..., World]) -> World:
    """A fresh world."""
    return worlds()
