"""`futurscam rejects`: what the commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from futurscam_lib.cli import rejects
from futurscam_lib.runner import rejects as kept

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings


@pytest.mark.usefixtures("home")
def test_an_entry_that_a_run_resolved_meanwhile_is_not_shown_as_dismissed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between the check and the write a later version was loaded: the state afterwards is printed."""

    def dismiss(_configured: Settings, _items: list[str], **_facts: object) -> list[dict[str, str]]:
        return [{"_id": "folder#a", "state": "dismissed"}, {"_id": "folder#b", "state": "resolved"}]

    monkeypatch.setattr(kept, "dismiss", dismiss)
    rejects.dismiss(items=["folder#a", "folder#b"], because="A test.")

    shown = capsys.readouterr()
    assert "Dismissed: folder#a" in shown.out + shown.err
    assert "Not dismissed, because it is resolved by now: folder#b" in shown.out + shown.err
