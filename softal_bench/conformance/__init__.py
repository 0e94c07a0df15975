"""Checks that any plugin has to pass: `softal-bench check NAME`, or the functions here from a plugin's own tests."""

from pathlib import Path
from typing import Any

from softal_bench.conformance.acquisitions import check_acquisition
from softal_bench.conformance.datasets import check_dataset
from softal_bench.conformance.models import check_model
from softal_bench.conformance.result import Result
from softal_bench.errors import DataMissingError, PluginError
from softal_bench.registry import Registry, parameters_of

__all__ = ["Result", "check_acquisition", "check_dataset", "check_model", "check_plugin"]


def check_plugin(registry: Registry[Any], name: str, data_root: Path) -> list[Result]:
    """Check an installed plugin with its default parameters.

    Where it cannot be used, or needs parameters or data that are not at hand, the one result says so.
    """
    broken = registry.why_broken(name)
    if broken:
        return [Result("usable", "failed", broken)]
    required = [row["name"] for row in parameters_of(registry.load(name)) if row["required"]]
    if required:
        return [Result("built", "skipped", f"{', '.join(required)} has no default; check it in a suite")]
    try:
        plugin = registry.build(name)
        if registry.kind == "acquisitions":
            return check_acquisition(plugin)
        return check_model(plugin) if registry.kind == "models" else check_dataset(plugin, data_root)
    except DataMissingError as error:
        return [Result("loads", "skipped", str(error))]
    except PluginError as error:
        return [Result("built", "failed", str(error))]
