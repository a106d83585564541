"""Renders one event as one log line with `key=value` pairs, whatever the values contain."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter

if TYPE_CHECKING:
    from structlog.typing import EventDict

LONGEST: Final = 16_000
"""Characters of one value; the middle of a longer one is left out."""

NOTHING: Final = "-"

_EVENT: Final = re.compile(r"[\w.,:;()/-]+( [\w.,:;()/-]+)*")
_TOO_FAR: Final = 0xFFFF


def renderer(redact: Callable[[str], str] = str, *, longest: int = LONGEST) -> Callable[[EventDict], str]:
    """Return a renderer of one line: `2026-11-23T13:25:01.223Z info  run ended status=ok error=""`.

    Args:
        redact: Takes secrets out of a text; applied to each value before it is shortened, and to the whole line.
        longest: Characters of one value.

    Returns:
        A function of an event with the keys `timestamp`, `level` and `event` first. An event or value that is
        more than plain words is quoted; None is `-`.
    """
    column = partial(KeyValueColumnFormatter, value_style="", reset_style="")
    render = ConsoleRenderer(
        columns=[
            Column("timestamp", column(key_style=None, value_repr=str)),
            Column("level", column(key_style=None, value_repr=str)),
            Column("event", column(key_style=None, value_repr=partial(_words, redact=redact))),
            Column("", column(key_style="", value_repr=partial(_value, redact=redact, longest=longest))),
        ],
        sort_keys=False,
    )

    def line(event: EventDict) -> str:
        named = {re.sub(r"[^a-zA-Z0-9_.]", "_", key): value for key, value in event.items()}
        return redact(render(None, "", named))

    return line


def _words(event: object, *, redact: Callable[[str], str]) -> str:
    text = redact(str(event))
    plain = _EVENT.fullmatch(text) and text.isascii() and len(text) <= LONGEST
    return text if plain else _quoted(_shortened(text, LONGEST))


def _value(value: Any, *, redact: Callable[[str], str], longest: int) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return str(value).lower()
        case Mapping() | list() | tuple():
            value = json.dumps(value, ensure_ascii=False, default=str)
    text = _shortened(redact(str(value)), longest)
    plain = text.isprintable() and text not in {"", NOTHING} and not set(text) & set(' "=')
    return text if plain else _quoted(text)


def _shortened(text: str, longest: int) -> str:
    """Return the text without its middle if it is too long; the end of a traceback matters most."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} ... {len(text) - 2 * half:,} characters ... {text[-half:]}"


def _quoted(text: str) -> str:
    r"""Return the text quoted as JSON, with control and invisible characters as `\uXXXX`."""
    return "".join(c if c.isprintable() else _escaped(c) for c in json.dumps(text, ensure_ascii=False))


def _escaped(character: str) -> str:
    number = ord(character)
    if number > _TOO_FAR:
        return json.dumps(character)[1:-1]
    return f"\\u{number:04x}"
