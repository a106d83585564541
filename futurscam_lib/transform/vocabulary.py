"""All vocabularies in one place: the words of sources, and the words of documents.

A word that is in no table is not an error. It is kept in a readable form and counted, so that somebody can add it here,
raise the transform's version, and rebuild the documents.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from futurscam_lib.rfp import NO_REMOTE_OPTION, NOT_SPECIFIED
from futurscam_lib.transform.text import fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_READABLE: Final = 100
MAX_COUNTED: Final = 40
UNKNOWN_WORD: Final = "unknown word"
"""The kind of an unknown value that is in no table; the word itself follows it."""

SENIORITY: Final[Mapping[str, str]] = {
    "junior": "Junior",
    "medior": "Medior",
    "senior": "Senior",
    "expert": "Expert",
    "smals_beginner": "Junior",
    "smals_confirmed": "Medior",
    "smals_expert": "Expert",
    "ns": NOT_SPECIFIED,
}
"""Seniority of the mission. Smals uses three levels: 1 to 4, 5 to 9, 10 years or more."""

SKILL_SENIORITY: Final[Mapping[str, str]] = {
    "beginner": "Beginner",
    "intermediate": "Intermediate",
    "advanced": "Advanced",
    "expert": "Expert",
    "nicetohave": "NiceToHave",
    "smals_beginner": "Beginner",
    "smals_confirmed": "Intermediate",
    "smals_expert": "Expert",
    "smals_nicetohave": "NiceToHave",
    "ns": NOT_SPECIFIED,
}

LAST_USED: Final[Mapping[str, str]] = {
    "anytime": "AnyTime",
    "lessthanoneyearago": "LessThanOneYearAgo",
    "lessthanthreeyearsago": "LessThanThreeYearsAgo",
    "morethanthreeyearsago": "MoreThanThreeYearsAgo",
}
"""When a candidate last used a skill."""

REMOTE_OPTION: Final[Mapping[str, str]] = {
    "none": "OnSite",
    "partial": "Hybrid",
    "full": "Remote",
    "notspecified": NO_REMOTE_OPTION,
}

LANGUAGE_LEVEL: Final[Mapping[str, str]] = {
    "nativeorbilingual": "NativeOrBilingual",
    "fullprofessional": "FullProfessional",
    "professionalworking": "ProfessionalWorking",
    "limitedworking": "LimitedWorking",
    "elementary": "Elementary",
    "nicetohave": "NiceToHave",
    "smals_native": "NativeOrBilingual",
    "smals_active": "ProfessionalWorking",
    "smals_passive": "LimitedWorking",
    "ns": NOT_SPECIFIED,
}

OCCUPATION: Final[Mapping[str, str]] = {
    "fulltime": "FullTime",
    "parttime": "PartTime",
    "halftime": "HalfTime",
    "oneday": "OneDay",
    "twodays": "TwoDays",
    "threedays": "ThreeDays",
    "fourdays": "FourDays",
}

REGION: Final[Mapping[str, str]] = {
    **dict.fromkeys(("brussels", "brussel", "bruxelles", "brussels capital", "brussels-capital"), "Brussels"),
    **dict.fromkeys(("flemish brabant", "vlaams_brabant", "vlaams-brabant", "brabant flamand"), "Flemish Brabant"),
    **dict.fromkeys(("walloon brabant", "waals_brabant", "waals-brabant"), "Walloon Brabant"),
    **dict.fromkeys(("brabant_wallon", "brabant wallon"), "Walloon Brabant"),
    **dict.fromkeys(("antwerpen", "antwerp", "anvers"), "Antwerp"),
    **dict.fromkeys(("east flanders", "oost_vlaanderen", "oost-vlaanderen", "flandre orientale"), "East Flanders"),
    **dict.fromkeys(("west flanders", "west_vlaanderen", "west-vlaanderen", "flandre occidentale"), "West Flanders"),
    **dict.fromkeys(("limburg", "limbourg"), "Limburg"),
    **dict.fromkeys(("henegouwen", "hainaut"), "Hainaut"),
    **dict.fromkeys(("luik", "liege", "luttich"), "Liège"),
    **dict.fromkeys(("luxemburg", "luxembourg"), "Luxembourg"),
    **dict.fromkeys(("namen", "namur"), "Namur"),
}

_READ_IN: Final = ("de", "nl", "fr", "en")
_OTHER_COUNTRY_NAMES: Final = {
    **dict.fromkeys(("the netherlands", "holland", "hollande"), "NL"),
    **dict.fromkeys(("great britain", "england", "angleterre", "engeland"), "GB"),
    **dict.fromkeys(("czech republic", "republique tcheque"), "CZ"),
    "turkey": "TR",
}
_OTHER_CURRENCY_NAMES: Final = {
    "euros": "EUR",
    **dict.fromkeys(("us$", "dollar", "dollars"), "USD"),
    **dict.fromkeys(("pound", "pounds"), "GBP"),
}
_ALPHA_2: Final = 2

_LETTER: Final = re.compile(r"[^\W\d_]")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@cache
def languages() -> Mapping[str, str]:
    """English names of languages by their ISO 639 codes and their English, French, Dutch and German names."""
    from babel.core import get_global

    english = dict(_names("languages", "en"))
    # A variant is the language itself: Flemish is Dutch.
    codes = {code: code.partition("_")[0] for code in english}
    names = {name: codes[code] for code, name in _names("languages") if code in codes}
    aliases = {alias: code for alias, code in get_global("language_aliases").items() if code in codes}
    code_of: dict[str, str] = {**names, **aliases, **codes}
    return {fold(key): english[code] for key, code in code_of.items() if code in english}


@cache
def countries() -> Mapping[str, str]:
    """English names of countries by their ISO 3166 codes and their English, French, Dutch and German names."""
    from babel.core import get_global

    english = {code: name for code, name in _names("territories", "en") if len(code) == _ALPHA_2}
    names = {name: code for code, name in _names("territories")}
    aliases = {alias: codes[0] for alias, codes in get_global("territory_aliases").items() if alias.isalpha()}
    code_of: dict[str, str] = {**names, **_OTHER_COUNTRY_NAMES, **aliases, **{code: code for code in english}}
    return {fold(key): english[code] for key, code in code_of.items() if code in english}


@cache
def currencies() -> Mapping[str, str]:
    """ISO 4217 codes of currencies by code, symbol and English, French, Dutch and German names; `$` is USD."""
    names = {fold(name): code for code, name in _names("currencies")}
    symbols = {fold(symbol): code for code, symbol in _names("currency_symbols", "en")}
    codes = {fold(code): code for code, _ in _names("currencies", "en")}
    return {**names, **_OTHER_CURRENCY_NAMES, **symbols, **codes}


def _names(kind: str, *languages: str) -> Iterator[tuple[str, str]]:
    """Codes with their names in all languages that sources use; if names repeat, the last counts, which is English."""
    from babel import Locale

    for language in languages or _READ_IN:
        yield from getattr(Locale(language), kind).items()


def counted(text: str) -> str:
    """Return how an unknown word is counted: a short text unchanged, a longer one as `a long text`."""
    return f"{UNKNOWN_WORD}: {text if len(text) <= MAX_COUNTED else 'a long text'}"


def kind_of(what: str) -> str:
    """Return what is wrong with a value, without the word that `counted` adds, which is content of a post."""
    return UNKNOWN_WORD if what.startswith(f"{UNKNOWN_WORD}: ") else what


def readable(text: str, wording: str | None) -> str | None:
    """Return an unknown word as documents keep it: split into words, or in the source's wording; None without letters.

    Args:
        text: One tidy line.
        wording: The source's own wording for people, if there is one.
    """
    shown = (wording or _CAMEL.sub(" ", text).replace("_", " "))[:MAX_READABLE]
    return shown if _LETTER.search(shown) else None
