"""Places in Belgium: one spelling for each city, and the region of a zip code."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from futurscam_lib.transform.text import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

BELGIUM: Final = "Belgium"

_CITY_NAMES: Final = """
    Aarschot; Anderlecht; Beveren; Blankenberge; Boom; Charleroi; Dessel; Diegem; Diest; Dinant; Etterbeek; Eupen
    Evere; Ganshoren; Geel; Genk; Hasselt; Herentals; Jette; Knokke-Heist; Koekelberg; La Louvière; Lokeren
    Louvain-la-Neuve; Machelen; Ottignies-Louvain-la-Neuve; Seraing; Sint-Niklaas; Turnhout; Verviers; Waregem
    Waterloo; Zaventem
    Aalst, Alost
    Antwerp, Antwerpen, Anvers
    Arlon, Aarlen, Arel
    Ath, Aat
    Auderghem, Oudergem
    Bastogne, Bastenaken
    Berchem-Sainte-Agathe, Sint-Agatha-Berchem
    Braine-l'Alleud, Eigenbrakel
    Braine-le-Comte, 's-Gravenbrakel
    Bruges, Brugge
    Brussels, Brussel, Bruxelles, Bruxelles-Ville, Ville de Bruxelles, Stad Brussel, City of Brussels, BXL
    Dendermonde, Termonde
    Enghien, Edingen
    Forest, Vorst
    Geraardsbergen, Grammont
    Ghent, Gent, Gand
    Halle, Hal
    Huy, Hoei
    Ixelles, Elsene
    Jodoigne, Geldenaken
    Kortrijk, Courtrai
    Lessines, Lessen
    Leuven, Louvain, Löwen
    Liège, Luik, Lüttich
    Lier, Lierre
    Mechelen, Malines, Mechlin
    Molenbeek-Saint-Jean, Sint-Jans-Molenbeek, Molenbeek
    Mons, Bergen
    Mouscron, Moeskroen
    Namur, Namen
    Nivelles, Nijvel
    Ostend, Oostende, Ostende
    Oudenaarde, Audenarde
    Roeselare, Roulers
    Ronse, Renaix
    Saint-Gilles, Sint-Gillis
    Saint-Josse-ten-Noode, Sint-Joost-ten-Node, Saint-Josse
    Schaerbeek, Schaarbeek
    Sint-Truiden, Saint-Trond
    Soignies, Zinnik
    Tienen, Tirlemont
    Tongeren, Tongres
    Tournai, Doornik
    Tubize, Tubeke
    Uccle, Ukkel
    Veurne, Furnes
    Vilvoorde, Vilvorde
    Visé, Wezet
    Waremme, Borgworm
    Watermael-Boitsfort, Watermaal-Bosvoorde
    Wavre, Waver
    Woluwe-Saint-Lambert, Sint-Lambrechts-Woluwe
    Woluwe-Saint-Pierre, Sint-Pieters-Woluwe
    Ypres, Ieper
    Zeebrugge, Zeebruges
"""
"""The larger cities of Belgium with their names; documents use the first name, which is English if there is one."""

_NO_CITY: Final = {
    *("remote", "full remote", "fully remote", "100% remote", "remote work", "home", "home office", "homeworking"),
    *("telewerk", "thuiswerk", "thuis", "teletravail", "a distance", "distance", "n/a", "na", "nvt", "-", "."),
}
# A zip code may come before a city; a district number, a zip code or the country may follow it.
_AROUND: Final = re.compile(r"(?:(?:b|be)?[ -]?\d{4}[ ,-]+)?(.+?)(?: \d{1,4})?(?:[ ,/(-]+(?:belgi\w{1,4}|be)\)?)?")
_BOTH_NAMES: Final = re.compile(r"\s*/\s*|\s+-\s+|\s*[()|]\s*")
_WORDS: Final = re.compile(r"[^\W\d_]+(?:[ '\u2019-]+[^\W\d_]+)*")
_BETWEEN_WORDS: Final = re.compile(r"([ '\u2019-])")
_SMALL: Final = {
    *("aan", "au", "aux", "d", "de", "den", "der", "des", "du", "en", "l", "la", "le", "les", "lez", "lès", "op"),
    *("sous", "sur", "ten", "ter", "van"),
}
"""Words that stay in lower case inside the name of a city, as in Heist-op-den-Berg."""
_LONGEST_ABBREVIATION: Final = 3
_ZIP: Final = re.compile(r"(?:B|BE)?[ -]?(\d{4})", re.ASCII | re.IGNORECASE)
_REGIONS: Final = (
    (1000, "Brussels"),
    (1300, "Walloon Brabant"),
    (1500, "Flemish Brabant"),
    (2000, "Antwerp"),
    (3000, "Flemish Brabant"),
    (3500, "Limburg"),
    (4000, "Liège"),
    (5000, "Namur"),
    (6000, "Hainaut"),
    (6600, "Luxembourg"),
    (7000, "Hainaut"),
    (8000, "West Flanders"),
    (9000, "East Flanders"),
)
"""The first zip code of each range, which ends before the next line, and its region."""


def zip_code(text: str | None) -> str | None:
    """Return a zip code; None if it consists of zeros only."""
    return None if text is None or not text.strip("0") else text


def region_of(zip_code: str | None) -> str | None:
    """Return the region of a Belgian zip code; None if the code is not one."""
    match = _ZIP.fullmatch(zip_code or "")
    at = bisect_right(_REGIONS, int(match[1]), key=lambda region: region[0]) if match else 0
    return _REGIONS[at - 1][1] if at else None


@lru_cache(maxsize=4096)
def city(text: str | None, *, country: str | None = None) -> str | None:
    """Return the spelling of a city that documents use; an unknown city keeps the source's spelling.

    Args:
        text: The source's text, in one tidy line.
        country: English name of its country; None if unknown. Only cities of Belgium have one spelling.

    Returns:
        None if the text does not name a place: `Remote`.
    """
    if text is None or fold(text) in _NO_CITY or not text.strip("0"):
        return None
    parts = [part for part in _BOTH_NAMES.split(text) if part] if country in {None, BELGIUM} else []
    names = {_name_of(part) for part in parts}
    name = names.pop() if len(names) == 1 else None
    return name or _cased(text)


def _name_of(part: str) -> str | None:
    folded = fold(part)
    around = _AROUND.fullmatch(folded)
    return _cities().get(folded) or (_cities().get(around[1]) if around else None)


@cache
def _cities() -> Mapping[str, str]:
    rows = [[name.strip() for name in row.split(",")] for row in re.split("[;\n]", _CITY_NAMES.strip())]
    return {fold(name): row[0] for row in rows for name in row}


def _cased(text: str) -> str:
    """Capitalise a name that is all upper case or all lower case: `SINT-PIETERS-LEEUW`."""
    if len(text) <= _LONGEST_ABBREVIATION or not (text.isupper() or text.islower()) or not _WORDS.fullmatch(text):
        return text
    words = _BETWEEN_WORDS.split(text.lower())
    return "".join(word if word in _SMALL and at else word.capitalize() for at, word in enumerate(words))
