"""The JupyterLab of a home that somebody has started already."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urljoin
from urllib.request import pathname2url

from futurscam_lib.lab.kernels import HOME
from futurscam_lib.lab.places import root_of

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Desk:
    """A server that answers.

    Attributes:
        url: Its address, without a slash at the end.
        token: What lets one in.
        pid: Its process.
    """

    url: str
    token: str
    pid: int

    def address(self, page: str) -> str:
        """Where a page of it is, token included."""
        return f"{self.url}{page}?token={quote(self.token)}"

    def browse(self, page: str) -> None:
        """Open a page in the browser of this machine."""
        import webbrowser

        webbrowser.open(urljoin("file:", pathname2url(str(self._door(page)))))

    def _door(self, page: str) -> Path:
        """A file that leads there: an address with a token in it would be seen in the list of processes."""
        from html import escape

        from jupyter_core.paths import jupyter_runtime_dir, secure_write

        # The one through which the server opened a browser itself; it removes it when it ends.
        door = Path(jupyter_runtime_dir()) / f"jpserver-{self.pid}-open.html"
        door.unlink(missing_ok=True)
        with secure_write(str(door)) as file:
            file.write(f'<meta http-equiv="refresh" content="0;url={escape(self.address(page))}">')
        return door


def find(settings: Settings) -> Desk | None:
    """The home's, if it runs and answers."""
    from jupyter_server.serverapp import list_running_servers

    for told in list_running_servers():
        if _same_folder(told.get("root_dir"), root_of(settings)) and _home_of(told) == str(settings.home):
            return Desk(url=told["url"].rstrip("/"), token=told["token"], pid=told["pid"])
    return None


def _home_of(told: dict[str, Any]) -> str | None:
    """Which home a server's kernels work for; None where it does not say, which is somebody else's Jupyter."""
    import httpx

    try:
        # Straight to this machine, whatever proxies are set.
        with httpx.Client(trust_env=False, timeout=_SECONDS) as client:
            asked = client.get(f"{told['url']}api/kernelspecs", headers={"Authorization": f"token {told['token']}"})
            specs = asked.raise_for_status().json()["kernelspecs"]
        return next((spec["spec"]["metadata"].get(HOME) for spec in specs.values()), None)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return None


def _same_folder(told: Any, folder: Path) -> bool:
    with suppress(OSError, TypeError, ValueError):
        return Path(told).samefile(folder)
    return False
