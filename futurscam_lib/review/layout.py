"""What all pages share: one file that asks for nothing, in light and dark, on a desk and on a phone."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE: Final = Path(__file__).resolve().parent
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@cache
def part(name: str) -> str:
    """A file of this package: the style sheet, the script."""
    return (_HERE / name).read_text("utf-8")


def page(title: str, *, header: str, main: str, notes: Mapping[str, str], script: str = "") -> bytes:
    """A whole page.

    Args:
        title: Plain text.
        header: HTML of the header, with the page's `h1`; harmless.
        main: HTML of what the page is about; harmless.
        notes: For programs, by name: become `meta` elements near the top.
        script: The one script that may run; empty: none may.
    """
    policy = _POLICY
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    metas = "".join(f'<meta name="{escape(name)}" content="{escape(value)}">\n' for name, value in notes.items())
    running = f"<script>{script}</script>\n" if script else ""
    text = (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"{metas}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>\n{part('page.css')}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the content</a>\n'
        f"<header>\n{header}\n</header>\n"
        f'<main id="main" tabindex="-1">\n{main}\n</main>\n'
        f"{running}</body>\n</html>\n"
    )
    return text.encode("utf-8", "replace")
