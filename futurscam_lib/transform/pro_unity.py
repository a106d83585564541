"""Pro Unity: turns a job post into an RFP document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import rfp
from futurscam_lib.transform import places, vocabulary
from futurscam_lib.transform.fields import MOST_ELEMENTS, Fields
from futurscam_lib.transform.text import clean_html, tidy, without_bullet

if TYPE_CHECKING:
    from datetime import datetime

TRANSFORM_VERSION: Final = 2
"""Raise it with every change of the mapping or its vocabulary: then documents are made again when they are read."""

_LONGEST_URL: Final = 2_000
_LONGEST_QUESTION: Final = 2_000


def normalise(payload: Any, *, seen_at: datetime) -> rfp.Rfp:
    """Turn one Pro Unity job post into an RFP document.

    Args:
        payload: The parsed post.
        seen_at: When this run read it; aware, UTC.

    Returns:
        The document. Daily rates are per day, excl. VAT; None if the post gives none.

    Raises:
        Rejected: The id, title or time stamp is missing or wrong; `.path` names the field. Any other unknown value only
            loses its own field and is counted in `oddities`.
    """
    post = Fields.of(payload)
    job_id, instant = job_id_of(post), last_change_of(post, seen_at=seen_at)
    publication, location = post.child("publicationInfo"), post.child("locationInfo")
    roles = list(post.child("roleInfo").children("roles", named="name"))
    content: rfp.RfpContent = {
        "job_id": job_id,
        "reference": reference_of(post),
        "roleTitle": post.required_text("name"),
        "role": next((name for role in roles if (name := role.text("name"))), None),
        "job_desc": clean_html(post.raw_text("description") or ""),
        "job_url": _url(post),
        "seniority": _seniority(roles),
        "remoteOption": location.word("remoteOption", vocabulary.REMOTE_OPTION) or rfp.NO_REMOTE_OPTION,
        "isActive": not publication.flag("isClosed"),
        "RFP_type": None,
        "company": _company(post.child("companyInfo"), location),
        "conditions": _conditions(post),
        "skills": _skills(post),
        "languages": _languages(post),
        "questions": _questions(post),
        "publishedAt": publication.instant("publishDate"),
        "deadlineAt": publication.deadline("applicationDeadline"),
        "serviceProvider": post.text("contractingPartyName") or post.text("managedServiceProviderName"),
        "metadata": [],
    }
    return rfp.Rfp.of(
        content,
        source_id=job_id,
        instant=instant,
        transform_version=TRANSFORM_VERSION,
        oddities=tuple(post.unknown),
    )


def job_id_of(post: Fields) -> str:
    """Return the post's `job_id`.

    Raises:
        Rejected: It is missing or wrong.
    """
    return post.required_identifier("id")


def last_change_of(post: Fields, *, seen_at: datetime | None = None) -> str:
    """Return the instant of the post's version as sortable text.

    Raises:
        Rejected: See `Fields.last_change`.
    """
    return post.last_change("timeStamp", seen_at=seen_at)


def reference_of(post: Fields) -> str:
    """Return the number by which people know the post; empty if it has none."""
    number = post.child("number")
    return number.text("numberFormatted") or number.identifier("sequenceNumber") or ""


def _url(post: Fields) -> str:
    url = post.text("jobUrl", longest=_LONGEST_URL + 1) or ""
    if len(url) > _LONGEST_URL:
        return ""
    if url and not url.lower().startswith(("https://", "http://")):
        post.note("jobUrl", "not a web address")
        return ""
    return url


def _seniority(roles: list[Fields]) -> str:
    words = (role.word("seniority", vocabulary.SENIORITY, label="seniorityLabel") for role in roles)
    return next(filter(None, words), rfp.NOT_SPECIFIED)


def _company(company: Fields, location: Fields) -> rfp.Company:
    place = location.child("mainLocation")
    department = company.text("departmentName")
    country = place.word("country", vocabulary.countries())
    zip_code = places.zip_code(place.text("zipCode"))
    region = place.word("region", vocabulary.REGION)
    return {
        "name": company.text("companyName"),
        "department": department,
        "showDepartment": bool(department and company.flag("showDepartmentNameAsMain")),
        "street": tidy(f"{place.text('street') or ''} {place.text('number') or ''}") or None,
        "zipcode": zip_code,
        "city": places.city(place.text("city"), country=country),
        "region": region or (places.region_of(zip_code) if country == places.BELGIUM else None),
        "country": country,
    }


def _conditions(post: Fields) -> rfp.Conditions:
    budget = post.child("budgetInfo")
    margin = budget.amount("fixedMargin")
    return {
        "dailyRate": _daily_rate(budget),
        "fixedMargin": margin if margin is not None else post.amount("supplierFixedMargin"),
        "fromAt": budget.day("startDate"),
        "toAt": budget.day("endDate"),
        "startImmediately": budget.flag("canStartImmediately"),
        "occupation": budget.word("occupation", vocabulary.OCCUPATION),
    }


def _daily_rate(budget: Fields) -> rfp.DailyRate:
    currency = budget.child("currencyInfo")
    low, high = budget.amount("minDailyRate"), budget.amount("maxDailyRate")
    if low is not None and high is not None and low > high:
        # It is not clear which of the two is wrong.
        budget.note("minDailyRate", "above maxDailyRate")
        low = high = None
    return {"currency": currency.word("symbol", vocabulary.currencies(), kept=False), "min": low, "max": high}


def _skills(post: Fields) -> list[rfp.Skill]:
    skills: list[rfp.Skill] = []
    for skill in post.child("skillInfo").children("skills", named="name"):
        word = skill.word("seniority", vocabulary.SKILL_SENIORITY, label="seniorityLabel")
        last_used = skill.word("lastUsageTime", vocabulary.LAST_USED, label="lastUsageTimeLabel")
        name = without_bullet(skill.text("name") or "")
        if name:
            skills.append({"name": name, "seniority": word or rfp.NOT_SPECIFIED, "lastUsed": last_used})
    return skills


def _languages(post: Fields) -> list[rfp.Language]:
    languages: list[rfp.Language] = []
    for group in post.child("languageInfo").children("languageGroups", named="languages"):
        level = group.word("languageLevel", vocabulary.LANGUAGE_LEVEL, label="languageLevelLabel")
        for name in group.texts("languages"):
            language = group.spell("languages", name, vocabulary.languages())
            if language:
                languages.append({"language": language, "level": level or rfp.NOT_SPECIFIED})
    if len(languages) > MOST_ELEMENTS:
        # Each list inside the list may be that long.
        post.note("languageInfo.languageGroups", f"cut to {MOST_ELEMENTS} languages")
    return languages[:MOST_ELEMENTS]


def _questions(post: Fields) -> list[str]:
    questions = post.child("questionInfo").children("questions", named="question")
    texts = (question.text("question", longest=_LONGEST_QUESTION) for question in questions)
    return [text for text in texts if text]
