"""Any number of invented Pro Unity job posts of 9 to 11 kB, the same each time."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any, Final

import orjson

from futurscam_lib import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALLEST: Final = 9_000
LARGEST: Final = 11_000
_DEMO: Final = settings.PROJECT / "futurscam_lib" / "cli" / "demo_inbox"
_SKILLS: Final = ("SQL", "Python", "Java", "Kafka", "Azure", "Scrum", "BPMN", "Terraform", "React", "SAP", "Oracle")
_TITLES: Final = ("Data Engineer", "Business Analist", "Architecte Cloud", "Test Manager", "Développeur Full Stack")


def generate(count: int, *, seed: int = 1) -> Iterator[bytes]:
    """Posts as JSON, shaped like the demo's; each with an id of its own."""
    chance = random.Random(seed)
    templates = [orjson.loads(path.read_bytes()) for path in sorted(_DEMO.glob("jobpost_*_6000[1-9].json"))]
    # The demo's paragraphs in a new order: real markup, accents and entities, and no two texts alike.
    paragraphs = [line for template in templates for line in template["description"].split("\n")]
    for number in range(count):
        yield orjson.dumps(_vary(templates[number % len(templates)], paragraphs, number, chance))


def write_lines(folder: Path, count: int, *, seed: int = 1, per_file: int = 50_000) -> int:
    """Write JSON Lines files; gives their size in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    posts = generate(count, seed=seed)
    size = 0
    for first in range(0, count, per_file):
        with (folder / f"posts-{first:08}.jsonl").open("wb") as file:
            for _, post in zip(range(per_file), posts, strict=False):
                size += file.write(post + b"\n")
    return size


def write_files(folder: Path, count: int, *, seed: int = 1) -> None:
    """Write each post as a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, post in enumerate(generate(count, seed=seed)):
        (folder / f"jobpost_{number:08}.json").write_bytes(post)


def _vary(template: dict[str, Any], paragraphs: list[str], number: int, chance: random.Random) -> dict[str, Any]:
    identity = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    minimum = float(chance.randrange(400, 900, 10))
    post = {
        **template,
        "id": identity,
        "name": f"{chance.choice(_TITLES)} {number}",
        "jobUrl": f"https://platform.example.com/Login/JobPosts/{identity}",
        "timeStamp": f"2025-{_day(chance)}T09:20:03.{number % 10**7:07}Z",
        "number": {"numberFormatted": f"JP{number:08}", "sequenceNumber": number},
        "publicationInfo": {
            "applicationDeadline": f"2099-{_day(chance)}T23:59:59.997",
            "publishDate": f"2025-{_day(chance)}T09:14:{chance.randrange(60):02}.{chance.randrange(1000):03}",
            "isClosed": False,
        },
        "budgetInfo": {
            **template["budgetInfo"],
            "startDate": f"2027-{_day(chance)}T00:00:00",
            "endDate": f"2028-{_day(chance)}T00:00:00",
            "minDailyRate": minimum,
            "maxDailyRate": minimum + 150,
        },
        "skillInfo": {
            "skills": [
                {**skill, "name": chance.choice(_SKILLS)} for skill in (template["skillInfo"] or {}).get("skills", ())
            ]
        },
        "description": "",
    }
    room = chance.randrange(SMALLEST, LARGEST) - len(orjson.dumps(post))
    texts: list[str] = []
    while room > 0:
        texts.append(chance.choice(paragraphs))
        room -= len(texts[-1]) + 4
    return {**post, "description": "\n".join(texts)}


def _day(chance: random.Random) -> str:
    return f"{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
