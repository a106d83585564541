"""Sources as real servers on loopback: readable, refusing, silent, and with wrong clocks."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import stamina

from futurscam_lib import clock
from futurscam_lib import settings as settings_module
from futurscam_lib.diagnostics import sources
from tests.diagnostics.conftest import files, named, results_of
from tests.servers import source_settings
from tests.servers.boond import BoondServer
from tests.servers.graph import GraphServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from futurscam_lib.diagnostics.checks import CheckResult
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


def look(*names: str, **variables: str) -> list[CheckResult]:
    """Run all checks of these sources."""
    environ = {**os.environ, "FUTURSCAM_HTTP_TRIES": "1", "FUTURSCAM_SOURCES": ",".join(names), **variables}
    return results_of(sources.CHECKS, settings_module.load(environ), sources=names)


@pytest.mark.usefixtures("home")
def test_sources_that_can_be_read(boond: BoondServer, graph: GraphServer) -> None:
    """Each with its clock and its number of waiting items."""
    results = look("boond", "graph_mail", **source_settings.boond(boond), **source_settings.graph(graph))

    assert [(item.name, item.state) for item in results] == [
        ("boond", "ok"),
        ("clock", "ok"),
        ("graph_mail", "ok"),
        ("clock", "ok"),
    ]
    assert "1 wait" in named(results, "boond").what
    assert "Microsoft Graph" in results[-1].what


@pytest.mark.usefixtures("home")
def test_a_source_that_refuses(boond: BoondServer) -> None:
    """The result has the missing permission and the remedy."""
    boond.forbidden = True

    result = named(look("boond", **source_settings.boond(boond)), "boond")

    assert result.state == "problem"
    assert not result.no_answer
    assert "403" in result.what
    assert "may not read opportunities" in result.remedy


@pytest.mark.usefixtures("home")
def test_a_source_that_does_not_answer(boond: BoondServer) -> None:
    """A retry may help; its clock is not reported as well."""
    boond.break_off("/", times=1000)

    (result,) = look("boond", **source_settings.boond(boond))

    assert result.no_answer
    assert "futurscam check --source boond" in result.remedy


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("minutes", "state"), [(1, "warning"), (-1, "warning"), (60, "problem"), (-60, "problem")])
def test_a_source_with_a_wrong_clock(boond: BoondServer, minutes: int, state: str) -> None:
    """A warning within half the overlap, a problem beyond."""
    boond.clock = lambda: clock.now() + timedelta(minutes=minutes)

    result = named(look("boond", **source_settings.boond(boond)), "clock")

    assert result.state == state
    assert "BoondManager" in result.what


def test_a_folder_is_not_created(home: Settings, tmp_path: Path) -> None:
    """A run creates the default inbox; a configured folder must exist."""
    before = files(home.home)

    (result,) = look("folder")
    assert result.state == "ok"
    assert files(home.home) == before

    (result,) = look("folder", FUTURSCAM_INBOX=str(tmp_path / "nowhere"))
    assert result.state == "problem"
    assert "futurscam check --source folder" in result.remedy or "FUTURSCAM_INBOX" in result.remedy


def test_a_sound_folder(sound: Settings) -> None:
    """It can be read."""
    (result,) = look("folder")

    assert result.state == "ok"
    assert sound.inbox.is_dir()


def test_a_readable_source_with_a_warning(boond: BoondServer) -> None:
    """Unknown open states do not make a run fail; the remedy is shown."""
    result = named(look("boond", **source_settings.boond(boond), FUTURSCAM_BOOND_OPEN_STATES="42"), "boond")

    assert result.state == "warning"
    assert "names 42, which this BoondManager does not have" in result.what
    assert "futurscam check --source boond" in result.remedy
