"""Pro Unity job post -> RFP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import rfp
from futurscam_lib.transform import vocabulary
from futurscam_lib.transform.fields import Fields
from futurscam_lib.transform.text import clean_html, tidy
from futurscam_lib.transform.vocabulary import Speller

if TYPE_CHECKING:
    from datetime import datetime

TRANSFORM_VERSION: Final = 2
"""Raise it with every change of the mapping or its vocabulary: documents are then made again from what is read."""


def normalise(payload: Any, *, seen_at: datetime) -> rfp.Rfp:
    """Turn one Pro Unity job post into an RFP document.

    Args:
        payload: The parsed post.
        seen_at: When this run read it; aware, UTC.

    Returns:
        The document. Daily rates are per day, excl. VAT, None where the post gives none.

    Raises:
        Rejected: The post has no id, title or time stamp, or a field has a type it cannot have; `.path` names it.
    """
    post = Fields.of(payload)
    job_id, instant = job_id_of(post), last_change_of(post, seen_at=seen_at)
    speller = Speller()
    publication = post.child("publicationInfo")
    content: rfp.RfpContent = {
        "job_id": job_id,
        "reference": _reference(post),
        "roleTitle": post.required_text("name"),
        "role": _role(post),
        "job_desc": clean_html(post.raw_text("description") or ""),
        "job_url": _url(post, speller),
        "seniority": _seniority(post, speller),
        "remoteOption": _remote_option(post, speller),
        "isActive": not publication.flag("isClosed"),
        "RFP_type": None,
        "company": _company(post, speller),
        "conditions": _conditions(post, speller),
        "skills": _skills(post, speller),
        "languages": _languages(post, speller),
        "questions": _questions(post),
        "publishedAt": publication.instant("publishDate"),
        "deadlineAt": publication.instant("applicationDeadline"),
        "serviceProvider": post.text("contractingPartyName") or post.text("managedServiceProviderName"),
        "metadata": [],
    }
    return rfp.Rfp.of(
        content,
        source_id=job_id,
        instant=instant,
        transform_version=TRANSFORM_VERSION,
        oddities=tuple(speller.unknown),
    )


def job_id_of(post: Fields) -> str:
    """The post's `job_id`.

    Raises:
        Rejected: It is missing or wrong.
    """
    return post.required_text("id")


def last_change_of(post: Fields, *, seen_at: datetime) -> str:
    """The instant of the post's version, as sortable text.

    Raises:
        Rejected: It is missing or wrong, or lies in the future, from where it would shut out every true version.
    """
    return post.last_change("timeStamp", seen_at=seen_at)


def _reference(post: Fields) -> str:
    number = post.child("number")
    sequence = number.number("sequenceNumber")
    return number.text("numberFormatted") or (f"{sequence:.0f}" if sequence is not None else "")


def _url(post: Fields, speller: Speller) -> str:
    url = post.text("jobUrl") or ""
    if url and not url.lower().startswith(("https://", "http://")):
        speller.unknown.append(("jobUrl", url[: vocabulary.MAX_READABLE]))
        return ""
    return url


def _role(post: Fields) -> str | None:
    names = (role.text("name") for role in post.child("roleInfo").children("roles"))
    return next((name for name in names if name), None)


def _seniority(post: Fields, speller: Speller) -> str:
    for role in post.child("roleInfo").children("roles"):
        word = speller(
            vocabulary.SENIORITY,
            role.text("seniority"),
            path="roleInfo.roles.seniority",
            label=role.text("seniorityLabel"),
        )
        if word:
            return word
    return vocabulary.NOT_SPECIFIED


def _remote_option(post: Fields, speller: Speller) -> str:
    location = post.child("locationInfo")
    word = speller(vocabulary.REMOTE_OPTION, location.text("remoteOption"), path="locationInfo.remoteOption")
    return word or vocabulary.NO_REMOTE_OPTION


def _company(post: Fields, speller: Speller) -> rfp.Company:
    company, location = post.child("companyInfo"), post.child("locationInfo")
    place = location.child("mainLocation")
    department = company.text("departmentName")
    return {
        "name": company.text("companyName"),
        "department": department,
        "showDepartment": bool(department and company.flag("showDepartmentNameAsMain")),
        "street": tidy(f"{place.text('street') or ''} {place.text('number') or ''}") or None,
        "zipcode": place.text("zipCode"),
        "city": place.text("city"),
        "region": speller(vocabulary.REGION, place.text("region"), path="locationInfo.mainLocation.region"),
        "country": speller(vocabulary.COUNTRY, place.text("country"), path="locationInfo.mainLocation.country"),
    }


def _conditions(post: Fields, speller: Speller) -> rfp.Conditions:
    budget = post.child("budgetInfo")
    symbol = budget.child("currencyInfo").text("symbol")
    margin = budget.number("fixedMargin")
    return {
        "dailyRate": {
            "currency": speller(vocabulary.CURRENCY, symbol, path="budgetInfo.currencyInfo.symbol"),
            "min": budget.number("minDailyRate"),
            "max": budget.number("maxDailyRate"),
        },
        "fixedMargin": margin if margin is not None else post.number("supplierFixedMargin"),
        "fromAt": budget.instant("startDate"),
        "toAt": budget.instant("endDate"),
        "startImmediately": budget.flag("canStartImmediately"),
        "occupation": speller(vocabulary.OCCUPATION, budget.text("occupation"), path="budgetInfo.occupation"),
    }


def _skills(post: Fields, speller: Speller) -> list[rfp.Skill]:
    skills: list[rfp.Skill] = []
    for skill in post.child("skillInfo").children("skills"):
        word = speller(
            vocabulary.SKILL_SENIORITY,
            skill.text("seniority"),
            path="skillInfo.skills.seniority",
            label=skill.text("seniorityLabel"),
        )
        last_used = speller(
            vocabulary.LAST_USED,
            skill.text("lastUsageTime"),
            path="skillInfo.skills.lastUsageTime",
            label=skill.text("lastUsageTimeLabel"),
        )
        name = skill.text("name")
        if name:
            skills.append({"name": name, "seniority": word or vocabulary.NOT_SPECIFIED, "lastUsed": last_used})
    return skills


def _languages(post: Fields, speller: Speller) -> list[rfp.Language]:
    languages: list[rfp.Language] = []
    for group in post.child("languageInfo").children("languageGroups"):
        level = speller(
            vocabulary.LANGUAGE_LEVEL,
            group.text("languageLevel"),
            path="languageInfo.languageGroups.languageLevel",
            label=group.text("languageLevelLabel"),
        )
        for name in group.texts("languages"):
            language = speller(vocabulary.LANGUAGE, name, path="languageInfo.languageGroups.languages")
            if language:
                languages.append({"language": language, "level": level or vocabulary.NOT_SPECIFIED})
    return languages


def _questions(post: Fields) -> list[str]:
    asked = (question.text("question") for question in post.child("questionInfo").children("questions"))
    return [question for question in asked if question]
