"""Made-up RFP documents as a run writes them to MongoDB."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
SEEN = datetime(2026, 11, 20, 8, tzinfo=UTC)

_PLAIN: dict[str, Any] = {
    "reference": "JP000001",
    "roleTitle": "Data Engineer",
    "role": "Data Architect",
    "job_desc": "<p>Pipelines</p>",
    "job_url": "https://platform.example.com/1",
    "seniority": "Senior",
    "remoteOption": "Hybrid",
    "isActive": True,
    "RFP_type": None,
    "company": {
        "name": "Voorbeeld NV",
        "department": "Data",
        "showDepartment": False,
        "street": "Kerkstraat 1",
        "zipcode": "9000",
        "city": "Gent",
        "region": "East Flanders",
        "country": "Belgium",
    },
    "conditions": {
        "dailyRate": {"currency": "EUR", "min": 600.0, "max": 750.5},
        "fixedMargin": 5.0,
        "fromAt": datetime(2027, 1, 1, tzinfo=UTC),
        "toAt": datetime(2027, 12, 31, tzinfo=UTC),
        "startImmediately": False,
        "occupation": "FullTime",
    },
    "skills": [
        {"name": "SQL", "seniority": "Expert", "lastUsed": "LessThanOneYearAgo"},
        {"name": "Python", "seniority": "NS", "lastUsed": None},
    ],
    "languages": [{"language": "Dutch", "level": "FullProfessional"}],
    "questions": ["Can you start in January?", "Do you have a clearance?"],
    "publishedAt": datetime(2026, 11, 10, 9, tzinfo=UTC),
    "deadlineAt": datetime(2026, 12, 10, 9, tzinfo=UTC),
    "serviceProvider": "Intermediary SA",
    "metadata": [],
    "_etl": {
        "source": "folder",
        "source_id": "1",
        "version": "2026-11-10T09:00:00.0000000Z#00",
        "content_hash": "00",
        "transform_version": 2,
        "raw_id": "ab",
        "first_run_id": "20261120T080000Z-aaaaaa",
        "run_id": "20261120T080000Z-aaaaaa",
        "first_seen_at": SEEN,
        "changed_at": SEEN,
    },
}


def document(job_id: str, **fields: Any) -> dict[str, Any]:
    """A whole document; a field with dots in its name is passed as `company__city`, one of `_etl` as `__run_id`."""
    return _with({"job_id": job_id, **copy.deepcopy(_PLAIN)}, fields)


def _with(made: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    for name, value in fields.items():
        *path, last = name.split("__")
        inner = made
        for part in path:
            inner = inner[part or "_etl"]
        inner[last] = value
    return made


def earlier_document(job_id: str, **fields: Any) -> dict[str, Any]:
    """A document as the first version of the mapping made it; `fields` as in `document`.

    It lacks the fields that came later, and keeps a day as midnight in Brussels: 1 January 2027 and 31 December 2027.
    """
    made = document(job_id)
    for inside, names in ((made, ("role", "questions")), (made["company"], ("showDepartment",))):
        for name in names:
            del inside[name]
    for skill in made["skills"]:
        del skill["lastUsed"]
    made["conditions"]["fromAt"] = datetime(2026, 12, 31, 23, tzinfo=UTC)
    made["conditions"]["toAt"] = datetime(2027, 12, 30, 23, tzinfo=UTC)
    made["_etl"]["transform_version"] = 1
    return _with(made, fields)
