"""What a run leaves in its notebook for programs, besides its sums: what was new, what changed, what was rejected."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from futurscam_lib import clock, rfp
from futurscam_lib.report.reports import before_and_after
from futurscam_lib.transform import version_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from futurscam_lib.report.reports import LoadReport, Transformed

_LONG_LIST: Final = 2000
_NEW: Final = ("job_id", "reference", "title", "company")
_CHANGE: Final = ("job_id", "reference", "title", "field", "before", "after")
_REJECT: Final = ("origin", "line", "column", "path", "reason", "job_id")


def of_run(transformed: Transformed, loaded: LoadReport, *, sources: Iterable[str]) -> dict[str, Any]:
    """All of it, as JSON holds it; lists hold the first ones, `total` counts all.

    Returns:
        `new` and `rejects`: objects listed under `listed`; `changes`: `listed` holds one object for each field that an
        update changed, `total` counts documents; `schema`: the type of each field of a document, and the version of
        each source's mapping.
    """
    new = [dict(zip(_NEW, row, strict=False)) for row in loaded.new]
    changes = [
        dict(zip(_CHANGE, (one.job_id, one.reference, one.title, one.field, *before_and_after(one)), strict=True))
        for one in loaded.changes
    ]
    rejects = [dict(zip(_REJECT, row, strict=True)) for row in transformed.rejects]
    return {
        "new": _told(sum(one.inserted for one in loaded.counts.values()), new),
        "changes": _told(sum(one.updated for one in loaded.counts.values()), changes),
        "rejects": _told(sum(transformed.reasons.values()), rejects),
        "schema": {"fields": rfp.schema(), "transform_versions": {name: version_for(name) for name in sources}},
    }


def _told(total: int, listed: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"total": total, "listed": [{name: _plain(value) for name, value in one.items()} for one in listed]}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.to_text(value)
    if value is None or isinstance(value, str | int | float):
        return value
    # Another program may have written anything; what JSON does not know becomes a text.
    encoded = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    if len(encoded) > _LONG_LIST:
        return f"{len(value):,} entries" if isinstance(value, list) else f"{len(encoded):,} bytes"
    return orjson.loads(encoded)
