"""Turns an analyst's filters into a MongoDB query; filters are only used as values, never as operators."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pymongo.collation import Collation

from futurscam_lib.analysis.instants import instant
from futurscam_lib.errors import UsageError
from futurscam_lib.report.tables import as_text
from futurscam_lib.settings.sources import KNOWN_SOURCES
from futurscam_lib.transform import vocabulary

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from futurscam_lib.analysis.instants import When

Names: TypeAlias = str | Iterable[str] | None

COLLATION: Final = Collation("en", strength=1)
"""Compares names without case and accents: `liege` equals `Liège`; `C` does not equal `C++`."""

MAX_WORDS: Final = 20
MAX_WORD: Final = 100

_NAMES: Final = {
    "source": "_etl.source",
    "seniority": "seniority",
    "region": "company.region",
    "remote": "remoteOption",
    "skill": "skills.name",
}
_KNOWN: Final = {
    "source": tuple(KNOWN_SOURCES),
    "seniority": tuple(dict.fromkeys(vocabulary.SENIORITY.values())),
    "remote": tuple(vocabulary.REMOTE_OPTION.values()),
}
"""Filters with few values: any other value is a typing error, unless an RFP has it."""

_SHOWN: Final = 30
_LONGEST: Final = 40
_SEARCHED: Final = (
    *("reference", "roleTitle", "role", "questions", "skills.name"),
    *("company.name", "company.department", "company.city"),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters for RFPs; None, an empty text and an empty name filter nothing.

    Attributes:
        active: True: only open RFPs; False: only closed ones.
        since, until: Published at `since` or later, and before `until`; without a publication date, the time when the
            RFP was first seen counts.
        source, seniority, region, remote, skill: Has one of these names; case and accents are ignored.
        text: Contains all of these words in title, role, reference, description, company, department, city, skills or
            questions.
    """

    active: bool | None = None
    since: When = None
    until: When = None
    source: Names = None
    seniority: Names = None
    region: Names = None
    remote: Names = None
    skill: Names = None
    text: str | None = None

    def match(self) -> dict[str, Any]:
        """The query; use it with `COLLATION`.

        Raises:
            UsageError: A filter has an invalid value.
        """
        names_by_path = {path: _names(field, getattr(self, field)) for field, path in _NAMES.items()}
        conditions: list[dict[str, Any]] = [
            {path: {"$in": names}} for path, names in names_by_path.items() if names is not None
        ]
        if self.active is not None:
            conditions.append({"isActive": _flag(self.active)})
        conditions += self._window()
        conditions += [_anywhere(word) for word in _words(self.text)]
        return {"$and": conditions} if conditions else {}

    def _window(self) -> list[dict[str, Any]]:
        within = {"$gte": instant("since", self.since), "$lt": instant("until", self.until)}
        within = {operator: at for operator, at in within.items() if at is not None}
        if not within:
            return []
        unpublished = {"publishedAt": {"$not": {"$type": "date"}}, "_etl.first_seen_at": within}
        return [{"$or": [{"publishedAt": within}, unpublished]}]


def refuse_unknown(match: dict[str, Any], rfps: Collection[dict[str, Any]]) -> None:
    """Check that the software or some RFP has each name in a query of `Filters`.

    Raises:
        UsageError: A source, seniority or remote option is unknown; the message lists those that exist.
    """
    for field, known in _KNOWN.items():
        path = _NAMES[field]
        names_in_query = [condition[path]["$in"] for condition in match.get("$and", ()) if path in condition]
        usual = {name.casefold() for name in known}
        for name in (name for names in names_in_query for name in names if name.casefold() not in usual):
            if not rfps.count_documents({path: name}, limit=1, collation=COLLATION):
                existing = _existing(path, known, rfps)
                raise UsageError(f"{field}: there is no {name[:_LONGEST]!r}; there are: {existing}.")


def _existing(path: str, known: tuple[str, ...], rfps: Collection[dict[str, Any]]) -> str:
    lenient = rfps.with_options(rfps.codec_options.with_options(unicode_decode_error_handler="replace"))
    stored = {name for name in lenient.distinct(path) if isinstance(name, str) and name.strip()}
    names = [as_text(name, longest=_LONGEST) for name in (*known, *sorted(stored - set(known)))]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _flag(active: Any) -> bool:
    import numpy as np

    if isinstance(active, bool | np.bool_):
        return bool(active)
    raise UsageError(f"active takes True, False or None, not {active!r}.")


def _names(field: str, names: Any) -> list[str] | None:
    if names is None or (isinstance(names, str) and not names.strip()):
        return None
    several = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else [names]
    # A dictionary would be a MongoDB operator.
    if isinstance(names, dict) or not all(isinstance(name, str) for name in several):
        raise UsageError(f"{field} takes a name or a list of names, not {names!r}.")
    # An empty name filters nothing, but an empty list matches no RFP.
    return [_spoken(field, name) for name in several if name.strip()] or (None if several else [])


def _words(text: Any) -> list[str]:
    if text is None:
        return []
    if not isinstance(text, str):
        raise UsageError(f"text takes words to look for, not {text!r}.")
    words = _spoken("text", text).split() if text.strip() else []
    if len(words) > MAX_WORDS or any(len(word) > MAX_WORD for word in words):
        raise UsageError(f"text takes at most {MAX_WORDS} words of at most {MAX_WORD} characters.")
    return words


def _spoken(field: str, text: str) -> str:
    # Null characters and lone surrogates cannot be sent to MongoDB.
    readable = "".join(char if char.isprintable() else " " for char in text).strip()
    if readable:
        return readable
    raise UsageError(f"{field} takes printable text, not {text!r}.")


def _anywhere(word: str) -> dict[str, Any]:
    pattern = _pattern(word)
    # The description is HTML: tags and names of entities do not count as words.
    described = f"(?<!&){_pattern(html.escape(word, quote=False))}(?![^<>]*>)"
    conditions = [{path: {"$regex": pattern, "$options": "i"}} for path in _SEARCHED]
    return {"$or": [*conditions, {"job_desc": {"$regex": described, "$options": "i"}}]}


def _accented() -> dict[str, str]:
    """Each Latin letter with all its accented variants."""
    variants: defaultdict[str, str] = defaultdict(str)
    for letter in map(chr, (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))):
        bare = _bare(letter)
        if bare != letter and letter.islower():
            variants[bare] += letter
    return {bare: bare + accented for bare, accented in variants.items()}


def _bare(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0].lower()


_LETTERS: Final = _accented()
_MARKS: Final = "[\u0300-\u036f]*"
"""Combining accents, which some programs write after the letter."""


def _pattern(word: str) -> str:
    """A regular expression that matches the word literally, except that accents are ignored."""
    return "".join(_any_of(char) + _MARKS for char in word if not "\u0300" <= char <= "\u036f")


def _any_of(char: str) -> str:
    letters = _LETTERS.get(_bare(char), "")
    return f"[{letters}]" if char.lower() in letters else re.escape(char)
