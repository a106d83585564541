"""Fixtures for the tests of the mapping: a complete post to change, and the instant at which it is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from futurscam_lib.transform import pro_unity

if TYPE_CHECKING:
    from collections.abc import Callable

    from futurscam_lib.rfp import Rfp

GOLDEN = Path(__file__).parent.parent / "golden" / "pro_unity"


@pytest.fixture
def seen_at() -> datetime:
    """When the posts of these tests are read."""
    return datetime(2026, 11, 23, 13, 25, tzinfo=UTC)


@pytest.fixture
def post() -> dict[str, Any]:
    """A complete Pro Unity post; each test can change its own copy."""
    found: dict[str, Any] = json.loads((GOLDEN / "complete" / "raw.json").read_bytes())
    return found


@pytest.fixture
def normalised(post: dict[str, Any], seen_at: datetime) -> Callable[..., Rfp]:
    """Returns the document of the post with some dotted fields changed."""

    def normalise(**changes: Any) -> Rfp:
        for dotted, value in changes.items():
            *way, name = dotted.split("__")
            place = post
            for step in way:
                place = place[step]
            place[name] = value
        return pro_unity.normalise(post, seen_at=seen_at)

    return normalise
