"""Renders the pages: each is one file that loads nothing else, in light and dark mode, for desktops and phones."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2

_FOLDER: Final = Path(__file__).resolve().parent
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a page's header.

    Attributes:
        name: Its label.
        text: The text; backticks mark a command.
        status: A status for the style sheet, such as `failed`; empty: no status.
    """

    name: str
    text: str
    status: str = ""


@cache
def part(name: str) -> str:
    """A file of this package: the style sheet, the script."""
    return (_FOLDER / name).read_text("utf-8")


def page(template: str, *, script: str = "", **values: Any) -> bytes:
    """A whole page.

    Args:
        template: Its name.
        script: The only script that may run; empty: no script.
        values: The values for the template. `main` is sanitised HTML; everything else is escaped.
    """
    policy = _POLICY
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    wanted = _templates().get_template(template)
    text = wanted.render(policy=policy, script=script, css=part("page.css"), **values)
    return text.encode("utf-8", "replace")


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(_FOLDER / "templates")
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
