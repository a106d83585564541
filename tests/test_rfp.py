"""The RFP document: what a mapping may leave out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, cast

from pydantic import TypeAdapter

from futurscam_lib import rfp
from futurscam_lib.records import RawRecord
from futurscam_lib.rfp import OptionalText, Rfp, RfpContent
from futurscam_lib.transform import boond, transform

if TYPE_CHECKING:
    import pytest

GOLDEN = Path(__file__).parent / "golden"
SEEN_AT = datetime(2026, 12, 23, tzinfo=UTC)


class Extended(RfpContent):
    """The document of a next version."""

    budget: NotRequired[OptionalText]


def read(source: str, mapping: str) -> Rfp:
    """The document of a complete payload."""
    payload = (GOLDEN / mapping / "complete" / "raw.json").read_bytes()
    made = transform(RawRecord.of(payload, source=source, origin="a", instant=SEEN_AT), seen_at=SEEN_AT)
    assert isinstance(made, Rfp), made
    return made


def test_a_mapping_need_only_give_id_and_title() -> None:
    """All other fields have a default, so that none of them rejects the documents of another mapping."""
    content = cast("RfpContent", {"job_id": "1", "roleTitle": "Data engineer", "skills": [{"name": "SQL"}]})

    made = Rfp.of(content, source_id="1", instant="2026-01-01", transform_version=1).content

    assert list(made) == list(RfpContent.__annotations__)
    assert list(made["company"]) == list(rfp.Company.__annotations__)
    assert list(made["conditions"]["dailyRate"]) == list(rfp.DailyRate.__annotations__)
    assert (made["seniority"], made["isActive"], made["languages"]) == ("NS", True, [])
    assert made["skills"] == [{"name": "SQL", "seniority": "NS", "lastUsed": None}]


def test_a_field_of_one_mapping_rejects_nothing_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A post keeps its version, and so its document; the opportunity has the new field."""
    before, of = read("folder", "pro_unity"), Rfp.of

    def with_budget(content: Any, **more: Any) -> Rfp:
        return of({**content, "budget": "1 EUR"} if content["job_id"].startswith("boond-") else content, **more)

    monkeypatch.setattr(rfp, "_CHECK", TypeAdapter(Extended))
    monkeypatch.setattr(Rfp, "of", with_budget)
    monkeypatch.setattr(boond, "TRANSFORM_VERSION", boond.TRANSFORM_VERSION + 1)
    post, opportunity = read("folder", "pro_unity"), read("boond", "boond")

    assert cast("Any", opportunity.content)["budget"] == "1 EUR"
    assert post.key == before.key
    assert json.dumps(post.content, default=str) == json.dumps({**before.content, "budget": None}, default=str)
