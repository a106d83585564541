"""The layers of the package: imports only point downwards, and the package exports exactly what notebooks use."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import futurscam_lib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

PACKAGE = Path(futurscam_lib.__file__).parent
NOTEBOOKS = PACKAGE.parent / "notebooks"
NAME = "futurscam_lib"
STAGES = ("extract", "transform", "enrich", "load")
FLOORS = (
    *("__main__", "cli", "diagnostics", "lab", "analysis", "review", "schedule", "runner", "pipeline"),
    *("audit", "report", *STAGES),
)
"""From top to bottom. All other modules are the base, which every layer may import."""
BASE = {
    *("rfp", "records", "watermark", "settings", "clock", "errors", "files"),
    *("jsontext", "nesting", "prefetch", "run_ids"),
}
MOST_LOOSE = 12

Graph = dict[str, set[str]]


def arrows_of(package: Path) -> Graph:
    """Return the modules of the package that each module imports, also for types only and by name.

    Modules are named without the package: `load.mongo`; the package's own `__init__` is ``.
    """
    names = {path: path.relative_to(package).with_suffix("").parts for path in package.rglob("*.py")}
    modules = {path: ".".join(part for part in parts if part != "__init__") for path, parts in names.items()}
    known = set(modules.values())
    return {
        module: {_nearest(target, known) for target in _targets(ast.parse(path.read_bytes()))} - {module}
        for path, module in modules.items()
        if module
    }


def _targets(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield "<a relative import>"
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == NAME:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == NAME)
        elif isinstance(node, ast.Call):
            # importlib.import_module and its like.
            texts = (argument.value for argument in node.args if isinstance(argument, ast.Constant))
            yield from (text for text in texts if isinstance(text, str) and text.startswith(f"{NAME}."))


def _nearest(target: str, known: AbstractSet[str]) -> str:
    """The module that a dotted name leads to; the last parts may be what the module holds."""
    inner = target.removeprefix(NAME).removeprefix(".")
    while inner and inner not in known and "." in inner:
        inner = inner.rpartition(".")[0]
    return inner if inner in known else ""


def reached(module: str, graph: Mapping[str, AbstractSet[str]]) -> set[str]:
    """Return all modules that a module imports, directly or indirectly."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def part(module: str) -> str:
    """The folder or the file right under the package."""
    return module.partition(".")[0]


def faults_of(graph: Mapping[str, AbstractSet[str]]) -> list[str]:
    """Return each forbidden import as a sentence."""
    return sorted(fault for module, targets in graph.items() for fault in _faults_of(module, targets, graph))


def _faults_of(module: str, targets: AbstractSet[str], graph: Mapping[str, AbstractSet[str]]) -> Iterator[str]:
    along = reached(module, graph)
    if module in along:
        yield f"{module} comes back to itself."
    if "" in targets:
        yield f"{module} imports what is no module of the package, or the package itself."
    if part(module) in STAGES:
        others = {*STAGES, "audit"} - {part(module)}
        yield from (f"{module} reaches {other}." for other in along if part(other) in others)
    if part(module) in BASE:
        yield from (
            f"{module} imports {other}, which is no base." for other in targets if part(other) not in {*BASE, ""}
        )
    elif part(module) in FLOORS:
        above = FLOORS[: FLOORS.index(part(module))]
        yield from (f"{module} imports {other}, which stands above it." for other in targets if part(other) in above)
    else:
        yield f"{module} stands on no floor."


def imported_by_notebooks() -> set[str]:
    """The names that the committed notebooks take from the package."""
    found: set[str] = set()
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in json.loads(path.read_bytes())["cells"]:
            if cell["cell_type"] == "code":
                for node in ast.walk(ast.parse("".join(cell["source"]))):
                    if isinstance(node, ast.ImportFrom) and node.module == NAME:
                        found |= {alias.name for alias in node.names}
    return found


def test_arrows_only_point_downwards() -> None:
    """No stage imports another stage or the audit log, nothing imports a higher layer, and there are no circles."""
    assert faults_of(arrows_of(PACKAGE)) == []


def test_the_rules_match_the_package() -> None:
    """The modules named in the rules exist, and known imports are detected: a rule about nothing would always pass."""
    graph = arrows_of(PACKAGE)

    assert {part(module) for module in graph} == {*FLOORS, *BASE}
    assert graph["pipeline.opening"] >= {"extract", "pipeline.run", "watermark"}
    assert graph["pipeline.run"] >= {"transform", "load.mongo", "clock", "records", "extract.source"}
    assert graph["runner.engine"] >= {"runner.notebook_file", "runner.papermill_engine", "errors", "settings.redaction"}
    assert reached("cli.app", graph) >= {"runner.runner", "audit.ledger", "clock"}


def test_few_modules_are_at_the_top_of_the_package() -> None:
    """At most a dozen are at the top of the package; the others are in folders."""
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_LOOSE


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("extract/x.py", "from futurscam_lib.load import mongo", "extract.x reaches load.mongo."),
        ("extract/x.py", "from futurscam_lib.load.mongo import connect", "extract.x reaches load.mongo."),
        ("transform/x.py", "import futurscam_lib.load.mongo as m", "transform.x reaches load.mongo."),
        ("load/x.py", "def f():\n    from futurscam_lib import extract", "load.x reaches extract."),
        ("extract/x.py", "def f():\n    from futurscam_lib.audit import ledger", "extract.x reaches audit.ledger."),
        (
            "load/x.py",
            "if TYPE_CHECKING:\n    from futurscam_lib.transform import text",
            "load.x reaches transform.text.",
        ),
        ("load/x.py", "import_module('futurscam_lib.extract')", "load.x reaches extract."),
        ("load/x.py", "from futurscam_lib.report import text", "load.x imports report.text, which stands above it."),
        (
            "report/x.py",
            "from futurscam_lib.pipeline.run import Run",
            "report.x imports pipeline.run, which stands above it.",
        ),
        ("report/x.py", "from futurscam_lib import cli", "report.x imports cli, which stands above it."),
        ("audit/x.py", "from futurscam_lib.runner import lock", "audit.x imports runner.lock, which stands above it."),
        ("new.py", "", "new stands on no floor."),
        (
            "clock.py",
            "from futurscam_lib.report.text import size",
            "clock imports report.text, which is no base.",
        ),
        ("clock.py", "from futurscam_lib import errors, clock", None),
        ("errors.py", "from futurscam_lib import clock", "clock comes back to itself."),
        ("clock.py", "from . import errors", "clock imports what is no module of the package, or the package itself."),
        (
            "clock.py",
            "from futurscam_lib import Run",
            "clock imports what is no module of the package, or the package itself.",
        ),
        ("cli/x.py", "from futurscam_lib.runner import lock\nfrom futurscam_lib.pipeline import run", None),
    ],
)
def test_a_forbidden_import_is_detected(tmp_path: Path, module: str, line: str, fault: str | None) -> None:
    """Each rule fails only on an example that breaks it."""
    modules = (
        "pipeline/run",
        "report/text",
        "runner/lock",
        "load/mongo",
        "transform/text",
        "extract/__init__",
        "audit/ledger",
    )
    house = {
        **{f"{name}.py": "" for name in (*modules, "transform/__init__", "load/__init__", "cli/__init__", "errors")},
        "__init__.py": "from futurscam_lib.pipeline.run import Run",
        "clock.py": "from futurscam_lib import errors",
    }
    house[module] = house.get(module, "") + f"\n{line}\n"
    for name, text in house.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    faults = faults_of(arrows_of(tmp_path))

    assert (fault in faults) if fault else (faults == [])


def test_the_package_exports_what_notebooks_use() -> None:
    """Each name is imported by a notebook, or is the type of what one of those gives; and each import is there."""
    used = imported_by_notebooks()
    exported = set(futurscam_lib.__all__)
    given = {
        getattr(futurscam_lib, name).__annotations__.get("return")
        for name in used & exported
        if hasattr(getattr(futurscam_lib, name), "__annotations__")
    }

    assert used <= exported
    assert exported - used <= given


def test_importing_the_package_is_cheap() -> None:
    """The command line imports it first: it must not import the database driver or pandas before they are needed."""
    program = "import sys, futurscam_lib; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert not {"pymongo", "bson", "pandas", "pydantic", "IPython"} & set(loaded)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt import says so like any other module."""
    with pytest.raises(AttributeError, match="no attribute 'open_runn'"):
        _ = futurscam_lib.open_runn


def test_no_notebook_assigns_a_name_that_the_package_exports() -> None:
    """`rfps = run.transform(...)` hides nothing."""
    cells = [
        "".join(cell["source"])
        for path in NOTEBOOKS.glob("*.ipynb")
        for cell in json.loads(path.read_bytes())["cells"]
        if cell["cell_type"] == "code"
    ]
    assigned = {
        node.id
        for cell in cells
        for node in ast.walk(ast.parse(cell))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }

    assert assigned
    assert assigned.isdisjoint(futurscam_lib.__all__)


def test_notebooks_of_earlier_versions_find_their_names() -> None:
    """`review` too, which is a package today, and again after that package has been imported."""
    program = (
        "from futurscam_lib import analyses, glue, languages, open_run, review, rfps, skills\n"
        "import futurscam_lib.review.overview\n"
        "from futurscam_lib import review as again\n"
        "from futurscam_lib.errors import UsageError\n"
        "for function in (review, again, futurscam_lib.review.review):\n"
        "    try:\n"
        "        function(7, until='no instant', pages=False)\n"
        "    except UsageError as error:\n"
        "        print(error)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout.count("until: ") == 3


def test_no_module_has_another_name_where_it_is_imported() -> None:
    """`from futurscam_lib.x import y as z` makes a reader look for z."""
    modules = {f"{NAME}.{module}" for module in arrows_of(PACKAGE)}
    aliases = [
        f"{path.relative_to(PACKAGE)}: {alias.name} as {alias.asname}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == NAME
        for alias in node.names
        if alias.asname and f"{node.module}.{alias.name}" in modules
    ]

    assert aliases == []


def test_no_two_classes_share_a_name() -> None:
    """A class that is found by its name is the right one."""
    places: dict[str, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))

    assert {name: where for name, where in places.items() if len(where) > 1} == {}
