"""The data that a run stores in its notebook for programs."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from futurscam_lib.cli import demo
from futurscam_lib.pipeline.opening import open_run
from futurscam_lib.rfp import schema
from futurscam_lib.transform import version_for

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

POST = "jobpost_JobPostModelToSupplierV1_60001.json"


def run(home: Settings) -> dict[str, Any]:
    """One run by hand, without a kernel; gives its details as JSON reads them again."""
    assert home
    one = open_run(watermark="2020-01-01", dry_run=False)
    one.extract()
    one.transform()
    one.load()
    found: dict[str, Any] = json.loads(json.dumps(one.details(), allow_nan=False))
    return found


def test_what_was_new_changed_and_rejected(home: Settings) -> None:
    """Each item has stable field names, with dates and long texts in a form for JSON."""
    home.inbox.mkdir()
    shutil.copyfile(demo.INBOX / POST, home.inbox / POST)
    (home.inbox / "broken.json").write_text("{")
    first = run(home)
    post = json.loads((demo.INBOX / POST).read_bytes())
    post["timeStamp"] = "2026-11-10T08:00:00Z"
    post["publicationInfo"]["applicationDeadline"] = "2030-01-31T10:00:00Z"
    post["description"] = "<p>Something else</p>"
    (home.inbox / "newer.json").write_text(json.dumps(post))
    second = run(home)

    job = post["id"]
    assert first["new"]["total"] == 1
    assert first["new"]["listed"][0]["job_id"] == job
    assert set(first["new"]["listed"][0]) == {"job_id", "reference", "title", "company"}
    assert first["changes"] == {"total": 0, "listed": []}
    assert first["rejects"]["total"] == 1
    assert first["rejects"]["listed"][0]["origin"] == "broken.json"
    assert set(first["rejects"]["listed"][0]) == {"origin", "line", "column", "path", "reason", "job_id"}
    assert second["changes"]["total"] == 1
    changes = {change["field"]: change for change in second["changes"]["listed"]}
    assert changes["deadlineAt"]["after"] == "2030-01-31T10:00:00.000000+00:00"
    assert changes["deadlineAt"]["job_id"] == job
    assert changes["job_desc"]["before"].endswith("characters")
    assert second["new"] == {"total": 0, "listed": []}


def test_the_schema_names_every_field(home: Settings) -> None:
    """Nested fields by path, with their types."""
    assert schema()["company.city"] == "text or null"
    assert schema()["skills[].name"] == "text"
    assert schema()["questions[]"] == "text"
    assert schema()["conditions.dailyRate.min"] == "number or null"
    assert schema()["isActive"] == "true or false"
    assert run(home)["schema"] == {"fields": schema(), "transform_versions": {"folder": version_for("folder")}}
