"""Fixtures for the tests of the imitated Graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.graph import GraphServer
from tests.servers.graph_reader import T0, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def graph() -> Iterator[GraphServer]:
    """A fresh server, in the year of the tests."""
    with GraphServer() as made:
        made.clock = lambda: T0
        yield made


@pytest.fixture
def reader(graph: GraphServer) -> Iterator[Reader]:
    """A client of that server."""
    made = Reader(graph)
    try:
        yield made
    finally:
        made.http.close()
