"""One event as one line of a log, `key=value` pairs behind it, whatever the values hold."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

LONGEST: Final = 16_000
"""Characters of one value; what lies in the middle of a longer one is left out."""

NOTHING: Final = "-"

_EVENT = re.compile(r"[\w.,:;()/-]+( [\w.,:;()/-]+)*")
_TOO_FAR = 0xFFFF


def of(level: str, event: object, values: Mapping[str, Any], *, at: datetime, clean: Callable[[str], str] = str) -> str:
    """The line for a file: `2026-11-23T13:25:01.223Z info  run ended status=ok error=""`.

    Args:
        level: Its name, in small letters.
        event: What happened, in words that hold no `=`; anything else is quoted.
        values: What there is to say about it; a value that is more than one plain word is quoted.
        at: When; aware.
        clean: Takes secrets out of a text; applied to each value before it is shortened, and to the whole line.
    """
    said = " ".join([words(event, clean=clean), *pairs(values, clean=clean)])
    return f"{clock.to_text(at)[:23]}Z {level:<5} {clean(said)}"


def words(event: object, *, clean: Callable[[str], str] = str) -> str:
    """What happened, as it is where that are plain words."""
    text = clean(str(event))
    plain = _EVENT.fullmatch(text) and text.isascii() and len(text) <= LONGEST
    return text if plain else _quoted(capped(text, LONGEST))


def pairs(values: Mapping[str, Any], *, longest: int = LONGEST, clean: Callable[[str], str] = str) -> Iterable[str]:
    """Each value with its key: `files=2`, `error="two words"`, `reason=-` where there is none."""
    for key, value in values.items():
        yield f"{re.sub(r'[^a-zA-Z0-9_.]', '_', key)}={_shown(value, longest, clean)}"


def capped(text: str, longest: int) -> str:
    """The text without its middle, where it is too long; the end of a traceback says most."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} ... {len(text) - 2 * half:,} characters ... {text[-half:]}"


def trace_of(found: object) -> str:
    """The traceback that a logging call was given as `exc_info`; empty where it was given none."""
    match found:
        case BaseException():
            return "".join(traceback.format_exception(found))
        case (_, BaseException() as error, _):
            return "".join(traceback.format_exception(error))
    told = traceback.format_exc() if found else ""
    return "" if told.startswith("NoneType") else told


def _shown(value: Any, longest: int, clean: Callable[[str], str]) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return str(value).lower()
        case Mapping() | list() | tuple():
            value = json.dumps(value, ensure_ascii=False, default=str)
    text = capped(clean(str(value)), longest)
    plain = text.isprintable() and text not in {"", NOTHING} and not set(text) & set(' "=')
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    r"""As JSON quotes it, and whatever steers a terminal or hides from a reader as `\uXXXX`."""
    return "".join(c if c.isprintable() else _escaped(c) for c in json.dumps(text, ensure_ascii=False))


def _escaped(character: str) -> str:
    number = ord(character)
    if number > _TOO_FAR:
        return json.dumps(character)[1:-1]
    return f"\\u{number:04x}"
