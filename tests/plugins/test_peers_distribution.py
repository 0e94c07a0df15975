"""The distribution of other libraries' acquisition functions is sound even without those libraries."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from softal_bench.contracts import AcquisitionFunction
from softal_bench.registry.plugins import why_unsound

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "plugins" / "softal-bench-peers"
GROUP = "softal_bench.acquisitions"


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


PLUGINS: dict[str, str] = project(FOLDER)["project"]["entry-points"][GROUP]


@pytest.mark.parametrize("name", PLUGINS)
def test_each_entry_point_is_a_valid_acquisition_function(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    module, _, attribute = PLUGINS[name].partition(":")
    plugin_class = getattr(importlib.import_module(module), attribute)
    assert why_unsound(plugin_class, AcquisitionFunction) is None
    assert plugin_class.__doc__


def test_its_names_differ_from_those_of_the_built_in_plugins() -> None:
    assert not set(PLUGINS) & set(project(ROOT)["project"]["entry-points"][GROUP])


def test_importing_it_does_not_import_the_libraries() -> None:
    modules = {value.partition(":")[0] for value in PLUGINS.values()}
    print_libraries = "print({'baal', 'batchbald_redux'} & set(sys.modules))"
    program = f"import sys, {', '.join(sorted(modules))}; {print_libraries}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_it_is_not_part_of_the_main_distribution() -> None:
    setuptools = pytest.importorskip("setuptools", reason="setuptools is not installed; pip builds with its own")
    keys = project(ROOT)["tool"]["setuptools"]["packages"]["find"]
    found = {
        name for where in keys["where"] for name in setuptools.find_packages(str(ROOT / where), include=keys["include"])
    }
    assert {"softal_bench", "softal_plugins"} <= found
    assert not [name for name in found if name.startswith("softal_bench_peers")]
