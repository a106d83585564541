"""Documents that were made again from a payload which an earlier run had loaded: by a replay, or a newer mapping.

What became of the payload the first time is written over then. `_etl`, the ledger and the notebook of the later run
still show that it was loaded before, and what changed.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib import clock
from futurscam_lib.audit import executed
from futurscam_lib.audit.runs_folder import check_notebook
from futurscam_lib.load.entry import Change
from futurscam_lib.rfp import VersionKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from futurscam_lib.audit.lineage.find import Found
    from futurscam_lib.audit.lineage.story import Standing
    from futurscam_lib.audit.lineage.versions import Version

LOADED: Final = "loaded"
_KEPT_AS: Final = re.compile(r".*, kept as (\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC", re.ASCII)
_NOTEBOOK_NEEDED: Final = "verifies"


def split(
    payloads: Sequence[Version], found: Found, *, completed: Collection[str], runs: Sequence[Standing], folder: Path
) -> list[Version]:
    """Put two versions in place of one that was made again: how it was loaded at first, and how it was made again.

    Args:
        payloads: Those of one mission, marked, in order of version.
        found: What MongoDB holds of it.
        completed: Runs that ended well, so that they dealt with all that they landed.
        runs: What is known of the runs.
        folder: Of the executed notebooks.

    Returns:
        All versions. What an earlier mapping made of a field is put into the older ones as far as a notebook shows it.
    """
    standing = {run.run_id: run for run in runs}
    rejected = {entry["raw_id"] for entry in found.rejects}
    parts: list[Version] = []
    for one in payloads:
        is_first = not any(other.stood for other in parts)
        inserted = is_first and found.etl.get("first_run_id") == one.landed.run_id
        loaded_before = inserted or one.landed.run_id in completed
        if not _is_later(one) or not loaded_before or one.landed.raw_id in rejected:
            parts.append(one)
            continue
        listed = _listed(standing.get(one.run_id), folder, found.job_id)
        first = replace(
            one,
            run_id=one.landed.run_id,
            result="inserted" if inserted else LOADED,
            # Which mapping made it then is not kept; 0 sorts it before what was made later of the same payload.
            key=VersionKey(one.key.instant, 0, one.key.content_hash),
            at=one.landed.at,
            at_first=True,
        )
        parts = [_as_before(other, one, listed) for other in (*parts, first)]
        parts.append(replace(one, again=True, moved=False, listed=bool(listed)))
    return parts


def _is_later(one: Version) -> bool:
    """Whether a later run than the one that landed it wrote the document."""
    return one.result == "updated" and one.stood and one.landed.run_id not in {"", one.run_id}


def _listed(run: Standing | None, folder: Path, job_id: str) -> list[Mapping[str, Any]]:
    """The changed fields of the mission in the notebook of a run; none where it is not the notebook that it left."""
    if run is None or run.notebook_state != _NOTEBOOK_NEEDED:
        return []
    seen = check_notebook(folder, run.notebook, "", pruned=False)
    match executed.scraps_in(seen.data or b"").get("changes"):
        case {"listed": [*listed]}:
            return list(_changes_of(listed, job_id))
    return []


def _changes_of(listed: Sequence[Any], job_id: str) -> Iterator[Mapping[str, Any]]:
    for one in listed:
        match one:
            case {"job_id": str(job), "field": str(), "before": before, "after": after} if job == job_id:
                if Change(job, "", "", one["field"], before, after).is_visible:
                    yield one


def _as_before(version: Version, one: Version, listed: Sequence[Mapping[str, Any]]) -> Version:
    """A version with the fields as they were before `one` was made again, where both have the same value today."""
    if not version.made or not one.made:
        return version
    content = deepcopy(version.made)
    for change in listed:
        *path, last = change["field"].split(".")
        here, today = _inside(content, path), _inside(one.made, path)
        if last in here and last in today and here[last] == today[last] and _fits(change["after"], today[last]):
            here[last] = _value(change["before"], like=today[last])
    return replace(version, made=content)


def _inside(content: Any, path: Sequence[str]) -> dict[str, Any]:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def _fits(after: Any, today: Any) -> bool:
    """Whether a mission that had ended keeps an `isActive` that is not what the mapping makes."""
    return not isinstance(today, bool) or after == today


def _value(shown: Any, *, like: Any) -> Any:
    """A value as the notebook shows it; an instant again where it is text of one."""
    if not isinstance(like, datetime) or not isinstance(shown, str):
        return shown
    kept = _KEPT_AS.fullmatch(shown)
    try:
        return clock.parse(f"{kept[1]}T{kept[2]}:00Z" if kept else shown)
    except ValueError:
        return shown
