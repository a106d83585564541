"""Every vocabulary in one place: what a source says, what the document says.

A value that no table knows is not an error. It is kept in a readable form and counted, so that somebody can add it
here, raise the transform's version, and have the documents made again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from futurscam_lib.transform.text import tidy

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_SPECIFIED: Final = "NS"
NO_REMOTE_OPTION: Final = "NotSpecified"
MAX_READABLE: Final = 100

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
"""Of the mission. Smals asks in three steps: 1 to 4, 5 to 9, 10 years or more."""

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
"""When a candidate used a skill last."""

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

LANGUAGE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("dutch", "nederlands", "néerlandais", "neerlandais", "nl"), "Dutch"),
    **dict.fromkeys(("french", "frans", "français", "francais", "fr"), "French"),
    **dict.fromkeys(("english", "engels", "anglais", "en"), "English"),
    **dict.fromkeys(("german", "duits", "allemand", "de"), "German"),
    **dict.fromkeys(("italian", "italiaans", "italien", "it"), "Italian"),
    **dict.fromkeys(("spanish", "spaans", "espagnol", "es"), "Spanish"),
    **dict.fromkeys(("portuguese", "portugees", "portugais", "pt"), "Portuguese"),
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

COUNTRY: Final[Mapping[str, str]] = {
    **dict.fromkeys(("belgium", "belgië", "belgie", "belgique", "belgien", "be"), "Belgium"),
    **dict.fromkeys(("netherlands", "the netherlands", "nederland", "pays-bas", "nl"), "Netherlands"),
    **dict.fromkeys(("france", "frankrijk", "frankreich", "fr"), "France"),
    **dict.fromkeys(("luxembourg", "luxemburg", "lu"), "Luxembourg"),
    **dict.fromkeys(("germany", "duitsland", "allemagne", "deutschland", "de"), "Germany"),
}

REGION: Final[Mapping[str, str]] = {
    **dict.fromkeys(("brussels", "brussel", "bruxelles"), "Brussels"),
    **dict.fromkeys(("vlaams_brabant", "vlaams-brabant"), "Flemish Brabant"),
    **dict.fromkeys(("waals_brabant", "brabant_wallon", "brabant wallon"), "Walloon Brabant"),
    **dict.fromkeys(("antwerpen", "antwerp", "anvers"), "Antwerp"),
    **dict.fromkeys(("oost_vlaanderen", "oost-vlaanderen"), "East Flanders"),
    **dict.fromkeys(("west_vlaanderen", "west-vlaanderen"), "West Flanders"),
    **dict.fromkeys(("limburg", "limbourg"), "Limburg"),
    **dict.fromkeys(("henegouwen", "hainaut"), "Hainaut"),
    **dict.fromkeys(("luik", "liege", "liège"), "Liège"),
    **dict.fromkeys(("luxemburg", "luxembourg"), "Luxembourg"),
    **dict.fromkeys(("namen", "namur"), "Namur"),
}

CURRENCY: Final[Mapping[str, str]] = {
    **dict.fromkeys(("€", "eur", "euro"), "EUR"),
    **dict.fromkeys(("$", "usd"), "USD"),
    **dict.fromkeys(("£", "gbp"), "GBP"),
    "chf": "CHF",
}

_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Speller:
    """Looks values up for one record and remembers those that no table knows."""

    def __init__(self) -> None:
        """Start with nothing unknown."""
        self.unknown: list[tuple[str, str]] = []

    def __call__(
        self, table: Mapping[str, str], value: str | None, *, path: str, label: str | None = None
    ) -> str | None:
        """Give the document's word for a source's value.

        Args:
            table: One of the vocabularies of this module.
            value: What the source says; None or blank gives None.
            path: The source's field, for the count of unknown values.
            label: The source's own wording for people, where it gives one; used for an unknown value.
        """
        text = tidy(value or "")
        if not text:
            return None
        known = table.get(text.lower())
        if known is not None:
            return known
        self.unknown.append((path, text[:MAX_READABLE]))
        return (tidy(label or "") or _CAMEL.sub(" ", text).replace("_", " "))[:MAX_READABLE]
