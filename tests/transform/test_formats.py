"""Tests for the format of every source: golden files, versions, and that no payload crashes the run."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from futurscam_lib.records import RawRecord, Reject
from futurscam_lib.rfp import Rfp
from futurscam_lib.settings.sources import SourceSettings
from futurscam_lib.transform import boond, pro_unity, transform, version_for

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent.parent / "golden"
SOURCES = {"pro_unity": "folder", "boond": "boond"}
"""Each format (a folder of golden files) and a source that uses it."""
CASES = sorted((path.parent.parent.name, path.parent.name) for path in GOLDEN.glob("*/*/raw.json"))
SEEN_AT = datetime(2026, 12, 23, tzinfo=UTC)
SETTINGS = SourceSettings.model_construct(
    boond_url="https://boond.example.com/api",
    boond_open_states=frozenset({0, 5}),
    boond_origins={4: "Appel d'offre", 9: "Pro-Unity", 10: "ConnectingExpertise"},
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab$.", max_size=3), inner, max_size=3),
    max_leaves=5,
)


def read(name: str, payload: bytes) -> Rfp | Reject:
    """The result for a payload of a format."""
    raw = RawRecord.of(payload, source=SOURCES[name], origin="a.json", instant=SEEN_AT, line=1, column=1)
    return transform(raw, seen_at=SEEN_AT, settings=SETTINGS)


def made_of(name: str, case: str) -> dict[str, Any]:
    """What the mapping makes of a golden payload, as JSON holds it."""
    made = read(name, (GOLDEN / name / case / "raw.json").read_bytes())
    assert isinstance(made, Rfp), made
    told = {"version": made.key.text, "oddities": made.oddities, "content": made.content}
    found: dict[str, Any] = orjson.loads(orjson.dumps(told))
    return found


def digest(document: dict[str, Any]) -> str:
    """A hash of a golden document, independent of its line ends."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def write(path: Path, value: Any) -> None:
    """Write JSON as a person reads it."""
    path.write_bytes(f"{json.dumps(value, indent=2, ensure_ascii=False)}\n".encode())


@pytest.mark.parametrize(("name", "case"), CASES)
def test_each_golden_payload_gives_its_golden_document(name: str, case: str, pytestconfig: pytest.Config) -> None:
    """Each golden payload gives its golden document, to the last field, with its version and its oddities."""
    expected = GOLDEN / name / case / "rfp.json"
    made = made_of(name, case)
    if pytestconfig.getoption("--golden-update"):
        write(expected, made)

    assert made == json.loads(expected.read_bytes())


@pytest.mark.parametrize("name", SOURCES)
def test_a_document_that_changes_takes_a_new_transform_version(name: str, pytestconfig: pytest.Config) -> None:
    """Golden documents may be rewritten only with a raised TRANSFORM_VERSION: else old documents would stay as is."""
    update = pytestconfig.getoption("--golden-update")
    version_file = GOLDEN / name / "version.json"
    cases = [case for format_name, case in CASES if format_name == name]
    # With the flag the files of the other tests may not be written yet.
    documents = {
        case: made_of(name, case) if update else json.loads((GOLDEN / name / case / "rfp.json").read_bytes())
        for case in cases
    }
    today: dict[str, Any] = {
        "transform_version": version_for(SOURCES[name]),
        "digests": {case: digest(document) for case, document in documents.items()},
    }
    if update:
        before = json.loads(version_file.read_bytes()) if version_file.exists() else today
        changed = [case for case, known in before["digests"].items() if today["digests"].get(case) != known]
        raised = today["transform_version"] > before["transform_version"]
        assert not changed or raised or update == "same-version", (
            f"The documents of {', '.join(changed)} changed: raise TRANSFORM_VERSION, or databases keep the old ones."
        )
        write(version_file, today)

    assert today == json.loads(version_file.read_bytes()), (
        "The golden documents are not those of this TRANSFORM_VERSION: raise it, then run pytest --golden-update."
    )


def test_every_golden_folder_belongs_to_a_format() -> None:
    """A folder without a source would not be tested."""
    assert {name for name, _ in CASES} == set(SOURCES)


@pytest.mark.parametrize(
    ("source", "version"),
    [
        ("folder", pro_unity.TRANSFORM_VERSION),
        ("graph_mail", pro_unity.TRANSFORM_VERSION),
        ("imap_mail", pro_unity.TRANSFORM_VERSION),
        ("boond", boond.TRANSFORM_VERSION),
    ],
)
def test_the_version_of_a_sources_documents_is_that_of_its_mapping(
    source: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents hold the version of their mapping, by which they are made again."""
    name = "boond" if source == "boond" else "pro_unity"
    monkeypatch.setitem(SOURCES, name, source)

    made = read(name, (GOLDEN / name / "complete" / "raw.json").read_bytes())

    assert isinstance(made, Rfp)
    assert version_for(source) == made.key.transform_version == version


@pytest.mark.parametrize("source", ["graph_mail", "imap_mail"])
def test_a_mailed_post_becomes_the_same_document_as_one_of_the_folder(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A post that arrives in both ways is one job, and the second counts as unchanged."""
    from_folder = made_of("pro_unity", "complete")
    monkeypatch.setitem(SOURCES, "pro_unity", source)

    assert made_of("pro_unity", "complete") == from_folder


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value inside a parsed payload."""
    if way:
        yield way
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*way, key))


WHOLE = {name: json.loads((GOLDEN / name / "complete" / "raw.json").read_bytes()) for name in SOURCES}
CHANGES = {
    name: st.lists(st.tuples(st.sampled_from(sorted(places(whole), key=repr)), JSON), min_size=1, max_size=3)
    for name, whole in WHOLE.items()
}


@pytest.mark.parametrize("name", SOURCES)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_payload_with_any_value_in_any_place_becomes_a_document_or_a_reject(name: str, data: st.DataObject) -> None:
    """No value in any place of a payload crashes the run."""
    payload = json.loads(json.dumps(WHOLE[name]))
    for way, value in data.draw(CHANGES[name]):
        # A change before may have taken the place away.
        with suppress(KeyError, IndexError, TypeError):
            functools.reduce(operator.getitem, way[:-1], payload)[way[-1]] = value

    assert isinstance(read(name, json.dumps(payload).encode()), Rfp | Reject)
