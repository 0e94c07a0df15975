"""The rule of floors, read from the sources: imports point only downward, and the harness knows no plugin by name."""

import ast
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HARNESS = ROOT / "softal_bench"
PLUGINS = ROOT / "plugins" / "softal_plugins"

FLOORS = {
    part: floor
    for floor, parts in enumerate(
        [
            ["errors", "seeding"],
            ["contracts"],
            ["machine"],
            ["bayes"],
            ["pools"],
            ["registry"],
            ["templates"],
            ["conformance", "suite"],
            ["journal"],
            ["trial"],
            ["cost"],
            ["run"],
            ["records"],
            ["report"],
            ["cli", "__main__"],
        ]
    )
    for part in parts
}
OPEN_TO_PLUGINS = {"contracts", "bayes", "errors"}

# bayes is left out: it contains the entropies themselves and names them in its messages.
DISPATCHING = sorted(path for path in HARNESS.rglob("*.py") if path.relative_to(HARNESS).parts[0] != "bayes")


def module_of(path: Path, package: Path) -> str:
    """Return the dotted name of a source file; for an __init__.py, that of its package."""
    parts = [package.name, *path.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, package: Path) -> Iterator[str]:
    """Yield the dotted names that a source file imports anywhere: `from a.b import c` counts as a.b.c."""
    own_package = module_of(path, package).split(".")
    if path.name != "__init__.py":
        own_package = own_package[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = own_package[: len(own_package) - node.level + 1] if node.level else []
            source = [*above, *([node.module] if node.module else [])]
            yield from (".".join([*source, alias.name]) for alias in node.names)


def part_of(module: str) -> str | None:
    """Return a module's part of the harness, such as `bayes` for softal_bench.bayes.gibbs; None outside the harness."""
    names = module.split(".")
    return names[1] if names[0] == "softal_bench" and len(names) > 1 else None


def sources(package: Path) -> list[Path]:
    found = sorted(package.rglob("*.py"))
    assert found, f"no sources under {package}"
    return found


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def string_literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and value of each string in the code, without docstrings and other strings that stand alone."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def registered_names() -> set[str]:
    groups = ("softal_bench.acquisitions", "softal_bench.models", "softal_bench.datasets")
    return {entry_point.name for group in groups for entry_point in entry_points(group=group)}


@pytest.mark.parametrize("path", sources(HARNESS), ids=relative)
def test_the_harness_imports_only_downward(path: Path) -> None:
    part = part_of(module_of(path, HARNESS))
    if part is None:  # softal_bench/__init__.py imports no part, so that importing it is cheap
        assert [name for name in imports(path, HARNESS) if name.startswith("softal_bench")] == []
        return
    assert part in FLOORS, f"{relative(path)}: the part {part!r} stands on no floor; name one in design.md and here"
    above = [
        name
        for name in imports(path, HARNESS)
        if (imported := part_of(name)) in FLOORS and FLOORS[str(imported)] > FLOORS[part]
    ]
    assert above == [], f"{relative(path)} (floor {FLOORS[part]}) imports from floors above it"


@pytest.mark.parametrize("path", sources(HARNESS), ids=relative)
def test_the_harness_imports_no_plugin(path: Path) -> None:
    assert [name for name in imports(path, HARNESS) if name.split(".")[0].startswith("softal_plugins")] == []


@pytest.mark.parametrize("path", sources(PLUGINS), ids=relative)
def test_the_built_in_plugins_import_only_contracts_bayes_and_errors(path: Path) -> None:
    of_the_harness = [name for name in imports(path, PLUGINS) if name.split(".")[0] == "softal_bench"]
    assert [name for name in of_the_harness if part_of(name) not in OPEN_TO_PLUGINS] == []


@pytest.mark.parametrize("path", DISPATCHING, ids=relative)
def test_the_harness_knows_no_plugin_by_name(path: Path) -> None:
    names = registered_names()
    assert {"bald", "lenet5", "digits"} <= names
    found = [f"{relative(path)}:{line}: {value!r}" for line, value in string_literals(path) if value in names]
    assert found == []


def test_no_part_of_the_harness_is_missing() -> None:
    there = {part for path in sources(HARNESS) if (part := part_of(module_of(path, HARNESS)))}
    assert set(FLOORS) - {"__main__", "conformance"} <= there


def test_all_forms_of_imports_are_found(tmp_path: Path) -> None:
    package = tmp_path / "softal_bench"
    (package / "bayes").mkdir(parents=True)
    source = package / "bayes" / "gibbs.py"
    source.write_text(
        "import softal_bench.cli.main as main\n"
        "from softal_bench import report\n"
        "from softal_bench.trial.trial import Trial\n"
        "from . import information\n"
        "from ..suite import file\n"
        "def late():\n    from softal_bench.registry import models\n"
    )
    assert list(imports(source, package)) == [
        "softal_bench.cli.main",
        "softal_bench.report",
        "softal_bench.trial.trial.Trial",
        "softal_bench.bayes.information",
        "softal_bench.suite.file",
        "softal_bench.registry.models",
    ]
