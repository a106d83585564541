"""docs/SOURCES.md matches the program."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

import orjson
import pytest
from typing_extensions import is_typeddict

from futurscam_lib import rfp, settings
from futurscam_lib.transform import boond, pro_unity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

DOC: Final = settings.PROJECT / "docs" / "SOURCES.md"
TEXT: Final = DOC.read_text("utf-8")
SECTION: Final = TEXT.split("\n## Field by field\n")[1].split("\n## ")[0]
TABLE: Final = {
    field: (pro_unity_cell, boond_cell)
    for field, pro_unity_cell, boond_cell in re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \|$", SECTION, re.MULTILINE)
}
MAPPINGS: Final = [(0, "pro_unity", pro_unity), (1, "boond", boond)]
PROVENANCE: Final = {"_etl.source_id", "_etl.version"}


def leaves(kind: Any, path: str) -> Iterator[str]:
    """Paths of all fields that hold no others: `company.name`, `skills[].name`."""
    if is_typeddict(kind):
        for name, inner in get_type_hints(kind).items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
        return
    inside = [inner for inner in get_args(kind) if is_typeddict(inner)]
    if inside:
        yield from leaves(inside[0], f"{path}[]")
    else:
        yield path


def paths(cell: str) -> list[str]:
    """Return the source's fields that a cell names, without settings."""
    return [path for path in re.findall(r"`(.+?)`", cell) if not path.startswith("FUTURSCAM_")]


def holds(payload: Any, path: str) -> bool:
    """Return whether a payload has a value at a path; `[]` stands for any element."""
    values = [payload]
    for step in path.split("."):
        name = step.removesuffix("[]")
        values = [value[name] for value in values if isinstance(value, dict) and name in value]
        if step.endswith("[]"):
            values = [element for value in values if isinstance(value, list) for element in value]
    return bool(values)


def payloads(name: str) -> list[Any]:
    """Return the roots of a source's paths: the whole payload; for an opportunity also its two halves."""
    whole = orjson.loads((Path(__file__).parent.parent / "golden" / name / "complete" / "raw.json").read_bytes())
    halves = [whole["data"], whole["detail"]] if name == "boond" else []
    lists = [{"included": included} for included in whole.get("included", [])]
    return [whole, *halves, *lists]


def source_of(module: ModuleType) -> str:
    """Return the text of a module."""
    return Path(str(module.__file__)).read_text("utf-8")


def test_each_field_has_a_row() -> None:
    """Every field of the document, nested ones too, and what its version is made from; in the document's order."""
    fields = list(leaves(rfp.RfpContent, ""))

    assert len(fields) > 30
    assert [field for field in TABLE if field not in PROVENANCE] == fields
    assert set(TABLE) >= PROVENANCE


@pytest.mark.parametrize(("column", "name", "module"), MAPPINGS)
def test_the_paths_are_those_of_real_payloads(column: int, name: str, module: ModuleType) -> None:
    """Each path is in the complete golden case, or at least read by the mapping."""
    known, source = payloads(name), source_of(module)
    named = {path for cells in TABLE.values() for path in paths(cells[column])}

    assert len(named) > 20
    for path in named:
        names = [step.removesuffix("[]") for step in path.split(".")]
        read = all(f'"{one}"' in source for one in names if one not in {"attributes", "relationships", "included"})
        assert read or any(holds(payload, path) for payload in known), path


@pytest.mark.parametrize(("column", "name", "module"), MAPPINGS)
def test_every_field_that_the_mapping_reads_is_named(column: int, name: str, module: ModuleType) -> None:
    """Each field of the source that goes into a document is in the table."""
    kinds = "text|raw_text|required_text|identifier|required_identifier|flag|number|whole|instant|texts|children|items"
    kinds += "|amount|day|deadline|is_word|word|spell"
    read = set(re.findall(rf'\.(?:{kinds}|child|last_change|related)\("(\w+)"', source_of(module)))
    named = {step.removesuffix("[]") for cells in TABLE.values() for p in paths(cells[column]) for step in p.split(".")}

    assert len(read) > 10, name
    assert read <= named


def test_the_links_lead_somewhere() -> None:
    """Files that are linked to are there, and so are the headings, here and in the other file."""
    links = re.findall(r"\]\((?!https://)([^)]+)\)", TEXT)

    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        target = (DOC.parent / file).resolve() if file else DOC
        assert target.is_file(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, link


def test_the_variables_and_modules_exist() -> None:
    """Every variable that the text names is a setting, and the servers that it starts exist."""
    variables = set(re.findall(r"\b(?:FUTURSCAM|MONGO)_[A-Z_]+\b", TEXT))
    modules = re.findall(r"python -m (tests\.[\w.]+)", TEXT)

    assert variables <= {variable.name for variable in settings.TABLE.values()}
    assert len(modules) == 2
    assert all(find_spec(module) for module in modules)
