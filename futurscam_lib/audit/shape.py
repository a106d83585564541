"""Whether a line of the ledger says what runs say: who knows how a line is made can put anything in it."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.records import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from futurscam_lib.audit.entry import Entry

_LENGTH: Final = len("2026-11-02T08:00:00.000000+00:00")
_ENDS: Final = {"ok", "failed", "timed out", None}
_TEXT: Final[frozenset[type]] = frozenset({str, type(None)})
_NUMBER: Final[frozenset[type]] = frozenset({int, float, type(None)})
_TABLE: Final[frozenset[type]] = frozenset({dict, type(None)})
_FACTS: Final[Mapping[str, Mapping[str, frozenset[type]]]] = {
    "start": {
        **dict.fromkeys(("notebook", "rerun_of", "replay", "started_by", "git_commit", "python", "platform"), _TEXT),
        **dict.fromkeys(("parameters", "packages", "watermark"), _TABLE),
    },
    "end": {
        **dict.fromkeys(("status", "replay", "notebook", "notebook_sha256", "error", "error_name"), _TEXT),
        **dict.fromkeys(("counts", "sources", "failures", "watermark"), _TABLE),
        "seconds": _NUMBER,
    },
    "crashed": dict.fromkeys(("notebook", "notebook_sha256"), _TEXT),
    "pruned": {"notebooks": _TABLE},
    "healed": {},
    "reset": {"watermark": _TABLE},
    "first-run": {"watermark": _TEXT},
    "sealed": {},
}
"""What runs say, by event. What a notebook glues and nobody checks (window, reasons, odd words) is not among it."""
_INT: Final[frozenset[type]] = frozenset({int})
_DICT: Final[frozenset[type]] = frozenset({dict})
_INNER: Final[Mapping[str, Sequence[tuple[str, frozenset[type]]]]] = {
    "start": (("watermark", _TEXT),),
    "end": (("watermark", _TEXT), ("counts", _INT), ("sources", _DICT), ("failures", _DICT)),
    "reset": (("watermark", _TEXT),),
    "pruned": (("notebooks", _TEXT),),
}
"""What the tables among them hold."""


def problem_of(entry: Entry) -> str:
    """What cannot be read in it, a clause for a person; empty: nothing. An event that is not known has no facts."""
    if not _is_instant(entry.at):
        return f"its time is {entry.at!r:.60}"
    facts = entry.facts
    name = _unfit(entry.event, tuple(facts), tuple(map(type, facts.values())))
    if not name:
        name = next(_unfit_inside(entry.event, facts), "")
    return f"its {name} is {facts[name]!r:.60}, which no such line says" if name else ""


def _unfit_inside(event: str, facts: Mapping[str, Any]) -> Iterator[str]:
    for name, kinds in _INNER.get(event, ()):
        held = facts.get(name)
        if held and not kinds.issuperset(map(type, held.values())):
            yield name
        elif held and name == "sources":
            for counts in held.values():
                if not _INT.issuperset(map(type, counts.values())):
                    yield name


@lru_cache(maxsize=256)
def _unfit(event: str, names: tuple[str, ...], kinds: tuple[type, ...]) -> str:
    """The first fact of another kind than its event's; many lines have the same ones."""
    due = _FACTS.get(event, {})
    return next((name for name, kind in zip(names, kinds, strict=True) if kind not in due.get(name, {kind})), "")


def doubt_of(entry: Entry) -> str:
    """What no run can have written, though it can be read; empty: nothing."""
    if entry.event not in _FACTS:
        return f"its event is {entry.event!r:.60}, which this version does not know"
    counts, notebook = entry.facts.get("counts"), entry.facts.get("notebook")
    if isinstance(notebook, str) and notebook and not _is_inside(notebook):
        return f"it names a notebook {notebook!r:.100}, which is not inside the folder of the runs"
    if entry.event != "end":
        return ""
    if (status := entry.facts.get("status")) not in _ENDS:
        return f"it ended {status!r:.60}, which no run does"
    if status == "ok" and counts and sum(counts.values()) != 2 * counts.get("extracted", 0):
        first, *others = (counts.get(name) or 0 for name in COUNTED)
        if first != sum(others):
            return f"its counts do not add up ({first} extracted, {sum(others)} accounted for), and yet it is ok"
    return ""


def _is_inside(name: str) -> bool:
    """Whether it is a path below a folder, as the ledger writes it: with `/`, without `..`, nothing hidden."""
    return not (name[0] in "./" or "/." in name or "//" in name or "\\" in name or ":" in name or "\0" in name)


def table(value: Any) -> dict[str, Any]:
    """What a notebook glued, if it is a table; else none."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> int:
    """What a notebook glued, if it is a number; else 0, as of an earlier version that did not count it."""
    return value if isinstance(value, int) else 0


def numbers(value: Any) -> dict[str, int]:
    """The numbers in it, if it is a table of some."""
    return {name: number for name, number in table(value).items() if isinstance(number, int)}


def _is_instant(text: str) -> bool:
    """Whether it is one as `clock.to_text` writes it; faster than reading what others might write."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == _LENGTH and text[7:11:3] == "-T" and text.endswith("+00:00")
