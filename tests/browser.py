"""A real Chromium for tests of pages: the pages it opened, its requests, and its errors."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Dialog, Page, Request

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "msedge")
CHROMIUM: Final = next(filter(None, map(shutil.which, _NAMES)), None)
PHONE: Final = {"width": 360, "height": 740}
DESK: Final = {"width": 1280, "height": 900}
_ARGUMENTS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@dataclass(slots=True)
class Seen:
    """A page, its requests and its errors.

    Attributes:
        page: To steer it by.
        requests: Every address that was asked for, also in vain.
        blocked: Those of them that the page's own policy stopped before they left.
        complaints: What stands in its console: errors, warnings, and whatever else was said.
        errors: Errors of scripts that nobody caught.
        dialogs: What `alert` and its like said.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def open(self, path: Path) -> None:
        """Open a file, and wait until everything is loaded."""
        self.page.goto(path.as_uri(), wait_until="networkidle")

    def is_too_wide(self) -> bool:
        """Whether the page as a whole scrolls sideways."""
        root = "document.documentElement"
        return bool(self.page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))

    def assert_quiet(self, *opened: Path) -> None:
        """Check that no script ran, no error occurred, and only the opened files were requested."""
        assert set(self.requests) - {path.as_uri() for path in opened} == set()
        assert (self.dialogs, self.errors, self.complaints) == ([], [], [])


def _note_blocked(request: Request, seen: Seen) -> None:
    if request.failure == "csp":
        seen.blocked.append(request.url)


def _dismiss(dialog: Dialog, seen: Seen) -> None:
    seen.dialogs.append(dialog.message)
    dialog.dismiss()


def needed() -> None:
    """Skip a test if there is no Chromium; in CI it must be there."""
    if CHROMIUM:
        return
    message = "Chromium is not installed (Debian: chromium)."
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def chromium(*, scheme: str = "light", size: dict[str, int] = DESK, scripts: bool = True) -> Iterator[Seen]:
    """A page in its own context.

    While it is open an event loop runs in this thread: notebooks are executed before.

    Args:
        scheme: `light` or `dark`.
        size: Of the window.
        scripts: Whether scripts may run at all.
    """
    needed()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        context = browser.new_context(color_scheme=scheme, viewport=size, java_script_enabled=scripts)
        seen = Seen(context.new_page())
        context.on("request", lambda request: seen.requests.append(request.url))
        context.on("requestfailed", lambda request: _note_blocked(request, seen))
        context.on("page", lambda page: seen.errors.append(f"a window was opened: {page.url}"))
        seen.page.on("console", lambda message: seen.complaints.append(f"{message.type}: {message.text}"))
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.on("dialog", lambda dialog: _dismiss(dialog, seen))
        try:
            yield seen
        finally:
            context.close()
            browser.close()
