"""The request of a run: its window, its sources, whether it leaves a gap behind the watermark."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib import clock
from futurscam_lib.records import Replay
from futurscam_lib.runner.request import Request

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

T0 = datetime(2026, 11, 20, 12, 5, 1, 223_456, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("asked", "complete"),
    [
        ({}, True),
        ({"since": T0 - HOUR}, True),
        ({"since": T0}, True),
        ({"since": T0 + HOUR}, False),
        ({"until": T0 + HOUR}, False),
        ({"since": T0 - HOUR, "until": T0 + HOUR}, False),
        ({"sources": ("folder",)}, False),
        ({"sources": ("boond", "folder")}, True),
        ({"dry_run": True}, False),
        ({"replay": Replay(None, "")}, False),
        ({"overlap": timedelta(minutes=9)}, False),
        ({"overlap": timedelta(minutes=10)}, True),
        ({"overlap": timedelta(minutes=30)}, True),
    ],
    ids=str,
)
def test_only_a_request_that_leaves_no_gap_moves_the_watermark(
    home: Settings, asked: dict[str, Any], *, complete: bool
) -> None:
    """It needs an open end, a start at or before the watermark, all sources, the full overlap, and no dry run."""
    configured = home.model_copy(update={"sources": ("folder", "boond")})

    assert Request(**asked).leaves_no_gap(configured, watermark=T0) is complete


@pytest.mark.parametrize("asked", [{}, {"since": T0 + HOUR, "sources": ("boond",)}], ids=str)
def test_the_parameters_follow_the_request(home: Settings, asked: dict[str, Any]) -> None:
    """Values that the request leaves open come from the watermark and the settings."""
    configured = home.model_copy(update={"sources": ("folder", "boond")})

    parameters = Request(**asked).parameters(configured, run_id="r1", watermark=T0)

    assert parameters == {
        "run_id": "r1",
        "watermark": clock.to_text(asked.get("since", T0)),
        "until": "",
        "sources": ",".join(asked.get("sources", ("folder", "boond"))),
        "dry_run": False,
        "overlap_minutes": 10.0,
    }
