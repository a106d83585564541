"""`futurscam lab` really started, and asked as a browser asks it."""

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
        process: It.
        said: What it printed first.
        log: What it printed as errors and warnings.
        url, token: What it printed.
        client: Has the token.
    """

    process: subprocess.Popen[str]
    said: list[str]
    log: IO[str]
    url: str
    token: str
    client: httpx.Client

    @classmethod
    def start(cls, *arguments: str, env: dict[str, str]) -> Self:
        """Start it on a free port, and wait until it has said where it is."""
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
        """Interrupt it once, as Ctrl+C does; gives its exit code after all of its processes have ended.

        But the local MongoDB, which outlives whoever started it.
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
        _, left = psutil.wait_procs(started, timeout=10)
        assert left == []
        return code

    def contents(self, path: str, *, method: str = "GET", json: Any = None) -> httpx.Response:
        """Ask about a file."""
        return self.client.request(method, f"/api/contents/{path}", json=json)

    def run_cells(self, path: str, *, replacing: tuple[str, str] = ("", "")) -> dict[str, list[Any]]:
        """Run all code cells of a notebook in a session of its own, after a change by hand; the outputs by cell id."""
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
        """Run a cell to its end; its outputs as a notebook holds them."""
        asked = uuid.uuid4().hex
        header = {"msg_id": asked, "msg_type": "execute_request", "version": "5.3", "username": "", "session": asked}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self._channel.send(json.dumps(message))
        outputs: list[Any] = []
        while True:
            told = json.loads(self._channel.recv())
            if told["parent_header"].get("msg_id") != asked or told["channel"] != "iopub":
                continue
            kind = told["msg_type"]
            if kind == "status" and told["content"]["execution_state"] == "idle":
                return outputs
            if kind in {"stream", "display_data", "execute_result", "error"}:
                outputs.append({"output_type": kind, **told["content"]})


def free_port() -> str:
    """One that the system chose: tests that run at once would all begin to look at 8888."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a process with Jupyter's own folders below `folder`, and nothing set but `settings`."""
    own = {f"JUPYTER_{name}_DIR": str(folder / f"jupyter-{name.lower()}") for name in ("CONFIG", "DATA", "RUNTIME")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FUTURSCAM_", "JUPYTER_"))}
    return {**kept, **own, "FUTURSCAM_KEYRING": "false", "PYTHONUTF8": "1", **settings}
