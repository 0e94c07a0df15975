"""Entry points -> plugins, lazily. The entry-point name is a plugin's only name.

A plugin is an entry point in `softal_bench.acquisitions`, `softal_bench.models` or `softal_bench.datasets`; the
built-in ones come through the same door. A plugin that cannot be used is listed as broken, with why, and stops only
what asks for it.
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
