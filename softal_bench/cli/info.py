"""`softal-bench info`."""

import inspect
import textwrap
from typing import TYPE_CHECKING, Any

import click

from softal_bench.cli.failures import told

if TYPE_CHECKING:
    from softal_bench.registry import Registry

FACTS = ("needs", "cost", "citation", "revision")


@click.command(short_help="Show what a plugin is and takes.")
@click.argument("name")
@told
def info(name: str) -> int:
    """Show what a plugin is, its parameters with types, defaults and meaning, its needs, cost, citation and origin."""
    from softal_bench.registry import registries_with

    for registry in registries_with(name):
        listing = registry.listing(name)
        click.echo(f"{name}: {registry.noun}, from {listing.distribution} {listing.version}")
        if listing.error:
            click.echo(f"  broken: {listing.error}")
        else:
            _describe(registry, name)
    return 0


def _describe(registry: "Registry[Any]", name: str) -> None:
    from softal_bench.registry import parameters_of

    plugin_class = registry.load(name)
    click.echo(textwrap.indent(inspect.getdoc(plugin_class) or "(no description)", "  "))
    parameters = parameters_of(plugin_class)
    click.echo("\n  parameters:" if parameters else "\n  parameters: none")
    for row in parameters:
        default = "required" if row["required"] else f"default {row['default']}"
        meaning = f": {row['meaning']}" if row["meaning"] else ""
        click.echo(f"    {row['name']}: {row['type']} ({default}){meaning}")
    plugin = plugin_class if any(row["required"] for row in parameters) else registry.build(name)
    for fact in FACTS:
        text = _text(getattr(plugin, fact, ""))
        if text:
            click.echo(f"  {fact}: {text}")
    if digest := registry.source(name):
        click.echo(f"  source: {digest}")


def _text(value: object) -> str:
    if isinstance(value, property):  # it depends on parameters that are not given
        return ""
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else str(value)
