"""Untouched audit logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from tests.audit.made_log import KEY, fill

if TYPE_CHECKING:
    from tests.made_runs import MadeRuns


@pytest.fixture
def log(made: MadeRuns) -> MadeRuns:
    """Five good runs, an hour apart, with the watermark where the last one left it."""
    fill(made)
    return made


@pytest.fixture
def sealed(made: MadeRuns) -> MadeRuns:
    """The same, with a key."""
    made.settings = made.settings.model_copy(update={"ledger_key": SecretStr(KEY)})
    fill(made)
    return made
