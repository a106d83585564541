"""The local server: one per home; it is found again, outlives its starter and recovers from a kill."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from pymongo import MongoClient

from futurscam_lib import settings as settings_module
from futurscam_lib.errors import OperatorMustAct, UsageError
from futurscam_lib.load import local_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from futurscam_lib.settings import Settings

STARTER = """
from futurscam_lib import settings
from futurscam_lib.load import local_server
print(local_server.ensure_running(settings.load(), cache_gb=0.25), flush=True)
"""


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a home without a server, with unusual characters in its path; stopped and removed at the end."""
    folder = tmp_path / "a long home with spaces, é and ü" / ("x" * 100)
    settings = settings_module.load({"FUTURSCAM_HOME": str(folder), "FUTURSCAM_KEYRING": "false"})
    try:
        yield settings
    finally:
        local_server.stop(settings)
        shutil.rmtree(folder.parent)


def ensure(settings: Settings) -> str:
    """Start it with little memory."""
    return local_server.ensure_running(settings, cache_gb=0.25)


def running(settings: Settings) -> local_server.ServerInfo:
    """The server that must be there."""
    server = local_server.find(settings)
    assert server is not None
    return server


def starter(settings: Settings, **more: Any) -> subprocess.Popen[str]:
    """Another process that starts the server of this home."""
    environ = {**os.environ, "FUTURSCAM_HOME": str(settings.home), "FUTURSCAM_KEYRING": "false", "MONGO_URI": ""}
    return subprocess.Popen(
        [sys.executable, "-c", STARTER],
        env=environ,
        cwd=settings_module.PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        **more,
    )


def mongods_of(settings: Settings) -> list[int]:
    """Processes that serve this home."""
    return [process.pid for process in psutil.process_iter() if local_server._port_of(process, settings)]


def test_start_find_stop(bare: Settings) -> None:
    """It starts, is found, keeps data over a restart on the same port, and stops."""
    assert local_server.find(bare) is None
    assert local_server.stop(bare) is False

    uri = ensure(bare)
    first = running(bare)
    assert first.uri == uri == ensure(bare)
    with MongoClient[dict[str, Any]](uri) as client:
        client.db.things.insert_one({"_id": 1})

    assert local_server.stop(bare) is True
    assert local_server.find(bare) is None
    assert not psutil.pid_exists(first.pid)

    assert ensure(bare) == uri
    with MongoClient[dict[str, Any]](uri) as client:
        assert client.db.things.count_documents({}) == 1


def test_nothing_is_written_outside_its_folders(bare: Settings) -> None:
    """Data and state in `mongodb`, the log in `logs`; looking for it makes no folder."""
    local_server.find(bare)
    local_server.stop(bare)
    assert list(bare.home.iterdir()) == []

    ensure(bare)

    assert {path.name for path in bare.home.iterdir()} == {"mongodb", "logs"}
    assert {path.name for path in bare.local_server_folder.iterdir()} == {"data", "server.json", "server.lock"}
    assert [path.name for path in bare.logs.iterdir()] == ["mongod.log"]


def test_it_listens_on_loopback_only(bare: Settings) -> None:
    """It can't be reached from the network."""
    ensure(bare)

    listening = [item for item in psutil.Process(running(bare).pid).net_connections() if item.status == "LISTEN"]
    assert {item.laddr.ip for item in listening} == {"127.0.0.1"}


def test_finding_a_running_server_is_quick(bare: Settings) -> None:
    """A run that finds it running pays next to nothing: 30 ms at most."""
    ensure(bare)

    def once() -> float:
        before = time.perf_counter()
        ensure(bare)
        return time.perf_counter() - before

    assert min(once() for _ in range(10)) < 0.03


def test_two_processes_at_once_get_one_server(bare: Settings) -> None:
    """Both get the same URI, and one mongod runs."""
    processes = [starter(bare) for _ in range(3)]

    said = {process.communicate(timeout=60)[0].strip() for process in processes}

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert said == {running(bare).uri}
    assert mongods_of(bare) == [running(bare).pid]


def test_after_a_kill_it_recovers(bare: Settings) -> None:
    """Killed in the middle of its work, it starts again with all that was written to the journal."""
    uri = ensure(bare)
    with MongoClient[dict[str, Any]](uri, journal=True) as client:
        client.db.things.insert_many([{"_id": number} for number in range(1000)])
    os.kill(running(bare).pid, signal.SIGKILL)

    assert ensure(bare) == uri
    with MongoClient[dict[str, Any]](uri) as client:
        assert client.db.things.count_documents({}) == 1000


def test_the_starter_detects_a_killed_server(bare: Settings) -> None:
    """A dead child process does not count as running, even before its parent has waited for it."""
    ensure(bare)
    os.kill(running(bare).pid, signal.SIGKILL)

    time.sleep(0.3)
    assert local_server.find(bare) is None
    assert mongods_of(bare) == []


@pytest.mark.skipif(os.name == "nt", reason="sessions are of POSIX")
def test_the_server_outlives_its_starter_and_holds_no_pipe(bare: Settings) -> None:
    """The starter's output ends with the starter, and a signal to its whole group leaves the server alone."""
    process = starter(bare, stderr=subprocess.STDOUT, start_new_session=True)
    # Would wait for ever if the server had the pipe.
    said, _ = process.communicate(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)

    server = running(bare)
    assert said.strip() == server.uri
    assert os.getsid(server.pid) == server.pid
    if sys.platform != "linux":
        return
    files = [str(Path(f"/proc/{server.pid}/fd/{number}").readlink()) for number in range(3)]
    assert files == ["/dev/null"] * 3


def test_an_unrecorded_server_is_found_again(bare: Settings) -> None:
    """Its starter was killed before it could record the server."""
    uri = ensure(bare)
    pid = running(bare).pid
    (bare.local_server_folder / "server.json").unlink()

    assert ensure(bare) == uri
    assert running(bare).pid == pid
    (bare.local_server_folder / "server.json").write_text("{broken")
    assert local_server.stop(bare) is True
    assert mongods_of(bare) == []


def test_another_server_on_the_port_is_not_used(bare: Settings, tmp_path: Path) -> None:
    """Another MongoDB now uses the last port: this home gets another port."""
    uri = ensure(bare)
    state = (bare.local_server_folder / "server.json").read_bytes()
    local_server.stop(bare)
    other = settings_module.load({"FUTURSCAM_HOME": str(tmp_path / "other"), "FUTURSCAM_KEYRING": "false"})
    other.local_server_folder.mkdir()
    (other.local_server_folder / "server.json").write_bytes(state)
    try:
        assert ensure(other) == uri
        # As after a restart of the machine, with the process number taken by the other server.
        (bare.local_server_folder / "server.json").write_bytes((other.local_server_folder / "server.json").read_bytes())

        assert local_server.find(bare) is None
        assert ensure(bare) != uri
        assert len(mongods_of(bare)) == len(mongods_of(other)) == 1
    finally:
        local_server.stop(other)
        shutil.rmtree(other.home)


def test_a_silent_program_on_the_port_does_not_block(bare: Settings) -> None:
    """A program that accepts connections but never answers uses the last port: another port is used."""
    uri = ensure(bare)
    local_server.stop(bare)
    with socket.create_server(("127.0.0.1", int(uri.split(":")[2].split("/")[0]))):
        before = time.monotonic()
        assert ensure(bare) != uri
        assert time.monotonic() - before < 10


def test_the_error_of_a_failed_start_has_the_reason(bare: Settings) -> None:
    """The message has the log's last errors and what to do."""
    ensure(bare)
    local_server.stop(bare)
    for file in (bare.local_server_folder / "data").glob("WiredTiger*"):
        file.write_bytes(b"not a database")

    with pytest.raises(OperatorMustAct) as raised:
        ensure(bare)

    text = str(raised.value)
    assert "ended while starting (exit code" in text
    assert "WiredTiger" in text
    assert "set MONGO_URI" in text
    assert mongods_of(bare) == []


def test_a_large_log_is_rotated_at_the_start(bare: Settings) -> None:
    """The log is appended to, and never grows for ever."""
    bare.logs.mkdir()
    log = bare.logs / "mongod.log"
    log.write_bytes(b"x" * (local_server.MAX_LOG_BYTES + 1))

    ensure(bare)

    assert (bare.logs / "mongod.log.1").stat().st_size > local_server.MAX_LOG_BYTES
    assert 0 < log.stat().st_size < local_server.MAX_LOG_BYTES


def test_a_mongod_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mongod installed on the machine is used before the packaged one."""
    own = tmp_path / ("mongod.exe" if os.name == "nt" else "mongod")
    own.write_text("")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert local_server.mongod_binary() == own


@pytest.mark.skipif(os.name == "nt", reason="run bits are of POSIX")
def test_the_packaged_mongod_is_made_executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installers may drop it; the package itself is never imported."""
    binary = tmp_path / "fiftyone" / "db" / "bin" / "mongod"
    binary.parent.mkdir(parents=True)
    binary.write_text("")
    binary.chmod(0o644)
    (tmp_path / "fiftyone" / "__init__.py").write_text("raise SystemExit")
    monkeypatch.setenv("PATH", "")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert local_server.mongod_binary() == binary
    assert binary.stat().st_mode & stat.S_IXUSR
    assert "fiftyone" not in sys.modules


def test_without_a_mongod_the_error_names_the_remedies(tmp_path: Path) -> None:
    """Neither on PATH nor in a package: the error says what to set or to install."""
    program = """
        import importlib.machinery, os, sys
        os.environ["PATH"] = ""
        from futurscam_lib.load import local_server
        sys.path[:] = [sys.argv[1]]
        try:
            local_server.mongod_binary()
        except local_server.UsageError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        cwd=settings_module.PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "MONGO_URI is not set" in done.stdout
    assert "futurscam-etl[local-server]" in done.stdout
    assert UsageError.exit_code == 2
