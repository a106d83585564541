"""JupyterLab for one home, in this process: what it is told, how it starts and how it stops."""

# Jupyter's classes have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyterlab.handlers.announcements import NeverCheckForUpdate
from jupyterlab.labapp import LabApp
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_sockets
from traitlets.config import Config

from futurscam_lib import settings as settings_module
from futurscam_lib.errors import UsageError
from futurscam_lib.lab.contents import DeskFiles
from futurscam_lib.lab.kernels import DeskKernels
from futurscam_lib.lab.places import root_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.settings import Settings

LOOPBACK: Final = "127.0.0.1"
_WAKE_MILLISECONDS: Final = 500
_ENDING_SECONDS: Final = 10


def serve(settings: Settings, page: str, *, browse: bool, port: int | None, started: Callable[[str], None]) -> None:
    """Serve JupyterLab until somebody stops it: Ctrl+C, a polite signal, or File > Shut Down in the browser.

    It runs in this process: Ctrl+C reaches it the same way on every system, and no child is left where this is killed
    (kernels end by themselves when their server is gone).

    Args:
        settings: Of the home.
        page: What the browser opens: a path below the server's address.
        browse: Whether to open a browser.
        port: To listen on; None: 8888, or the next free one.
        started: Told the address, once the server answers.

    Raises:
        UsageError: The port can't be had.
    """
    if port is not None:
        _make_sure_it_is_free(port)
    # For the kernels: a relative one would mean another folder there.
    os.environ[settings_module.HOME] = str(settings.home)
    token = secrets.token_urlsafe(32)
    server: Any = LabApp.initialize_server(
        argv=[], config=configuration(settings, page, browse=browse, port=port, token=token)
    )
    _stop_at_the_first_signal(server)
    # After its own call that begins to listen.
    server.io_loop.add_callback(started, f"http://{LOOPBACK}:{server.port}{page}?token={token}")
    server.start()
    end_tasks(server.io_loop.asyncio_loop)


def end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """End what was under way when the loop was stopped, as `asyncio.run` does.

    A request that a thread works at keeps that thread waiting for the next one, and Python does not end before it.
    """
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=_ENDING_SECONDS))


def configuration(settings: Settings, page: str, *, browse: bool, port: int | None, token: str) -> Config:
    """What Jupyter is told; it goes before what the user's own configuration files say."""
    return Config(
        ServerApp={
            "ip": LOOPBACK,
            "base_url": "/",
            "certfile": "",
            "port_retries": 50 if port is None else 0,
            "root_dir": str(root_of(settings)),
            "contents_manager_class": DeskFiles,
            "kernel_spec_manager_class": DeskKernels,
            "identity_provider_class": PasswordIdentityProvider,
            "allow_root": True,
            "open_browser": browse,
            "default_url": page,
            "tornado_settings": {"page_config_hook": _without_news},
        }
        | ({} if port is None else {"port": port}),
        Application={"log_level": logging.ERROR},
        PasswordIdentityProvider={"token": token},
        DeskFiles={"runs": str(settings.runs)},
        DeskKernels={"home": str(settings.home)},
        MappingKernelManager={"transport_encryption": "required"},
        LabApp={
            "default_url": page,
            # No request leaves this machine.
            "news_url": None,
            "check_for_updates_class": NeverCheckForUpdate,
            "extension_manager": "readonly",
            # The tabs that were open last time; those of another project would be missing here.
            "workspaces_dir": str(settings.scratch / "lab"),
        },
    )


def _without_news(_handler: object, page: dict[str, Any]) -> dict[str, Any]:
    """Take out what asks whether one would like to read Jupyter's news; there are none."""
    off = [*page.get("disabledExtensions", ()), "@jupyterlab/apputils-extension:announcements"]
    return {**page, "disabledExtensions": off}


def _make_sure_it_is_free(port: int) -> None:
    try:
        for one in bind_sockets(port, LOOPBACK):
            one.close()
    except OSError as error:
        raise UsageError(
            f"Port {port} can't be had ({error.strerror}); nothing was started. "
            "Give another one, or leave --port away: then the next free one is taken."
        ) from error


def _stop_at_the_first_signal(server: Any) -> None:
    """Replace Jupyter's question "Shut down this Jupyter server?", and its leaving things behind where it can't ask."""

    def stop(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)  # The second one ends it at once.
        server.stop(from_signal=True)

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
    if sys.platform == "win32":
        # Python hears of Ctrl+C there only when its loop wakes up.
        PeriodicCallback(lambda: None, _WAKE_MILLISECONDS).start()
