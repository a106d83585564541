"""JupyterLab's own application, configured for one home."""

# Jupyter's classes have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from typing import TYPE_CHECKING, Any, Final

from ipykernel.kernelspec import RESOURCES
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec
from jupyter_core.paths import jupyter_config_path
from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyter_server.extension.config import ExtensionConfigManager
from jupyterlab.handlers.announcements import NeverCheckForUpdate
from jupyterlab.labapp import LabApp
from tornado.netutil import bind_sockets
from traitlets.config import Config

from futurscam_lib.errors import UsageError
from futurscam_lib.lab.contents import HomeFiles
from futurscam_lib.lab.running import OWN
from futurscam_lib.runner.kernel import OwnInterpreter
from futurscam_lib.settings import HOME

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.settings import Settings

LOOPBACK: Final = "127.0.0.1"
_NEWS: Final = "@jupyterlab/apputils-extension:announcements"
_ENDING_SECONDS: Final = 10


class OneKernel(OwnInterpreter):
    """Offers only this interpreter, whatever kernels are installed and whatever kernel a notebook names."""

    def find_kernel_specs(self) -> dict[str, str]:
        """The name of the only kernel, with the folder of its icons."""
        return {NATIVE_KERNEL_NAME: RESOURCES}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The specification of the only kernel."""
        # The name in the notebooks: with another name each notebook would count as changed when it is opened.
        return KernelSpec(**{**super().get_kernel_spec(kernel_name).to_dict(), "display_name": "Python 3"})


def serve(settings: Settings, page: str, *, browse: bool, port: int | None, started: Callable[[str], None]) -> None:
    """Serve JupyterLab until it is stopped: by Ctrl+C, a signal, or File > Shut Down in the browser.

    It runs in this process: Ctrl+C works the same on every system, and no child process remains if this one is killed
    (kernels end when their server is gone).

    Args:
        settings: Of the home.
        page: The page that the browser opens: a path below the server's address.
        browse: Whether to open a browser.
        port: The port; None: 8888, or the next free port.
        started: Called with the address, once the server answers.

    Raises:
        UsageError: The port is in use.
    """
    if port is not None:
        _require_free(port)
    # For the kernels: a relative path would be another folder there.
    os.environ[HOME] = str(settings.home)
    token = OWN + secrets.token_urlsafe(32)
    config = configuration(settings, page, browse=browse, port=port, token=token)
    LabApp.serverapp_config["jpserver_extensions"] = _extensions()
    server: Any = LabApp.initialize_server(argv=[], config=config)
    _stop_at_the_first_signal(server)
    # After its own call that begins to listen.
    server.io_loop.add_callback(started, f"http://{LOOPBACK}:{server.port}{page}?token={token}")
    server.start()
    end_tasks(server.io_loop.asyncio_loop)


def end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks that are unfinished when the loop stops, as `asyncio.run` does.

    Otherwise the thread of an unfinished request keeps waiting, and Python does not exit.
    """
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=_ENDING_SECONDS))


def configuration(settings: Settings, page: str, *, browse: bool, port: int | None, token: str) -> Config:
    """The configuration of JupyterLab; it takes precedence over the configuration files of the user's account.

    Args:
        settings: Of the home.
        page: The page that the browser opens.
        browse: Whether to open a browser.
        port: The port; None: 8888, or the next free port.
        token: The access token.
    """
    scratch = settings.scratch / "lab"
    return Config(
        ServerApp={
            "ip": LOOPBACK,
            "base_url": "/",
            "certfile": "",
            "port_retries": 50 if port is None else 0,
            "root_dir": str(settings.home),
            "contents_manager_class": HomeFiles,
            "kernel_spec_manager_class": OneKernel,
            "identity_provider_class": PasswordIdentityProvider,
            "allow_root": True,
            "open_browser": browse,
            "default_url": page,
            "tornado_settings": {"page_config_hook": _without_news},
        }
        | ({} if port is None else {"port": port}),
        Application={"log_level": logging.ERROR},
        PasswordIdentityProvider={"token": token},
        HomeFiles={"checkpoints_dir": str(scratch / "checkpoints")},
        MappingKernelManager={"transport_encryption": "required"},
        LabApp={
            "default_url": page,
            # No request leaves this machine.
            "news_url": None,
            "check_for_updates_class": NeverCheckForUpdate,
            "extension_manager": "readonly",
            # Do not restore the open tabs of the last session; they may belong to another home.
            "workspaces_dir": str(scratch),
        },
    )


def _extensions() -> dict[str, bool]:
    """All server extensions that are installed and enabled, but jupytext's.

    It would wrap the contents manager and hide why a save is refused.
    """
    enabled = ExtensionConfigManager(read_config_path=jupyter_config_path()).get_jpserver_extensions()
    return {name: on and "jupytext" not in name for name, on in enabled.items()}


def _without_news(_handler: object, page: dict[str, Any]) -> dict[str, Any]:
    """Turn off Jupyter's prompt to read its news."""
    return {**page, "disabledExtensions": [*page.get("disabledExtensions", ()), _NEWS]}


def _require_free(port: int) -> None:
    try:
        for socket in bind_sockets(port, LOOPBACK):
            socket.close()
    except OSError as error:
        raise UsageError(
            f"Port {port} can't be used ({error.strerror}); nothing was started. "
            "Choose another port, or leave out --port to use the next free one."
        ) from error


def _stop_at_the_first_signal(server: Any) -> None:
    """Stop without Jupyter's question "Shut down this Jupyter server?", which needs a terminal."""

    def stop(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)  # A second signal ends it at once.
        server.stop(from_signal=True)

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
