"""Parse bytes as JSON; errors name the line and the column."""

from __future__ import annotations

import codecs
import json
from contextlib import suppress
from typing import Any, Final

import orjson

from futurscam_lib.errors import Rejected

_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_MANY: Final = 19
"""Numbers with this many digits become floats: a 64-bit int holds fewer, and Python refuses to read thousands."""
# Accepts what orjson refuses although only one value is wrong: half a surrogate pair, NaN and Infinity, numbers too
# large for a float.
_TOLERANT: Final = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < _MANY else float(digits))


def encoding_of(head: bytes) -> str:
    """Codec for bytes that begin with `head`: UTF-16 or UTF-8 by byte order mark, UTF-8 if there is no mark."""
    for mark, codec in _BOMS.items():
        if head.startswith(mark):
            return codec
    return "utf-8"


def parse(payload: bytes, *, first_line: int = 1, first_column: int = 1) -> Any:
    """Parse one JSON value.

    A lone surrogate stays in its text, and a number too large for a float becomes infinite; NaN is accepted too. The
    caller decides what to do with such values.

    Args:
        payload: UTF-8, or UTF-8/UTF-16 with a byte order mark.
        first_line: Line of the file on which `payload` begins, counted from 1.
        first_column: Column in that line, counted from 1.

    Raises:
        Rejected: `encoding` or `broken-json`, with line and column in the file.
    """
    try:
        if payload[:1] in {b"\xef", b"\xff", b"\xfe"}:
            return orjson.loads(payload.decode(encoding_of(payload)))
        return orjson.loads(payload)
    except ValueError as error:
        with suppress(ValueError, RecursionError):
            return _TOLERANT.decode(payload.decode(encoding_of(payload), "surrogatepass"))
        raise _rejected(payload, error, (first_line, first_column)) from error


def _rejected(payload: bytes, error: ValueError, begins: tuple[int, int]) -> Rejected:
    codec = encoding_of(payload)
    try:
        text = payload.decode(codec)
    except UnicodeDecodeError as wrong:
        # The bytes before the wrong byte can be decoded, except perhaps half a character. With a UTF-8 byte order
        # mark, Python counts from the end of the mark.
        before = wrong.object[: wrong.start].decode(codec, "ignore")
        line, column = _place(before, len(before), begins)
        name = "UTF-16" if codec == "utf-16" else "UTF-8"
        message = f"The text is not {name}: byte 0x{wrong.object[wrong.start]:02x} at line {line}, column {column}."
        return Rejected(message, code="encoding", line=line, column=column)
    what, position = str(error), 0
    if isinstance(error, orjson.JSONDecodeError):
        what, position = error.msg, error.pos
    line, column = _place(text, position, begins)
    return Rejected(
        f"Broken JSON at line {line}, column {column}: {what}.", code="broken-json", line=line, column=column
    )


def _place(text: str, position: int, begins: tuple[int, int]) -> tuple[int, int]:
    """Line and column in the file, from 1, of a position in a text that begins at `begins`."""
    lines = text.count("\n", 0, position)
    column = position - text.rfind("\n", 0, position)
    return begins[0] + lines, column if lines else column + begins[1] - 1
