"""Renders a notebook as HTML that is safe whatever the notebook contains.

A new notebook is built from the parts that are shown, rendered by nbconvert, and sanitised.
"""

from __future__ import annotations

import logging
import re
import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.nesting import DEEPEST, too_deep
from futurscam_lib.report.scraps import MEDIA_TYPE
from futurscam_lib.review.ansi import coloured
from futurscam_lib.review.clean import cleaned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PICTURES: Final = ("image/png", "image/jpeg")
_TEXTS: Final = ("text/html", "text/markdown", "text/plain")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=\s]+")
_HEADING: Final = re.compile("<(/?)h([1-6])")
_LOWEST: Final = 6


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered notebook.

    Attributes:
        html: The content for a page; sanitised.
        failed: `id` of the first cell that failed; empty if no cell failed.
    """

    html: str
    failed: str = ""


def rendered(
    notebook: Mapping[str, Any],
    *,
    redact: Callable[[str], str],
    own: str,
    code: bool = True,
    linked: bool = False,
    below: int = 1,
) -> Rendered:
    """Render a notebook.

    Args:
        notebook: Parsed JSON with a list `cells`; parts that are not valid in nbformat 4 are skipped.
        redact: Removes secrets from a text.
        own: Prefix of the ids of cells: letters and digits that the author of the notebook cannot guess.
        code: Show the code, too, not only its outputs.
        linked: Keep links to files in the folder of the page.
        below: How many levels its headings are lowered, so that they are below those of the page.
    """
    safe = _Safe(redact, own, linked=linked)
    cells = [built for number, cell in enumerate(notebook["cells"]) for built in safe.cell(cell, number)]
    nbconvert: Any = import_module("nbconvert")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Such as those about pictures without a description.
        # Not HTMLExporter's own method, which parses the whole page again to add descriptions to pictures.
        html, _ = nbconvert.TemplateExporter.from_notebook_node(_exporter(code=code), _notebook(cells))
    failed = f"cell-id={own}-{safe.failed}" if safe.failed is not None else ""
    # Each piece was cleaned alone; this removes what nbconvert itself might let through.
    inside = cleaned(html, own=f"cell-id={own}-", linked=linked)
    # A table that is wider than the page can be scrolled by keyboard, too.
    inside = inside.replace('<div class="scroll">', '<div class="scroll" tabindex="0">')
    return Rendered(
        _HEADING.sub(lambda heading: f"<{heading[1]}h{min(int(heading[2]) + below, _LOWEST)}", inside), failed
    )


@cache
def _exporter(*, code: bool) -> Any:
    # Made once: it compiles its templates when it is first used.
    nbconvert: Any = import_module("nbconvert")
    log = logging.getLogger(__name__)
    log.disabled = True  # It warns of pictures without a description.
    exporter = nbconvert.HTMLExporter(
        log=log,
        template_name="basic",
        exclude_anchor_links=True,
        exclude_input=not code,
        exclude_input_prompt=not code,
        exclude_output_prompt=True,
    )
    exporter.register_filter("markdown2html", _markdown)
    exporter.register_filter("ansi2html", coloured)
    exporter.register_filter("highlight_code", nbconvert.filters.Highlight2HTML(pygments_lexer="ipython3"))
    # This module cleans each piece and the whole page; nbconvert would use a slower library.
    exporter.register_filter("clean_html", _as_it_is)
    return exporter


def _as_it_is(html: str) -> str:
    return html


def _notebook(cells: Sequence[Mapping[str, Any]]) -> Any:
    # nbformat's own functions check each part against a schema, which would double the time for a page.
    nbformat: Any = import_module("nbformat")
    return nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def _markdown(source: str) -> str:
    mistune: Any = import_module("nbconvert.filters.markdown_mistune")
    renderer = mistune.IPythonRenderer(escape=False, attachments=_NoneAttached(), exclude_anchor_links=True)
    return _closed(mistune.MarkdownWithMath(renderer=renderer).render(source))


def _closed(html: str, *, linked: bool = False) -> str:
    """Clean one piece of HTML so that it cannot affect the page around it: no comments, unclosed tags or ids."""
    if too_deep(html):
        return f"<p>({len(html):,} characters of HTML, nested more than {DEEPEST} deep: not shown here)</p>"
    return cleaned(html, own="", linked=linked)


class _NoneAttached(dict[str, dict[str, str]]):
    """Stands in for the attached pictures of a cell: nbconvert raises if a named picture is missing."""

    def __contains__(self, _name: object) -> bool:
        return True

    def __missing__(self, _name: str) -> dict[str, str]:
        return {"image/png": ""}


class _Safe:
    """Builds new cells from the parts that can be shown.

    Attributes:
        failed: Number of the first cell with an error.
    """

    def __init__(self, redact: Callable[[str], str], own: str, *, linked: bool) -> None:
        self._redact, self._own, self._linked = redact, own, linked
        self.failed: int | None = None

    def cell(self, cell: Any, number: int) -> Iterator[dict[str, Any]]:
        if not isinstance(cell, dict):
            return
        name, source = f"{self._own}-{number}", self._text(cell.get("source"))
        if cell.get("cell_type") == "markdown":
            yield {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}
        elif cell.get("cell_type") in {"code", "raw"}:
            listed_outputs = cell.get("outputs")
            outputs = [built for output in _listed(listed_outputs) for built in self._output(output)]
            if self.failed is None and any(output["output_type"] == "error" for output in outputs):
                self.failed = number
            yield {
                "cell_type": "code",
                "id": name,
                "metadata": {},
                "source": source,
                "outputs": outputs,
                "execution_count": _count(cell.get("execution_count")),
            }

    def _output(self, output: Any) -> Iterator[dict[str, Any]]:
        kind = output.get("output_type") if isinstance(output, dict) else None
        if kind == "stream":
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            yield {"output_type": "stream", "name": name, "text": self._text(output.get("text"))}
        elif kind == "error":
            frames = [self._text(frame) for frame in _listed(output.get("traceback"))]
            message = f"{self._text(output.get('ename'))}: {self._text(output.get('evalue'))}"
            yield {"output_type": "error", "ename": "", "evalue": "", "traceback": frames or [message]}
        elif kind in {"display_data", "execute_result"}:
            data = output.get("data")
            if isinstance(data, dict) and MEDIA_TYPE not in data:
                shown = self._shown(data)
                alt = shown.get("text/plain", "A picture without a description.")
                described = {mime: {"alt": alt} for mime in _PICTURES}
                yield {"output_type": "display_data", "data": shown, "metadata": described}

    def _shown(self, data: Mapping[str, Any]) -> dict[str, str]:
        texts = {mime: self._text(data[mime]) for mime in _TEXTS if mime in data}
        if "text/html" in texts:
            texts["text/html"] = _closed(texts["text/html"], linked=self._linked)
        texts |= {mime: text for mime in _PICTURES if mime in data and _BASE64.fullmatch(text := _joined(data[mime]))}
        return texts or {"text/plain": f"({', '.join(map(str, data)) or 'nothing'}: not shown here)"}

    def _text(self, value: Any) -> str:
        return self._redact(_joined(value)).encode("utf-8", "replace").decode()


def _count(value: Any) -> int | None:
    # nbconvert, like nbformat's schema, refuses negative numbers and bools; Python counts a bool as an int.
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _joined(value: Any) -> str:
    if isinstance(value, list):
        return "".join(map(str, value))
    return "" if value is None else str(value)
