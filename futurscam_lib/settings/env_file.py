"""Reads `.env` files as people write them."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not a comment; `value` is empty where it sets nothing, `name` where it is not NAME=value."""

    number: int
    name: str
    value: str


def read(path: Path) -> Iterator[Line]:
    """The lines of a file; a missing file has none.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not text; the message names the line, and quotes nothing.
    """
    try:
        text = _decode(path.read_bytes())
    except FileNotFoundError:
        return
    for binding in parse_stream(io.StringIO(text)):
        leading = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
        number = binding.original.line + binding.original.string[:leading].count("\n")
        if binding.error:
            yield Line(number, "", "")
        elif binding.key:
            yield Line(number, binding.key, (binding.value or "").strip())


def _decode(data: bytes) -> str:
    """Text of a file as Windows and others write it: UTF-8 with or without BOM, or UTF-16 with one."""
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        # Not from the error: it carries the bytes of the whole file, secrets too.
        raise ValueError(f"line {line} is not {'UTF-16' if utf_16 else 'UTF-8'}, save it as UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds NUL characters, save it as UTF-8")
    return text
