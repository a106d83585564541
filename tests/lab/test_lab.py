"""`futurscam lab`: its start, its output, its reuse by a second command, and its end."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import psutil
import pytest

from futurscam_lib import clock, settings
from futurscam_lib.errors import UsageError
from futurscam_lib.lab import lab as lab_module
from futurscam_lib.lab import running, working_copies
from futurscam_lib.load import local_server
from tests.lab.lab_server import Kernel, Lab, environment, free_port
from tests.made_runs import MadeRuns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from futurscam_lib.settings import Settings

STARTED = clock.parse("2026-11-23T13:25:01Z")
TOKEN = re.compile(r"\?token=\S+")


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of a home without notebooks and without MONGO_URI; removed at the end."""
    folder = tmp_path_factory.mktemp("lab")
    try:
        yield environment(folder, FUTURSCAM_HOME=str(folder / "home"), MONGO_URI="")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def configured(environ: dict[str, str]) -> Iterator[Settings]:
    """Its settings; its MongoDB is stopped at the end."""
    of_home = settings.load(environ)
    yield of_home
    local_server.stop(of_home)


@pytest.fixture(scope="module")
def executed(configured: Settings) -> Path:
    """An executed notebook."""
    made = MadeRuns(configured, STARTED)
    return made.path(made.add(STARTED))


@pytest.fixture(scope="module")
def lab(environ: dict[str, str], executed: Path) -> Iterator[Lab]:
    """The server of that home."""
    assert executed.is_file()
    started = Lab.start("explore", env=environ)
    try:
        yield started
    finally:
        assert started.stop() == 0


@pytest.fixture
def _same_jupyter(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process look for servers in the Jupyter folders of that home."""
    for name, value in environ.items():
        if name.startswith("JUPYTER_"):
            monkeypatch.setenv(name, value)


def command(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `futurscam lab` until it exits."""
    words = [sys.executable, "-m", "futurscam_lib", "lab", "--no-browser", *arguments]
    return subprocess.run(
        words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_it_prints_its_address_and_how_to_stop_it(lab: Lab, configured: Settings) -> None:
    """Three lines: the address of the notebook, the home, and how to stop; it listens only on this machine."""
    address, home, stop = lab.said

    assert TOKEN.sub("", address).endswith(f"{lab.url}/lab/tree/lab/explore.ipynb")
    assert str(configured.home) in home
    assert "Ctrl+C" in stop
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(lab.process.pid).net_connections()
        if connection.status == "LISTEN"
    ]
    assert set(listening) == {"127.0.0.1"}


def test_the_kernel_finds_the_local_database(lab: Lab, configured: Settings) -> None:
    """The home's own MongoDB was started, and a notebook of the project works in this home."""
    server = local_server.find(configured)
    assert server

    with Kernel(lab, "lab/etl.ipynb") as kernel:
        shown = kernel.run("from futurscam_lib import settings; print(settings.load().home)")

    assert shown[0]["text"] == f"{configured.home}\n"
    assert {file["name"] for file in lab.contents("lab").json()["content"]} >= {"etl.ipynb"}


def test_a_second_lab_opens_the_first(lab: Lab, environ: dict[str, str]) -> None:
    """No other server is started; the printed address is that of the running server."""
    second = command("etl", env=environ)

    assert (second.returncode, second.stderr) == (0, "")
    assert TOKEN.sub("", second.stdout).split()[-1] == f"{lab.url}/lab/tree/lab/etl.ipynb"
    assert lab.token in second.stdout


@pytest.mark.usefixtures("_same_jupyter")
def test_an_executed_notebook_opens_in_the_running_lab(
    lab: Lab, configured: Settings, executed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The browser gets a private file that redirects there, so that the token is in no command line."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    said: list[str] = []

    lab_module.open_notebook(configured, executed, browse=True, show=said.append)

    page = f"{lab.url}/lab/tree/runs/{executed.relative_to(configured.runs).as_posix()}?token={lab.token}"
    assert said == [f"JupyterLab of this home runs already:  {page}"]
    assert lab.token not in opened[0]
    door = Path(url2pathname(unquote(urlsplit(opened[0]).path)))
    assert page in door.read_text("utf-8")
    assert sys.platform == "win32" or door.stat().st_mode & 0o077 == 0
    assert lab.client.get(urlsplit(page).path).status_code == 200


@pytest.mark.usefixtures("_same_jupyter")
def test_only_the_running_lab_of_the_same_home_is_used(
    lab: Lab, environ: dict[str, str], configured: Settings, tmp_path: Path
) -> None:
    """Not that of another home, an ordinary Jupyter in the same folder, or one that no longer answers."""
    other = settings.load(environ | {settings.HOME: str(tmp_path / "other")})
    assert running.find(other) is None
    assert running.find(configured) is not None

    [entry] = Path(environ["JUPYTER_RUNTIME_DIR"]).glob("jpserver-*.json")
    kept = entry.read_text("utf-8")
    server = json.loads(kept)
    try:
        for changed in ({"token": "somebody's own"}, {"url": f"http://127.0.0.1:{free_port()}/"}):
            entry.write_text(json.dumps(server | changed), "utf-8")
            assert running.find(configured) is None
    finally:
        entry.write_text(kept, "utf-8")
    assert lab.token.startswith(running.OWN)


def test_a_port_that_is_taken_is_refused(environ: dict[str, str]) -> None:
    """Only if it was given with --port; the error has a remedy."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = command("--port", str(port), env=environ)

    assert refused.returncode == 2
    assert f"Port {port} can't be used" in refused.stderr
    assert "leave out --port" in refused.stderr


@pytest.mark.parametrize("name", ["nothing", "../etl", "runs/x", "*"])
def test_an_unknown_notebook_is_refused(configured: Settings, name: str) -> None:
    """Only notebooks in the folder of notebooks open; the error lists them."""
    working_copies.refresh(configured)
    with pytest.raises(UsageError, match=r"no notebook '.*there are: .*etl"):
        working_copies.named(configured, name)


def test_only_executed_notebooks_of_the_home_open(configured: Settings, tmp_path: Path) -> None:
    """Files in other folders are refused; special characters in names are escaped in the address."""
    with pytest.raises(UsageError, match="runs of this home"):
        lab_module.run_page(configured, tmp_path / "x.ipynb")
    assert (
        lab_module.run_page(configured, configured.runs / "a b" / "c#?.ipynb") == "/lab/tree/runs/a%20b/c%23%3F.ipynb"
    )
