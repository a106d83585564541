"""An executed notebook as a file: what may be written, its path during the run, how it is closed."""

from __future__ import annotations

import base64
import binascii
import filecmp
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.files import move_if_absent, replace, sweep, write_atomically
from futurscam_lib.report.terminal import without_escapes
from futurscam_lib.runner.fast_import import fast_import

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbformat import NotebookNode

STATUS_TAG: Final = "futurscam-status"
"""Tag of the first cell, which says how the run ended."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BINARY = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")


def part_path(final: Path) -> Path:
    """Return the path of the notebook during its run: beside the final file, named `<final>.part`."""
    return final.with_name(f"{final.name}.part")


_STYLE = ' style="white-space:pre-wrap;padding:.6em 1em;border-left:.4em solid #3b6ea5"'


def to_bytes(notebook: NotebookNode) -> bytes:
    """Return the bytes of the notebook's file."""
    # Not nbformat.writes, which validates each time; `finish` validates once.
    text: str = fast_import("nbformat.v4").writes(notebook)
    return f"{text}\n".encode("utf-8", "replace")


def status_cell(headline: str) -> NotebookNode:
    """The first cell of a notebook: how its run ended, as text that neither Markdown nor HTML nor MathJax reads."""
    lines = (_CONTROL.sub(" ", line).strip() for line in without_escapes(headline).splitlines())
    text = "\n".join(filter(None, lines))
    # Markdown leaves the inside of <pre> alone, MathJax too; entities keep it so in viewers that are less careful.
    escaped = "".join(char if char.isalnum() or char in " \n.,;()=+-/" else f"&#{ord(char)};" for char in text)
    cell: NotebookNode = fast_import("nbformat.v4").new_markdown_cell(f"<pre{_STYLE}>{escaped}</pre>", id=STATUS_TAG)
    cell.metadata["tags"] = [STATUS_TAG]
    return cell


def place_status(notebook: NotebookNode, headline: str) -> None:
    """Put the status cell at the top of the notebook; replaces an earlier status cell."""
    others = [cell for cell in notebook.cells if STATUS_TAG not in _tags(cell)]
    notebook.cells = [status_cell(headline), *others]


def error_output(name: str, message: str) -> NotebookNode:
    """Return the cell output of an error that the kernel could not show itself."""
    frames = [f"{name}: {message}"]
    output: NotebookNode = fast_import("nbformat.v4").new_output("error", ename=name, evalue=message, traceback=frames)
    return output


def finish(part: Path, final: Path, *, status: str, headline: str, notebook: NotebookNode | None = None) -> str:
    """Close the notebook of a run that has ended, or of one that was killed, and give it its final name.

    Args:
        part: What the run kept (see `part_path`).
        final: Its name from now on.
        status: How the run ended: `ok`, `failed`, `timed out`, `crashed`; goes into `metadata.futurscam`.
        headline: The same for a person, plain text without secrets; becomes the first cell.
        notebook: The copy of the process that supervised the run; it is not changed. None: that process is gone,
            and only `part` is left, which anybody may have changed.

    Returns:
        SHA-256 of the final file, hex.

    Raises:
        FileExistsError: `final` exists; both files are as they were.
        FileNotFoundError: There is no `part`, and no `notebook`.
        ValueError: It is not a notebook; `part` is as it was.
        OSError: See `files.write_atomically`.
    """
    if final.exists():
        msg = f"{final} exists and is not overwritten; {part.name} stays beside it."
        raise FileExistsError(msg)
    # Through bytes from memory, too: it is a copy then, and what is written is what a reader gets.
    closed = _notebook(part.read_bytes() if notebook is None else to_bytes(notebook), part)
    recorded = closed.metadata.get("futurscam")
    closed.metadata["futurscam"] = {**(recorded if isinstance(recorded, dict) else {}), "status": status}
    for cell in closed.cells:
        _close(cell, closed, status)
    place_status(closed, headline)
    data = to_bytes(closed)
    _notebook(data, part)
    write_atomically(part, data)
    move_if_absent(part, final)
    return hashlib.sha256(data).hexdigest()


def reopen(part: Path, final: Path) -> None:
    """Take back the last step of `finish` after a kill that left its run without an end, so that it can be done again.

    If both files exist and differ, no run wrote the final file: both stay, and `finish` refuses.

    Raises:
        OSError: A file could not be renamed or removed.
    """
    sweep(part)
    if final.exists() and not part.exists():
        replace(final, part)
    elif final.exists() and filecmp.cmp(final, part, shallow=False):
        final.unlink()  # It had two names for a moment.


def _notebook(data: bytes, part: Path) -> NotebookNode:
    nbformat = fast_import("nbformat")
    try:
        notebook: NotebookNode = nbformat.reads(data.decode(), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:
        # nbformat raises many kinds of errors on an invalid notebook; all mean the same here.
        why = f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
        msg = f"{part} cannot be read as a notebook ({why}); it stays as it is."
        raise ValueError(msg) from error
    return notebook


def _close(cell: NotebookNode, notebook: NotebookNode, status: str) -> None:
    state = cell.get("metadata", {}).get("papermill", {})
    if state.get("status") != "running":
        return
    state.update(status="failed", exception=True)
    notebook.metadata.setdefault("papermill", {})["exception"] = True
    if cell.get("cell_type") == "code":
        cell.setdefault("outputs", []).append(error_output(status, "The run ended while this cell was running."))


def publishable(notebook: NotebookNode, redact: Callable[[str], str]) -> NotebookNode:
    """Return a copy of the notebook that may be kept: without secrets, and valid whatever the kernel sent.

    Secrets are looked for in whole texts before they become JSON, because JSON escapes them and cuts them into lines.
    What gives a notebook its structure (cell types, tags, states) is left alone, so that a secret like `code` cannot
    break it.
    """
    publish = _Publisher(redact)
    copy = {**notebook, "cells": [publish.cell(cell) for cell in notebook.cells]}
    copy["metadata"] = publish.metadata(notebook.metadata)
    published: NotebookNode = fast_import("nbformat").from_dict(copy)
    return published


class _Publisher:
    """Walks a notebook; each method gives the publishable copy of one thing."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact

    def text(self, text: object) -> str:
        whole = text if isinstance(text, str) else json.dumps(text, default=str)
        whole = whole.encode("utf-8", "replace").decode()
        if "\x1b" in whole:
            # Colours inside a secret would hide it; where there is one, the text does without them.
            bare = without_escapes(whole)
            redacted = self._redact(bare)
            return redacted if redacted != bare else self._redact(whole)
        return self._redact(whole)

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        return {key: self.value(item) for key, item in metadata.items()}

    def cell(self, cell: dict[str, Any]) -> dict[str, Any]:
        copy = {**cell, "source": self.text(cell["source"])}
        # Both are written by this package and papermill only; `tags` steers, `papermill` holds states and times.
        kept = {key: cell["metadata"][key] for key in ("tags", "papermill") if key in cell["metadata"]}
        copy["metadata"] = {**self.metadata(cell["metadata"]), **kept}
        if "attachments" in cell:
            copy["attachments"] = {name: self.bundle(data) for name, data in cell["attachments"].items()}
        if "outputs" in cell:
            copy["outputs"] = [self.output(output) for output in _joined(cell["outputs"])]
        return copy

    def output(self, output: dict[str, Any]) -> dict[str, Any]:
        kind = output["output_type"]
        if kind == "stream":
            return {**output, "text": self.text(output["text"])}
        if kind == "error":
            frames = [self.text(frame) for frame in output.get("traceback") or []]
            name, value = (self.text(output.get(key) or "") for key in ("ename", "evalue"))
            return {"output_type": kind, "ename": name, "evalue": value, "traceback": frames}
        return {**output, "data": self.bundle(output["data"]), "metadata": self.value(output.get("metadata") or {})}

    def bundle(self, data: dict[str, Any]) -> dict[str, Any]:
        return {mime: self.mime(mime, value) for mime, value in data.items()}

    def mime(self, mime: str, value: Any) -> Any:
        if mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json")):
            return self.value(value)
        if isinstance(value, list) and all(isinstance(line, str) for line in value):
            value = "".join(value)
        if mime in _BINARY and isinstance(value, str) and (data := _decoded(value)) is not None:
            # In a picture's base64 a short secret turns up by chance; in its bytes it doesn't.
            return value if self._redact(data) == data else self._redact("")
        return self.text(value)


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text.replace("\n", ""), validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return None


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the outputs with neighbouring pieces of one stream joined: a secret may be cut between two pieces."""
    runs: list[tuple[dict[str, Any], list[Any]]] = []
    for output in outputs:
        if output["output_type"] == "stream" and runs and runs[-1][0].get("name") == output["name"]:
            runs[-1][1].append(output["text"])
        else:
            runs.append((output, [output.get("text")]))
    return [output if len(texts) == 1 else {**output, "text": "".join(texts)} for output, texts in runs]


def _tags(cell: NotebookNode) -> list[str]:
    tags: list[str] = cell.get("metadata", {}).get("tags", [])
    return tags
