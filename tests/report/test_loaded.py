"""The tables of a run: the customer first, days as days, unknown values of every kind."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.load.entry import Change
from futurscam_lib.load.spool import Spool
from futurscam_lib.report.loaded import LoadReport, NewRow
from futurscam_lib.report.tables import as_text
from futurscam_lib.report.transformed import UNKNOWN_VALUES, DocumentRow, Transformed
from futurscam_lib.rfp import customer
from tests.analysis.documents import document

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
EARLIER = datetime(2025, 12, 31, 23, tzinfo=UTC)
"""How the first version of the mapping kept the first of January."""


@pytest.mark.parametrize(
    ("name", "department", "show_department", "shown"),
    [
        ("SMALS", "SFPD", True, "SMALS (SFPD)"),
        ("SMALS", "SFPD", False, "SMALS"),
        ("SMALS", "SFPD", None, "SMALS"),
        ("SMALS", None, True, "SMALS"),
        ("SMALS", "SMALS", True, "SMALS"),
        (None, "SFPD", False, "SFPD"),
        (None, None, True, None),
    ],
)
def test_the_customer_comes_first(
    name: str | None, department: str | None, *, show_department: bool | None, shown: str | None
) -> None:
    """The department follows it if the platform shows it, and is shown alone if the customer is unknown."""
    assert customer(name, department, show_department=show_department) == shown


def test_a_sample_of_documents() -> None:
    """Role, customer with department, and the first day as a day."""
    made = document("a", company__showDepartment=True)
    columns = Transformed(documents=1, rows=[DocumentRow.of(made)]).sample.to_frame().iloc[0]

    assert columns[["title", "role", "company"]].tolist() == ["Data Engineer", "Data Architect", "Voorbeeld NV (Data)"]
    assert "2027-01-01  2026-12-10 09:00" in repr(Transformed(rows=[DocumentRow.of(made)]).sample)
    assert DocumentRow.of(document("a", conditions__fromAt=None)).starts is None
    assert NewRow.of(made).company == "Voorbeeld NV (Data)"


def reported(changes: list[Change], folder: Path) -> LoadReport:
    """What a load reports that changed these fields."""
    return LoadReport(dry_run=True, run_id="run", counts={}, outcomes=Spool(folder), changes=changes)


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (FIRST, SECOND, ["2026-01-01", "2026-01-02"]),
        (None, FIRST, ["", "2026-01-01"]),
        (EARLIER, SECOND, ["2026-01-01", "2026-01-02"]),
        (EARLIER, FIRST, ["2026-01-01, kept as 2025-12-31 23:00 UTC", "2026-01-01, kept as 2026-01-01 00:00 UTC"]),
        ("soon", 7, ["soon", "7"]),
    ],
)
def test_a_changed_day_shows_days(tmp_path: Path, before: Any, after: Any, shown: list[str]) -> None:
    """Also from and to other values; if the same day is only stored differently, both instants are shown."""
    changes = [Change("a", "JP1", "Data Engineer", f"conditions.{name}", before, after) for name in ("fromAt", "toAt")]

    for row in reported(changes, tmp_path).updated.rows:
        assert [as_text(cell) for cell in row[3:]] == shown


def test_days_inside_of_a_changed_object_are_days(tmp_path: Path) -> None:
    """Another program had taken the whole object out."""
    conditions = document("a")["conditions"]
    change = Change("a", "JP1", "Data Engineer", "conditions", None, conditions)

    shown = repr(reported([change], tmp_path).updated)

    assert "2027-01-01 2027-12-31" in shown
    assert "00:00" not in shown


def test_unknown_values_of_every_kind_are_listed() -> None:
    """The most frequent first, with field and count; without unknown values there is no explanation."""
    kinds = {("seniority", "Guru"): 1, ("budgetInfo.minDailyRate", "text read as a number"): 1200}

    assert list(Transformed(unknown=Counter(kinds)).table().notes) == [
        UNKNOWN_VALUES,
        "budgetInfo.minDailyRate: text read as a number (1,200)",
        "seniority: Guru (1)",
    ]
    assert not Transformed().table().notes
