"""What a Pro Unity post says, by what is known of the platform, and by no code of the mapping.

The mapping is compared with this, field by field. It reads whole posts only: nothing here is lenient.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import bs4

SENIORITY = {"Smals_Beginner": "Junior", "Smals_Confirmed": "Medior", "Smals_Expert": "Expert"}
SKILL_SENIORITY = {
    "Smals_Beginner": "Beginner",
    "Smals_Confirmed": "Intermediate",
    "Smals_Expert": "Expert",
    "Smals_NiceToHave": "NiceToHave",
}
LEVEL = {"Smals_Native": "NativeOrBilingual", "Smals_Active": "ProfessionalWorking", "Smals_Passive": "LimitedWorking"}
REMOTE = {"None": "OnSite", "Partial": "Hybrid", "Full": "Remote"}
REGION = {
    "brussels": "Brussels",
    "vlaams_brabant": "Flemish Brabant",
    "oost_vlaanderen": "East Flanders",
    "antwerpen": "Antwerp",
    "namur": "Namur",
    "liege": "Liège",
}
CITY = {"Bruxelles": "Brussels", "Brussel": "Brussels", "Antwerpen": "Antwerp", "Gent": "Ghent"}


def content_of(post: dict[str, Any]) -> dict[str, Any]:
    """The document of a post, with the visible words of its description in place of `job_desc`."""
    role, publication, company = post["roleInfo"]["roles"][0], post["publicationInfo"], post["companyInfo"]
    return {
        "job_id": post["id"],
        "reference": post["number"]["numberFormatted"],
        "roleTitle": line(post["name"]),
        "role": line(role["name"]),
        "job_desc": words_of(post["description"]),
        "job_url": post["jobUrl"],
        "seniority": SENIORITY.get(role["seniority"], role["seniority"]),
        "remoteOption": REMOTE[post["locationInfo"]["remoteOption"]],
        "isActive": publication["isClosed"] is False,
        "RFP_type": None,
        "company": {
            "name": line(company["companyName"]),
            "department": line(company["departmentName"]),
            "showDepartment": company["showDepartmentNameAsMain"] and company["departmentName"] is not None,
            **place_of(post["locationInfo"]["mainLocation"]),
        },
        "conditions": conditions_of(post["budgetInfo"]),
        "skills": [skill_of(skill) for skill in post["skillInfo"]["skills"]],
        "languages": [
            {"language": name, "level": LEVEL.get(group["languageLevel"], group["languageLevel"])}
            for group in post["languageInfo"]["languageGroups"]
            for name in group["languages"]
        ],
        "questions": [line(question["question"]) for question in post["questionInfo"]["questions"]],
        "publishedAt": instant(publication["publishDate"]),
        "deadlineAt": end_of_day(publication["applicationDeadline"]),
        "serviceProvider": post["contractingPartyName"],
        "metadata": [],
    }


def place_of(place: dict[str, Any]) -> dict[str, Any]:
    """Where the work is, by the one spelling of its city."""
    assert place["country"] in {"Belgium", "België"}
    street = " ".join(part for part in (place["street"], place["number"]) if part)
    return {
        "street": line(street) or None,
        "zipcode": place["zipCode"],
        "city": CITY.get(place["city"], place["city"]),
        "region": REGION[place["region"]] if place["region"] else region_of(int(place["zipCode"])),
        "country": "Belgium",
    }


def region_of(zip_code: int) -> str:
    """The region of a Belgian zip code."""
    thousands, hundreds = divmod(zip_code, 1000)
    if thousands in {1, 3, 6}:
        return {
            1: "Brussels" if hundreds < 300 else "Walloon Brabant" if hundreds < 500 else "Flemish Brabant",
            3: "Flemish Brabant" if hundreds < 500 else "Limburg",
            6: "Hainaut" if hundreds < 600 else "Luxembourg",
        }[thousands]
    return {
        2: "Antwerp",
        4: "Liège",
        5: "Namur",
        7: "Hainaut",
        8: "West Flanders",
        9: "East Flanders",
    }[thousands]


def conditions_of(budget: dict[str, Any]) -> dict[str, Any]:
    """Money and time."""
    assert budget["currencyInfo"]["symbol"] == "€"
    return {
        "dailyRate": {"currency": "EUR", "min": budget["minDailyRate"], "max": budget["maxDailyRate"]},
        "fixedMargin": budget["fixedMargin"],
        "fromAt": day(budget["startDate"]),
        "toAt": day(budget["endDate"]),
        "startImmediately": budget["canStartImmediately"],
        "occupation": budget["occupation"],
    }


def skill_of(skill: dict[str, Any]) -> dict[str, Any]:
    """One skill, without the bullet that some names were copied with."""
    return {
        "name": line(re.sub("^•\t", "", skill["name"])),
        "seniority": SKILL_SENIORITY.get(skill["seniority"], skill["seniority"]),
        "lastUsed": skill["lastUsageTime"],
    }


def line(text: str | None) -> str | None:
    """A text in one line."""
    return None if text is None else " ".join(text.split())


def words_of(html: str) -> list[str]:
    """The text that a reader of the HTML sees."""
    return bs4.BeautifulSoup(html, "html.parser").get_text(" ").split()


def instant(text: str) -> datetime:
    """An instant of the platform: UTC, with or without `Z`; MongoDB keeps its milliseconds."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    milliseconds = int(f"{fraction:0<3}"[:3])
    return datetime.fromisoformat(seconds).replace(tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def day(text: str) -> datetime:
    """A calendar day, as written."""
    assert text[10:] == "T00:00:00"
    return datetime(int(text[:4]), int(text[5:7]), int(text[8:10]), tzinfo=UTC)


def end_of_day(text: str) -> datetime:
    """A deadline at the end of a day, which ends when the day ends in Brussels."""
    assert text[10:].removesuffix("Z") == "T23:59:59.997"
    brussels = datetime.fromisoformat(f"{text[:10]}T23:59:59.999").replace(tzinfo=ZoneInfo("Europe/Brussels"))
    return max(instant(text), brussels.astimezone(UTC))
