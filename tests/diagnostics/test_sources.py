"""Sources, real servers on loopback: reached, refused, silent, and with clocks that go wrong."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import stamina

from futurscam_lib import clock
from futurscam_lib import settings as settings_module
from futurscam_lib.diagnostics import sources as checks
from tests.diagnostics.conftest import files, named
from tests.servers import source_settings
from tests.servers.boond import BoondServer
from tests.servers.graph import GraphServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.diagnostics.finding import Finding
    from futurscam_lib.settings import Settings


@pytest.fixture
def boond() -> Iterator[BoondServer]:
    """BoondManager with one opportunity that changed now."""
    with BoondServer() as server, stamina.set_testing(testing=True, attempts=1000, cap=True):
        server.publish(title="Architect", updated=clock.now() - timedelta(minutes=1))
        yield server


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[GraphServer]:
    """A mailbox, whose authority is trusted."""
    with GraphServer() as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        yield server


def look(*names: str, **variables: str) -> list[Finding]:
    """All checks of these sources."""
    environ = {**os.environ, "FUTURSCAM_HTTP_TRIES": "1", "FUTURSCAM_SOURCES": ",".join(names), **variables}
    return list(checks.look(settings_module.load(environ), names, now=clock.now()))


@pytest.mark.usefixtures("home")
def test_sources_that_can_be_read(boond: BoondServer, graph: GraphServer) -> None:
    """Each with its clock, and with what waits."""
    found = look("boond", "graph_mail", **source_settings.boond(boond), **source_settings.graph(graph))

    assert [(one.name, one.state) for one in found] == [
        ("boond", "ok"),
        ("clock", "ok"),
        ("graph_mail", "ok"),
        ("clock", "ok"),
    ]
    assert "1 wait" in named(found, "boond").what
    assert "Microsoft Graph" in found[-1].what


@pytest.mark.usefixtures("home")
def test_a_source_that_refuses(boond: BoondServer) -> None:
    """What it lacks is told, and who has to act."""
    boond.forbidden = True

    found = named(look("boond", **source_settings.boond(boond)), "boond")

    assert found.state == "problem"
    assert not found.no_answer
    assert "403" in found.what
    assert "may not read opportunities" in found.remedy


@pytest.mark.usefixtures("home")
def test_a_source_that_does_not_answer(boond: BoondServer) -> None:
    """Another try may do; its clock is not missed besides."""
    boond.break_off("/", times=1000)

    (found,) = look("boond", **source_settings.boond(boond))

    assert found.no_answer
    assert "futurscam check --source boond" in found.remedy


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("minutes", "state"), [(1, "warning"), (-1, "warning"), (60, "problem"), (-60, "problem")])
def test_a_source_whose_clock_goes_wrong(boond: BoondServer, minutes: int, state: str) -> None:
    """Or this machine's: that cannot be told apart. Within half the overlap nothing is lost yet."""
    boond.clock = lambda: clock.now() + timedelta(minutes=minutes)

    found = named(look("boond", **source_settings.boond(boond)), "clock")

    assert found.state == state
    assert "BoondManager" in found.what


def test_a_folder_is_not_made(home: Settings, tmp_path: Path) -> None:
    """The inbox of a fresh home is a run's to make; one that somebody named should be there."""
    before = files(home.home)

    (found,) = look("folder")
    assert found.state == "ok"
    assert files(home.home) == before

    (found,) = look("folder", FUTURSCAM_INBOX=str(tmp_path / "nowhere"))
    assert found.state == "problem"
    assert "futurscam check --source folder" in found.remedy or "FUTURSCAM_INBOX" in found.remedy


def test_a_sound_folder(sound: Settings) -> None:
    """It can be read."""
    (found,) = look("folder")

    assert found.state == "ok"
    assert sound.inbox.is_dir()


def test_a_source_that_can_be_read_and_warns(boond: BoondServer) -> None:
    """Open states that the instance does not have stop no run, and are shown with what to do."""
    found = named(look("boond", **source_settings.boond(boond), FUTURSCAM_BOOND_OPEN_STATES="42"), "boond")

    assert found.state == "warning"
    assert "names 42, which this BoondManager does not have" in found.what
    assert "futurscam check --source boond" in found.remedy
