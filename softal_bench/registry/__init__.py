"""Plugins, which are found by their entry points and imported when they are first used.

A plugin is an entry point in the group `softal_bench.acquisitions`, `softal_bench.models` or `softal_bench.datasets`;
the built-in plugins are found in the same way. The name of the entry point is the plugin's only name. A plugin that
cannot be used is listed as broken, with the reason, and affects only the suites that use it.
"""

from softal_bench.registry.plugins import (
    Listing,
    Plugin,
    Registry,
    acquisitions,
    datasets,
    models,
    parameters_of,
    plugin_names,
    registries,
    registries_with,
)

__all__ = [
    "Listing",
    "Plugin",
    "Registry",
    "acquisitions",
    "datasets",
    "models",
    "parameters_of",
    "plugin_names",
    "registries",
    "registries_with",
]
