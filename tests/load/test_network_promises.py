"""Promises 1 to 5 for sources behind HTTP; each breaks when the code that keeps it is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stamina
from hypothesis.stateful import run_state_machine_as_test

from futurscam_lib import clock, settings
from futurscam_lib.extract import boond as boond_module
from futurscam_lib.extract import paging
from tests.load.machine import INSTANTS, JOBS, OVERLAP, examples
from tests.load.network import Network, NetworkPromises
from tests.servers import source_settings
from tests.servers.boond import BoondServer
from tests.servers.graph import GraphServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo import MongoClient

    from futurscam_lib.settings import Settings
    from tests.servers.messages import Request


@pytest.fixture
def networks(
    home: Settings, connected: MongoClient[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Network]]:
    """Return a function that makes fresh worlds, one at a time; the two servers are shared."""
    with GraphServer() as graph, BoondServer() as boond, stamina.set_testing(testing=True, attempts=1000, cap=True):
        monkeypatch.setenv("SSL_CERT_FILE", str(graph.ca_file))
        for name, value in {
            **source_settings.graph(graph),
            **source_settings.boond(boond),
            "FUTURSCAM_HTTP_TRIES": "2",
        }.items():
            monkeypatch.setenv(name, value)
        configured = settings.load()
        made: list[Network] = []

        def make() -> Network:
            made.append(Network(configured, connected[home.database], graph, boond))
            return made[-1]

        monkeypatch.setattr(clock, "now", lambda: made[-1].now)
        yield make


@pytest.fixture
def network(networks: Callable[[], Network]) -> Network:
    """A fresh world."""
    return networks()


def histories(networks: Callable[[], Network], count: int, *, shrink: bool = True) -> None:
    """Live through histories, each in a fresh world, until one breaks a promise."""

    class Here(NetworkPromises):
        def __init__(self) -> None:
            super().__init__(networks())

    run_state_machine_as_test(Here, settings=examples(count, steps=25, shrink=shrink))


def shifted(network: Network) -> None:
    """Mails are deleted between two pages of the list: those behind them move up."""
    for number in range(3):
        network.deliver(f"old-{number}", INSTANTS[0], "red", good=True, delay=0)
    assert network.run()
    for number in range(5):
        network.deliver(f"new-{number}", INSTANTS[0], "red", good=True, delay=0)
        network.tick(1)
    network.tick(2 * OVERLAP.total_seconds())

    def remove(request: Request) -> None:
        if "skip" in request.target and request.path.endswith("/messages"):
            network.graph.before = None
            for mail in network.mails[:2]:
                network.graph.remove(mail.mail)

    network.graph.before = remove
    assert network.run(pages=2)
    network.quiesce()


def twice_in_a_second(network: Network) -> None:
    """An opportunity is edited, read, and edited again before the second is over."""
    for _ in range(8):
        network.publish(good=True, delay=0)
        network.tick(0.1)
        network.run()
        network.change(max(network.missions), good=True)
        network.tick(0.1)
        network.run()
    network.quiesce()


def test_the_promises_hold_in_any_history(networks: Callable[[], Network]) -> None:
    """Created, changed, closed, deleted, late, with skewed clocks, while being read, failing at any request, killed."""
    histories(networks, 30)


@pytest.mark.parametrize("history", [shifted, twice_in_a_second])
def test_two_important_histories(network: Network, history: Callable[[Network], None]) -> None:
    """A list that shifts while it is read; two versions that carry the same second."""
    history(network)


def test_without_a_second_pass_a_mail_is_lost(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 1 depends on the second pass."""

    def once(passes: Callable[[], Iterator[list[Any]]], **_: Any) -> Iterator[Any]:
        for page in passes():
            yield from page

    monkeypatch.setattr("futurscam_lib.extract.graph_mail.settled", once)
    assert paging.settled is not once
    with pytest.raises(AssertionError, match="lost"):
        shifted(network)


def test_without_waiting_for_the_second_to_end_a_version_is_lost(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 3 depends on it: otherwise their hashes decide which of two versions of one second wins."""
    monkeypatch.setattr(boond_module, "_AHEAD", -boond_module._DAY)
    with pytest.raises(AssertionError, match="its source"):
        twice_in_a_second(network)


def test_a_mission_closed_and_reopened_without_a_new_date_is_active(network: Network) -> None:
    """Neither change moved the opportunity's date: the list of open opportunities shows it."""
    network.publish(good=True, delay=0)
    (mission,) = network.missions
    network.tick(60)
    assert network.run()
    for state in (2, 0, 2, 0):
        network.set_state(mission, state, touch=False)
        network.tick(5)
        assert network.run()
        found = network.collections.rfps.find_one({"job_id": f"boond-{mission}"}) or {}
        assert found["isActive"] is (state == 0)
    network.quiesce()


def test_a_reject_is_resolved_by_the_next_version(network: Network) -> None:
    """An opportunity without a title, then with one, and a mail that is broken for good."""
    network.publish(good=False, delay=0)
    network.deliver(JOBS[0], INSTANTS[0], "red", good=False, delay=0)
    network.tick(60)
    assert network.run()
    network.change(max(network.missions), good=True)
    network.quiesce()
    states = {entry["source"]: entry["state"] for entry in network.collections.rejects.find()}
    assert states == {"boond": "resolved", "graph_mail": "open"}
