"""Starts a real `futurscam lab`, and sends requests as a browser does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
import nbformat
import psutil
import websocket

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 60


@dataclass(slots=True)
class Lab:
    """A running `futurscam lab`.

    Attributes:
        process: Its process.
        said: Its first output.
        log: Its errors and warnings.
        url, token: Its address and token.
        client: An HTTP client with the token.
    """

    process: subprocess.Popen[str]
    said: list[str]
    log: IO[str]
    url: str
    token: str
    client: httpx.Client

    @classmethod
    def start(cls, *arguments: str, env: dict[str, str]) -> Self:
        """Start it on a free port, and wait until it has printed its address."""
        log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by `stop`
        flags = subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0  # type: ignore[attr-defined]
        process = subprocess.Popen(
            [sys.executable, "-m", "futurscam_lib", "lab", "--no-browser", "--port", free_port(), *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            creationflags=flags,
        )
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line.rstrip())
            if line.startswith("Stop it:"):
                break
        address = next((line.split()[-1] for line in said if line.startswith("JupyterLab:")), "")
        assert address, [*said, log.seek(0), log.read()]
        parts = urlsplit(address)
        token = parse_qs(parts.query)["token"][0]
        url = f"{parts.scheme}://{parts.netloc}"
        headers = {"Authorization": f"token {token}"}
        return cls(process, said, log, url, token, httpx.Client(base_url=url, headers=headers, timeout=SECONDS))

    def stop(self) -> int:
        """Interrupt it once, as Ctrl+C does; returns its exit code after all its processes have ended.

        The local MongoDB keeps running.
        """
        children = psutil.Process(self.process.pid).children(recursive=True)
        started = [child for child in children if not child.name().startswith("mongod")]
        self.process.send_signal(signal.CTRL_BREAK_EVENT if sys.platform == "win32" else signal.SIGINT)  # type: ignore[attr-defined]
        try:
            code = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()  # It fails the test, and must not outlive it.
            raise
        self.client.close()
        assert self.process.stdout
        self.process.stdout.close()
        self.log.close()
        _, remaining = psutil.wait_procs(started, timeout=10)
        assert remaining == []
        return code

    def contents(self, path: str, *, method: str = "GET", json: Any = None) -> httpx.Response:
        """Send a request about a file."""
        return self.client.request(method, f"/api/contents/{path}", json=json)

    def run_cells(self, path: str, *, replacing: tuple[str, str] = ("", "")) -> dict[str, list[Any]]:
        """Run all code cells of a notebook in a new session, after an optional change; returns outputs by cell id."""
        notebook = nbformat.from_dict(self.contents(path).raise_for_status().json()["content"])
        with Kernel(self, path) as kernel:
            return {
                cell.id: kernel.run(cell.source.replace(*replacing))
                for cell in notebook.cells
                if cell.cell_type == "code"
            }


@dataclass(slots=True)
class Kernel:
    """A session: a notebook's path and its kernel.

    Attributes:
        lab: Where.
        path: Of the notebook.
        name: Of the kernel that is asked for.
    """

    lab: Lab
    path: str
    name: str = "python3"
    _session: str = ""
    _channel: Any = field(default=None)

    def __enter__(self) -> Self:
        """Start it."""
        wanted = {"path": self.path, "name": self.path, "type": "notebook", "kernel": {"name": self.name}}
        made = self.lab.client.post("/api/sessions", json=wanted).raise_for_status().json()
        self._session = made["id"]
        address = f"{self.lab.url.replace('http', 'ws', 1)}/api/kernels/{made['kernel']['id']}/channels"
        self._channel = websocket.create_connection(
            f"{address}?session_id={uuid.uuid4().hex}",
            header={"Authorization": f"token {self.lab.token}"},
            timeout=SECONDS,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._channel.close()
        self.lab.client.delete(f"/api/sessions/{self._session}").raise_for_status()

    def run(self, code: str) -> list[Any]:
        """Run a cell to its end; returns its outputs in notebook format."""
        msg_id = uuid.uuid4().hex
        header = {"msg_id": msg_id, "msg_type": "execute_request", "version": "5.3", "username": "", "session": msg_id}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self._channel.send(json.dumps(message))
        outputs: list[Any] = []
        while True:
            reply = json.loads(self._channel.recv())
            if reply["parent_header"].get("msg_id") != msg_id or reply["channel"] != "iopub":
                continue
            kind = reply["msg_type"]
            if kind == "status" and reply["content"]["execution_state"] == "idle":
                return outputs
            if kind in {"stream", "display_data", "execute_result", "error"}:
                outputs.append({"output_type": kind, **reply["content"]})


def free_port() -> str:
    """A port chosen by the system: parallel tests would all try 8888 first."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a process with Jupyter's own folders below `folder`, and only these `settings`."""
    own = {f"JUPYTER_{name}_DIR": str(folder / f"jupyter-{name.lower()}") for name in ("CONFIG", "DATA", "RUNTIME")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FUTURSCAM_", "JUPYTER_"))}
    return {**kept, **own, "FUTURSCAM_KEYRING": "false", "PYTHONUTF8": "1", **settings}
