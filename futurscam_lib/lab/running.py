"""Finds the running JupyterLab of a home."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urljoin
from urllib.request import pathname2url

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

OWN: Final = "futurscam-"
"""Prefix of the tokens of `futurscam lab`: another Jupyter in the same folder has no read-only audit log."""

_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class RunningLab:
    """A running JupyterLab.

    Attributes:
        url: Its address, without a slash at the end.
        token: Its access token.
        pid: Its process id.
    """

    url: str
    token: str
    pid: int

    def address(self, page: str) -> str:
        """The address of a page, with the token."""
        return f"{self.url}{page}?token={quote(self.token)}"

    def browse(self, page: str) -> None:
        """Open a page in the browser of this machine."""
        import webbrowser

        webbrowser.open(urljoin("file:", pathname2url(str(self._redirect(page)))))

    def _redirect(self, page: str) -> Path:
        """Write a file that redirects to a page: an address with a token would be visible in the list of processes."""
        from html import escape

        from jupyter_core.paths import jupyter_runtime_dir, secure_write

        # The server has used this file to open a browser, and removes it when it ends.
        file = Path(jupyter_runtime_dir()) / f"jpserver-{self.pid}-open.html"
        file.unlink(missing_ok=True)
        with secure_write(str(file)) as opened:
            opened.write(f'<meta http-equiv="refresh" content="0;url={escape(self.address(page))}">')
        return file


def find(settings: Settings) -> RunningLab | None:
    """The JupyterLab of this home, if one runs and answers."""
    from jupyter_server.serverapp import list_running_servers

    for server in list_running_servers():
        lab = RunningLab(url=server["url"].rstrip("/"), token=server["token"], pid=server["pid"])
        if lab.token.startswith(OWN) and _same_folder(server["root_dir"], settings.home) and _answers(lab):
            return lab
    return None


def _answers(lab: RunningLab) -> bool:
    import httpx

    try:
        # Directly to this machine, ignoring proxy settings.
        with httpx.Client(trust_env=False, timeout=_SECONDS) as client:
            return client.get(f"{lab.url}/api/status", headers={"Authorization": f"token {lab.token}"}).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def _same_folder(first: Any, second: Path) -> bool:
    with suppress(OSError, TypeError, ValueError):
        return Path(first).samefile(second)
    return False
