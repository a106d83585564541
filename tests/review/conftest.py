"""Review pages of made runs, without a kernel: evaluates the cells of the committed notebook here."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import futurscam_lib
from futurscam_lib import clock
from futurscam_lib.report.scraps import MEDIA_TYPE
from futurscam_lib.review import review, review_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.made_runs import MadeRuns

NOTEBOOK = Path(futurscam_lib.__file__).parent.parent / "notebooks" / "review.ipynb"


@pytest.fixture
def written(made: MadeRuns) -> Callable[..., Path]:
    """Writes `runs/review.html` of the made runs as of an instant, and returns its path."""

    def write(now: datetime, *, days: float = 7.0) -> Path:
        notebook = json.loads(NOTEBOOK.read_bytes())
        names: dict[str, Any] = {"review": review, "days": days, "until": clock.to_text(now), "pages": True}
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code" and cell["id"] not in {"parameters", "glue"}:
                lines = [line for line in "".join(cell["source"]).splitlines() if not line.startswith("from ")]
                exec("\n".join(lines[:-1]), names)  # noqa: S102 - the notebook is the project's own
                cell["outputs"] = [_shown(eval(lines[-1], names))]  # noqa: S307
            elif cell["id"] == "glue":
                scrap = {"name": "review", "data": names["found"].as_dict(), "encoder": "json", "version": 1}
                cell["outputs"] = [{"output_type": "display_data", "data": {MEDIA_TYPE: scrap}, "metadata": {}}]
        return review_page.write(made.settings, notebook, now=now)

    return write


def _shown(value: Any) -> dict[str, Any]:
    data = {"text/plain": repr(value)}
    if hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_()
    elif png := value._repr_png_():
        data["image/png"] = base64.b64encode(png).decode()
    return {"output_type": "execute_result", "data": data, "metadata": {}}
